"""A pack of whole fields to batches of crops made on the device: zoomed, stretched, turned. Knows no networks.

Every batch is a function of (seed, step, process) alone, so a resumed run sees what the uninterrupted one would.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from radiff.data.crops import CropOptions, Dice, beams_seen, draw_matrices, level_and_rms, peak_codes
from radiff.data.fields import FieldPack
from radiff.data.loader import Batch
from radiff.data.noise import noise_like
from radiff.data.scaling import SnrAsinh
from radiff.errors import InputError
from radiff.sky.beam import FWHM

MARGIN = 1.0
"""Pixels that a resampled crop keeps from the edge of its field, for the interpolation."""


class FieldLoader:
    """Batches of crops of the fields of one split.

    Parameters
    ----------
    pack : FieldPack
    split : str
        ``train`` or ``val``; fields of the other are never seen.
    batch_size : int
        Of this process.
    options : CropOptions
    scaling : SnrAsinh
        What images, skies and noise are scaled by.
    seed : int
    device : torch.device or str
    resident : bool
        Keep the split's fields on the device (for a GPU); on a CPU the memory maps of the pack are as good.
    process : int
        Which of several training processes this is; each draws crops of its own.

    Raises
    ------
    InputError
        Where no field of the split is as large as a crop.
    """

    def __init__(
        self,
        pack: FieldPack,
        split: str,
        batch_size: int,
        options: CropOptions,
        scaling: SnrAsinh,
        seed: int = 0,
        device: torch.device | str = "cpu",
        resident: bool = False,
        process: int = 0,
    ) -> None:
        self.batch_size, self.options, self.scaling, self.seed = batch_size, options, scaling, seed
        self.device, self.process = torch.device(device), process
        sizes = np.array([(row.nx, row.ny) for row in pack.rows])
        inside = pack.of_split(split)
        chosen = inside[sizes[inside].min(1) >= options.size]
        if not len(chosen):
            raise InputError(
                f"no field of the split {split!r} is as large as a crop, {options.size} pixels; "
                "use smaller crops (denoiser.crops.size)",
                pack.folder,
            )
        self.left_out = len(inside) - len(chosen)
        self._keep(pack, chosen, resident or self.device.type != "cpu")
        self.sizes = torch.from_numpy(sizes[chosen]).float().to(self.device)
        self._learn_objects(pack.objects, chosen)

    @property
    def about(self) -> dict[str, Any]:
        """What decides which crops it draws, JSON values."""
        options = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self.options).items()}
        return {"source": "fields", **options}

    def __len__(self) -> int:
        """Fields."""
        return len(self.sizes)

    def _keep(self, pack: FieldPack, chosen: np.ndarray, resident: bool) -> None:
        """The arrays of the fields `chosen` on the device, or the pack's own, and where in them each field is."""
        every = (pack.images, pack.skies, pack.labels, pack.roots, pack.beams)
        if resident:
            self.arrays = tuple(torch.from_numpy(np.asarray(a)[chosen]).to(self.device) for a in every)
            self.where = torch.arange(len(chosen), device=self.device)
        else:
            self.arrays = tuple(torch.from_numpy(a) for a in every)
            self.where = torch.from_numpy(chosen)
        canvas = pack.images.shape[1:]
        side = 2 * self.options.size + 8  # no crop looks at more than that of its field
        self.window = (min(canvas[1], side), min(canvas[0], side))
        self.canvas = torch.tensor([canvas[1], canvas[0]], device=self.device)

    def _learn_objects(self, objects: np.ndarray, chosen: np.ndarray) -> None:
        """Where objects are, how often each is to be seen, and the class of each by field and number."""
        place = {int(field): k for k, field in enumerate(chosen)}
        own = objects[[int(row[0]) in place for row in objects]] if len(objects) else objects
        fields = np.array([place[int(row[0])] for row in own], np.int64)
        numbers, kinds = own[:, 1].astype(np.int64), own[:, 4].astype(np.int64)
        self.most = int(numbers.max()) if len(own) else 0
        classes = np.zeros((len(chosen), self.most + 1), np.int64)
        classes[fields, numbers] = kinds
        counts = np.bincount(kinds, minlength=4)
        weight = np.array([self.options.shares[kind - 1] / counts[kind] for kind in kinds])
        weight = weight * np.where(own[:, 5] > self.options.bright_snr, self.options.bright_factor, 1.0)
        self.near = self.options.near if weight.sum() > 0 else 0.0
        total = np.cumsum(weight) / max(float(weight.sum()), 1e-30)
        self.classes = torch.from_numpy(classes).to(self.device)
        self.chance = torch.from_numpy(total).float().to(self.device)
        self.of_object = torch.from_numpy(fields).to(self.device)
        self.at_object = torch.from_numpy(own[:, 2:4].copy()).to(self.device)

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """The batch of training step `step` (counted from 0)."""
        words = np.random.SeedSequence((self.seed, 2, step, self.process)).generate_state(1, np.uint64)
        dice = Dice(int(words[0] >> 2), self.device)
        fields, centres, matrices = self.draw_places(dice)
        return self.crop(fields, centres, matrices, dice)

    def draw_places(self, dice: Dice) -> tuple[Tensor, Tensor, Tensor]:
        """Of each crop its field (batch,), its middle there (batch, 2), (x, y), and its matrix (batch, 2, 2)."""
        count, size = self.batch_size, self.options.size
        fields = (dice.even(count) * len(self)).long().clamp(max=len(self) - 1)
        near = dice.even(count) < self.near
        chance, offset, free = dice.even(count), dice.even(count, 2, low=-0.39, high=0.39), dice.even(count, 2)
        if self.near > 0:
            picked = torch.searchsorted(self.chance, chance).clamp(max=len(self.chance) - 1)
            fields = torch.where(near, self.of_object[picked], fields)
        sizes = self.sizes[fields]
        beams = self.arrays[4][self.where[fields]]
        widths = FWHM * torch.linalg.det(beams).clamp(min=0.0) ** 0.25
        limits = (torch.minimum(sizes, sizes.new_tensor(self.window)).amin(1) - 1) / 2 - MARGIN
        matrices, plain = draw_matrices(widths, limits, self.options, dice)
        centres = free * (sizes - 1)
        if self.near > 0:
            beside = self.at_object[picked] + torch.einsum("bij,bj->bi", matrices, offset * size)
            centres = torch.where(near[:, None], beside, centres)
        half = (size - 1) / 2
        centres = torch.where(plain[:, None], (centres - half).round() + half, centres)
        reach = matrices.abs().sum(2) * half
        return fields, torch.minimum(torch.maximum(centres, reach), sizes - 1 - reach), matrices

    def crop(self, fields: Tensor, centres: Tensor, matrices: Tensor, dice: Dice) -> Batch:
        """The crops of `fields` (batch,) about `centres` (batch, 2) through `matrices` (batch, 2, 2)."""
        size = self.options.size
        step = torch.arange(size, device=self.device) - (size - 1) / 2
        offsets = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1)
        at = torch.einsum("bij,yxj->byxi", matrices, offsets) + centres[:, None, None]
        where = self.where[fields]
        snr = self._sampled(where, centres, at)
        level, rms = level_and_rms(snr[:, 1])
        snr = (snr - level[:, None, None, None]) / rms[:, None, None, None]
        labels = self._labels(where, fields, at)
        masks = self.classes[fields].gather(1, labels.flatten(1)).view_as(labels)
        noise = noise_like(self.arrays[3][where], matrices, (size, size), dice.generator)
        scaled = torch.asinh(torch.cat([snr, noise[:, None]], dim=1) / self.scaling.softness)
        beams = beams_seen(self.arrays[4][where], matrices)
        peaks = peak_codes(snr[:, 0], labels, self.most)
        return Batch(scaled[:, :1], masks, peaks, scaled[:, 1:2], beams, scaled[:, 2:])

    def _sampled(self, where: Tensor, centres: Tensor, at: Tensor) -> Tensor:
        """Images and skies (batch, 2, size, size) at positions (batch, size, size, 2) of their fields.

        Only a window around each crop is taken from its field, so that large fields cost no more than small ones.
        """
        window = torch.tensor(self.window, device=self.device)
        corner = torch.minimum((centres.floor().long() - window // 2).clamp(min=0), self.canvas - window)
        xs = corner[:, :1] + torch.arange(self.window[0], device=self.device)
        ys = corner[:, 1:] + torch.arange(self.window[1], device=self.device)
        inside = (where[:, None, None], ys[:, :, None], xs[:, None, :])
        pictures = torch.stack([self.arrays[0][inside], self.arrays[1][inside]], dim=1).float()
        grid = (2.0 * (at - corner[:, None, None]) + 1.0) / window - 1.0
        return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="border", align_corners=False)

    def _labels(self, where: Tensor, fields: Tensor, at: Tensor) -> Tensor:
        """(batch, size, size), int64: the object that the nearest pixel of the field belongs to."""
        pixel = torch.minimum(at.round().long().clamp(min=0), (self.sizes[fields].long() - 1)[:, None, None])
        return self.arrays[2][where[:, None, None], pixel[..., 1], pixel[..., 0]].long()
