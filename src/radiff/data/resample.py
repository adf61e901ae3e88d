"""Cutouts of a collection to smaller grids of other beam widths in pixels. Knows no network and no training.

A square crop of ``s`` x ``s`` pixels is put on a grid of ``size`` x ``size`` pixels. Sky, Jy/beam and the beam in
arcsec stay as they are; the beam in pixels becomes ``b = b0 * size / s``, with ``b0 = sqrt(bmaj * bmin) / pixel_scale``
of the cutout. Pixel (0, 0) of the new grid has its outer corner on that of the crop. No extended object is cut by an
edge of a crop (the paper, section 3.1), and no pixel is made from blank ones.
"""

import functools
import hashlib
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.collection import INDEX, Collection, Row, describe, read_index, write_index, write_pair
from radiff.data.messages import collected_warnings, stop_if_full
from radiff.data.regions import BoolArray, Region
from radiff.errors import InputError
from radiff.files import make_folder
from radiff.masks.classes import EXTENDED
from radiff.masks.instances import SourceObject
from radiff.masks.layout import image_stem
from radiff.masks.measure import beam_in_pixels
from radiff.masks.rg import Annotation
from radiff.parallel import Failure, run_parallel
from radiff.sky import Cutout
from radiff.sky.cutout import shift_wcs

MARGIN = 1  # rows and columns at each edge of a crop that no extended object may touch
ON_OBJECT = 0.9  # of the crops are laid on an object chosen at random, where the cutout has any
GROWTH = 1.2  # of the crop's side where no place is free
KEPT_INFO = ("class", "name", "sidelobe-near", "sidelobe-mixed", "peak_flux", "peak_snr")  # true on any grid
NO_BEAM, NO_MASK = "cutouts without beam or pixel scale", "cutouts without annotation"
TOO_SMALL = "cutouts too small for any of the beams"
BLANK, CUT = "crops that hold blank pixels wherever they lie", "crops that cut an extended object wherever they lie"
EMPTY = "crops without objects"


@dataclass(frozen=True)
class ResampleOptions:
    """How cutouts are put on new grids.

    Parameters
    ----------
    size : int
        Side of the new images, pixels.
    beam_pixels : (float, float)
        The new beam FWHM (geometric mean) in pixels is drawn log-uniform between these two.
    per_image : int
        New images of each cutout.
    seed : int
        With the cutout's path and the number of the new image it gives everything that is drawn.
    sample : str
        Folder of the new images.
    filled_only : bool
        Keep no image without objects.
    """

    size: int = 128
    beam_pixels: tuple[float, float] = (2.0, 8.0)
    per_image: int = 1
    seed: int = 0
    sample: str = "resampled"
    filled_only: bool = False

    def __post_init__(self) -> None:
        low, high = self.beam_pixels
        if not 0 < low <= high < math.inf:
            raise InputError(f"beams of {low:g} to {high:g} pixels are no range; give beam-pixels such as 2 to 8")
        if self.size < 8:
            raise InputError(f"a size of {self.size} pixels is no image; give 8 or more")
        if self.per_image < 1 or self.seed < 0:
            raise InputError("per-image is 1 or more, seed 0 or more")
        if not self.sample or self.sample in (".", "..") or set(self.sample) & set("/\\"):
            raise InputError(f"{self.sample!r} is no name of a sample; give a plain folder name")


@dataclass
class ResampleReport:
    """What `resample_collection` did: rows of the new images, what was left out by reason, cutouts that failed.

    `beams`: beam FWHM in pixels of every row; `rows_in_index`: all rows of the index, None where none was written.
    """

    rows: list[Row] = field(default_factory=list)
    beams: list[float] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows_in_index: list[Row] | None = None


@dataclass
class _Result:
    rows: list[Row] = field(default_factory=list)
    beams: list[float] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)


def resample_collection(
    collection: Collection,
    root: str | os.PathLike[str],
    options: ResampleOptions | None = None,
    workers: int | None = None,
    dry_run: bool = False,
) -> ResampleReport:
    """Put crops of every cutout on grids of other beam widths, as the sample `options.sample` of the folder `root`.

    Split, group, survey and telescope are those of the cutout. Where `root` holds a collection already, the new rows
    are added to its index; rows of the same image are replaced. The files are the same for any number of workers.

    Parameters
    ----------
    collection : Collection
    root : path
        May be the collection's own folder: cutouts of the sample `options.sample` are then not resampled again.
    options : ResampleOptions, optional
    workers : int, optional
        Processes; default: all cores.
    dry_run : bool
        Do everything except writing.

    Returns
    -------
    ResampleReport

    Raises
    ------
    InputError
        Where `root` cannot be written or its index cannot be read. A cutout that cannot be read is listed in
        `ResampleReport.failures` instead, and the others are done.
    """
    options, root = options or ResampleOptions(), Path(root)
    known = read_index(root / INDEX) if (root / INDEX).is_file() else []
    if not dry_run:
        make_folder(root)
    own = root.resolve() == collection.root.resolve()
    rows = [row for row in collection.rows if not (own and row.sample == options.sample)]
    jobs = [Collection(collection.root, [row]) for row in rows]
    work = functools.partial(_resample_row, root=None if dry_run else root, options=options)
    outcome = run_parallel(work, jobs, "resampling", workers)
    stop_if_full(outcome)
    report = ResampleReport()
    for result in outcome:
        if isinstance(result, Failure):
            report.failures.append(result)
            continue
        report.rows += result.rows
        report.beams += result.beams
        report.skipped += result.skipped
        report.warnings += result.warnings
    if report.rows and not dry_run:
        replaced = {row.image for row in report.rows}
        report.rows_in_index = [*(row for row in known if row.image not in replaced), *report.rows]
        write_index(root, report.rows_in_index)
    return report


