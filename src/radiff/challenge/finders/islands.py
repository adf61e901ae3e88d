"""A map to a catalog by sep, window by window, and masks of a network to the same catalog. Knows no files of catalogs.

Each window has a core and an overlap around it, as in `radiff.masks.large`: a source is told of by the window whose
core holds its position. Near the border of two cores both may tell of it, and one of the two is dropped.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from radiff.challenge.fitting import Fit, measure_source
from radiff.errors import InputError
from radiff.masks import AnnotateOptions, SourceObject, class_name
from radiff.masks.classes import COMPACT, EXTENDED
from radiff.masks.large import plan_map
from radiff.parallel import run_parallel
from radiff.sky import HeaderWarning, MapReader, background_mesh
from radiff.sky.grid import SkyGrid
from radiff.tiling import Tile

_NEAR = 4.0  # pixels; two windows may differ in a position by less
_EXTENDED = 0.75  # in beams: a source with a longer major axis, deconvolved, is extended
_DEBLEND = 0.01  # share of the flux that a part of an island needs to be a source of its own


@dataclass(frozen=True)
class FindOptions:
    """How sources are found.

    Attributes
    ----------
    seed_snr : float
        A source has a peak above this many local rms.
    grow_snr : float
        Its pixels are above this many.
    min_pixels : int
        Sources of fewer pixels are noise.
    """

    seed_snr: float = 5.0
    grow_snr: float = 3.0
    min_pixels: int = 3

    def __post_init__(self) -> None:
        if not self.seed_snr >= self.grow_snr > 0:
            raise InputError(
                f"a threshold of {self.seed_snr:g} and {self.grow_snr:g} to grow to; needed is threshold >= grow > 0"
            )


@dataclass(frozen=True, eq=False)
class Source:
    """One source in pixels of the map."""

    window: int
    fit: Fit
    rms: float
    n_pixels: int
    class_value: int = 0

    @property
    def snr(self) -> float:
        """Peak over local rms."""
        return self.fit.peak / self.rms


def find_by_sep(path: str | Path, options: FindOptions, workers: int | None = 1) -> dict[str, Any]:
    """Columns of a catalog (`radiff.challenge.submission`) of the sources that sep finds on a map of any size.

    Raises
    ------
    InputError
        For a map without WCS, beam or square pixels, and a blank one.
    """
    with MapReader(path) as reader:
        grid = SkyGrid.of(reader)
        windows = list(enumerate(plan_map(reader, AnnotateOptions())))
    found = run_parallel(partial(_window_sources, Path(path), options), windows, "finding sources", workers)
    for one in found:
        if not isinstance(one, tuple):
            raise InputError(one.message)
    if not any(usable for usable, _ in found):
        raise InputError("holds no usable pixel; the map is blank or constant", path)
    sources = _once([source for _, each in found for source in each], [w for _, w in windows], grid)
    return catalog_columns(sources, grid)


def measure_objects(
    path: str | Path,
    objects: Sequence[SourceObject],
    options: FindOptions,
    on_done: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Columns of a catalog of given objects, such as a network's, measured as those of sep.

    Parameters
    ----------
    objects : sequence of SourceObject
        In pixels of the map.
    options : FindOptions
        Objects with a peak below `grow_snr`, or of fewer pixels, are left out.
    on_done : callable, optional
        Told how many more objects are measured.
    """
    with MapReader(path) as reader:
        grid = SkyGrid.of(reader)
        sources = []
        for number, window in enumerate(plan_map(reader, AnnotateOptions())):
            mine = [one for one in objects if one.npix >= options.min_pixels and _in(_middle(one), window.core)]
            if mine:
                sources += _measured(reader, number, window, mine, grid)
            if on_done is not None:
                on_done(len(mine))
    return catalog_columns([one for one in sources if one.snr >= options.grow_snr], grid)


