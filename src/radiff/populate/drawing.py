"""Objects to their pixels of unit flux: Gaussians on the spot, stamps once into files. Places nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.files import atomic_path
from radiff.parallel import Pool
from radiff.populate.profiles import Pixels, gaussian, resampled, turned
from radiff.populate.sources import Objects
from radiff.populate.stamps import StampLibrary
from radiff.sky.grid import SkyGrid

CHUNK = 128
"""Stamps drawn by one task, into one file."""
WHERE: list[tuple[str, Any]] = [
    ("chunk", np.int32),
    ("start", np.int64),
    ("h", np.int32),
    ("w", np.int32),
    ("y0", np.int32),
    ("x0", np.int32),
]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Objects with their pixels.

    Attributes
    ----------
    objects : structured array (n,)
        `radiff.populate.sources.FIELDS`.
    where : structured array (n,)
        Where the pixels of a stamp lie in the files of `folder`; `chunk` is -1 for Gaussians.
    folder : Path
    area : float
        Of the beam, pixels.
    """

    objects: Objects
    where: NDArray[Any]
    folder: Path
    area: float

    def part(self, numbers: NDArray[Any] | Sequence[int] | slice) -> "Drawn":
        """Some of the objects."""
        return Drawn(self.objects[numbers], self.where[numbers], self.folder, self.area)

    def pixels(self, number: int) -> Pixels:
        """Pixels of unit flux of an object."""
        one, where = self.objects[number], self.where[number]
        if where["chunk"] < 0:
            shape = np.array([[one["xx"], one["xy"]], [one["xy"], one["yy"]]])
            return gaussian(shape, float(one["dx"]), float(one["dy"]), self.area)
        size = (int(where["h"]), int(where["w"]))
        path = self.folder / f"{int(where['chunk']):06d}.f32"
        values = np.fromfile(path, "<f4", size[0] * size[1], offset=4 * int(where["start"]))
        return Pixels(values.reshape(size), int(where["y0"]), int(where["x0"]))


@dataclass(frozen=True, eq=False)
class _Chunks:
    """What draws chunks of stamps; opened anew in every process."""

    grid: SkyGrid
    library: StampLibrary
    folder: Path

    @cached_property
    def shape(self) -> NDArray[np.float64]:
        return self.grid.beam_shape

    def draw(self, item: tuple[int, Objects]) -> NDArray[Any]:
        """Draw a chunk into its file; where its stamps lie in it."""
        chunk, objects = item
        table = self.folder / f"{chunk:06d}.npy"
        if table.exists():
            return np.asarray(np.load(table))
        where = np.zeros(len(objects), dtype=WHERE)
        drawn = []
        start = 0
        for place, one in enumerate(objects):
            values = turned(self.library.values(int(one["stamp"])), int(one["turn"]))
            beam = float(self.library.index["beam"][int(one["stamp"])])
            pixels = resampled(
                values, beam, self.shape, float(one["scale"]), float(one["dx"]), float(one["dy"]), self.grid.beam_area
            )
            where[place] = (chunk, start, *pixels.values.shape, pixels.y0, pixels.x0)
            drawn.append(pixels.values.ravel())
            start += pixels.values.size
        with atomic_path(self.folder / f"{chunk:06d}.f32") as temporary:
            np.concatenate(drawn).astype("<f4").tofile(temporary)
        with atomic_path(table) as temporary:
            np.save(temporary, where)
        return where


def draw_stamps(objects: Objects, grid: SkyGrid, library: StampLibrary | None, pool: Pool, folder: Path) -> Drawn:
    """Draw the objects that have a stamp, turned, at the map's beam and pixels; chunks that exist are kept."""
    folder.mkdir(exist_ok=True)
    where = np.zeros(len(objects), dtype=WHERE)
    where["chunk"] = -1
    numbers = np.flatnonzero(objects["stamp"] >= 0)
    if len(numbers) and library is not None:
        parts = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
        chunks = _Chunks(grid, library, folder)
        items = [(chunk, objects[part]) for chunk, part in enumerate(parts)]
        for part, found in zip(parts, pool(partial(_Chunks.draw, chunks), items, "drawing stamps"), strict=True):
            where[part] = found
    return Drawn(objects, where, folder, grid.beam_area)


def peak_of(pixels: Pixels) -> float:
    """Brightest pixel of unit flux: Jy/beam per Jy."""
    return float(pixels.values.max())
