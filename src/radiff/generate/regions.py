"""Objects to the windows of an image that are worth a network's work. Knows no networks and no noise.

Away from what is asked for, diffusion that starts from the sky's own noise changes nothing: there the picture is the
noise. So an image is worked on only in windows around its objects; an empty one not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.masks import SourceObject

SIDES = (64, 96, 128)
"""Sides of windows, pixels; those of larger objects are multiples of 32."""
STEP = 32
FULL, REACH = 4.0, 12.0
"""Within so many pixels of an object the picture is the network's alone; beyond the second it is the noise alone."""
MARGIN = 16
"""Pixels around an object that belong to its window at least: `REACH`, and room for what a network sees at an edge."""
MOST_SHARE = 0.8
"""Where windows would cover more of an image than this, the whole of it is one window."""


@dataclass(frozen=True)
class Region:
    """A window of an image and the objects it is for.

    Attributes
    ----------
    y0, y1, x0, x1 : int
        Pixels, ends excluded.
    objects : tuple of int
        Numbers of the objects that are made here, counted from 0.
    """

    y0: int
    y1: int
    x0: int
    x1: int
    objects: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an image (ny, nx)."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def weight(self, objects: Sequence[SourceObject]) -> NDArray[np.float32]:
        """(h, w): how much of the picture is the network's, 1 at the objects, smoothly to 0 at `REACH` pixels."""
        free = np.ones(self.shape, bool)
        for number in self.objects:
            part = objects[number].window(self.y0, self.y1, self.x0, self.x1)
            if part is not None:
                free[part.slices] &= ~part.stamp
        if free.all():
            return np.zeros(self.shape, np.float32)
        distance = ndimage.distance_transform_edt(free)
        fall = np.clip((distance - FULL) / (REACH - FULL), 0.0, 1.0)
        return np.asarray(np.cos(0.5 * np.pi * fall) ** 2, np.float32)


def whole(shape: tuple[int, int], objects: Sequence[SourceObject], numbers: Sequence[int] | None = None) -> Region:
    """All of an image as one window, for all of the objects or some."""
    return Region(0, shape[0], 0, shape[1], tuple(range(len(objects)) if numbers is None else numbers))


def find_regions(
    shape: tuple[int, int], objects: Sequence[SourceObject], numbers: Sequence[int] | None = None
) -> list[Region]:
    """Windows of an image of `shape` (ny, nx), so that every object lies in one with its surroundings.

    Objects whose surroundings meet share a window; windows are square, of one of few sizes, where the image has room.

    Parameters
    ----------
    shape : (ny, nx)
    objects : sequence of SourceObject
    numbers : sequence of int, optional
        Which of them, counted from 0; default: all.

    Returns
    -------
    list of Region
        None for an empty mask.
    """
    chosen = range(len(objects)) if numbers is None else numbers
    boxes = [_Box(*_padded(objects[number].bbox, shape), [number]) for number in chosen]
    regions = [_grown(box, shape) for box in _merged(boxes)]
    if sum(r.shape[0] * r.shape[1] for r in regions) > MOST_SHARE * shape[0] * shape[1]:
        return [whole(shape, objects, chosen)]
    return regions


@dataclass
class _Box:
    y0: int
    y1: int
    x0: int
    x1: int
    objects: list[int]

    def meets(self, other: "_Box") -> bool:
        return self.y0 < other.y1 and other.y0 < self.y1 and self.x0 < other.x1 and other.x0 < self.x1

    def join(self, other: "_Box") -> "_Box":
        return _Box(
            min(self.y0, other.y0), max(self.y1, other.y1), min(self.x0, other.x0), max(self.x1, other.x1),
            self.objects + other.objects,
        )  # fmt: skip


def _padded(bbox: tuple[int, int, int, int], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    y0, y1, x0, x1 = bbox
    return max(0, y0 - MARGIN), min(shape[0], y1 + MARGIN), max(0, x0 - MARGIN), min(shape[1], x1 + MARGIN)


def _merged(boxes: list[_Box]) -> list[_Box]:
    """Boxes that meet joined, until none do."""
    done: list[_Box] = []
    for box in boxes:
        while True:
            meeting = [other for other in done if other.meets(box)]
            if not meeting:
                break
            done = [other for other in done if not other.meets(box)]
            for other in meeting:
                box = box.join(other)
        done.append(box)
    return done


def _grown(box: _Box, shape: tuple[int, int]) -> Region:
    """The window of a box: a square of the next size, moved into the image."""
    longest = max(box.y1 - box.y0, box.x1 - box.x0)
    side = next((s for s in SIDES if s >= longest), -(-longest // STEP) * STEP)
    spans: list[int] = []
    for low, high, length in ((box.y0, box.y1, shape[0]), (box.x0, box.x1, shape[1])):
        size = min(side, length)
        start = min(max(0, (low + high - size) // 2), length - size)
        spans += [start, start + size]
    y0, y1, x0, x1 = spans
    return Region(y0, y1, x0, x1, tuple(sorted(box.objects)))
