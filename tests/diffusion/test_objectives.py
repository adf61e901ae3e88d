"""What a network is given and told belongs together: clean latents, noise and velocity come back from it exactly."""

import math

import pytest
import torch

from radiff.diffusion.objectives import OBJECTIVES, DiffusionConfig, Objective

CONFIGS = [
    DiffusionConfig("angle"),
    DiffusionConfig("flow"),
    DiffusionConfig("eps"),
    DiffusionConfig("v"),
    DiffusionConfig("v", zero_terminal_snr=True),
    DiffusionConfig("eps", beta_schedule="scaled_linear", beta_start=0.0015, beta_end=0.0155),
]
EVERY = pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda c: f"{c.objective}-{c.beta_schedule}-{c.zero_terminal_snr}"
)


def column(values):
    return values[:, None, None, None]


def noised(objective, angle, dtype=torch.float64, seed=0):
    """Clean latents, noise and their mixture at `angle` (batch,)."""
    random = torch.Generator().manual_seed(seed)
    clean, noise = (torch.randn(len(angle), 3, 4, 4, generator=random, dtype=dtype) for _ in range(2))
    return 5.0 * clean, noise, objective.noised(5.0 * clean, noise, angle)


@EVERY
def test_what_the_network_says_gives_the_velocity(config):
    """v = cos(a) eps - sin(a) x_0, from the target alone, over all angles that the network was trained at."""
    objective = Objective(config)
    angle = torch.linspace(0.0, objective.last_angle, 65, dtype=torch.float64)
    clean, noise, x = noised(objective, angle)
    torch.testing.assert_close(x, column(angle.cos()) * clean + column(angle.sin()) * noise)
    velocity = objective.velocity(x, objective.target(clean, noise, angle), angle)
    expected = column(angle.cos()) * noise - column(angle.sin()) * clean
    torch.testing.assert_close(velocity, expected, atol=1e-9, rtol=1e-9)


@EVERY
def test_clean_latents_and_noise_come_back_from_the_velocity(config):
    """x_0 = cos(a) x - sin(a) v and eps = sin(a) x + cos(a) v, in the precision of training."""
    objective = Objective(config)
    angle = objective.draw_angles(64, torch.Generator().manual_seed(1))
    clean, noise, x = noised(objective, angle, torch.float32)
    velocity = objective.velocity(x, objective.target(clean, noise, angle), angle)
    cos, sin = column(angle.cos()), column(angle.sin())
    torch.testing.assert_close(cos * x - sin * velocity, clean, atol=5e-3, rtol=1e-3)
    torch.testing.assert_close(sin * x + cos * velocity, noise, atol=5e-3, rtol=1e-3)


