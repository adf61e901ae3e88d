"""100 random numbers to an image: DCGAN (Radford, Metz and Chintala 2015). Knows no training and no FITS.

As published, but for two things. The images have 128 pixels a side, not 64: both networks have one layer more, of half
as many channels as the finest published one. The last tanh spans scaled intensities of -`reach` to `reach`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.paper.baselines.scene import Scene, normal

FIRST = 4
"""Side of the coarsest layer, pixels."""


@dataclass(frozen=True)
class DcganConfig:
    """Sizes of a `Dcgan`.

    Attributes
    ----------
    latent : int
        Random numbers an image.
    widths : tuple of int
        Channels at 4, 8, 16, ... pixels a side; the image has twice the last one's. Published: 1024, 512, 256, 128.
    kernel : int
        Side of the kernels, odd; published: 5.
    reach : float
        Largest scaled intensity.
    """

    latent: int = 100
    widths: tuple[int, ...] = (1024, 512, 256, 128, 64)
    kernel: int = 5
    reach: float = 8.0

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return FIRST * 2 ** len(self.widths)


class Dcgan(nn.Module):
    """The generator."""

    conditional = False

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.project = nn.Linear(config.latent, widths[0] * FIRST**2, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a, b, config.kernel, 2, config.kernel // 2, output_padding=1, bias=last)
            for a, b, last in _layers((*widths, 1))
        )
        start(self)

    def noise(self, scene: Scene, generators: Sequence[torch.Generator]) -> Tensor:
        """(batch, latent)."""
        return normal((self.config.latent,), generators)

    def forward(self, noise: Tensor, scene: Scene) -> Tensor:
        """(batch, latent) -> scaled images (batch, 1, size, size)."""
        x = self.project(noise).unflatten(1, (-1, FIRST, FIRST))
        for norm, grow in zip(self.norms, self.grow, strict=True):
            x = grow(F.relu(norm(x)))
        return self.config.reach * torch.tanh(x.float())


class DcganCritic(nn.Module):
    """The discriminator: scaled images to a logit each, above 0 for real."""

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        self.first = nn.Conv2d(1, widths[0], config.kernel, 2, config.kernel // 2)
        self.shrink = nn.ModuleList(
            nn.Conv2d(a, b, config.kernel, 2, config.kernel // 2, bias=False) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.last = nn.Linear(widths[-1] * FIRST**2, 1)
        start(self)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, 1, size, size) -> (batch,)."""
        x = F.leaky_relu(self.first(images), 0.2)
        for shrink, norm in zip(self.shrink, self.norms, strict=True):
            x = F.leaky_relu(norm(shrink(x)), 0.2)
        logits: Tensor = self.last(x.flatten(1))
        return logits[:, 0]


def _layers(widths: tuple[int, ...]) -> list[tuple[int, int, bool]]:
    """Neighbouring widths, and whether they are the last ones."""
    pairs = list(pairwise(widths))
    return [(a, b, number == len(pairs) - 1) for number, (a, b) in enumerate(pairs)]


def start(network: nn.Module) -> None:
    """Section 4: weights from a Gaussian of deviation 0.02; gains of normalisations about 1."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
