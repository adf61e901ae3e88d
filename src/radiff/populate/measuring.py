"""Placed objects to the rows of the truth table and to their masks, measured on the pixels that were written.

Writes nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import QTable
from numpy.typing import NDArray

from radiff.masks import SourceObject, class_name
from radiff.parallel import Pool
from radiff.populate.drawing import Drawn
from radiff.populate.placing import Places
from radiff.populate.profiles import centroid, mask_level, second_moments
from radiff.populate.stamps import StampLibrary
from radiff.populate.writing import flux_pixels
from radiff.sky.grid import SkyGrid
from radiff.sky.truth import truth_table

CHUNK = 500
"""Objects measured by one task."""
MEASURED = (
    "x", "y", "x_peak", "y_peak", "sum", "peak", "xx", "xy", "yy", "n_pixels", "x_min", "x_max", "y_min", "y_max",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured of objects.

    Attributes
    ----------
    numbers : (n, len(MEASURED))
        Of every object, alone; pixels and Jy/beam.
    objects : list of SourceObject
        Their masks, with ``peak_flux`` (Jy/beam), ``peak_snr`` and ``Stot`` (sum over the mask, Jy/beam) in the info.
    """

    numbers: NDArray[np.float64]
    objects: list[SourceObject]


def measure(drawn: Drawn, places: Places, names: list[str], pool: Pool) -> Measures:
    """Measure placed objects, in the order of their numbers."""
    items = []
    for start in range(0, len(places), CHUNK):
        part = slice(start, start + CHUNK)
        items.append((drawn.part(part), places[part], names[part]))
    found = pool(_measure_chunk, items, "measuring")
    numbers = [one.numbers for one in found]
    return Measures(np.concatenate([np.zeros((0, len(MEASURED))), *numbers]), [o for one in found for o in one.objects])


def _measure_chunk(item: tuple[Drawn, Places, list[str]]) -> Measures:
    drawn, places, names = item
    measured = [_measure_one(drawn, places, index, name) for index, name in enumerate(names)]
    numbers = np.array([row for row, _ in measured]).reshape(-1, len(MEASURED))
    return Measures(numbers, [one for _, one in measured])


def _measure_one(drawn: Drawn, places: Places, index: int, name: str) -> tuple[list[float], SourceObject]:
    pixels, place = drawn.pixels(index), places[index]
    values = flux_pixels(pixels.values, float(place["flux"]))
    y0, x0 = int(place["y"]) + pixels.y0, int(place["x"]) + pixels.x0
    y, x = centroid(values)
    shape = second_moments(values)
    top, left = np.unravel_index(int(np.argmax(values)), values.shape)
    mask = object_mask(pixels.values, place)
    info = {
        "peak_flux": float(place["peak"]),
        "peak_snr": float(place["peak"] / place["rms"]),
        "Stot": float(values[mask].sum()),
    }
    one = SourceObject.from_pixels(name, int(drawn.objects["class"][index]), mask, info)
    one = SourceObject(one.name, one.class_value, one.stamp, one.y0 + y0, one.x0 + x0, info)
    box = (one.bbox[2], one.bbox[3] - 1, one.bbox[0], one.bbox[1] - 1)
    peak = (x0 + left, y0 + top, values.sum(), values.max())
    row = (x0 + x, y0 + y, *peak, shape[0, 0], shape[0, 1], shape[1, 1], one.npix, *box)
    return [float(value) for value in row], one


def object_mask(values: NDArray[np.float32], place: Any) -> NDArray[np.bool_]:
    """The pixels of an object's mask among its pixels of unit flux."""
    return values >= mask_level(float(place["peak"] / place["rms"])) * float(values.max())


def make_truth(
    grid: SkyGrid,
    library: StampLibrary | None,
    drawn: Drawn,
    places: Places,
    measures: Measures,
    meta: dict[str, Any],
) -> QTable:
    """The truth of placed objects, one row each, in the order of their numbers."""
    found = dict(zip(MEASURED, measures.numbers.T, strict=True))
    objects = drawn.objects
    ra, dec = grid.to_sky(found["x"], found["y"])
    ra_peak, dec_peak = grid.to_sky(found["x_peak"], found["y_peak"])
    shapes = np.moveaxis(np.array([[found["xx"], found["xy"]], [found["xy"], found["yy"]]]), 2, 0)
    sizes = grid.sizes(found["x"], found["y"], shapes)
    for name in ("maj_deconvolved", "min_deconvolved"):  # pixels tell nothing below a hundredth of the beam
        sizes[name] = np.where(sizes[name] < 1e-2 * grid.beam.min, 0.0, sizes[name])
    sizes["pa_deconvolved"] = np.where(sizes["maj_deconvolved"] > 0, sizes["pa_deconvolved"], np.nan)
    flux = found["sum"] / grid.beam_area
    seeds = np.full(len(places), -1, np.int64)
    stamped = objects["stamp"] >= 0
    if library is not None:
        seeds[stamped] = np.asarray(library.index["seed"], np.int64)[objects["stamp"][stamped]]
    columns = sizes | {
        "id": np.arange(1, len(places) + 1),
        "name": np.array([one.name for one in measures.objects], dtype=str),
        "class": np.array([class_name(int(value)) for value in objects["class"]], dtype=str),
        "ra": ra,
        "dec": dec,
        "ra_peak": ra_peak,
        "dec_peak": dec_peak,
        "int_flux": flux,
        "peak_flux": found["peak"],
        "local_rms": places["rms"],
        "snr": found["peak"] / places["rms"],
        "core_fraction": np.minimum(found["peak"] / np.maximum(flux, 1e-300), 1.0),
        "k": objects["k"],
        "stamp_seed": seeds,
        "attempt": places["attempt"],
        "cluster": places["cluster"],
    }
    columns |= {name: found[name] for name in ("x", "y", "n_pixels", "x_min", "x_max", "y_min", "y_max")}
    columns |= {name: objects[name] for name in ("stamp", "turn", "dx", "dy", "seed", "scale")}
    return truth_table(columns, meta)
