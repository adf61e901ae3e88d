"""Pixels to noise figures: background and rms (global and meshed), noise power spectrum. Knows no files and no WCS."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from radiff.errors import InputError
from radiff.sky.arrays import plain_image

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
_CLIP = 3.0  # in units of the rms; pixels beyond it do not count
_SOURCE, _GROW = 4.0, 4  # pixels beyond 4 rms are taken for sources, and so is all within 4 pixels of them
_MAX_PIXELS = 4_000_000  # more pixels tell nothing more about one number
_ZERO_BLOCK = 5  # a block of 5 x 5 zeros is padding; single zeros also come from rounded data
_ZERO_STRIP = 25  # and so is a strip of zeros along an edge, however narrow
ZERO_REACH = _ZERO_STRIP + _ZERO_BLOCK
"""Pixels around a window that decide which of its zeros are blank."""


def _clip_factors(clip: float) -> tuple[float, float]:
    """Median of |z| and standard deviation of a unit Gaussian cut at |z| < clip (0.6745 and 1 without a cut)."""
    inside = 2.0 * special.ndtr(clip) - 1.0
    lost = 2.0 * clip * np.exp(-0.5 * clip**2) / np.sqrt(2.0 * np.pi) / inside if np.isfinite(clip) else 0.0
    return float(special.ndtri(0.5 + 0.25 * inside)), float(np.sqrt(1.0 - lost))


_MAD = _clip_factors(np.inf)[0]
_CLIPPED_MAD, _CLIPPED_STD = _clip_factors(_CLIP)


def background_rms(image: npt.ArrayLike, exclude: Mask | None = None) -> tuple[float, float]:
    """Background level and noise rms of an image with sources.

    A first estimate clips at 3 rms about the median, with the median absolute deviation as width. Pixels beyond 4 rms
    and their surroundings, where the faint wings of sources lie, are then left out, and mean and standard deviation of
    the rest, clipped at 3 rms, are the answer: unlike medians, they are right for data rounded to coarse steps too. The
    width is corrected for the clipped wings, so that Gaussian noise gives its own rms.

    Parameters
    ----------
    image : array (ny, nx)
        Any unit; NaN is ignored, and so are blocks of zeros (padding).
    exclude : bool array (ny, nx), optional
        True = left out (source pixels).

    Returns
    -------
    (background, rms) : floats
        In the unit of `image`. Above four million pixels, evenly spaced bands of rows stand for the whole.

    Raises
    ------
    InputError
        Where no usable pixel is left, or the shapes differ.
    """
    image = plain_image(image, any_unit=True)
    if image.ndim != 2:
        raise InputError(f"an image has two axes (ny, nx); this array has the shape {image.shape}")
    usable = _usable(image, exclude)
    if image.size > _MAX_PIXELS:
        rows = sample_rows(image.shape)
        image, usable = image[rows], (usable[rows] if usable[rows].any() else usable)
    if not usable.any():
        raise InputError("no usable pixel is left to measure the noise on")
    center, rms = _first_guess(image[usable])
    for _ in range(3):
        quiet = usable & ~_around_sources(image - center, rms)
        before = rms
        center, rms = _clipped_moments(image[quiet if _enough(quiet, usable) else usable], center, rms)
        if abs(rms - before) <= 1e-3 * before:
            break
    return center, rms


def background_mesh(
    image: npt.ArrayLike, box: int = 64, exclude: Mask | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Maps of the local background and noise rms.

    Each cell of about `box` x `box` pixels is measured as in `background_rms`; a 3 x 3 median over the cells removes
    those that a source fills; cells with too few usable pixels take the value of the nearest other one; in between,
    linear interpolation, constant beyond the outer cells' centres.

    Parameters
    ----------
    image : array (ny, nx)
        Any unit; NaN is ignored, and so are blocks of zeros (padding).
    box : int
        Side of a cell, pixels; some ten beams.
    exclude : bool array (ny, nx), optional
        True = left out (source pixels).

    Returns
    -------
    (background, rms) : float32 arrays (ny, nx)
        Finite everywhere, also where `image` is NaN.

    Raises
    ------
    InputError
        Where no usable pixel is left, `box` is below 4, or the shapes differ.
    """
    image = plain_image(image, any_unit=True)
    if box < 4:
        raise InputError(f"a mesh of {box} pixels; at least 4 are needed")
    usable = _usable(image, exclude)
    edges = _edges(image.shape[0], box), _edges(image.shape[1], box)
    cells = _cells(image, usable, edges)
    if np.isnan(cells[1]).all():
        center, rms = background_rms(image, exclude)
        return np.full(image.shape, center, np.float32), np.full(image.shape, rms, np.float32)
    background, rms_map = (_interpolated(_smooth(layer), *edges) for layer in cells)
    quiet = usable & ~_around_sources(image - background, rms_map)
    cells = np.where(np.isnan(fine := _cells(image, quiet, edges)), cells, fine)
    background, rms_map = (_interpolated(_smooth(layer), *edges) for layer in cells)
    return background, rms_map


