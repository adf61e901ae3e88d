"""Sampling's frame: seeds, calls, progress, refusals. Its known answers are in tests/physics."""

import math
from itertools import pairwise

import pytest
import torch

from radiff.diffusion.sampling import SAMPLERS, TWO_CALLS, Steps, initial_noise, network_calls, sample, steps_for

EVERY = pytest.mark.parametrize("sampler", SAMPLERS)


def toward_zero(latents, angle):
    """A velocity that treats every element alike."""
    assert angle.shape == (len(latents),)
    return 0.3 * latents


def draw(seeds, sampler, num_steps=4):
    noise, generators = initial_noise(seeds, (2, 3, 3))
    return sample(toward_zero, noise, sampler, Steps(num_steps, generators=generators))


def test_noise_is_unit_gaussian_and_each_seed_has_its_own():
    noise, generators = initial_noise([0, 1, 2**31], (4, 32, 32))
    assert noise.shape == (3, 4, 32, 32) and len(generators) == 3
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    assert not torch.allclose(noise[0], noise[1])


@EVERY
def test_a_seed_gives_the_same_whatever_the_batch(sampler):
    together = draw([5, 0, 77], sampler)
    for k, seed in enumerate([5, 0, 77]):
        assert torch.equal(draw([seed], sampler)[0], together[k])
    assert torch.equal(draw([77, 5], sampler)[1], together[0])
    assert not torch.equal(together[0], together[1])


@EVERY
@pytest.mark.parametrize("last_angle", [math.pi / 2, 1.5])
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_calls_and_progress(sampler, num_steps, last_angle):
    """The network is called as often as promised, from the noisiest angle down; every step is told once."""
    calls, ticks = [], []

    def velocity(latents, angle):
        assert (angle == angle[0]).all()
        calls.append(float(angle[0]))
        return torch.zeros_like(latents)

    noise, generators = initial_noise([1, 2], (1, 2, 2))
    steps = Steps(num_steps, last_angle, generators, lambda: ticks.append(1))
    latents = sample(velocity, noise, sampler, steps)
    assert latents.shape == noise.shape and latents.isfinite().all()
    assert (
        len(calls)
        == network_calls(sampler, num_steps)
        == num_steps * (1 + (sampler in TWO_CALLS)) - (sampler in TWO_CALLS)
    )
    assert len(ticks) == num_steps
    assert max(calls) == calls[0] == pytest.approx(last_angle, abs=0.011)  # edm-heun starts at a noise of 100
    assert max(calls) <= last_angle + 1e-6  # beyond it the network knows nothing
    assert min(calls) >= 0
    if sampler not in ("heun", "edm-heun", "flow-heun"):
        assert all(here > there for here, there in pairwise(calls))


@EVERY
@pytest.mark.parametrize("calls", [1, 2, 7, 8, 16, 101])
def test_steps_for_a_number_of_calls(sampler, calls):
    assert 0 <= network_calls(sampler, steps_for(sampler, calls)) - calls <= (sampler in TWO_CALLS)
    assert steps_for(sampler, network_calls(sampler, 9)) == 9


def asked_angles(sampler, num_steps):
    angles = []

    def velocity(x, angle):
        angles.append(float(angle[0]))
        return torch.zeros_like(x)

    sample(velocity, torch.randn(1, 1, 2, 2), sampler, num_steps)
    return angles


@pytest.mark.parametrize("num_steps", [4, 12, 16, 160])
def test_equal_steps_from_noise_to_nothing(num_steps):
    """A grid that ends on 1/1000 would spend its last step on nothing; one that is rounded down loses its way."""
    even = [k / num_steps for k in range(num_steps, 0, -1)]
    turns = [math.pi / 2 * part for part in even]
    assert asked_angles("euler", num_steps) == asked_angles("adams", num_steps) == pytest.approx(turns)
    assert asked_angles("flow-euler", num_steps) == pytest.approx([math.atan2(u, 1 - u) for u in even])
    most = math.pi / 2 - 1e-3
    for sampler in ("ddim", "ddpm", "dpm++", "unipc"):
        assert asked_angles(sampler, num_steps) == pytest.approx([most * part for part in even], abs=1e-4)


@EVERY
def test_the_noise_given_is_left_as_it_is(sampler):
    noise, generators = initial_noise([3], (1, 3, 3))
    before = noise.clone()
    sample(toward_zero, noise, sampler, Steps(3, generators=generators))
    assert torch.equal(noise, before)


def test_only_ddpm_draws_noise_on_the_way():
    for sampler in SAMPLERS:
        noise, generators = initial_noise([3], (1, 3, 3))
        state = generators[0].get_state()
        sample(toward_zero, noise, sampler, Steps(3, generators=generators))
        assert torch.equal(generators[0].get_state(), state) is (sampler != "ddpm")


def test_unknown_samplers_are_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"'nonsense' is no sampler; there are: euler, heun, adams, dpm\+\+, unipc"):
        sample(toward_zero, torch.randn(1, 1, 2, 2), "nonsense", 3)
