"""Noise to latents. Knows no FITS, no masks, no networks: the denoiser is a function of (latents, time).

Schedulers come from diffusers. Every image has a random generator of its own, on the CPU, so that its noise does not
depend on the batch, the device or the order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from radiff.diffusion.objectives import DiffusionConfig

Denoise = Callable[[Tensor, Tensor], Tensor]

SAMPLERS = {
    "flow": ("euler", "heun", "dpm++", "unipc"),
    "eps": ("ddpm", "ddim", "dpm++", "unipc", "heun"),
    "v": ("ddpm", "ddim", "dpm++", "unipc", "heun"),
}


def make_scheduler(config: DiffusionConfig, sampler: str) -> Any:
    """The diffusers scheduler called `sampler` for latents trained by `config`.

    Raises
    ------
    ValueError
        Where that sampler cannot be used with the objective; the message lists those that can.
    """
    if sampler not in SAMPLERS[config.objective]:
        known = ", ".join(SAMPLERS[config.objective])
        raise ValueError(f"{sampler!r} is no sampler for the objective {config.objective!r}; there are: {known}")
    if sampler == "heun" and config.zero_terminal_snr:
        raise ValueError("the sampler 'heun' cannot start where no signal is left (zero_terminal_snr); use 'dpm++'")
    if config.objective == "flow":
        flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "num_train_timesteps": 1000}
        if sampler == "euler":
            return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
        if sampler == "heun":
            return FlowMatchHeunDiscreteScheduler(num_train_timesteps=1000)
        if sampler == "dpm++":
            return DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, **flow)
        return UniPCMultistepScheduler(solver_order=2, **flow)
    arguments = config.schedule_arguments()
    if sampler == "ddpm":
        return DDPMScheduler(clip_sample=False, timestep_spacing="trailing", **arguments)
    if sampler == "ddim":
        return DDIMScheduler(clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing", **arguments)
    if sampler == "dpm++":
        return DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", timestep_spacing="trailing", **arguments)
    if sampler == "unipc":
        return UniPCMultistepScheduler(timestep_spacing="trailing", **arguments)
    arguments.pop("rescale_betas_zero_snr")
    return HeunDiscreteScheduler(timestep_spacing="trailing", **arguments)


def initial_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> tuple[Tensor, list[torch.Generator]]:
    """Unit Gaussian noise (len(seeds), *shape) on the CPU, and one generator a seed, to go on to the sampler."""
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=g) for g in generators]), generators


def sample(
    denoise: Denoise,
    noise: Tensor,
    scheduler: Any,
    num_steps: int,
    generators: list[torch.Generator] | None = None,
    on_step: Callable[[], None] | None = None,
) -> Tensor:
    """Turn `noise` (batch, channels, ny, nx) into latents by `num_steps` steps of `scheduler` (Eq. 5).

    Parameters
    ----------
    denoise : callable
        ``denoise(latents, time) -> prediction``, time of shape (batch,).
    generators : list of torch.Generator, optional
        One an image, for schedulers that add noise at every step.
    on_step : callable, optional
        Called after every step, for a progress bar.
    """
    flow_euler = isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
    if flow_euler:
        # equal steps down to 0; diffusers' own grid spends the last step on the thousandth next to 0
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / num_steps, num_steps).tolist(), device=noise.device)
    else:
        scheduler.set_timesteps(num_steps, device=noise.device)
    latents = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    stochastic = isinstance(scheduler, DDPMScheduler)
    extra = {"generator": generators} if stochastic and generators else {}
    for t, told in zip(scheduler.timesteps, _times(scheduler), strict=True):
        model_input = latents
        if hasattr(scheduler, "scale_model_input"):
            model_input = scheduler.scale_model_input(latents, t)
        prediction = denoise(model_input, told.to(noise.device).expand(len(latents)))
        latents = scheduler.step(prediction, t, latents, return_dict=False, **extra)[0]
        if on_step is not None:
            on_step()
    return latents


def _times(scheduler: Any) -> Tensor:
    """What the denoiser is told at each step; diffusers cuts the times of some flow schedulers to whole numbers."""
    if getattr(scheduler.config, "use_flow_sigmas", False):
        return 1000.0 * scheduler.sigmas[:-1]
    return scheduler.timesteps
