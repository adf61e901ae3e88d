"""A collection to what the checks compare: images in units of their noise, objects, masks. Knows no networks."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import Collection
from radiff.evaluate.checks.generation import check_generation, own_pixels
from radiff.evaluate.checks.reconstruction import Image, check_reconstruction
from radiff.evaluate.sets import ImageSet, Picture
from radiff.masks import SourceObject, mask_to_objects
from radiff.parallel import track
from radiff.sky.beam import FWHM_AREA

Mask = NDArray[np.uint8]
Value = TypeVar("Value")
Figures = dict[str, Any]
"""JSON values."""


@dataclass(frozen=True, eq=False)
class Samples(ImageSet):
    """Real cutouts in memory, an `ImageSet` that can be looked at column by column."""

    items: Sequence[Picture]

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
        images = ImageSet.of_collection(collection, split, limit, resampled, "real images")
        return cls("real images", [images.picture(k) for k in range(len(images))])

    @classmethod
    def of(
        cls, images: Sequence[Image], masks: Sequence[Mask], rms: float, beam: float, level: float = 0.0,
        surveys: Sequence[str] | None = None,
    ) -> "Samples":  # fmt: skip
        """Of arrays (ny, nx), Jy/beam and class values, of one rms and level (Jy/beam) and one beam (FWHM, pixels)."""
        pictures = []
        for k, (image, mask) in enumerate(zip(images, masks, strict=True)):
            snr = ((image - np.float32(level)) / np.float32(rms)).astype(np.float32)
            about: dict[str, Any] = {"level": level, "survey": surveys[k] if surveys else "unnamed"}
            objects = tuple(mask_to_objects(mask))
            pictures.append(Picture(f"{k:05d}", snr, mask, rms, FWHM_AREA * beam**2, beam, objects, {}, image, **about))
        return cls("real images", pictures)

    @property
    def surveys(self) -> list[str]:
        """Survey of each; those of resampled cutouts are their own."""
        return [item.survey for item in self.items]

    @property
    def images(self) -> list[Image]:
        """(ny, nx) each, Jy/beam."""
        return [np.asarray(item.image) for item in self.items]

    @property
    def snr(self) -> list[Image]:
        """The images in units of their noise, background taken off."""
        return [item.snr for item in self.items]

    @property
    def masks(self) -> list[Mask]:
        """(ny, nx) each."""
        return [item.mask for item in self.items]

    @property
    def objects(self) -> list[list[SourceObject]]:
        """Of each mask."""
        return [list(item.objects) for item in self.items]

    @property
    def backgrounds(self) -> list[float]:
        """Jy/beam, outside of the objects."""
        return [item.level for item in self.items]

    @property
    def rms(self) -> list[float]:
        """Jy/beam, outside of the objects."""
        return [item.rms for item in self.items]

    @property
    def beams(self) -> list[float]:
        """FWHM in pixels; 0 where it is not known."""
        return [beam_of(item) for item in self.items]

    def peaks(self) -> list[list[float]]:
        """Peak of each object of each cutout, in units of the rms, on the pixels that are its own; 0 where none are."""
        return [peaks_of(item) for item in self.items]

    def groups(self) -> Iterator[tuple[str, list[int]]]:
        """(name, indices): all cutouts, then each survey of more than one where there are several."""
        yield "all", list(range(len(self)))
        names = sorted(set(self.surveys))
        for name in names if len(names) > 1 else ():
            kept = [k for k, survey in enumerate(self.surveys) if survey == name]
            if len(kept) > 1:
                yield name, kept


def beam_of(item: Picture) -> float:
    """FWHM in pixels; 0 where it is not known."""
    return item.beam_width if math.isfinite(item.beam_width) else 0.0


def peaks_of(item: Picture) -> list[float]:
    """Peak of each object, in units of the rms, on the pixels that are its own; 0 where none are."""
    return [max((float(v.max()) if v.size else 0.0), 0.0) for v in own_pixels(item.snr, list(item.objects))]


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
