"""Generated images beside real ones of their masks: placement, noise, power spectrum. Knows no networks, no files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.evaluate.reconstruction import Image, clear_pixels, outside, spectrum_ratio, spread
from radiff.masks import CLASSES, SourceObject
from radiff.sky import background_rms

FAR = 8
"""Pixels around objects beyond which their wings and sidelobes are faint."""


def placement(
    images: Sequence[Image], objects: Sequence[Sequence[SourceObject]], clear: Sequence[NDArray[np.bool_]]
) -> dict[str, Any]:
    """Signal-to-noise inside the objects' pixels and outside, per image; and of each object by class.

    Parameters
    ----------
    images : sequence of (ny, nx)
        In units of the rms.
    """
    pixels = [[_pixels(i, o) for o in items] for i, items in zip(images, objects, strict=True)]
    joined = [np.concatenate(each) for each in pixels if each]
    inside = [float(values.mean()) for values in joined if values.size]
    beyond = [float(np.mean(i[c])) for i, c in zip(images, clear, strict=True) if c.sum() > 100]
    classes: dict[str, Any] = {}
    for kind in CLASSES[1:]:
        pairs = [pair for each in zip(pixels, objects, strict=True) for pair in zip(*each, strict=True)]
        chosen = [values for values, item in pairs if item.class_value == kind.value and values.size]
        means = [float(values.mean()) for values in chosen]
        classes[kind.name] = {
            "mean_snr": spread(means),
            "peak_snr": spread([float(values.max()) for values in chosen]),
            "drawn": float(np.mean([m > 3 for m in means])) if means else None,
        }
    return {"inside": spread(inside), "outside": spread(beyond), "classes": classes}


def _deviations(images: Sequence[Image], objects: Sequence[Sequence[SourceObject]]) -> list[float]:
    """Standard deviation of the pixels within 5 rms, eight pixels and more away from every object."""
    deviations = []
    for image, items in zip(images, objects, strict=True):
        values = image[outside(items, (image.shape[0], image.shape[1]), FAR) & (np.abs(image) < 5)]
        if values.size > 500:
            deviations.append(float(values.std()))
    return deviations


def _pixels(image: Image, item: SourceObject) -> NDArray[Any]:
    """What `image` holds on the pixels of an object, blank ones left out."""
    values = image[item.slices][item.stamp]
    return values[np.isfinite(values)]


def check_generation(
    real: Sequence[Image],
    made: Sequence[Image],
    objects: Sequence[Sequence[SourceObject]],
    rms_asked: Sequence[float],
) -> dict[str, Any]:
    """Compare generated images with the real ones of the same masks.

    Parameters
    ----------
    real : sequence of (ny, nx)
        In units of their rms, background taken off.
    made : sequence of (ny, nx)
        Generated, Jy/beam, about the level 0.
    objects : sequence of sequences of SourceObject
        Of each mask.
    rms_asked : sequence of float
        Jy/beam.

    Returns
    -------
    dict
        ``real`` and ``made``: see `placement`; ``rms_ratio``: robust noise outside the objects over noise asked for;
        ``deviation_ratio``: the same by a plain standard deviation, which the generator's calibration does not use
        (far from objects, pixels within 5 rms), and for the real images;
        ``spectrum``: noise power, made over real.
    """
    clear = clear_pixels(real, objects)
    snr = [image / rms for image, rms in zip(made, rms_asked, strict=True)]
    noises = [
        background_rms(image, ~c)[1] / rms
        for image, c, rms in zip(made, clear, rms_asked, strict=True)
        if c.sum() > 500
    ]
    return {
        "images": len(made),
        "real": placement(real, objects, clear),
        "made": placement(snr, objects, clear),
        "rms_ratio": spread(noises),
        "deviation_ratio": spread(_deviations(snr, objects)),
        "deviation_ratio_real": spread(_deviations(real, objects)),
        "spectrum": spectrum_ratio(real, snr, clear),
    }
