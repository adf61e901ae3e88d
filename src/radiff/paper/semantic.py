"""The losses of SPADE and INADE: hinge, features matched, styles kept near Gaussian. Knows no FITS.

Published with one loss more, on features of a network that was trained on photographs (VGG). It is left out: it would
say little of radio images.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.paper.adversarial import Contest, Figures
from radiff.paper.baselines import Scene

Scores = list[list[Tensor]]


class SemanticContest(Contest):
    """See `Contest`.

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

    def make(self, batch: Batch, scene: Scene, generators: Sequence[torch.Generator]) -> tuple[Tensor, Any]:
        noise = self.network.noise(scene, generators).to(batch.images.device)
        code, divergence = self.network.style(noise, scene, batch.images)
        return self.network.decode(code, scene), divergence.mean()

    def critic_loss(
        self, batch: Batch, scene: Scene, made: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Figures]:
        real, drawn = self._scores(batch.images, made, scene.masks)
        losses = [F.relu(1.0 - a[-1]).mean() + F.relu(1.0 + b[-1]).mean() for a, b in zip(real, drawn, strict=True)]
        loss = torch.stack(losses).mean()
        return loss, {"critic_loss": loss}

    def maker_loss(self, batch: Batch, scene: Scene, made: Tensor, more: Any) -> tuple[Tensor, Figures]:
        real, drawn = self._scores(batch.images, made, scene.masks)
        fool = torch.stack([-b[-1].mean() for b in drawn]).mean()
        apart = [
            (one - other.detach()).abs().mean()
            for a, b in zip(real, drawn, strict=True)
            for other, one in zip(a[:-1], b[:-1], strict=True)
        ]
        matched = torch.stack(apart).sum() / len(real)
        loss = fool + self.feature_weight * matched + self.kl_weight * more
        return loss, {"fool": fool, "features": matched, "kl": more}

    def _scores(self, real: Tensor, made: Tensor, masks: Tensor) -> tuple[Scores, Scores]:
        """What the critic finds in real images and in those made, in one pass."""
        found = self.critic(torch.cat([real, made]), torch.cat([masks, masks]))
        floats = [[x.float() for x in scale] for scale in found]
        count = len(real)
        return [[x[:count] for x in scale] for scale in floats], [[x[count:] for x in scale] for scale in floats]
