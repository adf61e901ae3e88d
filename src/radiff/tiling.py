"""Images to tiles: cores that divide them, margins around these, windows that overlap, their weights, boxes by place.

Plain numbers: knows no pixels, no files and no networks.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radiff.errors import InputError

Box = tuple[int, int, int, int]
"""y0, y1, x0, x1 in pixels, ends excluded."""


@dataclass(frozen=True)
class Tile:
    """A part of an image.

    Attributes
    ----------
    core : Box
        The pixels that are this tile's alone.
    box : Box
        With the margin around them; less at the image's edges.
    margin : int
    """

    core: Box
    box: Box
    margin: int = 0

    @property
    def inner(self) -> tuple[slice, slice]:
        """Index of the core in the box's pixels."""
        (y0, y1, x0, x1), (top, _, left, _) = self.core, self.box
        return slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)


def spans(length: int, size: int, rest: int = 0) -> list[tuple[int, int]]:
    """`size` long parts of an axis, ends excluded; the last one takes in a remainder of up to `rest`."""
    starts = list(range(0, length, size))
    if len(starts) > 1 and length - starts[-1] <= rest:
        starts.pop()
    return list(zip(starts, [*starts[1:], length], strict=True))


def split_tiles(shape: tuple[int, int], core: int | tuple[int, int], margin: int = 0, rest: int = 0) -> list[Tile]:
    """Tiles of an image of `shape` (ny, nx), row by row, whose cores divide it.

    Parameters
    ----------
    core : int or (height, width)
    margin : int
        Pixels around a core.
    rest : int
        See `spans`.
    """
    (ny, nx), (height, width) = shape, (core, core) if isinstance(core, int) else core
    return [
        Tile(
            (y0, y1, x0, x1),
            (max(y0 - margin, 0), min(y1 + margin, ny), max(x0 - margin, 0), min(x1 + margin, nx)),
            margin,
        )
        for y0, y1 in spans(ny, height, rest)
        for x0, x1 in spans(nx, width, rest)
    ]


def iter_windows(shape: tuple[int, int], size: int, overlap: int = 0) -> Iterator[Box]:
    """Windows (y0, y1, x0, x1) of at most `size` x `size` pixels that cover `shape` (ny, nx), row by row.

    Neighbours share `overlap` pixels. The last window of a row or column is moved inwards, so that all have the full
    size where the map is that large (it then shares more).

    Raises
    ------
    InputError
        Where `size` is not above `overlap`, or `overlap` is negative.
    """
    if overlap < 0 or size <= overlap:
        raise InputError(f"windows of {size} pixels with an overlap of {overlap}; the overlap must be smaller")
    rows, columns = ([*range(0, max(n - size, 0), size - overlap), max(n - size, 0)] for n in shape)
    for y0 in rows:
        for x0 in columns:
            yield y0, min(y0 + size, shape[0]), x0, min(x0 + size, shape[1])


def even_starts(length: int, size: int, overlap: float, step: int = 1) -> list[int]:
    """First pixels of windows of one size along an axis, evenly spread, that share at least `overlap`.

    All but the last, which ends with the axis, are multiples of `step`.
    """
    if length <= size:
        return [0]
    count = -(-(length - overlap) // (size - overlap))
    return [int(step * round(k * (length - size) / (count - 1) / step)) for k in range(int(count) - 1)] + [
        length - size
    ]


def ramp(length: int, overlap: int, low: bool = True, high: bool = True, first: float = 0.5) -> npt.NDArray[np.float32]:
    """Weights (length,) of a window's pixels: even in the middle, falling over `overlap` pixels towards its ends.

    Those of two windows that share `overlap` pixels sum to 1. At the image's own edges (not `low`, not `high`) they do
    not fall.

    Parameters
    ----------
    first : float
        How far within the end its own pixel lies: 0.5, or 1 where the weight is to be 0 one pixel further out.
    """
    if not overlap:
        return np.ones(length, np.float32)
    depth = np.full(length, overlap, np.float32)
    inside = np.arange(length, dtype=np.float32) + np.float32(first)
    for falls, each in ((low, inside), (high, inside[::-1])):
        depth = np.minimum(depth, each) if falls else depth
    return np.asarray(depth / np.float32(overlap - 1 + 2 * first))


class BoxIndex:
    """Boxes by the tiles of a map that they touch, to find those that meet another one."""

    def __init__(self, boxes: Iterable[Box] = (), side: int = 512) -> None:
        self.side, self.boxes = side, list[Box]()
        self._tiles: dict[tuple[int, int], list[int]] = defaultdict(list)
        for box in boxes:
            self.add(box)

    def add(self, box: Box) -> None:
        """Add a box; its number is how many there were before."""
        for tile in self._touched(box):
            self._tiles[tile].append(len(self.boxes))
        self.boxes.append(box)

    def meeting(self, box: Box) -> list[int]:
        """Numbers of the boxes that share pixels with `box`, in their order."""
        y0, y1, x0, x1 = box
        near = {number for tile in self._touched(box) for number in self._tiles.get(tile, ())}
        return [
            number
            for number in sorted(near)
            for top, bottom, left, right in [self.boxes[number]]
            if y0 < bottom and top < y1 and x0 < right and left < x1
        ]

    def _touched(self, box: Box) -> list[tuple[int, int]]:
        y0, y1, x0, x1 = box
        columns = range(x0 // self.side, (x1 - 1) // self.side + 1)
        return [(row, column) for row in range(y0 // self.side, (y1 - 1) // self.side + 1) for column in columns]


def shared_pixels(
    a: npt.NDArray[np.bool_], at_a: tuple[int, int], b: npt.NDArray[np.bool_], at_b: tuple[int, int]
) -> int:
    """How many pixels two stamps share whose first pixels lie at `at_a` and `at_b` (y, x)."""
    y0, x0 = max(at_a[0], at_b[0]), max(at_a[1], at_b[1])
    y1, x1 = (min(p[k] + s.shape[k] for s, p in ((a, at_a), (b, at_b))) for k in (0, 1))
    if y0 >= y1 or x0 >= x1:
        return 0
    parts = (s[y0 - p[0] : y1 - p[0], x0 - p[1] : x1 - p[1]] for s, p in ((a, at_a), (b, at_b)))
    return int(np.count_nonzero(np.logical_and(*parts)))
