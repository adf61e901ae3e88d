"""The mask model's task: fields of real masks out of noise, the numbers of objects dropped by chance (section 5.2)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radiff.data.loader import turn
from radiff.data.mask_set import MaskSet
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, Steps, initial_noise, sample
from radiff.errors import InputError
from radiff.masks.fields import fields_to_mask, mask_to_fields
from radiff.masks.review import LABELS, REVIEW_COLORS
from radiff.masks.rules import MaskRules
from radiff.models.io import Part, save_weights
from radiff.models.mask_model import ANY, MaskModel, MaskModelConfig
from radiff.sky import quicklook
from radiff.training.config import MaskModelSettings

STEPS_OF_ONE = 127
"""A field is kept in steps of 1 / 127 of a full one."""
SHOWN = 6


@dataclass
class MaskBatch:
    """Tensors of one batch.

    Attributes
    ----------
    fields : Tensor (batch, 3, ny, nx), float32
        See `radiff.masks.fields`.
    numbers : Tensor (batch, 3), float32
        Spurious, compact, extended objects.
    """

    fields: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.fields)


class MaskLoader:
    """Batches of masks that hold an object; each a function of (seed, step, process) alone.

    Parameters
    ----------
    masks : MaskSet
    batch_size : int
        Of this process.
    reach : float
        Of the fields, pixels.
    seed : int
    device : torch.device or str
    augment : bool
        The eight turns and flips; off, masks come in order (for validation).
    process, processes : int
        As of `radiff.data.loader.PackLoader`.
    """

    def __init__(
        self,
        masks: MaskSet,
        batch_size: int,
        reach: float,
        seed: int = 0,
        device: torch.device | str = "cpu",
        augment: bool = True,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        filled = masks.subset(masks.counts.sum(1) > 0)
        if not len(filled):
            raise InputError("no mask holds an object; there is nothing to learn")
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self.device, self.process, self.processes = torch.device(device), process, processes
        self.numbers = filled.counts
        ny, nx = filled.labels.shape[1:]
        self.fields = np.empty((len(filled), 3, ny, nx), np.int8)
        for target, mask in zip(self.fields, filled.masks(), strict=True):
            target[:] = np.rint(mask_to_fields(mask, reach) * STEPS_OF_ONE)
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Masks an epoch."""
        return len(self.fields)

    def batch(self, step: int) -> MaskBatch:
        """The batch of training step `step` (counted from 0)."""
        first = (step * self.processes + self.process) * self.batch_size
        chosen = np.array([self._index(first + k) for k in range(self.batch_size)])
        fields = torch.from_numpy(self.fields[chosen]).to(self.device).float() / STEPS_OF_ONE
        if self.augment:
            random = np.random.default_rng((self.seed, 1, step, self.process))
            turns = random.integers(8, size=len(chosen)).tolist()
            fields = torch.stack([turn(one, symmetry) for one, symmetry in zip(fields, turns, strict=True)])
        return MaskBatch(fields, torch.from_numpy(self.numbers[chosen]).to(self.device).float())

    def _index(self, sample_number: int) -> int:
        """Which mask is the one seen at that place, over all epochs."""
        epoch, place = divmod(sample_number, len(self))
        if not self.augment:
            return place
        if self._order is None or self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng((self.seed, 0, epoch)).permutation(len(self)))
        return int(self._order[1][place])


