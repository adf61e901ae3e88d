"""Made cutouts in the place of real ones: masks drawn by rule, backgrounds of known kinds. Reads no file."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.evaluate.checks.samples import Samples
from radiff.masks import EXTENDED, mask_to_objects
from radiff.masks.draw import demo_masks, demo_peaks
from radiff.sky.beam import FWHM

Image = NDArray[np.float64]
SKIES = ("stripes", "diffuse", "rings", "gradient", "noise")
"""Kinds of `made_sky`."""
RMS, BEAM = 1.5e-4, 3.0
"""Jy/beam; FWHM in pixels."""
_DEVIATION = 1.0 / FWHM  # standard deviation of a Gaussian over its FWHM


def made_sky(kind: str, size: int = 128, seed: int = 0, beam: float = BEAM) -> Image:
    """A background without sources, in units of its noise.

    Parameters
    ----------
    kind : str
        ``noise``: correlated over the beam. With it: ``stripes``, as of a bad baseline; ``rings``, sidelobes of a
        bright source beyond an edge; ``diffuse``, wide emission; ``gradient``, noise and level that rise to one side.
    size : int
        Pixels a side.
    beam : float
        FWHM, pixels.

    Raises
    ------
    InputError
        Where the kind is not known.
    """
    random = np.random.default_rng((seed, 11))
    y, x = np.mgrid[:size, :size]
    noise = _field(random, size, beam)
    angle, phase = random.uniform(0, np.pi), random.uniform(0, 2 * np.pi)
    along = (x * math.cos(angle) + y * math.sin(angle)) / size
    if kind == "stripes":
        wave = np.sin(2 * np.pi * random.uniform(7, 11) * along + phase)
        return np.asarray(noise + 2.0 * wave * (1 + 0.5 * _field(random, size, 40.0)))
    if kind == "rings":
        away = random.uniform(0.6, 1.0) * size
        distance = np.hypot(x - size / 2 - away * math.cos(angle), y - size / 2 - away * math.sin(angle))
        wave = np.cos(2 * np.pi * distance / (random.uniform(2.2, 4.0) * beam) + phase)
        return np.asarray(noise + 2.0 * wave * np.sqrt(size / (2 * distance + 0.1 * size)))
    if kind == "diffuse":
        return np.asarray(noise + 2.5 * np.maximum(_field(random, size, 30.0) + 0.4 * _field(random, size, 12.0), -0.5))
    if kind == "gradient":
        return np.asarray(noise * (0.6 + 1.2 * (along - along.min())) + 4.0 * (along - along.mean()))
    if kind == "noise":
        return noise
    raise InputError(f"{kind!r} is no kind of sky; there are: {', '.join(SKIES)}")


def _field(random: np.random.Generator, size: int, fwhm: float) -> Image:
    """Gaussian random field (size, size), mean 0, variance 1, correlated over `fwhm` pixels."""
    field = ndimage.gaussian_filter(random.normal(size=(size, size)), fwhm * _DEVIATION, mode="wrap")
    return np.asarray((field - field.mean()) / field.std())


def made_samples(number: int, size: int = 128, seed: int = 0) -> Samples:
    """`number` cutouts with sources on made backgrounds, the kinds of `SKIES` in turn; survey ``made``.

    Compact sources are Gaussians of the beam, the others their masks smoothed by it, with the peaks of `demo_peaks`.
    """
    masks = demo_masks(number, size, seed)
    objects = [mask_to_objects(mask) for mask in masks]
    images = []
    for k, mask in enumerate(masks):
        sources = np.zeros(mask.shape)
        for item, peak in zip(objects[k], demo_peaks(mask, seed + k), strict=True):
            pixels = item.pixels((size, size)).astype(float)
            if item.class_value == EXTENDED:  # brighter inwards
                depth = ndimage.distance_transform_edt(pixels)
                light = ndimage.gaussian_filter(pixels * (depth / depth.max()) ** 1.5, BEAM * _DEVIATION)
            else:
                middle = np.zeros((size, size))
                y, x = (round(float(axis.mean())) for axis in item.coordinates())
                middle[y, x] = 1.0
                light = ndimage.gaussian_filter(middle, BEAM * _DEVIATION)
            sources += peak * light / light.max()
        sky = made_sky(SKIES[k % len(SKIES)], size, seed + k)
        images.append((RMS * (sky + sources)).astype(np.float32))
    return Samples(["made"] * number, images, masks, objects, [0.0] * number, [RMS] * number, [BEAM] * number)
