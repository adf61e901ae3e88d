"""Networks on images of any size, tile by tile. Knows no networks of ours."""

from collections.abc import Callable

import torch
from torch import Tensor


def tiled(network: Callable[[Tensor], Tensor], x: Tensor, scale: float, tile: int, margin: int) -> Tensor:
    """`network`, which changes the sides of x (batch, c, ny, nx) by `scale`, on tiles with a margin.

    The margin is wider than the network looks, so that no border is seen.
    """
    height, width = x.shape[-2:]
    if height <= tile + 2 * margin and width <= tile + 2 * margin:
        return network(x)
    lines = []
    for y in range(0, height, tile):
        line = []
        for left in range(0, width, tile):
            y0, x0 = max(0, y - margin), max(0, left - margin)
            part = network(x[..., y0 : y + tile + margin, x0 : left + tile + margin])
            top, start = round((y - y0) * scale), round((left - x0) * scale)
            line.append(part[..., top : top + round(tile * scale), start : start + round(tile * scale)])
        lines.append(torch.cat(line, dim=-1))
    return torch.cat(lines, dim=-2)
