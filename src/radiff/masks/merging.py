"""Objects that lie near each other to one object. Knows no classes but spurious and extended, and no images."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.masks.classes import EXTENDED, SPURIOUS
from radiff.masks.instances import BoolArray, SourceObject


def grown(stamp: BoolArray, radius: float) -> BoolArray:
    """All pixels within `radius` pixels of those of `stamp`; the array grows by as much on every side."""
    padded = np.pad(stamp, math.ceil(radius))
    return np.asarray(ndimage.distance_transform_edt(~padded) <= radius)


def part_labels(labels: NDArray[np.int32], y0: int, x0: int, stamp: BoolArray) -> list[int]:
    """Labels under `stamp` with its corner at (y0, x0), which may lie off the map."""
    top, left = max(-y0, 0), max(-x0, 0)
    part = labels[max(y0, 0) : y0 + stamp.shape[0], max(x0, 0) : x0 + stamp.shape[1]]
    under = part[stamp[top : top + part.shape[0], left : left + part.shape[1]]]
    return [int(label) for label in np.unique(under) if label]


def merge_near(objects: Sequence[SourceObject], shape: tuple[int, int], distance: float) -> list[SourceObject]:
    """Merge objects nearer to each other than `distance` pixels into one extended object; spurious ones stay apart.

    Meant for the lobes of radio galaxies, which no connected pixels join.
    """
    labels = np.zeros(shape, dtype=np.int32)
    for number, one in enumerate(objects, start=1):
        if one.class_value != SPURIOUS:
            labels[one.slices][one.stamp] = number
    pad = math.ceil(distance)
    links = []
    for number, one in enumerate(objects, start=1):
        if one.class_value != SPURIOUS:
            near = part_labels(labels, one.y0 - pad, one.x0 - pad, grown(one.stamp, distance))
            links += [(number - 1, other - 1) for other in near]
    merged = []
    for group in linked(len(objects), links):
        some = [objects[index] for index in group]
        merged.append(some[0] if len(some) == 1 else join(some, EXTENDED))
    return merged


def linked(number: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups of 0 to number - 1 that chains of `links` hold together, in the order of their first members."""
    group = list(range(number))

    def root(n: int) -> int:
        while group[n] != n:
            n = group[n]
        return n

    for pair in links:
        low, high = sorted((root(pair[0]), root(pair[1])))
        group[high] = low
    members: dict[int, list[int]] = {}
    for n in range(number):
        members.setdefault(root(n), []).append(n)
    return list(members.values())


def join(objects: Sequence[SourceObject], class_value: int) -> SourceObject:
    """One object with the pixels of all, and the name and `info` of the one with the brightest peak."""
    boxes = np.array([one.bbox for one in objects])
    y0, x0 = int(boxes[:, 0].min()), int(boxes[:, 2].min())
    stamp = np.zeros((int(boxes[:, 1].max()) - y0, int(boxes[:, 3].max()) - x0), dtype=bool)
    for one in objects:
        top, bottom, left, right = one.bbox
        stamp[top - y0 : bottom - y0, left - x0 : right - x0] |= one.stamp
    brightest = max(objects, key=lambda one: one.info.get("peak_flux", 0.0))
    return SourceObject(brightest.name, class_value, stamp, y0, x0, dict(brightest.info))
