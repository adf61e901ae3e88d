"""Images to feature vectors: ResNet18 in plain torch. Knows no FITS, no masks, no training.

He et al. 2016 (arXiv:1512.03385, Table 1): four stages of two residual blocks. With three input channels and 1000
classes it has the published 11,689,512 parameters.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class ResNetConfig:
    """Sizes of a ResNet18.

    Attributes
    ----------
    in_channels : int
        1 for radio images.
    widths : tuple of int
        Channels of the four stages; the last is the length of a feature vector.
    classes : int
        Outputs of a final linear layer; 0 = none, `ResNet18.forward` gives the feature vectors.
    standardised : bool
        Each feature has mean 0 and variance 1 over the training images (a batch normalisation without parameters):
        else the few that say how bright the brightest source is outweigh all others in a distance.
    compressed : bool
        log(1 + x) of the last activations: sources differ by decades in brightness, and without it a hundredth of the
        images, the brightest, hold most of the variance of all features.
    """

    in_channels: int = 1
    widths: tuple[int, ...] = (64, 128, 256, 512)
    classes: int = 0
    standardised: bool = False
    compressed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: ``ResNetConfig(**config.to_dict())`` is the same."""
        return asdict(self)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (its Figure 2): (batch, c_in, ny, nx) -> (batch, c_out, ny/s, nx/s)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(h)) + self.shortcut(x), inplace=True)


class ResNet18(nn.Module):
    """(batch, in_channels, ny, nx) to feature vectors (batch, widths[-1]), or class scores where there are classes.

    Any size from 32 pixels on; the features are means over the image (global average pooling).
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        first, *_ = config.widths
        self.conv1 = nn.Conv2d(config.in_channels, first, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.pool = nn.MaxPool2d(3, 2, 1)
        width, stages = first, []
        for number, c_out in enumerate(config.widths):
            stages.append(nn.Sequential(BasicBlock(width, c_out, 1 if number == 0 else 2), BasicBlock(c_out, c_out, 1)))
            width = c_out
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm1d(width, affine=False) if config.standardised else nn.Identity()
        self.fc: nn.Module = nn.Linear(width, config.classes) if config.classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        """Feature vectors, or class scores."""
        x = self.pool(F.relu(self.bn1(self.conv1(image)), inplace=True))
        x = self.stages(x)
        if self.config.compressed:
            x = torch.log1p(x)
        return self.fc(self.norm(x.mean((-2, -1))))
