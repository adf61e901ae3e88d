"""Drawn objects to places on a map, one after the other, by what is taken there. Writes no pixels.

Where nothing may overlap, a byte a pixel says what is taken, so that a place is tried in some microseconds; where some
overlap is allowed, the masks of the neighbours are compared pixel by pixel.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.parallel import track
from radiff.populate.drawing import Drawn
from radiff.populate.options import PopulateOptions
from radiff.populate.profiles import Pixels, mask_level
from radiff.populate.survey import BLANK, CELL, PLACED, REAL
from radiff.sky.grid import SkyGrid
from radiff.tiling import BoxIndex, shared_pixels

TRIES, BATCH = 1024, 64
"""Random places tried for an object; as many are drawn at a time."""
GIVE_UP = 50
"""After so many objects of a class in a row that found no room, the map is full for that class."""
REASONS = ("", "no room", "off the map", "blank pixels", "on a real source", "overlap", "no noise known")

PLACES: list[tuple[str, Any]] = [
    ("x", np.int64),
    ("y", np.int64),
    ("flux", float),
    ("rms", float),
    ("peak", float),
    ("attempt", np.int32),
    ("cluster", np.int32),
    ("reason", np.int8),
]
Places = NDArray[Any]


@dataclass(eq=False)
class _Masks:
    """Masks of placed objects."""

    masks: list[tuple[int, int, NDArray[np.bool_], int]] = field(default_factory=list)
    index: BoxIndex = field(default_factory=lambda: BoxIndex(side=256))

    def add(self, mask: NDArray[np.bool_], y0: int, x0: int) -> None:
        self.index.add((y0, y0 + mask.shape[0], x0, x0 + mask.shape[1]))
        self.masks.append((y0, x0, mask, int(np.count_nonzero(mask))))

    def shares(self, mask: NDArray[np.bool_], y0: int, x0: int, allowed: float) -> bool:
        """Whether `mask` shares more than the part `allowed` with any other, of the smaller one."""
        pixels = int(np.count_nonzero(mask))
        for number in self.index.meeting((y0, y0 + mask.shape[0], x0, x0 + mask.shape[1])):
            top, left, other, count = self.masks[number]
            if shared_pixels(mask, (y0, x0), other, (top, left)) > allowed * min(pixels, count):
                return True
        return False


@dataclass(eq=False)
class Placer:
    """Finds places on one map.

    Attributes
    ----------
    grid : SkyGrid
    options : PopulateOptions
    taken : uint8 (ny, nx)
        Bits BLANK, REAL; PLACED is set here.
    rms : float32
        Local noise on cells of `CELL` pixels, Jy/beam.
    """

    grid: SkyGrid
    options: PopulateOptions
    taken: NDArray[np.uint8]
    rms: NDArray[np.float32]
    masks: _Masks = field(default_factory=_Masks)

    def place(self, drawn: Drawn) -> Places:
        """Places of all objects, in their order; `reason` is above 0 for those that found none."""
        places = np.zeros(len(drawn.objects), dtype=PLACES)
        places["cluster"] = -1
        centres = self._centres(len(places))
        failed: dict[int, int] = defaultdict(int)
        for number in track(range(len(places)), "placing", len(places)):
            value = int(drawn.objects["class"][number])
            if failed[value] >= GIVE_UP:
                places["reason"][number] = REASONS.index("no room")
                continue
            self._place_one(places[number], drawn.objects[number], drawn.pixels(number), centres)
            random = self.options.positions != "catalog"
            failed[value] = failed[value] + 1 if random and places["reason"][number] else 0
        return places

    def _place_one(self, place: Any, one: Any, pixels: Pixels, centres: NDArray[np.float64]) -> None:
        if self.options.positions == "catalog":
            place["x"], place["y"] = one["x"], one["y"]
            place["reason"] = self._try(place, one, pixels, int(one["x"]), int(one["y"]))
            return
        random = np.random.default_rng((int(one["seed"]), 1))
        height, width = pixels.values.shape
        middle = pixels.y0 <= 0 < pixels.y0 + height and pixels.x0 <= 0 < pixels.x0 + width
        solid = middle and pixels.values[-pixels.y0, -pixels.x0] > 0 and self.options.overlap == 0
        for first in range(0, TRIES, BATCH):
            x, y, cluster = self._candidates(random, centres)
            inside = (x + pixels.x0 >= 0) & (x + pixels.x0 + pixels.values.shape[1] <= self.grid.shape[1])
            inside &= (y + pixels.y0 >= 0) & (y + pixels.y0 + pixels.values.shape[0] <= self.grid.shape[0])
            for index in np.flatnonzero(inside).tolist():
                if solid and self.taken[y[index], x[index]]:
                    continue
                if not self._try(place, one, pixels, int(x[index]), int(y[index])):
                    place["x"], place["y"], place["attempt"] = x[index], y[index], first + index
                    place["cluster"] = cluster[index]
                    return
        place["reason"] = REASONS.index("no room")

    def _try(self, place: Any, one: Any, pixels: Pixels, x: int, y: int) -> int:
        """Put an object at (x, y) if it may lie there; 0, or the number of the reason why not."""
        y0, x0 = y + pixels.y0, x + pixels.x0
        height, width = pixels.values.shape
        if y0 < 0 or x0 < 0 or y0 + height > self.grid.shape[0] or x0 + width > self.grid.shape[1]:
            return REASONS.index("off the map")
        box = self.taken[y0 : y0 + height, x0 : x0 + width]
        extent = pixels.values > 0
        there = int(np.bitwise_or.reduce(box[extent]))
        for bit, reason in ((BLANK, "blank pixels"), (REAL, "on a real source")):
            if there & bit:
                return REASONS.index(reason)
        if self.options.overlap == 0 and there & PLACED:
            return REASONS.index("overlap")
        rms = float(self.rms[y // CELL, x // CELL])
        peak = float(pixels.values.max())
        flux = float(one["k"]) * rms / peak if self.options.flux.rule == "k" else float(one["flux"])
        if not rms > 0 or not flux > 0:
            return REASONS.index("no noise known")
        if 0 < self.options.overlap < 1:
            mask = pixels.values >= mask_level(flux * peak / rms) * peak
            if self.masks.shares(mask, y0, x0, self.options.overlap):
                return REASONS.index("overlap")
            self.masks.add(mask, y0, x0)
        box[extent] |= PLACED
        place["flux"], place["rms"], place["peak"] = flux, rms, flux * peak
        return 0

    def _centres(self, number: int) -> NDArray[np.float64]:
        """Centres (clusters, 2) of clusters, x and y, on usable pixels."""
        if self.options.positions != "clustered":
            return np.zeros((0, 2))
        count = max(1, round(number / self.options.cluster_members))
        random = np.random.default_rng((self.options.seed, 2))
        found = np.empty((count, 2))
        ny, nx = self.grid.shape
        for index in range(count):
            for _ in range(1000):
                found[index] = random.random(2) * (nx, ny)
                if not self.taken[int(found[index, 1]), int(found[index, 0])] & BLANK:
                    break
        return found

    def _candidates(
        self, random: np.random.Generator, centres: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """`BATCH` random positions (x, y) and their clusters."""
        ny, nx = self.grid.shape
        if not len(centres):
            draws = random.random((BATCH, 2))
            x, y = (draws[:, 0] * nx).astype(np.int64), (draws[:, 1] * ny).astype(np.int64)
            return x, y, np.full(BATCH, -1)
        cluster = (random.random(BATCH) * len(centres)).astype(np.int64)
        radius = self.options.cluster_radius / self.grid.pixel_scale
        places = np.floor(centres[cluster] + random.normal(0.0, radius, (BATCH, 2)) + 0.5).astype(np.int64)
        return places[:, 0], places[:, 1], cluster
