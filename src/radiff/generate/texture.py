"""The noise of a generated image to the power spectrum of its background. Knows no networks and no files."""

import numpy as np
from numpy.typing import NDArray

from radiff.sky import background_rms, noise_power_spectrum, remove_sources

BANDS = 20
"""Rings from 0 to 0.5 cycles per pixel in an image of 128 pixels and more; fewer in smaller ones."""
FIRST = 1
"""Bands from here on are brought to the background's; the lower ones hold too few waves to tell chance from error."""
PASSES = 4
"""The filter is smooth between the rings, so the power is looked at again."""
OFF = 0.03
"""By so much of itself the clipped rms may move."""
MOST = 2.0
"""Largest factor on an amplitude."""


def match_texture(
    snr: NDArray[np.float32], mask: NDArray[np.uint8], background: NDArray[np.float32], seed: int = 0
) -> NDArray[np.float32]:
    """Filter the noise of an image, so that its power in rings of spatial frequency is that of a background.

    As the rms is calibrated, so is the spectrum: a network loses part of the faintest, finest texture. The filter is
    made of, and works on, the image with its sources removed; pixels of the mask keep their values: no flux changes.
    The clipped rms, which counts faint stripes less than the power does, may move by up to 3 %.

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
    ny, nx = first.shape
    bands = max(4, min(BANDS, BANDS * min(ny, nx) // 128))
    frequencies, wanted = noise_power_spectrum([background], None, bands)
    radius = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None, :])
    noise, gain = first, np.ones(bands)
    for _ in range(PASSES):
        _, have = noise_power_spectrum([noise], None, bands)
        gain[FIRST:] *= np.sqrt(wanted / np.maximum(have, 1e-12))[FIRST:]
        gain = np.clip(gain, 1 / MOST, MOST)
        noise = np.fft.irfft2(np.fft.rfft2(first) * np.interp(radius, frequencies, gain), s=(ny, nx))
    before, after = (background_rms(x, mask > 0) for x in (first, noise))
    if before[1] > 0 and after[1] > 0:
        ratio = after[1] / before[1]
        noise = (noise - after[0]) * np.clip(ratio, 1 - OFF, 1 + OFF) / ratio + after[0]
    return np.where(mask > 0, snr, snr + (noise - first)).astype(np.float32)
