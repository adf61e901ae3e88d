"""Scaled images to class scores of every pixel: the networks by name, a light U-Net among them. Knows no FITS.

`Tiramisu` (`radiff.models.tiramisu`) is the paper's; `LightUNet` works at half the resolution but for its last layers,
so that it is some ten times as fast.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.models.blocks import ResBlock
from radiff.models.tiramisu import TIRAMISU, Tiramisu, TiramisuConfig


@dataclass(frozen=True)
class LightUNetConfig:
    """Sizes of a `LightUNet`.

    Attributes
    ----------
    widths : tuple of int
        Channels at 1/2, 1/4, 1/8, ... of the resolution.
    fine : int
        Channels at the full resolution.
    in_channels, classes : int
    """

    widths: tuple[int, ...] = (48, 96, 192)
    fine: int = 16
    in_channels: int = 1
    classes: int = 4


class LightUNet(nn.Module):
    """Class scores (logits) of every pixel; any size, best in multiples of `factor`."""

    def __init__(self, config: LightUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, fine = config.widths, config.fine
        self.first = nn.Conv2d(4 * config.in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(ResBlock(w, w) for w in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.middle = ResBlock(widths[-1], widths[-1])
        self.grow = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(ResBlock(2 * w, w) for w in widths[:-1])
        self.finest = nn.Conv2d(widths[0], 4 * fine, 1)
        self.mix = nn.Conv2d(fine + config.in_channels, fine, 3, padding=1)
        self.last = nn.Conv2d(fine, config.classes, 3, padding=1)

    @property
    def factor(self) -> int:
        """Pixels that share one pixel of the coarsest level, along a side."""
        return 2 ** len(self.down)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, ny, nx) -> logits (batch, classes, ny, nx)."""
        ny, nx = image.shape[-2:]
        image = F.pad(image, (0, -nx % self.factor, 0, -ny % self.factor), mode="replicate")
        x = self.first(F.pixel_unshuffle(image, 2))
        skips = []
        for number, block in enumerate(self.down):
            x = block(self.shrink[number - 1](x) if number else x)
            skips.append(x)
        x = self.middle(skips.pop())
        for number in reversed(range(len(skips))):
            x = F.pixel_shuffle(self.grow[number](x), 2)
            x = self.up[number](torch.cat([x, skips[number]], 1))
        x = F.silu(F.pixel_shuffle(self.finest(x), 2))
        x = F.silu(self.mix(torch.cat([x, image], 1)))
        return self.last(x)[..., :ny, :nx]


Segmenter = Tiramisu | LightUNet
SEGMENTERS: dict[str, TiramisuConfig | LightUNetConfig] = {"light-unet": LightUNetConfig(), **TIRAMISU}
"""Sizes by name."""


def build_segmenter(config: TiramisuConfig | LightUNetConfig) -> Segmenter:
    """A new network of that kind and size."""
    return Tiramisu(config) if isinstance(config, TiramisuConfig) else LightUNet(config)


def segmenter_config(network: Segmenter) -> dict[str, Any]:
    """Kind and sizes of a network as JSON values, for `segmenter_from`."""
    return {"kind": "tiramisu" if isinstance(network, Tiramisu) else "light-unet", **asdict(network.config)}


def segmenter_from(config: dict[str, Any]) -> Segmenter:
    """A new network from what `segmenter_config` gave.

    Raises
    ------
    ValueError
        For another kind.
    """
    sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k != "kind"}
    if config.get("kind") == "tiramisu":
        return Tiramisu(TiramisuConfig(**sizes))
    if config.get("kind") == "light-unet":
        return LightUNet(LightUNetConfig(**sizes))
    raise ValueError(f"{config.get('kind')!r} is no kind of segmenter; there are: tiramisu, light-unet")


def confusions(truth: Tensor, found: Tensor, classes: int = 4) -> Tensor:
    """(n, classes, classes): pixels of each true class (row) by the class found (column), for masks (n, ny, nx)."""
    count = len(truth)
    index = (torch.arange(count, device=truth.device)[:, None] * classes + truth.flatten(1)) * classes
    return torch.bincount((index + found.flatten(1)).flatten(), minlength=count * classes**2).view(
        count, classes, classes
    )


def iou(table: Tensor) -> Tensor:
    """Intersection over union (..., classes) of confusions (..., classes, classes); NaN for a class in neither."""
    shared = table.diagonal(dim1=-2, dim2=-1).double()
    return shared / (table.sum(-1) + table.sum(-2) - shared)
