"""Options, a library and a catalog to the list of objects to place: every draw but the position. Reads no map.

Object `n` has a seed of its own, from the run's seed and `n`; all its draws follow from that, whatever else is placed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.masks import COMPACT, class_name
from radiff.populate.options import ORDER, PopulateOptions
from radiff.populate.stamps import StampLibrary
from radiff.sky.beam import covariance
from radiff.sky.grid import SkyGrid, in_pixels

FIELDS: list[tuple[str, Any]] = [
    ("seed", np.int64),
    ("class", np.int16),
    ("stamp", np.int64),
    ("turn", np.int16),
    ("dx", float),
    ("dy", float),
    ("scale", float),
    ("xx", float),  # covariance of a Gaussian source, beam included, pixels
    ("xy", float),
    ("yy", float),
    ("k", float),
    ("flux", float),
    ("x", np.int64),  # pixel of a catalog source
    ("y", np.int64),
    ("row", np.int64),  # of the catalog
]
ALIKE = 5
"""A catalog's extended source takes one of so many stamps whose size is next above its own."""
EXTENDED_BEAMS = 0.7
"""A catalog's source is extended where its deconvolved major axis is above so many beams."""

Objects = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CatalogSources:
    """A catalog's sources on a map.

    Attributes
    ----------
    table : Table
        ra, dec (deg) and, where known, int_flux (Jy), maj, min (arcsec), pa (deg), class (text), name.
    outside : int
        How many rows lie off the map.
    """

    table: Table
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    outside: int


def object_seed(seed: int, number: int) -> int:
    """Seed of object `number` of the run of `seed`: 63 bits."""
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint64)[0] >> 1)


def draw_objects(
    options: PopulateOptions, grid: SkyGrid, area: float, library: StampLibrary | None, catalog: CatalogSources | None
) -> Objects:
    """The objects to be placed, in the order of their placing.

    Parameters
    ----------
    options : PopulateOptions
    grid : SkyGrid
    area : float
        Usable area of the map, square degrees.
    library : StampLibrary, optional
        Needed for extended and spurious objects without a catalog.
    catalog : CatalogSources, optional

    Raises
    ------
    InputError
        Where stamps of a class are asked for and there are none, or nothing is asked for.
    """
    classes, rows = _what(options, area, catalog)
    objects = np.zeros(len(classes), dtype=FIELDS)
    objects["class"], objects["row"] = classes, rows
    stamps = {value: _stamps_of(value, library, catalog is not None) for value in np.unique(classes).tolist()}
    uniform = np.empty(len(classes))
    middle = ([(grid.shape[1] - 1) / 2], [(grid.shape[0] - 1) / 2])
    steps = grid.steps(*middle) if catalog is None else grid.steps(catalog.x, catalog.y)
    for number in range(len(classes)):
        one = objects[number]
        one["seed"] = object_seed(options.seed, number)
        random = np.random.default_rng(int(one["seed"]))
        draws = random.random(8)
        uniform[number] = draws[0]
        one["dx"], one["dy"] = draws[1] - 0.5, draws[2] - 0.5
        one["stamp"], one["scale"] = -1, 1.0
        if catalog is not None:
            _from_catalog(one, draws, grid, steps[int(one["row"])], library, stamps[int(one["class"])], catalog)
        elif len(stamps[int(one["class"])]):
            _from_library(one, draws, grid, library, stamps[int(one["class"])])
        else:
            low, high = options.compact_size
            major = (low + draws[3] * (high - low)) * grid.beam.min
            _gaussian(one, grid, steps[0], covariance(major, major * (0.4 + 0.6 * draws[4]), 180.0 * draws[5]))
    rule = options.flux.rule
    objects["k"] = options.flux.k(uniform) if rule == "k" else np.nan
    if rule in ("power", "counts"):
        objects["flux"] = options.flux.fluxes(uniform)
    elif rule == "catalog":
        if catalog is None or "int_flux" not in catalog.table.colnames:
            raise InputError("fluxes are to come from a catalog, which gives none; choose --flux k, power or counts")
        objects["flux"] = np.asarray(catalog.table["int_flux"], float)[rows]
    return objects


