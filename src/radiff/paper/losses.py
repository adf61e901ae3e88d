"""What the baselines are trained for: a generator against its critic, or the noise in noised pixels. Knows no FITS.

SPADE and INADE are published with one loss more, on features of a network that was trained on photographs (VGG). It is
left out: it would say little of radio images.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.diffusion.objectives import Objective
from radiff.masks import mask_to_objects
from radiff.masks.instances import objects_to_labels
from radiff.paper.baselines import Scene
from radiff.paper.baselines.ddpm import Ddpm
from radiff.paper.baselines.pggan import Pggan, PgganCritic, at_level

CRITIC, GENERATOR = "critic", "generator"
GRADIENT_PENALTY, DRIFT = 10.0, 1e-3
Figures = dict[str, Any]
Features = list[list[Tensor]]
"""Of each scale of a critic those of each layer, the scores last."""


def scene_of(batch: Batch, labelled: bool) -> Scene:
    """What a baseline is told of the cutouts of a batch; the objects of a mask are its connected parts."""
    labels = torch.zeros_like(batch.masks)
    if labelled:
        arrays = [objects_to_labels(mask_to_objects(mask), mask.shape) for mask in batch.masks.cpu().numpy()]
        labels = torch.from_numpy(np.stack(arrays)).to(batch.masks)
    return Scene(batch.masks, labels, batch.skies)


class AdversarialLoss(nn.Module, ABC):
    """(batch, generator, which) to the loss of the critic or of the generator. The critic is first, on the same images.

    Parameters
    ----------
    network, critic : nn.Module
        See `radiff.paper.baselines`.
    labelled : bool
        Whether the network takes the object that a pixel belongs to.
    """

    network: Any
    critic: Any

    def __init__(self, network: nn.Module, critic: nn.Module, labelled: bool = False) -> None:
        super().__init__()
        self.network, self.critic, self.labelled = network, critic, labelled
        self._drawn: Any = None

    def forward(self, batch: Batch, generator: torch.Generator, which: str) -> tuple[Tensor, Figures]:
        if which == CRITIC:
            self.critic.requires_grad_(True)
            scene = scene_of(batch, self.labelled)
            images, extra = self.draw(batch, scene, [generator] * len(batch))
            self._drawn = scene, images, extra  # drawn once for both: the generator's gradients are through these
            return self.critic_loss(batch, scene, images.detach(), generator)
        (scene, images, extra), self._drawn = self._drawn, None
        self.critic.requires_grad_(False)  # or its gradients would be worked out for nothing
        return self.generator_loss(batch, scene, images, extra)

    def draw(self, batch: Batch, scene: Scene, generators: Sequence[torch.Generator]) -> tuple[Tensor, Any]:
        """Images for a batch, and what else their loss needs."""
        noise = self.network.noise(scene, generators).to(batch.images.device)
        return self.network(noise, scene), None

    @abstractmethod
    def critic_loss(
        self, batch: Batch, scene: Scene, images: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        """Of the critic, on real images and on generated `images`."""

    @abstractmethod
    def generator_loss(self, batch: Batch, scene: Scene, images: Tensor, extra: Any) -> tuple[Tensor, Figures]:
        """Of the generator."""


class DcganLoss(AdversarialLoss):
    """Cross entropy; the generator raises the logarithm of what the critic gives its images (Goodfellow 2014)."""

    def critic_loss(
        self, batch: Batch, scene: Scene, images: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        real, drawn = self.critic(batch.images).float(), self.critic(images).float()
        right = 0.5 * ((real > 0).float().mean() + (drawn < 0).float().mean())
        loss = F.softplus(-real).mean() + F.softplus(drawn).mean()
        return loss, {"critic_loss": loss, "critic_right": right}

    def generator_loss(self, batch: Batch, scene: Scene, images: Tensor, extra: Any) -> tuple[Tensor, Figures]:
        return F.softplus(-self.critic(images).float()).mean(), {}


class PgganLoss(AdversarialLoss):
    """Wasserstein distance with a penalty on gradients that are not 1 (Gulrajani et al. 2017; Karras, appendix A.1)."""

    network: Pggan
    critic: PgganCritic

    def draw(self, batch: Batch, scene: Scene, generators: Sequence[torch.Generator]) -> tuple[Tensor, Any]:
        return self.network.draw(self.network.noise(scene, generators).to(batch.images.device)), None

    def critic_loss(
        self, batch: Batch, scene: Scene, images: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        true = at_level(batch.images, float(self.critic.level))
        part = torch.rand(len(true), 1, 1, 1, generator=generator).to(true.device)
        between = torch.lerp(true, images.to(true.dtype), part).requires_grad_(True)
        real, drawn, middle = (self.critic(x).float() for x in (true, images, between))
        (slope,) = torch.autograd.grad(middle.sum(), between, create_graph=True)
        penalty = (slope.float().flatten(1).norm(dim=1) - 1.0).square().mean()
        distance = real.mean() - drawn.mean()
        loss = GRADIENT_PENALTY * penalty - distance + DRIFT * real.square().mean()
        return loss, {"distance": distance, "penalty": penalty, "level": self.critic.level}

    def generator_loss(self, batch: Batch, scene: Scene, images: Tensor, extra: Any) -> tuple[Tensor, Figures]:
        return -self.critic(images).float().mean(), {}


class SemanticLoss(AdversarialLoss):
    """Of SPADE and INADE: hinge, the critic's features matched, styles kept near Gaussian.

    Parameters
    ----------
    feature_weight, kl_weight : float
        Published: 10 and 0.05.
    """

    def __init__(
        self, network: nn.Module, critic: nn.Module, labelled: bool, feature_weight: float, kl_weight: float
    ) -> None:
        super().__init__(network, critic, labelled)
        self.feature_weight, self.kl_weight = feature_weight, kl_weight

    def draw(self, batch: Batch, scene: Scene, generators: Sequence[torch.Generator]) -> tuple[Tensor, Any]:
        noise = self.network.noise(scene, generators).to(batch.images.device)
        code, divergence = self.network.style(noise, scene, batch.images)
        return self.network.decode(code, scene), divergence.mean()

    def critic_loss(
        self, batch: Batch, scene: Scene, images: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        real, drawn = self._features(batch.images, images, scene.masks)
        losses = [F.relu(1.0 - a[-1]).mean() + F.relu(1.0 + b[-1]).mean() for a, b in zip(real, drawn, strict=True)]
        loss = torch.stack(losses).mean()
        return loss, {"critic_loss": loss}

    def generator_loss(self, batch: Batch, scene: Scene, images: Tensor, extra: Any) -> tuple[Tensor, Figures]:
        real, drawn = self._features(batch.images, images, scene.masks)
        fool = torch.stack([-b[-1].mean() for b in drawn]).mean()
        apart = [
            (y - x.detach()).abs().mean()
            for a, b in zip(real, drawn, strict=True)
            for x, y in zip(a[:-1], b[:-1], strict=True)
        ]
        matched = torch.stack(apart).sum() / len(real)
        loss = fool + self.feature_weight * matched + self.kl_weight * extra
        return loss, {"fool": fool, "features": matched, "kl": extra}

    def _features(self, real: Tensor, drawn: Tensor, masks: Tensor) -> tuple[Features, Features]:
        """The critic's features of real and of generated images, in one pass."""
        scales = self.critic(torch.cat([real, drawn]), torch.cat([masks, masks]))
        floats = [[x.float() for x in scale] for scale in scales]
        count = len(real)
        return [[x[:count] for x in scale] for scale in floats], [[x[count:] for x in scale] for scale in floats]


class DdpmLoss(nn.Module):
    """(batch, generator) to the error of the noise that is predicted (Ho, Jain and Abbeel 2020, Eq. 14)."""

    def __init__(self, network: Ddpm, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Figures]:
        clean = self.network.shrink(batch.images)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        angle = self.objective.draw_angles(len(batch), generator).to(clean.device)
        x, time = self.objective.model_input(self.objective.noised(clean, noise, angle), angle)
        return (self.network(x, time).float() - noise).square().mean(), {}