def _resample_row(job: Collection, root: Path | None, options: ResampleOptions) -> _Result:
    """The new images of the one cutout of `job`; written under `root` where that is given."""
    row, result = job.rows[0], _Result()
    with collected_warnings() as result.warnings:
        cutout, annotation = job.image(0), job.annotation(0)
        beam = beam_in_pixels(cutout)
        if beam is None or annotation is None:
            result.skipped[NO_BEAM if beam is None else NO_MASK] += options.per_image
            return result
        if options.filled_only and not annotation.objects:
            result.skipped[EMPTY] += options.per_image
            return result
        crops = _Crops(cutout, annotation.objects, beam[1], options)
        for number in range(options.per_image):
            random = np.random.default_rng(_entropy(options.seed, row.image, number))
            place = crops.draw(random)
            if isinstance(place, str):
                result.skipped[place] += 1
                continue
            image, mask = resample(cutout, annotation, place, options.size)
            if options.filled_only and not mask.objects:
                result.skipped[EMPTY] += 1
                continue
            width = beam[1] * options.size / place[2]
            image.provenance["resampled"] = {"from": row.image, "crop": place[2], "size": options.size}
            columns: dict[str, Any] = {key: getattr(row, key) for key in ("split", "group", "telescope", "survey")}
            columns |= {"project": row.project, "source": row.source, "x0": row.x0 + place[1], "y0": row.y0 + place[0]}
            name = "_".join([*row.sample.split("/"), image_stem(Path(row.image).name), f"r{number}"]).lstrip("_")
            if root is None:
                path = f"{options.sample}/imgs/{name}.fits"
                new = replace(describe(image, mask), image=path, sample=options.sample, **columns)
            else:
                new = write_pair(root, options.sample, name, image, mask, **columns)
            result.rows.append(new)
            result.beams.append(width)
    return result


def _entropy(seed: int, image: str, number: int) -> list[int]:
    """Seed of one new image: it hangs on nothing but these three."""
    return [seed, number, int.from_bytes(hashlib.sha256(image.encode()).digest()[:8], "big")]


class _Crops:
    """Where crops of one cutout may lie; `width` is its beam FWHM in pixels."""

    def __init__(self, cutout: Cutout, objects: Sequence[SourceObject], width: float, options: ResampleOptions) -> None:
        low, high = options.beam_pixels
        self.width, self.options, self.shape = width, options, cutout.shape
        # the smallest and the largest crop that give a beam of the range (within the rounding of its side)
        self.least = max(2, round(options.size * width / high))
        self.most = min(*cutout.shape, round(options.size * width / low))
        self.blank = None if cutout.valid.all() else Region.of(~cutout.valid)
        self.regions = [Region.of(one.stamp, one.y0, one.x0, one.name) for one in objects]
        self.extended = [
            region for region, one in zip(self.regions, objects, strict=True) if one.class_value == EXTENDED
        ]

    def draw(self, random: np.random.Generator) -> tuple[int, int, int] | str:
        """A crop's first row, first column and side; where there is none the reason.

        Where no place is free for a crop of the side drawn, larger ones are tried.
        """
        low, high = np.log(self.options.beam_pixels)
        beam = math.exp(random.uniform(low, high))
        if self.least > self.most:
            return TOO_SMALL
        side = min(max(round(self.options.size * self.width / beam), self.least), self.most)
        wants = bool(self.regions) and (random.random() < ON_OBJECT or self.options.filled_only)
        while True:
            rows, cols = (np.arange(length - side + 1, dtype=np.int64) for length in self.shape)
            full = self._full(rows, cols, side)
            free = full & self._uncut(rows, cols, side)
            if free.any():
                break
            if side == self.most:
                return CUT if full.any() else BLANK
            side = min(math.ceil(side * GROWTH), self.most)
        for index in random.permutation(len(self.regions)) if wants else ():
            region = self.regions[index]
            on = free & (2 * region.counts(rows, cols, side) > region.total)  # most of it; all where it is extended
            if on.any():
                free = on
                break
        y, x = np.argwhere(free)[random.integers(np.count_nonzero(free))]
        return int(y), int(x), side

    def _full(self, rows: NDArray[np.int64], cols: NDArray[np.int64], side: int) -> BoolArray:
        """Places without blank pixels."""
        if self.blank is None:
            return np.ones((len(rows), len(cols)), dtype=bool)
        return np.asarray(self.blank.counts(rows, cols, side) == 0)

    def _uncut(self, rows: NDArray[np.int64], cols: NDArray[np.int64], side: int) -> BoolArray:
        """Places where no extended object is cut."""
        free = np.ones((len(rows), len(cols)), dtype=bool)
        for region in self.extended:
            free &= ~region.cut_by(rows, cols, side, MARGIN)
        return free