def catalog_columns(sources: Sequence[Source], grid: SkyGrid) -> dict[str, Any]:
    """Sources in pixels as columns on the sky, the brightest first."""
    sources = sorted(sources, key=lambda one: (-one.snr, one.fit.y, one.fit.x))
    fits = [one.fit for one in sources]
    x, y = (np.array([getattr(one, name) for one in fits], float) for name in ("x", "y"))
    tops = [np.array([getattr(one, name) for one in fits], float) for name in ("x_peak", "y_peak")]
    shapes = np.array([one.shape for one in fits], float).reshape(-1, 2, 2)
    sizes = grid.sizes(x, y, shapes)
    (ra, dec), (ra_peak, dec_peak) = grid.to_sky(x, y), grid.to_sky(*tops)
    classes = [one.class_value for one in sources]
    wide = sizes["maj_deconvolved"] > _EXTENDED * grid.beam.maj
    guess = [EXTENDED if broad or not one.gaussian else COMPACT for broad, one in zip(wide, fits, strict=True)]
    return sizes | {
        "id": np.arange(1, len(sources) + 1),
        "ra": ra,
        "dec": dec,
        "int_flux": np.array([one.total for one in fits], float) / grid.beam_area,
        "peak_flux": np.array([one.peak for one in fits], float),
        "local_rms": np.array([one.rms for one in sources], float),
        "snr": np.array([one.snr for one in sources], float),
        "ra_peak": ra_peak,
        "dec_peak": dec_peak,
        "class": np.array([class_name(own or guessed) for own, guessed in zip(classes, guess, strict=True)], str),
        "x": x,
        "y": y,
        "n_pixels": np.array([one.n_pixels for one in sources], int),
        "fit": np.array(["gaussian" if one.gaussian else "pixels" for one in fits], str),
    }


# ---------------------------------------------------------------- one window


def _window_sources(path: Path, options: FindOptions, numbered: tuple[int, Tile]) -> tuple[int, list[Source]]:
    """Usable pixels of a window, and the sources whose position lies in its core or close to it."""
    number, window = numbered
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)  # told once, by the process that waits for this one
        reader = MapReader(path)
    with reader:
        grid = SkyGrid.of(reader)
        noise = _noise_of(reader, window, None)
    if noise is None:
        return 0, []
    image, rms, blank = noise
    found, labels = _extract(image, rms, blank, options)
    boxes = [
        (int(o["ymin"]), int(o["ymax"]) + 1, int(o["xmin"]), int(o["xmax"]) + 1)
        for o in found  # sep: 0-based, the last row and column included
    ]
    sources = [
        one
        for label, box in enumerate(boxes, start=1)
        if _near(box, window)
        and (one := _measure(number, window, image, rms, blank, labels, label, box, grid)) is not None
        and one.snr >= options.grow_snr
        and _in((one.fit.y, one.fit.x), window.core, _NEAR)
    ]
    return int((~blank).sum()), sources


def _noise_of(
    reader: MapReader, window: Tile, exclude: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]] | None:
    """Image less its background, local rms and blank pixels of a window; None where it is blank or constant."""
    image = reader.read(*window.box)
    blank = ~np.isfinite(image)
    values = image[~blank]
    if not values.size or values.min() == values.max():
        return None
    box = AnnotateOptions().mesh_box(SkyGrid.of(reader).beam_width)
    try:
        background, rms = background_mesh(image, box, exclude)
    except InputError:  # nothing to measure the noise on: padding
        return None
    blank |= ~(rms > 0)
    image = np.where(blank, 0.0, image - background).astype(np.float32)
    return image, np.where(blank, 1.0, rms).astype(np.float32), blank


