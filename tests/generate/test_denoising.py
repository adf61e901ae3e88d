"""Guidance by its formula, windows that cover a field and leave no seam, and what costs a network call."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch

from conftest import wake
from radiff.diffusion.objectives import OBJECTIVES, DiffusionConfig, Objective
from radiff.diffusion.sampling import Steps, initial_noise, sample
from radiff.generate import Guidance, denoising
from radiff.generate.denoising import OVERLAP, WINDOW, make_denoiser, scales_of, windows
from radiff.models.conditions import Conditions, noise_augmented
from radiff.models.denoiser import Denoiser, DenoiserConfig

FACTOR, CHANNELS = 2, 3
ANGLE = Objective(DiffusionConfig("angle"))
TINY = DenoiserConfig(
    latent_channels=CHANNELS, factor=FACTOR, channels=(16, 16), layers=1, attention=(False, True), head_width=16,
    context=8,
)  # fmt: skip
SIZES = pytest.mark.parametrize("shape", [(16, 16), (32, 32), (33, 33), (75, 50), (16, 75)])


@dataclass
class Fake:
    """A network that says, everywhere, a number made of what it is asked; it counts its calls and their sizes."""

    config = TINY

    def __post_init__(self):
        self.calls = []

    def encode(self, conditions):
        here = torch.zeros(len(conditions.beam)) if conditions.background is None else conditions.has_background.float()
        peaks = conditions.planes[:, -(FACTOR**2) :].amax((1, 2, 3))
        mask = conditions.planes[:, : -(FACTOR**2)].amax((1, 2, 3))
        return mask + 10 * peaks + 100 * conditions.beam + 1000 * here

    def __call__(self, latents, time, encoded):
        assert len(latents) == len(time) == len(encoded)
        self.calls.append(len(latents))
        return encoded[:, None, None, None].expand(latents.shape)


class Places(Fake):
    """A network that says what stands in the planes, place by place."""

    def encode(self, conditions):
        return conditions.planes[:, :CHANNELS]

    def __call__(self, latents, time, encoded):
        self.calls.append(len(latents))
        return encoded


def fields(count=2, shape=(16, 16), seed=0, **changes):
    """Everything asked: mask 1, peak 2, beam 3, background."""
    random = torch.Generator().manual_seed(seed)
    planes = torch.zeros(count, 5 * FACTOR**2, *shape)
    planes[:, 0], planes[:, -1] = 1.0, 2.0
    latents = torch.randn(count, CHANNELS, *shape, generator=random)
    strength, present = torch.full((count,), 0.3), torch.ones(count, dtype=torch.bool)
    noised = noise_augmented(latents, latents.flip(1), strength)
    whole = Conditions(planes, torch.full((count,), 3.0), latents, noised, strength, present)
    return replace(whole, **changes)


def say(given, guidance=None, network=None, batch_size=8):
    """What a guided network says of zeros, and the calls that it took."""
    network = network or Fake()
    denoise = make_denoiser(network, ANGLE, given, guidance or Guidance(), batch_size)
    x = torch.zeros(len(given.beam), CHANNELS, *given.planes.shape[-2:])
    return denoise(x, torch.full((len(x),), 0.5)), network.calls


# ---------------------------------------------------------------- guidance


def test_without_guidance_the_network_is_asked_once():
    said, calls = say(fields())
    assert calls == [2]
    assert (said == 1 + 20 + 300 + 1000).all()


@pytest.mark.parametrize(
    ("name", "without"),
    [("mask", 300 + 1000), ("peak", 1 + 300 + 1000), ("beam", 1 + 20 + 1000), ("background", 1 + 20 + 300)],
)
@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0, 7.0])
def test_guidance_by_its_formula(name, without, scale):
    """v = v(all) + (scale - 1) (v(all) - v(all but one)); a mask that is left out takes its peaks along."""
    said, calls = say(fields(), Guidance(**{name: scale}))
    everything = 1 + 20 + 300 + 1000
    assert (said == everything + (scale - 1) * (everything - without)).all()
    assert calls == [4]  # both images twice, in one batch
    if scale == 0:
        assert (said == without).all()


def test_guidance_of_several_conditions_adds_up():
    said, calls = say(fields(), Guidance(mask=1.5, peak=2.0, background=0.0, beam=3.0))
    everything = 1 + 20 + 300 + 1000
    assert (said == everything + 0.5 * (1 + 20) + 1.0 * 20 - 1.0 * 1000 + 2.0 * 300).all()
    assert calls == [10]


@pytest.mark.parametrize("name", ["mask", "peak", "background", "beam"])
def test_guidance_of_what_is_not_given_costs_nothing(name):
    given = fields()
    planes = given.planes.clone()
    if name == "mask":
        planes.zero_()
    if name == "peak":
        planes[:, -(FACTOR**2) :] = 0
    empty = {
        "mask": {"planes": planes},
        "peak": {"planes": planes},
        "beam": {"beam": torch.zeros(2)},
        "background": {"background": None, "noised": None, "strength": None},
    }
    said, calls = say(replace(given, **empty[name]), Guidance(**{name: 5.0}))
    assert calls == [2]
    assert torch.equal(said, say(replace(given, **empty[name]))[0])


def test_guidance_of_one_image_s_condition_leaves_the_other_alone():
    given = fields(beam=torch.tensor([3.0, 0.0]), has_background=torch.tensor([True, False]))
    said, _ = say(given, Guidance(beam=2.0, background=3.0))
    assert (said[0] == 1321 + 300 + 2 * 1000).all()
    assert (said[1] == 21).all()


@pytest.mark.parametrize("scale", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["mask", "peak", "background", "beam"])
def test_scales_that_make_no_sense(name, scale):
    with pytest.raises(ValueError, match=f"the guidance of the {name} is {scale}; it must be 0 or more"):
        Guidance(**{name: scale})


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize("length", [*range(WINDOW + 1, 131), 255, 256, 257, 511, 512])
def test_windows_of_a_line(length):
    """One side at a time: all of one size, inside, no gap, at least the overlap, at even places but the last."""
    spans = [xs for _, xs in windows((8, length))]
    assert {span.stop - span.start for span in spans} == {WINDOW}
    assert (spans[0].start, spans[-1].stop) == (0, length)
    shared = [one.stop - two.start for one, two in pairwise(spans)]
    assert min(shared) >= OVERLAP
    assert all(span.start % 2 == 0 for span in spans[:-1])
    assert len(spans) == -(-(length - OVERLAP) // (WINDOW - OVERLAP))  # no more than are needed


@SIZES
def test_every_pixel_is_covered_with_weight(shape):
    seen, weight = torch.zeros(shape), torch.zeros(shape)
    for ys, xs in windows(shape):
        taper = denoising._taper((ys, xs), shape, torch.device("cpu"))
        assert (taper > 0).all()
        seen[ys, xs] += 1
        weight[ys, xs] += taper
    assert (seen >= 1).all() and (weight > 0.01).all()


def test_a_window_counts_little_at_its_edge_but_not_at_the_edge_of_the_field():
    field = (64, 32)
    taper = denoising._taper((slice(0, 32), slice(0, 32)), field, torch.device("cpu"))
    assert torch.equal(taper[:, 0], taper[:, 31]) and torch.equal(taper[:, 0], taper[:, 15])
    assert (taper[0] == taper[15]).all()
    assert (taper[24:].diff(dim=0) < 0).all() and (taper[31] < 0.05).all()


@SIZES
@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_velocity_that_depends_on_the_place_alone_is_blended_exactly(shape, batch_size, objective):
    given = fields(2, shape)
    given = replace(given, planes=torch.randn(given.planes.shape, generator=torch.Generator().manual_seed(1)))
    task, angle = Objective(DiffusionConfig(objective)), torch.tensor([0.3, 1.2])
    x = torch.randn(2, CHANNELS, *shape)
    blended = make_denoiser(Places(), task, given, Guidance(), batch_size)(x, angle)
    expected = task.velocity(x, given.planes[:, :CHANNELS], angle)
    torch.testing.assert_close(blended, expected, atol=1e-5, rtol=1e-5)


def test_guidance_within_windows():
    given = fields(2, (40, 33))
    everything = 1321
    for name, without in (("peak", 1301), ("beam", 1021)):
        said, calls = say(given, Guidance(**{name: 3.0}), batch_size=4)
        torch.testing.assert_close(said, torch.full_like(said, everything + 2 * (everything - without)))
        assert calls == [8, 8]  # two images, two variants, two of the four windows at a time


@pytest.mark.parametrize(
    ("count", "batch_size", "calls"), [(1, 8, [6]), (2, 8, [8, 4]), (3, 4, [3] * 6), (4, 1, [4] * 6)]
)
def test_windows_go_through_the_network_in_batches(count, batch_size, calls):
    assert say(fields(count, (75, 50)), network=Places(), batch_size=batch_size)[1] == calls


# ---------------------------------------------------------------- with a network


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    tiny = Denoiser(TINY).eval().requires_grad_(False)
    wake(tiny, 0.2)
    return tiny


def draw(network, given, seeds, guidance=None, batch_size=8):
    noise, generators = initial_noise(seeds, (CHANNELS, *given.planes.shape[-2:]))
    denoise = make_denoiser(network, ANGLE, given, guidance or Guidance(beam=2.0), batch_size)
    return sample(denoise, noise, "euler", Steps(2, generators=generators))


def images(given, chosen):
    parts = ("planes", "beam", "background", "noised", "strength", "has_background")
    return Conditions(*(None if getattr(given, n) is None else getattr(given, n)[chosen] for n in parts))


def random_fields(count, shape):
    given = fields(count, shape, beam=torch.linspace(2.0, 5.0, count))
    return replace(given, planes=torch.rand(given.planes.shape, generator=torch.Generator().manual_seed(2)).round())


@SIZES
def test_fields_of_any_size_at_any_batch_size(network, shape):
    given = random_fields(3, shape)
    whole = draw(network, given, [4, 5, 6])
    assert whole.shape == (3, CHANNELS, *shape) and whole.isfinite().all()
    for batch_size in (1, 3):
        torch.testing.assert_close(draw(network, given, [4, 5, 6], None, batch_size), whole, atol=1e-4, rtol=0)
    for k in range(3):
        alone = draw(network, images(given, slice(k, k + 1)), [4 + k])
        torch.testing.assert_close(alone, whole[k : k + 1], atol=1e-4, rtol=0)
    assert (whole[0] - whole[1]).abs().max() > 0.1


@SIZES
def test_conditions_kept_or_encoded_again_are_the_same(network, shape, monkeypatch):
    given, guidance = random_fields(2, shape), Guidance(mask=2.0, background=0.5)
    kept = draw(network, given, [1, 2], guidance)
    encoded = []
    encode = Denoiser.encode
    monkeypatch.setattr(Denoiser, "encode", lambda self, c: encoded.append(1) or encode(self, c))
    again = draw(network, given, [1, 2], guidance)
    once = len(encoded)
    monkeypatch.setattr(denoising, "KEPT", 0)
    assert torch.equal(draw(network, given, [1, 2], guidance), kept) and torch.equal(again, kept)
    assert len(encoded) - once == 2 * once  # at each of the two steps


def test_one_window_is_the_network_itself(network):
    given = random_fields(2, (32, 24))
    x, angle = torch.randn(2, CHANNELS, 32, 24), torch.tensor([0.4, 1.1])
    conditions = Conditions(given.planes, given.beam, given.background, given.noised, given.strength)
    expected = ANGLE.velocity(x, network(*ANGLE.model_input(x, angle), conditions), angle)
    assert torch.equal(make_denoiser(network, ANGLE, given, Guidance(), 8)(x, angle), expected)


class Edges(Fake):
    """A network whose answer drifts by 1 a pixel over each window, so neighbours disagree by 24 where they meet."""

    def __call__(self, latents, time, encoded):
        return torch.arange(float(latents.shape[-1])).expand(latents.shape)


def test_no_seam_where_windows_meet():
    """A window comes in and goes out by a twentieth; in between the answers pass into each other without a jump."""
    shape = (32, 104)
    said, _ = say(fields(1, shape), network=Edges())
    line = said[0, 0, 7]
    assert (said == line).all()
    step = line.diff()
    starts = [xs.start for _, xs in windows(shape)][1:]
    assert starts == [24, 48, 72]
    for start in starts:
        assert abs(step[start - 1] - 1) < 24 * 0.05 and abs(step[start + OVERLAP - 1] - 1) < 24 * 0.05
        assert line[start - 1] == pytest.approx(line[start - 2] + 1)  # only one window is heard there
        assert (step[start : start + OVERLAP - 1] < 1).all()  # down from 24 and more to few, bit by bit
    assert step.min() > -24 / 4


def test_small_beams_are_guided_and_others_cost_nothing():
    beams = torch.tensor([0.0, 1.5, 2.0, 2.25, 2.5, 8.0])
    assert denoising.fine_beam_guidance(beams).tolist() == [1.0, 3.0, 3.0, 2.0, 1.0, 1.0]
    # an elliptical one by its minor axis: of 4 x 2.25 pixels at any angle, and of 9 x 4 pixels
    maj, minor = torch.tensor([4.0, 4.0, 9.0]), torch.tensor([2.25, 2.25, 4.0])
    length, twice = torch.log(maj / minor), torch.tensor([0.0, 1.0, 2.0])
    ellipses = torch.stack([torch.sqrt(maj * minor), length * torch.cos(twice), length * torch.sin(twice)], dim=1)
    torch.testing.assert_close(denoising.fine_beam_guidance(ellipses), torch.tensor([2.0, 2.0, 1.0]))
    given = Conditions(torch.zeros(2, 5 * FACTOR**2, 8, 8), torch.tensor([2.0, 4.0]))

    class Beams:
        """Says 1 where a beam is asked."""

        config = DenoiserConfig(factor=FACTOR)

        def encode(self, conditions):
            return conditions

        def __call__(self, x, time, conditions):
            return torch.ones_like(x) * (conditions.beam > 0)[:, None, None, None]

    x, angle = torch.zeros(2, CHANNELS, 8, 8), torch.full((2,), 0.5)
    said = make_denoiser(Beams(), ANGLE, given, Guidance(), 8, fine_beam=True)(x, angle)
    assert said[:, 0, 0, 0].tolist() == [3.0, 1.0]
    assert scales_of(Guidance(), given, FACTOR) == {}
    wide = replace(given, beam=torch.tensor([3.0, 4.0]))
    assert scales_of(Guidance(), wide, FACTOR, fine_beam=True) == {}
