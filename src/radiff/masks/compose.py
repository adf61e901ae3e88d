"""Real objects to new masks: turned, flipped, scaled and placed without overlap. Knows no files and no networks.

What every source of masks gives is a `ComposedMask`; what it is asked for (how many objects of which class) is drawn
by `draw_counts`. Item i of a series depends on (seed, i) alone, so any part of it can be made again.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.masks.classes import BACKGROUND, CLASSES, EXTENDED, class_name, parse_class
from radiff.masks.instances import BoolArray, SourceObject, objects_to_labels, objects_to_mask, structure
from radiff.seeds import check_seed

Counts = tuple[int, int, int]
"""Objects of a mask: spurious, compact, extended."""
Classes = Sequence[int | str]
SCALES = (0.8, 1.25)
"""How much smaller and larger objects are made, evenly in the logarithm."""
MOST = 6
"""Objects of a mask, at most, where nothing is said."""
PLACES, DRAWS, LAYOUTS = 40, 15, 20
"""Places tried for an object, objects tried for a place in a mask, and masks begun, before giving up."""
SOFT = 0.55
"""How far edges are softened before an object is turned, pixels: its outline then stays as smooth as it was."""
LEAST_SEEN = 0.25
"""Part of an object at the edge of the image that must be on it."""


@dataclass(frozen=True, eq=False)
class ComposedMask:
    """One synthetic mask.

    Attributes
    ----------
    index : int
        Its number in its series.
    seed : int
        Its own seed, a function of the series' seed and `index`.
    mask : uint8 (size, size)
        0 background, 1 spurious, 2 compact, 3 extended.
    labels : int32 (size, size)
        Instance map: 0 background, n on the pixels of ``objects[n - 1]``.
    objects : list of SourceObject
        With their classes (`class_value`).
    asked : (int, int, int), optional
        How many spurious, compact and extended objects were asked for; None: any.
    rejected : dict
        Masks thrown away before this one, by the rule that they broke.
    specks : int
        Islands taken off this one, too small for an object of their class.
    """

    index: int
    seed: int
    mask: NDArray[np.uint8]
    labels: NDArray[np.int32]
    objects: list[SourceObject]
    asked: Counts | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    specks: int = 0

    @property
    def counts(self) -> Counts:
        """Its objects: spurious, compact, extended."""
        return count_classes(self.objects)


def count_classes(objects: Sequence[SourceObject]) -> Counts:
    """How many of `objects` are spurious, compact and extended."""
    values = [one.class_value for one in objects]
    return values.count(1), values.count(2), values.count(3)


def item_seed(seed: int, index: int, attempt: int = 0) -> int:
    """A number of 62 bits that (seed, index, attempt) alone decide."""
    words = np.random.SeedSequence((seed, index, attempt)).generate_state(1, np.uint64)
    return int(words[0] >> 2)


# ---------------------------------------------------------------- what is asked


def parse_classes(classes: Classes | None) -> tuple[int, ...]:
    """Class values, ascending, of names or values; None: all three.

    Raises
    ------
    InputError
        Where one is no class of objects, or there is none.
    """
    if classes is None:
        return tuple(one.value for one in CLASSES[1:])
    values = sorted({parse_class(one) for one in classes})
    if not values or values[0] == BACKGROUND:
        raise InputError(f"classes {list(classes)!r}: name one or more of {', '.join(one.name for one in CLASSES[1:])}")
    return tuple(values)


def check_range(per_image: tuple[int, int]) -> tuple[int, int]:
    """`per_image`, if it is a range of numbers of objects.

    Raises
    ------
    InputError
        Where it is empty or starts below 1.
    """
    low, high = per_image
    if not 1 <= low <= high:
        raise InputError(f"{low} to {high} objects a mask; give a range such as 1 to 6")
    return int(low), int(high)


def chosen_counts(table: ArrayLike, classes: Sequence[int], per_image: tuple[int, int] | None) -> NDArray[np.int64]:
    """Rows (n, 3) of `table` (spurious, compact, extended of real masks), other classes left out, total in the range.

    Rows without an object are left out in any case.
    """
    rows = np.array(table, dtype=np.int64).reshape(-1, 3)
    rows[:, [value - 1 for value in (1, 2, 3) if value not in classes]] = 0
    total = rows.sum(1)
    low, high = per_image or (1, np.iinfo(np.int64).max)
    return np.asarray(rows[(total >= low) & (total <= high)])


def draw_counts(
    random: np.random.Generator,
    classes: Sequence[int],
    per_image: tuple[int, int] | None = None,
    table: ArrayLike | None = None,
) -> Counts:
    """Objects to ask for.

    Parameters
    ----------
    random : Generator
    classes : sequence of int
        The classes that may occur.
    per_image : (int, int), optional
        Least and most objects, ends included.
    table : array (n, 3), optional
        Counts of real masks, of which one is drawn (`chosen_counts`). Without it, or where no real mask fits, the
        number is drawn evenly from the range (1 to 6 where there is none), and so is the class of each object.
    """
    rows = chosen_counts(table if table is not None else [], classes, per_image)
    if len(rows):
        spurious, compact, extended = rows[random.integers(len(rows))].tolist()
        return spurious, compact, extended
    low, high = per_image or (1, MOST)
    values = [int(random.choice(np.asarray(classes))) for _ in range(int(random.integers(low, high + 1)))]
    return values.count(1), values.count(2), values.count(3)


# ---------------------------------------------------------------- placing real objects


def compose_masks(
    objects: Sequence[SourceObject],
    number: int,
    *,
    size: int = 128,
    classes: Classes | None = None,
    per_image: tuple[int, int] | None = None,
    seed: int = 0,
    counts: ArrayLike | None = None,
    scales: tuple[float, float] = SCALES,
    indices: Iterable[int] | None = None,
) -> Iterator[ComposedMask]:
    """Masks of real objects, each turned by any angle, flipped by chance, scaled and placed clear of the others.

    Compact and spurious objects may be cut by the edge of the image, as in real cutouts; extended ones are whole and
    off the edge. Between two objects is always a free pixel, diagonals too.

    Parameters
    ----------
    objects : sequence of SourceObject
        What is placed. Those whose `info` has `border` set (cut by the edge of their own image) are left out.
    number : int
        Items 0 to number - 1.
    size : int
        Side of the masks, pixels.
    classes : sequence of str or int, optional
        Default: those of `objects`.
    per_image : (int, int), optional
        Least and most objects of a mask.
    seed : int
    counts : array (n, 3), optional
        Counts of real masks to draw from; see `draw_counts`.
    scales : (float, float)
        Smallest and largest factor on an object's size.
    indices : iterable of int, optional
        Make these items alone, in this order.

    Raises
    ------
    InputError
        Where there is no whole object of these classes, the range is none, or the objects do not fit into the image.
    """
    wanted = parse_classes(classes) if classes is not None else tuple(sorted({one.class_value for one in objects}))
    span = None if per_image is None else check_range(per_image)
    library, seed = Library(objects, size, wanted), check_seed(seed)
    if not 0 < scales[0] <= scales[1]:
        raise InputError(f"objects scaled by {scales[0]:g} to {scales[1]:g}; give two positive factors, smaller first")

    def make() -> Iterator[ComposedMask]:
        for index in range(number) if indices is None else indices:
            yield _compose(library, index, seed, span, counts, scales)

    return make()


class Library:
    """Whole objects of each class that fit into an image.

    Parameters
    ----------
    objects : sequence of SourceObject
    size : int
        Side of the image, pixels.
    classes : sequence of int

    A class that has none is left out (`classes` are those that are left).

    Raises
    ------
    InputError
        Where no class has any.
    """

    def __init__(self, objects: Sequence[SourceObject], size: int, classes: Sequence[int]) -> None:
        fits = [one for one in objects if not one.info.get("border") and max(one.stamp.shape) <= size - 2]
        stamps = {value: [one.stamp for one in fits if one.class_value == value] for value in classes}
        self.stamps = {value: found for value, found in stamps.items() if found}
        if not self.stamps:
            named = " and no ".join(class_name(value) for value in classes) or "object"
            raise InputError(
                f"no whole {named} to place in masks of {size} pixels; choose other --classes, a larger --size or "
                "another collection"
            )
        self.size, self.classes = size, tuple(self.stamps)


def _compose(
    library: Library,
    index: int,
    seed: int,
    per_image: tuple[int, int] | None,
    table: ArrayLike | None,
    scales: tuple[float, float],
) -> ComposedMask:
    random = np.random.default_rng((seed, index, 11))
    asked = draw_counts(random, library.classes, per_image, table)
    order = [value for value in (3, 2, 1) for _ in range(asked[value - 1])]  # the largest first
    for _ in range(LAYOUTS):
        objects = _layout(library, order, random, scales)
        if objects is not None:
            shape = (library.size, library.size)
            named = [_named(one, n) for n, one in enumerate(objects, 1)]
            mask, labels = objects_to_mask(named, shape), objects_to_labels(named, shape)
            return ComposedMask(index, item_seed(seed, index), mask, labels, named, asked)
    told = ", ".join(f"{count} {class_name(value)}" for value, count in enumerate(asked, 1) if count)
    raise InputError(f"{told} do not fit into {library.size} x {library.size} pixels; ask for fewer with --per-image")


def _named(one: SourceObject, number: int) -> SourceObject:
    return SourceObject(f"S{number}", one.class_value, one.stamp, one.y0, one.x0)


def _layout(
    library: Library, order: Sequence[int], random: np.random.Generator, scales: tuple[float, float]
) -> list[SourceObject] | None:
    """Objects of the classes `order`, placed; None where one found no place."""
    taken = np.zeros((library.size, library.size), dtype=bool)
    placed: list[SourceObject] = []
    for value in order:
        one = next((o for _ in range(DRAWS) if (o := _place(library, value, taken, random, scales)) is not None), None)
        if one is None:
            return None
        placed.append(one)
        taken |= ndimage.binary_dilation(one.pixels((library.size, library.size)), structure(8))
    return placed


def _place(
    library: Library, value: int, taken: BoolArray, random: np.random.Generator, scales: tuple[float, float]
) -> SourceObject | None:
    """An object of a class at a free place; None where `PLACES` places were none."""
    stamps, size = library.stamps[value], library.size
    scale = math.exp(random.uniform(math.log(scales[0]), math.log(scales[1])))
    stamp = turned_stamp(stamps[random.integers(len(stamps))], random.uniform(0, 360), random.random() < 0.5, scale)
    h, w = stamp.shape
    if max(h, w) > size - 2:
        return None
    for _ in range(PLACES):
        if value == EXTENDED:
            y0, x0 = int(random.integers(1, size - h)), int(random.integers(1, size - w))
        else:
            y0, x0 = int(random.integers(size)) - h // 2, int(random.integers(size)) - w // 2
        seen = SourceObject("", value, stamp, y0, x0).window(0, size, 0, size)
        if seen is None or seen.npix < LEAST_SEEN * np.count_nonzero(stamp) or (taken[seen.slices] & seen.stamp).any():
            continue
        return seen
    return None


def turned_stamp(stamp: BoolArray, angle: float, mirrored: bool = False, scale: float = 1.0) -> BoolArray:
    """An object turned by `angle` (deg, from x towards y), mirrored before, and scaled; its area goes with scale**2.

    The object with softened edges is interpolated, and the pixels deepest inside are taken, as many as the area asks
    for: so the size of small objects, too, is right to a pixel. Where this would break an object apart or fill
    its islands together, it is turned by the nearest quarter turn instead and not scaled.

    Parameters
    ----------
    stamp : bool (h, w)

    Returns
    -------
    bool (h', w'), trimmed to the object
    """
    stamp = stamp[:, ::-1] if mirrored else stamp
    area = max(1, round(int(np.count_nonzero(stamp)) * scale**2))
    padded = np.pad(stamp, 2)
    distance = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    # softened edges turn smoothly; the distance, far weaker, tells apart what the softening leaves equal
    depth = ndimage.gaussian_filter(padded.astype(np.float64), SOFT) + 1e-3 * distance
    side = math.ceil(math.hypot(*stamp.shape) * scale) + 5
    cos, sin = math.cos(math.radians(angle)) / scale, math.sin(math.radians(angle)) / scale
    matrix = np.array([[cos, -sin], [sin, cos]])  # (y, x) of the result to (y, x) of the stamp
    middle = (np.array(padded.shape) - 1) / 2
    offset = middle - matrix @ np.array([(side - 1) / 2] * 2)
    found = ndimage.affine_transform(depth, matrix, offset, (side, side), order=1, mode="constant", cval=-float(side))
    pixels = np.zeros(side * side, dtype=bool)
    pixels[np.argsort(-found.ravel(), kind="stable")[:area]] = True
    result = pixels.reshape(side, side)
    if _islands(result) != _islands(stamp):
        result = np.rot90(stamp, -round(angle / 90))
    return SourceObject.from_pixels("", EXTENDED, result).stamp


def _islands(stamp: NDArray[Any]) -> int:
    return int(ndimage.label(stamp, structure(8))[1])
