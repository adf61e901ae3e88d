"""Folders of cutouts to sets of pictures in units of their noise, read when asked for. Measures nothing."""

import hashlib
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import Collection, Row
from radiff.data.resample import ResampleOptions
from radiff.errors import InputError
from radiff.masks import SourceObject, mask_to_objects, objects_to_mask

Image = NDArray[np.float32]
RESAMPLED = ResampleOptions().sample


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as the measures see it.

    Attributes
    ----------
    name : str
        Its file's name without suffix.
    snr : float32 (ny, nx)
        Background taken off, in units of the noise rms outside the objects; NaN = blank.
    mask : uint8 (ny, nx)
        Class values; all background where there is no annotation.
    rms : float
        Jy/beam.
    beam_area, beam_width : float
        Area and FWHM (geometric mean) of the beam, pixels; NaN where it is not known.
    objects : tuple of SourceObject
        Of the mask.
    provenance : dict
        How a synthetic image was made, as its header tells.
    image : float32 (ny, nx), optional
        Jy/beam, as in the file it was read from.
    level : float
        Its background, Jy/beam.
    survey : str
        Resampled cutouts are a survey of their own: ``FIRST resampled``.
    """

    name: str
    snr: Image
    mask: NDArray[np.uint8]
    rms: float = 1.0
    beam_area: float = math.nan
    beam_width: float = math.nan
    objects: tuple[SourceObject, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    image: Image | None = None
    level: float = 0.0
    survey: str = ""

    @property
    def mask_key(self) -> str:
        """Equal for equal masks."""
        return hashlib.sha256(self.mask.tobytes() + repr(self.mask.shape).encode()).hexdigest()[:16]


Job = tuple[Path | None, Row | Picture]


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one kind. What is in memory is rows of an index, or pictures given as such.

    Attributes
    ----------
    name : str
        For messages and tables.
    items : list of Row or Picture
    root : Path, optional
        Folder of the rows' files.
    """

    name: str
    items: Sequence[Row | Picture]
    root: Path | None = None

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], split: str | None = None, limit: int | None = None, resampled: bool = False
    ) -> "ImageSet":
        """The cutouts of a collection or of a plain folder of FITS images.

        Parameters
        ----------
        split : str, optional
            Only this split.
        limit : int, optional
            At most so many, evenly spread.
        resampled : bool
            Also cutouts that 'radiff resample' made, beside others.

        Raises
        ------
        InputError
            Where there is no such folder, no image in it, or none in that split.
        """
        return cls.of_collection(Collection.open(path), split, limit, resampled, f"{path}")

    @classmethod
    def of_collection(
        cls, collection: Collection, split: str | None, limit: int | None, resampled: bool, name: str = ""
    ) -> "ImageSet":
        """As `open`, of a collection that is open."""
        chosen = collection.split(split) if split else collection
        if not resampled and any(row.sample != RESAMPLED for row in chosen.rows):
            chosen = chosen.where(lambda row: row.sample != RESAMPLED)
        images = ImageSet(name + (f", split {split}" if split else ""), chosen.rows, chosen.root)
        return images.thinned(limit) if limit is not None else images

    def __len__(self) -> int:
        return len(self.items)

    def thinned(self, limit: int) -> "ImageSet":
        """At most `limit` of the images, evenly spread."""
        if limit >= len(self):
            return self
        return self.chosen(np.linspace(0, len(self) - 1, limit).round().astype(int))

    def drawn(self, limit: int, seed: int = 0) -> "ImageSet":
        """At most `limit` of the images, at random."""
        if limit >= len(self):
            return self
        return self.chosen(np.sort(np.random.default_rng(seed).permutation(len(self))[:limit]))

    def chosen(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> "ImageSet":
        """The images of these `indices`."""
        return replace(self, items=[self.items[int(k)] for k in indices])

    def jobs(self) -> list[Job]:
        """What `read_picture` needs of each image."""
        return [(self.root, item) for item in self.items]

    def picture(self, index: int) -> Picture:
        """Image number `index`."""
        return read_picture((self.root, self.items[index]))

    @property
    def names(self) -> list[str]:
        """File names without suffix."""
        return [Path(item.image).stem if isinstance(item, Row) else item.name for item in self.items]


def read_picture(job: Job, with_mask: bool = True) -> Picture:
    """Read one image of a set.

    Raises
    ------
    InputError
        Where a file cannot be used, its noise is not known, or image and mask differ in size.
    """
    root, item = job
    if isinstance(item, Picture):
        return item
    one = Collection(root or Path(), [item])
    path = one.root / item.image
    if not item.rms > 0:
        raise InputError("its noise is not known; make the collection again with 'radiff cut'", path)
    image = one.image(0)
    shape = image.shape
    objects: tuple[SourceObject, ...] = ()
    if with_mask and (annotation := one.annotation(0)) is not None:
        if annotation.shape != shape:
            raise InputError(
                f"has {shape[1]} x {shape[0]} pixels, its mask {annotation.shape[1]} x {annotation.shape[0]}", path
            )
        objects = tuple(annotation.objects)
    area, width = _beam(item)
    snr = ((image.image - np.float32(item.background)) / np.float32(item.rms)).astype(np.float32)
    mask = objects_to_mask(objects, shape)
    survey = f"{item.survey or 'unnamed'} {RESAMPLED}" if item.sample == RESAMPLED else item.survey or "unnamed"
    more = (image.provenance, image.image, item.background, survey)
    return Picture(path.stem, snr, mask, item.rms, area, width, objects, *more)


def _beam(row: Row) -> tuple[float, float]:
    """Area and width of a row's beam in pixels."""
    if row.beam is None or not row.pixel_scale > 0:
        return math.nan, math.nan
    return row.beam.area_pixels(row.pixel_scale), row.beam.width_pixels(row.pixel_scale)


def picture_of(name: str, snr: NDArray[Any], mask: NDArray[Any], like: Picture | None = None) -> Picture:
    """A picture from arrays (ny, nx): image in units of the rms, and class mask; rms and beam those of `like`."""
    objects = tuple(mask_to_objects(mask))
    base = Picture(name, np.asarray(snr, np.float32), np.asarray(mask, np.uint8), objects=objects)
    if like is None:
        return base
    return replace(base, rms=like.rms, beam_area=like.beam_area, beam_width=like.beam_width)


_COPY = re.compile(r"_s?\d+$")


def pair_up(
    names: Sequence[str], keys: Sequence[str], made_names: Sequence[str], made_keys: Sequence[str]
) -> list[tuple[int, int]]:
    """(real, synthetic) indices of images of one mask.

    A synthetic image has the name of its mask's image, with ``_s0``, ``_s1`` ... behind where several were made; and
    its mask is the same, pixel by pixel.

    Parameters
    ----------
    names, keys : sequences of str
        File names and `Picture.mask_key` of the real images; `made_names`, `made_keys` of the synthetic ones.

    Raises
    ------
    InputError
        Where no two match.
    """
    place: dict[tuple[str, str], int] = {}
    for index, pair in enumerate(zip(names, keys, strict=True)):
        place.setdefault(pair, index)
    pairs = []
    for index, (name, key) in enumerate(zip(made_names, made_keys, strict=True)):
        real = place.get((name, key), place.get((_COPY.sub("", name), key)))
        if real is not None:
            pairs.append((real, index))
    if not pairs:
        raise InputError(
            "no synthetic image has the name and the mask of a real one; make them with 'radiff generate COLLECTION' "
            "from the same collection and split, or leave --paired out"
        )
    return pairs