@EVERY
def test_within_a_reach_clean_latents_are_clamped_and_noise_follows(config):
    """With x_0 clamped, eps is what is left of x: x = cos(a) x_0 + sin(a) eps holds; within reach nothing changes."""
    objective = Objective(config)
    angle = torch.linspace(0.05, min(objective.last_angle, 1.5), 33, dtype=torch.float64)
    clean, noise, x = noised(objective, angle)
    output = objective.target(clean, noise, angle)
    free, held = objective.velocity(x, output, angle), objective.velocity(x, output, angle, torch.tensor(4.0))
    cos, sin = column(angle.cos()), column(angle.sin())
    kept = cos * x - sin * held
    torch.testing.assert_close(kept, clean.clamp(-4.0, 4.0), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(cos * kept + sin * (sin * x + cos * held), x, atol=1e-9, rtol=1e-9)
    inside = clean.abs() < 3.99
    assert 0.3 < float(inside.double().mean()) < 0.8 and torch.equal(free[inside], held[inside])


def test_targets_by_name():
    clean, noise = torch.full((1, 1, 1, 1), 3.0), torch.full((1, 1, 1, 1), -2.0)
    angle = torch.tensor([math.pi / 6])  # sin = 1/2
    said = {name: Objective(DiffusionConfig(name)).target(clean, noise, angle).item() for name in OBJECTIVES}
    slope = -2.0 * math.sqrt(3) / 2 - 3.0 / 2
    assert said == pytest.approx({"angle": slope, "v": slope, "flow": -5.0, "eps": -2.0})


@EVERY
def test_ends_of_the_way(config):
    objective = Objective(config)
    clean, noise = torch.full((1, 1, 2, 2), 3.0), torch.randn(1, 1, 2, 2)
    assert torch.equal(objective.noised(clean, noise, torch.tensor([0.0])), clean)
    last = objective.noised(clean, noise, torch.tensor([objective.last_angle]))
    torch.testing.assert_close(last, noise, atol=0.25, rtol=0)
    if config.objective in ("angle", "flow") or config.zero_terminal_snr:
        assert objective.last_angle == pytest.approx(math.pi / 2, abs=1e-6)  # nothing of the image is left


def test_the_angles_of_a_schedule_are_the_paper_s():
    """Eq. 4 with linear betas from 1e-4 to 0.02 and T = 1000: cos(a_t)^2 is the product of 1 - beta up to t."""
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    objective = Objective(DiffusionConfig("eps"))
    torch.testing.assert_close(objective.angles.double().cos().square(), kept, rtol=1e-3, atol=1e-8)
    assert objective.last_angle == pytest.approx(math.acos(math.sqrt(kept[-1])), abs=1e-6)
    assert Objective(DiffusionConfig("v")).last_angle == objective.last_angle


@pytest.mark.parametrize("name", ["eps", "v"])
def test_a_schedule_tells_the_number_of_the_step(name):
    """Step t is told as t; an angle between two steps as a time between them; outside, the nearest step."""
    objective = Objective(DiffusionConfig(name))
    x = torch.randn(1000, 1, 1, 1)
    given, time = objective.model_input(x, objective.angles)
    assert torch.equal(given, x)
    torch.testing.assert_close(time, torch.arange(1000.0), atol=1e-3, rtol=0)
    low, high = objective.angles[[200, 700]], objective.angles[[201, 701]]
    _, between = objective.model_input(x[:2], 0.75 * low + 0.25 * high)
    torch.testing.assert_close(between, torch.tensor([200.25, 700.25]), atol=0.02, rtol=0)
    _, outside = objective.model_input(x[:2], torch.tensor([0.0, math.pi / 2]))
    assert outside.tolist() == [0.0, 999.0]


def test_angle_and_flow_tell_thousandths_of_the_way():
    angle = torch.tensor([0.0, math.pi / 8, math.pi / 4, math.pi / 2])
    x = torch.randn(4, 1, 2, 2)
    given, time = Objective(DiffusionConfig("angle")).model_input(x, angle)
    assert torch.equal(given, x)
    torch.testing.assert_close(time, torch.tensor([0.0, 250.0, 500.0, 1000.0]), atol=1e-3, rtol=0)
    angle = torch.tensor([0.0, math.atan(1 / 3), math.pi / 4, math.pi / 2])
    _, time = Objective(DiffusionConfig("flow")).model_input(x, angle)
    torch.testing.assert_close(time, torch.tensor([0.0, 250.0, 500.0, 1000.0]), atol=1e-3, rtol=0)


def test_flow_is_given_the_straight_line_between_image_and_noise():
    """x = (1 - u) x_0 + u eps with u = time / 1000, whatever the angle's own scale."""
    objective = Objective(DiffusionConfig("flow"))
    angle = torch.linspace(0.0, math.pi / 2, 33, dtype=torch.float64)
    clean, noise, x = noised(objective, angle)
    given, time = objective.model_input(x, angle)
    u = column(time / 1000.0)
    torch.testing.assert_close(given, (1 - u) * clean + u * noise)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_angles_are_spread_evenly_over_a_batch(name):
    objective = Objective(DiffusionConfig(name))
    angle = objective.draw_angles(64, torch.Generator().manual_seed(0))
    if name == "angle":
        even = angle / (math.pi / 2)
    elif name == "flow":
        even = torch.special.ndtr(torch.logit(angle.sin() / (angle.sin() + angle.cos())))
    else:
        step = torch.searchsorted(objective.angles, angle)
        assert torch.equal(objective.angles[step], angle)  # the network is trained at the steps themselves
        even = (step + 0.5) / 1000
    left = torch.arange(64) / 64
    off = 1e-3 if name in ("eps", "v") else 1e-5  # a step of the schedule; rounding
    assert ((even.sort().values > left - off) & (even.sort().values < left + 1 / 64 + off)).all()
    assert ((even > 0) & (even < 1)).all() and (angle <= objective.last_angle).all()
    assert not angle.equal(angle.sort().values)
    assert angle.equal(Objective(DiffusionConfig(name)).draw_angles(64, torch.Generator().manual_seed(0)))
    assert not angle.equal(objective.draw_angles(64, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("name", ["angle", "flow"])
def test_a_time_shift_multiplies_noise_over_image(name):
    """The median of tan(a), which is noise over image, goes from 1 to e^shift."""
    shifted = Objective(DiffusionConfig(name, time_shift=1.0)).draw_angles(4096, torch.Generator().manual_seed(0))
    plain = Objective(DiffusionConfig(name)).draw_angles(4096, torch.Generator().manual_seed(0))
    assert plain.tan().median().item() == pytest.approx(1.0, rel=0.02)
    assert shifted.tan().median().item() == pytest.approx(math.e, rel=0.02)
    torch.testing.assert_close(shifted.tan(), math.e * plain.tan(), rtol=2e-3, atol=0)
    assert (shifted > 0).all() and (shifted < math.pi / 2).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'x0' is no objective; there are: angle, flow, v, eps"):
        DiffusionConfig("x0")
    with pytest.raises(ValueError, match="zero_terminal_snr cannot go with 'eps'"):
        DiffusionConfig("eps", zero_terminal_snr=True)


def test_config_round_trip():
    config = DiffusionConfig("v", 500, "scaled_linear", 0.001, 0.01, True, 0.5)
    assert DiffusionConfig(**config.to_dict()) == config
