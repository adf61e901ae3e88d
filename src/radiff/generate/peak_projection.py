"""Estimates of the clean latents to the peaks that are asked for, at every step of a sampler. Knows no FITS, no units.

A denoiser follows a peak that it is told, but not closely: where the intensity scaling is logarithmic a few percent of
flux are a small part of the noise. So the estimate of the clean image that each step makes is corrected: every object
whose peak is asked is raised or lowered to it, in the scaling's own units, and the denoiser goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radiff.generate.flux import edge_taper
from radiff.masks import SourceObject
from radiff.models.autoencoder import Autoencoder

BRIGHT = 0.5
"""Pixels above this part of an object's peak (in the scaling's units) change with the peak; fainter ones less."""


LEAST_PART = 0.05
"""Pixels that change by less than this part of the whole say nothing of how much is needed."""
NEAR = 0.3
"""Below this sine of the angle the estimate's noise is nearly that of the result, and the aim allows for it."""

Aim = Callable[[int, NDArray[np.float64], NDArray[np.float32] | None], NDArray[np.float64]]
"""(image number, peaks asked in units of the rms, its scaled image or None) -> these peaks in the scaling's units.

The image is given near the end, when its noise can be measured: fluxes will be divided by it."""


@dataclass(frozen=True)
class _Object:
    index: int
    place: tuple[slice, slice]
    stamp: Tensor
    taper: Tensor


class PeakProjection:
    """Corrects estimates of the clean latents of a batch.

    Parameters
    ----------
    autoencoder : Autoencoder
    decode : callable
        Latents to images, as the result will be decoded.
    shape : (ny, nx)
        Of the images.
    objects : sequence of sequences of SourceObject
        Of each image.
    peaks : sequence of sequences of float
        Peak asked of each object, in units of the rms; 0: not asked.
    aim : callable
        See `Aim`.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        decode: Callable[[Tensor], Tensor],
        shape: tuple[int, int],
        objects: Sequence[Sequence[SourceObject]],
        peaks: Sequence[Sequence[float]],
        aim: Aim,
    ) -> None:
        self.autoencoder, self.decode, self.aim = autoencoder, decode, aim
        self.peaks = [np.array(each, dtype=float) for each in peaks]
        device = autoencoder.latent_mean.device
        self.items: list[list[_Object]] = []
        for items, wanted in zip(objects, self.peaks, strict=True):
            asked = [(k, item) for k, item in enumerate(items) if wanted[k] > 0]
            tapers = [edge_taper(item, item.stamp, shape) * item.stamp for _, item in asked]
            self.items.append(
                [
                    _Object(
                        k,
                        item.slices,
                        torch.from_numpy(item.stamp).to(device),
                        torch.from_numpy(taper).float().to(device),
                    )
                    for (k, item), taper in zip(asked, tapers, strict=True)
                ]
            )

    def corrected(self, clean: Tensor, sine: float) -> Tensor:
        """Latents (batch, c, h, w) whose objects peak where asked; `sine` of the angle at which they were estimated."""
        image = self.decode(clean).float()
        change = torch.zeros_like(image)
        for number, items in enumerate(self.items):
            if not items:
                continue
            shown = image[number, 0].cpu().numpy() if sine < NEAR else None
            targets = self.aim(number, self.peaks[number], shown)
            for item in items:
                box = image[number, 0][item.place]
                peak = box[item.stamp].max()
                part = (box / (BRIGHT * peak)).clamp(0, 1) if peak > 0 else torch.ones_like(box)
                part = part * item.taper
                change[number, 0][item.place] += _amount(box, part, item.stamp, peak, float(targets[item.index])) * part
        linear = self.autoencoder.encoder.linear
        if linear is None:
            return clean + (self.autoencoder.encode(image + change) - self.autoencoder.encode(image)).float()
        # the encoder is almost linear; what is left of a step's error the next step takes off
        return clean + linear(change).float() / self.autoencoder.latent_std[:, None, None]


def _amount(box: Tensor, part: Tensor, stamp: Tensor, peak: Tensor, target: float) -> Tensor:
    """How much of `part` to add to `box`, so that the brightest pixel of the stamp comes to `target`.

    The brightest pixel may lie where `part` is small, near the edge; it is brought there at most three times as fast as
    one in the middle, or a faint pixel would tear down the whole object.
    """
    open_to_change = stamp & (part > LEAST_PART)
    gap = target - peak
    if not bool(open_to_change.any()):
        return gap
    wanted = ((target - box[open_to_change]) / part[open_to_change]).min()
    return torch.minimum(torch.maximum(wanted, (3 * gap).clamp(max=0)), (3 * gap).clamp(min=0))
