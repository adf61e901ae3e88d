"""Maps to the spectrum of their noise, and what of it no spectrum tells. Knows no networks.

Sources are masked, not filled: filling them with noise of the spectrum that is looked for would be circular. Windows of
the map are tapered, the autocovariance of the masked, tapered noise is divided by that of mask and taper, cut off
smoothly at half the side of the spectrum, and transformed (Blackman and Tukey 1958; Welch 1967 for the windows).
"""

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from radiff.errors import InputError
from radiff.sky.beam import Beam
from radiff.sky.cutout import Cutout
from radiff.sky.noise import background_mesh, background_rms
from radiff.sky.noise_field import NoiseField
from radiff.sky.spectrum import SIDE, NoiseSpectrum, lag_window

RESIDUAL = 5.0
"""What lies beyond so many rms outside the mask is a residual of a bright source, not noise."""
SEED_SNR, GROW_SNR = 5.0, 3.0
"""Without a mask, sources are what holds a pixel above the first and connects to it above the second."""
CLEAR_BEAMS = 1.0
"""Pixels within so many beams of a source's are left out too: its faint wings."""
MIN_PIXELS = 4096
"""With fewer usable pixels no spectrum is measured."""
LEAK = 0.5
"""A mode is flagged where more than this part of its power may be leakage from others."""
SCALES = (8.0, 16.0)
"""Gaussian sigmas, pixels, over which the local rms is measured."""

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass
class NoisePatch:
    """A map's noise in units of its rms, with what is left out.

    Attributes
    ----------
    snr : float64 (ny, nx)
        Level 0, rms 1; 0 where left out.
    usable : bool (ny, nx)
    rms : float
        Jy/beam.
    beam : Beam, optional
    pixel_scale : float, optional
        Arcsec.
    frequency : float, optional
        Hz.
    name : str
    residuals : int
        Usable pixels beyond 5 rms.
    """

    snr: Values
    usable: Mask
    rms: float
    beam: Beam | None = None
    pixel_scale: float | None = None
    frequency: float | None = None
    name: str = ""
    residuals: int = 0
    about: dict[str, Any] = field(default_factory=dict)


