"""A collection to what the checks compare: images in units of their noise, objects, masks. Knows no networks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import Collection, Row
from radiff.data.pack import beam_pixels
from radiff.data.resample import ResampleOptions
from radiff.errors import InputError
from radiff.evaluate.checks.generation import check_generation, own_pixels
from radiff.evaluate.checks.reconstruction import Image, check_reconstruction
from radiff.masks import SourceObject
from radiff.parallel import track

Value = TypeVar("Value")
Figures = dict[str, Any]
"""JSON values."""
RESAMPLED = ResampleOptions().sample


@dataclass(frozen=True)
class Samples:
    """Real cutouts, column by column.

    Attributes
    ----------
    surveys : list of str
    images : list of (ny, nx)
        Jy/beam.
    masks : list of uint8 (ny, nx)
    objects : list of lists of SourceObject
    backgrounds, rms : list of float
        Jy/beam, outside of the objects.
    beams : list of float
        FWHM in pixels; 0 where it is not known.
    """

    surveys: list[str]
    images: list[NDArray[np.float32]]
    masks: list[NDArray[np.uint8]]
    objects: list[list[SourceObject]]
    backgrounds: list[float]
    rms: list[float]
    beams: list[float]

    @classmethod
    def read(cls, collection: Collection, split: str, limit: int | None = None, resampled: bool = False) -> "Samples":
        """The cutouts of a split; at most `limit`, evenly spread over it.

        Parameters
        ----------
        resampled : bool
            Also those that 'radiff resample' made; they count as a survey of their own (``FIRST resampled``).

        Raises
        ------
        InputError
            Where the split is empty, a file cannot be used, or a cutout's noise is not known.
        """
        chosen = collection.split(split)
        if not resampled and any(row.sample != RESAMPLED for row in chosen.rows):
            chosen = chosen.where(lambda row: row.sample != RESAMPLED)
        if limit is not None and limit < len(chosen):
            kept = np.linspace(0, len(chosen) - 1, limit).round().astype(int)
            chosen = Collection(chosen.root, [chosen.rows[k] for k in kept])
        for row in chosen.rows:
            if not row.rms > 0:
                raise InputError("its noise is not known; make the collection again with 'radiff cut'", row.image)
        numbers = range(len(chosen))
        annotations = [chosen.annotation(k) for k in numbers]
        return cls(
            [_survey(row) for row in chosen.rows],
            [chosen.image(k).image for k in numbers],
            [chosen.mask(k) for k in numbers],
            [[] if one is None else list(one.objects) for one in annotations],
            [row.background for row in chosen.rows],
            [row.rms for row in chosen.rows],
            [beam_pixels(row) for row in chosen.rows],
        )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def snr(self) -> list[Image]:
        """The images in units of their noise, background taken off."""
        return [self.snr_of(index) for index in range(len(self))]

    def snr_of(self, index: int) -> Image:
        """One of `snr`."""
        return (self.images[index] - self.backgrounds[index]) / self.rms[index]

    def peaks(self) -> list[list[float]]:
        """Peak of each object of each cutout, in units of the rms, on the pixels that are its own; 0 where none are."""
        return [
            [max((float(v.max()) if v.size else 0.0), 0.0) for v in own_pixels(image, objects)]
            for image, objects in zip(self.snr, self.objects, strict=True)
        ]

    def groups(self) -> Iterator[tuple[str, list[int]]]:
        """(name, indices): all cutouts, then each survey of more than one where there are several."""
        yield "all", list(range(len(self)))
        names = sorted(set(self.surveys))
        for name in names if len(names) > 1 else ():
            kept = [k for k, survey in enumerate(self.surveys) if survey == name]
            if len(kept) > 1:
                yield name, kept


def _survey(row: Row) -> str:
    name = row.survey or "unnamed"
    return f"{name} {RESAMPLED}" if row.sample == RESAMPLED else name


def reconstruction_figures(
    samples: Samples, reconstruct: Callable[[NDArray[np.float32], float, float], NDArray[np.float32]]
) -> dict[str, Figures]:
    """`check_reconstruction` of all cutouts and of each survey.

    Parameters
    ----------
    reconstruct : callable
        ``reconstruct(image, background, rms) -> image``, Jy/beam: `Generator.reconstruct`.
    """
    rebuilt = []
    for index in track(range(len(samples)), "reconstructing"):
        level, rms = samples.backgrounds[index], samples.rms[index]
        rebuilt.append((reconstruct(samples.images[index], level, rms) - level) / rms)
    return {
        name: check_reconstruction(at(samples.snr, kept), at(rebuilt, kept), at(samples.objects, kept))
        for name, kept in samples.groups()
    }


def generation_figures(samples: Samples, made: Sequence[Image]) -> dict[str, Figures]:
    """`check_generation` of all cutouts and of each survey; `made` (ny, nx) in Jy/beam, one a cutout."""
    return {
        name: check_generation(at(samples.snr, kept), at(made, kept), at(samples.objects, kept), at(samples.rms, kept))
        for name, kept in samples.groups()
    }


def at(values: Sequence[Value], kept: Sequence[int]) -> list[Value]:
    """`values` of these indices."""
    return [values[k] for k in kept]
