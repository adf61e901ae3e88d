"""A network to what a sampler asks at every step, by wrappers of one callable. Knows no FITS, no units.

    peak projection( objective( windows( guidance( network ))))

Each wrapper is given a function of (latents, time or angle) and gives another one.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from radiff.diffusion.objectives import Objective
from radiff.diffusion.sampling import Denoise
from radiff.generate.peak_projection import PeakProjection
from radiff.models.conditions import Conditions, beam_code
from radiff.models.denoiser import Denoiser
from radiff.models.openvino import OpenVinoDenoiser
from radiff.tiling import even_starts, ramp

WINDOW = 32
"""Side of a window, latent pixels: that of the cutouts the networks are trained on (128 pixels at factor 4)."""
OVERLAP = 8
"""Least overlap of two windows, latent pixels."""
KEPT = 96
"""Up to so many windows keep their encoded conditions between steps; larger fields encode again, to save memory."""

FINE_BEAM = (2.0, 2.5, 3.0)
"""Beams in pixels between which the guidance of the beam falls from the third number to 1."""
LEAST_SINE = 0.02
"""Nearer to the clean image than this (the sine of the angle) its estimate is not corrected any more."""

Model = Callable[[Tensor, Tensor], Tensor]
"""(model input (batch, c, h, w), time (batch,)) -> model output of the same shape."""
Place = tuple[slice, slice]
Scales = dict[str, float | Tensor]
"""Guidance of each condition that has one; a number, or one an image."""


@dataclass(frozen=True)
class Guidance:
    """How strongly each condition is followed: 1 as trained, above 1 more, below 1 less, 0 as if it were not given.

    ``v = v(all) + sum of (scale - 1) * (v(all) - v(all but one))``; each scale that is not 1 costs one more network
    call a step.
    """

    mask: float = 1.0
    peak: float = 1.0
    background: float = 1.0
    beam: float = 1.0

    def __post_init__(self) -> None:
        for name, scale in asdict(self).items():
            if not 0 <= scale < np.inf:
                raise ValueError(f"the guidance of the {name} is {scale}; it must be 0 or more")


def make_denoiser(
    network: Denoiser | OpenVinoDenoiser,
    objective: Objective,
    conditions: Conditions,
    guidance: Guidance,
    batch_size: int,
    fine_beam: bool = False,
) -> Denoise:
    """What a sampler asks of a batch of images.

    Parameters
    ----------
    objective : Objective
        What the network was trained on.
    batch_size : int
        Windows at a time, where a field is larger than one.
    fine_beam : bool
        Follow small beams more strictly, where `guidance` says nothing of the beam (`fine_beam_guidance`).
    """
    scales = scales_of(guidance, conditions, network.config.factor, fine_beam)

    def model_of(places: list[Place]) -> Model:
        crops = Conditions.join([conditions.crop(*place) for place in places])
        own = {name: s.repeat(len(places)) if isinstance(s, Tensor) else s for name, s in scales.items()}
        return guided(network, crops, own)

    height, width = conditions.planes.shape[-2:]
    places = list(windows((height, width)))
    together = max(1, batch_size // max(1, len(conditions.beam)))
    groups = [places[first : first + together] for first in range(0, len(places), together)]
    return objective.denoiser(windowed(model_of, groups, len(places) * (1 + len(scales)) <= KEPT))


def guided(network: Denoiser | OpenVinoDenoiser, conditions: Conditions, scales: Scales) -> Model:
    """The network with its conditions, and once more without each that has a scale, all in one batch."""
    names, peak_planes = ["", *scales], network.config.factor**2
    encoded = network.encode(Conditions.join([conditions.without(name, peak_planes) for name in names]))

    def model(x: Tensor, t: Tensor) -> Tensor:
        everything, *others = (
            network(torch.cat([x] * len(names)), t.repeat(len(names)), encoded).float().chunk(len(names))
        )
        output = everything
        for scale, without in zip(scales.values(), others, strict=True):
            factor = scale[:, None, None, None] if isinstance(scale, Tensor) else scale
            output = output + (factor - 1.0) * (everything - without)
        return output

    return model


def windowed(model_of: Callable[[list[Place]], Model], groups: list[list[Place]], keep: bool) -> Model:
    """A model of a large field: what `model_of` windows say, blended where they overlap.

    Parameters
    ----------
    groups : list of lists of (slice, slice)
        Windows that go through the network together.
    keep : bool
        Keep the models of all windows between calls; else make them again at each, to save memory.
    """
    kept = [model_of(group) for group in groups] if keep else None

    def model(x: Tensor, t: Tensor) -> Tensor:
        total, weights = torch.zeros_like(x), torch.zeros_like(x[:1, :1])
        for number, group in enumerate(groups):
            part = model_of(group) if kept is None else kept[number]
            output = part(torch.cat([x[..., ys, xs] for ys, xs in group]), t.repeat(len(group)))
            if len(groups) == len(group) == 1:
                return output
            for (ys, xs), one in zip(group, output.chunk(len(group)), strict=True):
                taper = _taper((ys, xs), (x.shape[-2], x.shape[-1]), x.device)
                total[..., ys, xs] += taper * one
                weights[..., ys, xs] += taper
        return total / weights

    return model


def peak_projected(denoise: Denoise, projection: PeakProjection) -> Denoise:
    """Every estimate of the clean latents is brought to the peaks asked for, and the sampler goes on from there."""

    def projected(x: Tensor, angle: Tensor) -> Tensor:
        v = denoise(x, angle)
        sine = float(torch.sin(angle[0]))
        if sine < LEAST_SINE:
            return v
        clean = float(torch.cos(angle[0])) * x - sine * v
        return v - (projection.corrected(clean, sine) - clean) / sine

    return projected


def scales_of(guidance: Guidance, conditions: Conditions, factor: int, fine_beam: bool = False) -> Scales:
    """The scales that cost a network call: those that are not 1, of conditions that some image has."""
    planes = conditions.planes
    given = {
        "mask": lambda: bool((planes != 0).any()),
        "peak": lambda: bool((planes[:, -(factor**2) :] != 0).any()),
        "background": lambda: conditions.background is not None,
        "beam": lambda: bool((beam_code(conditions.beam)[:, 0] > 0).any()),
    }
    scales: Scales = {name: s for name, s in asdict(guidance).items() if s != 1.0 and given[name]()}
    fine = fine_beam_guidance(conditions.beam)
    if fine_beam and guidance.beam == 1.0 and bool((fine != 1.0).any()):
        scales["beam"] = fine
    return scales


def fine_beam_guidance(beam: Tensor) -> Tensor:
    """Guidance of each beam (batch, 3), by its minor axis: 1 from 2.5 pixels on, rising to 3 at 2 pixels and below.

    Few training images have so small a beam, and the network makes sources a seventh too wide there; with this guidance
    (chosen on val) they are as wide as asked. It costs one network call more a step, for batches with such a beam.
    """
    low, high, most = FINE_BEAM
    code = beam_code(beam)
    minor = code[:, 0] * torch.exp(-0.5 * code[:, 1:].norm(dim=1))  # the code holds ln(maj / min)
    share = ((high - minor) / (high - low)).clamp(0, 1)
    return torch.where(code[:, 0] > 0, 1.0 + (most - 1.0) * share, 1.0)


def windows(shape: tuple[int, int], window: int = WINDOW, overlap: int = OVERLAP) -> Iterator[Place]:
    """Windows over a field of `shape` (h, w) that overlap by at least `overlap`, row by row, at even positions."""
    rows, columns = (even_starts(length, window, overlap, step=2) for length in shape)
    for y in rows:
        for x in columns:
            yield slice(y, min(y + window, shape[0])), slice(x, min(x + window, shape[1]))


def _taper(place: Place, field: tuple[int, int], device: torch.device) -> Tensor:
    """(h, w): falls towards the window's edges, but not towards the edges of the field."""
    sides = []
    for span, length in zip(place, field, strict=True):
        weights = ramp(span.stop - span.start, OVERLAP, span.start > 0, span.stop < length, first=1.0)
        sides.append(torch.sin(torch.from_numpy(weights).to(device) * (torch.pi / 2)).square())
    return sides[0][:, None] * sides[1][None, :]
