"""The two tasks' losses against what a pencil gives, and the measured latent scale."""

import pytest
import torch

from radiff.data.loader import Batch
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.models.autoencoder import LOG_VARIANCE_START, Autoencoder, AutoencoderConfig
from radiff.models.denoiser import Denoiser, DenoiserConfig
from radiff.training.autoencoder import AutoencoderLoss, AutoencoderTask
from radiff.training.config import AutoencoderSettings, DenoiserSettings
from radiff.training.denoiser import DenoiserLoss, DenoiserTask, source_weight

SMALL = DenoiserConfig(channels=(32, 32), layers=1, attention=(False, True), head_width=16)
SETTINGS = DenoiserSettings(channels=(32, 32), layers=1, attention=(False, True), head_width=16)


def batch(count=2, size=32, seed=0):
    torch.manual_seed(seed)
    masks, peaks = torch.zeros(count, size, size, dtype=torch.long), torch.zeros(count, size, size)
    masks[:, 10:14, 6:8], peaks[:, 10:14, 6:8] = 2, 1.5
    return Batch(torch.randn(count, 1, size, size), masks, peaks)


def generator():
    return torch.Generator().manual_seed(7)


def exact_autoencoder():
    """One whose reconstruction is exact and whose log-variance is where it starts."""
    network = Autoencoder(AutoencoderConfig(channels=(8, 16), latent_channels=16))
    for conv in (network.encoder.conv_out, network.decoder.conv_out):
        torch.nn.init.zeros_(conv.weight)
    return network


@torch.no_grad()
def test_autoencoder_loss_by_hand():
    """An exact autoencoder errs by its latents' noise alone: E|error| = sigma sqrt(2 / pi)."""
    settings = AutoencoderSettings(latent_channels=16, brightness_weight=0.0, spectral_weight=0.0, kl_weight=0.1)
    data = batch(count=16)
    loss, figures = AutoencoderLoss(exact_autoencoder(), settings)(data, generator())
    sigma = torch.tensor(LOG_VARIANCE_START / 2).exp()
    assert figures["reconstruction"].item() == pytest.approx((sigma * (2 / torch.pi) ** 0.5).item(), rel=0.03)
    power = data.images.square().mean().item()
    kl = 0.5 * (power + sigma.item() ** 2 - 1 - LOG_VARIANCE_START)
    assert figures["kl"].item() == pytest.approx(kl, rel=1e-3)
    assert loss.item() == pytest.approx(figures["reconstruction"].item() + 0.1 * figures["kl"].item(), rel=1e-5)
    assert set(figures) == {"reconstruction", "kl"}


@torch.no_grad()
def test_bright_pixels_and_the_spectrum_count():
    data, network = batch(), exact_autoencoder()
    plain = AutoencoderLoss(network, AutoencoderSettings(latent_channels=16, brightness_weight=0.0))
    bright = AutoencoderLoss(network, AutoencoderSettings(latent_channels=16, brightness_weight=3.0))
    _, a = plain(data, generator())
    _, b = bright(data, generator())
    expected = 1 + 3 * data.images.abs().mean().item()
    assert b["reconstruction"].item() / a["reconstruction"].item() == pytest.approx(expected, rel=0.05)
    assert a["spectrum"].item() < 0.05


def test_measured_latents_have_zero_mean_and_unit_width():
    task = AutoencoderTask(AutoencoderSettings(channels=(8, 16)), {"name": "snr-asinh"})
    batches = [batch(8, seed=k) for k in range(4)]
    for data in batches:
        data.images.mul_(3).add_(1)
    task.measure_latents(batches)
    latents = torch.cat([task.autoencoder.encode(data.images) for data in batches]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(latents.mean(1), torch.zeros(12), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(1), torch.ones(12), atol=1e-4, rtol=0)


def test_source_weight_covers_the_object_and_its_neighbours():
    masks = torch.zeros(1, 32, 32, dtype=torch.long)
    masks[0, 13, 18] = 1
    expected = torch.ones(8, 8)
    expected[2:5, 3:6] = 4.0
    assert source_weight(masks, 4, 4.0)[0, 0].equal(expected)
    assert source_weight(masks, 4, 1.0).eq(1).all()


@pytest.mark.parametrize("objective", ["flow", "eps", "v"])
@torch.no_grad()
def test_denoiser_loss_by_hand(objective):
    """A new denoiser predicts zero, so its loss is the weighted mean square of the target."""
    config, data = DiffusionConfig(objective), batch()
    autoencoder = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    loss_of = DenoiserLoss(Denoiser(SMALL), autoencoder, Objective(config), SETTINGS)
    loss, figures = loss_of(data, generator())
    random = generator()
    clean = autoencoder.encode(data.images)
    noise = torch.randn(clean.shape, generator=random)
    *_, target = Objective(config).noised(clean, noise, Objective(config).draw_times(2, random))
    error = target.square().mean(1, keepdim=True)
    weight = source_weight(data.masks, 4, SETTINGS.source_weight)
    assert figures["mse"].item() == pytest.approx(error.mean().item(), rel=1e-5)
    assert loss.item() == pytest.approx(((error * weight).sum() / weight.sum()).item(), rel=1e-5)


def test_the_autoencoder_is_frozen():
    autoencoder = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    task = DenoiserTask(SETTINGS, autoencoder, {"scaling": {"name": "snr-asinh"}})
    assert not any(p.requires_grad for p in autoencoder.parameters())
    assert not any("encoder" in name for name in task.module.state_dict())
    loss, _ = task.module(batch(), generator())
    loss.backward()
    assert all(p.grad is None for p in autoencoder.parameters())
    assert any(p.grad is not None for p in task.denoiser.parameters())


@torch.no_grad()
def test_conditions_are_dropped_at_their_rates(monkeypatch):
    """Seen from the planes that reach the denoiser over many cutouts."""
    seen = []
    loss_of = DenoiserLoss(
        Denoiser(SMALL),
        Autoencoder(AutoencoderConfig(channels=(8, 16))),
        Objective(DiffusionConfig("flow")),
        DenoiserSettings(mask_dropout=0.25, peak_dropout=0.5),
    )

    def spy(latents, time, planes):
        seen.append(planes.unflatten(1, (5, 16)))
        return torch.zeros_like(latents)

    monkeypatch.setattr(loss_of.denoiser, "forward", spy)
    loss_of(batch(400, 16), generator())
    mask = seen[0][:, :4].flatten(1).any(1)
    peak = seen[0][:, 4].flatten(1).any(1)
    assert mask.float().mean().item() == pytest.approx(0.75, abs=0.07)
    assert peak[mask].float().mean().item() == pytest.approx(0.5, abs=0.08)
    assert not peak[~mask].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": (True,)}, "attention needs one entry a level: 2, not 1"),
        ({"sampler": "ddpm"}, "'ddpm' is no sampler for the objective 'flow'"),
        ({"objective": "eps", "sampler": "ddim", "zero_terminal_snr": True}, "zero_terminal_snr cannot go with 'eps'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_at_the_start(changes, message):
    autoencoder = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    with pytest.raises(ValueError, match=message):
        DenoiserTask(SETTINGS.model_copy(update=changes), autoencoder, {"scaling": {"name": "snr-asinh"}})
