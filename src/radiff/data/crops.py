"""How a crop looks at its field: zoomed or stretched, turned, its beam, its level and noise. Knows no fields.

A crop's pixel at (x, y) from its middle shows the field's pixel ``centre + m @ (x, y)``; matrices have the axes (x, y).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from radiff.errors import InputError

USUAL_BEAM = 3.0
"""Pixels a beam of fields that do not say theirs."""
NARROWEST = 1.8
"""No beam gets narrower than so many pixels along any axis: it would be undersampled."""
CLIP, CLIPPED_MAD, CLIPPED_STD = 3.0, 1.4826, 0.98658
"""Where noise is clipped, sigma over the median deviation, and the standard deviation of a unit Gaussian so clipped."""


@dataclass(frozen=True)
class CropOptions:
    """Which parts of fields are trained on, and how they are resampled.

    Attributes
    ----------
    size : int
        Side of a crop, pixels.
    near : float
        Part of the crops that lie near an object; the rest lie anywhere.
    shares : (float, float, float)
        Of these, parts near a spurious, a compact and an extended object.
    bright_snr, bright_factor : float
        Objects with a peak above so many rms are seen so many times as often as others of their class.
    zoomed : float
        Part whose pixels are made larger or smaller.
    stretched : float
        Part that is resampled differently along two axes, in a random direction.
    beams : (float, float)
        Smallest and largest beam (geometric mean FWHM, pixels) after zooming or stretching.
    axis_ratio : float
        Smallest ratio of the two factors of a stretch.

    Raises
    ------
    InputError
        Where a part is none from 0 to 1, or a range is empty.
    """

    size: int = 128
    near: float = 0.8
    shares: tuple[float, float, float] = (0.2, 0.35, 0.45)
    bright_snr: float = 100.0
    bright_factor: float = 5.0
    zoomed: float = 0.2
    stretched: float = 0.35
    beams: tuple[float, float] = (2.0, 7.0)
    axis_ratio: float = 0.45

    def __post_init__(self) -> None:
        for name in ("near", "zoomed", "stretched"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"crops.{name} is {getattr(self, name):g}; it is a part, from 0 to 1")
        if self.zoomed + self.stretched > 1:
            raise InputError("crops.zoomed and crops.stretched are parts of all crops; together they are above 1")
        if not 0 < self.beams[0] <= self.beams[1] or not 0 < self.axis_ratio <= 1:
            raise InputError(
                f"crops.beams is {self.beams}, crops.axis_ratio {self.axis_ratio:g}; needed are beams such as 2, 7 "
                "(pixels) and a ratio above 0, at most 1"
            )
        if min(self.shares) < 0 or not sum(self.shares) > 0 or self.bright_factor <= 0 or self.size < 16:
            raise InputError(
                "crops.shares must be 0 or more and not all 0, bright_factor above 0, size 16 pixels or more"
            )


class Dice:
    """Random numbers on a device from one seed."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.generator = torch.Generator(device=device).manual_seed(seed)

    def even(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform from `low` to `high`."""
        return low + (high - low) * torch.rand(*shape, generator=self.generator, device=self.device)


def draw_matrices(widths: Tensor, limits: Tensor, options: CropOptions, dice: Dice) -> tuple[Tensor, Tensor]:
    """How each crop looks at its field.

    Parameters
    ----------
    widths : Tensor (batch,)
        Geometric mean FWHM of the fields' beams, pixels; 0 where not known.
    limits : Tensor (batch,)
        Pixels that a crop may reach from its centre along either axis; larger ones are zoomed in.
    options : CropOptions
    dice : Dice

    Returns
    -------
    matrices : Tensor (batch, 2, 2)
    plain : Tensor (batch,), bool
        Turned and flipped only, so that every pixel shows one pixel of the field.
    """
    count = len(widths)
    widths = torch.where(widths > 0, widths, USUAL_BEAM)
    kind = dice.even(count)
    plain, stretched = kind >= options.zoomed + options.stretched, kind < options.stretched
    target = torch.exp(dice.even(count, low=math.log(options.beams[0]), high=math.log(options.beams[1])))
    factor = widths / target
    root = torch.exp(dice.even(count, high=-0.5 * math.log(options.axis_ratio)))
    root = torch.where(stretched, root, 1.0)
    factor = torch.where(stretched, torch.minimum(factor, widths / NARROWEST / root), factor)
    matrices = _stretch(factor * root, factor / root, dice.even(count, high=math.pi))
    reach = matrices.abs().sum(2).amax(1) * (options.size - 1) / 2
    matrices = matrices * (limits / reach).clamp(max=1.0)[:, None, None]
    matrices = torch.where(plain[:, None, None], torch.eye(2, device=widths.device), matrices)
    return matrices @ _symmetries(dice.even(count, 3)), plain


def _stretch(along: Tensor, across: Tensor, angle: Tensor) -> Tensor:
    """(batch, 2, 2): factors `along` the direction `angle` (from +x to +y) and `across` it."""
    c, s = angle.cos(), angle.sin()
    mixed = c * s * (along - across)
    rows = (torch.stack([c * c * along + s * s * across, mixed], -1),
            torch.stack([mixed, s * s * along + c * c * across], -1))  # fmt: skip
    return torch.stack(rows, -2)


def _symmetries(chance: Tensor) -> Tensor:
    """(batch, 2, 2): one of the eight turns and flips, by three numbers (batch, 3) from 0 to 1."""
    signs = torch.diag_embed(torch.where(chance[:, :2] < 0.5, -1.0, 1.0))
    return torch.where((chance[:, 2] < 0.5)[:, None, None], signs.flip(-1), signs)


def beams_seen(shapes: Tensor, matrices: Tensor) -> Tensor:
    """Covariances (batch, 2, 2) of the fields' beams as they are in the crops, pixels squared; 0 stays 0."""
    inverse = torch.linalg.inv(matrices)
    return inverse @ shapes @ inverse.transpose(1, 2)


def level_and_rms(skies: Tensor) -> tuple[Tensor, Tensor]:
    """Level and rms (batch,) of images without their sources (batch, ny, nx).

    As `radiff.sky.background_rms` measures them: clipped at 3 rms about the median, the width corrected for that.
    """
    values = skies.flatten(1)
    level = values.median(1).values
    rms = (values - level[:, None]).abs().median(1).values * CLIPPED_MAD
    for _ in range(2):
        kept = ((values - level[:, None]).abs() < CLIP * rms[:, None]).float()
        number = kept.sum(1).clamp(min=1.0)
        mean = (values * kept).sum(1) / number
        square = ((values - mean[:, None]).square() * kept).sum(1) / number
        level, rms = mean, square.sqrt() / CLIPPED_STD
    return level, rms.clamp(min=1e-6)


def peak_codes(snr: Tensor, labels: Tensor, most: int) -> Tensor:
    """(batch, ny, nx): log10(1 + peak) of the object that a pixel belongs to, 0 elsewhere.

    Parameters
    ----------
    snr : Tensor (batch, ny, nx)
        In units of the rms.
    labels : Tensor (batch, ny, nx), int64
        Number of the object, 0 outside of all; at most `most`.
    """
    flat = labels.flatten(1)
    peaks = snr.new_zeros(len(snr), most + 1)
    peaks = peaks.scatter_reduce(1, flat, snr.flatten(1), "amax", include_self=True)
    codes = torch.log10(1.0 + peaks.clamp(min=0.0))
    codes[:, 0] = 0.0
    return codes.gather(1, flat).view_as(snr)
