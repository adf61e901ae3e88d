"""Networks on images of any size, tile by tile. Knows no networks of ours."""

from collections.abc import Callable

import torch
from torch import Tensor

from radiff.tiling import split_tiles


def tiled(network: Callable[[Tensor], Tensor], x: Tensor, scale: float, tile: int, margin: int) -> Tensor:
    """`network`, which changes the sides of x (batch, c, ny, nx) by `scale`, on tiles with a margin.

    The margin is wider than the network looks, so that no border is seen.
    """
    shape = (x.shape[-2], x.shape[-1])
    if max(shape) <= tile + 2 * margin:
        return network(x)
    lines: dict[int, list[Tensor]] = {}
    for one in split_tiles(shape, tile, margin):
        y0, y1, x0, x1 = one.box
        rows, columns = (slice(round(k.start * scale), round(k.stop * scale)) for k in one.inner)
        lines.setdefault(one.core[0], []).append(network(x[..., y0:y1, x0:x1])[..., rows, columns])
    return torch.cat([torch.cat(line, dim=-1) for line in lines.values()], dim=-2)
