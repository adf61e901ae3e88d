"""Collections to stacks of images in units of their noise, real and made side by side. Measures nothing."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.collection import Row
from radiff.errors import InputError
from radiff.evaluate.sets import ImageSet, Picture, pair_up, read_picture
from radiff.masks import SourceObject, mask_to_objects
from radiff.parallel import Failure, run_parallel

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
CLEAR = 4
"""Pixels around an object that do not count as noise."""


@dataclass(frozen=True, eq=False)
class Stack:
    """n images of one size with their masks.

    Attributes
    ----------
    name : str
    names : list of str
        Of the files, without suffix.
    snr : float32 (n, ny, nx)
        Level taken off, in units of the image's own noise rms, both measured outside the objects; NaN = blank.
    masks : uint8 (n, ny, nx)
    objects : list of sequences of SourceObject
    surveys, groups : lists of str
        Survey and patch of sky of each image; of a made one those of the real image of its mask.
    beams : (n, 3)
        Major and minor FWHM (pixels) and position angle (deg); NaN where they are not known.
    scale, shift : (n,)
        Measured rms over the one asked, and measured level less the one asked, over the rms asked: 1 and 0 for real
        images.
    sampled : (n,)
        Rms as sampled over the one asked, before the generator brought the noise to it; NaN where it does not say.
    """

    name: str
    names: list[str]
    snr: Images
    masks: NDArray[np.uint8]
    objects: list[Sequence[SourceObject]]
    surveys: list[str]
    groups: list[str]
    beams: Floats
    scale: Floats
    shift: Floats
    sampled: Floats

    def __len__(self) -> int:
        return len(self.snr)

    def chosen(self, indices: Sequence[int] | NDArray[Any]) -> "Stack":
        """The images of these `indices`."""
        index = np.asarray(indices, dtype=int)
        changes: dict[str, Any] = {}
        for name in ("snr", "masks", "beams", "scale", "shift", "sampled"):
            changes[name] = getattr(self, name)[index]
        for name in ("names", "objects", "surveys", "groups"):
            changes[name] = [getattr(self, name)[k] for k in index]
        return replace(self, **changes)

    @cached_property
    def asked(self) -> Images:
        """(n, ny, nx): level asked for taken off, in units of the rms asked for."""
        return np.asarray(self.snr * self.scale[:, None, None] + self.shift[:, None, None], np.float32)

    @cached_property
    def filled(self) -> Images:
        """(n, ny, nx): `snr` with 0 on blank pixels."""
        return np.nan_to_num(self.snr, nan=0.0)

    @cached_property
    def clear(self) -> NDArray[np.bool_]:
        """(n, ny, nx): True more than `CLEAR` pixels away from every object, where not blank."""
        return away(self.masks, CLEAR) & np.isfinite(self.snr)

    def index_of(self, survey: str) -> NDArray[np.intp]:
        """The images of one survey."""
        return np.flatnonzero([one == survey for one in self.surveys])


def away(masks: NDArray[Any], pixels: int) -> NDArray[np.bool_]:
    """(n, ny, nx): True where no object is within `pixels` steps to a neighbour above, below, left or right."""
    cross = ndimage.generate_binary_structure(2, 1)[None]
    taken = np.asarray(masks) > 0
    return np.asarray(~ndimage.binary_dilation(taken, cross, iterations=pixels)) if pixels else ~taken


def stack_of(
    name: str,
    snr: NDArray[Any],
    masks: NDArray[Any],
    names: Sequence[str] | None = None,
    objects: Sequence[Sequence[SourceObject]] | None = None,
    **more: Any,
) -> Stack:
    """A stack from arrays (n, ny, nx): images in units of the rms, and class masks; `more` as the attributes.

    Raises
    ------
    InputError
        Where the shapes differ.
    """
    images, labels = np.asarray(snr, np.float32), np.asarray(masks, np.uint8)
    if images.ndim != 3 or images.shape != labels.shape:
        raise InputError(f"images of shape {images.shape}, masks {labels.shape}; both must be one stack (n, ny, nx)")
    n = len(images)
    known: dict[str, Any] = {
        "surveys": [""] * n,
        "groups": [str(k) for k in range(n)],
        "beams": np.full((n, 3), math.nan),
        "scale": np.ones(n),
        "shift": np.zeros(n),
        "sampled": np.full(n, math.nan),
    }
    items: list[Sequence[SourceObject]] = list(objects) if objects else [tuple(mask_to_objects(m)) for m in labels]
    return Stack(name, list(names or map(str, range(n))), images, labels, items, **(known | more))


@dataclass(frozen=True, eq=False)
class Pairing:
    """Made images and the real ones of their masks, one by one.

    Attributes
    ----------
    real, made : Stack
        Of one length.
    left_out : list of str
        Made images that could not be used, and why.
    places : list of int
        Which of all real images each of `real` is.
    """

    real: Stack
    made: Stack
    left_out: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def read_stack(images: ImageSet, workers: int | None = 1) -> Stack:
    """Read all images of a set.

    Raises
    ------
    InputError
        Where one cannot be used, or sizes differ.
    """
    found = run_parallel(read_picture, images.jobs(), f"reading {images.name}", workers)
    for one in found:
        if isinstance(one, Failure):
            raise InputError(one.message)
    return _stacked(images, found)


def _stacked(images: ImageSet, pictures: Sequence[Picture]) -> Stack:
    shapes = {one.snr.shape for one in pictures}
    if len(shapes) != 1:
        raise InputError(f"{images.name}: images of {len(shapes)} sizes; these figures need one size")
    rows = [item if isinstance(item, Row) else Row(item.name) for item in images.items]
    beams = [(r.bmaj / r.pixel_scale, r.bmin / r.pixel_scale, r.bpa) for r in rows]
    return stack_of(
        images.name,
        np.stack([one.snr for one in pictures]),
        np.stack([one.mask for one in pictures]),
        [one.name for one in pictures],
        [one.objects for one in pictures],
        surveys=[r.survey for r in rows],
        groups=[f"{r.survey} {r.group}" for r in rows],
        beams=np.array(beams, float).reshape(-1, 3),
    )


def pair_stacks(
    images: ImageSet, real: Stack, folder: str | os.PathLike[str], limit: int | None = None, workers: int | None = 1
) -> Pairing:
    """The made images of a folder beside the real ones of their names and masks.

    Parameters
    ----------
    images : ImageSet
        That `real` was read from.
    folder : path-like
        A collection that 'radiff generate' made.
    limit : int, optional
        At most so many made images, evenly spread.

    Raises
    ------
    InputError
        Where none is of a real image's name and mask, or one cannot be read.
    """
    made_set = ImageSet.open(folder, limit=limit)
    pictures = run_parallel(read_picture, made_set.jobs(), f"reading {made_set.name}", workers)
    good = [k for k, one in enumerate(pictures) if isinstance(one, Picture)]
    failed = [one.message for one in pictures if isinstance(one, Failure)]
    if not good:
        raise InputError(failed[0] if failed else "holds no images", folder)
    made_set, pictures = made_set.chosen(good), [pictures[k] for k in good]
    keys = [Picture(n, i, m).mask_key for n, i, m in zip(real.names, real.snr, real.masks, strict=True)]
    pairs = pair_up(real.names, keys, [p.name for p in pictures], [p.mask_key for p in pictures])
    first, second = ([pair[k] for pair in pairs] for k in (0, 1))
    alone = sorted(set(range(len(pictures))) - set(second))
    failed += [f"{pictures[k].name}: no real image has its name and mask" for k in alone]
    beside = real.chosen(first)
    chosen = [pictures[k] for k in second]
    made = _stacked(made_set.chosen(second), chosen)
    told = [_asked(images.items[a], p) for a, p in zip(first, chosen, strict=True)]
    rows = [item for item in made_set.chosen(second).items if isinstance(item, Row)]
    scale = np.array([row.rms / rms for row, (rms, _, _) in zip(rows, told, strict=True)])
    shift = np.array([(row.background - level) / rms for row, (rms, level, _) in zip(rows, told, strict=True)])
    sampled = np.array([before for _, _, before in told])
    placed = replace(
        made, surveys=beside.surveys, groups=beside.groups, scale=scale, shift=shift, sampled=sampled, name=str(folder)
    )
    return Pairing(beside, placed, failed, first)


def _asked(real: Row | Picture, made: Picture) -> tuple[float, float, float]:
    """Rms and level asked of a made image (Jy/beam), and the rms as sampled over the one asked (NaN: not told)."""
    level = real.background if isinstance(real, Row) else 0.0
    rms = float(made.provenance.get("rms_asked") or real.rms)
    before = made.provenance.get("noise_before")
    return rms, level, float(before) if before and made.provenance.get("noise_measured") else math.nan
