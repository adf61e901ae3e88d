"""A mask and a style to an image: SPADE (Park et al. 2019). Knows no training and no FITS.

Written here, not taken from MONAI, so that INADE (`radiff.paper.baselines.inade`) is the same decoder with another
normalisation, as it is in its paper. As published, but for these: the style is that of a background image, not of the
image itself; masks are averaged to the coarse levels, not sampled, or small objects would be lost; the last tanh spans
scaled intensities of -`reach` to `reach`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from radiff.paper.baselines.scene import Scene, normal

CLASSES = 4
FIRST = 4
"""Side of the coarsest level, pixels."""
BLOCKS = ((16, False), (16, True), (16, False), (8, True), (4, True), (2, True), (1, True))
"""Channels of each residual block, in units of the width, and whether the resolution is doubled before it."""
SIZE = FIRST * 2 ** sum(grows for _, grows in BLOCKS)
Norm = Callable[[int], nn.Module]


@dataclass(frozen=True)
class SpadeConfig:
    """Sizes of a `Spade`.

    Attributes
    ----------
    width : int
        Channels of the finest level; published: 64.
    hidden : int
        Channels between a mask and what it modulates; published: 128.
    latent : int
        Numbers that a style has; published: 256.
    reach : float
        Largest scaled intensity.
    classes : int
    """

    width: int = 64
    hidden: int = 128
    latent: int = 256
    reach: float = 8.0
    classes: int = CLASSES

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return SIZE


class SpadeNorm(nn.Module):
    """Batch normalisation without parameters, then a gain and a shift at every pixel, by the mask about it (Eq. 1)."""

    def __init__(self, channels: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Conv2d(classes, hidden, 3, padding=1)
        self.modulation = nn.Conv2d(hidden, 2 * channels, 3, padding=1)  # gain and shift

    def forward(self, x: Tensor, guide: dict[int, Tensor]) -> Tensor:
        """`x` (batch, c, h, w), `guide` as of `pyramid`."""
        gain, shift = self.modulation(F.relu(self.shared(guide[x.shape[-1]]))).chunk(2, 1)
        return torch.addcmul(shift, self.norm(x), 1.0 + gain)


def pyramid(planes: Tensor) -> dict[int, Tensor]:
    """Planes (batch, c, size, size) by the side of a level: averaged down to the coarsest one."""
    levels = {planes.shape[-1]: planes}
    while planes.shape[-1] > FIRST:
        planes = F.avg_pool2d(planes, 2)
        levels[planes.shape[-1]] = planes
    return levels


class ModulatedBlock(nn.Module):
    """Residual block whose normalisations are told of the mask (Figure 4)."""

    def __init__(self, c_in: int, c_out: int, norm: Norm) -> None:
        super().__init__()
        middle = min(c_in, c_out)
        self.norms = nn.ModuleList([norm(c_in), norm(middle)])
        self.convs = nn.ModuleList(
            [
                spectral_norm(nn.Conv2d(c_in, middle, 3, padding=1)),
                spectral_norm(nn.Conv2d(middle, c_out, 3, padding=1)),
            ]
        )
        self.bridge_norm = norm(c_in) if c_in != c_out else None
        self.bridge = spectral_norm(nn.Conv2d(c_in, c_out, 1, bias=False)) if c_in != c_out else None

    def forward(self, x: Tensor, guide: Any) -> Tensor:
        """(batch, c_in, h, w) -> (batch, c_out, h, w)."""
        bridge = x
        if self.bridge is not None and self.bridge_norm is not None:
            bridge = self.bridge(self.bridge_norm(x, guide))
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(F.leaky_relu(norm(x, guide), 0.2))
        return bridge + x


class Decoder(nn.Module):
    """Features at 4 pixels a side to an image, told of the mask at every level."""

    def __init__(self, width: int, reach: float, norm: Norm) -> None:
        super().__init__()
        self.reach = reach
        widths = [BLOCKS[0][0] * width, *(width * multiple for multiple, _ in BLOCKS)]
        self.blocks = nn.ModuleList(ModulatedBlock(a, b, norm) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, x: Tensor, guide: Any) -> Tensor:
        """(batch, 16 width, 4, 4) -> scaled images (batch, 1, size, size)."""
        for block, (_, grows) in zip(self.blocks, BLOCKS, strict=True):
            x = block(F.interpolate(x, scale_factor=2) if grows else x, guide)
        return self.reach * torch.tanh(self.last(F.leaky_relu(x, 0.2)).float())


class StyleEncoder(nn.Module):
    """An image to the mean and the logarithm of the variance of its style (appendix, image encoder)."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        widths = [1, *(width * multiple for multiple in (1, 2, 4, 8, 8))]
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 3, 2, 1)) for a, b in pairwise(widths))
        self.last = nn.Linear(widths[-1] * FIRST**2, 2 * latent)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 1, size, size) -> two of (batch, latent)."""
        x = images
        for number, conv in enumerate(self.convs):
            x = conv(F.leaky_relu(x, 0.2) if number else x)
            x = F.instance_norm(x)
        mean, log_variance = self.last(F.leaky_relu(x, 0.2).flatten(1)).float().chunk(2, 1)
        return mean, log_variance


class Spade(nn.Module):
    """The generator, with the encoder of its style."""

    conditional = True

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = StyleEncoder(config.width, config.latent)
        self.first = nn.Linear(config.latent, BLOCKS[0][0] * config.width * FIRST**2)
        self.decoder = Decoder(
            config.width, config.reach, lambda channels: SpadeNorm(channels, config.classes, config.hidden)
        )

    def noise(self, scene: Scene, generators: Sequence[torch.Generator]) -> Tensor:
        """(batch, latent)."""
        return normal((self.config.latent,), generators)

    def style(self, noise: Tensor, scene: Scene, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The style drawn by `noise`: like that of the backgrounds where the scene has some, else any; and its KL
        divergence from the unit Gaussian (batch,).
        """
        if scene.backgrounds is None:
            return noise, noise.new_zeros(len(noise))
        mean, log_variance = self.encoder(scene.backgrounds)
        code = mean + (0.5 * log_variance).exp() * noise
        if scene.shown is not None:
            code = torch.where(scene.shown[:, None], code, noise)
        return code, kl(mean, log_variance)

    def decode(self, code: Tensor, scene: Scene) -> Tensor:
        """Style (batch, latent) and masks to scaled images (batch, 1, size, size)."""
        guide = pyramid(F.one_hot(scene.masks, self.config.classes).movedim(-1, 1).float())
        return self.decoder(self.first(code).unflatten(1, (-1, FIRST, FIRST)), guide)

    def forward(self, noise: Tensor, scene: Scene) -> Tensor:
        """(batch, latent) -> scaled images (batch, 1, size, size)."""
        return self.decode(self.style(noise, scene)[0], scene)


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of Gaussians from the unit one, (batch,): the sum over all but the first axis."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).flatten(1).sum(1)