def _extract(
    image: NDArray[np.float32], rms: NDArray[np.float32], blank: NDArray[np.bool_], options: FindOptions
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """sep's objects with a pixel above the threshold, and their labels 1 to n in an image."""
    sep.set_extract_pixstack(max(1_000_000, image.size // 4))
    sep.set_sub_object_limit(8192)
    found, labels = sep.extract(
        image, options.grow_snr, err=rms, mask=blank, minarea=options.min_pixels, filter_kernel=None,
        deblend_cont=_DEBLEND, clean=False, segmentation_map=True,
    )  # fmt: skip
    if not len(found):
        return found, labels
    rows, columns = np.nonzero(labels)
    best = np.zeros(len(found) + 1, np.float32)
    np.maximum.at(best, labels[rows, columns], image[rows, columns] / rms[rows, columns])
    good = best[1:] >= options.seed_snr
    number = np.zeros(len(found) + 1, np.int32)
    number[1:][good] = np.arange(1, good.sum() + 1)
    return found[good], number[labels]


def _measure(
    number: int,
    window: Tile,
    image: NDArray[np.float32],
    rms: NDArray[np.float32],
    blank: NDArray[np.bool_],
    labels: NDArray[np.int32],
    label: int,
    box: tuple[int, int, int, int],
    grid: SkyGrid,
    class_value: int = 0,
) -> Source | None:
    """One labelled source of a window's image, moved to pixels of the map."""
    rim = max(2, round(grid.beam_width))
    y0, x0 = max(box[0] - rim, 0), max(box[2] - rim, 0)
    part = np.s_[y0 : box[1] + rim, x0 : box[3] + rim]
    own = labels[part] == label
    usable = ~blank[part] & (own | (labels[part] == 0))
    noise = float(np.median(rms[part][own])) if own.any() else np.nan
    fit = measure_source(image[part], own, usable, noise, grid.beam_shape)
    if fit is None or not noise > 0:
        return None
    dy, dx = y0 + window.box[0], x0 + window.box[2]
    moved = Fit(fit.x + dx, fit.y + dy, fit.peak, fit.total, fit.shape, fit.gaussian, fit.x_peak + dx, fit.y_peak + dy)
    return Source(number, moved, noise, int(own.sum()), class_value)


def _measured(
    reader: MapReader, number: int, window: Tile, objects: Sequence[SourceObject], grid: SkyGrid
) -> list[Source]:
    """Given objects of a window; one that is larger than the window is cut at its border."""
    y0, y1, x0, x1 = window.box
    labels = np.zeros((y1 - y0, x1 - x0), np.int32)
    boxes = []
    for label, one in enumerate(objects, start=1):
        top, bottom, left, right = one.bbox
        ya, yb, xa, xb = max(top, y0), min(bottom, y1), max(left, x0), min(right, x1)
        stamp = one.stamp[ya - top : yb - top, xa - left : xb - left]
        labels[ya - y0 : yb - y0, xa - x0 : xb - x0][stamp] = label
        boxes.append((ya - y0, yb - y0, xa - x0, xb - x0))
    noise = _noise_of(reader, window, labels > 0) or _noise_of(reader, window, None)
    if noise is None:
        return []
    sources = [
        _measure(number, window, *noise, labels, label, box, grid, one.class_value)
        for label, (box, one) in enumerate(zip(boxes, objects, strict=True), start=1)
    ]
    return [one for one in sources if one is not None]


# ---------------------------------------------------------------- all windows


def _middle(one: SourceObject) -> tuple[float, float]:
    top, bottom, left, right = one.bbox
    return 0.5 * (top + bottom - 1), 0.5 * (left + right - 1)


def _in(place: tuple[float, float], core: tuple[int, int, int, int], margin: float = 0.0) -> bool:
    y0, y1, x0, x1 = core
    return y0 - 0.5 - margin <= place[0] < y1 - 0.5 + margin and x0 - 0.5 - margin <= place[1] < x1 - 0.5 + margin


def _near(box: tuple[int, int, int, int], window: Tile) -> bool:
    """Whether a box in pixels of the window touches its core, or nearly so."""
    y0, y1, x0, x1 = window.core
    top, left = window.box[0], window.box[2]
    rim = int(_NEAR) + 1
    rows = box[1] + top > y0 - rim and box[0] + top < y1 + rim
    return rows and box[3] + left > x0 - rim and box[2] + left < x1 + rim


def _once(sources: Sequence[Source], windows: Sequence[Tile], grid: SkyGrid) -> list[Source]:
    """Of sources that two windows tell of the one in whose core it lies; of two such, the first window's."""
    if len(windows) == 1 or not sources:
        return list(sources)
    places = np.array([(one.fit.y, one.fit.x) for one in sources])
    own = np.array([_in((y, x), windows[one.window].core) for (y, x), one in zip(places, sources, strict=True)])
    reach = max(2.0, 0.5 * grid.beam_width)
    dropped: set[int] = set()
    for a, b in sorted(cKDTree(places).query_pairs(reach)):
        if sources[a].window == sources[b].window or a in dropped or b in dropped:
            continue
        dropped.add(b if own[a] else a if own[b] else b)
    return [one for number, one in enumerate(sources) if number not in dropped]
