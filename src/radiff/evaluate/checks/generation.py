"""Generated images beside real ones of their masks: placement, noise, power spectrum. Knows no networks, no files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.estimates import bootstrap_sums
from radiff.evaluate.checks.reconstruction import BANDS, Image, clear_pixels, outside, spread
from radiff.masks import CLASSES, SourceObject, objects_to_labels
from radiff.sky import background_rms, noise_power_spectrum

Objects = Sequence[SourceObject]
Values = NDArray[np.floating[Any]]
FAR = 8
"""Pixels around objects beyond which their wings and sidelobes are faint."""
APART = 4
"""Pixels around objects that do not count for the power spectrum of the noise."""
ENOUGH = 2000
"""Pixels of noise that an image needs to count for it."""
RINGS, DIRECTIONS = 4, 12
LOWEST, HIGHEST = 0.03, 0.3
"""Frequencies between which directions are compared, cycles per pixel."""


def own_pixels(image: Image, objects: Objects) -> list[Values]:
    """What `image` holds on each object's pixels, blank ones left out; larger classes win overlaps."""
    owners = objects_to_labels(objects, (image.shape[0], image.shape[1]))
    found = []
    for number, item in enumerate(objects, start=1):
        values = image[item.slices][item.stamp & (owners[item.slices] == number)]
        found.append(values[np.isfinite(values)])
    return found


def placement(
    images: Sequence[Image], objects: Sequence[Objects], clear: Sequence[NDArray[np.bool_]]
) -> dict[str, Any]:
    """Signal-to-noise inside the objects' pixels and outside, per image; and of each object by class.

    Parameters
    ----------
    images : sequence of (ny, nx)
        In units of the rms.
    """
    pixels = [own_pixels(image, items) for image, items in zip(images, objects, strict=True)]
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


def deviation(image: Image, objects: Objects) -> float:
    """Standard deviation of the pixels within 5 rms, eight pixels and more away from every object; NaN if too few."""
    values = image[outside(objects, (image.shape[0], image.shape[1]), FAR) & (np.abs(image) < 5)]
    return float(values.std()) if values.size > 500 else float("nan")


def band_powers(image: Image, objects: Objects) -> NDArray[np.float64] | None:
    """Power of the noise away from the objects, in eight bands; None where too little of it is seen."""
    clear = outside(objects, (image.shape[0], image.shape[1]), APART) & np.isfinite(image)
    return noise_power_spectrum([image], [~clear], BANDS)[1] if clear.sum() >= ENOUGH else None


def compare_spectra(
    asked: Sequence[tuple[Image, Objects]], made: Sequence[tuple[Image, Objects]]
) -> dict[str, Any] | None:
    """Noise power in eight bands from 0 to 0.5 cycles per pixel, made over asked; None where no pair shows its noise.

    Parameters
    ----------
    asked, made : sequences of (image, objects)
        Pairs; images in units of their rms.

    Returns
    -------
    dict
        ``images``; ``frequency`` (cycles per pixel); ``asked``: mean power; ``share``: that over the strongest band's;
        ``ratio``, and its 95 % interval ``low``, ``high`` (bootstrap over images).
    """
    powers = [(band_powers(*a), band_powers(*b)) for a, b in zip(asked, made, strict=True)]
    pairs = [np.stack([a, b]) for a, b in powers if a is not None and b is not None]
    if not pairs:
        return None
    table = np.stack(pairs)  # (images, asked and made, bands)
    mean = table.mean(0)
    ratios = [bootstrap_sums(table[:, :, band], lambda s: s[:, 1] / s[:, 0]) for band in range(BANDS)]
    return {
        "images": len(table),
        "frequency": [(band + 0.5) * 0.5 / BANDS for band in range(BANDS)],
        "asked": mean[0].tolist(),
        "share": (mean[0] / mean[0].max()).tolist(),
        "ratio": [one.value for one in ratios],
        "low": [one.to_json()["low"] for one in ratios],
        "high": [one.to_json()["high"] for one in ratios],
    }


