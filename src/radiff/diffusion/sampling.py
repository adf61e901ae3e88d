"""Noise to latents. Knows no FITS, no masks, no networks: the denoiser is a function of (latents, angle).

A sampler is a function of ``(denoise, noise, steps)``, and `SAMPLERS` names them all. One denoiser serves every
sampler, whatever it was trained on: a scheduler of diffusers works on a schedule of its own, and what it asks of the
network is put into an angle and back (see `radiff.diffusion.objectives`). Every image has a random generator of its
own, on the CPU, so that its noise does not depend on the batch, the device or the order.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(latents (batch, c, ny, nx), angle (batch,)) -> dx/d(angle) = cos(angle) eps - sin(angle) x_0."""

QUARTER = math.pi / 2


@dataclass(frozen=True)
class Steps:
    """How a sampler is to go.

    Attributes
    ----------
    number : int
    last_angle : float
        The noisiest angle that the denoiser knows (`Objective.last_angle`).
    generators : list of torch.Generator, optional
        One an image, for samplers that add noise at every step (``ddpm``).
    on_step : callable, optional
        Called after every step, for a progress bar.
    """

    number: int
    last_angle: float = QUARTER
    generators: list[torch.Generator] | None = None
    on_step: Callable[[], None] | None = None

    def angles(self) -> Iterator[tuple[float, float]]:
        """(angle here, angle there) of equal steps from the noisiest angle to 0."""
        for pair in pairwise(torch.linspace(self.last_angle, 0.0, self.number + 1).tolist()):
            yield pair
            self.done()

    def done(self) -> None:
        """Tell that a step is done."""
        if self.on_step is not None:
            self.on_step()


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


def sample(denoise: Denoise, noise: Tensor, sampler: str, steps: Steps | int) -> Tensor:
    """Turn `noise` (batch, channels, ny, nx) into latents by the sampler of that name (Eq. 5).

    Raises
    ------
    ValueError
        Where the sampler is not known.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"{sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
    return SAMPLERS[sampler](denoise, noise, steps if isinstance(steps, Steps) else Steps(steps))


@lru_cache(maxsize=64)
def null_response(sampler: str, num_steps: int, last_angle: float = QUARTER) -> float:
    """What a sampler leaves of noise where the velocity is 0: 1 for steps along the angle, less for other paths.

    Samplers of diffusers keep their estimates of image and noise through a step, and lose the cosine of each step.
    """
    one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    return float(sample(lambda x, _: torch.zeros_like(x), one, sampler, Steps(num_steps, last_angle)))


# -- along the angle: white noise of unit variance has v = 0, it is right after any number of steps -----------------


def euler(denoise: Denoise, x: Tensor, steps: Steps) -> Tensor:
    """First order, one call a step."""
    for here, there in steps.angles():
        x = x - (here - there) * denoise(x, _all(x, here))
    return x


def heun(denoise: Denoise, x: Tensor, steps: Steps) -> Tensor:
    """Second order, two calls a step."""
    for here, there in steps.angles():
        step = here - there
        v = denoise(x, _all(x, here))
        if there > 0:
            v = 0.5 * (v + denoise(x - step * v, _all(x, there)))
        x = x - step * v
    return x


def adams(denoise: Denoise, x: Tensor, steps: Steps) -> Tensor:
    """Second order, one call a step: the slope of the step before is used again."""
    before: Tensor | None = None
    for here, there in steps.angles():
        v = denoise(x, _all(x, here))
        x = x - (here - there) * (v if before is None else 1.5 * v - 0.5 * before)
        before = v
    return x


# -- schedulers of diffusers ----------------------------------------------------------------------------------------


def dpmpp(denoise: Denoise, noise: Tensor, steps: Steps) -> Tensor:
    """DPM-Solver++ of second order."""
    scheduler = DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, **_even_angles(steps))
    return _unit_variance(scheduler, denoise, noise, steps)


def unipc(denoise: Denoise, noise: Tensor, steps: Steps) -> Tensor:
    """UniPC of second order."""
    return _unit_variance(UniPCMultistepScheduler(solver_order=2, **_even_angles(steps)), denoise, noise, steps)


def ddim(denoise: Denoise, noise: Tensor, steps: Steps) -> Tensor:
    """DDIM, the paper's."""
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **_even_angles(steps))
    return _unit_variance(scheduler, denoise, noise, steps)


