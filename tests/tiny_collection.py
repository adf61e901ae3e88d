"""A small collection of synthetic cutouts for tests of packs and training."""

from pathlib import Path

import numpy as np

from radiff.data.collection import Collection, CollectionWriter
from radiff.masks import Annotation, SourceObject
from radiff.sky import Beam, Cutout

RMS = 2e-4  # Jy/beam
BACKGROUND = 3e-4  # Jy/beam
PEAK = 100 * RMS  # of the compact source above the background


def tiny_cutout(shape: tuple[int, int], seed: int, filled: bool = True) -> tuple[Cutout, Annotation]:
    """White noise with a compact source of one pixel at (x, y) = (5, 3) and an extended L-shaped one, or empty."""
    random = np.random.default_rng(seed)
    image = random.normal(BACKGROUND, RMS, shape).astype(np.float32)
    objects = []
    if filled:
        image[3, 5] = BACKGROUND + PEAK
        ell = np.zeros(shape, bool)
        ell[10:18, 8] = ell[17, 8:12] = True
        image[ell] += 20 * RMS
        objects = [
            SourceObject("S1", 2, np.ones((1, 1), bool), 3, 5),
            SourceObject.from_pixels("S2", 3, ell),
        ]
    return Cutout(image, beam=Beam(5.4, 5.4)), Annotation(objects, shape)


def tiny_collection(
    root: Path, train: int = 6, val: int = 2, shape: tuple[int, int] = (32, 32), empty: int = 2
) -> Collection:
    """A collection of `train` + `val` cutouts, the first `empty` of them without objects."""
    writer = CollectionWriter(root)
    for number in range(train + val):
        cutout, annotation = tiny_cutout(shape, number, filled=number >= empty)
        split = "train" if number < train else "val"
        writer.add("first", f"c{number}", cutout, annotation, split=split)
    return writer.finish()
