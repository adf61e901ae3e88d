"""The baselines as tasks of the training loop: validation figures, sheets, weights folders. Knows no loop and no FITS.

The losses of a generator and its critic say nothing of how good the images are. What is validated does: the distance of
small patches (Karras et al. 2017, section 5), and how much the images differ from each other, which falls where a
generator draws the same image again and again.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from radiff.data.loader import Batch
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, Steps, initial_noise
from radiff.models.io import Part, save_weights
from radiff.paper.baselines import BASELINES, PART, baseline_config
from radiff.paper.baselines.ddpm import Ddpm
from radiff.paper.losses import CRITIC, GENERATOR, AdversarialLoss, DdpmLoss, PgganLoss, scene_of
from radiff.paper.settings import DdpmSettings
from radiff.sky import quicklook
from radiff.training.autoencoder import snr_pictures
from radiff.training.norms import measure_norms
from radiff.training.task import TrainedNetwork

SHOWN = 6
LIMIT = 12.0
"""Scaled intensity at which a sheet ends: what is hardly trained may draw anything."""
PATCH, PATCHES, DIRECTIONS, LEVELS = 7, 64, 128, 4
"""Of `patch_distance`: side of a patch, patches an image, directions, levels of the pyramid."""
COARSE = 16
"""Side of the images that `diversity` compares, pixels."""


class AdversarialTask:
    """See `radiff.training.task.Adversarial`.

    Attributes
    ----------
    norm_batches : list of Batch
        Train cutouts that the normalisations are measured on.
    autocast : callable
        The context that networks run in.
    """

    def __init__(self, name: str, module: AdversarialLoss, settings: Any, scaling: dict[str, Any]) -> None:
        self.name, self.module, self.settings, self.scaling = name, module, settings, scaling
        self.networks = [
            TrainedNetwork(CRITIC, list(module.critic.parameters()), settings.critic_rate),
            TrainedNetwork(GENERATOR, list(module.network.parameters())),
        ]
        self.norm_batches: list[Batch] = []
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext

    @property
    def network(self) -> Any:
        """The generator."""
        return self.module.network

    @property
    def size(self) -> int:
        """Side of the images that it draws, pixels."""
        return int(self.network.config.size)

    def draw(self, batch: Batch, first_seed: int) -> Tensor:
        """Scaled images for the cutouts of a batch."""
        scene = scene_of(batch, self.module.labelled)
        generators = [torch.Generator().manual_seed(first_seed + k) for k in range(len(batch))]
        noise = self.network.noise(scene, generators).to(batch.images.device)
        with self.autocast():
            images: Tensor = self.network(noise, scene)
        return images.float()

    def _measure(self) -> None:
        self.network.eval()
        numbers = iter(range(len(self.norm_batches)))
        measure_norms(self.network, lambda batch: self.draw(batch, 10**6 * (1 + next(numbers))), self.norm_batches)

    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """``val/loss``: distance of patches from real ones; ``val/spread``: diversity in units of real images'."""
        self._measure()
        drawn = torch.cat([self.draw(batch, 1000 * k) for k, batch in enumerate(batches)]).cpu()
        real = torch.cat([batch.images for batch in batches]).cpu()
        relative = diversity(drawn) / max(diversity(real), 1e-9)
        return {"val/loss": patch_distance(real, drawn), "val/spread": relative}

    def draw_sheet(self, batches: list[Batch], path: Path) -> None:
        """Real val cutouts above drawn ones."""
        masked = BASELINES[self.name].conditional
        draw_baseline_sheet(path, batches[0], self.draw(batches[0], 0), self.scaling, masked)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder: the generator alone."""
        self._measure()
        content = {"scaling": self.scaling, "training": {self.name: info}}
        save_weights(folder, {PART: Part(self.network, baseline_config(self.network))}, content)


class PgganTask(AdversarialTask):
    """See `radiff.training.task.Growing`."""

    module: PgganLoss

    def follow(self, progress: float) -> None:
        """Stand where the course of the run says."""
        level = level_at(progress, self.settings.stages)
        self.module.network.grow_to(level)
        self.module.critic.grow_to(level)


def level_at(progress: float, stages: Sequence[float]) -> float:
    """The level at `progress`, 0 to 1: each stage fades its layers in over its first half, the first one has none to.

    Parameters
    ----------
    stages : sequence of float
        Lengths of the stages, in any unit.
    """
    place = progress * sum(stages)
    for number, length in enumerate(stages):
        if place < length or number == len(stages) - 1:
            return number - 1.0 + min(2.0 * place / length, 1.0) if number else 0.0
        place -= length
    raise ValueError("no stages")


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
        noise = noise.to(batches[0].images.device)
        steps = Steps(self.settings.num_steps, self.objective.last_angle, generators)
        with self.autocast():
            drawn = self.network.sample(self.objective, noise, self.settings.sampler, steps)
        draw_baseline_sheet(path, batches[0], drawn, self.scaling, masked=False)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder."""
        content = {
            "scaling": self.scaling,
            "diffusion": self.diffusion.to_dict(),
            "sampling": {"sampler": self.settings.sampler, "num_steps": self.settings.num_steps},
            "training": {self.name: info},
        }
        save_weights(folder, {PART: Part(self.network, baseline_config(self.network))}, content)


