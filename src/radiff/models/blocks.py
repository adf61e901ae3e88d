"""Building blocks of the networks: residual block, self-attention, changes of resolution. Knows no FITS, no training.

Every normalisation here acts on the channels of one pixel, never over the image, so what a network does at one place
does not depend on a bright source elsewhere, and a large image can be worked on in tiles.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel; (batch, c, ny, nx), fast for channels-last tensors."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def start_at_zero(conv: nn.Conv2d) -> None:
    """Set a convolution's weights to zero, so that what it is added to passes unchanged at first."""
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def dct_patches(size: int, channels: int) -> Tensor:
    """The `channels` lowest-frequency cosines of a size x size patch, orthonormal: (channels, 1, size, size).

    Type-II discrete cosine transform, ordered by the distance of the frequency from zero.

    Raises
    ------
    ValueError
        Where more channels are asked for than the patch has pixels.
    """
    if channels > size**2:
        raise ValueError(f"a {size} x {size} patch has {size**2} cosines, {channels} were asked for")
    pixel = torch.arange(size, dtype=torch.float64) + 0.5
    basis = torch.stack([torch.cos(math.pi * k * pixel / size) for k in range(size)])
    basis /= basis.norm(dim=1, keepdim=True)
    order = sorted(((u, v) for u in range(size) for v in range(size)), key=lambda uv: (uv[0] ** 2 + uv[1] ** 2, uv))
    return torch.stack([torch.outer(basis[u], basis[v]) for u, v in order[:channels]])[:, None].float()


class ResBlock(nn.Module):
    """x + convolutions(x): `convs` 3x3 convolutions, the last starting at zero.

    (batch, c_in, ny, nx) -> (batch, c_out, ny, nx).
    """

    def __init__(self, c_in: int, c_out: int, convs: int = 2) -> None:
        super().__init__()
        self.norm = ChannelNorm(c_in)
        widths = [c_in] + [c_out] * convs
        convolutions = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)]
        start_at_zero(convolutions[-1])
        self.convs = nn.ModuleList(convolutions)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        for conv in self.convs:
            h = conv(F.silu(h))
        return self.skip(x) + h


class SelfAttention(nn.Module):
    """Multi-head self-attention over all pixels with a residual connection (Eq. 6); shape kept."""

    def __init__(self, channels: int, head_width: int = 64) -> None:
        super().__init__()
        self.heads = max(1, channels // head_width)
        self.norm = ChannelNorm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        start_at_zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, ny, nx = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, 3, self.heads, channels // self.heads, ny * nx)
        query, key, value = (t.transpose(-1, -2) for t in qkv.unbind(1))  # (batch, heads, ny * nx, width)
        h = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(h.transpose(-1, -2).reshape(batch, channels, ny, nx))
