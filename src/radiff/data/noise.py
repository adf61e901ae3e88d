"""Noise spectra, as training packs keep them, to fields of noise on any device, many at once. Knows no files.

A pack keeps the root of a spectrum's power, float16 (s, s) in the order of `numpy.fft.fft2`: noise is right up to lags
of s / 2 pixels. `radiff.sky.spectrum` and `radiff.sky.noise_field` do the same for one spectrum, without torch.
"""

import math
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from radiff.errors import InputError
from radiff.sky import Cutout, NoiseSpectrum
from radiff.sky.spectrum import lag_window
from radiff.sky.spectrum_measure import measure_noise_spectrum

OVERSAMPLED = 2
"""Between its modes a spectrum is interpolated on a grid so many times finer, where it is smooth."""
LEAST_SIDE = 16


def noise_roots(cutout: Cutout, mask: NDArray[np.integer], side: int) -> tuple[NDArray[np.float16], str]:
    """The noise spectrum of an image with its sources masked, as packs keep it, and where it comes from.

    Returns
    -------
    roots : float16 (side, side)
    origin : str
        ``measured``; ``beam`` where the image is too small or too full for that, but its beam is known; else ``flat``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # residuals of bright sources: they are in the image too
            return packed_roots(measure_noise_spectrum(cutout, mask, side=side, wander=False), side), "measured"
    except InputError:
        pass
    try:
        if cutout.beam is not None and cutout.pixel_scale:
            return packed_roots(NoiseSpectrum.from_beam(cutout.beam, cutout.pixel_scale), side), "beam"
    except InputError:
        pass  # a beam that no spectrum can tell
    return np.ones((side, side), np.float16), "flat"


def packed_roots(spectrum: NoiseSpectrum, side: int) -> NDArray[np.float16]:
    """Root of the power at `side` x `side` modes: of the autocovariance, cut off smoothly or with zeros around it."""
    power = spectrum.power
    if spectrum.side != side:
        lags = spectrum.autocovariance
        if spectrum.side > side:
            first = (spectrum.side - side) // 2
            lags = lags[first : first + side, first : first + side] * lag_window(side)
        else:
            before = (side - spectrum.side) // 2
            lags = np.pad(lags, (before, side - spectrum.side - before))
        power = np.maximum(np.fft.fft2(np.fft.ifftshift(lags)).real, 0.0)
    return np.sqrt(power / power.mean()).astype(np.float16)


def spectrum_side(shape: tuple[int, int], most: int = 128) -> int:
    """Modes a side that an image (ny, nx) tells: half its shorter side, even, from 16 to `most`."""
    return max(LEAST_SIDE, min(most, 2 * (min(shape) // 4)))


def centred_power(roots: Tensor) -> Tensor:
    """The power on a finer, centred grid, whose first and last modes are those of -0.5 and 0.5 cycles a pixel.

    Parameters
    ----------
    roots : Tensor (n, s, s)

    Returns
    -------
    Tensor (n, 2 s + 1, 2 s + 1)
    """
    pad = (OVERSAMPLED - 1) * roots.shape[-1] // 2
    kernel = torch.fft.fftshift(torch.fft.ifft2(roots.float()).real, dim=(-2, -1))
    wide = torch.fft.fft2(torch.fft.ifftshift(F.pad(kernel, [pad] * 4), dim=(-2, -1)))
    centred = torch.fft.fftshift(wide.abs().square(), dim=(-2, -1))
    return F.pad(centred[:, None], (0, 1, 0, 1), mode="circular")[:, 0]


def power_seen(centred: Tensor, matrices: Tensor, shape: tuple[int, int]) -> Tensor:
    """Power of the noise on the pixels of crops, each mode of `torch.fft.rfft2`; its mean over all modes is 1.

    Where the crop's pixel d shows the field's pixel ``m @ d``, lags are divided by m and ``P'(f') = P(m^-T f')`` (as
    `NoiseSpectrum.stretched` with the inverse of m). What the field's pixels cannot tell is 0; what the crop's cannot
    is left out, not folded.

    Parameters
    ----------
    centred : Tensor (n, k, k)
        Of `centred_power`.
    matrices : Tensor (n, 2, 2)
        m, axes (x, y).
    shape : (ny, nx)

    Returns
    -------
    Tensor (n, ny, nx // 2 + 1)
    """
    fy = torch.fft.fftfreq(shape[0], device=centred.device)
    fx = torch.fft.rfftfreq(shape[1], device=centred.device)
    asked = torch.stack(torch.broadcast_tensors(fx[None, :], fy[:, None]), dim=-1)
    seen = torch.einsum("nji,yxj->nyxi", torch.linalg.inv(matrices), asked)
    inside = (seen.abs() <= 0.5 + 1e-6).all(-1)
    power = F.grid_sample(centred[:, None], 2.0 * seen, mode="bicubic", padding_mode="border", align_corners=True)
    power = torch.where(inside, power[:, 0].clamp(min=0.0), 0.0)
    twice = torch.full_like(fx, 2.0)  # rfft2 leaves out the other half of all columns but these
    twice[0] = 1.0
    if shape[1] % 2 == 0:
        twice[-1] = 1.0
    mean = (power * twice).sum((1, 2)) / math.prod(shape)
    return power / mean.clamp(min=1e-12)[:, None, None]


def draw_noise(power: Tensor, wide: tuple[int, int], size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Gaussian fields (n, ny, nx) of variance 1: drawn on `wide` pixels, where they are periodic, and cut to `size`.

    Parameters
    ----------
    power : Tensor (n, wide_y, wide_x // 2 + 1)
        Of `power_seen`.
    wide, size : (ny, nx)
        The difference is to be the reach of the noise's correlation, or opposite edges fit together.
    generator : torch.Generator
        Of the device of `power`.
    """
    white = torch.randn(len(power), *wide, generator=generator, device=power.device)
    field = torch.fft.irfft2(torch.fft.rfft2(white) * power.sqrt(), s=wide)
    return field[:, : size[0], : size[1]]


def noise_like(roots: Tensor, matrices: Tensor | None, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Fields (n, ny, nx) of variance 1 with the spectra `roots` (n, s, s), seen through `matrices` (default: as is)."""
    if matrices is None:
        matrices = torch.eye(2, device=roots.device).expand(len(roots), 2, 2)
    reach = roots.shape[-1] // 2
    wide = (_even(size[0] + reach), _even(size[1] + reach))
    return draw_noise(power_seen(centred_power(roots), matrices, wide), wide, size, generator)


def _even(length: int) -> int:
    return length + length % 2
