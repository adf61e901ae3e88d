"""A background image as a condition of what is generated (section 4.3). Knows no networks."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radiff.errors import InputError
from radiff.sky import background_rms, remove_sources
from radiff.sky.arrays import plain_image

MODES = ("self", "self-masked", "other")
"""``self``: the image itself, sources and all (the paper's Fig. 7; it tells the network the answer); ``self-masked``:
the mask's own image with its sources removed; ``other``: another field, its sources removed."""


@dataclass(frozen=True)
class BackgroundImage:
    """A background image in units of its noise.

    Attributes
    ----------
    snr : float32 (ny, nx)
        Level taken off, divided by the rms.
    mode : str
        One of `MODES`.
    rms, level : float
        What was divided by and taken off, Jy/beam.
    name : str
        Where it is from, for provenance.
    mask : uint8 (ny, nx), optional
        Nonzero on its own sources, whether they were removed or not: no noise is measured there.
    """

    snr: NDArray[np.float32]
    mode: str = "self-masked"
    rms: float = 1.0
    level: float = 0.0
    name: str = ""
    mask: NDArray[np.uint8] | None = None

    @classmethod
    def of(
        cls,
        image: ArrayLike,
        mask: ArrayLike | None = None,
        mode: str = "self-masked",
        rms: float | None = None,
        level: float | None = None,
        seed: int = 0,
        name: str = "",
    ) -> "BackgroundImage":
        """Make one of an image (ny, nx), Jy/beam.

        Parameters
        ----------
        mask : integer (ny, nx), optional
            Nonzero on the image's own sources; they are removed (`radiff.sky.remove_sources`) but in the mode ``self``.
        rms, level : float, optional
            Noise and level, Jy/beam; measured outside the mask where not given.
        seed : int
            Of what sources are replaced by.

        Raises
        ------
        InputError
            Where the mode is not known, image and mask differ in shape, or the noise cannot be measured.
        """
        if mode not in MODES:
            raise InputError(f"{mode!r} is no background mode; there are: {', '.join(MODES)}")
        pixels = np.asarray(plain_image(image, "background"), dtype=np.float64)
        taken = np.zeros(pixels.shape, np.uint8) if mask is None else np.asarray(mask)
        if pixels.ndim != 2 or taken.shape != pixels.shape:
            raise InputError(
                f"a background of shape {pixels.shape} with a mask of shape {taken.shape}; they must agree"
            )
        if rms is None or level is None:
            measured = background_rms(pixels, taken > 0)
            level, rms = (m if g is None else g for m, g in zip(measured, (level, rms), strict=True))
        if not rms > 0:
            raise InputError("the noise of the background image is not a positive number; give another image")
        clean = np.nan_to_num(pixels, nan=level) if mode == "self" else remove_sources(pixels, taken, seed)
        taken = np.where(np.isfinite(pixels), taken, 1).astype(np.uint8)
        return cls(((clean - level) / rms).astype(np.float32), mode, float(rms), float(level), name, taken)

    def fitted(self, shape: tuple[int, int]) -> "BackgroundImage":
        """The middle of it at `shape` (ny, nx), mirrored at its edges where it is smaller."""
        mask = None if self.mask is None else _fitted(self.mask, shape)
        return replace(self, snr=_fitted(self.snr, shape), mask=mask)


def _fitted(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    for axis, wanted in enumerate(shape):
        have = image.shape[axis]
        if have < wanted:
            before = (wanted - have) // 2
            pad = [(0, 0), (0, 0)]
            pad[axis] = (before, wanted - have - before)
            image = np.pad(image, pad, mode="symmetric")
        elif have > wanted:
            first = (have - wanted) // 2
            image = np.take(image, range(first, first + wanted), axis)
    return image


@dataclass(frozen=True)
class BackgroundFile:
    """A background image that is read when it is asked for, so that many cost no memory.

    Attributes
    ----------
    image : Path
    mask : Path, optional
        Annotation or mask file of its sources.
    mode : str
    seed : int
    """

    image: Path
    mask: Path | None
    mode: str
    seed: int = 0

    @property
    def name(self) -> str:
        """What `BackgroundImage.name` will be."""
        return self.image.name

    def load(self) -> BackgroundImage:
        """Read it.

        Raises
        ------
        InputError
            Where a file cannot be read.
        """
        from radiff.masks import objects_to_mask, read_annotation, read_mask
        from radiff.sky import read_cutout

        cutout = read_cutout(self.image, check=False)
        mask = None
        if self.mask is not None and self.mask.suffix == ".json":
            mask = objects_to_mask(read_annotation(self.mask).objects, cutout.shape)
        elif self.mask is not None:
            mask = read_mask(self.mask)
        level = cutout.background if cutout.rms is not None else None
        try:
            return BackgroundImage.of(cutout.image, mask, self.mode, cutout.rms, level, self.seed, self.image.name)
        except InputError as error:
            raise error if error.path else InputError(error.message, self.image) from error


def others(files: Sequence[BackgroundFile], seeds: Sequence[int]) -> list[BackgroundFile]:
    """For each of `files` another one of them, drawn by its seed; mode ``other``.

    Raises
    ------
    InputError
        Where there is only one file.
    """
    if len({os.fspath(f.image) for f in files}) < 2:
        raise InputError("the background mode 'other' needs at least two images; give more, or --background-from")
    drawn = []
    for k, (one, seed) in enumerate(zip(files, seeds, strict=True)):
        random = np.random.default_rng((int(seed), 7))
        pick = k
        while files[pick].image == one.image:
            pick = int(random.integers(len(files)))
        drawn.append(BackgroundFile(files[pick].image, files[pick].mask, "other", int(seed)))
    return drawn
