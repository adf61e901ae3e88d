"""Beams to covariances in pixels, their transforms, and windows over lags: the geometry that noise spectra need."""

import math

import numpy as np
import numpy.typing as npt

from radiff.sky.beam import Beam

FWHM2 = 8.0 * math.log(2.0)
"""FWHM squared over variance of a Gaussian."""

Values = npt.NDArray[np.float64]


def beam_shape(beam: Beam, pixel_scale: float) -> Values:
    """Covariance (2, 2) of a beam, pixels squared, axes (x, y), with north up and east to the left."""
    angle = math.radians(beam.pa)
    along = np.array([-math.sin(angle), math.cos(angle)])
    across = np.array([along[1], -along[0]])
    widths = np.array([beam.maj, beam.min]) / pixel_scale
    return np.asarray(
        (widths[0] ** 2 * np.outer(along, along) + widths[1] ** 2 * np.outer(across, across)) / FWHM2, dtype=float
    )


def beam_widths(shape: Values) -> tuple[float, float, float]:
    """(major FWHM, minor FWHM, pa) of a covariance, pixels and deg: the inverse of `beam_shape`."""
    values, vectors = np.linalg.eigh(np.asarray(shape, float))
    minor, major = np.sqrt(values * FWHM2)
    pa = math.degrees(math.atan2(-vectors[0, 1], vectors[1, 1])) % 180.0
    return float(major), float(minor), pa


def gaussian_transform(shape: Values, side: int) -> Values:
    """(n, n), 1 at 0: Fourier transform of a Gaussian of covariance `shape`, pixels squared, axes (x, y)."""
    f = np.fft.fftfreq(side)
    fy, fx = f[:, None], f[None, :]
    return np.asarray(np.exp(-2 * math.pi**2 * (shape[0, 0] * fx**2 + 2 * shape[0, 1] * fx * fy + shape[1, 1] * fy**2)))


def lag_window(side: int) -> Values:
    """(n, n), 1 at [n / 2, n / 2], falling as a squared cosine to 0 at lags of n / 2 along either axis."""
    lag = (np.arange(side) - side // 2) / (side / 2)
    fall = np.cos(0.5 * math.pi * lag) ** 2
    return np.asarray(fall[:, None] * fall[None, :])


def root(shape: Values) -> Values:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(np.asarray(shape, float))
    return np.asarray(vectors @ np.diag(np.sqrt(values)) @ vectors.T)
