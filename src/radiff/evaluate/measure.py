"""Pictures to one table a set: noise, pixel values, sources, objects by class. Knows no networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.scaling import SnrAsinh
from radiff.errors import InputError
from radiff.evaluate.sets import ImageSet, Job, Picture, read_picture
from radiff.masks import CLASSES, AnnotateOptions, objects_to_labels
from radiff.masks.islands import ellipse_axes, label_islands
from radiff.parallel import Failure, run_parallel
from radiff.sky import noise_power_spectrum

Floats = NDArray[np.float64]
SCALING = SnrAsinh(softness=2.0)
"""asinh(snr / 2): on which images are compared, whatever networks were trained on."""
BANDS = 8
CLEAR = 4
"""Pixels around objects and islands that do not count as noise."""
MIN_NOISE = 500
EDGES = np.linspace(-4.0, 9.0, 131)
"""Borders of the histogram's bins, in asinh(snr / 2): -55 to 8,100 rms; what is beyond counts in the outer bins."""
SMALL = 32
"""Side of the small image in which copies are looked for."""
SOURCE_COLUMNS = ("peak_snr", "peak_flux", "int_flux", "compactness", "size", "axis_ratio")
"""Peak (rms; Jy/beam), integrated flux (Jy), integrated over peak, major axis (beam widths), minor over major axis."""

ASKED_COLUMNS = ("asked_peak_snr", "peak_snr", "asked_flux", "flux")
"""Peak asked of an object and measured on its pixels (noise rms), integrated flux asked and measured (Jy)."""
Images = list[NDArray[np.float32]]
Masks = list[NDArray[np.uint8]]
OWNED = {"sources": "source_image", "asked": "asked_image"}
"""Columns with rows of their own, and the column that tells which image each row is on."""


@dataclass(frozen=True, eq=False)
class SetTable:
    """What was measured on a set of n images, column by column.

    Attributes
    ----------
    names, mask_keys : (n,) of str
    rms : (n,)
        Noise outside the objects, Jy/beam.
    deviation, skewness : (n,)
        Plain standard deviation (units of the rms) and skewness of the noise pixels; NaN where too few.
    spectrum : (n, 8)
        Power of the noise by spatial frequency, units of the rms squared; NaN where it cannot be measured.
    pixels, noise : int64 (n, 130)
        Histograms of all pixels and of the noise pixels in asinh(snr / 2).
    objects : (n, 3)
        Objects of the mask: spurious, compact, extended.
    small : float32 (n, 1024)
        The scaled image in 32 x 32 cells, its mean taken off and its length made 1.
    sources : (m, 6)
        `SOURCE_COLUMNS` of what the finder finds on all images.
    source_image : (m,)
        The image that each source is on.
    asked : (k, 4)
        `ASKED_COLUMNS` of the masks' objects that a flux was asked of; NaN where that one was not.
    asked_image : (k,)
        The image that each of these objects is on.
    features : (n, d), optional
    confusions : (n, 4, 4), optional
    matches : (n, 3, 3), optional
    scaled : list of float32 (ny, nx), optional
        asinh(snr / 2), blank pixels 0: what networks are given. With `masks`, only until they were.
    masks : list of uint8 (ny, nx), optional
    """

    names: NDArray[np.str_]
    mask_keys: NDArray[np.str_]
    rms: Floats
    deviation: Floats
    skewness: Floats
    spectrum: Floats
    pixels: NDArray[np.int64]
    noise: NDArray[np.int64]
    objects: NDArray[np.int64]
    small: NDArray[np.float32]
    sources: Floats
    source_image: NDArray[np.int64]
    asked: Floats
    asked_image: NDArray[np.int64]
    features: NDArray[np.float32] | None = None
    confusions: NDArray[np.int64] | None = None
    matches: NDArray[np.int64] | None = None
    scaled: Images | None = None
    masks: Masks | None = None

    @classmethod
    def join(cls, tables: Sequence["SetTable"]) -> "SetTable":
        """Tables of parts of one set, one after the other."""
        starts = np.cumsum([0, *(len(t) for t in tables)])
        columns: dict[str, Any] = {}
        for one in fields(cls):
            parts = [getattr(t, one.name) for t in tables]
            if one.name in OWNED.values():
                parts = [p + start for p, start in zip(parts, starts[:-1], strict=True)]
            if any(part is None for part in parts):
                columns[one.name] = None
            elif one.name in ("scaled", "masks"):
                columns[one.name] = [image for part in parts for image in part]
            else:
                columns[one.name] = np.concatenate(parts)
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, indices: NDArray[np.integer[Any]] | Sequence[int]) -> "SetTable":
        """The images of these different `indices`, in that order."""
        kept = np.asarray(indices, np.int64)
        place = np.full(len(self), -1)
        place[kept] = np.arange(len(kept))
        columns: dict[str, Any] = {"scaled": None, "masks": None}
        for values, image in OWNED.items():
            row = place[getattr(self, image)]
            columns |= {values: getattr(self, values)[row >= 0], image: row[row >= 0]}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in columns and value is not None:
                columns[one.name] = value[kept]
        return replace(self, **columns)

    def source(self, column: str) -> tuple[Floats, NDArray[np.int64]]:
        """Finite, positive values of a column of `SOURCE_COLUMNS`, and the image of each."""
        values = self.sources[:, SOURCE_COLUMNS.index(column)]
        good = np.isfinite(values) & (values > 0)
        return values[good], self.source_image[good]


