"""The autoencoder: its linear path, shapes, sizes, locality, and its losses against closed forms."""

import math

import pytest
import torch
from torch import nn

from radiff.models.autoencoder import (
    LOG_VARIANCE_START,
    Autoencoder,
    AutoencoderConfig,
    kl_divergence,
    spectral_loss,
)
from radiff.training.config import load_preset

SMALL = AutoencoderConfig(channels=(8, 16), latent_channels=12)


def make(config=SMALL, scramble=False):
    """A network in evaluation mode; with `scramble` no weight is zero, as after training."""
    torch.manual_seed(0)
    network = Autoencoder(config).eval()
    if scramble:
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.1)
    return network


def preset_config(name):
    network = load_preset(name).autoencoder.network
    return AutoencoderConfig(
        network.patch,
        network.channels,
        network.blocks,
        network.convs,
        network.attention,
        network.latent_channels,
        network.linear,
    )


@torch.no_grad()
def test_linear_path_with_all_cosines_is_the_identity():
    network = make(AutoencoderConfig(channels=(8, 16), latent_channels=16))
    for conv in (network.encoder.conv_out, network.decoder.conv_out):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    image = torch.randn(2, 1, 32, 48)
    torch.testing.assert_close(network.decode(network.encode(image)), image, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_training_starts_near_the_linear_path():
    network = make()
    image = torch.randn(2, 1, 64, 64)
    linear = network.decoder.linear(network.encoder.linear(image))
    torch.testing.assert_close(network.decode(network.encode(image)), linear, atol=0.1, rtol=0)
    # 12 of 16 orthonormal cosines keep 12/16 of the power of white noise
    assert linear.square().mean() / image.square().mean() == pytest.approx(12 / 16, rel=0.05)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        AutoencoderConfig(1, (8, 8, 16), 2, 3, True, 3, False),
        AutoencoderConfig(2, (8, 8, 16), 1, 2, False, 4, True),
        AutoencoderConfig(4, (8,), 1, 2, False, 6, True),
    ],
)
@torch.no_grad()
def test_shapes(config):
    network = make(config)
    factor = config.patch * 2 ** (len(config.channels) - 1)
    assert config.factor == factor
    for ny, nx in ((64, 64), (64, 96), (72, 40)):
        image = torch.randn(1, 1, ny, nx)
        latents = network.encode(image)
        assert latents.shape == (1, config.latent_channels, ny // factor, nx // factor)
        assert network.decode(latents).shape == image.shape


@torch.no_grad()
def test_latent_scale_is_taken_off_and_put_on():
    network = make(scramble=True)
    image = torch.randn(2, 1, 32, 32)
    raw, rebuilt = network.encode(image), network.decode(network.encode(image))
    network.latent_mean.copy_(torch.arange(12.0))
    network.latent_std.copy_(torch.linspace(0.5, 3.0, 12))
    shape = (12, 1, 1)
    expected = (raw - network.latent_mean.view(shape)) / network.latent_std.view(shape)
    torch.testing.assert_close(network.encode(image), expected)
    torch.testing.assert_close(network.decode(network.encode(image)), rebuilt, atol=1e-4, rtol=1e-4)
    assert {"latent_mean", "latent_std"} <= set(network.state_dict())


@torch.no_grad()
def test_noise_of_a_training_pass_has_the_predicted_width():
    network = make(AutoencoderConfig(channels=(8, 16), latent_channels=16))
    image = torch.randn(1, 1, 32, 32)
    mean, log_variance = network.moments(image)
    torch.testing.assert_close(log_variance, torch.full_like(log_variance, LOG_VARIANCE_START), atol=0.2, rtol=0)
    noise = torch.randn(mean.shape)
    rebuilt, out_mean, _ = network(image, noise)
    assert torch.equal(out_mean, mean)
    torch.testing.assert_close(rebuilt, network.decoder(mean + torch.exp(0.5 * log_variance) * noise))
    quiet, *_ = network(image, torch.zeros_like(mean))
    torch.testing.assert_close(quiet, network.decode(network.encode(image)))


@torch.no_grad()
def test_a_bright_source_far_away_changes_nothing():
    """Every normalisation is over the channels of one pixel, so what is beyond the convolutions' reach is not seen."""
    network = make(scramble=True)
    quiet = torch.randn(1, 1, 64, 192)
    bright = quiet.clone()
    bright[..., 30, 10] = 1e4
    there = network.decode(network.encode(bright)) - network.decode(network.encode(quiet))
    assert there[..., :40].abs().max() > 1
    torch.testing.assert_close(there[..., 80:], torch.zeros_like(there[..., 80:]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_tiles_with_a_margin_give_the_whole():
    network = make(scramble=True)
    latents = torch.randn(1, 12, 16, 48)
    whole, tile = network.decode(latents), network.decode(latents[..., 4:36])
    torch.testing.assert_close(tile[..., 40:-40], whole[..., 16 + 40 : 144 - 40], atol=1e-4, rtol=1e-4)


def test_size_of_the_paper_network():
    """76.7 M; the authors' code, which has no attention, 55.3 M.

    Ours follows the text (section 4.1): three convolutions a residual block, and attention. With two convolutions a
    block, the usual number, it has 54.8 M with attention and 41.6 M without.
    """
    sizes = {}
    for convs, attention in ((3, True), (2, True), (2, False)):
        with torch.device("meta"):
            sizes[convs, attention] = count(
                Autoencoder(AutoencoderConfig(1, (128, 256, 512), 2, convs, attention, 3, False))
            )
    with torch.device("meta"):
        paper = Autoencoder(preset_config("paper"))
    assert paper.config.factor == 4
    assert count(paper) == sizes[3, True] == 76_666_759
    assert (sizes[2, True], sizes[2, False]) == (54_837_639, 41_647_751)
    assert sizes[2, False] < 55.3e6 < sizes[3, True]


@pytest.mark.parametrize(("name", "parameters"), [("cpu", 1_001_684), ("gpu", 5_571_716)])
def test_size_of_the_presets(name, parameters):
    with torch.device("meta"):
        assert count(Autoencoder(preset_config(name))) == parameters


def count(network):
    return sum(p.numel() for p in network.parameters())


# ---------------------------------------------------------------- losses


def test_kl_of_gaussians():
    """KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1) / 2 - ln s."""
    ones = torch.ones(2, 3, 4, 4)
    assert kl_divergence(0 * ones, 0 * ones).item() == 0
    expected = 0.5 * (1.5**2 + 0.3**2 - 1) - math.log(0.3)
    assert kl_divergence(1.5 * ones, 2 * math.log(0.3) * ones).item() == pytest.approx(expected, rel=1e-5)


def test_spectrum_of_the_same_noise_costs_nothing_and_a_factor_its_log():
    image = torch.randn(4, 1, 64, 64)
    assert spectral_loss(image, image).item() == 0
    assert spectral_loss(image, 0.5 * image).item() == pytest.approx(2 * math.log(2), rel=1e-4)
    assert spectral_loss(image, torch.randn(4, 1, 64, 64)).item() < 0.15
    smooth = nn.functional.avg_pool2d(image, 3, 1, 1)
    assert spectral_loss(image, smooth).item() > 1


def test_sources_are_left_out_of_the_spectrum():
    image = torch.randn(2, 1, 32, 32)
    weight = torch.ones_like(image)
    weight[..., 10:12, 10:12] = 0
    bright = image.clone()
    bright[..., 10:12, 10:12] = 1e3
    assert spectral_loss(image, bright, weight).item() == pytest.approx(0, abs=1e-5)
    assert spectral_loss(image, bright).item() > 1
