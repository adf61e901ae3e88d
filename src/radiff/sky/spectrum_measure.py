"""Maps to the spectrum of their noise, and what of it no spectrum tells. Knows no networks.

Sources are masked, not filled: filling them with noise of the spectrum that is looked for would be circular. Windows of
the map are tapered, the autocovariance of the masked, tapered noise is divided by that of mask and taper, cut off
smoothly at half the side of the spectrum, and transformed (Blackman and Tukey 1958; Welch 1967 for the windows).
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from radiff.errors import InputError
from radiff.sky.beam import Beam
from radiff.sky.spectrum import SIDE, NoiseSpectrum, gaussian_transform, lag_window
from radiff.sky.spectrum_patch import RESIDUAL, NoisePatch, find_bright, noise_patch, noise_patches
from radiff.sky.spectrum_wander import measure_wander
from radiff.tiling import even_starts

__all__ = [
    "NoisePatch",
    "find_bright",
    "measure_noise_spectrum",
    "measure_wander",
    "noise_patch",
    "spectrum_of_patches",
]

HELD, RING = 3.0, 6.0
"""Modes within the first radius are held at what those between both say: so wide a structure is no noise."""
HOLD = 3.0
"""They are held where they stand so many times above it."""
SHARPENINGS = 4
"""Rounds in which the blur of the cut-off lags is taken out."""
LEAK = 0.5
"""A mode is flagged where more than this part of its power may be leakage from others."""

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def measure_noise_spectrum(
    maps: Any,
    masks: Any = None,
    side: int = SIDE,
    empty: bool = False,
    strict: bool = False,
    wander: bool = True,
    beam: Beam | None = None,
) -> NoiseSpectrum:
    """Measure the noise spectrum of one or many maps.

    Parameters
    ----------
    maps : path, Cutout, array (ny, nx), or a sequence of these
        Maps of one telescope on pixels of one size, Jy/beam; NaN = unusable. Any sizes from 64 pixels; of files of
        more than 4096 x 4096 pixels, 16 windows stand for the whole.
    masks : array (ny, nx) or a sequence of arrays or None, optional
        Nonzero on sources. Default: what holds a pixel above 5 rms, down to 3 rms.
    side : int
        Modes a side; noise is told up to lags of half of it. Smaller maps give smaller spectra.
    empty : bool
        The maps hold no sources (differences, Stokes V): nothing is masked.
    strict : bool
        Refuse maps with residuals above 5 rms, instead of flagging them.
    wander : bool
        Measure how the rms wanders too.
    beam : Beam, optional
        Of the maps, where their headers tell none, or another is to count.

    Returns
    -------
    NoiseSpectrum
        Its ``notes`` hold the number of maps, of windows and of usable pixels, the residuals, the share of modes
        flagged for leakage, skewness and kurtosis.

    Raises
    ------
    InputError
        Where a map cannot be read, too few pixels are usable, pixel scales or beams differ, or (`strict`) a map has
        residuals.

    Warns
    -----
    UserWarning
        Where residuals above 5 rms are left outside the mask.
    """
    items = list(maps) if isinstance(maps, list | tuple) else [maps]
    given = list(masks) if isinstance(masks, list | tuple) else [masks] * len(items)
    if len(given) != len(items):
        raise InputError(f"{len(given)} masks for {len(items)} maps; give one a map")
    patches = [patch for one, mask in zip(items, given, strict=True) for patch in noise_patches(one, mask, empty, beam)]
    return spectrum_of_patches(patches, side, strict=strict, wander=wander, hold=not empty)


def spectrum_of_patches(
    patches: Sequence[NoisePatch], side: int = SIDE, strict: bool = False, wander: bool = True, hold: bool = True
) -> NoiseSpectrum:
    """The mean spectrum of the noise of several maps: see `measure_noise_spectrum`.

    `hold`: the power of structures wider than a third of the side, diffuse emission and what is left of the level, is
    held at what is next to it, and the rms is that of the rest.
    """
    if side % 2 or side < 16:
        raise InputError(f"a spectrum of {side} modes a side; give an even number from 16 on")
    if not patches:
        raise InputError("no map to measure the noise on")
    first = patches[0]
    for one in patches[1:]:
        for what in ("pixel_scale", "beam"):
            if not _alike(getattr(first, what), getattr(one, what)):
                raise InputError(
                    f"the maps {first.name} and {one.name} differ in their {what.replace('_', ' ')}; measure them apart"
                )
    bad = [one for one in patches if one.residuals > chance_residuals(one)]
    if bad and strict:
        raise InputError(
            f"{bad[0].residuals} pixels beyond {RESIDUAL:g} rms are left outside the mask: residuals of a bright "
            "source, which are no noise; leave this map out, or mask them",
            bad[0].name or None,
        )
    if bad:
        text = (
            f"{bad[0].name or 'the map'}: {bad[0].residuals} pixels beyond {RESIDUAL:g} rms are left outside the mask"
        )
        warnings.warn(f"{text}; the spectrum holds residuals of bright sources as if they were noise", stacklevel=2)
    side = min(side, *(2 * (min(one.snr.shape) // 4) for one in patches))
    estimate = _estimate(patches, side)
    sharp = sharpened(
        estimate.power,
        None if first.beam is None or not first.pixel_scale else first.beam.covariance(first.pixel_scale),
    )
    power = _held(sharp, first) if hold else sharp
    kept = float(power.sum() / sharp.sum())
    counted = sum(int(one.usable.sum()) for one in patches)
    values = np.concatenate([one.snr[one.usable] for one in patches])
    middle, deviation = float(values.mean()), float(values.std())
    standard = np.clip((values - middle) / deviation, -RESIDUAL, RESIDUAL)
    notes = {
        "maps": len(patches),
        "windows": estimate.windows,
        "usable_pixels": counted,
        "residual_pixels": sum(one.residuals for one in patches),
        "flagged_modes": float(estimate.floor.mean()),
        "held_variance": round(1.0 - kept, 6),
        "skewness": float((standard**3).mean()),
        "kurtosis": float((standard**4).mean() - 3.0),
    }
    rms = float(np.median([one.rms for one in patches])) * math.sqrt(kept)
    spectrum = NoiseSpectrum(
        power, rms, first.pixel_scale, first.beam, first.frequency, error=estimate.error, floor=estimate.floor,
        origin=_origin(patches), notes=notes,
    )  # fmt: skip
    if wander:
        spread, scale = measure_wander(replace(spectrum, power=sharp), patches)
        spectrum = replace(spectrum, rms_spread=spread, rms_scale=scale)
    return spectrum


@dataclass(frozen=True)
class _Estimate:
    power: Values
    error: float
    floor: Mask
    windows: int


def _estimate(patches: Sequence[NoisePatch], side: int) -> _Estimate:
    """Mean power by the ratio of autocovariances, its relative error a mode, modes that leakage dominates."""
    total, weight = np.zeros((2 * side, 2 * side)), np.zeros((2 * side, 2 * side))
    count = 0
    for patch in patches:
        for noise, window in _windows(patch, side):
            size = (2 * side, 2 * side)
            total += np.abs(fft.fft2(noise * window, size)) ** 2
            weight += np.abs(fft.fft2(window, size)) ** 2
            count += 1
    if count == 0:
        raise InputError("too few usable pixels to measure a noise spectrum on; give a larger map or another mask")
    covariance, overlap = fft.ifft2(total).real, fft.ifft2(weight).real
    half = side // 2
    lags = np.r_[0:half, -half:0]
    near = np.ix_(lags, lags)
    window = np.fft.ifftshift(lag_window(side))
    least = 1e-3 * overlap[0, 0]
    ratio = np.where(overlap[near] > least, covariance[near] / np.maximum(overlap[near], least), 0.0)
    power = fft.fft2(ratio * window).real
    smallest = 1e-9 * power.max()
    independent = max(count / 1.36, 1.0)  # windows that overlap by half (measured on drawn fields)
    scatter = _taper_factor(side) / independent
    lags_weight = np.where(overlap[near] > least, window * overlap[0, 0] / np.maximum(overlap[near], least), 0.0)
    leak = _leakage(np.maximum(power, smallest), weight[::2, ::2], lags_weight, scatter)
    floor = power < leak / LEAK
    power = np.maximum(power, smallest)
    # the lag window averages over 1 / (mean of its square) modes, of which a taper makes neighbours alike
    error = math.sqrt(min(1.0, float((window**2).mean()) * scatter))
    return _Estimate(power, error, floor, count)


def sharpened(power: Values, shape: Values | None = None) -> Values:
    """A measured power (n, n) without what the cut of the lags blurs: its fall, along the beam's ellipses.

    The cut convolves the power with the transform of the lag window. Undone mode by mode that would raise the scatter
    of the estimate; what is steep of a noise spectrum is how it falls with the frequency, so it is undone ring by ring:
    the power is multiplied by a function of the radius until it, blurred again, has the rings that were measured.

    Parameters
    ----------
    shape : float (2, 2), optional
        Covariance of the beam, pixels squared, axes (x, y): rings are its ellipses; default: circles.
    """
    side = len(power)
    frequency = np.fft.fftfreq(side, 1 / side)
    fy, fx = frequency[:, None], frequency[None, :]
    metric = np.eye(2) if shape is None else shape / math.sqrt(float(np.linalg.det(shape)))
    radius = np.sqrt(metric[0, 0] * fx**2 + 2 * metric[0, 1] * fx * fy + metric[1, 1] * fy**2)
    low = radius.astype(int)
    share = radius - low  # a mode belongs to the two rings that it lies between
    count = int(low.max()) + 2
    number = np.bincount(low.ravel(), (1 - share).ravel(), count) + np.bincount(low.ravel() + 1, share.ravel(), count)
    window = np.fft.ifftshift(lag_window(side))

    def rings(values: Values) -> Values:
        both = np.bincount(low.ravel(), ((1 - share) * values).ravel(), count)
        return np.asarray(
            (both + np.bincount(low.ravel() + 1, (share * values).ravel(), count)) / np.maximum(number, 1e-9)
        )

    wanted, sharp = rings(power), power
    for _ in range(SHARPENINGS):
        blurred = np.maximum(fft.fft2(fft.ifft2(sharp) * window).real, 0.0)
        change = np.clip(wanted / np.maximum(rings(blurred), 1e-12), 0.5, 2.0)
        sharp = sharp * ((1 - share) * change[low] + share * change[low + 1])
    return np.asarray(sharp)


def _held(power: Values, patch: NoisePatch) -> Values:
    """The power, that of diffuse emission about mode 0 held at what the ring around says, for a beam of that width.

    A beam's own power falls over the ring too, at most as its squared transform; where the beam is not known, or so
    wide that it fills the ring, nothing is held.
    """
    if patch.beam is None or not patch.pixel_scale:
        return power
    side = len(power)
    beam = gaussian_transform(patch.beam.covariance(patch.pixel_scale), side) ** 2
    radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(side, 1 / side)]))
    inner, ring = radius <= HELD, (radius > HELD) & (radius <= RING)
    if beam[ring].min() < 0.5:
        return power
    level = beam / beam[ring].mean() * float(np.median(power[ring]))
    return np.where(inner & (power > HOLD * level), level, power)


def _taper_factor(side: int) -> float:
    """By how much a taper raises the variance of what is averaged over modes: n sum w^4 / (sum w^2)^2, both axes."""
    taper = _taper(side)
    one = float(side * (taper**4).sum() / (taper**2).sum() ** 2)
    return one**2


def _leakage(power: Values, weight: Values, lags_weight: Values, scatter: float) -> Values:
    """What other modes bring to each mode, in units of the power.

    The windows' sidelobes bring power. What lags are multiplied with brings the scatter of the others, of either sign:
    `scatter` is the relative variance of a mode of the mean periodogram.
    """
    brought = fft.ifft2(fft.fft2(power) * fft.fft2(_far(weight / weight.sum()))).real
    response = fft.fft2(lags_weight).real / lags_weight.size
    variance = fft.ifft2(fft.fft2(power**2) * fft.fft2(_far(response) ** 2)).real
    return np.asarray(np.maximum(brought, 0.0) + np.sqrt(scatter * np.maximum(variance, 0.0)))


def _far(response: Values) -> Values:
    """A response (n, n) about mode 0 without the modes within 3 of it: that near, a smooth spectrum is the same."""
    far = response.copy()
    near = np.arange(-3, 4)
    far[np.ix_(near, near)] = 0.0
    return far


def _windows(patch: NoisePatch, side: int) -> Iterator[tuple[Values, Values]]:
    """(noise, taper times mask) of windows that overlap by half; those with too little to use are left out."""
    ny, nx = patch.snr.shape
    taper = _taper(side)
    both = taper[:, None] * taper[None, :]
    soft = _apodised(patch.usable)
    level = float((patch.snr * soft).sum()) / max(float(soft.sum()), 1.0)  # of the map: a window's own is noise too
    for y in even_starts(ny, side, side / 2):
        for x in even_starts(nx, side, side / 2):
            box = np.s_[y : y + side, x : x + side]
            window = both * soft[box]
            total = float(window.sum())
            if total < 0.25 * float(both.sum()):
                continue
            yield patch.snr[box] - level, window


def _apodised(usable: Mask) -> Values:
    """The mask with edges that rise as a squared sine over two pixels: hard edges would spread power over all modes."""
    if usable.all():
        return np.ones(usable.shape)
    depth = ndimage.distance_transform_edt(np.pad(usable, 1, constant_values=True))[1:-1, 1:-1]
    return np.asarray(np.sin(0.5 * math.pi * np.minimum(depth / 3.0, 1.0)) ** 2)


def _taper(side: int) -> Values:
    return np.asarray(np.sin(math.pi * (np.arange(side) + 0.5) / side) ** 2)


def chance_residuals(patch: NoisePatch) -> float:
    """Pixels beyond 5 rms that Gaussian noise of that many pixels may have."""
    return 3.0 + 6e-7 * 3 * float(patch.usable.sum())


def _alike(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    pairs = [(a.maj, b.maj), (a.min, b.min)] if isinstance(a, Beam) else [(a, b)]
    return all(math.isclose(x, y, rel_tol=0.02) for x, y in pairs)


def _origin(patches: Sequence[NoisePatch]) -> str:
    names = list(dict.fromkeys(one.name or "array" for one in patches))
    return f"measured on {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
