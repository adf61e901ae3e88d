"""Covariances in pixels to their transforms, and windows over lags: the geometry that noise spectra need."""

import math

import numpy as np

from radiff.sky.beam import Floats


def gaussian_transform(shape: Floats, side: int) -> Floats:
    """(n, n), 1 at 0: Fourier transform of a Gaussian of covariance `shape`, pixels squared, axes (x, y)."""
    f = np.fft.fftfreq(side)
    fy, fx = f[:, None], f[None, :]
    return np.asarray(np.exp(-2 * math.pi**2 * (shape[0, 0] * fx**2 + 2 * shape[0, 1] * fx * fy + shape[1, 1] * fy**2)))


def lag_window(side: int) -> Floats:
    """(n, n), 1 at [n / 2, n / 2], falling as a squared cosine to 0 at lags of n / 2 along either axis."""
    lag = (np.arange(side) - side // 2) / (side / 2)
    fall = np.cos(0.5 * math.pi * lag) ** 2
    return np.asarray(fall[:, None] * fall[None, :])


def root(shape: Floats) -> Floats:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(np.asarray(shape, float))
    return np.asarray(vectors @ np.diag(np.sqrt(values)) @ vectors.T)
