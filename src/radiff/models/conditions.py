"""What is asked of an image as tensors: mask and peaks, background, beam. Knows no networks, no FITS.

Each can be left out for any image of a batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_CLASSES = 4
PLANES = NUM_CLASSES + 1  # the mask's one-hot classes and the peak asked of each object


@dataclass(frozen=True)
class Conditions:
    """What is asked of each image of a batch.

    Attributes
    ----------
    planes : Tensor (batch, 5 * factor**2, h, w)
        Mask and peaks on the latent grid, from `condition_planes`.
    beam : Tensor (batch,) or (batch, 3)
        Beam FWHM in pixels, 0 where not asked; or the three numbers of `beam_code`.
    background : Tensor (batch, latent_channels, h, w), optional
        Latents of the background image; their local power spectrum is what is always told of it.
    noised : Tensor (batch, latent_channels, h, w), optional
        The same in noise (`noise_augmented`), so that only what stands out of that noise can be copied.
    strength : Tensor (batch,), optional
        Background strength, from 0 (the power spectrum of its noise alone) to 1 (every pixel).
    has_background : Tensor (batch,), bool, optional
        False = that image's background is left out; without it all count.
    """

    planes: Tensor
    beam: Tensor
    background: Tensor | None = None
    noised: Tensor | None = None
    strength: Tensor | None = None
    has_background: Tensor | None = None

    @staticmethod
    def join(parts: Sequence["Conditions"]) -> "Conditions":
        """One batch of several; those without a background get an empty one where another has one."""
        planes = torch.cat([p.planes for p in parts])
        plain = all(p.beam.ndim == 1 for p in parts)
        beam = torch.cat([p.beam if plain else beam_code(p.beam) for p in parts])
        present = torch.cat([with_background(p) for p in parts])
        like = next((p.background for p in parts if p.background is not None), None)
        if like is None:
            return Conditions(planes, beam, has_background=present)
        empty = [like.new_zeros((len(p.beam), *like.shape[1:])) for p in parts]
        clear = [e if p.background is None else p.background for p, e in zip(parts, empty, strict=True)]
        noised = [c if p.noised is None else p.noised for p, c in zip(parts, clear, strict=True)]
        strength = [p.beam.new_ones(len(p.beam)) if p.strength is None else p.strength for p in parts]
        return Conditions(planes, beam, torch.cat(clear), torch.cat(noised), torch.cat(strength), present)

    def crop(self, ys: slice, xs: slice) -> "Conditions":
        """A window of all images."""
        background, noised = (None if x is None else x[..., ys, xs] for x in (self.background, self.noised))
        return replace(self, planes=self.planes[..., ys, xs], background=background, noised=noised)

    def without(self, name: str, peak_planes: int) -> "Conditions":
        """The same but for ``mask`` (and its peaks), ``peak`` (the last `peak_planes`), ``beam`` or ``background``."""
        planes, beam = self.planes, self.beam
        if name == "mask":
            planes = torch.zeros_like(planes)
        elif name == "peak":
            planes = torch.cat([planes[:, :-peak_planes], torch.zeros_like(planes[:, -peak_planes:])], dim=1)
        elif name == "beam":
            beam = torch.zeros_like(beam)
        elif name == "background":
            return Conditions(planes, beam)
        return replace(self, planes=planes, beam=beam)


def beam_code(beam: Tensor) -> Tensor:
    """(batch, 3): geometric mean of the FWHMs in pixels; ln(maj / min) times cos 2 phi and sin 2 phi.

    phi runs from +x to +y and is the angle of the major axis. A circular beam may be given by its width alone,
    (batch,); width 0 means not asked.
    """
    return F.pad(beam[:, None], (0, 2)) if beam.ndim == 1 else beam


def shape_code(shapes: Tensor) -> Tensor:
    """(batch, 3) of `beam_code`, from covariances (batch, 2, 2) in pixels squared, axes (x, y)."""
    xx, yy, xy = shapes[:, 0, 0], shapes[:, 1, 1], shapes[:, 0, 1]
    middle, half = (xx + yy) / 2, torch.hypot((xx - yy) / 2, xy)
    ratio = 0.5 * torch.log((middle + half) / (middle - half).clamp(min=1e-9))
    width = (8 * math.log(2)) ** 0.5 * (xx * yy - xy**2).clamp(min=1e-12) ** 0.25
    norm = half.clamp(min=1e-9)
    return torch.stack([width, ratio * (xx - yy) / 2 / norm, ratio * xy / norm], dim=1)


def noise_augmented(background: Tensor, noise: Tensor, strength: Tensor) -> Tensor:
    """A background's latents in unit noise: all of them at strength 1, nothing at 0, strong features in between.

    Parameters
    ----------
    background, noise : Tensor (batch, latent_channels, h, w)
    strength : Tensor (batch,)
        From 0 to 1.
    """
    a = (1 - strength)[:, None, None, None] * (math.pi / 2)
    return torch.cos(a) * background + torch.sin(a) * noise


def with_background(conditions: Conditions) -> Tensor:
    """(batch,), whether each image has a background."""
    count, device = len(conditions.beam), conditions.beam.device
    if conditions.background is None:
        return torch.zeros(count, dtype=torch.bool, device=device)
    if conditions.has_background is None:
        return torch.ones(count, dtype=torch.bool, device=device)
    return conditions.has_background


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
