"""Pixel sets to polygons along the pixel edges, and back without loss. Knows no files and no sky.

Corners are in pixel coordinates (x, y): the pixel (x, y) has its corners at x - 0.5, x + 0.5, y - 0.5, y + 0.5.
"""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.masks.instances import BoolArray

Corner = tuple[int, int]


def trace(pixels: BoolArray) -> list[NDArray[np.float64]]:
    """Outlines of the True pixels of an image (h, w).

    Returns
    -------
    list of float (n, 2)
        Closed polygons of corners (x, y) along pixel edges, without the first corner repeated; outer borders run
        counter-clockwise (y upwards), holes clockwise. Pixels that touch at a corner only get polygons of their own.
    """
    padded = np.pad(pixels, 1)
    core = padded[1:-1, 1:-1]
    starts: dict[Corner, list[Corner]] = defaultdict(list)
    # the pixel lies to the left of each directed edge: (neighbour, first corner, second corner), counted from (y, x)
    sides: tuple[tuple[Any, Corner, Corner], ...] = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    for neighbour, (ax, ay), (bx, by) in sides:
        rows, columns = np.nonzero(core & ~neighbour)
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
            starts[x + ax, y + ay].append((x + bx, y + by))
    polygons = []
    while starts:
        first = next(iter(starts))
        polygons.append(np.array(_walk(starts, first), dtype=float) - 0.5)
    return polygons


def _walk(starts: dict[Corner, list[Corner]], first: Corner) -> list[Corner]:
    """Follow edges from `first` until it comes again, taking them out of `starts`; straight runs become one side."""
    corners: list[Corner] = []
    here, before = first, (0, 0)
    while True:
        ends = starts[here]
        index = 0
        if len(ends) > 1:  # two pixels touch at this corner: turn left, so that each keeps a polygon of its own
            left = (here[0] - before[1], here[1] + before[0])
            index = ends.index(left) if left in ends else 0
        there = ends.pop(index)
        if not ends:
            del starts[here]
        step = (there[0] - here[0], there[1] - here[1])
        if step != before:
            corners.append(here)
        here, before = there, step
        if here == first:
            break
    if len(corners) > 1:
        second = (np.sign(corners[1][0] - first[0]), np.sign(corners[1][1] - first[1]))
        if corners[0] == first and tuple(int(v) for v in second) == before:
            corners.pop(0)
    return corners


def fill(polygons: list[NDArray[np.float64]], shape: tuple[int, int]) -> BoolArray:
    """Pixels (ny, nx) whose centres lie inside the polygons by the even-odd rule, so that holes stay holes.

    Parameters
    ----------
    polygons : list of (n, 2)
        Corners (x, y), pixels; any direction, closed or not.
    shape : (int, int)
        (ny, nx).
    """
    ny, nx = shape
    crossings = np.zeros((ny, nx + 1), dtype=bool)
    for polygon in polygons:
        for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if ay == by:
                continue
            (ax, ay), (bx, by) = ((ax, ay), (bx, by)) if ay < by else ((bx, by), (ax, ay))
            rows = np.arange(max(int(np.ceil(ay)), 0), min(int(np.ceil(by)), ny))  # ay <= row < by
            x = ax + (rows - ay) * (bx - ax) / (by - ay)
            np.logical_xor.at(crossings, (rows, np.clip(np.ceil(x), 0, nx).astype(int)), True)
    return np.logical_xor.accumulate(crossings, axis=1)[:, :nx]


def signed_area(polygon: NDArray[np.float64]) -> float:
    """Area of a polygon (n, 2) of corners (x, y): positive counter-clockwise (y upwards), as outer borders run."""
    x, y = polygon[:, 0], polygon[:, 1]
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