def measure_noise_spectrum(
    maps: Any,
    masks: Any = None,
    side: int = SIDE,
    empty: bool = False,
    strict: bool = False,
    wander: bool = True,
) -> NoiseSpectrum:
    """Measure the noise spectrum of one or many maps.

    Parameters
    ----------
    maps : path, Cutout, array (ny, nx), or a sequence of these
        Maps of one telescope on pixels of one size, Jy/beam; NaN = unusable. Any sizes from 64 pixels.
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

    Returns
    -------
    NoiseSpectrum
        Its ``notes`` hold the number of maps, of windows and of usable pixels, the residuals, the share of modes flagged
        for leakage, skewness and kurtosis.

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
    patches = [noise_patch(one, mask, empty=empty) for one, mask in zip(items, given, strict=True)]
    return spectrum_of_patches(patches, side, strict=strict, wander=wander)


def noise_patch(source: Any, mask: Any = None, empty: bool = False) -> NoisePatch:
    """A map (path, `Cutout` or array) to its noise; see `measure_noise_spectrum`.

    Level and rms are taken off as they change over the map, on cells that are wider than the spectrum tells.
    """
    cutout, name = _opened(source)
    image = np.asarray(cutout.image, dtype=np.float64)
    if min(image.shape) < 64:
        raise InputError(
            f"{name or 'the map'} has {image.shape[1]} x {image.shape[0]} pixels; at least 64 x 64 are needed"
        )
    width = _beam_pixels(cutout)
    taken = np.zeros(image.shape, bool)
    if mask is not None:
        given = np.asarray(mask)
        if given.shape != image.shape:
            raise InputError(f"the mask has the shape {given.shape}, the map {image.shape}")
        taken = _wider(given > 0, width)
    elif not empty:
        taken = _wider(find_bright(image), width)
    box = max(SIDE, math.ceil(24 * width))
    if min(image.shape) >= 2 * box:
        level, rms = background_mesh(image, box, taken)
    else:
        middle, spread = background_rms(image, taken if not taken.all() else None)
        level, rms = np.float64(middle), np.float64(spread)  # type: ignore[assignment]
    if not np.all(np.asarray(rms) > 0):
        raise InputError(f"{name or 'the map'} has no noise: its rms is 0")
    with np.errstate(invalid="ignore"):
        snr = (image - level) / rms
    usable = np.isfinite(snr) & ~taken & ~_padding(image)
    snr = np.where(usable, snr, 0.0)
    return NoisePatch(
        snr, usable, float(np.median(rms)), cutout.beam, cutout.pixel_scale, _frequency(cutout), name,
        int((np.abs(snr) > RESIDUAL).sum()),
    )  # fmt: skip


def spectrum_of_patches(
    patches: Sequence[NoisePatch], side: int = SIDE, strict: bool = False, wander: bool = True
) -> NoiseSpectrum:
    """The mean spectrum of the noise of several maps: see `measure_noise_spectrum`."""
    if not patches:
        raise InputError("no map to measure the noise on")
    first = patches[0]
    for one in patches[1:]:
        for what in ("pixel_scale", "beam"):
            if not _alike(getattr(first, what), getattr(one, what)):
                raise InputError(
                    f"the maps {first.name} and {one.name} differ in their {what.replace('_', ' ')}; measure them apart"
                )
    bad = [one for one in patches if one.residuals > _by_chance(one)]
    if bad and strict:
        raise InputError(
            f"{bad[0].residuals} pixels beyond {RESIDUAL:g} rms are left outside the mask: residuals of a bright source, "
            "which are no noise; leave this map out, or mask them",
            bad[0].name or None,
        )
    if bad:
        text = (
            f"{bad[0].name or 'the map'}: {bad[0].residuals} pixels beyond {RESIDUAL:g} rms are left outside the mask"
        )
        warnings.warn(f"{text}; the spectrum holds residuals of bright sources as if they were noise", stacklevel=2)
    side = min(side, *(2 * (min(one.snr.shape) // 4) for one in patches))
    estimate = _estimate(patches, side)
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
        "skewness": float((standard**3).mean()),
        "kurtosis": float((standard**4).mean() - 3.0),
    }
    spectrum = NoiseSpectrum(
        estimate.power, float(np.median([one.rms for one in patches])), first.pixel_scale, first.beam, first.frequency,
        error=estimate.error, floor=estimate.floor, origin=_origin(patches), notes=notes,
    )  # fmt: skip
    if wander:
        spread, scale = measure_wander(spectrum, patches)
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
    leak = _leakage(np.maximum(power, smallest), weight[::2, ::2])
    floor = power < leak / LEAK
    power = np.maximum(power, smallest)
    # the lag window averages over 1 / (mean of its square) modes, of which a taper makes neighbours alike; windows that
    # overlap by half count for 1 / 1.36 of independent ones (measured on drawn fields)
    error = math.sqrt(min(1.0, float((window**2).mean()) * _taper_factor(side) / max(count / 1.36, 1.0)))
    return _Estimate(power, error, floor, count)


def _taper_factor(side: int) -> float:
    """By how much a taper raises the variance of what is averaged over modes: n sum w^4 / (sum w^2)^2, both axes."""
    taper = _taper(side)
    one = float(side * (taper**4).sum() / (taper**2).sum() ** 2)
    return one**2


def _leakage(power: Values, weight: Values) -> Values:
    """What the windows' sidelobes bring to each mode from the others, in units of the power."""
    response = weight / weight.sum()
    core = np.zeros_like(response)
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            core[dy, dx] = response[dy, dx]
    far = response - core
    return np.maximum(fft.ifft2(fft.fft2(power) * fft.fft2(far)).real, 0.0)


