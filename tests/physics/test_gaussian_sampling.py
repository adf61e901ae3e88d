"""Samplers against the closed form: where the latents are Gaussian, the best denoiser is known exactly.

For x_0 ~ N(m, s^2) and x_t = a x_0 + b eps, given x_t:  E[eps] = b (x_t - a m) / (a^2 s^2 + b^2)  and
E[x_0] = m + a s^2 (x_t - a m) / (a^2 s^2 + b^2). Deterministic samplers turn z into mean + width * z, so z = 0 and
z = 1 give their mean and width without sampling noise; the exact answer is m + s z.
"""

from itertools import pairwise

import pytest
import torch

from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, initial_noise, make_scheduler, sample

FLOW, EPS, V = DiffusionConfig("flow"), DiffusionConfig("eps"), DiffusionConfig("v")
ZERO = DiffusionConfig("v", zero_terminal_snr=True)
EVERY = [(c, s) for c in (FLOW, EPS, V, ZERO) for s in SAMPLERS[c.objective] if not (c is ZERO and s == "heun")]
IDS = [f"{c.objective}{'-zero' if c is ZERO else ''}-{s}" for c, s in EVERY]


def exact_denoiser(config, mean, width):
    """What the best network predicts for latents of N(mean, width^2), in double precision."""
    schedule = None if config is FLOW else Objective(config).schedule.alphas_cumprod.double()

    def denoise(latents, time):
        x = latents.double()
        if schedule is None:
            b = time.double()[:, None, None, None] / 1000.0
            a = 1 - b
        else:
            signal = schedule[time.long()][:, None, None, None]
            a, b = signal.sqrt(), (1 - signal).sqrt()
        pull = (x - a * mean) / (a**2 * width**2 + b**2)
        noise, clean = b * pull, mean + a * width**2 * pull
        target = {"flow": noise - clean, "eps": noise, "v": a * noise - b * clean}[config.objective]
        return target.to(latents.dtype)

    return denoise


def mean_and_width(config, sampler, num_steps, mean, width):
    """Of what a sampler makes; exact for deterministic samplers, from 65,536 numbers for ddpm."""
    denoise, scheduler = exact_denoiser(config, mean, width), make_scheduler(config, sampler)
    if sampler == "ddpm":
        noise, generators = initial_noise([1, 2, 3, 4], (1, 128, 128))
        made = sample(denoise, noise, scheduler, num_steps, generators)
        return made.mean().item(), made.std().item()
    noise = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    made = sample(denoise, noise, scheduler, num_steps).flatten()
    return made[0].item(), (made[1] - made[0]).item()


@pytest.mark.parametrize(("config", "sampler"), EVERY, ids=IDS)
def test_every_sampler_finds_mean_and_width(config, sampler):
    mean, width = mean_and_width(config, sampler, 250 if sampler == "ddpm" else 100, mean=5.0, width=0.5)
    assert mean == pytest.approx(5.0, abs=0.03)
    assert width == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("config", "sampler"), EVERY, ids=IDS)
@pytest.mark.parametrize("value", [5.0, -30.0])
def test_nothing_is_clipped(config, sampler, value):
    """A latent that is always 5.0 comes back as 5.0, in few steps too."""
    mean, width = mean_and_width(config, sampler, 8, mean=value, width=0.0)
    assert mean == pytest.approx(value, abs=2e-3)
    assert width == pytest.approx(0.0, abs=2e-3)


def test_euler_is_of_first_order():
    """Its error halves when the steps double."""
    errors = [abs(mean_and_width(FLOW, "euler", n, 5.0, 0.5)[1] - 0.5) for n in (10, 20, 40, 80)]
    ratios = [a / b for a, b in pairwise(errors)]
    assert ratios == pytest.approx([2.0, 2.0, 2.0], rel=0.15)


@pytest.mark.parametrize("sampler", ["heun", "dpm++", "unipc"])
def test_second_order_samplers_beat_euler_at_the_same_calls(sampler):
    calls = 20
    steps = calls // 2 if sampler == "heun" else calls
    euler = abs(mean_and_width(FLOW, "euler", calls, 5.0, 0.5)[1] - 0.5)
    assert abs(mean_and_width(FLOW, sampler, steps, 5.0, 0.5)[1] - 0.5) < 0.5 * euler


def test_a_unit_gaussian_is_a_fixed_point_of_variance_preserving_sampling():
    mean, width = mean_and_width(EPS, "ddim", 200, 0.0, 1.0)
    assert (mean, width) == (pytest.approx(0, abs=1e-6), pytest.approx(1.0, rel=0.02))
