"""How far drawn images are from real ones, without any network: figures to watch a contest by. Knows no files.

The losses of a generator and its critic say nothing of how good the images are. These figures do: the distance of small
patches (Karras et al. 2017, section 5), and how much the images differ from each other, which falls where a generator
makes the same image again and again.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH = 7
PATCHES = 64
DIRECTIONS = 128
LEVELS = 4
COARSE = 16


def patch_distance(real: Tensor, made: Tensor, seed: int = 0) -> float:
    """Sliced Wasserstein distance of 7 x 7 patches, over the levels of a Laplacian pyramid; 0 = alike.

    Parameters
    ----------
    real, made : Tensor (n, 1, ny, nx)
        As many of each.

    Returns
    -------
    float
        Mean over the levels, each in units of the standard deviation of the real level.
    """
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for a, b in zip(_pyramid(real), _pyramid(made), strict=True):
        count = len(a) * PATCHES
        first, second = (_patches(x, generator) for x in (a, b))
        directions = F.normalize(torch.randn(PATCH**2, DIRECTIONS, generator=generator), dim=0)
        sorted_a, sorted_b = ((x @ directions).sort(0).values for x in (first, second))
        distances.append((sorted_a - sorted_b).abs().sum() / (count * DIRECTIONS) / a.std().clamp(min=1e-6))
    return float(torch.stack(distances).mean())


def spread(images: Tensor) -> float:
    """Mean distance of two of the `images` (n, 1, ny, nx), at 16 pixels a side; 0 where all are the same."""
    coarse = F.adaptive_avg_pool2d(images.float(), COARSE).flatten(1).double()
    count = len(coarse)
    return float(torch.cdist(coarse, coarse).sum() / max(count * (count - 1), 1))


def _pyramid(images: Tensor) -> list[Tensor]:
    levels: list[Tensor] = []
    x = images.float().cpu()
    while len(levels) < LEVELS - 1 and min(x.shape[-2:]) >= 2 * PATCH:
        lower = F.avg_pool2d(x, 2)
        levels.append(x - F.interpolate(lower, scale_factor=2, mode="bilinear"))
        x = lower
    return [*levels, x]


def _patches(images: Tensor, generator: torch.Generator) -> Tensor:
    """(n * PATCHES, PATCH**2), from random places."""
    count, _, ny, nx = images.shape
    y, x = (torch.randint(n - PATCH + 1, (count, PATCHES), generator=generator) for n in (ny, nx))
    step = torch.arange(PATCH)
    rows, columns = y[..., None, None] + step[:, None], x[..., None, None] + step
    which = torch.arange(count)[:, None, None, None]
    return images[which, 0, rows, columns].flatten(0, 1).flatten(1)
