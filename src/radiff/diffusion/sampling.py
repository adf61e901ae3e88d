"""Noise to latents. Knows no FITS, no masks, no networks: the denoiser is a function of (latents, angle).

One denoiser serves every sampler, whatever it was trained on: a sampler of diffusers works on a schedule of its own,
and what it asks of the network is put into an angle and back (see `radiff.diffusion.objectives`). Every image has a
random generator of its own, on the CPU, so that its noise does not depend on the batch, the device or the order.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
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

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(latents (batch, c, ny, nx), angle (batch,)) -> cos(angle) eps - sin(angle) x_0."""

SAMPLERS = ("euler", "heun", "adams", "dpm++", "unipc", "ddim", "ddpm", "edm-heun", "flow-euler", "flow-heun")
TWO_CALLS = ("heun", "edm-heun", "flow-heun")
"""Samplers that ask the network twice a step, but for the last."""


def network_calls(sampler: str, num_steps: int) -> int:
    """How often `sampler` asks the network in `num_steps` steps."""
    return 2 * num_steps - 1 if sampler in TWO_CALLS else num_steps


def steps_for(sampler: str, calls: int) -> int:
    """The steps of `sampler` that take `calls` network calls, or one more."""
    return max(1, calls if sampler not in TWO_CALLS else calls // 2 + 1)


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU for a seed of up to 64 bits. PyTorch's own seeding sees the lowest 32 alone."""
    generator = torch.Generator().manual_seed(seed % 2**32)
    if seed >= 2**32:
        state = generator.get_state()
        words = state.numpy()[24 : 24 + 8 * 624].view(np.uint64)  # of the Mersenne Twister, behind seed and position
        words[:] = np.random.MT19937(np.random.SeedSequence(seed)).state["state"]["key"]
        generator.set_state(state)
    return generator


def initial_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> tuple[Tensor, list[torch.Generator]]:
    """Unit Gaussian noise (len(seeds), *shape) on the CPU, and one generator a seed, to go on to the sampler."""
    generators = [seeded(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=g) for g in generators]), generators


