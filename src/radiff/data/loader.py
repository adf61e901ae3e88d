"""A training pack to batches of tensors: shuffled, turned and flipped with the mask in step. Knows no networks.

Every batch is a function of (seed, step, process) alone, so a resumed run sees what the uninterrupted one would.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from radiff.data.noise import noise_like
from radiff.data.pack import Pack
from radiff.data.scaling import SnrAsinh
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
    beams : Tensor (batch, 2, 2), float32
        Covariance of the beam, pixels squared, axes (x, y); 0 where not known. Or of round beams the FWHM in pixels,
        (batch,).
    noise : Tensor (batch, 1, ny, nx), float32, optional
        Noise with the spectrum of each image's own, scaled as images are; None where white latents are asked for.
    """

    images: Tensor
    masks: Tensor
    peaks: Tensor
    skies: Tensor
    beams: Tensor
    noise: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


def turn(x: Tensor, symmetry: int) -> Tensor:
    """One of the eight turns and flips of the last two axes: `symmetry` % 4 quarter turns, then a flip if >= 4."""
    x = torch.rot90(x, symmetry % 4, (-2, -1))
    return x.flip(-1) if symmetry >= 4 else x


def turn_beams(beams: Tensor, symmetry: int) -> Tensor:
    """Covariances (batch, 2, 2) after `turn`; widths (batch,) stay as they are."""
    if beams.ndim == 1:
        return beams
    if symmetry % 2:
        beams = beams.flip((-2, -1))
    mirrored = (symmetry % 2 == 1) != (symmetry >= 4)  # a quarter turn and a flip each change the sign of xy
    signs = beams.new_tensor([[1.0, -1.0], [-1.0, 1.0]]) if mirrored else beams.new_ones(2, 2)
    return beams * signs


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
    noise : SnrAsinh, optional
        Draw noise with the spectrum of each cutout too, scaled so.
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
        noise: SnrAsinh | None = None,
    ) -> None:
        self.pack, self.batch_size, self.seed, self.augment = pack, batch_size, seed, augment
        if noise is not None and pack.roots is None:
            raise InputError("this training pack holds no noise spectra; make it again", pack.folder)
        self.noise = noise
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
        words = np.random.SeedSequence((self.seed, 2, step, self.process)).generate_state(1, np.uint64)
        generator = torch.Generator(device=self.device).manual_seed(int(words[0] >> 2))
        if not self.augment:
            return self._gather(chosen, generator)
        symmetries = np.random.default_rng((self.seed, 1, step, self.process)).integers(8, size=self.batch_size)
        if self.pack.images.shape[1] != self.pack.images.shape[2]:
            symmetries -= symmetries % 2  # a quarter turn would not fit into the batch
        order = np.argsort(symmetries, kind="stable")
        groups = [order[symmetries[order] == s] for s in range(8)]
        parts = [(self._gather(chosen[g], generator), s) for s, g in enumerate(groups) if len(g)]
        noise = [turn(b.noise, s) for b, s in parts if b.noise is not None]
        return Batch(
            torch.cat([turn(b.images, s) for b, s in parts]),
            torch.cat([turn(b.masks, s) for b, s in parts]),
            torch.cat([turn(b.peaks, s) for b, s in parts]),
            torch.cat([turn(b.skies, s) for b, s in parts]),
            torch.cat([turn_beams(b.beams, s) for b, s in parts]),
            torch.cat(noise) if noise else None,
        )

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        pack = self.pack
        own = (pack.images, pack.masks, pack.peaks, pack.skies, pack.beams)
        return own if self.noise is None or pack.roots is None else (*own, pack.roots)

    def _index(self, sample: int) -> int:
        """Which cutout is the `sample`-th to be seen, over all epochs."""
        epoch, place = divmod(sample, len(self))
        if self._order is None or self._order[0] != epoch:
            random = np.random.default_rng((self.seed, 0, epoch))
            empty = random.permutation(self._empty)[: self._empty_count]
            seen = np.concatenate([self._filled, empty])
            self._order = (epoch, random.permutation(seen) if self.augment else np.sort(seen))
        return int(self._order[1][place])

    def _gather(self, chosen: np.ndarray, generator: torch.Generator) -> Batch:
        if self.resident is not None:
            where = torch.from_numpy(chosen).to(self.device)
            found = [a[where] for a in self.resident]
        else:
            found = [torch.from_numpy(np.array(a[chosen])).to(self.device) for a in self._arrays]
        images, masks, peaks, skies, beams = found[:5]
        noise = None
        if self.noise is not None:
            fields = noise_like(found[5], None, (images.shape[-2], images.shape[-1]), generator)
            noise = torch.asinh(fields[:, None] / self.noise.softness)
        return Batch(images[:, None].float(), masks.long(), peaks.float(), skies[:, None].float(), beams.float(), noise)