def measure_picture(picture: Picture) -> SetTable:
    """The table of one picture; the same for real and synthetic ones."""
    scaled = SCALING.forward(picture.snr, 0.0, 1.0)
    labels, islands = find_sources(picture.snr)
    taken = (picture.mask > 0) | np.isin(labels, [label for label, _ in islands])
    clear = np.isfinite(picture.snr)
    if taken.any():
        clear &= ~ndimage.binary_dilation(taken, iterations=CLEAR)
    noise = picture.snr[clear]
    enough = noise.size >= MIN_NOISE
    counts = [sum(o.class_value == kind.value for o in picture.objects) for kind in CLASSES[1:]]
    sources, asked = _sources(picture, labels, islands), asked_fluxes(picture)
    return SetTable(
        np.array([picture.name]),
        np.array([picture.mask_key]),
        np.array([picture.rms]),
        np.array([float(noise.std()) if enough else math.nan]),
        np.array([_skewness(noise) if enough else math.nan]),
        (_spectrum(picture.snr, clear) if enough else np.full(BANDS, np.nan))[None],
        _histogram(scaled[np.isfinite(picture.snr)])[None],
        _histogram(scaled[clear])[None],
        np.array([counts], np.int64),
        small_image(scaled)[None],
        sources,
        np.zeros(len(sources), np.int64),
        asked,
        np.zeros(len(asked), np.int64),
        scaled=[scaled],
        masks=[picture.mask],
    )


def measure_set(images: ImageSet, workers: int | None = None) -> list[SetTable | Failure]:
    """`measure_picture` of every image of a set, on `workers` processes; a `Failure` where one cannot be read."""
    return run_parallel(_read_and_measure, images.jobs(), f"measuring {images.name}", workers)


def _read_and_measure(job: Job) -> SetTable:
    return measure_picture(read_picture(job))


