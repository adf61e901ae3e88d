"""Noise to a background's power spectrum: rings agree, objects stay, noise that agrees already is hardly changed."""

import numpy as np
import pytest
from scipy import ndimage

from radiff.generate.texture import match_texture
from radiff.sky import noise_power_spectrum


def noise(seed, width):
    made = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(128, 128)), width, mode="wrap")
    return (made / made.std()).astype(np.float32)


def ratio(image, like):
    return noise_power_spectrum([image], None, 8)[1] / noise_power_spectrum([like], None, 8)[1]


@pytest.mark.parametrize(("have", "wanted"), [(1.0, 0.9), (0.8, 0.9)])
def test_the_rings_agree(have, wanted):
    image, like = noise(1, have), noise(2, wanted)
    made = match_texture(image, np.zeros((128, 128), np.uint8), like)
    assert np.abs(ratio(image, like)[2:5] - 1).max() > 0.15
    rings = ratio(made, like)[2:5]  # the rms moves little, so the rings agree up to one factor
    assert np.abs(rings / rings.mean() - 1).max() < 0.02
    assert np.corrcoef(made.ravel(), image.ravel())[0, 1] > 0.98  # the same waves, not new ones


def test_pixels_of_the_mask_stay_and_bright_sources_ring_not():
    y, x = np.mgrid[:128, :128]
    source = (1000 * np.exp(-((y - 60) ** 2 + (x - 70) ** 2) / 6)).astype(np.float32)
    mask = (np.hypot(y - 60, x - 70) < 9).astype(np.uint8) * 2
    image, like = noise(1, 1.0), noise(2, 0.85)
    made = match_texture(image + source, mask, like)
    np.testing.assert_array_equal(made[mask > 0], (image + source)[mask > 0])
    assert np.abs((made - image - source)[mask == 0]).max() < 1.5


def test_noise_that_agrees_is_left_alone():
    image = noise(3, 0.9)
    np.testing.assert_allclose(match_texture(image, np.zeros((128, 128), np.uint8), image), image, atol=1e-4)
