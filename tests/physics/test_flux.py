"""Flux and position survive the way from a FITS file to the network's units, a turn, and back."""

import numpy as np
import pytest
import torch

from radiff.data.loader import PackLoader
from radiff.data.pack import build_pack
from radiff.data.scaling import SnrAsinh, make_scaling
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from tiny_collection import BACKGROUND, PEAK, RMS, tiny_collection


@pytest.fixture
def pack(tmp_path):
    return build_pack(tiny_collection(tmp_path / "c", 3, 1, empty=0), tmp_path / "p", SnrAsinh(2.0), workers=1)


def test_the_injected_peak_comes_back_in_jansky(pack):
    loader = PackLoader(pack, batch_size=4, seed=2)
    batch = loader.batch(0)
    scaling = make_scaling(**pack.info["scaling"])
    for image, mask, peak in zip(batch.images[:, 0].numpy(), batch.masks.numpy(), batch.peaks.numpy(), strict=True):
        values = []
        for row in pack.info["rows"]:  # the batch does not say which cutout this is: the compact source fits one
            back = scaling.inverse(image, row["background"], row["rms"])
            values.append(abs(back[mask == 2].item() / (BACKGROUND + PEAK) - 1))
            if values[-1] < 1e-5:
                # the peak that a denoiser is told is that of the image, to half precision
                assert (10 ** peak[mask == 2].item() - 1) * row["rms"] == pytest.approx(PEAK, rel=0.02)
        assert min(values) < 1e-5


def test_noise_is_of_unit_width_in_snr(pack):
    snr = 2.0 * np.sinh(pack.images[pack.masks == 0])
    assert snr.std() == pytest.approx(1.0, rel=0.05)
    assert snr.mean() == pytest.approx(0.0, abs=0.05)
    assert pack.info["rows"][0]["rms"] == pytest.approx(RMS, rel=0.1)


@torch.no_grad()
def test_flux_through_an_exact_autoencoder(pack):
    """With all 16 cosines the linear path is the identity, so Jy/beam come back through the latents too."""
    network = Autoencoder(AutoencoderConfig(channels=(8, 16), latent_channels=16))
    for conv in (network.encoder.conv_out, network.decoder.conv_out):
        torch.nn.init.zeros_(conv.weight)
    image = torch.from_numpy(np.array(pack.images))[:, None]
    rebuilt = network.decode(network.encode(image))[:, 0].numpy()
    for k, row in enumerate(pack.info["rows"]):
        back = SnrAsinh(2.0).inverse(rebuilt[k], row["background"], row["rms"])
        assert back[3, 5] == pytest.approx(BACKGROUND + PEAK, rel=1e-4)
        assert np.unravel_index(back.argmax(), back.shape) == (3, 5)