def noise_power_spectrum(
    images: Sequence[npt.ArrayLike] | npt.NDArray[np.floating],
    excludes: Sequence[Mask] | Mask | None = None,
    bands: int = 8,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean power of the noise by spatial frequency, over images of one size.

    The mean of the usable pixels is subtracted, unusable ones (NaN, `excludes`) are set to 0, a Hann taper is put on,
    and the power of all images in a ring of frequencies is summed and divided by the sum of the squared weights: white
    noise of variance 1 gives 1 in every band, whatever is left out. The nine lowest frequencies, which the taper mixes
    with the mean, are not counted.

    Parameters
    ----------
    images : sequence of arrays (ny, nx), or array (n, ny, nx)
        In units of the noise rms for a spectrum about 1.
    excludes : the same of bool, optional
        True = left out (source pixels).
    bands : int
        Rings of equal width from 0 to 0.5 cycles per pixel.

    Returns
    -------
    (frequencies, power) : float64 arrays (bands,)
        Mean frequency of each ring (cycles per pixel), and power (unit of the image squared).

    Raises
    ------
    InputError
        Where no usable pixel is left, or sizes differ.
    """
    shapes = {np.shape(image) for image in images}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise InputError(f"a power spectrum needs images of one size; the sizes are {sorted(shapes)}")
    ny, nx = next(iter(shapes))
    taper = np.outer(_hann(ny), _hann(nx))
    power, weight = np.zeros((ny, nx)), 0.0
    for start in range(0, len(images), 64):
        batch = np.asarray(images[start : start + 64], dtype=np.float64)
        exclude = None if excludes is None else np.asarray(excludes[start : start + 64], dtype=bool)
        window = taper * _usable(batch, exclude)
        level = (np.where(window > 0, batch, 0.0) * window).sum((1, 2)) / np.maximum(window.sum((1, 2)), 1e-30)
        noise = np.where(window > 0, batch - level[:, None, None], 0.0) * window
        power += (np.abs(np.fft.fft2(noise)) ** 2).sum(0)
        weight += float((window**2).sum())
    if weight == 0.0:
        raise InputError("no usable pixel is left to measure the power spectrum on")
    return _radial_means(power / weight, bands)


def _usable(image: npt.NDArray[np.floating], exclude: Mask | None) -> Mask:
    """Finite, not excluded, and (for one image) not in a block of zeros; of shape (..., ny, nx)."""
    usable = np.isfinite(image)
    if exclude is not None:
        exclude = np.asarray(exclude, dtype=bool)
        if exclude.shape != image.shape:
            raise InputError(f"the pixels to leave out have the shape {exclude.shape}, the image {image.shape}")
        usable &= ~exclude
    zeros = image == 0
    if np.count_nonzero(zeros) >= _ZERO_BLOCK**2:
        size = (1,) * (image.ndim - 2) + (_ZERO_BLOCK, _ZERO_BLOCK)
        rest = usable & ~ndimage.grey_opening(zeros.astype(np.uint8), size).astype(bool)
        usable = rest if rest.any() else usable
    return usable


def has_noise(image: npt.NDArray[np.floating]) -> bool:
    """Whether pixels lie on both sides of 0, as noise does: zeros among such pixels were not observed.

    In an image without noise, such as one of sources alone, zeros are what was observed.
    """
    return bool(np.count_nonzero(image < 0) > 0.1 * np.count_nonzero(image))


def blank_zeros(image: npt.NDArray[np.floating], edges: tuple[bool, bool, bool, bool] = (True,) * 4) -> Mask:
    """True where zeros fill an edge, a corner or a hole that was not observed, which some imagers write for NaN.

    Parameters
    ----------
    image : (ny, nx)
    edges : (bool, bool, bool, bool)
        Which sides (first row, last row, first column, last column) are edges of the map; `ZERO_REACH` pixels inside of
        the others, the answer is the same whatever lies beyond.
    """
    zeros = image == 0
    if not zeros.any():
        return zeros
    blocks = _opening(zeros, (_ZERO_BLOCK, _ZERO_BLOCK)) | _strips(zeros, edges[:2]) | _strips(zeros.T, edges[2:]).T
    return ndimage.binary_dilation(blocks, np.ones((3, 3)), iterations=_ZERO_BLOCK, mask=zeros)  # into corners


def _strips(zeros: Mask, edges: tuple[bool, bool]) -> Mask:
    """Zeros along the first and the last row, where those are edges of the map."""
    more = [(_ZERO_BLOCK - 1) * edge for edge in edges]
    wide = np.pad(zeros, (more, (0, 0)), mode="edge")
    opened = _opening(wide, (_ZERO_BLOCK, min(_ZERO_STRIP, zeros.shape[1])))
    return opened[more[0] : more[0] + len(zeros)]


def _opening(zeros: Mask, size: tuple[int, int]) -> Mask:
    eroded = ndimage.grey_erosion(zeros.astype(np.uint8), size, mode="constant")
    return np.asarray(ndimage.grey_dilation(eroded, size, mode="constant") > 0)


def sample_rows(shape: tuple[int, ...]) -> npt.NDArray[np.int_]:
    """Rows in evenly spaced bands of 32 with about `_MAX_PIXELS` pixels, to stand for a larger image of `shape`."""
    bands = shape[0] // 32
    kept = max(1, min(bands, _MAX_PIXELS // (32 * shape[1])))
    starts = (np.arange(kept) * bands // kept) * 32
    return (starts[:, None] + np.arange(32)).ravel()


def _enough(part: Mask, whole: Mask) -> bool:
    return bool(np.count_nonzero(part) >= max(16, 0.05 * np.count_nonzero(whole)))


def _around_sources(residual: Image, rms: float | npt.NDArray[np.floating]) -> Mask:
    """True within `_GROW` pixels of whatever is beyond `_SOURCE` rms (negative bowls too)."""
    with np.errstate(invalid="ignore"):
        far = np.abs(residual) > _SOURCE * rms
    return ndimage.maximum_filter(far.astype(np.uint8), 2 * _GROW + 1).astype(bool)


def _first_guess(values: Image) -> tuple[float, float]:
    """Median and rms of 1D `values` by clipping about the median; a number that most of them share is left out."""
    center, rms = _clipped_medians(values)
    rest = values[values != center] if rms == 0.0 else values[:0]
    return _clipped_medians(rest) if rest.size >= 2 else (center, rms)


def _clipped_medians(values: Image, iterations: int = 10) -> tuple[float, float]:
    center = float(np.median(values))
    rms = float(np.median(np.abs(values - center))) / _MAD
    for _ in range(iterations):
        kept = values[np.abs(values - center) < _CLIP * rms]  # from all values: a pixel may come back
        if kept.size < 2:
            break
        before, center = rms, float(np.median(kept))
        rms = float(np.median(np.abs(kept - center))) / _CLIPPED_MAD
        if abs(rms - before) <= 1e-2 * before:
            break
    return center, rms


def _clipped_moments(values: Image, center: float, rms: float, iterations: int = 20) -> tuple[float, float]:
    """Mean and rms of 1D `values`, clipped about a first guess of both."""
    for _ in range(iterations):
        kept = values[np.abs(values - center) < _CLIP * rms]
        if kept.size < 2:
            break
        before, center = rms, float(kept.mean(dtype=np.float64))
        rms = float(kept.std(dtype=np.float64)) / _CLIPPED_STD
        if abs(rms - before) <= 1e-4 * before:
            break
    return center, rms


def _cells(image: Image, usable: Mask, edges: tuple[npt.NDArray[np.int_], ...]) -> npt.NDArray[np.float64]:
    """Background and rms (2, rows, columns) of every cell; NaN where fewer than a tenth of the pixels are usable."""
    rows, columns = edges
    cells = np.full((2, len(rows) - 1, len(columns) - 1), np.nan)
    for i, j in np.ndindex(cells.shape[1:]):
        part = np.s_[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
        values = image[part][usable[part]]
        if values.size >= max(16, 0.1 * usable[part].size):
            center, rms = _clipped_moments(values, *_first_guess(values))
            if rms > 0:
                cells[:, i, j] = center, rms
    return cells


def _edges(length: int, box: int) -> npt.NDArray[np.int_]:
    """Borders of the cells along an axis: about length / box cells of nearly equal size."""
    count = max(1, round(length / box))
    return np.round(np.linspace(0, length, count + 1)).astype(int)


def _smooth(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cells without a value take that of the nearest one that has it; then a 3 x 3 median, where there are so many."""
    empty = np.isnan(cells)
    if empty.any():
        nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
        cells = cells[tuple(nearest)]
    return ndimage.median_filter(cells, size=3, mode="nearest") if min(cells.shape) >= 3 else cells


def _interpolated(
    cells: npt.NDArray[np.float64], rows: npt.NDArray[np.int_], columns: npt.NDArray[np.int_]
) -> npt.NDArray[np.float32]:
    """Linear interpolation between the cells' centres, one axis after the other: no coordinates of every pixel."""
    narrow = cells.astype(np.float32)
    for axis, edges in ((0, rows), (1, columns)):
        centers = 0.5 * (edges[:-1] + edges[1:] - 1)
        place = np.interp(np.arange(edges[-1]), centers, np.arange(len(centers)))
        low = np.minimum(place.astype(int), max(len(centers) - 2, 0))
        high = np.minimum(low + 1, len(centers) - 1)
        share = np.expand_dims((place - low).astype(np.float32), 1 - axis)
        narrow = np.take(narrow, low, axis) * (1 - share) + np.take(narrow, high, axis) * share
    return narrow


def _hann(length: int) -> npt.NDArray[np.float64]:
    return np.hanning(length + 1)[:length]


def _radial_means(
    power: npt.NDArray[np.float64], bands: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    ny, nx = power.shape
    fy, fx = np.fft.fftfreq(ny)[:, None], np.fft.fftfreq(nx)[None, :]
    radius = np.hypot(fy, fx)
    counted = (radius < 0.5) & ((np.abs(fy * ny) > 1.5) | (np.abs(fx * nx) > 1.5))
    band = np.minimum((radius[counted] * 2 * bands).astype(int), bands - 1)
    number = np.bincount(band, minlength=bands)
    if (number == 0).any():
        raise InputError(f"images of {ny} x {nx} pixels are too small for {bands} bands")
    frequencies = np.bincount(band, radius[counted], bands) / number
    return frequencies, np.bincount(band, power[counted], bands) / number
