"""PG-GAN's losses and the course of its growth (Karras et al. 2017). Knows no FITS."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from radiff.data.loader import Batch
from radiff.paper.adversarial import AdversarialTask, Contest, Figures
from radiff.paper.baselines import Scene
from radiff.paper.baselines.pggan import Pggan, PgganCritic, at_level
from radiff.paper.settings import PgganSettings

PENALTY = 10.0
DRIFT = 1e-3


class PgganContest(Contest):
    """Wasserstein distance with a penalty on gradients that are not 1 (Gulrajani et al. 2017; appendix A.1)."""

    network: Pggan
    critic: PgganCritic

    def make(self, batch: Batch, scene: Scene, generators: Sequence[torch.Generator]) -> tuple[Tensor, Any]:
        return self.network.draw(self.network.noise(scene, generators).to(batch.images.device)), None

    def critic_loss(
        self, batch: Batch, scene: Scene, made: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        images = at_level(batch.images, float(self.critic.level))
        part = torch.rand(len(images), 1, 1, 1, generator=generator).to(images.device)
        between = torch.lerp(images, made.to(images.dtype), part).requires_grad_(True)
        real, drawn, said = (self.critic(x).float() for x in (images, made, between))
        (slope,) = torch.autograd.grad(said.sum(), between, create_graph=True)
        penalty = (slope.float().flatten(1).norm(dim=1) - 1.0).square().mean()
        distance = real.mean() - drawn.mean()
        loss = PENALTY * penalty - distance + DRIFT * real.square().mean()
        return loss, {"distance": distance, "penalty": penalty, "level": self.critic.level}

    def maker_loss(self, batch: Batch, scene: Scene, made: Tensor, more: Any) -> tuple[Tensor, Figures]:
        return -self.critic(made).float().mean(), {}


class PgganTask(AdversarialTask):
    """See `radiff.training.task.Growing`."""

    module: PgganContest
    settings: PgganSettings

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
