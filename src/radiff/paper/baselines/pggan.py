"""512 random numbers to an image, by networks that grow: PG-GAN (Karras et al. 2017). Knows no training and no FITS.

Both networks begin at 4 pixels a side. Where they stand is their `level`: 0 is 4 pixels, 1 is 8, ...; at 1.3 the layers
of 16 pixels have a part of 0.3 in the image, the layers before them the rest (Figure 2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.paper.baselines.scene import Scene, normal

FIRST = 4
GROUP = 4
"""Images whose deviation the critic is told of."""


@dataclass(frozen=True)
class PgganConfig:
    """Sizes of a `Pggan`.

    Attributes
    ----------
    latent : int
        Random numbers an image; published: 512.
    widths : tuple of int
        Channels at 4, 8, 16, ... pixels a side; published: 512, 512, 512, 512, 256, 128 for 128 pixels, and half as
        many at each further level.
    channels : int
        Of the images.
    """

    latent: int = 512
    widths: tuple[int, ...] = (512, 512, 512, 512, 256, 128)
    channels: int = 1

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return FIRST * 2 ** (len(self.widths) - 1)


class EqualConv(nn.Module):
    """Convolution whose weights start as unit Gaussians and are scaled when used: all learn at one rate (4.1)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, padding: int = 0, gain: float = math.sqrt(2.0)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.scale, self.padding = gain / math.sqrt(c_in * kernel**2), padding

    def forward(self, x: Tensor) -> Tensor:
        """(batch, c_in, h, w) -> (batch, c_out, h, w)."""
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


def pixel_norm(x: Tensor) -> Tensor:
    """Every pixel's channels to a mean square of 1 (4.2)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Growing(nn.Module):
    """A network that grows, and where it stands, which is saved with its weights."""

    level: Tensor
    blocks: nn.ModuleList

    def __init__(self, top: int) -> None:
        super().__init__()
        self.top = top
        self.register_buffer("level", torch.tensor(float(top)))

    def grow_to(self, level: float) -> None:
        """Stand at `level`, from 0 to the last one."""
        self.level.fill_(min(max(level, 0.0), float(self.top)))

    def block(self, number: int) -> list[nn.Module]:
        """The two layers between the levels `number` and `number` + 1."""
        return list(self.blocks[number].children())

    @property
    def stand(self) -> tuple[int, float]:
        """The finest layers in use, and their part in the image."""
        level = float(self.level)
        finest = math.ceil(level)
        return finest, 1.0 - (finest - level)


class Pggan(Growing):
    """The generator."""

    conditional = False

    def __init__(self, config: PgganConfig) -> None:
        super().__init__(len(config.widths) - 1)
        self.config = config
        first = config.widths[0]
        self.first = nn.ModuleList([EqualConv(config.latent, first, FIRST, FIRST - 1), EqualConv(first, first, 3, 1)])
        self.blocks = nn.ModuleList(
            nn.ModuleList([EqualConv(a, b, 3, 1), EqualConv(b, b, 3, 1)]) for a, b in pairwise(config.widths)
        )
        self.to_image = nn.ModuleList(EqualConv(width, config.channels, 1, gain=1.0) for width in config.widths)

    def noise(self, scene: Scene, generators: Sequence[torch.Generator]) -> Tensor:
        """(batch, latent)."""
        return normal((self.config.latent,), generators)

    def draw(self, noise: Tensor) -> Tensor:
        """(batch, latent) -> images (batch, channels, n, n) at the level where the network stands."""
        finest, part = self.stand
        x = pixel_norm(noise)[:, :, None, None]
        for conv in self.first:
            x = pixel_norm(F.leaky_relu(conv(x), 0.2))
        before = x
        for number in range(finest):
            before = x
            x = F.interpolate(x, scale_factor=2)
            for conv in self.block(number):
                x = pixel_norm(F.leaky_relu(conv(x), 0.2))
        image: Tensor = self.to_image[finest](x)
        if part < 1.0:
            coarse = F.interpolate(self.to_image[finest - 1](before), scale_factor=2)
            image = torch.lerp(coarse.float(), image.float(), part)
        return image.float()

    def forward(self, noise: Tensor, scene: Scene) -> Tensor:
        """(batch, latent) -> scaled images (batch, channels, size, size); coarse pixels are repeated."""
        return F.interpolate(self.draw(noise), self.config.size)


class PgganCritic(Growing):
    """Images at the level where the network stands to a score each."""

    def __init__(self, config: PgganConfig) -> None:
        super().__init__(len(config.widths) - 1)
        widths = config.widths
        self.from_image = nn.ModuleList(EqualConv(config.channels, width, 1) for width in widths)
        self.blocks = nn.ModuleList(
            nn.ModuleList([EqualConv(b, b, 3, 1), EqualConv(b, a, 3, 1)]) for a, b in pairwise(widths)
        )
        self.middle = EqualConv(widths[0] + 1, widths[0], 3, 1)
        self.final = EqualConv(widths[0], widths[0], FIRST)
        self.last = EqualConv(widths[0], 1, 1, gain=1.0)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, n, n) -> (batch,)."""
        finest, part = self.stand
        x = F.leaky_relu(self.from_image[finest](images), 0.2)
        for number in range(finest, 0, -1):
            for conv in self.block(number - 1):
                x = F.leaky_relu(conv(x), 0.2)
            x = F.avg_pool2d(x, 2)
            if number == finest and part < 1.0:
                coarse = F.leaky_relu(self.from_image[finest - 1](F.avg_pool2d(images, 2)), 0.2)
                x = torch.lerp(coarse.float(), x.float(), part)
        x = torch.cat([x, deviation_plane(x)], 1)
        x = F.leaky_relu(self.final(F.leaky_relu(self.middle(x), 0.2)), 0.2)
        scores: Tensor = self.last(x)
        return scores.flatten()


def deviation_plane(x: Tensor) -> Tensor:
    """(batch, 1, h, w): how much the images of a group differ, the same at every pixel (section 3)."""
    group = math.gcd(len(x), GROUP)
    parts = x.float().unflatten(0, (group, -1))
    variance = (parts - parts.mean(0)).square().mean(0)
    deviation = torch.sqrt(variance + 1e-8).mean((1, 2, 3))
    return deviation.repeat(group)[:, None, None, None].expand(-1, 1, *x.shape[-2:]).to(x.dtype)


def at_level(images: Tensor, level: float) -> Tensor:
    """Images (batch, c, size, size) as a network at `level` is to draw them: averaged, and in between half faded."""
    finest = math.ceil(level)
    side = FIRST * 2**finest
    fine = F.avg_pool2d(images, images.shape[-1] // side)
    part = 1.0 - (finest - level)
    return torch.lerp(F.interpolate(F.avg_pool2d(fine, 2), scale_factor=2), fine, part) if part < 1.0 else fine
