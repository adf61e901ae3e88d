"""Sampling's frame: seeds, calls, refusals. Its known answers are in tests/physics."""

import pytest
import torch

from radiff.diffusion.objectives import OBJECTIVES, DiffusionConfig
from radiff.diffusion.sampling import SAMPLERS, initial_noise, make_scheduler, sample

EVERY = [(name, sampler) for name in OBJECTIVES for sampler in SAMPLERS[name]]


def toward_zero(latents, time):
    """A denoiser that treats every element alike."""
    assert time.shape == (len(latents),)
    return 0.3 * latents


def draw(seeds, name, sampler, num_steps=4):
    noise, generators = initial_noise(seeds, (2, 3, 3))
    return sample(toward_zero, noise, make_scheduler(DiffusionConfig(name), sampler), num_steps, generators)


def test_noise_is_unit_gaussian_and_each_seed_has_its_own():
    noise, generators = initial_noise([0, 1, 2**31], (4, 32, 32))
    assert noise.shape == (3, 4, 32, 32) and len(generators) == 3
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)
    assert not torch.allclose(noise[0], noise[1])


@pytest.mark.parametrize(("name", "sampler"), EVERY)
def test_a_seed_gives_the_same_whatever_the_batch(name, sampler):
    together = draw([5, 0, 77], name, sampler)
    for k, seed in enumerate([5, 0, 77]):
        assert torch.equal(draw([seed], name, sampler)[0], together[k])
    assert torch.equal(draw([77, 5], name, sampler)[1], together[0])


@pytest.mark.parametrize(("name", "sampler"), EVERY)
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_calls_and_progress(name, sampler, num_steps):
    calls, ticks = [], []

    def denoise(latents, time):
        calls.append(float(time[0]))
        return torch.zeros_like(latents)

    noise, generators = initial_noise([1, 2], (1, 2, 2))
    scheduler = make_scheduler(DiffusionConfig(name), sampler)
    latents = sample(denoise, noise, scheduler, num_steps, generators, on_step=lambda: ticks.append(1))
    assert latents.shape == noise.shape and latents.isfinite().all()
    assert len(ticks) == len(calls) == (2 * num_steps - 1 if sampler == "heun" else num_steps)
    assert max(calls) == calls[0] >= 990
    if sampler not in ("heun", "unipc", "dpm++"):
        assert calls == sorted(calls, reverse=True)


def test_euler_wastes_no_step():
    """Equal steps from 1 to 0; a grid that ends on 1/1000 spends its last step on nothing."""
    scheduler = make_scheduler(DiffusionConfig("flow"), "euler")
    sample(toward_zero, torch.randn(1, 1, 2, 2), scheduler, 4)
    torch.testing.assert_close(scheduler.sigmas, torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0]))


def test_a_scheduler_can_be_used_again():
    scheduler = make_scheduler(DiffusionConfig("flow"), "heun")
    noise = torch.randn(1, 1, 3, 3)
    first = sample(toward_zero, noise, scheduler, 3)
    assert torch.equal(sample(toward_zero, noise, scheduler, 3), first)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_unknown_samplers_are_refused_with_those_that_there_are(name):
    with pytest.raises(ValueError, match=f"'nonsense' is no sampler for the objective '{name}'; there are: .*unipc"):
        make_scheduler(DiffusionConfig(name), "nonsense")


def test_heun_cannot_start_without_signal():
    with pytest.raises(ValueError, match=r"'heun' cannot start where no signal is left .*; use 'dpm\+\+'"):
        make_scheduler(DiffusionConfig("v", zero_terminal_snr=True), "heun")
