"""Cutouts of collections to arrays that segmenters are trained on, and mixes of them. Knows no networks.

<folder>/images.npy   (n, ny, nx) float16, scaled intensities
<folder>/masks.npy    (n, ny, nx) uint8, class values
<folder>/rows.json    image, source and objects per class of each; written last
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import Collection, Row
from radiff.data.pack import Pack
from radiff.data.scaling import Paper, SnrAsinh
from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json
from radiff.parallel import Failure, run_parallel


@dataclass(frozen=True)
class Pairs:
    """Images and masks; see the module's docstring."""

    images: NDArray[np.float16]
    masks: NDArray[np.uint8]
    names: list[str]
    sources: list[str]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def open(cls, folder: Path) -> "Pairs":
        """Open what `write_pairs` wrote."""
        info = read_json(folder / "rows.json")
        images, masks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "masks"))
        return cls(images, masks, info["images"], info["sources"], np.array(info["counts"]).reshape(-1, 3))


def write_pairs(
    root: Path, rows: Sequence[Row], folder: Path, scaling: SnrAsinh | Paper, workers: int | None = 1
) -> Pairs:
    """Scale cutouts and write them into `folder`.

    Raises
    ------
    InputError
        Where the cutouts are of several sizes, or one cannot be read.
    """
    sizes = sorted({(row.ny, row.nx) for row in rows})
    if len(sizes) != 1:
        raise InputError(f"the experiments need cutouts of one size, here are {sizes}", root)
    make_folder(folder)
    read = run_parallel(partial(_read, root, scaling), rows, f"packing {folder.name}", workers)
    for one in read:
        if isinstance(one, Failure):
            raise InputError(one.message)
    np.save(folder / "images.npy", np.stack([image for image, _ in read]))
    np.save(folder / "masks.npy", np.stack([mask for _, mask in read]))
    info = {
        "images": [row.image for row in rows],
        "sources": [row.source for row in rows],
        "counts": [row.counts for row in rows],
    }
    write_json(folder / "rows.json", info, indent=None)
    return Pairs.open(folder)


def _read(root: Path, scaling: SnrAsinh | Paper, row: Row) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    one = Collection(root, [row])
    return scaling.forward(one.image(0).image, row.background, row.rms).astype(np.float16), one.mask(0)


def mixed(parts: Sequence[tuple[Pairs, Sequence[int]]], folder: Path) -> Pack:
    """Chosen cutouts of several packs together, in memory, as a training pack without peaks and skies."""
    images = np.concatenate([pairs.images[np.asarray(chosen, int)] for pairs, chosen in parts])
    masks = np.concatenate([pairs.masks[np.asarray(chosen, int)] for pairs, chosen in parts])
    nothing: Any = np.zeros((len(images), 1, 1), np.float16)
    return Pack(folder, images, masks, nothing, nothing, np.zeros(len(images), np.float32), {})