def _windows(patch: NoisePatch, side: int) -> Iterator[tuple[Values, Values]]:
    """(noise, taper times mask) of windows that overlap by half; those with too little to use are left out."""
    ny, nx = patch.snr.shape
    taper = _taper(side)
    both = taper[:, None] * taper[None, :]
    soft = _apodised(patch.usable)
    level = float((patch.snr * soft).sum()) / max(float(soft.sum()), 1.0)  # of the map: a window's own is noise too
    for y in _starts(ny, side):
        for x in _starts(nx, side):
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


def _starts(length: int, side: int) -> list[int]:
    count = max(1, math.ceil((length - side) / (side / 2)) + 1)
    return sorted({round(k * (length - side) / max(count - 1, 1)) for k in range(count)})


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


def find_bright(image: npt.NDArray[np.floating]) -> Mask:
    """Pixels of what holds one above 5 rms, down to 3 rms; the rms is that of the surroundings."""
    usable = np.isfinite(image)
    level, rms = (
        background_mesh(image, min(64, min(image.shape) // 2)) if min(image.shape) >= 128 else background_rms(image)
    )
    with np.errstate(invalid="ignore"):
        snr = np.where(usable, (image - level) / rms, 0.0)
    labels, _ = ndimage.label(snr > GROW_SNR, np.ones((3, 3)))
    bright = np.unique(labels[snr > SEED_SNR])
    return np.asarray(np.isin(labels, bright[bright > 0]))


def _wider(mask: Mask, beam: float) -> Mask:
    reach = math.ceil(CLEAR_BEAMS * beam)
    return np.asarray(ndimage.maximum_filter(mask.astype(np.uint8), 2 * reach + 1).astype(bool))


def _padding(image: Values) -> Mask:
    """Blocks of zeros."""
    zeros = image == 0
    if np.count_nonzero(zeros) < 25:
        return np.zeros(image.shape, bool)
    return np.asarray(ndimage.grey_opening(zeros.astype(np.uint8), (5, 5)).astype(bool))


def _by_chance(patch: NoisePatch) -> float:
    """Pixels beyond 5 rms that Gaussian noise of that many pixels may have."""
    return 3.0 + 6e-7 * 3 * float(patch.usable.sum())


def _opened(source: Any) -> tuple[Cutout, str]:
    if isinstance(source, Cutout):
        return source, str(source.header.get("OBJECT", "")).strip()
    if isinstance(source, str | os.PathLike):
        from radiff.sky.fits import read_cutout

        return read_cutout(source), Path(source).name
    image = np.asarray(source)
    if image.ndim != 2:
        raise InputError(f"a map has two axes (ny, nx); this array has the shape {image.shape}")
    return Cutout(image), ""


def _beam_pixels(cutout: Cutout) -> float:
    """Geometric mean width of the beam, pixels; 4 where it is not known."""
    if cutout.beam is None or not cutout.pixel_scale:
        return 4.0
    return math.sqrt(cutout.beam.maj * cutout.beam.min) / cutout.pixel_scale


def _frequency(cutout: Cutout) -> float | None:
    """Hz, of FREQ, RESTFRQ, RESTFREQ, or a FREQ axis."""
    for key in ("FREQ", "RESTFRQ", "RESTFREQ"):
        value = cutout.header.get(key)
        if isinstance(value, int | float) and value > 0:
            return float(value)
    for axis in range(1, 6):
        if str(cutout.header.get(f"CTYPE{axis}", "")).upper().startswith("FREQ"):
            value = cutout.header.get(f"CRVAL{axis}")
            if isinstance(value, int | float) and value > 0:
                return float(value)
    return None


def _alike(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    pairs = [(a.maj, b.maj), (a.min, b.min)] if isinstance(a, Beam) else [(a, b)]
    return all(math.isclose(x, y, rel_tol=0.02) for x, y in pairs)


def _origin(patches: Sequence[NoisePatch]) -> str:
    name = patches[0].name or "array"
    return f"measured on {name}" + (f" and {len(patches) - 1} more" if len(patches) > 1 else "")
