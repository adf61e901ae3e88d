"""Features without labels: BYOL, an online and a target network around a ResNet18. Knows no FITS, no augmentations.

Grill et al. 2020 (arXiv:2006.07733): the online network predicts what the target network, a running mean of it, says
of another view of the same image. Only the backbone is kept: its pooled output is the feature vector.

Most radio cutouts are alike, noise with one or two sources: there all features soon lie along one direction, how bright
and large the brightest source is. Two additions, which can be switched off, keep more of them in use: projections are
normalised over the batch, and the correlations of projections and of features (`overlap`) may be part of the loss.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.models.resnet import ResNet18


class Head(nn.Sequential):
    """Projector or predictor (section 3.2): linear, batch normalisation, ReLU, linear; (batch, c_in) -> (.., c_out).

    With `centred` the output is normalised over the batch too, as in SimSiam and MoCo v3.
    """

    def __init__(self, c_in: int, hidden: int, c_out: int, centred: bool = False) -> None:
        last = [nn.BatchNorm1d(c_out, affine=False)] if centred else []
        super().__init__(
            nn.Linear(c_in, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, c_out), *last
        )


class BYOL(nn.Module):
    """Online network (backbone, projector, predictor) and target network (backbone, projector).

    Parameters
    ----------
    backbone : ResNet18
        Without classes.
    hidden, projection : int
        Widths of the heads (the paper: 4096 and 256).
    centred : bool
        Normalise projections over the batch (the paper: no).
    """

    def __init__(self, backbone: ResNet18, hidden: int = 4096, projection: int = 256, centred: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = Head(backbone.config.widths[-1], hidden, projection, centred)
        self.predictor = Head(projection, hidden, projection)
        self.target = copy.deepcopy(nn.Sequential(self.backbone, self.projector)).requires_grad_(False)

    def forward(self, one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
        """The symmetric loss of two views (batch, 1, ny, nx) of the same images (Eq. 2), and the `overlap`s' sum.

        The loss is 0 where all agree, 8 at most.
        """
        count = len(one)
        views = torch.cat([one, two])
        features = self.backbone(views)
        projected = self.projector(features)
        said = self.predictor(projected)
        with torch.no_grad():
            wanted = self.target(views)
        loss = disagreement(said[:count], wanted[count:]) + disagreement(said[count:], wanted[:count])
        return loss, overlap(projected) + overlap(features)

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the target towards the online network: target = momentum * target + (1 - momentum) * online (Eq. 1)."""
        online = [*self.backbone.parameters(), *self.projector.parameters()]
        for own, other in zip(self.target.parameters(), online, strict=True):
            own.lerp_(other, 1.0 - momentum)


def disagreement(said: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared distance of unit vectors (batch, n): 2 - 2 cos (Eq. 2), 0 to 4."""
    return (2.0 - 2.0 * F.cosine_similarity(said.float(), wanted.float(), dim=-1)).mean()


def overlap(projected: Tensor) -> Tensor:
    """Mean over the dimensions of (batch, n) of the sum of their squared correlations with all others.

    0 where they are independent, n - 1 where all are one, n / batch for random numbers. As the second term of Barlow
    Twins (Zbontar et al. 2021, Eq. 1).
    """
    x = projected.float()
    x = (x - x.mean(0)) / (x.std(0, correction=0) + 1e-4)
    correlation = x.T @ x / len(x)
    return (correlation.square().sum() - correlation.diagonal().square().sum()) / x.shape[1]


def momentum_at(base: float, step: int, steps: int) -> float:
    """The target's momentum at `step` of `steps`: from `base` to 1 along a cosine (section 3.2)."""
    return 1.0 - (1.0 - base) * (math.cos(math.pi * min(step / steps, 1.0)) + 1.0) / 2.0
