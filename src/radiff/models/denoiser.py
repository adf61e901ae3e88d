"""Noised latents, a time and conditions to a prediction: the U-Net of section 4.2. Knows no schedule and no FITS."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from torch import Tensor, nn

from radiff.models.blocks import start_at_zero

NUM_CLASSES = 4
PLANES = NUM_CLASSES + 1  # the mask's one-hot classes and the peak asked of each object


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of a denoiser.

    Attributes
    ----------
    latent_channels, factor : int
        Those of the autoencoder.
    channels : tuple of int
        Width of each level, from fine to coarse.
    layers : int
        Residual blocks a level.
    attention : tuple of bool
        Whether a level has self-attention.
    head_width : int
        Channels of an attention head.
    """

    latent_channels: int = 12
    factor: int = 4
    channels: tuple[int, ...] = (96, 192, 256)
    layers: int = 2
    attention: tuple[bool, ...] = (False, True, True)
    head_width: int = 32

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.channels):
            raise ValueError(f"attention needs one entry a level: {len(self.channels)}, not {len(self.attention)}")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self)


def condition_planes(
    masks: Tensor, peaks: Tensor, factor: int, keep_mask: Tensor | None = None, keep_peak: Tensor | None = None
) -> Tensor:
    """Mask and peaks on the latent grid, (batch, 5 * factor**2, ny / factor, nx / factor).

    Space-to-depth of the one-hot mask: every mask pixel has a channel of its own, so no thin object is lost. A
    dropped mask is all zeros, which no real mask is (background is a class); a dropped peak is 0.

    Parameters
    ----------
    masks : Tensor (batch, ny, nx), int64
        Class values.
    peaks : Tensor (batch, ny, nx)
        log10(1 + peak / rms) of the object at a pixel, 0 where not asked.
    keep_mask, keep_peak : Tensor (batch,), bool, optional
        False = that image's condition is dropped; without a mask there are no peaks.
    """
    onehot = F.one_hot(masks, NUM_CLASSES).permute(0, 3, 1, 2).to(peaks.dtype)
    if keep_mask is not None:
        onehot = onehot * keep_mask[:, None, None, None]
        peaks = peaks * keep_mask[:, None, None]
    if keep_peak is not None:
        peaks = peaks * keep_peak[:, None, None]
    return F.pixel_unshuffle(torch.cat([onehot, peaks[:, None]], dim=1), factor)


class Denoiser(nn.Module):
    """U-Net over latents with the conditions concatenated at every step (section 4.3)."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        down = tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in config.attention)
        up = tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(config.attention))
        unet: Any = UNet2DModel(  # Any: diffusers loads its classes lazily, a type checker sees no module
            in_channels=config.latent_channels + PLANES * config.factor**2,
            out_channels=config.latent_channels,
            block_out_channels=config.channels,
            layers_per_block=config.layers,
            down_block_types=down,
            up_block_types=up,
            attention_head_dim=config.head_width,
            norm_num_groups=min(32, *config.channels),
            add_attention=any(config.attention),
        )
        start_at_zero(unet.conv_out)
        self.unet = unet

    @property
    def multiple(self) -> int:
        """Latent height and width must be multiples of this."""
        return int(2 ** (len(self.config.channels) - 1))

    def forward(self, latents: Tensor, time: Tensor, planes: Tensor) -> Tensor:
        """Prediction of the latents' shape (batch, c, h, w); `time` (batch,), `planes` from `condition_planes`.

        Any height and width: latents are padded by reflection to a multiple of `multiple` and cut back.
        """
        height, width = latents.shape[-2:]
        pad = (0, -width % self.multiple, 0, -height % self.multiple)
        x = torch.cat([latents, planes.to(latents.dtype)], dim=1)
        if any(pad):
            x = F.pad(x, pad, mode="reflect")
        return self.unet(x, time).sample[..., :height, :width]
