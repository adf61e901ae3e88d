"""Objects on the sky as pixel sets, to and from class masks and instance maps. Knows no files.

An object keeps its pixels as a small boolean stamp at a corner (y0, x0), so that thousands of objects on a large map
cost no more than their own area.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.masks.classes import CLASS_LIST, CLASSES, check_mask

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SourceObject:
    """One object of a mask.

    Attributes
    ----------
    name : str
        Its name in its image, e.g. ``"S1"``.
    class_value : int
        1 spurious, 2 compact, 3 extended.
    stamp : bool (h, w)
        True on the pixels of the object.
    y0, x0 : int
        Pixel (y, x) of the image under ``stamp[0, 0]``.
    info : dict
        Further properties (peak_flux in Jy/beam, snr, npix, the fields of an rg-dataset object, ...).
    """

    name: str
    class_value: int
    stamp: BoolArray
    y0: int = 0
    x0: int = 0
    info: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_pixels(
        cls, name: str, class_value: int, pixels: NDArray[Any], info: Mapping[str, Any] | None = None
    ) -> "SourceObject":
        """Make an object from `pixels` (ny, nx), nonzero on the object; the stamp is trimmed to it."""
        rows = np.flatnonzero(np.any(pixels, axis=1))
        columns = np.flatnonzero(np.any(pixels, axis=0))
        if rows.size == 0:
            raise InputError(f"object {name!r} has no pixels")
        y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        stamp = np.asarray(pixels[y0:y1, x0:x1] != 0)
        return cls(name, class_value, stamp, y0, x0, dict(info or {}))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """Bounding box (y0, y1, x0, x1) in pixels, ends excluded."""
        return self.y0, self.y0 + self.stamp.shape[0], self.x0, self.x0 + self.stamp.shape[1]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the bounding box in an image (ny, nx)."""
        y0, y1, x0, x1 = self.bbox
        return slice(y0, y1), slice(x0, x1)

    @property
    def npix(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.stamp))

    def pixels(self, shape: tuple[int, int]) -> BoolArray:
        """The object as a boolean image of `shape` (ny, nx)."""
        image = np.zeros(shape, dtype=bool)
        image[self.slices] = self.stamp
        return image

    def coordinates(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pixel coordinates (y, x) of the object, each (npix,)."""
        y, x = np.nonzero(self.stamp)
        return y + self.y0, x + self.x0

    def touches_edge(self, shape: tuple[int, int]) -> bool:
        """Whether the object has pixels on the edge of an image of `shape` (ny, nx)."""
        y0, y1, x0, x1 = self.bbox
        return y0 <= 0 or x0 <= 0 or y1 >= shape[0] or x1 >= shape[1]

    def window(self, y0: int, y1: int, x0: int, x1: int) -> "SourceObject | None":
        """The part inside the window ``[y0:y1, x0:x1]``, in its pixel coordinates; None where nothing is inside."""
        top, bottom, left, right = self.bbox
        if top >= y0 and bottom <= y1 and left >= x0 and right <= x1:
            return replace(self, y0=top - y0, x0=left - x0)
        ya, yb, xa, xb = max(y0, top), min(y1, bottom), max(x0, left), min(x1, right)
        if ya >= yb or xa >= xb:
            return None
        stamp = self.stamp[ya - top : yb - top, xa - left : xb - left]
        if not stamp.any():
            return None
        part = SourceObject.from_pixels(self.name, self.class_value, stamp, self.info)
        return replace(part, y0=part.y0 + ya - y0, x0=part.x0 + xa - x0)


def structure(connectivity: int) -> BoolArray:
    """Neighbourhood (3, 3) of `connectivity` 4 or 8."""
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity is 4 or 8, not {connectivity}")
    return ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)


def objects_to_mask(objects: Sequence[SourceObject], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw objects as a class mask (ny, nx); where they overlap the larger class value wins."""
    mask = np.zeros(shape, dtype=np.uint8)
    for one in objects:
        part = mask[one.slices]
        np.maximum(part, one.stamp.astype(np.uint8) * np.uint8(one.class_value), out=part)
    return mask


def mask_to_objects(mask: NDArray[Any], connectivity: int = 8) -> list[SourceObject]:
    """Connected components of each class of `mask` (ny, nx), in the order of their first pixel within a class."""
    mask = check_mask(mask)
    objects: list[SourceObject] = []
    for one in CLASSES[1:]:
        labels, _ = ndimage.label(mask == one.value, structure(connectivity))
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            stamp = labels[box] == label
            name = f"S{len(objects) + 1}"
            objects.append(SourceObject(name, one.value, stamp, box[0].start, box[1].start))
    return objects


def objects_to_labels(objects: Sequence[SourceObject], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Draw objects as an instance map (ny, nx): 0 background, n on the pixels of ``objects[n - 1]``.

    Where objects overlap the larger class value wins, then the later object.
    """
    labels = np.zeros(shape, dtype=np.int32)
    for index in sorted(range(len(objects)), key=lambda i: objects[i].class_value):
        one = objects[index]
        labels[one.slices][one.stamp] = index + 1
    return labels


def labels_to_objects(labels: NDArray[np.integer[Any]], classes: Mapping[int, int]) -> list[SourceObject]:
    """Objects of an instance map.

    Parameters
    ----------
    labels : integer (ny, nx)
        0 background, n on object n. Pixels of one label belong to one object even where they do not touch.
    classes : mapping of int to int
        Class value of every label that occurs.

    Raises
    ------
    InputError
        Where a label has no class, or a class value is none of 1, 2, 3.
    """
    objects: list[SourceObject] = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        if classes.get(label) not in (1, 2, 3):
            raise InputError(f"label {label} has the class {classes.get(label)}; classes are {CLASS_LIST}")
        stamp = labels[box] == label
        objects.append(SourceObject(f"S{label}", classes[label], stamp, box[0].start, box[1].start))
    return objects
