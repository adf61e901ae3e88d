"""Sets of pixels on a map, and which of them a window holds, for many windows at once. Knows no classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """A set of pixels as a summed-area table over its bounding box: counts in any window at once.

    Attributes
    ----------
    y0, x0 : int
        First row and column of the box in the map.
    table : (height + 1, width + 1) int64
        ``table[i, j]`` pixels lie in the first i rows and j columns of the box.
    name : str
    """

    y0: int
    x0: int
    table: IntArray
    name: str = ""

    @classmethod
    def of(cls, pixels: BoolArray, y0: int = 0, x0: int = 0, name: str = "") -> "Region":
        """Region of the True pixels of a boolean (height, width) array whose corner lies at row `y0`, column `x0`."""
        table = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1), dtype=np.int64)
        np.cumsum(np.cumsum(pixels, axis=0, dtype=np.int64), axis=1, out=table[1:, 1:])
        return cls(y0, x0, table, name)

    @property
    def total(self) -> int:
        return int(self.table[-1, -1])

    @property
    def height(self) -> int:
        return self.table.shape[0] - 1

    @property
    def width(self) -> int:
        return self.table.shape[1] - 1

    def counts(self, rows: IntArray, cols: IntArray, size: int) -> IntArray:
        """Pixels in each window of side `size` whose corner is (rows[i], cols[j]): (len(rows), len(cols))."""
        top = np.clip(rows - self.y0, 0, self.height)
        bottom = np.clip(rows + size - self.y0, 0, self.height)
        left = np.clip(cols - self.x0, 0, self.width)
        right = np.clip(cols + size - self.x0, 0, self.width)
        table = self.table
        inner = table[np.ix_(bottom, right)] - table[np.ix_(top, right)]
        return inner - table[np.ix_(bottom, left)] + table[np.ix_(top, left)]

    def cut_by(self, rows: IntArray, cols: IntArray, size: int, margin: int) -> BoolArray:
        """Where the window holds some of the pixels, but not all of them `margin` pixels away from its edges."""
        some = self.counts(rows, cols, size) > 0
        whole = self.counts(rows + margin, cols + margin, size - 2 * margin) == self.total
        return some & ~whole


def boxes_of(regions: Sequence[Region]) -> IntArray:
    """Bounding boxes (n, 4): y0, y1, x0, x1."""
    return np.array([(r.y0, r.y0 + r.height, r.x0, r.x0 + r.width) for r in regions], dtype=np.int64).reshape(-1, 4)


def in_box(boxes: IntArray, box: tuple[int, int, int, int]) -> list[int]:
    """Indices of those of many `boxes` (n, 4) that share pixels with one; all are y0, y1, x0, x1."""
    y0, y1, x0, x1 = boxes.T
    return np.flatnonzero((y0 < box[1]) & (y1 > box[0]) & (x0 < box[3]) & (x1 > box[2])).tolist()
