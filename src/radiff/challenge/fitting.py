"""Pixels of one source to its flux, position and shape. Knows no sky, no maps and no finders.

A source is measured by a Gaussian where one describes it, else by its pixels.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from radiff.sky.beam import mean_width

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

_RESIDUAL = 0.10  # of the peak: a Gaussian that leaves more on the source's pixels does not describe it
_NOISE = 2.5  # in rms: residuals up to it are noise
_UNRESOLVED = 2.0  # over the snr: what is wider than the beam by less than this share of its area has the beam's shape
_MOST_PIXELS = 40_000  # a source of more is not fitted


@dataclass(frozen=True)
class Fit:
    """One source, in pixels of the stamp that it was measured on.

    Attributes
    ----------
    x, y : float
        Centre of the Gaussian, or the pixels' centroid.
    peak : float
        Of the Gaussian, or the brightest pixel; unit of the image.
    total : float
        Sum over all pixels, unit of the image.
    shape : (2, 2)
        Covariance over (x, y), pixels.
    gaussian : bool
        Whether a Gaussian describes it.
    x_peak, y_peak : float
        Brightest point, by a parabola through the brightest pixel and its neighbours.
    """

    x: float
    y: float
    peak: float
    total: float
    shape: Values
    gaussian: bool
    x_peak: float
    y_peak: float


def measure_source(image: NDArray[np.floating], own: Mask, usable: Mask, rms: float, beam: Values) -> Fit | None:
    """Measure a source on a stamp of the map.

    Parameters
    ----------
    image : (ny, nx)
        Background taken off; NaN allowed where not `usable`.
    own : bool (ny, nx)
        Its pixels.
    usable : bool (ny, nx)
        Pixels that are neither blank nor another source's.
    rms : float
        Local noise, unit of the image.
    beam : (2, 2)
        Covariance of the beam, pixels.

    Returns
    -------
    Fit or None
        None where its pixels hold nothing positive.
    """
    own = own & usable
    count = int(np.count_nonzero(own))
    if not count:
        return None
    wide = ndimage.binary_dilation(own, _disk(0.5 * mean_width(beam))) & usable
    pixels = _pixel_fit(image, own, wide)
    if pixels is None:
        return None
    if count > _MOST_PIXELS:
        return pixels
    fit = _gaussian(image, own, wide, rms, beam, pixels)
    return pixels if fit is None else fit


def _pixel_fit(image: NDArray[np.floating], own: Mask, wide: Mask) -> Fit | None:
    """By sums over its pixels and a rim of half a beam around them."""
    rows, columns = np.nonzero(wide)
    values = np.asarray(image[rows, columns], np.float64)
    total = float(values.sum())
    inside = np.where(own, image, -np.inf)
    top = np.unravel_index(int(np.argmax(inside)), inside.shape)
    peak = float(image[top])
    weights = np.maximum(values, 0.0)
    if not (peak > 0 and total > 0 and weights.sum() > 0):
        return None
    weights /= weights.sum()
    x, y = float(weights @ columns), float(weights @ rows)
    dx, dy = columns - x, rows - y
    shape = np.array([[weights @ (dx * dx), weights @ (dx * dy)], [weights @ (dx * dy), weights @ (dy * dy)]])
    shape += np.eye(2) / 12.0
    x_peak, y_peak = _summit(image, int(top[0]), int(top[1]))
    return Fit(x, y, peak, total, shape, False, x_peak, y_peak)


def _gaussian(image: NDArray[np.floating], own: Mask, wide: Mask, rms: float, beam: Values, start: Fit) -> Fit | None:
    """A Gaussian, of the beam's shape where it is not clearly wider; None where none describes the source."""
    rows, columns = np.nonzero(wide)
    values = np.asarray(image[rows, columns], np.float64)
    inverse = 0.5 * np.linalg.inv(beam)
    first = np.array([start.peak, start.x_peak, start.y_peak, inverse[0, 0], inverse[0, 1], inverse[1, 1]])
    found = None
    if len(values) >= 8:
        for guess in (first, np.array([start.peak, start.x, start.y, *_quadratic(start.shape)])):
            found = _fitted(values, columns, rows, guess)
            if found is not None:
                break
    if (
        found is None
        or math.sqrt(np.linalg.det(_shape(found)) / np.linalg.det(beam)) < 1.0 + _UNRESOLVED * rms / found[0]
    ):
        found = _fitted(values, columns, rows, first[:3], first[3:])
    if found is None:
        return None
    inside = own[rows, columns]
    if not all(p.min() - 1.0 <= at <= p.max() + 1.0 for at, p in ((found[1], columns), (found[2], rows))):
        return None
    residual = (values - _model(found, columns, rows))[inside]
    if math.sqrt(float(np.mean(residual**2))) > math.hypot(_NOISE * rms, _RESIDUAL * start.peak):
        return None
    shape = _shape(found)
    total = float(found[0] * 2.0 * math.pi * math.sqrt(np.linalg.det(shape)))
    x, y = float(found[1]), float(found[2])
    return Fit(x, y, float(found[0]), total, shape, True, x, y)


