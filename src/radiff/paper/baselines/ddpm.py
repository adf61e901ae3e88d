"""Noised pixels and a time to the noise in them: DDPM (Ho, Jain and Abbeel 2020). Knows no training and no FITS.

The U-Net of diffusers, at 64 pixels a side, as the RADiff paper has it. For a comparison at 128 pixels, images are
brought to 64, and what is drawn back to 128, by cubic interpolation. White noise seen with a beam of three pixels loses
2.4 % of its power on the way there and back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.diffusion.objectives import Objective
from radiff.diffusion.sampling import Steps, sample
from radiff.paper.baselines.scene import Scene, normal


@dataclass(frozen=True)
class DdpmConfig:
    """Sizes of a `Ddpm`.

    Attributes
    ----------
    size : int
        Side of the images, pixels.
    inner : int
        Side of what is denoised, pixels.
    widths : tuple of int
        Channels of the levels; published: 128, 256, 256, 256 (32 x 32 pixels, CIFAR10).
    layers : int
        Residual blocks a level; published: 2.
    attention : tuple of bool
        Which levels attend; published: that of 16 pixels a side.
    head_width : int
        Channels of an attention head; 0: one head (published).
    dropout : float
        Published: 0.1.
    channels : int
        Of the images.
    reach : float
        Scaled intensities beyond which nothing is drawn; published: the range of the images.
    """

    size: int = 128
    inner: int = 64
    widths: tuple[int, ...] = (128, 256, 256, 256)
    layers: int = 2
    attention: tuple[bool, ...] = (False, False, True, False)
    head_width: int = 0
    dropout: float = 0.1
    channels: int = 1
    reach: float = 8.0

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.widths):
            raise ValueError(f"attention needs one entry a level: {len(self.widths)}, not {len(self.attention)}")
        if self.inner % 2 ** (len(self.widths) - 1):
            raise ValueError(f"{self.inner} pixels cannot be halved {len(self.widths) - 1} times")


class Ddpm(nn.Module):
    """The denoiser, and the way from images to what it denoises and back."""

    conditional = False
    deviation: Tensor

    def __init__(self, config: DdpmConfig) -> None:
        from diffusers import UNet2DModel  # slow to import

        super().__init__()
        self.config = config
        self.register_buffer("deviation", torch.tensor(1.0))
        attends = config.attention
        self.unet: Any = UNet2DModel(
            sample_size=config.inner,
            in_channels=config.channels,
            out_channels=config.channels,
            block_out_channels=config.widths,
            layers_per_block=config.layers,
            down_block_types=tuple("AttnDownBlock2D" if here else "DownBlock2D" for here in attends),
            up_block_types=tuple("AttnUpBlock2D" if here else "UpBlock2D" for here in attends[::-1]),
            attention_head_dim=config.head_width or None,
            norm_num_groups=min(32, min(config.widths) // 4),
            norm_eps=1e-6,
            downsample_padding=0,
            flip_sin_to_cos=False,
            freq_shift=1,
            dropout=config.dropout,
        )

    def noise(self, scene: Scene, generators: Sequence[torch.Generator]) -> Tensor:
        """(batch, channels, inner, inner)."""
        return normal((self.config.channels, self.config.inner, self.config.inner), generators)

    def shrink(self, images: Tensor) -> Tensor:
        """Scaled images (batch, c, size, size) to clean pixels (batch, c, inner, inner)."""
        small = F.interpolate(images, self.config.inner, mode="bicubic", align_corners=False)
        return small / self.deviation

    def grow(self, pixels: Tensor) -> Tensor:
        """The way back: (batch, c, inner, inner) -> scaled images (batch, c, size, size)."""
        return F.interpolate(pixels * self.deviation, self.config.size, mode="bicubic", align_corners=False)

    @property
    def reach(self) -> Tensor:
        """The largest clean pixel."""
        return self.config.reach / self.deviation

    @torch.no_grad()
    def measure(self, images: Tensor, masks: Tensor) -> None:
        """Set `deviation`, so that the noise of the images, off their objects, has variance 1 once shrunk."""
        self.deviation.fill_(1.0)
        near = F.max_pool2d((masks > 0)[:, None].float(), 5, 1, 2)  # the kernel of `shrink` reaches so far
        clear = F.adaptive_max_pool2d(near, self.config.inner) == 0
        self.deviation.copy_(self.shrink(images)[clear.expand(-1, self.config.channels, -1, -1)].std())

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Noised pixels (batch, c, inner, inner) at `time` (batch,), 0 to 1000 -> the noise in them."""
        noise: Tensor = self.unet(x, time, return_dict=False)[0]
        return noise

    def sample(self, objective: Objective, noise: Tensor, sampler: str, steps: Steps) -> Tensor:
        """Noise (batch, c, inner, inner) to scaled images (batch, c, size, size)."""
        return self.grow(sample(objective.denoiser(self, self.reach), noise, sampler, steps))