def ddpm(denoise: Denoise, noise: Tensor, steps: Steps) -> Tensor:
    """Ancestral sampling: adds noise at every step."""
    scheduler = DDPMScheduler(clip_sample=False, **_even_angles(steps))
    return _unit_variance(scheduler, denoise, noise, steps, generator=steps.generators)


def edm_heun(denoise: Denoise, noise: Tensor, steps: Steps) -> Tensor:
    """Karras et al. (2022): second order, two calls a step; x is clean + sigma * noise, up to sigma = 100."""
    scheduler: Any = HeunDiscreteScheduler(use_karras_sigmas=True, **_even_angles(steps, math.atan(100.0)))
    scheduler.set_timesteps(steps.number, device=noise.device)
    x = noise * scheduler.init_noise_sigma
    for number, t in enumerate(scheduler.timesteps):
        angle = math.atan(float(scheduler.sigmas[number]))
        v = denoise(scheduler.scale_model_input(x, t), _all(x, angle))
        x = scheduler.step(v, t, x, return_dict=False)[0]
        if number % 2 == 0:
            steps.done()
    return x


def flow_euler(denoise: Denoise, noise: Tensor, steps: Steps) -> Tensor:
    """Straight lines from noise to image, first order."""
    scheduler: Any = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    # equal steps down to 0; diffusers' own grid spends the last step on the thousandth next to 0
    sigmas = torch.linspace(1.0, 1.0 / steps.number, steps.number).tolist()
    scheduler.set_timesteps(sigmas=sigmas, device=noise.device)
    return _flow(scheduler, denoise, noise, steps)


def flow_heun(denoise: Denoise, noise: Tensor, steps: Steps) -> Tensor:
    """Straight lines from noise to image, second order, two calls a step."""
    scheduler: Any = FlowMatchHeunDiscreteScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(steps.number, device=noise.device)
    return _flow(scheduler, denoise, noise, steps, every=2)


SAMPLERS: dict[str, Callable[[Denoise, Tensor, Steps], Tensor]] = {
    "euler": euler,
    "heun": heun,
    "adams": adams,
    "dpm++": dpmpp,
    "unipc": unipc,
    "ddim": ddim,
    "ddpm": ddpm,
    "edm-heun": edm_heun,
    "flow-euler": flow_euler,
    "flow-heun": flow_heun,
}
TWO_CALLS = ("heun", "edm-heun", "flow-heun")
"""Samplers that ask the network twice a step, but for the last."""


def _all(x: Tensor, angle: float) -> Tensor:
    """(batch,): the same angle for every image."""
    return x.new_full((len(x),), angle)


def _even_angles(steps: Steps, most: float = QUARTER - 1e-3) -> dict[str, Any]:
    """A schedule for diffusers whose steps are even in the angle."""
    count = steps.number * max(1, 1000 // steps.number)  # that the steps divide: diffusers rounds others down
    angles = torch.linspace(0.0, min(steps.last_angle, most), count + 1, dtype=torch.float64)[1:]
    kept = torch.cos(angles).square()
    betas = 1 - kept / torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    return {
        "num_train_timesteps": count,
        "trained_betas": betas.numpy(),
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
    }


def _unit_variance(
    scheduler: Any, denoise: Denoise, noise: Tensor, steps: Steps, generator: list[torch.Generator] | None = None
) -> Tensor:
    """By a scheduler whose x is cos(angle) clean + sin(angle) noise, as the denoiser's is."""
    scheduler.set_timesteps(steps.number, device=noise.device)
    x, extra = noise, {"generator": generator} if generator else {}
    for t in scheduler.timesteps:
        angle = math.acos(min(1.0, math.sqrt(float(scheduler.alphas_cumprod[int(t)]))))
        x = scheduler.step(denoise(x, _all(x, angle)), t, x, return_dict=False, **extra)[0]
        steps.done()
    return x


def _flow(scheduler: Any, denoise: Denoise, noise: Tensor, steps: Steps, every: int = 1) -> Tensor:
    """By a scheduler whose x is (1 - u) clean + u noise; it wants noise - clean. Every `every` calls are a step."""
    x = noise
    for number, t in enumerate(scheduler.timesteps):
        u = float(scheduler.sigmas[number])
        angle = min(math.atan2(u, 1 - u), steps.last_angle)
        unit = x / math.hypot(u, 1 - u)
        v = denoise(unit, _all(x, angle))
        slope = (math.sin(angle) + math.cos(angle)) * v + (math.sin(angle) - math.cos(angle)) * unit
        x = scheduler.step(slope, t, x, return_dict=False)[0]
        if number % every == 0:
            steps.done()
    return x
