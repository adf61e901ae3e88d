"""Reconstruction figures against images whose answer is known."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from radiff.evaluate import check_reconstruction
from radiff.evaluate.checks.reconstruction import outside, spread
from radiff.masks import SourceObject

SHAPE, COUNT = (128, 128), 12
PEAK = 40.0


@pytest.fixture(scope="module")
def sky():
    """(images, objects): unit white noise with a Gaussian source of 40 rms and its mask, 9 x 9 pixels."""
    y, x = np.indices(SHAPE)
    source = PEAK * np.exp(-4 * np.log(2) * ((x - 60) ** 2 + (y - 50) ** 2) / 9)
    images = [np.random.default_rng(k).normal(0, 1, SHAPE) + source for k in range(COUNT)]
    pixels = np.zeros(SHAPE, bool)
    pixels[46:55, 56:65] = True
    return images, [[SourceObject.from_pixels("S1", 2, pixels)] for _ in range(COUNT)]


def blurred(images, sigma=1.0):
    return [ndimage.gaussian_filter(image, sigma, mode="wrap") for image in images]


def test_a_perfect_copy(sky):
    images, objects = sky
    figures = check_reconstruction(images, images, objects)
    assert figures["images"] == COUNT
    assert figures["noise_error"]["median"] == 0
    assert figures["peak_ratio"] == {"n": COUNT, "median": 1.0, "p16": 1.0, "p84": 1.0}
    assert figures["spectrum"]["ratio"] == [1.0] * 8
    np.testing.assert_allclose(figures["spectrum"]["real"], 1.0, atol=0.15)  # white noise of unit rms


def test_added_noise_is_the_noise_error(sky):
    images, objects = sky
    random = np.random.default_rng(99)
    rebuilt = [image + random.normal(0, 0.3, SHAPE) for image in images]
    figures = check_reconstruction(images, rebuilt, objects)
    assert figures["noise_error"]["median"] == pytest.approx(0.3, rel=0.01)
    np.testing.assert_allclose(figures["spectrum"]["ratio"], 1.09, atol=0.04)


def test_a_scaled_copy(sky):
    images, objects = sky
    figures = check_reconstruction(images, [0.9 * image for image in images], objects)
    assert figures["peak_ratio"]["median"] == pytest.approx(0.9)
    assert figures["noise_error"]["median"] == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(figures["spectrum"]["ratio"], 0.81, rtol=1e-6)


def test_a_shifted_copy_keeps_peaks_and_power_but_not_the_noise(sky):
    images, objects = sky
    figures = check_reconstruction(images, [np.roll(image, 1, axis=1) for image in images], objects)
    assert figures["noise_error"]["median"] == pytest.approx(np.sqrt(2), rel=0.1)
    assert figures["peak_ratio"]["median"] == 1.0
    np.testing.assert_allclose(figures["spectrum"]["ratio"], 1.0, atol=0.1)


def test_a_blur_takes_peaks_and_fine_power(sky):
    images, objects = sky
    figures = check_reconstruction(images, blurred(images), objects)
    ratio = figures["spectrum"]["ratio"]
    frequency = np.array(figures["spectrum"]["frequency"])
    assert figures["peak_ratio"]["median"] < 0.75
    np.testing.assert_allclose(ratio[:5], np.exp(-4 * np.pi**2 * frequency[:5] ** 2), rtol=0.2)
    assert all(a > b for a, b in pairwise(ratio))


def test_only_bright_objects_count_as_peaks(sky):
    images, objects = sky
    faint = [image / 10 for image in images]
    assert check_reconstruction(faint, faint, objects)["peak_ratio"] == {"n": 0}
    assert check_reconstruction(faint, faint, objects, bright_snr=3.0)["peak_ratio"]["n"] == COUNT


def test_errors_inside_objects_are_no_noise(sky):
    images, objects = sky
    rebuilt = [image.copy() for image in images]
    for image in rebuilt:
        image[44:57, 56:65] += 1000.0  # the object and two rows above and below it
    assert check_reconstruction(images, rebuilt, objects)["noise_error"]["median"] == 0


def test_blank_pixels_count_nowhere(sky):
    images, objects = sky
    blank = [image.copy() for image in images]
    for image in blank:
        image[:20] = np.nan
        image[46, 56] = np.nan
    filled = [np.nan_to_num(image) for image in blank]
    figures = check_reconstruction(blank, filled, objects)
    assert figures["noise_error"]["median"] == 0
    assert figures["peak_ratio"]["median"] == 1.0
    assert np.isfinite(figures["spectrum"]["ratio"]).all()


def test_outside_is_clear_of_objects():
    item = SourceObject("S1", 2, np.ones((1, 1), bool), 5, 7)
    clear = outside([item], (12, 16))
    assert not clear[5, 7] and not clear[5, 9] and not clear[3, 7]
    assert clear[5, 10] and clear[2, 7]
    assert (~clear).sum() == 13  # a diamond of radius 2
    assert outside([], (4, 4)).all()


def test_spread():
    assert spread([]) == {"n": 0}
    figures = spread(list(range(101)))
    assert (figures["n"], figures["median"], figures["p16"], figures["p84"]) == (101, 50, 16, 84)
