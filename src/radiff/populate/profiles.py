"""Shapes and stamps to the pixels of one object of unit flux, and pixels to their moments. Knows no maps and no files.

Unit flux: the pixels sum to the beam's area in pixels, so that times a flux in Jy they are Jy/beam.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from radiff.sky.beam import round_covariance

FAINT = 1e-6
"""A Gaussian ends where it is below this part of its peak: under a hundredth of the noise at a peak of 10,000 rms."""
FAINT_STAMP = 1e-5
"""The same of a stamp."""
MASK_SNR, MASK_PART = 3.0, 0.5
"""An object's mask are its pixels above 3 local rms, or above half its peak where that is lower."""

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pixels:
    """An object's pixels (h, w) of unit flux, the first at row `y0` and column `x0` from its pixel position."""

    values: NDArray[np.float32]
    y0: int
    x0: int


def gaussian(shape: Values, dx: float, dy: float, area: float) -> Pixels:
    """A Gaussian of covariance `shape` (2, 2; pixels, axes x, y), its centre `dx`, `dy` from the pixel position."""
    reach = math.sqrt(-2.0 * math.log(FAINT))
    wide, high = (reach * math.sqrt(float(shape[axis, axis])) for axis in (0, 1))
    x0, x1 = math.ceil(dx - wide), math.floor(dx + wide)
    y0, y1 = math.ceil(dy - high), math.floor(dy + high)
    x = np.arange(x0, x1 + 1, dtype=float)[None, :] - dx
    y = np.arange(y0, y1 + 1, dtype=float)[:, None] - dy
    (a, b), (_, c) = np.linalg.inv(shape)
    values = np.exp(-0.5 * (a * x**2 + 2.0 * b * x * y + c * y**2))
    values[values < FAINT] = 0.0
    return unit(values, y0, x0, area)


def unit(values: Values, y0: int, x0: int, area: float) -> Pixels:
    """`values` (h, w) brought to unit flux and trimmed to what is not zero."""
    rows, columns = np.flatnonzero(values.any(1)), np.flatnonzero(values.any(0))
    box = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Pixels((box * (area / box.sum())).astype(np.float32), y0 + int(rows[0]), x0 + int(columns[0]))


def turned(values: NDArray[Any], turn: int) -> NDArray[Any]:
    """`values` (h, w) after `turn` % 4 quarter turns, mirrored along x where `turn` is 4 or more."""
    result = np.rot90(values, turn % 4)
    return result[:, ::-1] if turn >= 4 else result


def resampled(values: Values, beam: float, target: Values, scale: float, dx: float, dy: float, area: float) -> Pixels:
    """A stamp on the pixels of a map, with the map's beam.

    What the stamp's beam lacks of the map's is convolved with it on the stamp's own pixels; a cubic spline then takes
    the values at the map's pixels. Where the stamp, so scaled, is already smoother than the map's beam, it stays so.

    Parameters
    ----------
    values : (h, w)
        The stamp, already turned; zero towards its edges.
    beam : float
        FWHM of its circular beam in its own pixels.
    target : (2, 2)
        Covariance of the map's beam in pixels of the map, axes (x, y).
    scale : float
        Pixels of the map per pixel of the stamp.
    dx, dy : float
        Where its flux centroid goes from the pixel position, pixels of the map.
    area : float
        Of the map's beam, pixels.
    """
    lacking = np.asarray(target) / scale**2 - round_covariance(beam)
    smooth = _convolved(values, lacking)
    y, x = centroid(smooth)
    x0 = math.floor(dx - x * scale)
    y0 = math.floor(dy - y * scale)
    x1 = math.ceil(dx + (smooth.shape[1] - 1 - x) * scale)
    y1 = math.ceil(dy + (smooth.shape[0] - 1 - y) * scale)
    offset = ((y0 - dy) / scale + y, (x0 - dx) / scale + x)
    size = (y1 - y0 + 1, x1 - x0 + 1)
    found = ndimage.affine_transform(smooth, (1 / scale, 1 / scale), offset, size, order=3, mode="constant")
    found[found < FAINT_STAMP * found.max()] = 0.0
    return unit(found, y0, x0, area)


def _convolved(values: Values, shape: Values) -> Values:
    """`values` with a margin, convolved with a Gaussian of covariance `shape` where that is positive."""
    variances, vectors = np.linalg.eigh(shape)
    variances = np.where(variances > 0.02, variances, 0.0)  # a tenth of a pixel is nothing
    margin = 2 + math.ceil(4.0 * math.sqrt(float(variances.max())))
    padded = np.pad(values.astype(float), margin)
    if not variances.any():
        return padded
    size = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None, :]
    along = [vectors[0, k] * fx + vectors[1, k] * fy for k in (0, 1)]
    power = sum(variance * part**2 for variance, part in zip(variances, along, strict=True))
    smooth = fft.irfft2(fft.rfft2(padded, size) * np.exp(-2.0 * math.pi**2 * power), size)
    return np.maximum(smooth[: padded.shape[0], : padded.shape[1]], 0.0)


def centroid(values: NDArray[Any]) -> tuple[float, float]:
    """Flux-weighted mean (y, x) of `values` (h, w)."""
    total = float(values.sum(dtype=np.float64))
    y = float((values.sum(1, dtype=np.float64) * np.arange(values.shape[0])).sum()) / total
    x = float((values.sum(0, dtype=np.float64) * np.arange(values.shape[1])).sum()) / total
    return y, x


def second_moments(values: NDArray[Any]) -> Values:
    """Flux-weighted covariance (2, 2), axes (x, y), of `values` (h, w), pixels."""
    values = values.astype(np.float64)
    y, x = centroid(values)
    rows, columns = np.arange(values.shape[0]) - y, np.arange(values.shape[1]) - x
    total = values.sum()
    xx, yy = (values.sum(0) @ columns**2) / total, (values.sum(1) @ rows**2) / total
    xy = (rows @ values @ columns) / total
    return np.array([[xx, xy], [xy, yy]])


def mask_level(snr: float) -> float:
    """The part of its peak above which an object's pixels belong to its mask, for a peak of `snr` rms."""
    return min(MASK_SNR / snr, MASK_PART) if snr > 0 else MASK_PART
