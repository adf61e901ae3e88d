"""Images and reconstructions to three figures: noise error, peak fluxes, power spectrum. Knows no networks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.masks import SourceObject
from radiff.sky import noise_power_spectrum

Image = NDArray[np.floating[Any]]
BANDS = 8
CLEAR = 2
"""Pixels around objects that do not count as noise."""


def outside(objects: Sequence[SourceObject], shape: tuple[int, int], clear: int = CLEAR) -> NDArray[np.bool_]:
    """(ny, nx), True on pixels at least `clear` pixels away from every object."""
    inside = np.zeros(shape, bool)
    for item in objects:
        inside[item.slices] |= item.stamp
    return ~ndimage.binary_dilation(inside, iterations=clear) if inside.any() else ~inside


def clear_pixels(images: Sequence[Image], objects: Sequence[Sequence[SourceObject]]) -> list[NDArray[np.bool_]]:
    """(ny, nx) each: True on pixels of the noise, `outside` the objects and not blank."""
    return [outside(o, (i.shape[0], i.shape[1])) & np.isfinite(i) for o, i in zip(objects, images, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Number, median, 16th and 84th percentile."""
    if not len(values):
        return {"n": 0}
    low, middle, high = np.percentile(values, [16, 50, 84])
    return {"n": len(values), "median": float(middle), "p16": float(low), "p84": float(high)}


def spectrum_ratio(
    images: Sequence[Image], others: Sequence[Image], clear: Sequence[NDArray[np.bool_]]
) -> dict[str, list[float]]:
    """Noise power per band, 0 to 0.5 cycles per pixel: of `images`, and of `others` over it; in units of the rms."""
    excluded = [~c for c in clear]
    frequencies, power = noise_power_spectrum(list(images), excluded, BANDS)
    _, other = noise_power_spectrum(list(others), excluded, BANDS)
    return {
        "frequency": [float(f) for f in frequencies],
        "real": [float(p) for p in power],
        "ratio": [float(b / a) for a, b in zip(power, other, strict=True)],
    }


def check_reconstruction(
    images: Sequence[Image],
    rebuilt: Sequence[Image],
    objects: Sequence[Sequence[SourceObject]],
    bright_snr: float = 10.0,
) -> dict[str, Any]:
    """Compare images with their reconstructions, all in units of the noise rms.

    Parameters
    ----------
    images, rebuilt : sequences of (ny, nx)
        Signal-to-noise: background taken off, divided by the rms.
    objects : sequence of sequences of SourceObject
        Of each image.
    bright_snr : float
        Peaks above this count.

    Returns
    -------
    dict
        ``noise_error``: rms of the difference outside the objects, in units of the noise rms, over images;
        ``peak_ratio``: reconstructed over real peak of each bright object; ``spectrum``: see `spectrum_ratio`.
    """
    clear = clear_pixels(images, objects)
    pairs = list(zip(images, rebuilt, clear, strict=True))
    errors = [float(np.sqrt(np.mean((b - a)[c] ** 2))) for a, b, c in pairs if c.sum() > 100]
    ratios = []
    for a, b, items in zip(images, rebuilt, objects, strict=True):
        for item in items:
            pixels = item.stamp & np.isfinite(a[item.slices])
            if pixels.any() and (peak := float(a[item.slices][pixels].max())) > bright_snr:
                ratios.append(float(b[item.slices][pixels].max()) / peak)
    return {
        "images": len(images),
        "noise_error": spread(errors),
        "peak_ratio": spread(ratios),
        "spectrum": spectrum_ratio(images, rebuilt, clear),
    }