def _fitted(
    values: Values, x: NDArray[np.intp], y: NDArray[np.intp], start: Values, fixed: Values | None = None
) -> Values | None:
    """Peak, x, y and quadratic form of the Gaussian of least squares; `fixed` holds the form. None: there is none."""
    tail = np.zeros(0) if fixed is None else fixed

    def residuals(p: Values) -> Values:
        return _model(np.concatenate([p, tail]), x, y) - values

    def slopes(p: Values) -> Values:
        return _slopes(np.concatenate([p, tail]), x, y)[: len(p)]

    with np.errstate(over="ignore", invalid="ignore"):
        found, _, _, _, status = optimize.leastsq(
            residuals, start, Dfun=slopes, col_deriv=True, full_output=True, maxfev=100
        )
    whole = np.concatenate([found, tail])
    a, b, c = whole[3:]
    good = status in (1, 2, 3, 4) and np.isfinite(whole).all() and whole[0] > 0 and a > 0 and a * c > b * b
    return whole if good else None


def _model(p: Values, x: NDArray[np.intp], y: NDArray[np.intp]) -> Values:
    dx, dy = x - p[1], y - p[2]
    square = p[3] * dx * dx + 2.0 * p[4] * dx * dy + p[5] * dy * dy
    return p[0] * np.exp(-np.clip(square, -50.0, 700.0))  # type: ignore[no-any-return]


def _slopes(p: Values, x: NDArray[np.intp], y: NDArray[np.intp]) -> Values:
    """Derivatives of `_model` (6, n)."""
    dx, dy = x - p[1], y - p[2]
    value = _model(p, x, y)
    return np.stack(
        [
            value / p[0],
            value * 2.0 * (p[3] * dx + p[4] * dy),
            value * 2.0 * (p[4] * dx + p[5] * dy),
            -value * dx * dx,
            -value * 2.0 * dx * dy,
            -value * dy * dy,
        ]
    )


def _quadratic(shape: Values) -> Values:
    inverse = 0.5 * np.linalg.inv(shape)
    return np.array([inverse[0, 0], inverse[0, 1], inverse[1, 1]])


def _shape(p: Values) -> Values:
    return 0.5 * np.linalg.inv(np.array([[p[3], p[4]], [p[4], p[5]]]))


def _disk(radius: float) -> Mask:
    reach = max(1, math.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(x * x + y * y <= max(radius, 1.0) ** 2)


def _summit(image: NDArray[np.floating], row: int, column: int) -> tuple[float, float]:
    """Brightest point (x, y) near the brightest pixel, by a parabola along each axis."""
    place = [float(column), float(row)]
    for axis, (dy, dx) in enumerate(((0, 1), (1, 0))):
        if 0 < row < image.shape[0] - 1 and 0 < column < image.shape[1] - 1:
            low, middle, high = (float(image[row + k * dy, column + k * dx]) for k in (-1, 0, 1))
            bend = low - 2.0 * middle + high
            if math.isfinite(bend) and bend < 0:
                place[axis] += float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5))
    return place[0], place[1]
