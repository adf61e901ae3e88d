"""Scaled images to class scores of every pixel: FC-DenseNet, "the hundred layers tiramisu". Knows no FITS, no training.

Jegou et al. 2017 (arXiv:1611.09326), 56, 67 and 103 layers deep. The paper says 1.5, 3.5 and 9.4 million parameters
for three channels and 11 classes; its authors' code counts the running statistics of the normalisations too. So counted
these have 1.40, 3.50 and 9.43 million: what the paper says of 4 layers a block and 12 maps a layer does not give 1.5.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TiramisuConfig:
    """Sizes of an FC-DenseNet.

    Attributes
    ----------
    layers : tuple of int
        Layers of the dense blocks on the way down, the last one the bottleneck; the way up mirrors them.
    growth : int
        Feature maps that a layer adds.
    first : int
        Feature maps of the first convolution.
    dropout : float
        After every convolution (the paper: 0.2).
    in_channels, classes : int
    """

    layers: tuple[int, ...] = (5, 5, 5, 5, 5, 5)
    growth: int = 16
    first: int = 48
    dropout: float = 0.2
    in_channels: int = 1
    classes: int = 4


TIRAMISU = {
    "fc-densenet56": TiramisuConfig((4, 4, 4, 4, 4, 4), 12),
    "fc-densenet67": TiramisuConfig((5, 5, 5, 5, 5, 5), 16),
    "fc-densenet103": TiramisuConfig((4, 5, 7, 10, 12, 15), 16),
    "fc-densenet31": TiramisuConfig((2, 3, 4, 5), 8, 16),
}
"""The paper's networks by name (its section 4.1 and Table 2), and one of the same design that two cores can train."""


class NormConv(nn.Sequential):
    """Batch normalisation, ReLU, convolution, dropout: the paper's layer, (batch, c_in, ny, nx) -> (.., c_out, ..)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, dropout: float) -> None:
        conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2)
        super().__init__(
            nn.BatchNorm2d(c_in), nn.ReLU(inplace=True), conv, nn.Dropout(dropout) if dropout else nn.Identity()
        )


class DenseBlock(nn.Module):
    """Layers each of which sees all that came before; gives what they added: (.., count * growth, ..)."""

    def __init__(self, c_in: int, growth: int, count: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(NormConv(c_in + k * growth, growth, 3, dropout) for k in range(count))

    def forward(self, x: Tensor) -> Tensor:
        added: list[Tensor] = []
        for layer in self.layers:
            seen = torch.cat([x, *added], 1) if added else x
            added.append(layer(seen))
        return torch.cat(added, 1)


class Tiramisu(nn.Module):
    """Class scores (logits) of every pixel; any size, best in multiples of `factor`.

    Parameters
    ----------
    config : TiramisuConfig
    """

    def __init__(self, config: TiramisuConfig) -> None:
        super().__init__()
        self.config = config
        growth, dropout = config.growth, config.dropout
        *down, bottleneck = config.layers
        self.first = nn.Conv2d(config.in_channels, config.first, 3, padding=1)
        width, skips = config.first, []
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for count in down:
            self.down.append(DenseBlock(width, growth, count, dropout))
            width += count * growth
            skips.append(width)
            self.shrink.append(nn.Sequential(NormConv(width, width, 1, dropout), nn.MaxPool2d(2)))
        self.bottleneck = DenseBlock(width, growth, bottleneck, dropout)
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for (below, count), skip in zip(pairwise([bottleneck, *down[::-1]]), skips[::-1], strict=True):
            width = below * growth  # only what the block below added goes up (section 3.2)
            self.grow.append(nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1))
            self.up.append(DenseBlock(width + skip, growth, count, dropout))
        width += skips[0] + down[0] * growth
        self.last = nn.Conv2d(width, config.classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")  # "HeUniform", section 4.1
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    @property
    def factor(self) -> int:
        """Pixels that share one pixel of the bottleneck, along a side."""
        return 2 ** len(self.down)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, ny, nx) -> logits (batch, classes, ny, nx)."""
        ny, nx = image.shape[-2:]
        x = self.first(F.pad(image, (0, -nx % self.factor, 0, -ny % self.factor), mode="replicate"))
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            skips.append(torch.cat([x, block(x)], 1))
            x = shrink(skips[-1])
        x = self.bottleneck(x)
        for grow, block in zip(self.grow, self.up, strict=True):
            seen = torch.cat([grow(x), skips.pop()], 1)
            x = block(seen)
        return self.last(torch.cat([seen, x], 1))[..., :ny, :nx]
