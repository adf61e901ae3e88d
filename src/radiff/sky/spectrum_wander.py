"""How the rms of maps wanders, beyond what the estimate scatters in stationary noise of the same spectrum."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from radiff.sky.noise_field import NoiseField
from radiff.sky.spectrum import NoiseSpectrum
from radiff.sky.spectrum_patch import NoisePatch

SCALES = (8.0, 16.0)
"""Gaussian sigmas, pixels, over which the local rms is measured."""

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def measure_wander(spectrum: NoiseSpectrum, patches: Sequence[NoisePatch], fields: int = 4) -> tuple[float, float]:
    """Spread and scale (pixels) of the local rms, beyond what the estimate itself scatters in a stationary field.

    The local rms is that of Gaussian surroundings of 8 and of 16 pixels. For a lognormal rms of spread s whose
    logarithm has a Gaussian correlation of scale L, the variance left after smoothing over t is s^2 L^2 / (L^2 + t^2):
    two smoothings give both.
    """
    real = [_log_rms_variance([(one.snr, one.usable) for one in patches], scale) for scale in SCALES]
    alike: list[tuple[Values, Mask]] = []
    chosen = [patches[k] for k in np.unique(np.linspace(0, len(patches) - 1, 32).astype(int))]
    plain = replace(spectrum, rms_spread=0.0, faint=None)
    for number, one in enumerate(chosen):
        for draw in range(fields if len(chosen) == 1 else 1):
            window = tuple(min(n, 1024) for n in one.snr.shape)
            noise = NoiseField(plain, (window[0], window[1]), seed=1000 * number + draw).rows(0, window[0])
            alike.append((noise.astype(float), one.usable[: window[0], : window[1]]))
    stationary = [_log_rms_variance(alike, scale) for scale in SCALES]
    near, far = (max(0.0, a - b) for a, b in zip(real, stationary, strict=True))
    if near <= 0 or far <= 0:
        return 0.0, SCALES[1]
    a, b = SCALES[0] ** 2, SCALES[1] ** 2
    ratio = min(max(far / near, 0.3), 0.95)  # (L^2 + a) / (L^2 + b), L from about 4 to 60 pixels
    squared = (ratio * b - a) / (1 - ratio) if ratio * b > a else a / 4
    scale = math.sqrt(min(max(squared, 16.0), 3600.0))
    spread = math.sqrt(near * (scale**2 + a) / scale**2)
    return min(spread, 0.5), scale


def _log_rms_variance(fields: Sequence[tuple[Values, Mask]], scale: float) -> float:
    """Variance of the logarithm of the local rms, where most of the surroundings are usable."""
    values = []
    for noise, usable in fields:
        share = ndimage.gaussian_filter(usable.astype(float), scale, mode="constant")
        square = ndimage.gaussian_filter(np.where(usable, noise, 0.0) ** 2, scale, mode="constant")
        good = usable & (share > 0.7) & (square > 0)
        if good.any():
            logs = 0.5 * np.log(square[good] / share[good])
            values.append(logs - logs.mean())
    return float(np.concatenate(values).var()) if values else 0.0
