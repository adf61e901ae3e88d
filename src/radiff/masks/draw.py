"""Masks drawn by rule, for demonstrations and tests: compact sources, double radio galaxies, sidelobe streaks."""

import numpy as np
from numpy.typing import NDArray

from radiff.masks.classes import COMPACT, EXTENDED, SPURIOUS
from radiff.masks.instances import mask_to_objects
from radiff.seeds import check_seed

Mask = NDArray[np.uint8]


def ellipse(shape: tuple[int, int], x: float, y: float, maj: float, minor: float, angle: float) -> NDArray[np.bool_]:
    """(ny, nx), True inside an ellipse of full axes `maj`, `minor` (pixels), turned by `angle` (rad) from x to y."""
    rows, columns = np.indices(shape)
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    return (2 * along / maj) ** 2 + (2 * across / minor) ** 2 <= 1.0


def draw_compact(mask: Mask, x: float, y: float, random: np.random.Generator) -> None:
    """A compact source about one and a half to three beams wide (a beam of 3 pixels), at (x, y)."""
    maj = random.uniform(5, 9)
    mask[ellipse(_shape(mask), x, y, maj, maj * random.uniform(0.75, 1.0), random.uniform(0, np.pi))] = COMPACT


def draw_galaxy(mask: Mask, x: float, y: float, random: np.random.Generator, length: float | None = None) -> None:
    """A double radio galaxy at (x, y): two lobes, a bridge, at times a bend; `length` in pixels."""
    length = length or random.uniform(18, 50)
    angle, bend = random.uniform(0, np.pi), random.normal(0, 0.25)
    shape = _shape(mask)
    ends = []
    for side in (angle + bend, angle + np.pi - bend):
        reach = length / 2 * random.uniform(0.75, 1.0)
        lobe = (x + reach * np.cos(side), y + reach * np.sin(side))
        width = random.uniform(0.28, 0.42) * length
        mask[ellipse(shape, *lobe, max(width * 1.3, 9), max(width, 7), side)] = EXTENDED
        ends.append(lobe)
    for end in ends:
        middle = ((x + end[0]) / 2, (y + end[1]) / 2)
        reach = float(np.hypot(end[0] - x, end[1] - y))
        tilt = float(np.arctan2(end[1] - y, end[0] - x))
        mask[ellipse(shape, *middle, reach * 1.4, max(0.18 * length, 6), tilt)] = EXTENDED


def draw_spurious(mask: Mask, x: float, y: float, random: np.random.Generator) -> None:
    """A faint streak, as sidelobes of a bright source make, at (x, y)."""
    angle = random.uniform(0, np.pi)
    mask[ellipse(_shape(mask), x, y, random.uniform(7, 12), random.uniform(3, 5), angle)] = SPURIOUS


def demo_masks(number: int, size: int = 128, seed: int = 0) -> list[Mask]:
    """`number` masks (size, size) that show what the classes look like; the same for the same seed.

    They go in turn: a radio galaxy with compact neighbours; compact sources alone; a bent galaxy with spurious
    streaks; a crowded field.
    """
    return [_demo_mask(k, size, np.random.default_rng((check_seed(seed), k))) for k in range(number)]


def demo_peaks(mask: Mask, seed: int = 0) -> list[float]:
    """A peak for each object of `mask`, in units of the noise rms, in the order of `mask_to_objects`."""
    random = np.random.default_rng((check_seed(seed), 1))
    ranges = {SPURIOUS: (5.0, 7.0), COMPACT: (6.0, 200.0), EXTENDED: (15.0, 150.0)}
    limits = [np.log(ranges[item.class_value]) for item in mask_to_objects(mask)]
    return [float(np.exp(random.uniform(low, high))) for low, high in limits]


def _demo_mask(kind: int, size: int, random: np.random.Generator) -> Mask:
    mask = np.zeros((size, size), np.uint8)
    galaxies, compact, spurious = ((1, 2, 0), (0, 5, 0), (1, 1, 2), (2, 6, 1))[kind % 4]
    places = _places(galaxies + compact + spurious, size, random)
    for index, (x, y) in enumerate(places):
        if index < galaxies:
            draw_galaxy(mask, x, y, random, length=random.uniform(0.18, 0.36) * size)
        elif index < galaxies + compact:
            draw_compact(mask, x, y, random)
        else:
            draw_spurious(mask, x, y, random)
    return mask


def _places(number: int, size: int, random: np.random.Generator) -> list[tuple[float, float]]:
    """Positions inside the image, well apart; the first, for the largest object, near the middle."""
    places = [(size / 2 + random.normal(0, size / 16), size / 2 + random.normal(0, size / 16))]
    apart = size / 4
    while len(places) < number:
        place = (random.uniform(10, size - 10), random.uniform(10, size - 10))
        if all(np.hypot(place[0] - x, place[1] - y) > apart for x, y in places):
            places.append(place)
        apart *= 0.99
    return places


def _shape(mask: Mask) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]