class PatchCritic(nn.Module):
    """Masks and images to a score of every patch, and the features before: one scale (pix2pixHD, Wang et al. 2018)."""

    def __init__(self, width: int, layers: int, classes: int = CLASSES) -> None:
        super().__init__()
        widths = [min(width * 2**number, 8 * width) for number in range(layers)]
        strides = [2] * (layers - 1) + [1]
        convs: list[nn.Module] = [nn.Conv2d(classes + 1, widths[0], 4, strides[0], 2)]
        convs += [
            spectral_norm(nn.Conv2d(a, b, 4, stride, 2, bias=False))
            for (a, b), stride in zip(pairwise(widths), strides[1:], strict=True)
        ]
        self.convs = nn.ModuleList(convs)
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(batch, classes + 1, ny, nx) -> features of every layer, the scores last."""
        features = []
        for number, conv in enumerate(self.convs):
            x = conv(x)
            x = F.leaky_relu(F.instance_norm(x) if number else x, 0.2)
            features.append(x)
        return [*features, self.last(x)]


class MultiScaleCritic(nn.Module):
    """`PatchCritic`s at the full resolution, half of it, ..."""

    def __init__(self, width: int = 64, layers: int = 4, scales: int = 2, classes: int = CLASSES) -> None:
        super().__init__()
        self.classes = classes
        self.scales = nn.ModuleList(PatchCritic(width, layers, classes) for _ in range(scales))

    def forward(self, images: Tensor, masks: Tensor) -> list[list[Tensor]]:
        """Scaled images (batch, 1, ny, nx) and masks (batch, ny, nx) -> features of every layer of every scale."""
        x = torch.cat([images, F.one_hot(masks, self.classes).movedim(-1, 1).to(images.dtype)], 1)
        scales = []
        for number, critic in enumerate(self.scales):
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if number else x
            scales.append(critic(x))
        return scales
