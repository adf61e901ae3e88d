"""A training pack to batches of tensors: shuffled, turned and flipped with the mask in step. Knows no networks.

Every batch is a function of (seed, step, process) alone, so a resumed run sees what the uninterrupted one would.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from radiff.data.pack import Pack
from radiff.errors import InputError


@dataclass
class Batch:
    """Tensors of one batch.

    Attributes
    ----------
    images, skies : Tensor (batch, 1, ny, nx), float32
        Scaled images, and the same with their sources removed.
    masks : Tensor (batch, ny, nx), int64
    peaks : Tensor (batch, ny, nx), float32
        Peak codes.
    beams : Tensor (batch,), float32
        Beam FWHM in pixels, 0 where not known.
    """

    images: Tensor
    masks: Tensor
    peaks: Tensor
    skies: Tensor
    beams: Tensor

    def __len__(self) -> int:
        return len(self.images)


def turn(x: Tensor, symmetry: int) -> Tensor:
    """One of the eight turns and flips of the last two axes: `symmetry` % 4 quarter turns, then a flip if >= 4."""
    x = torch.rot90(x, symmetry % 4, (-2, -1))
    return x.flip(-1) if symmetry >= 4 else x


class PackLoader:
    """Batches from a pack.

    Parameters
    ----------
    pack : Pack
    batch_size : int
        Of this process.
    seed : int
    device : torch.device or str
    resident : bool
        Keep the whole pack on the device (for a GPU); else batches travel there one by one.
    augment : bool
        The eight turns and flips; off, cutouts come in order (for validation).
    empty_share : float
        Part of the cutouts without objects that an epoch holds, others each time; 1 = all of them.
    process, processes : int
        Which of how many training processes this is; together they see every cutout once an epoch.
    """

    def __init__(
        self,
        pack: Pack,
        batch_size: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
        resident: bool = False,
        augment: bool = True,
        empty_share: float = 1.0,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.pack, self.batch_size, self.seed, self.augment = pack, batch_size, seed, augment
        self.device = torch.device(device)
        self.process, self.processes = process, processes
        self.resident: tuple[Tensor, ...] | None = None
        self._order: tuple[int, np.ndarray] | None = None
        filled = np.array([mask.any() for mask in pack.masks]) if empty_share < 1 else np.ones(len(pack), bool)
        self._filled, empty = np.flatnonzero(filled), np.flatnonzero(~filled)
        self._empty, self._empty_count = empty, round(empty_share * len(empty))
        if len(self) == 0:
            raise InputError("no cutout is left to train on; set empty_share above 0", pack.folder)
        if resident:
            self.resident = tuple(torch.from_numpy(np.array(a)).to(self.device) for a in self._arrays)

    def __len__(self) -> int:
        """Cutouts an epoch."""
        return len(self._filled) + self._empty_count

    def batch(self, step: int) -> Batch:
        """The batch of training step `step` (counted from 0)."""
        first = (step * self.processes + self.process) * self.batch_size
        chosen = np.array([self._index(first + k) for k in range(self.batch_size)])
        if not self.augment:
            return self._gather(chosen)
        symmetries = np.random.default_rng((self.seed, 1, step, self.process)).integers(8, size=self.batch_size)
        if self.pack.images.shape[1] != self.pack.images.shape[2]:
            symmetries -= symmetries % 2  # a quarter turn would not fit into the batch
        order = np.argsort(symmetries, kind="stable")
        groups = [order[symmetries[order] == s] for s in range(8)]
        parts = [(self._gather(chosen[g]), s) for s, g in enumerate(groups) if len(g)]
        return Batch(
            torch.cat([turn(b.images, s) for b, s in parts]),
            torch.cat([turn(b.masks, s) for b, s in parts]),
            torch.cat([turn(b.peaks, s) for b, s in parts]),
            torch.cat([turn(b.skies, s) for b, s in parts]),
            torch.cat([b.beams for b, _ in parts]),
        )

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.pack.images, self.pack.masks, self.pack.peaks, self.pack.skies, self.pack.beams

    def _index(self, sample: int) -> int:
        """Which cutout is the `sample`-th to be seen, over all epochs."""
        epoch, place = divmod(sample, len(self))
        if self._order is None or self._order[0] != epoch:
            random = np.random.default_rng((self.seed, 0, epoch))
            empty = random.permutation(self._empty)[: self._empty_count]
            seen = np.concatenate([self._filled, empty])
            self._order = (epoch, random.permutation(seen) if self.augment else np.sort(seen))
        return int(self._order[1][place])

    def _gather(self, chosen: np.ndarray) -> Batch:
        if self.resident is not None:
            where = torch.from_numpy(chosen).to(self.device)
            images, masks, peaks, skies, beams = (a[where] for a in self.resident)
        else:
            images, masks, peaks, skies, beams = (
                torch.from_numpy(np.array(a[chosen])).to(self.device) for a in self._arrays
            )
        return Batch(images[:, None].float(), masks.long(), peaks.float(), skies[:, None].float(), beams.float())
