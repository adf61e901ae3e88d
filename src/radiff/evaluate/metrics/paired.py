"""A real image and a synthetic one of the same mask to SSIM, PSNR and residuals. Knows no networks and no files."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.scaling import Paper, SnrAsinh
from radiff.errors import InputError
from radiff.estimates import Array

Image = NDArray[np.floating[Any]]
K1, K2 = 0.01, 0.03
SIGMA, TRUNCATE = 1.5, 3.5
"""Gaussian window of Wang et al. 2004: 11 x 11 pixels."""
_RADIUS = int(TRUNCATE * SIGMA + 0.5)
SCALE = SnrAsinh(softness=2.0)
PAPER = Paper()


def ssim(first: Image, second: Image, data_range: float) -> float:
    """Structural similarity of two images (ny, nx), Eq. 15 with the product in its numerator.

    Local means, variances and covariance under a Gaussian window of 1.5 pixels, averaged over the image less the 5
    pixels at its edge (Wang et al. 2004). 1 for equal images.

    Parameters
    ----------
    data_range : float
        L, the range of values that images may have.

    Raises
    ------
    InputError
        Where the shapes differ, a side is below 11 pixels, or the range is not positive.
    """
    a, b = (np.asarray(i, np.float64) for i in (first, second))
    if a.shape != b.shape or min(a.shape) < 2 * _RADIUS + 1:
        raise InputError(f"SSIM needs two images of one size, 11 pixels or more; here are {a.shape} and {b.shape}")
    if not data_range > 0:
        raise InputError(f"SSIM with a data range of {data_range:g}; it must be positive")
    mean_a, mean_b, square_a, square_b, product = (_window(i) for i in (a, b, a * a, b * b, a * b))
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    bottom = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    inner = np.s_[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    return float((top / bottom)[inner].mean())


def _window(image: Array) -> Array:
    return ndimage.gaussian_filter(image, SIGMA, mode="reflect", truncate=TRUNCATE)


def psnr(truth: Image, other: Image, data_range: float) -> float:
    """Peak signal-to-noise ratio, dB: 10 log10(L^2 / mean squared difference); infinite for equal images."""
    error = float(np.mean((np.asarray(truth, np.float64) - np.asarray(other, np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(data_range**2 / error))


def pair_figures(truth: Image, made: Image, inside: NDArray[np.bool_]) -> dict[str, float]:
    """Figures of one pair.

    Parameters
    ----------
    truth, made : (ny, nx)
        Units of the real image's noise rms, background taken off; NaN is taken as 0 in both.
    inside : bool (ny, nx)
        True on the mask's objects.

    Returns
    -------
    dict
        ``ssim``, ``psnr``: on asinh(snr / 2), the scale with L the range of the real image;
        ``ssim_paper``, ``psnr_paper``: on the paper's scale (z-scale, tanh, 0 to 1), L = 1; ``residual``: rms of the
        difference outside the objects, in noise rms (two independent noises give 1.41), ``residual_sources`` inside
        them over the rms of the real pixels there (NaN without objects).
    """
    usable = np.isfinite(truth) & np.isfinite(made)
    a, b = (np.where(usable, i, 0.0) for i in (truth, made))
    scaled, other = (SCALE.forward(i, 0.0, 1.0) for i in (a, b))
    paper, other_paper = (PAPER.forward(i, 0.0, 1.0) for i in (a, b))
    span = max(float(np.ptp(scaled)), 1e-6)
    difference = b - a
    within = usable & inside
    outside = usable & ~inside
    signal = float(np.sqrt(np.mean(a[within] ** 2))) if within.any() else 0.0
    return {
        "ssim": ssim(scaled, other, span),
        "psnr": psnr(scaled, other, span),
        "ssim_paper": ssim(paper, other_paper, 1.0),
        "psnr_paper": psnr(paper, other_paper, 1.0),
        "residual": float(np.sqrt(np.mean(difference[outside] ** 2))) if outside.any() else float("nan"),
        "residual_sources": float(np.sqrt(np.mean(difference[within] ** 2))) / signal if signal > 0 else float("nan"),
    }


def object_fluxes(truth: Image, made: Image, labels: NDArray[np.integer[Any]], beam_area: float) -> NDArray[np.float64]:
    """Peak and integrated flux of each object of a mask in both images.

    Parameters
    ----------
    truth, made : (ny, nx)
        Background taken off; any one unit per beam.
    labels : (ny, nx)
        0, or the number of the object from 1.
    beam_area : float
        Pixels; NaN where it is not known, and so are the integrated fluxes.

    Returns
    -------
    (objects, 4)
        Peak in `truth` and in `made`, integrated flux in `truth` and in `made`; blank pixels do not count.
    """
    count = int(labels.max(initial=0))
    numbers = np.arange(1, count + 1)
    columns = []
    for image in (truth, made):
        filled = np.where(np.isfinite(image), image, -np.inf)
        columns.append(np.asarray(ndimage.maximum(filled, labels, numbers), np.float64).reshape(count))
    for image in (truth, made):
        totals = ndimage.sum_labels(np.nan_to_num(image), labels, numbers)
        columns.append(np.asarray(totals, np.float64).reshape(count) / beam_area)
    return np.stack(columns, 1)
