"""Pictures to the same with one known fault: to see which metric sees which. Knows no metrics and no networks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.evaluate.metrics.memorisation import turned
from radiff.evaluate.sets import Picture, picture_of
from radiff.sky import background_rms, remove_sources

Pictures = list[Picture]


def calibrated(picture: Picture, image: NDArray[Any]) -> Picture:
    """`picture` with another image, brought to level 0 and rms 1 outside its mask, as a generator does."""
    taken = picture.mask > 0
    level, rms = background_rms(image, taken if (~taken).sum() > 500 else None)
    return replace(picture, snr=np.asarray((image - level) / rms, np.float32))


def _own_noise(picture: Picture, seed: int) -> NDArray[np.float32]:
    return remove_sources(picture.snr, picture.mask, seed)


def blurred(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """A Gaussian of one pixel over each image."""
    return [calibrated(p, ndimage.gaussian_filter(p.snr, 1.0)) for p in pictures]


def noisier(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """Another image's noise added: the same spectrum, and every source fainter by the root of two."""
    noises = [_own_noise(p, seed) for p in pictures]
    return [calibrated(p, p.snr + noises[k - 1]) for k, p in enumerate(pictures)]


def whitened(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """White noise of 0.3 rms added."""
    return [
        calibrated(p, p.snr + np.random.default_rng((seed, k)).normal(0, 0.3, p.snr.shape))
        for k, p in enumerate(pictures)
    ]


def shuffled(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """The images good, but each on another's mask."""
    return [replace(p, snr=pictures[k - 1].snr) for k, p in enumerate(pictures)]


def shifted(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """Each image three pixels beside its mask."""
    return [replace(p, snr=np.roll(p.snr, 3, axis=1)) for p in pictures]


def emptied(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """No sources where the mask asks for them."""
    return [replace(p, snr=_own_noise(p, seed)) for p in pictures]


def fainter(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """Sources of half the flux."""
    return [replace(p, snr=0.5 * (p.snr + _own_noise(p, seed))) for p in pictures]


def repeated(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """A tenth of the images, ten times each."""
    few = max(len(pictures) // 10, 1)
    return [replace(pictures[k % few], name=p.name) for k, p in enumerate(pictures)]


def copied(pictures: Sequence[Picture], seed: int = 0) -> Pictures:
    """The images turned and with a little noise: what copying a training set would give."""
    made = []
    for k, p in enumerate(pictures):
        noise = np.random.default_rng((seed, k)).normal(0, 0.2, p.snr.shape)
        square = p.snr.shape[0] == p.snr.shape[1]
        symmetry = k % 8 if square else 2 * (k % 2)
        image, mask = turned(p.snr + noise, symmetry), turned(p.mask, symmetry)
        made.append(picture_of(f"copy{k:05d}", image, np.ascontiguousarray(mask), p))
    return made


CORRUPTIONS: dict[str, Callable[[Sequence[Picture], int], Pictures]] = {
    "blurred": blurred,
    "noise doubled": noisier,
    "white noise": whitened,
    "shuffled": shuffled,
    "shifted": shifted,
    "sources removed": emptied,
    "fluxes halved": fainter,
    "few, repeated": repeated,
}
"""Corruptions that leave the masks as they are: pictures and a seed to pictures, one for one."""
