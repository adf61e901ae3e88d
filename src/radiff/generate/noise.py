"""Noise of images: what they are to have, and what they have. Knows no networks and no files."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.spec import ImageSpec
from radiff.sky import background_rms
from radiff.sky.noise_source import NoiseSource

MIN_NOISE_PIXELS = 500
"""Below this many pixels outside the objects, the noise of a generated image is not measured and stays as it is."""


def with_noise(
    specs: Sequence[ImageSpec], source: NoiseSource, own_beam: bool = True, own_rms: bool = True
) -> list[ImageSpec]:
    """The same with the noise of `source`, each its own spectrum where that is a bank.

    Parameters
    ----------
    own_beam, own_rms : bool
        A mask that came without a sky of its own takes the pixel scale of a spectrum that tells it, and its beam and
        its rms.
    """
    given = []
    for spec in specs:
        noise, sky = source.draw(spec.seed), spec.observation
        if source.spectrum is not None and spec.image is None and sky.wcs is None:
            sky = replace(sky, pixel_scale=noise.pixel_scale or sky.pixel_scale)
            if own_beam and noise.beam is not None and noise.pixel_scale is not None:
                sky = replace(sky, beam=noise.beam)
            if own_rms and noise.rms is not None:
                sky = replace(sky, rms=noise.rms)
        given.append(replace(spec, noise=noise, observation=sky))
    return given


def measure_noise(snr: NDArray[np.floating], mask: NDArray[np.uint8]) -> tuple[float, float, bool]:
    """Level and rms of an image outside the objects (two pixels clear of them), and whether they were measured.

    Where fewer than `MIN_NOISE_PIXELS` are left, (0, 1, False): the image is taken as it comes.
    """
    near = ndimage.binary_dilation(mask > 0, iterations=2) if mask.any() else np.zeros(mask.shape, bool)
    if near.size - int(near.sum()) < MIN_NOISE_PIXELS:
        return 0.0, 1.0, False
    level, noise = background_rms(snr, near)
    return (level, noise, True) if noise > 0 else (0.0, 1.0, False)
