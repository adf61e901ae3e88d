"""Clean latents and noise to what a denoiser is trained on, and its answer back to both. Knows no networks, no FITS.

Where an image stands between clean and noise is an angle: ``x = cos(angle) x_0 + sin(angle) eps``, from 0 (clean) to
pi / 2 (noise). Every objective here is a way to learn the same thing at such angles, so that every sampler can use
every denoiser.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from radiff.diffusion.sampling import Denoise

OBJECTIVES = ("angle", "flow", "v", "eps")
HALF_TURN = math.pi / 2


@dataclass(frozen=True)
class DiffusionConfig:
    """The forward process and what the network predicts.

    Attributes
    ----------
    objective : str
        ``angle``: x = cos(a) x_0 + sin(a) eps, predicts dx/da = cos(a) eps - sin(a) x_0; for white noise of unit
        variance that is zero, so noise is right after any number of steps (Lu and Song 2024, TrigFlow).
        ``flow``: x = (1 - u) x_0 + u eps, predicts eps - x_0. ``eps`` (Eq. 7) and ``v``: on a schedule of T steps.
    num_train_steps : int
        T of Eq. 4 (eps, v).
    beta_schedule, beta_start, beta_end
        As in diffusers; the paper's schedule is ``linear``, 1e-4 to 0.02.
    zero_terminal_snr : bool
        Rescale the betas so that nothing of the image is left at t = T (v only).
    time_shift : float
        ``angle``, ``flow``: above 0 means more training at high noise (the logarithm of noise over image is shifted).
    """

    objective: str = "angle"
    num_train_steps: int = 1000
    beta_schedule: str = "linear"
    beta_start: float = 1e-4
    beta_end: float = 0.02
    zero_terminal_snr: bool = False
    time_shift: float = 0.0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"{self.objective!r} is no objective; there are: {', '.join(OBJECTIVES)}")
        if self.zero_terminal_snr and self.objective == "eps":
            raise ValueError("zero_terminal_snr cannot go with 'eps': at t = T the noise says nothing of the image")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self)


class Objective:
    """Draws angles, adds noise, gives the target, and reads a denoiser's answer, by a `DiffusionConfig`."""

    def __init__(self, config: DiffusionConfig) -> None:
        self.config = config
        self.angles: Tensor | None = None
        if config.objective in ("eps", "v"):
            schedule: Any = DDPMScheduler(
                num_train_timesteps=config.num_train_steps,
                beta_schedule=config.beta_schedule,
                beta_start=config.beta_start,
                beta_end=config.beta_end,
                rescale_betas_zero_snr=config.zero_terminal_snr,
            )
            self.angles = torch.acos(schedule.alphas_cumprod.double().sqrt().clamp(0, 1)).float()

    @property
    def last_angle(self) -> float:
        """Where sampling starts: the noisiest angle that the denoiser was trained at."""
        return HALF_TURN if self.angles is None else float(self.angles[-1])

    def draw_angles(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` angles, even over the batch: uniform (angle), logit-normal (flow), the schedule's (eps, v)."""
        offsets = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        even = offsets[torch.randperm(count, generator=generator)]
        if self.angles is not None:
            return self.angles[(even * len(self.angles)).long().clamp(max=len(self.angles) - 1)]
        if self.config.objective == "flow":
            u = torch.sigmoid(torch.special.ndtri(even.clamp(1e-4, 1 - 1e-4)) + self.config.time_shift)
            return torch.atan2(u, 1 - u)
        angle = even.clamp(1e-4, 1 - 1e-4) * HALF_TURN
        return torch.atan(torch.tan(angle) * math.exp(self.config.time_shift))

    def noised(self, clean: Tensor, noise: Tensor, angle: Tensor) -> Tensor:
        """Latents at `angle` (batch,) between `clean` and `noise`, both (batch, channels, ny, nx)."""
        a = angle[:, None, None, None]
        return torch.cos(a) * clean + torch.sin(a) * noise

    def target(self, clean: Tensor, noise: Tensor, angle: Tensor) -> Tensor:
        """What the denoiser is to put out."""
        a = angle[:, None, None, None]
        if self.config.objective == "flow":
            return noise - clean
        if self.config.objective == "eps":
            return noise
        return torch.cos(a) * noise - torch.sin(a) * clean

    def model_input(self, x: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """What the denoiser is given for latents at `angle` (batch,): the latents in its own scale, and its time."""
        if self.config.objective == "flow":
            a = angle[:, None, None, None]
            return x / (torch.cos(a) + torch.sin(a)), 1000.0 * torch.sin(angle) / (torch.cos(angle) + torch.sin(angle))
        if self.angles is None:
            return x, angle * (1000.0 / HALF_TURN)
        angles = self.angles.to(angle.device)
        above = torch.searchsorted(angles, angle.contiguous()).clamp(1, len(angles) - 1)
        low, high = angles[above - 1], angles[above]
        return x, above - 1 + ((angle - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)

    def denoiser(self, model: Callable[[Tensor, Tensor], Tensor], reach: Tensor | None = None) -> Denoise:
        """What samplers take, from a model that takes (input, time); `reach` as of `velocity`."""

        def denoise(x: Tensor, angle: Tensor) -> Tensor:
            return self.velocity(x, model(*self.model_input(x, angle)).float(), angle, reach)

        return denoise

    def velocity(self, x: Tensor, output: Tensor, angle: Tensor, reach: Tensor | None = None) -> Tensor:
        """dx/d(angle) = cos(angle) eps - sin(angle) x_0, from the model's output for `x` at `angle` (batch,).

        With `reach`, x_0 is brought to -reach ... reach, as Ho et al. (2020) do with their images: at high noise the
        answer of an ``eps`` denoiser is divided by a number near 0 to get x_0, and so is its error.
        """
        found = self._velocity(x, output, angle)
        if reach is None:
            return found
        a = angle[:, None, None, None]
        clean = torch.cos(a) * x - torch.sin(a) * found
        return found + (clean - clean.clamp(-reach, reach)) / torch.sin(a)

    def _velocity(self, x: Tensor, output: Tensor, angle: Tensor) -> Tensor:
        a = angle[:, None, None, None]
        if self.config.objective == "flow":  # x = cos x_0 + sin eps and output = eps - x_0, solved for both
            total = torch.cos(a) + torch.sin(a)
            clean, noise = (x - torch.sin(a) * output) / total, (x + torch.cos(a) * output) / total
            return torch.cos(a) * noise - torch.sin(a) * clean
        if self.config.objective == "eps":
            return (output - torch.sin(a) * x) / torch.cos(a).clamp(min=1e-4)
        return output
