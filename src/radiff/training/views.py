"""Scaled images to other views of the same sky: turns, flips, crops, gain and noise. Knows no networks and no files.

Everything is drawn from the generator that is handed in, one draw an image, so that a batch is the same again.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def draw_windows(
    count: int,
    generator: torch.Generator,
    part: float,
    least: float,
    plain: float,
    beside: Tensor | None = None,
    reach: float = 2.0,
) -> Tensor:
    """Affine maps (count, 2, 3) from the pixels of a view to those of its image, both from -1 to 1.

    Each is one of the eight turns and flips of a square window somewhere in the image.

    Parameters
    ----------
    part : float
        Side of a view over that of the image: a window of that size keeps the pixels' size.
    least : float
        A window's area is between this and 1, of the image's.
    plain : float
        Share of the windows whose side is `part`.
    beside : (count, 2, 3), optional
        Other windows of the same images; the middles of these lie within `reach` of theirs along either axis.
    """
    chance = torch.rand(6, count, generator=generator)
    side = (least + (1.0 - least) * chance[0]).sqrt()
    side = torch.where(chance[1] < plain, torch.as_tensor(part), side)
    room = 1.0 - side
    if beside is None:
        shift = room * (2.0 * chance[2:4] - 1.0)
    else:
        middle = beside[:, :, 2].T
        low, high = torch.maximum(middle - reach, -room), torch.minimum(middle + reach, room)
        shift = torch.lerp(torch.minimum(low, room), torch.maximum(high, -room), chance[2:4])
    quarter = torch.floor(4.0 * chance[4]) * (math.pi / 2.0)
    flip = torch.where(chance[5] < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(quarter).round(), torch.sin(quarter).round()
    rows = torch.stack([flip * cos, -sin, flip * sin, cos]).view(2, 2, count)
    return torch.cat([side * rows, shift[:, None]], 1).permute(2, 0, 1)


def look(images: Tensor, windows: Tensor, size: int) -> Tensor:
    """The windows (batch, 2, 3) of square images (batch, c, n, n), on (batch, c, size, size) pixels (bilinear).

    A window of `size` pixels is first brought to the image's grid, so that its noise stays what it is.
    """
    count, channels, n, _ = images.shape
    side = windows[:, :, :2].abs().amax((1, 2))
    shift = windows[:, :, 2]
    own = (side * n - size).abs() < 1e-3  # these are aligned with the pixels
    pixel = torch.round((shift + 1.0 - side[:, None]) * n / 2.0) * 2.0 / n - 1.0 + side[:, None]
    windows = torch.cat([windows[:, :, :2], torch.where(own[:, None], pixel, shift)[:, :, None]], 2)
    grid = F.affine_grid(windows.to(images), [count, channels, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jitter(
    images: Tensor,
    generator: torch.Generator,
    gain: float,
    noise: float,
    softness: float | None,
    wanted: float | None = None,
) -> Tensor:
    """Images (batch, 1, ny, nx) as seen with another gain and more noise.

    Parameters
    ----------
    gain : float
        Standard deviation of the logarithm of the factor on the signal-to-noise.
    noise : float
        Largest rms of the white noise added, in units of the image's own.
    softness : float, optional
        Of the scaling asinh(snr / softness); None where images are no function of the signal-to-noise: there both
        act on the images as they are.
    wanted : float, optional
        The softness of what is returned; default that of the images.
    """
    count = len(images)
    factor = torch.exp(gain * torch.randn(count, 1, 1, 1, generator=generator)).to(images)
    width = (noise * torch.rand(count, 1, 1, 1, generator=generator)).to(images)
    white = torch.randn(images.shape, generator=generator).to(images)
    if softness is None:
        return images * factor + width * images.std((-2, -1), keepdim=True) * white
    snr = softness * torch.sinh(images) * factor + width * white
    return torch.asinh(snr / (wanted or softness))