def resample(
    cutout: Cutout, annotation: Annotation, crop: tuple[int, int, int], size: int
) -> tuple[Cutout, Annotation]:
    """Put a crop of an image and its objects on a grid of `size` x `size` pixels.

    Parameters
    ----------
    cutout : Cutout
        (ny, nx), Jy/beam.
    annotation : Annotation
        Of the same shape.
    crop : (int, int, int)
        First row, first column and side of the square crop, pixels.
    size : int
        Side of the new image, pixels.

    Returns
    -------
    cutout : Cutout
        (size, size), Jy/beam, by a cubic spline; the WCS keeps every position on the sky. `rms` is None: noise has to
        be measured again. The image is not smoothed: on a grid coarser than half a beam, noise above its highest
        frequency folds back.
    annotation : Annotation
        The objects with at least half of some new pixel (linear interpolation of their pixels, cut at 0.5); those
        that vanish are left out. What their `info` said of pixels and sums is dropped.

    Raises
    ------
    InputError
        Where the crop is not on the image, or holds blank pixels.
    """
    y0, x0, side = crop
    ny, nx = cutout.shape
    if min(y0, x0) < 0 or side < 2 or y0 + side > ny or x0 + side > nx:
        raise InputError(f"a crop of {side} pixels at row {y0}, column {x0} is not on an image of {nx} x {ny} pixels")
    window = cutout.window(y0, y0 + side, x0, x0 + side)
    if not window.valid.all():
        raise InputError(f"the crop of {side} pixels at row {y0}, column {x0} holds blank pixels; choose another place")
    step = side / size
    centres = (np.arange(size) + 0.5) * step - 0.5  # of the new pixels, in pixels of the crop
    grid = np.stack(np.meshgrid(centres, centres, indexing="ij"))
    # the spline is led by the pixels around the crop too, unless some are blank
    whole = bool(cutout.valid.all())
    origin = np.array([y0, x0] if whole else [0, 0], dtype=float)[:, None, None]
    pixels = (cutout if whole else window).image.astype(np.float64)
    image = ndimage.map_coordinates(pixels, grid + origin, order=3, mode="mirror")
    objects = []
    for whole_object in annotation.objects:
        one = whole_object.window(y0, y0 + side, x0, x0 + side)  # one beside the crop must not reach into it
        if one is None:
            continue
        pixels = one.pixels((side, side)).astype(np.float64)
        coverage = ndimage.map_coordinates(pixels, grid, order=1, mode="nearest")
        if (coverage >= 0.5).any():
            info = {key: value for key, value in one.info.items() if key in KEPT_INFO}
            objects.append(SourceObject.from_pixels(one.name, one.class_value, coverage >= 0.5, info))
    header = window.header
    for key in ("CDELT1", "CDELT2"):  # there where it has no WCS
        if isinstance(header.get(key), int | float):
            header[key] = header[key] * step
    new = replace(window, image=image.astype(np.float32), wcs=scale_wcs(window.wcs, step), rms=None, background=0.0)
    meta = {key: value for key, value in annotation.meta.items() if key not in ("left_out", "img")}
    return new, Annotation(objects, (size, size), meta)


def scale_wcs(wcs: WCS | None, step: float) -> WCS | None:
    """`wcs` for pixels `step` times as large, whose pixel (0, 0) has its outer corner where the old one's is."""
    if wcs is None:
        return None
    scaled = shift_wcs(wcs, 0, 0)
    assert scaled is not None
    scaled.wcs.crpix = _scaled_crpix(wcs.wcs.crpix, step)
    if wcs.wcs.has_cd():
        scaled.wcs.cd = np.asarray(wcs.wcs.cd) * step
    else:
        scaled.wcs.cdelt = np.asarray(wcs.wcs.cdelt) * step
    if wcs.sip is not None:
        sip = wcs.sip
        terms = [_scaled_sip(matrix, step) for matrix in (sip.a, sip.b, sip.ap, sip.bp)]
        scaled.sip = type(sip)(*terms, _scaled_crpix(sip.crpix, step))
    scaled.wcs.set()
    return scaled


def _scaled_crpix(crpix: Any, step: float) -> NDArray[np.float64]:
    """A position counted from 1 at the first pixel's centre (FITS) on pixels `step` times as large."""
    return np.asarray((np.asarray(crpix, dtype=float) - 0.5) / step + 0.5)


def _scaled_sip(matrix: Any, step: float) -> Any:
    """Coefficients (p, q) of u^p v^q, all three in pixels, for pixels `step` times as large."""
    if matrix is None:
        return None
    p, q = np.indices(np.shape(matrix))
    return np.asarray(matrix) * step ** (p + q - 1.0)
