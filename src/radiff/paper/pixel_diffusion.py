"""DDPM's task: the noise in noised pixels, at 64 pixels a side (Ho, Jain and Abbeel 2020, Eq. 14). Knows no FITS."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, initial_noise, sample
from radiff.models.io import Part, save_weights
from radiff.paper.adversarial import SHOWN, draw_rival_sheet
from radiff.paper.baselines import rival_config
from radiff.paper.baselines.ddpm import Ddpm
from radiff.paper.settings import DdpmSettings


class DdpmLoss(nn.Module):
    """(batch, generator) to the loss."""

    def __init__(self, network: Ddpm, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Any]]:
        clean = self.network.shrink(batch.images)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        angle = self.objective.draw_angles(len(batch), generator).to(clean.device)
        x, time = self.objective.asked(self.objective.noised(clean, noise, angle), angle)
        return (self.network(x, time).float() - noise).square().mean(), {}


class DdpmTask:
    """See `radiff.training.task.Task`.

    Attributes
    ----------
    norm_batches : list of Batch
        Train cutouts that the scale of the noise is measured on.
    autocast : callable
        The context that networks run in.
    """

    name = "ddpm"

    def __init__(self, settings: DdpmSettings, network: Ddpm, scaling: dict[str, Any]) -> None:
        if settings.sampler not in SAMPLERS:
            raise ValueError(f"{settings.sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
        self.settings, self.network, self.scaling = settings, network, scaling
        self.diffusion = DiffusionConfig("eps")  # T = 1000, betas from 1e-4 to 0.02
        self.objective = Objective(self.diffusion)
        self.module = DdpmLoss(network, self.objective)
        self.size = network.config.size
        self.norm_batches: list[Batch] = []
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext

    def prepare(self) -> None:
        """Measure the scale of the noise; before the first step."""
        images = torch.cat([batch.images for batch in self.norm_batches])
        self.network.measure(images, torch.cat([batch.masks for batch in self.norm_batches]))

    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Loss over `batches`, always with the same noise and times."""
        generator = torch.Generator().manual_seed(0)
        return {"val/loss": float(torch.stack([self.module(batch, generator)[0] for batch in batches]).mean())}

    def draw_sheet(self, batches: list[Batch], path: Path) -> None:
        """Real val cutouts above drawn ones."""
        inner = self.network.config.inner
        noise, generators = initial_noise(range(SHOWN), (self.network.config.channels, inner, inner))

        def velocity(x: Tensor, angle: Tensor) -> Tensor:
            with self.autocast():
                said = self.network(*self.objective.asked(x, angle)).float()
            return self.objective.velocity(x, said, angle, self.network.reach)

        pixels = sample(
            velocity,
            noise.to(batches[0].images.device),
            self.settings.sampler,
            self.settings.num_steps,
            generators,
            last_angle=self.objective.last_angle,
        )
        draw_rival_sheet(path, batches[0], self.network.grow(pixels), self.scaling, masked=False)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder."""
        content = {
            "scaling": self.scaling,
            "diffusion": self.diffusion.to_dict(),
            "sampling": {"sampler": self.settings.sampler, "num_steps": self.settings.num_steps},
            "training": {self.name: info},
        }
        save_weights(folder, {"rival": Part(self.network, rival_config(self.network))}, content)
