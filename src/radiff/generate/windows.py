"""What a network is asked in one window of an image, as plain arrays. Does nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    shown : float32 (h, w), optional
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
    shown: NDArray[np.float32] | None = None
    start: NDArray[np.float32] | None = None
