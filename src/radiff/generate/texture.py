"""The noise of a generated image to the power spectrum of its background. Knows no networks and no files."""

import numpy as np
from numpy.typing import NDArray

from radiff.sky import noise_power_spectrum, remove_sources

BANDS = 20
FIRST = 1
"""Bands from here on are brought to the background's; the lower ones hold too few waves to tell chance from error."""
PASSES = 4
"""The filter is smooth between the rings, so the power is looked at again."""
MOST = 2.0
"""Largest factor on an amplitude."""


def match_texture(
    snr: NDArray[np.float32], mask: NDArray[np.uint8], background: NDArray[np.float32], seed: int = 0
) -> NDArray[np.float32]:
    """Filter the noise of an image, so that its power in rings of spatial frequency is that of a background.

    As the rms is calibrated, so is the spectrum: a network loses part of the faintest, finest texture. The filter is
    made of, and works on, the image with its sources removed; pixels of the mask keep their values: no flux changes.

    Parameters
    ----------
    snr, background : float32 (ny, nx)
        Generated image, its level and rms those of the background already, and background without sources.
    mask : (ny, nx)
        Nonzero on the objects.
    seed : int
        Of what sources are replaced by for the measurement.

    Returns
    -------
    float32 (ny, nx)
    """
    first = remove_sources(snr, mask, (seed, 11)).astype(np.float64)
    frequencies, wanted = noise_power_spectrum([background], None, BANDS)
    ny, nx = first.shape
    radius = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None, :])
    noise, gain = first, np.ones(BANDS)
    for _ in range(PASSES):
        _, have = noise_power_spectrum([noise], None, BANDS)
        gain[FIRST:] *= np.sqrt(wanted / np.maximum(have, 1e-12))[FIRST:]
        gain = np.clip(gain, 1 / MOST, MOST)
        noise = np.fft.irfft2(np.fft.rfft2(first) * np.interp(radius, frequencies, gain), s=(ny, nx))
    return np.where(mask > 0, snr, snr + (noise - first)).astype(np.float32)