def planned(
    options: PopulateOptions, area: float, library: StampLibrary | None, catalog: CatalogSources | None
) -> dict[int, int]:
    """How many objects of each class value `draw_objects` would make; the same errors."""
    values, counts = np.unique(_what(options, area, catalog)[0], return_counts=True)
    for value in values.tolist():
        _stamps_of(value, library, catalog is not None)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _what(
    options: PopulateOptions, area: float, catalog: CatalogSources | None
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Class value and row of the catalog (-1: none) of every object."""
    if catalog is None:
        per_degree = options.flux.per_steradian() * (np.pi / 180.0) ** 2 if options.flux.rule == "counts" else 0.0
        numbers = {value: options.numbers.get(value) for value in ORDER}
        if options.flux.rule != "counts" and any(one and one.counts for one in numbers.values()):
            raise InputError("a number of 'counts' needs the flux rule counts: --flux counts")
        counts = [(value, one.of(area, per_degree)) for value, one in numbers.items() if one is not None]
        if not sum(count for _, count in counts):
            raise InputError("no object is asked for; give --compact, --extended or --spurious, or a --catalog")
        classes = np.concatenate([np.full(count, value, np.int16) for value, count in counts])
        return classes, np.full(len(classes), -1, np.int64)
    if options.numbers:
        raise InputError("the number of objects comes from the catalog; leave --compact, --extended and --spurious out")
    return np.asarray(catalog.table["class_value"], np.int16), np.arange(len(catalog.table), dtype=np.int64)


def _stamps_of(value: int, library: StampLibrary | None, has_sizes: bool) -> NDArray[np.int64]:
    """Numbers of the stamps for a class; none where Gaussians stand for it."""
    if value == COMPACT:
        return np.zeros(0, np.int64)
    found = library.of_class(value) if library is not None else np.zeros(0, np.int64)
    if not len(found) and not has_sizes:
        name = class_name(value)
        text = f"{name} objects need stamps of that class; make some: radiff stamps --classes {name} -o stamps.fits"
        raise InputError(f"{text}, and add --stamps stamps.fits", None if library is None else library.path)
    return found


def _gaussian(one: Any, grid: SkyGrid, steps: NDArray[np.float64], intrinsic: NDArray[np.float64]) -> None:
    """A Gaussian of `intrinsic` covariance (arcsec; east, north) with the beam; `steps` (2, 2) as of the grid there."""
    shape = grid.beam_shape + in_pixels(steps, intrinsic)
    one["xx"], one["xy"], one["yy"] = shape[0, 0], shape[0, 1], shape[1, 1]


def _from_library(
    one: Any, draws: NDArray[np.float64], grid: SkyGrid, library: StampLibrary | None, stamps: NDArray[np.int64]
) -> None:
    """A stamp at the size that its beam has on the map."""
    assert library is not None
    one["stamp"] = stamps[int(draws[3] * len(stamps))]
    one["turn"] = int(8 * draws[4])
    one["scale"] = grid.beam_fwhm[1] / float(library.index["beam"][one["stamp"]])


def _from_catalog(
    one: Any,
    draws: NDArray[np.float64],
    grid: SkyGrid,
    steps: NDArray[np.float64],
    library: StampLibrary | None,
    stamps: NDArray[np.int64],
    catalog: CatalogSources,
) -> None:
    """A source at its catalog position, with its size: a stamp like it where there are some, else a Gaussian."""
    row = int(one["row"])
    x, y = float(catalog.x[row]), float(catalog.y[row])
    one["x"], one["y"] = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    one["dx"], one["dy"] = x - int(one["x"]), y - int(one["y"])
    names = catalog.table.colnames
    major = max(float(catalog.table["maj"][row]), 0.0) if "maj" in names else 0.0
    minor = max(float(catalog.table["min"][row]), 0.0) if "min" in names else major
    pa = float(catalog.table["pa"][row]) if "pa" in names else 0.0
    major, minor, pa = (0.0 if not np.isfinite(value) else value for value in (major, minor, pa))
    if not len(stamps) or library is None:
        _gaussian(one, grid, steps, covariance(major, min(minor, major) if minor else major, pa))
        return
    wanted = major / grid.pixel_scale
    sizes = np.asarray(library.index["maj"], float)[stamps]
    order = np.argsort(sizes, kind="stable")
    by_beam = grid.beam_fwhm[1] / np.asarray(library.index["beam"], float)[stamps[order]]
    first = int(np.searchsorted(sizes[order] * by_beam, wanted)) if wanted > 0 else int(draws[3] * len(order))
    near = order[min(first, max(len(order) - ALIKE, 0)) :][:ALIKE]
    chosen = int(near[int(draws[3] * len(near))])
    one["stamp"], one["turn"] = stamps[chosen], int(8 * draws[4])
    natural = grid.beam_fwhm[1] / float(library.index["beam"][stamps[chosen]])
    one["scale"] = wanted / sizes[chosen] if wanted > 0 and sizes[chosen] > 0 else natural
