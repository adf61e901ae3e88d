"""When a synthetic mask is broken: rules with limits measured on real masks. Knows no files and no networks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.masks.classes import NUM_CLASSES
from radiff.masks.instances import SourceObject, structure

RULES = {
    "empty": "no object",
    "speck": "an object, not cut by the edge, smaller than all but a thousandth of the real ones of its class",
    "too large": "an object larger than every real one of its class",
    "touching": "pixels of two classes side by side, diagonals too",
    "cut": "an object at the edge of a class whose real objects never are",
    "class": "an object of a class that was not asked for",
    "number": "not as many objects of a class as were asked for; one in five too many or too few is let pass",
}
"""Every rule and what breaks it, in the order in which they are tried."""
QUANTILE = 0.001
TOLERANCE = 0.2


@dataclass(frozen=True)
class MaskRules:
    """Limits for the classes spurious, compact and extended.

    Attributes
    ----------
    smallest, largest : (int, int, int)
        Pixels of an object that no edge cuts; of any object.
    at_edge : (bool, bool, bool)
        Whether objects may touch the edge of the image.
    """

    smallest: tuple[int, int, int] = (5, 5, 5)
    largest: tuple[int, int, int] = (10**6, 10**6, 10**6)
    at_edge: tuple[bool, bool, bool] = (True, True, True)

    @classmethod
    def of(cls, images: Sequence[Sequence[SourceObject]], size: int) -> "MaskRules":
        """The limits of real masks of size x size pixels; a class that they do not hold keeps the defaults."""
        limits = cls()
        smallest, largest, at_edge = list(limits.smallest), list(limits.largest), list(limits.at_edge)
        for k in range(NUM_CLASSES - 1):
            found = [
                (one.npix, one.touches_edge((size, size))) for o in images for one in o if one.class_value == k + 1
            ]
            if not found:
                continue
            pixels = np.array([npix for npix, _ in found])
            whole = np.array([npix for npix, cut in found if not cut] or pixels)
            smallest[k] = int(np.quantile(whole, QUANTILE))
            largest[k], at_edge[k] = int(pixels.max()), any(cut for _, cut in found)
        return cls(*(tuple(values) for values in (smallest, largest, at_edge)))  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "MaskRules":
        """The rules that `to_json` wrote."""
        return cls(**{one.name: tuple(values[one.name]) for one in fields(cls)})

    def is_speck(self, one: SourceObject, shape: tuple[int, int]) -> bool:
        """Whether an object of an image of `shape` (ny, nx), not cut by its edge, is smaller than real ones."""
        return one.npix < self.smallest[one.class_value - 1] and not one.touches_edge(shape)

    def broken(
        self,
        mask: NDArray[np.uint8],
        objects: Sequence[SourceObject],
        classes: Sequence[int] = (1, 2, 3),
        asked: tuple[int, int, int] | None = None,
        per_image: tuple[int, int] | None = None,
    ) -> str | None:
        """Name of the first rule (of `RULES`) that a mask breaks; None where it is sound.

        Parameters
        ----------
        mask : uint8 (ny, nx)
        objects : sequence of SourceObject
            Its objects.
        classes : sequence of int
            Those that it may hold.
        asked : (int, int, int), optional
            Spurious, compact and extended objects asked for; each may be missed by a fifth, rounded down to whole ones.
        per_image : (int, int), optional
            Least and most objects in all.
        """
        if not objects:
            return "empty"
        shape = (mask.shape[0], mask.shape[1])
        values = [one.class_value for one in objects]
        cut = [one.touches_edge(shape) for one in objects]
        if any(self.is_speck(one, shape) for one in objects):
            return "speck"
        if any(one.npix > self.largest[one.class_value - 1] for one in objects):
            return "too large"
        if touching(mask):
            return "touching"
        if any(edge and not self.at_edge[value - 1] for value, edge in zip(values, cut, strict=True)):
            return "cut"
        if any(value not in classes for value in values):
            return "class"
        if per_image is not None and not per_image[0] <= len(objects) <= per_image[1]:
            return "number"
        if asked is not None and any(abs(values.count(k) - n) > int(TOLERANCE * n) for k, n in enumerate(asked, 1)):
            return "number"
        return None


def touching(mask: NDArray[np.uint8]) -> bool:
    """Whether pixels of two classes lie side by side, diagonals too."""
    for value in range(1, NUM_CLASSES):
        own = mask == value
        if own.any() and (ndimage.binary_dilation(own, structure(8)) & (mask > 0) & ~own).any():
            return True
    return False