def scale_set(images: ImageSet, workers: int | None = None) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(scaled image, small image) of every image, as in `SetTable`; masks are not read.

    Raises
    ------
    InputError
        Where an image cannot be used.
    """
    read = run_parallel(_read_and_scale, images.jobs(), f"reading {images.name}", workers)
    for item in read:
        if isinstance(item, Failure):
            raise InputError(item.message)
    return read


def _read_and_scale(job: Job) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scaled = SCALING.forward(read_picture(job, with_mask=False).snr, 0.0, 1.0)
    return scaled, small_image(scaled)


# ---------------------------------------------------------------- the parts


def find_sources(snr: NDArray[np.float32]) -> tuple[NDArray[np.int32], list[tuple[int, tuple[slice, slice]]]]:
    """Islands of an image in units of its noise: connected pixels above 3 rms with one above 5 rms, 5 pixels or more.

    The thresholds of `radiff annotate`, on the noise of the whole cutout: the same finder for every image.

    Returns
    -------
    (labels, islands)
        Labels int32 (ny, nx) of all that is connected; of each island its label and its box.
    """
    options = AnnotateOptions()
    filled = np.where(np.isfinite(snr), snr, -np.inf)
    labels, kept = label_islands(filled, options.seed_snr, options.grow_snr, options.min_pixels)
    boxes = ndimage.find_objects(labels)
    return labels, [(int(label), boxes[label - 1]) for label in kept]


def _sources(picture: Picture, labels: NDArray[np.int32], islands: list[tuple[int, tuple[slice, slice]]]) -> Floats:
    table = np.full((len(islands), len(SOURCE_COLUMNS)), np.nan)
    for row, (label, box) in zip(table, islands, strict=True):
        stamp = labels[box] == label
        values = picture.snr[box][stamp]
        peak, total = float(values.max()), float(values.sum(dtype=np.float64)) / picture.beam_area
        major, minor = ellipse_axes(stamp)
        row[:] = (
            peak,
            peak * picture.rms,
            total * picture.rms,
            total / peak,
            major / picture.beam_width,
            minor / major if major > 0 else math.nan,
        )
    return table


def asked_fluxes(picture: Picture) -> Floats:
    """(k, 4): `ASKED_COLUMNS` of the objects whose annotation says what was asked of them."""
    asked = [(one.info.get("asked_peak_snr"), one.info.get("asked_flux_jy")) for one in picture.objects]
    if not any(peak or flux for peak, flux in asked):
        return np.zeros((0, len(ASKED_COLUMNS)))
    owners = objects_to_labels(picture.objects, (picture.snr.shape[0], picture.snr.shape[1]))
    rows = []
    for number, (peak, flux) in enumerate(asked, start=1):
        values = picture.snr[(owners == number) & np.isfinite(picture.snr)]
        if values.size and (peak or flux):
            total = float(values.sum(dtype=np.float64)) * picture.rms / picture.beam_area
            rows.append((peak or math.nan, float(values.max()), flux or math.nan, total))
    return np.array(rows, np.float64).reshape(-1, len(ASKED_COLUMNS))


def _skewness(values: NDArray[np.floating[Any]]) -> float:
    centred = np.asarray(values, np.float64) - float(values.mean())
    return float((centred**3).mean() / max(float((centred**2).mean()) ** 1.5, 1e-30))


def _spectrum(snr: NDArray[np.float32], clear: NDArray[np.bool_]) -> NDArray[np.float64]:
    try:
        return noise_power_spectrum([snr], [~clear], BANDS)[1]
    except InputError:  # too small for the bands
        return np.full(BANDS, np.nan)


def band_frequencies(shape: tuple[int, int] = (128, 128)) -> NDArray[np.float64]:
    """(8,): mean frequency of each band, cycles per pixel, for images of `shape` (ny, nx)."""
    return noise_power_spectrum([np.ones(shape)], None, BANDS)[0]


def _histogram(values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    return np.histogram(np.clip(values, EDGES[0], EDGES[-1]), EDGES)[0].astype(np.int64)


def small_image(scaled: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(1024,): means over 32 x 32 cells of an image (ny, nx), mean taken off, of length 1 (0 for a flat image)."""
    table = np.asarray(scaled, np.float64)
    for axis in (0, 1):
        edges = np.linspace(0, table.shape[axis], min(SMALL, table.shape[axis]) + 1).round().astype(int)
        table = np.add.reduceat(table, edges[:-1], axis) / np.expand_dims(np.diff(edges), 1 - axis)
    if table.shape != (SMALL, SMALL):
        table = ndimage.zoom(table, (SMALL / table.shape[0], SMALL / table.shape[1]), order=1)
    table -= table.mean()
    length = float(np.sqrt((table**2).sum()))
    return (table / length if length > 1e-6 else 0 * table).ravel().astype(np.float32)
