"""Peak projection: estimates of clean latents come to the peaks asked for, and nothing else changes."""

import math

import numpy as np
import pytest
import torch

from radiff.generate.denoising import Guidance, make_denoiser, peak_projected
from radiff.generate.peak_projection import PeakProjection
from radiff.masks import SourceObject
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from radiff.models.conditions import PLANES, Conditions


@pytest.fixture(scope="module")
def autoencoder():
    """An autoencoder that is its linear path alone: a whole cosine transform."""
    torch.manual_seed(0)
    network = Autoencoder(AutoencoderConfig(channels=(8, 16))).eval()
    torch.nn.init.zeros_(network.encoder.conv_out.weight)
    torch.nn.init.zeros_(network.decoder.conv_out.weight)
    network.latent_std.copy_(torch.linspace(0.5, 2.0, 16))
    return network.requires_grad_(False)


def picture():
    """(1, 1, 64, 64): two Gaussian sources, peaks 2 and 1, and their objects."""
    y, x = np.mgrid[:64, :64]
    image = np.zeros((64, 64))
    objects = []
    for k, (peak, row, column) in enumerate(((2.0, 20, 20), (1.0, 44, 40))):
        image += peak * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8.0)
        objects.append(SourceObject.from_pixels(f"S{k}", 2, np.hypot(y - row, x - column) < 6))
    return torch.from_numpy(image[None, None]).float(), objects


def projection(autoencoder, objects, peaks, aim):
    return PeakProjection(autoencoder, autoencoder.decode, (64, 64), [objects], [peaks], aim)


def test_an_estimate_comes_to_the_peaks(autoencoder):
    image, objects = picture()
    one = projection(autoencoder, objects, [3.0, 0.5], lambda number, peaks, shown: peaks)
    made = autoencoder.decode(one.corrected(autoencoder.encode(image), sine=0.9))
    assert [float(made[0, 0][o.slices].max()) for o in objects] == pytest.approx([3.0, 0.5], rel=1e-4)
    outside = torch.ones(64, 64, dtype=torch.bool)
    for item in objects:
        outside[item.slices] = False
    assert (made - image)[0, 0][outside].abs().max() < 1e-5


def test_objects_that_are_not_asked_stay(autoencoder):
    image, objects = picture()
    one = projection(autoencoder, objects, [0.0, 0.5], lambda number, peaks, shown: peaks)
    made = autoencoder.decode(one.corrected(autoencoder.encode(image), sine=0.9))
    assert (made - image)[0, 0][objects[0].slices].abs().max() < 1e-5
    none = projection(autoencoder, objects, [0.0, 0.0], lambda number, peaks, shown: peaks)
    latents = autoencoder.encode(image)
    assert torch.equal(none.corrected(latents, 0.9), latents)


def test_the_aim_sees_the_image_near_the_end_only(autoencoder):
    image, objects = picture()
    seen = []

    def aim(number, peaks, shown):
        seen.append(None if shown is None else shown.shape)
        return peaks

    one = projection(autoencoder, objects, [3.0, 0.5], aim)
    latents = autoencoder.encode(image)
    one.corrected(latents, sine=1.0)
    one.corrected(latents, sine=0.1)
    assert seen == [None, (64, 64)]


def test_the_velocity_points_at_the_corrected_estimate(autoencoder):
    """With v = (cos x - x0) / sin, a step to angle 0 lands on the estimate: it must peak where asked."""
    image, objects = picture()
    clean = autoencoder.encode(image)

    class Still:
        """A denoiser that always says the same estimate of the clean latents."""

        class config:
            factor, context = 4, 0

        def encode(self, conditions):
            return conditions

        def __call__(self, x, time, encoded):
            a = time[0] / 1000 * math.pi / 2
            return (torch.cos(a) * x - clean) / torch.sin(a)

    from radiff.diffusion.objectives import DiffusionConfig, Objective

    planes = torch.zeros(1, PLANES * 16, 16, 16)
    given = Conditions(planes, torch.zeros(1))
    one = projection(autoencoder, objects, [3.0, 0.5], lambda number, peaks, shown: peaks)
    denoise = make_denoiser(Still(), Objective(DiffusionConfig("angle")), given, Guidance(), 8)
    denoise = peak_projected(denoise, one)
    angle = torch.tensor([0.4])
    x = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    landed = torch.cos(angle) * x - torch.sin(angle) * denoise(x, angle)
    made = autoencoder.decode(landed)
    assert [float(made[0, 0][o.slices].max()) for o in objects] == pytest.approx([3.0, 0.5], rel=1e-3)
