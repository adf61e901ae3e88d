"""A mask, its objects and noise for each of them to an image: INADE (Tan et al. 2021). Knows no training and no FITS.

The decoder is SPADE's with another normalisation. Each class has a distribution of gains and shifts in every layer, and
each object draws its own from it, with the same noise in every layer. An encoder can turn the noise of an object to
what an image of it looks like; here that is done in training, and for the background, by the background image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from radiff.paper.baselines.scene import Scene
from radiff.paper.baselines.spade import BLOCKS, CLASSES, FIRST, SIZE, Decoder, kl, pyramid


@dataclass(frozen=True)
class InadeConfig:
    """Sizes of an `Inade`.

    Attributes
    ----------
    width : int
        Channels of the finest level; published: 64.
    latent : int
        Numbers that the noise of an object has; published: 64.
    reach : float
        Largest scaled intensity.
    classes : int
    """

    width: int = 64
    latent: int = 64
    reach: float = 8.0
    classes: int = CLASSES

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return SIZE


@dataclass
class Objects:
    """The objects of a batch, the background as number 0, and those that an image has not.

    Attributes
    ----------
    levels : dict of int to Tensor (batch, objects, h, w)
        Part of a pixel that is of an object, by the side of a level.
    classes : Tensor (batch, objects), int64
    code : Tensor (batch, objects, latent)
    """

    levels: dict[int, Tensor]
    classes: Tensor
    code: Tensor


class InadeNorm(nn.Module):
    """Batch normalisation without parameters, then a gain and a shift for every object, drawn from its class's."""

    def __init__(self, channels: int, classes: int, latent: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        mean = torch.cat([torch.ones(classes, channels), torch.zeros(classes, channels)], 1)
        self.mean = nn.Parameter(mean)  # gains and shifts of each class
        self.deviation = nn.Parameter(torch.full((classes, 2 * channels), 0.1))
        self.draw = nn.Linear(latent, 2 * channels)

    def forward(self, x: Tensor, guide: Objects) -> Tensor:
        """`x` (batch, c, h, w)."""
        drawn = self.mean[guide.classes] + self.deviation[guide.classes] * self.draw(guide.code)
        level = guide.levels[x.shape[-1]]
        gain, shift = torch.einsum("bkc,bkhw->bchw", drawn.to(level.dtype), level).chunk(2, 1)
        return torch.addcmul(shift.to(x.dtype), self.norm(x), gain.to(x.dtype))


class ObjectEncoder(nn.Module):
    """An image to the mean and the logarithm of the variance of each object's code: features averaged over objects."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        widths = [1, width, 2 * width, 4 * width]
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 3, 2 if number else 1, 1)) for number, (a, b) in enumerate(pairwise(widths))
        )
        self.last = nn.Linear(widths[-1], 2 * latent)

    def forward(self, images: Tensor, levels: dict[int, Tensor]) -> tuple[Tensor, Tensor]:
        """(batch, 1, size, size) -> two of (batch, objects, latent)."""
        x = images
        for number, conv in enumerate(self.convs):
            x = F.leaky_relu(F.instance_norm(conv(x)) if number else conv(x), 0.2)
        part = levels[x.shape[-1]].flatten(2)
        mean_over = torch.einsum("bkp,bcp->bkc", part, x.flatten(2).to(part.dtype))
        pooled = mean_over / part.sum(2, keepdim=True).clamp(min=1e-6)
        mean, log_variance = self.last(pooled).float().chunk(2, 2)
        return mean, log_variance


class Inade(nn.Module):
    """The generator, with the encoder of its objects."""

    conditional = True

    def __init__(self, config: InadeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ObjectEncoder(config.width, config.latent)
        self.first = nn.Conv2d(config.classes + config.latent, BLOCKS[0][0] * config.width, 3, padding=1)
        self.decoder = Decoder(
            config.width, config.reach, lambda channels: InadeNorm(channels, config.classes, config.latent)
        )

    def noise(self, scene: Scene, generators: Sequence[torch.Generator]) -> Tensor:
        """(batch, objects, latent), 0 for objects that an image has not."""
        counts = (scene.labels.flatten(1).amax(1) + 1).tolist()
        noise = torch.zeros(len(counts), max(counts), self.config.latent)
        for row, count, generator in zip(noise, counts, generators, strict=True):
            row[:count] = torch.randn(count, self.config.latent, generator=generator)
        return noise

    def style(self, noise: Tensor, scene: Scene, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Codes drawn by `noise`: like the objects of `images`, where they are given, else like the background of the
        scene; and their KL divergence from the unit Gaussian (batch,), a mean over the objects of an image.
        """
        if images is None and scene.backgrounds is None:
            return noise, noise.new_zeros(len(noise))
        levels = self.levels(scene, noise.shape[1])
        mean, log_variance = self.encoder(scene.backgrounds if images is None else images, levels)
        code = mean + (0.5 * log_variance).exp() * noise
        there = (levels[self.config.size].flatten(2).amax(2) > 0)[:, :, None]
        if images is None:
            there = there & (torch.arange(noise.shape[1], device=noise.device) == 0)[None, :, None]
            if scene.shown is not None:
                there = there & scene.shown[:, None, None]
        divergence = kl(mean * there, log_variance * there) / there.flatten(1).sum(1).clamp(min=1)
        return torch.where(there, code, noise), divergence

    def levels(self, scene: Scene, count: int) -> dict[int, Tensor]:
        """Which part of a pixel is of which object, at every level."""
        return pyramid(F.one_hot(scene.labels, count).movedim(-1, 1).float())

    def decode(self, code: Tensor, scene: Scene) -> Tensor:
        """Codes (batch, objects, latent), masks and labels to scaled images (batch, 1, size, size)."""
        count = code.shape[1]
        classes = scene.masks.new_zeros(len(code), count)
        classes.scatter_reduce_(1, scene.labels.flatten(1), scene.masks.flatten(1), "amax")
        levels = self.levels(scene, count)
        guide = Objects(levels, classes, code)
        coarse = pyramid(F.one_hot(scene.masks, self.config.classes).movedim(-1, 1).float())[FIRST]
        noise = torch.einsum("bkd,bkhw->bdhw", code.float(), levels[FIRST])
        return self.decoder(self.first(torch.cat([coarse, noise], 1)), guide)

    def forward(self, noise: Tensor, scene: Scene) -> Tensor:
        """(batch, objects, latent) -> scaled images (batch, 1, size, size)."""
        return self.decode(self.style(noise, scene)[0], scene)