def direction_powers(image: Image, objects: Objects) -> Values | None:
    """How the power of the noise away from the objects hangs on direction; None where too little of it is seen.

    Returns
    -------
    (bands, directions)
        Logarithm of the power over its mean in the band, in `RINGS` bands below 0.3 cycles per pixel and `DIRECTIONS`
        directions over half a turn: stripes are a peak.
    """
    clear = outside(objects, (image.shape[0], image.shape[1]), APART) & np.isfinite(image)
    if clear.sum() < ENOUGH:
        return None
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in image.shape)) * clear
    level = np.average(np.where(clear, image, 0.0), weights=window)
    power = np.abs(np.fft.fft2(np.where(clear, image - level, 0.0) * window)) ** 2
    v, u = np.meshgrid(*(np.fft.fftfreq(n) for n in image.shape), indexing="ij")
    ring = ((np.hypot(u, v) - LOWEST) / (HIGHEST - LOWEST) * RINGS).astype(int)
    turn = (np.arctan2(v, u) / np.pi % 1 * DIRECTIONS).astype(int) % DIRECTIONS
    used = (np.hypot(u, v) >= LOWEST) & (ring < RINGS)
    cell = ring[used] * DIRECTIONS + turn[used]
    cells = RINGS * DIRECTIONS
    sums = np.bincount(cell, power[used], cells) / np.maximum(np.bincount(cell, minlength=cells), 1)
    table = sums.reshape(RINGS, DIRECTIONS)
    return np.asarray(np.log(np.maximum(table, 1e-30) / np.maximum(table.mean(1, keepdims=True), 1e-30)))


def compare_directions(
    asked: Sequence[tuple[Image, Objects]], made: Sequence[tuple[Image, Objects]]
) -> dict[str, dict[str, float]]:
    """Do the stripes of the noise run as those asked for: correlation of `direction_powers`.

    Returns
    -------
    dict
        Spreads over the pairs: ``own``: made with asked; ``another``: made with what was asked of the next pair, what
        chance gives.
    """
    powers = [(direction_powers(*a), direction_powers(*b)) for a, b in zip(asked, made, strict=True)]
    pairs = [(a.ravel(), b.ravel()) for a, b in powers if a is not None and b is not None]
    nexts = [(pairs[k - 1][0], pairs[k][1]) for k in range(len(pairs))] if len(pairs) > 1 else []
    return {
        name: spread([float(np.corrcoef(a, b)[0, 1]) for a, b in chosen])
        for name, chosen in (("own", pairs), ("another", nexts))
    }


def check_generation(
    real: Sequence[Image],
    made: Sequence[Image],
    objects: Sequence[Objects],
    rms_asked: Sequence[float],
    backgrounds: Sequence[tuple[Image, Objects]] | None = None,
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
    backgrounds : sequence of (image, objects), optional
        What the noise is compared with, in units of its rms, and its own objects; default: the real images.

    Returns
    -------
    dict
        ``real`` and ``made``: see `placement`; ``rms_ratio``: robust noise outside the objects over noise asked for;
        ``deviation_ratio``: the same by a plain standard deviation, which the generator's calibration does not use
        (far from objects, pixels within 5 rms), ``deviation_ratio_real`` that of the backgrounds, ``deviation_of_real``
        the one over the other, image by image; ``spectrum``: see `compare_spectra`; ``directions``: see
        `compare_directions`.
    """
    clear = clear_pixels(real, objects)
    snr = [image / rms for image, rms in zip(made, rms_asked, strict=True)]
    asked = backgrounds or list(zip(real, objects, strict=True))
    noises = [
        background_rms(image, ~c)[1] / rms
        for image, c, rms in zip(made, clear, rms_asked, strict=True)
        if c.sum() > 500
    ]
    mine = np.array([deviation(*each) for each in zip(snr, objects, strict=True)])
    theirs = np.array([deviation(*each) for each in asked])
    return {
        "images": len(made),
        "real": placement(real, objects, clear),
        "made": placement(snr, objects, clear),
        "rms_ratio": spread(noises),
        "deviation_ratio": _finite_spread(mine),
        "deviation_ratio_real": _finite_spread(theirs),
        "deviation_of_real": _finite_spread(mine / theirs),
        "spectrum": compare_spectra(asked, list(zip(snr, objects, strict=True))),
        "directions": compare_directions(asked, list(zip(snr, objects, strict=True))),
    }


def _finite_spread(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    return spread(values[np.isfinite(values)].tolist())
