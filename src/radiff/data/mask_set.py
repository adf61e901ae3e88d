"""The masks of a collection, without their images, as arrays and objects; kept in one file. Knows no networks.

Reading one FITS file an object takes minutes for a large collection; the file that is kept takes a second.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import Collection, Row
from radiff.data.resample import ResampleOptions
from radiff.errors import InputError
from radiff.files import atomic_path, make_folder
from radiff.masks.classes import NUM_CLASSES
from radiff.masks.instances import SourceObject, objects_to_labels
from radiff.masks.rg import read_annotation
from radiff.parallel import Failure, run_parallel

FORMAT = 1
RESAMPLED = ResampleOptions().sample
"""Sample of 'radiff resample', whose cutouts come from others of the collection."""


@dataclass(frozen=True)
class MaskSet:
    """Masks of one size.

    Attributes
    ----------
    labels : uint16 (n, ny, nx)
        Instance maps: 0 background, k on the object of class ``classes[i, k - 1]``.
    classes : uint8 (n, most)
        Class values of the objects; 0 where a mask has fewer.
    images : list of str
        Path of each mask's image in its collection.
    splits : list of str
    """

    labels: NDArray[np.uint16]
    classes: NDArray[np.uint8]
    images: list[str]
    splits: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n, 3): spurious, compact and extended objects of each mask."""
        return np.stack([(self.classes == value).sum(1) for value in range(1, NUM_CLASSES)], axis=1)

    def masks(self) -> NDArray[np.uint8]:
        """Class masks (n, ny, nx)."""
        padded = np.pad(self.classes, ((0, 0), (1, 0)))
        made = np.empty(self.labels.shape, np.uint8)
        for target, row, labels in zip(made, padded, self.labels, strict=True):
            target[:] = row[labels]
        return made

    def objects(self, index: int) -> list[SourceObject]:
        """Objects of mask `index`; `border` in their `info` says whether they touch the image's edge."""
        ny, nx = self.labels.shape[1:]
        found = []
        for number, value in enumerate(self.classes[index].tolist(), start=1):
            pixels = self.labels[index] == number
            if value and pixels.any():
                one = SourceObject.from_pixels(f"S{number}", value, pixels)
                one.info["border"] = int(one.touches_edge((ny, nx)))
                found.append(one)
        return found

    def subset(self, keep: NDArray[np.bool_]) -> "MaskSet":
        """The masks that `keep` (n,) chooses."""
        chosen = np.flatnonzero(keep).tolist()
        return MaskSet(
            self.labels[keep], self.classes[keep], [self.images[k] for k in chosen], [self.splits[k] for k in chosen]
        )

    def split(self, name: str) -> "MaskSet":
        """The masks of a split (``train``, ``val``)."""
        return self.subset(np.array([one == name for one in self.splits], dtype=bool))

    def save(self, path: str | os.PathLike[str], **further: Any) -> None:
        """Write an ``.npz`` with the attributes, and `further` arrays."""
        content: dict[str, Any] = {name: getattr(self, name) for name in ("labels", "classes", "images", "splits")}
        make_folder(Path(path).parent)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **content, **further)


def join_masks(
    labels: Sequence[NDArray[Any]], classes: Sequence[Sequence[int]], images: list[str], splits: list[str]
) -> MaskSet:
    """A set of instance maps (ny, nx) of one size and the class values of their objects."""
    most = max((len(values) for values in classes), default=0)
    table = np.array([[*values, *[0] * (most - len(values))] for values in classes], dtype=np.uint8)
    return MaskSet(np.stack(labels).astype(np.uint16), table.reshape(len(classes), most), images, splits)


def is_native(row: Row) -> bool:
    """Whether a cutout was cut from a map, not resampled from another cutout."""
    return not row.sample.split("/")[0].startswith(RESAMPLED)


def read_mask_set(
    collection: Collection, kept: str | os.PathLike[str] | None = None, workers: int | None = None
) -> MaskSet:
    """Read the masks of all cutouts of `collection` that have an annotation.

    Parameters
    ----------
    kept : path, optional
        An ``.npz`` to read instead, if it is of the same files unchanged, and to write otherwise.
    workers : int, optional
        Processes.

    Raises
    ------
    InputError
        Where the cutouts have several sizes, or an annotation cannot be read.
    """
    rows = [row for row in collection.rows if row.annotation]
    sizes = sorted({(row.ny, row.nx) for row in rows})
    if len(sizes) != 1:
        listed = ", ".join(f"{nx} x {ny}" for ny, nx in sizes[:5]) or "no annotated cutouts"
        raise InputError(f"masks of one size are needed, here are {listed}; run 'radiff cut'", collection.root)
    key = _fingerprint(collection.root, rows)
    path = None if kept is None else Path(kept)
    found = None if path is None else _read_kept(path, key)
    if found is not None:
        return found
    jobs = [row.annotation for row in rows]
    read = run_parallel(partial(_read_one, root=collection.root, shape=sizes[0]), jobs, "reading masks", workers)
    failures = [one for one in read if isinstance(one, Failure)]
    if failures:
        raise InputError(failures[0].message)
    made = join_masks(
        [labels for labels, _ in read],
        [classes for _, classes in read],
        [row.image for row in rows],
        [row.split for row in rows],
    )
    if path is not None:
        made.save(path, key=key)
    return made


def _read_one(annotation: str, root: Path, shape: tuple[int, int]) -> tuple[NDArray[np.uint16], list[int]]:
    found = read_annotation(root / annotation)
    if found.shape != shape:
        raise InputError(
            f"is of {found.shape[1]} x {found.shape[0]} pixels, the index says otherwise", root / annotation
        )
    labels = objects_to_labels(found.objects, shape).astype(np.uint16)
    return labels, [one.class_value for one in found.objects]


def _read_kept(path: Path, key: str) -> MaskSet | None:
    try:
        with np.load(path, allow_pickle=False) as content:
            return load_masks(path) if str(content["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, InputError):
        return None


def load_masks(path: str | os.PathLike[str]) -> MaskSet:
    """Read what `MaskSet.save` wrote.

    Raises
    ------
    InputError
        Where it is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            lists: list[Any] = [content[name].tolist() for name in ("images", "splits")]
            return MaskSet(content["labels"], content["classes"], *lists)
    except FileNotFoundError as error:
        raise InputError("no such file", path) from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError("is no file of masks as 'radiff masks' writes them", path) from error


def _fingerprint(root: Path, rows: list[Row]) -> str:
    text = json.dumps([FORMAT, str(root.resolve()), [(r.image, r.split, _stamp(root / r.annotation)) for r in rows]])
    return hashlib.sha256(text.encode()).hexdigest()


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None  # reading it will say what is wrong
    return status.st_size, status.st_mtime_ns
