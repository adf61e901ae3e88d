"""A generator against its critic: the task of every adversarial rival, and the losses of DCGAN. Knows no FITS."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.masks import mask_to_objects
from radiff.masks.instances import objects_to_labels
from radiff.models.io import Part, save_weights
from radiff.paper.baselines import RIVALS, Scene, rival_config
from radiff.paper.textures import patch_distance, spread
from radiff.sky import quicklook
from radiff.training.autoencoder import snr_pictures
from radiff.training.config import Section
from radiff.training.norms import measure_norms
from radiff.training.task import Player

CRITIC, MAKER = "critic", "generator"
SHOWN = 6
LIMIT = 12.0
"""Scaled intensity at which a sheet ends: what is hardly trained may draw anything."""
Figures = dict[str, Any]


def scene_of(batch: Batch, labelled: bool) -> Scene:
    """What a rival is told of the cutouts of a batch; the objects of a mask are its connected parts."""
    labels = torch.zeros_like(batch.masks)
    if labelled:
        drawn = [objects_to_labels(mask_to_objects(mask), mask.shape) for mask in batch.masks.cpu().numpy()]
        labels = torch.from_numpy(np.stack(drawn)).to(batch.masks)
    return Scene(batch.masks, labels, batch.skies)


class Contest(nn.Module, ABC):
    """(batch, generator, player) to the loss of the player whose turn it is. The critic is first, on the same images.

    Parameters
    ----------
    network, critic : nn.Module
        See `radiff.paper.baselines`.
    labelled : bool
        Whether the network asks which object a pixel belongs to.
    """

    network: Any
    critic: Any

    def __init__(self, network: nn.Module, critic: nn.Module, labelled: bool = False) -> None:
        super().__init__()
        self.network, self.critic, self.labelled = network, critic, labelled
        self._kept: Any = None

    def forward(self, batch: Batch, generator: torch.Generator, player: str) -> tuple[Tensor, Figures]:
        if player == CRITIC:
            self.critic.requires_grad_(True)
            scene = scene_of(batch, self.labelled)
            made, more = self.make(batch, scene, [generator] * len(batch))
            self._kept = scene, made, more
            return self.critic_loss(batch, scene, made.detach(), generator)
        (scene, made, more), self._kept = self._kept, None
        self.critic.requires_grad_(False)  # its gradients are not wanted now
        return self.maker_loss(batch, scene, made, more)

    def make(self, batch: Batch, scene: Scene, generators: Sequence[torch.Generator]) -> tuple[Tensor, Any]:
        """Images for a batch, and what else their loss asks for."""
        noise = self.network.noise(scene, generators).to(batch.images.device)
        return self.network(noise, scene), None

    @abstractmethod
    def critic_loss(
        self, batch: Batch, scene: Scene, made: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        """Of the critic, on real images and on those `made`."""

    @abstractmethod
    def maker_loss(self, batch: Batch, scene: Scene, made: Tensor, more: Any) -> tuple[Tensor, Figures]:
        """Of the generator."""


class DcganContest(Contest):
    """Cross entropy; the generator raises the logarithm of what the critic gives its images (Goodfellow 2014)."""

    def critic_loss(
        self, batch: Batch, scene: Scene, made: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        real, drawn = self.critic(batch.images).float(), self.critic(made).float()
        right = 0.5 * ((real > 0).float().mean() + (drawn < 0).float().mean())
        loss = F.softplus(-real).mean() + F.softplus(drawn).mean()
        return loss, {"critic_loss": loss, "critic_right": right}

    def maker_loss(self, batch: Batch, scene: Scene, made: Tensor, more: Any) -> tuple[Tensor, Figures]:
        return F.softplus(-self.critic(made).float()).mean(), {}


class AdversarialTask:
    """See `radiff.training.task.Task` and `Contest`.

    Attributes
    ----------
    norm_batches : list of Batch
        Train cutouts that the normalisations are measured on.
    autocast : callable
        The context that networks run in.
    """

    def __init__(
        self,
        name: str,
        module: Contest,
        settings: Section,
        scaling: dict[str, Any],
        rates: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.name, self.module, self.settings, self.scaling = name, module, settings, scaling
        self.players = [
            Player(CRITIC, list(module.critic.parameters()), rates[0]),
            Player(MAKER, list(module.network.parameters()), rates[1]),
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
        """``val/loss``: distance of patches from real ones; ``val/spread``: in units of that of real images."""
        self._measure()
        made = torch.cat([self.draw(batch, 1000 * k) for k, batch in enumerate(batches)]).cpu()
        real = torch.cat([batch.images for batch in batches]).cpu()
        return {"val/loss": patch_distance(real, made), "val/spread": spread(made) / max(spread(real), 1e-9)}

    def draw_sheet(self, batches: list[Batch], path: Path) -> None:
        """Real val cutouts above drawn ones."""
        masked = RIVALS[self.name].conditional
        draw_rival_sheet(path, batches[0], self.draw(batches[0], 0), self.scaling, masked)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder: the generator alone."""
        self._measure()
        content = {"scaling": self.scaling, "training": {self.name: info}}
        save_weights(folder, {"rival": Part(self.network, rival_config(self.network))}, content)


def draw_rival_sheet(path: Path, batch: Batch, drawn: Tensor, scaling: dict[str, Any], masked: bool) -> None:
    """Real cutouts above those `drawn`, scaled; the masks on both where `masked`."""
    made = snr_pictures(drawn[:SHOWN].clamp(-LIMIT, LIMIT), scaling)
    real = snr_pictures(batch.images[: len(made)], scaling)
    masks = [*batch.masks[: len(real)].cpu().numpy().astype("uint8")]
    made, count = made[: len(real)], len(real)
    below = masks if masked else [np.zeros_like(mask) for mask in masks]
    titles = ["real"] * count + ["drawn"] * count
    quicklook(path, real + made, titles, masks=masks + below, rms=1.0, ncols=count)
