"""An image and its mask to the same image without its sources. Knows no files and no networks."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.seeds import check_seed
from radiff.sky.arrays import plain_image

CLEAR = 3
"""Pixels around an object that are replaced with it: the wings of its beam."""
FEATHER = 3
"""Pixels over which what is filled in passes into what was there."""
SMOOTH = 12.0
"""Gaussian sigma, pixels: emission wider than this goes on under the sources."""
MIN_CLEAR = 200
"""Fewer clear pixels than this say nothing of the noise."""


def remove_sources(
    image: NDArray[np.floating], mask: NDArray[np.integer], seed: int | tuple[int, ...] = 0
) -> NDArray[np.float32]:
    """Replace the objects of `mask`, and three pixels around them, by noise like that of the rest of the image.

    What is filled in has the two-dimensional power spectrum of the image's own noise (its beam, its stripes) at random
    phases, on the level of the diffuse emission around, so that no hole can be seen.

    Parameters
    ----------
    image : (ny, nx)
        Any unit; blank pixels (NaN) are filled like sources.
    mask : integer (ny, nx)
        Nonzero on objects.
    seed : int or tuple of int
        Of the phases; the same seed gives the same image.

    Returns
    -------
    float32 (ny, nx)
        Where nothing is left to learn the noise from (fewer than 200 clear pixels), noise of the scatter of the
        faintest half of the image.
    """
    image = np.asarray(plain_image(image), dtype=np.float64)
    random = np.random.default_rng(seed if isinstance(seed, tuple) else check_seed(seed))
    blank = ~np.isfinite(image)
    taken = blank | (np.asarray(mask) > 0)
    if not taken.any():
        return image.astype(np.float32)
    taken = ndimage.binary_dilation(taken, iterations=CLEAR)
    clear = ~taken
    if clear.sum() < MIN_CLEAR:
        values = image[~blank]
        middle = float(np.median(values)) if values.size else 0.0
        scatter = float(np.median(np.abs(values[values <= middle] - middle))) * 1.4826 if values.size else 0.0
        return (middle + scatter * random.standard_normal(image.shape)).astype(np.float32)
    filled = np.where(blank, 0.0, image)
    covered = ndimage.gaussian_filter(clear.astype(float), SMOOTH)
    level = ndimage.gaussian_filter(np.where(clear, filled, 0.0), SMOOTH) / np.maximum(covered, 1e-6)
    level = np.where(covered > 1e-3, level, float(np.median(image[clear])))
    rest = np.where(clear, filled - level, 0.0)
    scatter = 1.4826 * float(np.median(np.abs(rest[clear])))
    rest = np.clip(rest, -5 * scatter, 5 * scatter)  # what is left of a source must not be sown over the fill
    amplitude = np.abs(np.fft.rfft2(rest))
    phases = np.fft.rfft2(random.standard_normal(image.shape))
    noise = np.fft.irfft2(amplitude * phases / np.maximum(np.abs(phases), 1e-30), s=image.shape)
    noise *= float(rest[clear].std()) / max(float(noise.std()), 1e-30)
    share = np.clip(ndimage.distance_transform_edt(clear) / FEATHER, 0.0, 1.0)
    mixed = level + np.where(clear, filled - level, 0.0) * share + noise * np.sqrt(1 - share**2)
    return np.where(share >= 1, filled, mixed).astype(np.float32)