def sample(
    velocity: Velocity,
    noise: Tensor,
    sampler: str,
    num_steps: int,
    generators: list[torch.Generator] | None = None,
    on_step: Callable[[], None] | None = None,
    last_angle: float = math.pi / 2,
) -> Tensor:
    """Turn `noise` (batch, channels, ny, nx) into latents by `num_steps` steps of `sampler` (Eq. 5).

    Parameters
    ----------
    velocity : callable
        See `Velocity`.
    sampler : str
        ``euler``, ``heun`` (second order, two calls a step) and ``adams``
        (second order, one call a step) on the angle; ``dpm++``, ``unipc``, ``ddim``, ``ddpm``, ``edm-heun`` and
        the flow samplers ``flow-euler``, ``flow-heun`` of diffusers.
    generators : list of torch.Generator, optional
        One an image, for samplers that add noise at every step (``ddpm``).
    on_step : callable, optional
        Called after every step, for a progress bar.
    last_angle : float
        The noisiest angle that the denoiser knows (`Objective.last_angle`).

    Raises
    ------
    ValueError
        Where the sampler is not known.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"{sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
    if sampler in ("euler", "heun", "adams"):
        return _along_the_angle(velocity, noise, sampler, num_steps, on_step, last_angle)
    return _by_schedule(velocity, noise, sampler, num_steps, generators, on_step, last_angle)


@lru_cache(maxsize=64)
def null_response(sampler: str, num_steps: int, last_angle: float = math.pi / 2) -> float:
    """What a sampler leaves of noise where the velocity is 0: 1 for steps along the angle, less for other paths.

    Samplers of diffusers keep their estimates of image and noise through a step, and lose the cosine of each step.
    """
    one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    return float(sample(lambda x, _: torch.zeros_like(x), one, sampler, num_steps, None, None, last_angle))


def _along_the_angle(
    velocity: Velocity,
    x: Tensor,
    sampler: str,
    num_steps: int,
    on_step: Callable[[], None] | None,
    last_angle: float,
) -> Tensor:
    """Equal steps of dx/d(angle) = v. White noise of unit variance has v = 0: it is right after any number of steps."""
    angles = torch.linspace(last_angle, 0.0, num_steps + 1).tolist()
    before: Tensor | None = None
    for here, there in pairwise(angles):
        step = here - there
        v = velocity(x, x.new_full((len(x),), here))
        now = v
        if sampler == "heun" and there > 0:
            v = 0.5 * (v + velocity(x - step * v, x.new_full((len(x),), there)))
        elif sampler == "adams" and before is not None:
            v = 1.5 * v - 0.5 * before
        before = now
        x = x - step * v
        if on_step is not None:
            on_step()
    return x


def _by_schedule(
    velocity: Velocity,
    noise: Tensor,
    sampler: str,
    num_steps: int,
    generators: list[torch.Generator] | None,
    on_step: Callable[[], None] | None,
    last_angle: float,
) -> Tensor:
    """A scheduler of diffusers."""
    scheduler, kind = _scheduler(sampler, num_steps, last_angle)
    if sampler == "flow-euler":
        # equal steps down to 0; diffusers' own grid spends the last step on the thousandth next to 0
        sigmas = torch.linspace(1.0, 1.0 / num_steps, num_steps).tolist()
        scheduler.set_timesteps(sigmas=sigmas, device=noise.device)
    else:
        scheduler.set_timesteps(num_steps, device=noise.device)
    x = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    extra = {"generator": generators} if sampler == "ddpm" and generators else {}
    for number, t in enumerate(scheduler.timesteps):
        asked = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        if kind == "flow":
            u = float(scheduler.sigmas[number])
            angle, scale = min(math.atan2(u, 1 - u), last_angle), math.hypot(u, 1 - u)
        elif kind == "sigma":  # x is clean + sigma * noise, asked is scaled to unit variance
            angle, scale = math.atan(float(scheduler.sigmas[number])), 1.0
        else:
            angle, scale = math.acos(min(1.0, math.sqrt(float(scheduler.alphas_cumprod[int(t)])))), 1.0
        x_unit = asked / scale
        v = velocity(x_unit, x.new_full((len(x),), angle))
        if kind == "flow":  # eps - x_0
            said = (math.sin(angle) + math.cos(angle)) * v + (math.sin(angle) - math.cos(angle)) * x_unit
        else:
            said = v
        x = scheduler.step(said, t, x, return_dict=False, **extra)[0]
        if on_step is not None and (sampler not in TWO_CALLS or number % 2 == 0):
            on_step()
    return x


def _scheduler(sampler: str, num_steps: int, last_angle: float) -> tuple[Any, str]:
    """A diffusers scheduler whose steps are even in the angle, and what its latents are: unit, sigma or flow."""
    if sampler == "flow-euler":
        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000), "flow"
    if sampler == "flow-heun":
        return FlowMatchHeunDiscreteScheduler(num_train_timesteps=1000), "flow"
    most = math.atan(100.0) if sampler == "edm-heun" else math.pi / 2 - 1e-3
    count = num_steps * max(1, 1000 // num_steps)  # a schedule that the steps divide: diffusers rounds others down
    angles = torch.linspace(0.0, min(last_angle, most), count + 1, dtype=torch.float64)[1:]
    kept = torch.cos(angles).square()
    betas = 1 - kept / torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    common = {
        "num_train_timesteps": count,
        "trained_betas": betas.numpy(),
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
    }
    if sampler == "ddpm":
        return DDPMScheduler(clip_sample=False, **common), "unit"
    if sampler == "ddim":
        return DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **common), "unit"
    if sampler == "dpm++":
        return DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, **common), "unit"
    if sampler == "unipc":
        return UniPCMultistepScheduler(solver_order=2, **common), "unit"
    return HeunDiscreteScheduler(use_karras_sigmas=True, **common), "sigma"
