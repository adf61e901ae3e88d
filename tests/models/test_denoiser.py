"""Conditions on the latent grid, and the denoiser's shapes and sizes."""

import pytest
import torch

from radiff.models.denoiser import PLANES, Denoiser, DenoiserConfig, condition_planes
from radiff.training.config import load_preset

SMALL = DenoiserConfig(channels=(32, 32), layers=1, attention=(False, True), head_width=16)


def make(config=SMALL):
    """A denoiser as after training: its last layer is not zero."""
    torch.manual_seed(0)
    denoiser = Denoiser(config).eval()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)
    return denoiser


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_an_object_of_one_pixel_is_kept(factor):
    masks, peaks = torch.zeros(1, 16, 24, dtype=torch.long), torch.zeros(1, 16, 24)
    masks[0, 6, 13], peaks[0, 6, 13] = 2, 1.7
    planes = condition_planes(masks, peaks, factor)
    assert planes.shape == (1, PLANES * factor**2, 16 // factor, 24 // factor)
    back = torch.nn.functional.pixel_shuffle(planes, factor)[0]
    assert back[:4].argmax(0).equal(masks[0])
    assert back[:4].sum(0).eq(1).all()
    assert back[4].equal(peaks[0])
    assert planes[0, :, 6 // factor, 13 // factor].max() == pytest.approx(1.7)


def test_dropped_conditions_are_zeros():
    masks, peaks = torch.randint(0, 4, (4, 8, 8)), torch.rand(4, 8, 8)
    keep_mask, keep_peak = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    planes = condition_planes(masks, peaks, 2, keep_mask, keep_peak).unflatten(1, (PLANES, 4))
    whole = condition_planes(masks, peaks, 2).unflatten(1, (PLANES, 4))
    assert planes[0].equal(whole[0])
    assert planes[1, :4].equal(whole[1, :4]) and not planes[1, 4].any()  # the peak alone is dropped
    assert not planes[2:].any()  # no mask, no peaks
    assert whole[:, :4].sum(1).eq(1).all()  # no real mask is all zeros


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 32), (9, 15), (31, 8)])
@torch.no_grad()
def test_shapes_of_any_size(height, width):
    denoiser = make()
    planes = torch.zeros(2, PLANES * 16, height, width)
    out = denoiser(torch.randn(2, 12, height, width), torch.tensor([1.0, 900.0]), planes)
    assert out.shape == (2, 12, height, width)
    assert out.isfinite().all()


@torch.no_grad()
def test_it_starts_at_zero_and_then_listens_to_time_and_conditions():
    latents, time, planes = torch.randn(1, 12, 8, 8), torch.tensor([500.0]), torch.zeros(1, PLANES * 16, 8, 8)
    assert not Denoiser(SMALL)(latents, time, planes).any()
    denoiser = make()
    out = denoiser(latents, time, planes)
    assert not torch.allclose(out, denoiser(latents, time + 300, planes))
    assert not torch.allclose(out, denoiser(latents, time, planes + 1))


@torch.no_grad()
def test_every_image_has_a_time_of_its_own():
    denoiser = make()
    latents, planes = torch.randn(2, 12, 8, 8), torch.rand(2, PLANES * 16, 8, 8)
    both = denoiser(latents, torch.tensor([10.0, 800.0]), planes)
    one = denoiser(latents[1:], torch.tensor([800.0]), planes[1:])
    torch.testing.assert_close(both[1:], one, atol=1e-5, rtol=1e-4)


def test_levels_and_attention_must_agree():
    with pytest.raises(ValueError, match="attention needs one entry a level: 2, not 3"):
        DenoiserConfig(channels=(32, 64), attention=(False, True, True))


def preset_denoiser(name):
    preset = load_preset(name)
    network, autoencoder = preset.denoiser.network, preset.autoencoder.network
    with torch.device("meta"):
        return Denoiser(
            DenoiserConfig(
                latent_channels=autoencoder.latent_channels,
                channels=network.channels,
                layers=network.layers,
                attention=network.attention,
                head_width=network.head_width,
            )
        )


@pytest.mark.parametrize(("name", "parameters"), [("cpu", 17_680_044), ("gpu", 42_961_676), ("paper", 257_912_835)])
def test_sizes_of_the_presets(name, parameters):
    """The paper's sizes: 258 M for the authors' unconditional U-Net, and ours is 257.9 M.

    The mask comes in through the first convolution (80 planes, 0.2 M parameters). Their conditional network has 395 M
    because every attention is a transformer block with cross-attention to one token of the background; ours has none.
    """
    denoiser = preset_denoiser(name)
    total = sum(p.numel() for p in denoiser.parameters())
    assert total == parameters
    if name == "paper":
        assert total == pytest.approx(258e6, rel=0.01)