class MaskModelLoss(nn.Module):
    """(batch, generator) to the loss."""

    def __init__(self, model: MaskModel, objective: Objective, settings: MaskModelSettings) -> None:
        super().__init__()
        self.model, self.objective, self.settings = model, objective, settings

    def forward(self, batch: MaskBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        count, device = len(batch), batch.fields.device
        clean = self.model.pack(batch.fields)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        angle = self.objective.draw_angles(count, generator).to(device)
        chance = torch.rand(count, 4, generator=generator).to(device)
        dropped = (chance[:, :3] < self.settings.class_dropout) | (chance[:, 3:] < self.settings.count_dropout)
        numbers = torch.where(dropped, float(ANY), batch.numbers)
        output = self.model(self.objective.noised(clean, noise, angle), angle, numbers).float()
        error = (output - self.model.target(clean, noise, angle)).square()
        early = (angle > torch.pi / 4).float()
        each = error.mean((1, 2, 3))
        noisy = (each * early).sum() / early.sum().clamp(min=1)
        return error.mean(), {"mse_noisy": noisy}


class MaskModelTask:
    """See `radiff.training.task.Task`.

    Attributes
    ----------
    about : dict
        What goes with the weights: the counts of the training masks and the rules measured on them.
    """

    name = "masks"

    def __init__(self, settings: MaskModelSettings, size: int) -> None:
        if settings.sampler not in SAMPLERS:
            raise ValueError(f"{settings.sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
        config = MaskModelConfig(
            size=size,
            factor=settings.factor,
            reach=settings.reach,
            gain=settings.gain,
            channels=settings.channels,
            layers=settings.layers,
            attention=settings.attention,
            head_width=settings.head_width,
        )
        self.settings = settings
        self.diffusion = DiffusionConfig("angle", time_shift=settings.time_shift)
        self.model = MaskModel(config)
        self.module = MaskModelLoss(self.model, Objective(self.diffusion), settings)
        self.about: dict[str, Any] = {}

    def learn_masks(self, masks: MaskSet, loader: MaskLoader) -> None:
        """Measure on the training masks what the model and its users must know of them."""
        fields = torch.from_numpy(loader.fields[:: max(1, len(loader) // 512)]).float() / STEPS_OF_ONE
        self.model.measure(fields)
        counts, often = np.unique(masks.counts[masks.counts.sum(1) > 0], axis=0, return_counts=True)
        rules = MaskRules.of([masks.objects(k) for k in range(len(masks))], masks.labels.shape[1])
        self.about = {
            "counts": np.concatenate([counts, often[:, None]], 1).tolist(),
            "rules": rules.to_json(),
            "masks": len(loader),
        }

    def validate(self, batches: list[MaskBatch]) -> dict[str, float]:
        """Loss over `batches`, always with the same noise and angles."""
        generator = torch.Generator().manual_seed(0)
        losses = [self.module(batch, generator) for batch in batches]
        noisy = torch.stack([figures["mse_noisy"] for _, figures in losses]).mean()
        return {"val/loss": float(torch.stack([loss for loss, _ in losses]).mean()), "val/mse_noisy": float(noisy)}

    def draw_sheet(self, batches: list[MaskBatch], path: Path) -> None:
        """Real val masks above masks of the same numbers of objects."""
        batch = batches[0]
        numbers = batch.numbers[:SHOWN]
        noise, generators = initial_noise(range(len(numbers)), self.model.config.shape)

        def denoise(x: Tensor, angle: Tensor) -> Tensor:
            return self.model.velocity(x, angle, numbers)

        steps = Steps(self.settings.num_steps, generators=generators)
        planes = sample(denoise, noise.to(numbers.device), self.settings.sampler, steps)
        made = fields_to_mask(self.model.unpack(planes).cpu().numpy())
        real = fields_to_mask(batch.fields[:SHOWN].cpu().numpy())
        masks = [*real, *made]
        titles = [" ".join(f"{int(n)}" for n in row) for row in numbers.tolist()] * 2
        blank = [np.full(mask.shape, -3.0, np.float32) for mask in masks]  # black
        quicklook(path, blank, titles, masks, 1.0, len(numbers), contour_colors=REVIEW_COLORS, labels=LABELS)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder."""
        sampling = {"sampler": self.settings.sampler, "num_steps": self.settings.num_steps}
        content = {
            "diffusion": self.diffusion.to_dict(),
            "sampling": {"masks": sampling | {"guidance": self.settings.guidance}},
            "masks": self.about,
            "training": {"masks": info},
        }
        save_weights(folder, {"masks": Part(self.model, self.model.config.to_dict())}, content)
