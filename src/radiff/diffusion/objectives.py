"""Clean latents and noise to what a denoiser is trained on: eps, v and flow objectives. Knows no networks, no FITS.

Time is `u` in (0, 1): 0 is clean, 1 is noise. The denoiser is told ``1000 * u`` (flow) or the step of a schedule of
`num_train_steps` steps (eps, v).
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

OBJECTIVES = ("flow", "v", "eps")


@dataclass(frozen=True)
class DiffusionConfig:
    """The forward process and what the network predicts.

    Attributes
    ----------
    objective : str
        ``flow``: x_t = (1 - u) x_0 + u eps, predicts eps - x_0. ``eps`` (Eq. 7) and ``v``: variance-preserving.
    num_train_steps : int
        T of Eq. 4 (eps, v).
    beta_schedule, beta_start, beta_end
        As in diffusers; the paper's schedule is ``linear``, 1e-4 to 0.02.
    zero_terminal_snr : bool
        Rescale the betas so that nothing of the image is left at t = T (v only).
    time_shift : float
        Flow only: u is drawn from a logit-normal about this mean; above 0 means more training at high noise.
    """

    objective: str = "flow"
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

    @property
    def prediction_type(self) -> str:
        """The name that diffusers' schedulers give to what the network predicts."""
        return {"flow": "flow_prediction", "v": "v_prediction", "eps": "epsilon"}[self.objective]

    def schedule_arguments(self) -> dict[str, Any]:
        """Arguments of diffusers' variance-preserving schedulers; nothing is clipped, latents have no bounds."""
        return {
            "num_train_timesteps": self.num_train_steps,
            "beta_schedule": self.beta_schedule,
            "beta_start": self.beta_start,
            "beta_end": self.beta_end,
            "rescale_betas_zero_snr": self.zero_terminal_snr,
            "prediction_type": self.prediction_type,
        }

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self)


class Objective:
    """Draws times, adds noise and gives the target, by a `DiffusionConfig`."""

    def __init__(self, config: DiffusionConfig) -> None:
        self.config = config
        self.schedule: Any = None
        if config.objective != "flow":
            self.schedule = DDPMScheduler(clip_sample=False, **config.schedule_arguments())

    def draw_times(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` times u in (0, 1), spread evenly over the batch: logit-normal for flow, uniform for eps and v."""
        offsets = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        even = offsets[torch.randperm(count, generator=generator)]
        if self.config.objective != "flow":
            return even
        return torch.sigmoid(torch.special.ndtri(even.clamp(1e-4, 1 - 1e-4)) + self.config.time_shift)

    def noised(self, clean: Tensor, noise: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Noised latents, the time that the denoiser is told, and the target.

        Parameters
        ----------
        clean, noise : Tensor (batch, channels, ny, nx)
        u : Tensor (batch,)
            Times in (0, 1).
        """
        if self.schedule is None:
            s = u[:, None, None, None]
            return (1 - s) * clean + s * noise, 1000.0 * u, noise - clean
        t = (u * self.config.num_train_steps).long().clamp(0, self.config.num_train_steps - 1)
        x = self.schedule.add_noise(clean, noise, t)
        if self.config.objective == "eps":
            return x, t, noise
        return x, t, self.schedule.get_velocity(clean, noise, t)
