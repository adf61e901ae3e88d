"""Conditions on the latent grid, what the denoiser makes of each of them, and its shapes and sizes."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from conftest import wake
from radiff.models import denoiser as room
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from radiff.models.conditions import PLANES, Conditions, condition_planes, noise_augmented
from radiff.models.denoiser import TOKEN_STRIDE, BackgroundEncoder, Denoiser, DenoiserConfig, positions, waves
from radiff.training.config import load_preset

SMALL = DenoiserConfig(
    latent_channels=6, factor=2, channels=(16, 32), layers=1, attention=(False, True), head_width=16, context=16
)
DEEP = replace(SMALL, channels=(16, 16, 32), layers=2, attention=(False, True, True))
BARE = replace(SMALL, context=0)
CONFIGS = pytest.mark.parametrize("config", [SMALL, DEEP, BARE], ids=["two levels", "three levels", "no background"])


def make(config=SMALL):
    """A denoiser as after training: nothing in it is zero."""
    torch.manual_seed(0)
    network = Denoiser(config).eval().requires_grad_(False)
    wake(network, 0.2)
    return network


def ask(count=2, height=8, width=8, seed=0, config=SMALL):
    """Everything asked of every image of a batch."""
    random = torch.Generator().manual_seed(seed)
    shape = (count, config.latent_channels, height, width)
    size = (count, height * config.factor, width * config.factor)
    masks = torch.randint(0, 4, size, generator=random)
    peaks = torch.rand(size, generator=random) * (masks > 0)
    strength = torch.linspace(0.2, 0.8, count)
    background = torch.randn(shape, generator=random)
    noised = noise_augmented(background, torch.randn(shape, generator=random), strength)
    beam = torch.linspace(2.5, 5.0, count)
    return Conditions(condition_planes(masks, peaks, config.factor), beam, background, noised, strength)


def given(count=2, height=8, width=8, seed=1, config=SMALL):
    """Latents and times."""
    random = torch.Generator().manual_seed(seed)
    latents = torch.randn(count, config.latent_channels, height, width, generator=random)
    return latents, torch.linspace(100.0, 900.0, count)


# ---------------------------------------------------------------- mask and peaks on the latent grid


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_an_object_of_one_pixel_is_kept(factor):
    masks, peaks = torch.zeros(1, 16, 24, dtype=torch.long), torch.zeros(1, 16, 24)
    masks[0, 6, 13], peaks[0, 6, 13] = 2, 1.7
    planes = condition_planes(masks, peaks, factor)
    assert planes.shape == (1, PLANES * factor**2, 16 // factor, 24 // factor)
    back = F.pixel_shuffle(planes, factor)[0]
    assert back[:4].argmax(0).equal(masks[0])
    assert back[:4].sum(0).eq(1).all()
    assert back[4].equal(peaks[0])
    assert planes[0, :, 6 // factor, 13 // factor].max() == pytest.approx(1.7)
    assert planes[0, -(factor**2) :].max() == pytest.approx(1.7)  # the peaks are the last planes


def test_dropped_conditions_are_zeros():
    masks, peaks = torch.randint(0, 4, (4, 8, 8)), torch.rand(4, 8, 8)
    keep_mask, keep_peak = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    planes = condition_planes(masks, peaks, 2, keep_mask, keep_peak).unflatten(1, (PLANES, 4))
    whole = condition_planes(masks, peaks, 2).unflatten(1, (PLANES, 4))
    assert planes[0].equal(whole[0])
    assert planes[1, :4].equal(whole[1, :4]) and not planes[1, 4].any()  # the peak alone is dropped
    assert not planes[2:].any()  # no mask, no peaks
    assert whole[:, :4].sum(1).eq(1).all()  # no real mask is all zeros


# ---------------------------------------------------------------- shapes


@CONFIGS
@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 32), (9, 15), (31, 8), (10, 7)])
def test_shapes_of_any_size(config, height, width):
    network, conditions = make(config), ask(2, height, width, config=config)
    latents, time = given(2, height, width, config=config)
    for asked in (conditions, Conditions(conditions.planes, conditions.beam)):
        out = network(latents, time, asked)
        assert out.shape == latents.shape
        assert out.isfinite().all()


@CONFIGS
def test_an_odd_size_is_the_next_even_one_by_reflection(config):
    network, conditions = make(config), ask(1, 10, 13, config=config)
    latents, time = given(1, 10, 13, config=config)

    def grown(x):
        return F.pad(x, (0, -x.shape[-1] % network.multiple, 0, -x.shape[-2] % network.multiple), mode="reflect")

    large = replace(conditions, **{n: grown(getattr(conditions, n)) for n in ("planes", "background", "noised")})
    whole = network(grown(latents), time, large)
    assert whole.shape[-1] > 13
    assert torch.equal(network(latents, time, conditions), whole[..., :10, :13])


# ---------------------------------------------------------------- what is heard


def test_training_starts_at_zero():
    network = Denoiser(SMALL)
    assert not network(*given(), ask()).any()


def changed(conditions, name):
    """The same conditions with one of them otherwise."""
    if name in ("mask", "peaks"):
        planes, peaks = conditions.planes.clone(), SMALL.factor**2
        chosen = planes[:, -peaks:] if name == "peaks" else planes[:, :-peaks]
        chosen += torch.rand(chosen.shape)
        return replace(conditions, planes=planes)
    if name == "has_background":
        return replace(conditions, has_background=torch.zeros(len(conditions.beam), dtype=torch.bool))
    new = {"beam": 1.2 * conditions.beam, "strength": 1 - conditions.strength}
    return replace(conditions, **{name: new.get(name, 1.5 * getattr(conditions, name))})


HEARD = ("mask", "peaks", "beam", "background", "noised", "strength", "has_background")


@pytest.mark.parametrize("name", HEARD)
def test_every_condition_is_heard_everywhere(name):
    network, (latents, time), conditions = make(), given(), ask()
    base = network(latents, time, conditions)
    change = (network(latents, time, changed(conditions, name)) - base).abs().amax(1)
    assert (change > 1e-3 * base.std()).all()  # at every pixel of both images


def test_time_and_latents_are_heard():
    network, (latents, time), conditions = make(), given(), ask()
    base = network(latents, time, conditions)
    for other in (network(latents, time + 30, conditions), network(1.1 * latents, time, conditions)):
        assert ((other - base).abs().amax(1) > 1e-3 * base.std()).all()


def test_how_bright_a_pixel_is_is_not_hidden_by_normalisation():
    """Ten times as bright, ten times the answer there; without the straight path it would stay as it is."""
    network, conditions = make(), ask(1, 16, 16)

    def said(brightness):
        latents = torch.zeros(1, 6, 16, 16)
        latents[0, :, 8, 8] = brightness
        return network(latents, torch.tensor([100.0]), conditions)[0, :, 8, 8]

    assert (said(1e8) / said(1e7)).tolist() == pytest.approx([10.0] * 6, rel=0.05)
    network.straight.weight.zero_()
    assert (said(1e8) / said(1e7)).tolist() == pytest.approx([1.0] * 6, rel=0.05)


def test_background_reaches_far_pixels_by_attention_alone():
    """Without what it adds place by place, and with one pixel of it changed: all of the image looks at its tokens."""
    network, (latents, time) = make(), given(1, 16, 16)
    network.local.weight.zero_()
    network.summary.weight.zero_()
    conditions = ask(1, 16, 16)
    noised = conditions.noised.clone()
    noised[..., 0, 0] += 10.0
    change = network(latents, time, replace(conditions, noised=noised)) - network(latents, time, conditions)
    assert (change.abs().amax(1)[0, 8:, 8:] > 1e-6).all()


def test_every_image_has_a_time_and_conditions_of_its_own():
    network, (latents, time), conditions = make(), given(3), ask(3)
    together = network(latents, time, conditions)
    for k in range(3):
        one = Conditions(
            *(getattr(conditions, n)[k : k + 1] for n in ("planes", "beam", "background", "noised", "strength"))
        )
        alone = network(latents[k : k + 1], time[k : k + 1], one)
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", HEARD)
def test_no_condition_of_one_image_leaks_into_another(name):
    network, (latents, time), conditions = make(), given(), ask()
    base = replace(conditions, has_background=torch.ones(2, dtype=torch.bool))
    other = changed(base, name)
    field = "planes" if name in ("mask", "peaks") else name
    mixed = torch.cat([getattr(base, field)[:1], getattr(other, field)[1:]])
    here, there = network(latents, time, base), network(latents, time, replace(base, **{field: mixed}))
    assert torch.equal(here[0], there[0])
    assert not torch.allclose(here[1], there[1])


# ---------------------------------------------------------------- conditions left out


def test_a_background_left_out_is_none():
    network, (latents, time), conditions = make(), given(), ask()
    without = network(latents, time, Conditions(conditions.planes, conditions.beam))
    dropped = replace(conditions, has_background=torch.tensor([False, False]))
    assert torch.equal(network(latents, time, dropped), without)
    half = network(latents, time, replace(conditions, has_background=torch.tensor([True, False])))
    assert torch.equal(half[1], without[1])
    assert torch.equal(half[0], network(latents, time, conditions)[0])
    wild = replace(
        dropped, background=1e3 * conditions.background, noised=-conditions.noised, strength=0 * conditions.strength
    )
    assert torch.equal(network(latents, time, wild), without)


def test_a_beam_not_asked_is_no_beam():
    """0 means not asked: it is not a very narrow beam, and not the usual one either."""
    network, (latents, time), conditions = make(), given(), ask()
    out = [network(latents, time, replace(conditions, beam=torch.full((2,), b))) for b in (0.0, 1e-6, room.USUAL_BEAM)]
    assert not torch.allclose(out[0], out[1], atol=1e-3) and not torch.allclose(out[0], out[2], atol=1e-3)


def test_a_network_without_background_takes_no_notice_of_one():
    network, (latents, time), conditions = make(BARE), given(), ask()
    assert not hasattr(network, "background")
    base = network(latents, time, conditions)
    assert torch.equal(network(latents, time, Conditions(conditions.planes, conditions.beam)), base)


# ---------------------------------------------------------------- the noise


def test_detail_of_one_shows_the_background_itself():
    background, noise = torch.randn(3, 6, 8, 8), torch.randn(3, 6, 8, 8)
    assert torch.equal(noise_augmented(background, noise, torch.ones(3)), background)
    torch.testing.assert_close(noise_augmented(background, noise, torch.zeros(3)), noise, atol=1e-6, rtol=0)
    half = noise_augmented(background, noise, torch.full((3,), 0.5))
    torch.testing.assert_close(half, (background + noise) / math.sqrt(2))
    network, (latents, time), conditions = make(), given(), ask()
    clear = replace(
        conditions, noised=noise_augmented(conditions.background, noise[:2], torch.ones(2)), strength=torch.ones(2)
    )
    plain = Conditions(conditions.planes, conditions.beam, conditions.background)
    assert torch.equal(network(latents, time, clear), network(latents, time, plain))


def test_the_veil_keeps_the_power_of_noise_and_hides_more_and_more():
    background, noise = torch.randn(5, 6, 64, 64), torch.randn(5, 6, 64, 64)
    strength = torch.linspace(0, 1, 5)
    noised = noise_augmented(background, noise, strength)
    torch.testing.assert_close(noised.var((1, 2, 3)), torch.ones(5), atol=0.05, rtol=0)
    copied = (noised * background).mean((1, 2, 3)) / background.square().mean((1, 2, 3))
    torch.testing.assert_close(copied, torch.sin(strength * math.pi / 2), atol=0.02, rtol=0)


def test_behind_the_veil_the_power_of_the_noise_is_still_told():
    """It is the local power: turned upside down the background is the same, louder it is another."""
    torch.manual_seed(0)
    encoder = BackgroundEncoder(SMALL)
    wake(encoder, 0.2)
    background, noise, present = torch.randn(1, 6, 32, 32), torch.randn(1, 6, 32, 32), torch.tensor([True])
    tokens = encoder(background, noise, present)
    assert tokens.shape == (1, SMALL.context, 32 // TOKEN_STRIDE, 32 // TOKEN_STRIDE)
    assert torch.equal(encoder(-background, noise, present), tokens)
    assert (encoder(3.0 * background, noise, present) - tokens).abs().max() > 0.1
    louder = background.clone()
    louder[..., :4, :4] *= 5.0
    change = (encoder(louder, noise, present) - tokens).abs().amax((0, 1))
    assert change[0, 0] > 0.01 and change[-1, -1] == 0  # told where it is


# ---------------------------------------------------------------- encoded once


@CONFIGS
def test_encoding_once_gives_the_same(config):
    network, conditions = make(config), ask(config=config)
    latents, time = given(config=config)
    encoded = network.encode(conditions)
    for told in (time, 0.5 * time):
        assert torch.equal(network(latents, told, encoded), network(latents, told, conditions))


@CONFIGS
def test_some_images_of_what_was_encoded(config):
    network, conditions = make(config), ask(4, config=config)
    latents, time = given(4, config=config)
    some = network.encode(conditions)[1:3]
    torch.testing.assert_close(
        network(latents[1:3], time[1:3], some), network(latents, time, conditions)[1:3], atol=1e-5, rtol=1e-4
    )


# ---------------------------------------------------------------- joined


def test_joined_conditions_are_those_of_their_images():
    """Images with a background, without, with a clear one, with one that is left out; in parts of different sizes."""
    network = make()
    whole = ask(3)
    plain = ask(1, seed=1)
    parts = [
        whole,
        Conditions(plain.planes, plain.beam),
        Conditions(plain.planes, plain.beam, plain.background),
        replace(ask(2, seed=2), has_background=torch.tensor([True, False])),
    ]
    sizes = [3, 1, 1, 2]
    latents, time = given(7)
    together = network(latents, time, Conditions.join(parts)).split(sizes)
    for part, out, x, t in zip(parts, together, latents.split(sizes), time.split(sizes), strict=True):
        torch.testing.assert_close(out, network(x, t, part), atol=1e-5, rtol=1e-4)


def test_joined_without_any_background_there_is_none():
    one, two = ask(2), ask(1, seed=1)
    joined = Conditions.join([Conditions(c.planes, c.beam) for c in (one, two)])
    assert joined.planes.equal(torch.cat([one.planes, two.planes]))
    assert joined.beam.equal(torch.cat([one.beam, two.beam]))
    assert joined.background is joined.noised is joined.strength is None
    assert not joined.has_background.any()


# ---------------------------------------------------------------- places and attention


def test_positions_of_grids_of_different_steps_agree():
    """Pixel (1, 2) of a fine grid lies at (1.5, 2.5); (0, 0) of one of three times the step at (1.5, 1.5)."""
    cpu = torch.device("cpu")
    fine = positions(4, 5, 1, 16, cpu).view(4, 5, 16)
    assert torch.equal(positions(1, 1, 3, 16, cpu)[0], fine[1, 1])
    middle, coarse = positions(4, 4, 2, 16, cpu).view(4, 4, 16), positions(2, 2, 6, 16, cpu).view(2, 2, 16)
    assert torch.equal(coarse[0, 0], middle[1, 1])
    y, x = waves(torch.tensor([1.5]), 8, 100.0), waves(torch.tensor([2.5]), 8, 100.0)
    assert torch.equal(fine[1, 2], torch.cat([y, x], dim=-1)[0])
    assert len({tuple(p.tolist()) for p in fine.view(-1, 16)}) == 20  # no two places are alike


def test_a_token_lies_where_its_latents_are():
    """Tokens of stride 2 at level 1, whose pixels have that step too: the same places."""
    cpu = torch.device("cpu")
    tokens, pixels = positions(4, 6, TOKEN_STRIDE, 32, cpu), positions(4, 6, 2**1, 32, cpu)
    assert torch.equal(tokens, pixels)
    similar = tokens @ positions(8, 12, 1, 32, cpu).T  # with a finer level, nearest in place is nearest in angle
    best = similar.view(4, 6, 8, 12).flatten(2).argmax(-1)
    rows, columns = best // 12, best % 12
    assert ((rows // 2) == torch.arange(4)[:, None]).all() and ((columns // 2) == torch.arange(6)[None]).all()


def test_waves_of_known_values():
    made = waves(torch.tensor([2.0]), 4, 100.0)
    expected = [math.sin(2), math.sin(0.02), math.cos(2), math.cos(0.02)]
    assert made[0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("most", [0, 2**20])
def test_attention_written_out_is_attention(monkeypatch, most):
    monkeypatch.setattr(room, "MOST_PAIRS", most)
    query, key, value = (torch.randn(2, 3, n, 8) for n in (20, 12, 12))
    weights = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(8), dim=-1)
    torch.testing.assert_close(room.attend(query, key, value), weights @ value, atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": (False, True, True)}, "attention needs one entry a level: 2, not 3"),
        ({"channels": (16,), "attention": (True,)}, "a background condition needs at least two levels"),
        ({"channels": (16, 34)}, "34 channels cannot attend in heads of 16; use a multiple of it"),
        ({"channels": (16, 52)}, "52 channels cannot attend in heads of 16; use a multiple of it"),
        ({"context": 18}, "background tokens of width 18; use a multiple of 4"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changes)


def preset_denoiser(name, **changes):
    preset = load_preset(name)
    network, autoencoder = preset.denoiser.network.model_copy(update=changes), preset.autoencoder.network
    sizes = (autoencoder.patch, autoencoder.channels, autoencoder.blocks, autoencoder.convs, autoencoder.attention)
    with torch.device("meta"):
        factor = Autoencoder(AutoencoderConfig(*sizes, autoencoder.latent_channels, autoencoder.linear)).config.factor
        return Denoiser(
            DenoiserConfig(
                autoencoder.latent_channels,
                factor,
                network.channels,
                network.layers,
                network.attention,
                network.head_width,
                network.context,
                network.beam_numbers,
            )
        )


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("name", "parameters"), [("cpu", 22_856_352), ("gpu", 22_856_352), ("paper", 224_292_102)])
def test_sizes_of_the_presets(name, parameters):
    """Those of the weights in the box: cpu and gpu. The paper's U-Net has 258 M parameters, 395 M with its background;
    ours attends once a level and way."""
    assert count(preset_denoiser(name)) == parameters


def test_size_without_a_background():
    assert count(preset_denoiser("paper", context=0)) == 198_779_910
