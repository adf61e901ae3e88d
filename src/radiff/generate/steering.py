"""Conditions to one velocity at every step: guidance in one batch, large fields by windows. Knows no FITS, no units."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from radiff.diffusion.objectives import Objective
from radiff.generate.peaks import PeakSteering
from radiff.models.conditions import Conditions, beam_code
from radiff.models.denoiser import Denoiser, Encoded
from radiff.models.openvino import OpenVinoDenoiser

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


@dataclass(frozen=True)
class Fields:
    """What is asked of a batch of images, on the latent grid.

    Attributes
    ----------
    planes : Tensor (batch, 5 * factor**2, h, w)
    beam : Tensor (batch,) or (batch, 3)
        As `radiff.models.conditions.beam_code` takes it; 0 where not asked.
    background, shown : Tensor (batch, latent_channels, h, w), optional
        Latents of the background image, clear and veiled (`radiff.models.denoiser.veiled`).
    detail : Tensor (batch,), optional
    has_background : Tensor (batch,), bool
    """

    planes: Tensor
    beam: Tensor
    background: Tensor | None
    shown: Tensor | None
    detail: Tensor | None
    has_background: Tensor

    def crop(self, ys: slice, xs: slice) -> "Fields":
        """A window of all images."""
        background, shown = (None if x is None else x[..., ys, xs] for x in (self.background, self.shown))
        return Fields(self.planes[..., ys, xs], self.beam, background, shown, self.detail, self.has_background)

    def conditions(self, without: str = "", peak_planes: int = 0) -> Conditions:
        """As the denoiser takes them, one left out: ``mask``, ``peak`` (the last `peak_planes`), ..."""
        planes, beam = self.planes, self.beam
        if without == "mask":
            planes = torch.zeros_like(planes)
        elif without == "peak":
            planes = torch.cat([planes[:, :-peak_planes], torch.zeros_like(planes[:, -peak_planes:])], dim=1)
        elif without == "beam":
            beam = torch.zeros_like(beam)
        if self.background is None or without == "background":
            return Conditions(planes, beam)
        return Conditions(planes, beam, self.background, self.shown, self.detail, self.has_background)


class Steering:
    """The velocity that a sampler asks for, of a whole batch.

    Parameters
    ----------
    denoiser : Denoiser or OpenVinoDenoiser
    objective : Objective
        What the denoiser was trained on.
    fields : Fields
    guidance : Guidance
    batch_size : int
        Windows at a time, where a field is larger than one.
    peaks : PeakSteering, optional
        Brings every estimate of the clean image to the peaks asked for.
    fine_beam : bool
        Follow small beams more strictly, where `guidance` says nothing of the beam (`fine_beam_guidance`).
    """

    def __init__(
        self,
        denoiser: Denoiser | OpenVinoDenoiser,
        objective: Objective,
        fields: Fields,
        guidance: Guidance,
        batch_size: int,
        peaks: PeakSteering | None = None,
        fine_beam: bool = False,
    ) -> None:
        self.peaks = peaks
        self.denoiser, self.objective, self.fields = denoiser, objective, fields
        self.scales: dict[str, float | Tensor] = {
            name: s for name, s in asdict(guidance).items() if s != 1.0 and self._given(name)
        }
        fine = fine_beam_guidance(fields.beam)
        if fine_beam and guidance.beam == 1.0 and bool((fine != 1.0).any()):
            self.scales["beam"] = fine
        height, width = fields.planes.shape[-2:]
        whole = height <= WINDOW and width <= WINDOW
        self.windows = [(slice(0, height), slice(0, width))] if whole else list(windows((height, width)))
        self.batch_size = batch_size
        many = len(self.windows) * (1 + len(self.scales)) > KEPT
        self._kept: list[Encoded] | None = None if many else [self._encode(w) for w in self._groups()]

    def _given(self, name: str) -> bool:
        if name == "background":
            return self.fields.background is not None
        if name == "beam":
            return bool((beam_code(self.fields.beam)[:, 0] > 0).any())
        planes = self.fields.planes[:, -(self.denoiser.config.factor**2) :] if name == "peak" else self.fields.planes
        return bool((planes != 0).any())

    def _groups(self) -> Iterator[list[tuple[slice, slice]]]:
        """Windows of one shape that go through the network together."""
        count = max(1, self.batch_size // max(1, len(self.fields.beam)))
        for start in range(0, len(self.windows), count):
            yield self.windows[start : start + count]

    def _encode(self, group: list[tuple[slice, slice]]) -> Encoded:
        peak_planes = self.denoiser.config.factor**2
        crops = [self.fields.crop(*window) for window in group]
        parts = [crop.conditions(name, peak_planes) for name in ("", *self.scales) for crop in crops]
        return self.denoiser.encode(Conditions.join(parts))

    def velocity(self, x: Tensor, angle: Tensor) -> Tensor:
        """dx/d(angle) of latents (batch, c, h, w) at `angle` (batch,), the same for all of them."""
        v = self.objective.velocity(x, self._said(x, angle), angle)
        sine = float(torch.sin(angle[0]))
        if self.peaks is None or sine < LEAST_SINE:
            return v
        clean = float(torch.cos(angle[0])) * x - sine * v
        return v - (self.peaks.corrected(clean, sine) - clean) / sine

    def _said(self, x: Tensor, angle: Tensor) -> Tensor:
        """What the denoiser says of `x`, guided, windows blended where they overlap."""
        asked, time = self.objective.asked(x, angle)
        total = torch.zeros_like(x)
        weights = torch.zeros_like(x[:1, :1])
        for number, group in enumerate(self._groups()):
            encoded = self._encode(group) if self._kept is None else self._kept[number]
            variants = 1 + len(self.scales)
            crops = torch.cat([asked[..., ys, xs] for ys, xs in group] * variants)
            parts = self.denoiser(crops, time.repeat(len(group) * variants), encoded).float().chunk(variants)
            steered = parts[0]
            for scale, without in zip(self.scales.values(), parts[1:], strict=True):
                if isinstance(scale, Tensor):  # one an image
                    scale = scale.repeat(len(group))[:, None, None, None]
                steered = steered + (scale - 1.0) * (parts[0] - without)
            if len(self.windows) == 1:
                return steered
            for (ys, xs), one in zip(group, steered.chunk(len(group)), strict=True):
                taper = _taper((ys, xs), (x.shape[-2], x.shape[-1]), x.device)
                total[..., ys, xs] += taper * one
                weights[..., ys, xs] += taper
        return total / weights


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


def windows(shape: tuple[int, int], window: int = WINDOW, overlap: int = OVERLAP) -> Iterator[tuple[slice, slice]]:
    """Windows over a field of `shape` (h, w) that overlap by at least `overlap`, row by row, at even positions."""
    for y in _starts(shape[0], window, overlap):
        for x in _starts(shape[1], window, overlap):
            yield slice(y, min(y + window, shape[0])), slice(x, min(x + window, shape[1]))


def _starts(length: int, window: int, overlap: int) -> list[int]:
    if length <= window:
        return [0]
    count = -(-(length - overlap) // (window - overlap))
    return [int(2 * round(k * (length - window) / (count - 1) / 2)) for k in range(count - 1)] + [length - window]


def _taper(place: tuple[slice, slice], field: tuple[int, int], device: torch.device) -> Tensor:
    """(h, w): falls towards the window's edges, but not towards the edges of the field."""
    sides = []
    for span, length in zip(place, field, strict=True):
        near = torch.arange(span.stop - span.start, device=device, dtype=torch.float32)
        low = near + 1 if span.start > 0 else torch.full_like(near, OVERLAP)
        high = len(near) - near if span.stop < length else torch.full_like(near, OVERLAP)
        ramp = torch.minimum(low, high).clamp(max=OVERLAP) / (OVERLAP + 1)
        sides.append(torch.sin(ramp * (torch.pi / 2)).square())
    return sides[0][:, None] * sides[1][None, :]
