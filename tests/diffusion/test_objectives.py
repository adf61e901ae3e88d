"""Noised latents and targets belong together: the clean latents come back from them exactly."""

import math

import pytest
import torch

from radiff.diffusion.objectives import OBJECTIVES, DiffusionConfig, Objective

CONFIGS = [
    DiffusionConfig("flow"),
    DiffusionConfig("eps"),
    DiffusionConfig("v"),
    DiffusionConfig("v", zero_terminal_snr=True),
    DiffusionConfig("eps", beta_schedule="scaled_linear", beta_start=0.0015, beta_end=0.0155),
]


def recover(objective, x, time, target):
    """x_0 from what a perfect network predicts."""
    if objective.config.objective == "flow":
        return x - (time / 1000.0)[:, None, None, None] * target
    signal = objective.schedule.alphas_cumprod[time][:, None, None, None]
    if objective.config.objective == "eps":
        return (x - (1 - signal).sqrt() * target) / signal.sqrt()
    return signal.sqrt() * x - (1 - signal).sqrt() * target


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.objective}-{c.beta_schedule}-{c.zero_terminal_snr}")
def test_clean_latents_come_back(config):
    torch.manual_seed(0)
    objective = Objective(config)
    clean, noise = 5.0 * torch.randn(16, 3, 4, 4), torch.randn(16, 3, 4, 4)
    u = objective.draw_times(16, torch.Generator().manual_seed(1))
    x, time, target = objective.noised(clean, noise, u)
    assert x.shape == target.shape == clean.shape and time.shape == (16,)
    torch.testing.assert_close(recover(objective, x, time, target), clean, atol=5e-3, rtol=1e-3)


def test_ends_of_time():
    clean, noise = torch.full((1, 1, 2, 2), 3.0), torch.randn(1, 1, 2, 2)
    for config in CONFIGS:
        objective = Objective(config)
        x, *_ = objective.noised(clean, noise, torch.tensor([0.0]))
        torch.testing.assert_close(x, clean, atol=0.15, rtol=0)
        x, *_ = objective.noised(clean, noise, torch.tensor([1.0]))
        torch.testing.assert_close(x, noise, atol=0.1, rtol=0)
    x, *_ = Objective(CONFIGS[3]).noised(clean, noise, torch.tensor([1.0]))
    assert torch.equal(x, noise)  # nothing of the image is left


def test_variance_preserving_schedule_is_the_paper_s():
    """Eq. 4 with linear betas from 1e-4 to 0.02 and T = 1000."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    schedule = Objective(DiffusionConfig("eps")).schedule
    torch.testing.assert_close(schedule.alphas_cumprod.double(), torch.cumprod(1 - betas, 0), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_times_are_spread_evenly_over_a_batch(name):
    u = Objective(DiffusionConfig(name)).draw_times(64, torch.Generator().manual_seed(0))
    even = u if name != "flow" else torch.special.ndtr(torch.logit(u))
    assert (even.sort().values * 64).long().clamp(max=63).tolist() == list(range(64))
    assert ((u > 0) & (u < 1)).all()
    assert not u.equal(u.sort().values)
    assert u.equal(Objective(DiffusionConfig(name)).draw_times(64, torch.Generator().manual_seed(0)))


def test_time_shift_moves_the_median():
    u = Objective(DiffusionConfig("flow", time_shift=1.0)).draw_times(4096, torch.Generator().manual_seed(0))
    assert u.median().item() == pytest.approx(1 / (1 + math.exp(-1.0)), abs=0.01)


def test_flow_tells_the_time_in_thousandths():
    _, time, _ = Objective(DiffusionConfig("flow")).noised(
        torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), torch.tensor([0.25])
    )
    assert time.tolist() == [250.0]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'x0' is no objective; there are: flow, v, eps"):
        DiffusionConfig("x0")
    with pytest.raises(ValueError, match="zero_terminal_snr cannot go with 'eps'"):
        DiffusionConfig("eps", zero_terminal_snr=True)


def test_config_round_trip():
    config = DiffusionConfig("v", 500, "scaled_linear", 0.001, 0.01, True, 0.5)
    assert DiffusionConfig(**config.to_dict()) == config
