"""Placed objects to the rows of the truth table, measured on the pixels that were written. Writes nothing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import QTable
from numpy.typing import NDArray

from radiff.masks import SourceObject, class_name
from radiff.populate.drawing import Drawn
from radiff.populate.geometry import Grid, on_sky, widths_of
from radiff.populate.placing import Places
from radiff.populate.pool import Pool
from radiff.populate.profiles import centroid, mask_level, second_moments
from radiff.populate.stamps import StampLibrary
from radiff.populate.writing import flux_pixels
from radiff.sky.truth import truth_table

CHUNK = 1000
"""Objects measured by one task."""
MEASURED = ("x", "y", "x_peak", "y_peak", "sum", "peak", "xx", "xy", "yy", "n_pixels", "x_min", "x_max", "y_min", "y_max")


def measure(drawn: Drawn, places: Places, pool: Pool) -> NDArray[np.float64]:
    """(n, len(MEASURED)) numbers of every object, alone, in pixels and Jy/beam."""
    starts = range(0, len(places), CHUNK)
    items = [(drawn.part(slice(s, s + CHUNK)), places[s : s + CHUNK]) for s in starts]  # type: ignore[arg-type]
    return np.concatenate([np.zeros((0, len(MEASURED))), *pool(_measure_chunk, items, "measuring")])


def _measure_chunk(item: tuple[Drawn, Places]) -> NDArray[np.float64]:
    drawn, places = item
    return np.array([_measure_one(drawn, places, index) for index in range(len(places))]).reshape(-1, len(MEASURED))


def _measure_one(drawn: Drawn, places: Places, index: int) -> tuple[float, ...]:
    pixels, place = drawn.pixels(index), places[index]
    values = flux_pixels(pixels.values, float(place["flux"]))
    y0, x0 = int(place["y"]) + pixels.y0, int(place["x"]) + pixels.x0
    y, x = centroid(values)
    shape = second_moments(values)
    top, left = np.unravel_index(int(np.argmax(values)), values.shape)
    mask = object_mask(pixels.values, place)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (x0 + columns[0], x0 + columns[-1], y0 + rows[0], y0 + rows[-1])
    moments = (shape[0, 0], shape[0, 1], shape[1, 1])
    peaks = (x0 + left, y0 + top, values.sum(), values.max())
    return (x0 + x, y0 + y, *peaks, *moments, np.count_nonzero(mask), *box)


def object_mask(values: NDArray[np.float32], place: Any) -> NDArray[np.bool_]:
    """The pixels of an object's mask among its pixels of unit flux."""
    return values >= mask_level(float(place["peak"] / place["rms"])) * float(values.max())


def mask_objects(drawn: Drawn, places: Places, names: list[str]) -> list[SourceObject]:
    """The objects' masks."""
    objects = []
    for index, name in enumerate(names):
        pixels, place = drawn.pixels(index), places[index]
        mask = object_mask(pixels.values, place)
        y, x = int(place["y"]) + pixels.y0, int(place["x"]) + pixels.x0
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        y0, x0 = int(rows[0]), int(columns[0])
        stamp = mask[y0 : rows[-1] + 1, x0 : columns[-1] + 1]
        info = {"peak_flux": float(place["peak"]), "peak_snr": float(place["peak"] / place["rms"])}
        objects.append(SourceObject(name, int(drawn.objects["class"][index]), stamp, y + y0, x + x0, info))
    return objects


@dataclass(frozen=True, eq=False)
class TruthMaker:
    """Makes the truth table of a map."""

    grid: Grid
    library: StampLibrary | None
    meta: dict[str, Any]

    def table(self, drawn: Drawn, places: Places, names: list[str], pool: Pool) -> QTable:
        """The truth of placed objects, in the order of their numbers."""
        found = dict(zip(MEASURED, measure(drawn, places, pool).T, strict=True))
        grid, objects = self.grid, drawn.objects
        ra, dec = grid.to_sky(found["x"], found["y"])
        ra_peak, dec_peak = grid.to_sky(found["x_peak"], found["y_peak"])
        shapes = np.moveaxis(np.array([[found["xx"], found["xy"]], [found["xy"], found["yy"]]]), 2, 0)
        steps = grid.steps(found["x"], found["y"])
        major, minor, pa = widths_of(on_sky(steps, shapes))
        deconvolved = widths_of(on_sky(steps, shapes - grid.beam_shape))
        flux = found["sum"] / grid.beam_area
        seeds = np.full(len(places), -1, np.int64)
        stamped = objects["stamp"] >= 0
        if self.library is not None:
            seeds[stamped] = np.asarray(self.library.index["seed"], np.int64)[objects["stamp"][stamped]]
        columns = {
            "id": np.arange(1, len(places) + 1),
            "name": np.array(names, dtype=str),
            "class": np.array([class_name(int(value)) for value in objects["class"]], dtype=str),
            "ra": ra,
            "dec": dec,
            "ra_peak": ra_peak,
            "dec_peak": dec_peak,
            "flux": flux,
            "rms": places["rms"],
            "snr": found["peak"] / places["rms"],
            "major": major,
            "minor": minor,
            "major_deconvolved": _floored(deconvolved[0], grid),
            "minor_deconvolved": _floored(deconvolved[1], grid),
            "pa": pa,
            "core_fraction": np.minimum(found["peak"] / np.maximum(flux, 1e-300), 1.0),
            "k": objects["k"],
            "stamp_seed": seeds,
            "attempt": places["attempt"],
            "cluster": places["cluster"],
        }
        columns |= {name: found[name] for name in ("x", "y", "peak", "n_pixels", "x_min", "x_max", "y_min", "y_max")}
        columns |= {name: objects[name] for name in ("stamp", "turn", "dx", "dy", "seed", "scale")}
        return truth_table(columns, self.meta)


def _floored(widths: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Deconvolved widths; those below a hundredth of the beam, where pixels say nothing, are 0."""
    return np.where(widths < 1e-2 * grid.beam.min, 0.0, widths)
