"""The classes of a mask: value, name, colour and the names that others give them. Knows no files and no images.

The values are those of the rg-dataset: 0 background, 1 spurious (imaging artefact, such as a sidelobe), 2 compact,
3 extended (one or several islands).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radiff.errors import InputError


@dataclass(frozen=True)
class MaskClass:
    """One class of a mask.

    Attributes
    ----------
    value : int
        Value of its pixels in a mask.
    name : str
        The name used everywhere in this package.
    color : str
        ``#rrggbb``, exact in colour PNG masks.
    aliases : tuple of str
        Other names accepted on reading, lower case.
    """

    value: int
    name: str
    color: str
    aliases: tuple[str, ...] = ()

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Colour as (red, green, blue), 0 to 255."""
        red, green, blue = bytes.fromhex(self.color[1:])
        return red, green, blue


BACKGROUND, SPURIOUS, COMPACT, EXTENDED = 0, 1, 2, 3

CLASSES: tuple[MaskClass, ...] = (
    MaskClass(BACKGROUND, "background", "#000000", ("none", "bkg")),
    MaskClass(SPURIOUS, "spurious", "#ff0000", ("sidelobe", "artefact", "artifact")),
    MaskClass(COMPACT, "compact", "#00ff00", ("source", "point", "point-like")),
    MaskClass(
        EXTENDED,
        "extended",
        "#0000ff",
        ("galaxy", "extended-multicomp", "extended-multisland", "extended-multiisland", "4"),
    ),
)
NUM_CLASSES = len(CLASSES)
CLASS_LIST = ", ".join(f"{one.value} {one.name}" for one in CLASSES)

_VALUES = {key: one.value for one in CLASSES for key in (one.name, str(one.value), *one.aliases)}


def class_name(value: int) -> str:
    """Name of the class of value `value` (0 to 3)."""
    return CLASSES[value].name


def parse_class(name: str | int) -> int:
    """Turn a class name, alias or value into the class value.

    ``extended-multicomp`` and the legacy value 4 are extended.

    Raises
    ------
    InputError
        Where nothing of that name is known; the message lists the classes.
    """
    key = str(name).strip().lower().replace("_", "-")
    if key not in _VALUES:
        raise InputError(f"{name!r} is no class; classes are {CLASS_LIST}")
    return _VALUES[key]


def check_mask(mask: ArrayLike, path: object = None) -> NDArray[np.uint8]:
    """Check that `mask` is a two-dimensional class map and return it as uint8.

    Parameters
    ----------
    mask : array_like, (ny, nx)
        Whole numbers 0 to 3 of any numeric type.
    path : path-like, optional
        Named in the error.

    Raises
    ------
    InputError
        For other shapes and for values that are no class. The message names the first such pixel as (x, y), 0-based.
    """
    if np.ma.is_masked(mask):
        raise InputError("pixels of the mask are masked themselves; fill them, with 0 where they are background", path)
    array = np.asarray(mask)
    if array.ndim != 2:
        raise InputError(f"a mask has two axes (ny, nx), this one has the shape {array.shape}", path)
    if array.dtype == np.uint8 and (array.size == 0 or array.max() < NUM_CLASSES):
        return array
    if array.dtype == bool and path is not None:  # a file's maker meant "source", not the class of value 1
        raise InputError(
            "holds one bit a pixel, source or not, which says no class; multiply it by the class (2 where all is"
            f" compact); classes are {CLASS_LIST}",
            path,
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"a mask holds numbers, this one holds {array.dtype}", path)
    with np.errstate(invalid="ignore"):
        values = array.astype(np.uint8)
        wrong = (values != array) | (values >= NUM_CLASSES)
    if wrong.any():
        y, x = (int(i) for i in np.unravel_index(np.argmax(wrong), array.shape))
        raise InputError(f"value {array[y, x]:g} at ({x}, {y}) is no class; classes are {CLASS_LIST}", path)
    return values
