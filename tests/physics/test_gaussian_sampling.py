"""Samplers against the closed form: where the latents are Gaussian, the best denoiser is known exactly.

For x_0 ~ N(m, s^2) and x = a x_0 + b eps with a = cos(angle), b = sin(angle), given x:  E[eps] = b (x - a m) / w and
E[x_0] = m + a s^2 (x - a m) / w with w = a^2 s^2 + b^2. Deterministic samplers turn z into mean + width * z, so z = 0
and z = 1 give their mean and width without sampling noise; the exact answer is m + s z.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, Steps, initial_noise, network_calls, sample, steps_for

ANGLE = ("euler", "heun", "adams")
CONFIGS = [
    DiffusionConfig("angle"),
    DiffusionConfig("flow"),
    DiffusionConfig("eps"),
    DiffusionConfig("v"),
    DiffusionConfig("v", zero_terminal_snr=True),
]
OBJECTIVES = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda c: c.objective + ("-zero" if c.zero_terminal_snr else "")
)


def expected(x, a, b, mean, width):
    """E[x_0] and E[eps] given x."""
    pull = (x - a * mean) / (a**2 * width**2 + b**2)
    return mean + a * width**2 * pull, b * pull


def exact_velocity(mean, width):
    """cos E[eps] - sin E[x_0] of latents of N(mean, width^2), in double precision."""

    def velocity(latents, angle):
        a, b = (f(angle.double())[:, None, None, None] for f in (torch.cos, torch.sin))
        clean, noise = expected(latents.double(), a, b, mean, width)
        return (a * noise - b * clean).to(latents.dtype)

    return velocity


def exact_network(config, mean, width):
    """The same through what the best network of an objective is given, told and says; knows only times it was told."""
    objective = Objective(config)

    def network(given, time):
        told = time.double().numpy()
        if config.objective == "flow":
            b = told / 1000
            a = 1 - b
        elif config.objective == "angle":
            a, b = np.cos(told / 1000 * np.pi / 2), np.sin(told / 1000 * np.pi / 2)
        else:
            assert told.max() <= 999
            angle = np.interp(told, np.arange(1000), objective.angles.double().numpy())
            a, b = np.cos(angle), np.sin(angle)
        a, b = (torch.from_numpy(c)[:, None, None, None] for c in (a, b))
        clean, noise = expected(given.double(), a, b, mean, width)
        said = {"flow": noise - clean, "eps": noise}.get(config.objective, a * noise - b * clean)
        return said.to(given.dtype)

    def velocity(latents, angle):
        return objective.velocity(latents, network(*objective.model_input(latents, angle)), angle)

    return velocity, objective.last_angle


def mean_and_width(velocity, sampler, num_steps, last_angle=math.pi / 2):
    """Of what a sampler makes; exact for deterministic samplers, from 65,536 numbers for ddpm."""
    if sampler == "ddpm":
        noise, generators = initial_noise([1, 2, 3, 4], (1, 128, 128))
        made = sample(velocity, noise, sampler, Steps(num_steps, last_angle, generators))
        return made.mean().item(), made.std().item()
    noise = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    made = sample(velocity, noise, sampler, Steps(num_steps, last_angle)).flatten()
    return made[0].item(), (made[1] - made[0]).item()


@pytest.mark.parametrize("sampler", SAMPLERS)
@OBJECTIVES
def test_every_sampler_finds_mean_and_width_with_every_network(config, sampler):
    velocity, last_angle = exact_network(config, 5.0, 0.5)
    mean, width = mean_and_width(velocity, sampler, steps_for(sampler, 100), last_angle)
    assert mean == pytest.approx(5.0, abs=0.03)
    assert width == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("sampler", SAMPLERS)
@OBJECTIVES
def test_few_steps_do_not_lose_their_way(config, sampler):
    """Eight calls: the mean to a tenth, whatever the network; at its end networks are told nonsense."""
    velocity, last_angle = exact_network(config, 5.0, 0.5)
    mean, width = mean_and_width(velocity, sampler, steps_for(sampler, 8), last_angle)
    assert mean == pytest.approx(5.0, rel=0.1)
    assert width == pytest.approx(0.5, rel=0.5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_more_calls_come_nearer(sampler):
    velocity = exact_velocity(5.0, 0.5)
    errors = [abs(mean_and_width(velocity, sampler, steps_for(sampler, n))[1] - 0.5) for n in (10, 40, 160)]
    assert errors[1] < 0.4 * errors[0]
    assert errors[2] < 0.4 * errors[1]


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if s not in ("euler", "heun")])
@pytest.mark.parametrize("value", [5.0, -30.0])
def test_a_constant_image_comes_back(sampler, value):
    """A latent that is always 5.0 comes back as 5.0, in few steps too: nothing is clipped."""
    mean, width = mean_and_width(exact_velocity(value, 0.0), sampler, 8)
    assert mean == pytest.approx(value, rel=2e-4)
    assert width == pytest.approx(0.0, abs=2e-3)


@pytest.mark.parametrize("sampler", ["euler", "heun"])
@pytest.mark.parametrize("value", [5.0, -30.0])
def test_a_constant_image_comes_back_at_second_order_on_the_angle(sampler, value):
    """One Euler step of h from the exact path gives c (cos h + h sin h) = c (1 + h^2 / 2)."""
    velocity = exact_velocity(value, 0.0)
    errors = [mean_and_width(velocity, sampler, n)[0] / value - 1 for n in (8, 16, 32, 64)]
    assert [a / b for a, b in pairwise(errors)] == pytest.approx([4.0] * 3, rel=0.05)
    assert errors[-1] == pytest.approx((math.pi / 2 / 64) ** 2 / 2, rel=0.01 if sampler == "heun" else 0.6)


@pytest.mark.parametrize("num_steps", [1, 2, 3, 16])
@pytest.mark.parametrize("sampler", ANGLE)
def test_white_unit_noise_is_exact_on_the_angle_at_any_number_of_steps(sampler, num_steps):
    """Its velocity is zero: what is drawn is what comes out."""
    noise, _ = initial_noise([0, 1], (3, 8, 8))
    made = sample(exact_velocity(0.0, 1.0), noise, sampler, num_steps)
    torch.testing.assert_close(made, noise, atol=1e-6, rtol=0)


def test_euler_is_of_first_order():
    """Its error halves when the steps double."""
    errors = [abs(mean_and_width(exact_velocity(5.0, 0.5), "euler", n)[0] - 5.0) for n in (10, 20, 40, 80)]
    assert [a / b for a, b in pairwise(errors)] == pytest.approx([2.0, 2.0, 2.0], rel=0.05)


@pytest.mark.parametrize("sampler", ["heun", "adams"])
def test_heun_and_adams_are_of_second_order(sampler):
    results = [mean_and_width(exact_velocity(5.0, 0.5), sampler, n) for n in (10, 20, 40, 80)]
    for errors in ([abs(mean - 5.0) for mean, _ in results], [abs(width - 0.5) for _, width in results]):
        assert [a / b for a, b in pairwise(errors)] == pytest.approx([4.0, 4.0, 4.0], rel=0.05)


@pytest.mark.parametrize("sampler", ["heun", "adams", "dpm++", "unipc", "flow-heun"])
def test_second_order_samplers_beat_those_of_first_order_at_the_same_calls(sampler):
    steps = steps_for(sampler, 20)
    assert 20 <= network_calls(sampler, steps) <= 21
    velocity = exact_velocity(0.0, 0.5)  # the mean is zero, so the width is all that can be wrong
    ddim = abs(mean_and_width(velocity, "ddim", 21)[1] - 0.5)
    assert abs(mean_and_width(velocity, sampler, steps)[1] - 0.5) < 0.5 * ddim


def test_a_unit_gaussian_stays_one_under_ddim():
    mean, width = mean_and_width(exact_velocity(0.0, 1.0), "ddim", 200)
    assert (mean, width) == (pytest.approx(0, abs=1e-6), pytest.approx(1.0, rel=0.02))