def draw_baseline_sheet(path: Path, batch: Batch, drawn: Tensor, scaling: dict[str, Any], masked: bool) -> None:
    """Real cutouts above those `drawn`, scaled; the masks on both where `masked`."""
    below = snr_pictures(drawn[:SHOWN].clamp(-LIMIT, LIMIT), scaling)
    real = snr_pictures(batch.images[: len(below)], scaling)
    count = len(real)
    masks = [*batch.masks[:count].cpu().numpy().astype("uint8")]
    shown = masks + (masks if masked else [np.zeros_like(mask) for mask in masks])
    titles = ["real"] * count + ["drawn"] * count
    quicklook(path, real + below[:count], titles, masks=shown, rms=1.0, ncols=count)


# ---------------------------------------------------------------- figures of images, without any network


def patch_distance(real: Tensor, drawn: Tensor, seed: int = 0) -> float:
    """Sliced Wasserstein distance of 7 x 7 patches, over the levels of a Laplacian pyramid; 0 = alike.

    Parameters
    ----------
    real, drawn : Tensor (n, 1, ny, nx)
        As many of each.

    Returns
    -------
    float
        Mean over the levels, each in units of the standard deviation of the real level.
    """
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for a, b in zip(_pyramid(real), _pyramid(drawn), strict=True):
        count = len(a) * PATCHES
        first, second = (_patches(x, generator) for x in (a, b))
        directions = F.normalize(torch.randn(PATCH**2, DIRECTIONS, generator=generator), dim=0)
        sorted_a, sorted_b = ((x @ directions).sort(0).values for x in (first, second))
        distances.append((sorted_a - sorted_b).abs().sum() / (count * DIRECTIONS) / a.std().clamp(min=1e-6))
    return float(torch.stack(distances).mean())


def diversity(images: Tensor) -> float:
    """Mean distance of two of the `images` (n, 1, ny, nx), at 16 pixels a side; 0 where all are the same."""
    coarse = F.adaptive_avg_pool2d(images.float(), COARSE).flatten(1).double()
    count = len(coarse)
    return float(torch.cdist(coarse, coarse).sum() / max(count * (count - 1), 1))


def _pyramid(images: Tensor) -> list[Tensor]:
    levels: list[Tensor] = []
    x = images.float().cpu()
    while len(levels) < LEVELS - 1 and min(x.shape[-2:]) >= 2 * PATCH:
        lower = F.avg_pool2d(x, 2)
        levels.append(x - F.interpolate(lower, scale_factor=2, mode="bilinear"))
        x = lower
    return [*levels, x]


def _patches(images: Tensor, generator: torch.Generator) -> Tensor:
    """(n * PATCHES, PATCH**2), from random places."""
    count, _, ny, nx = images.shape
    y, x = (torch.randint(n - PATCH + 1, (count, PATCHES), generator=generator) for n in (ny, nx))
    step = torch.arange(PATCH)
    rows, columns = y[..., None, None] + step[:, None], x[..., None, None] + step
    which = torch.arange(count)[:, None, None, None]
    return images[which, 0, rows, columns].flatten(0, 1).flatten(1)
