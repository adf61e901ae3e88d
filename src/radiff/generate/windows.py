"""What a network is asked in one window of an image, as plain arrays. Knows no networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.masks import SourceObject


@dataclass(frozen=True, eq=False)
class Window:
    """A window of an image, or a whole one.

    Attributes
    ----------
    seed : int
    mask : uint8 (h, w)
        Class values.
    codes : float32 (h, w)
        `radiff.data.pack.peak_code` of the peak asked of the object at a pixel; 0: not asked.
    beam : float64 (2, 2), optional
        Covariance, pixels squared, axes (x, y); None: not asked.
    objects : sequence of SourceObject
        Those whose peaks are held while sampling, in pixels of the window.
    peaks : sequence of float
        One each, in units of the rms; 0: not asked.
    background : float32 (h, w), optional
        Background image as a condition, in units of its rms.
    start : float32 (h, w), optional
        Noise that diffusion starts from, in units of the rms; None: white latents of the seed.
    """

    seed: int
    mask: NDArray[np.uint8]
    codes: NDArray[np.float32]
    beam: NDArray[np.float64] | None
    objects: Sequence[SourceObject]
    peaks: Sequence[float]
    background: NDArray[np.float32] | None = None
    start: NDArray[np.float32] | None = None


def peaks_image(
    shape: tuple[int, int], objects: Sequence[SourceObject], peak_snr: Sequence[float] | float
) -> NDArray[np.float32]:
    """(ny, nx): on each object the peak asked of it, in units of the rms; larger classes win overlaps.

    Parameters
    ----------
    shape : (ny, nx)
    objects : sequence of SourceObject
    peak_snr : float or sequence of float
        One for all, or one an object; 0 = not asked.

    Raises
    ------
    InputError
        Where the number of peaks is not that of the objects, or one is negative or no number.
    """
    values = [float(peak_snr)] * len(objects) if isinstance(peak_snr, int | float) else [float(v) for v in peak_snr]
    if len(values) != len(objects):
        raise InputError(f"{len(values)} peaks for {len(objects)} objects in the mask; give one for all or one each")
    if any(not (math.isfinite(v) and v >= 0) for v in values):
        raise InputError(
            "a peak asked of an object is no number or negative; give it in units of the rms, 0: not asked"
        )
    image = np.zeros(shape, np.float32)
    for item, value in sorted(zip(objects, values, strict=True), key=lambda pair: pair[0].class_value):
        image[item.slices][item.stamp] = value
    return image
