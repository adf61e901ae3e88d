"""Noise figures of maps whose noise is known."""

import numpy as np
import pytest
from scipy import ndimage

from conftest import Injected, add_gaussian
from radiff.errors import InputError
from radiff.sky import background_mesh, background_rms, noise_power_spectrum, read_cutout


def crowded(seed, number=15, smoothing=0.0, shape=(300, 300)):
    """Noise of rms 1 on a level of 0.5 with `number` sources of peak 2 to 1000; the noise alone; its true rms."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, shape)
    if smoothing:
        noise = ndimage.gaussian_filter(noise, smoothing, mode="wrap")
        noise /= noise.std()
    image = noise + 0.5
    for _ in range(number):
        x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        maj = rng.uniform(3, 9)
        add_gaussian(image, Injected(x, y, np.exp(rng.uniform(np.log(2), np.log(1000))), maj, rng.uniform(3, maj)))
    return image.astype(np.float32), noise.std()


@pytest.mark.parametrize("smoothing", [0.0, 1.27])
def test_rms_among_sources_to_one_percent(smoothing):
    answers = []
    for seed in range(8):
        image, true = crowded(seed, smoothing=smoothing)
        background, rms = background_rms(image)
        answers.append((background - 0.5, rms / true))
    level, ratio = np.mean(answers, 0)
    assert abs(level) < 0.02
    assert ratio == pytest.approx(1, abs=0.01)


def test_pure_noise_is_not_made_quieter_by_clipping():
    image = np.random.default_rng(0).normal(0, 1, (1000, 1000))
    assert background_rms(image)[1] == pytest.approx(1, abs=0.003)


def test_scales_with_the_image():
    image, _ = crowded(0)
    background, rms = background_rms(image)
    assert background_rms(image * 1e-5 + 1.0) == pytest.approx((background * 1e-5 + 1.0, rms * 1e-5), rel=1e-2)


def test_nan_borders_and_excluded_pixels_do_not_count():
    image, true = crowded(1)
    image[:60] = np.nan
    image[60:160, :150] += 3.0
    exclude = np.zeros(image.shape, bool)
    exclude[60:160, :150] = True
    background, rms = background_rms(image, exclude)
    assert background == pytest.approx(0.5, abs=0.03) and rms == pytest.approx(true, rel=0.02)


def test_coarsely_rounded_data():
    image = np.round(np.random.default_rng(0).normal(0, 1, (150, 150)) / 0.8) * 0.8
    assert background_rms(image)[1] == pytest.approx(np.sqrt(1 + 0.8**2 / 12), rel=0.02)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_padding_with_zeros_does_not_count(share):
    image, true = crowded(2, number=3)
    image[: int(300 * share)] = 0.0
    background, rms = background_rms(image)
    assert background == pytest.approx(0.5, abs=0.03) and rms == pytest.approx(true, rel=0.02)


def test_large_images_are_sampled():
    image = np.random.default_rng(0).normal(0.1, 2.0, (2100, 2000)).astype(np.float32)
    assert background_rms(image) == pytest.approx((0.1, 2.0), abs=0.006)


def test_images_without_noise_give_zero_or_a_number():
    assert background_rms(np.full((20, 20), 3.0)) == (3.0, 0.0)


def test_nothing_to_measure_is_refused():
    with pytest.raises(InputError, match="no usable pixel"):
        background_rms(np.full((20, 20), np.nan))
    with pytest.raises(InputError, match=r"the shape \(4, 4\), the image \(20, 20\)"):
        background_rms(np.zeros((20, 20)), np.zeros((4, 4), bool))
    with pytest.raises(InputError, match="two axes"):
        background_rms(np.zeros(20))
    with pytest.raises(InputError, match="at least 4"):
        background_mesh(np.zeros((20, 20)), box=2)
    with pytest.raises(InputError, match="no usable pixel"):
        background_mesh(np.full((20, 20), np.nan))


def test_mesh_follows_gradients_of_level_and_noise():
    y, x = np.mgrid[:512, :512] / 512
    level, width = 3 * x - y, 1 + y
    image = np.random.default_rng(0).normal(level, width).astype(np.float32)
    background, rms = background_mesh(image, 64)
    inner = np.s_[32:-32, 32:-32]
    assert np.abs(background - level)[inner].max() < 0.2
    assert np.abs(rms / width - 1)[inner].max() < 0.08
    assert np.mean(rms / width) == pytest.approx(1, abs=0.015)
    assert background.dtype == rms.dtype == np.float32


def test_mesh_is_not_lifted_by_sources():
    image, true = crowded(3, number=25, shape=(400, 400))
    background, rms = background_mesh(image, 64)
    assert np.median(background) == pytest.approx(0.5, abs=0.03) and background.max() < 0.9
    assert np.median(rms) == pytest.approx(true, rel=0.02) and rms.max() < 1.25


def test_mesh_fills_blank_and_excluded_cells():
    image = np.random.default_rng(0).normal(5.0, 1.0, (200, 260)).astype(np.float32)
    image[:70, :70] = np.nan
    exclude = np.zeros(image.shape, bool)
    exclude[130:, 120:] = True
    image[exclude] += 100
    background, rms = background_mesh(image, 50, exclude)
    assert np.isfinite(background).all() and np.isfinite(rms).all()
    assert np.abs(background - 5).max() < 0.2 and np.abs(rms - 1).max() < 0.1


@pytest.mark.parametrize("shape", [(10, 10), (64, 64), (65, 200), (5, 300)])
def test_mesh_of_small_images(shape):
    image = np.random.default_rng(0).normal(0, 1, shape)
    background, rms = background_mesh(image, 64)
    assert background.shape == rms.shape == shape and (rms > 0.6).all() and (rms < 1.4).all()


def test_power_of_white_noise_is_its_variance():
    images = np.random.default_rng(0).normal(7.0, 2.0, (200, 64, 64)).astype(np.float32)
    frequencies, power = noise_power_spectrum(images)
    assert power == pytest.approx(4.0, rel=0.03)
    assert np.all((frequencies > np.arange(8) / 16) & (frequencies < np.arange(1, 9) / 16))


def test_power_with_sources_left_out_is_the_same():
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (200, 64, 64))
    excludes = ndimage.binary_dilation(rng.random(images.shape) < 0.002, np.ones((1, 5, 5)))
    images[excludes] += 50
    images[:, :6] = np.nan
    assert noise_power_spectrum(list(images), list(excludes))[1] == pytest.approx(1, rel=0.04)


@pytest.mark.parametrize("shape", [(128, 128), (96, 128)])
def test_power_of_smoothed_noise_is_the_closed_form(shape):
    rng = np.random.default_rng(0)
    deviation = 1.2
    images = ndimage.gaussian_filter(
        rng.normal(0, 1, (150, *shape)), (0, deviation, deviation), truncate=8, mode="wrap"
    )
    _, power = noise_power_spectrum(images)
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :])
    expected = np.exp(-((2 * np.pi * deviation * radius) ** 2))
    rings = [(radius >= band / 16) & (radius < (band + 1) / 16) for band in range(8)]
    assert power[1:] == pytest.approx([expected[ring].mean() for ring in rings][1:], rel=0.06, abs=1e-5)
    assert power[0] == pytest.approx(expected[rings[0]].mean(), rel=0.08)


def test_power_refuses_what_it_cannot_measure():
    with pytest.raises(InputError, match="one size"):
        noise_power_spectrum([np.zeros((8, 8)), np.zeros((8, 9))])
    with pytest.raises(InputError, match="one size"):
        noise_power_spectrum([])
    with pytest.raises(InputError, match="too small for 8 bands"):
        noise_power_spectrum(np.ones((1, 8, 8)))
    with pytest.raises(InputError, match="no usable pixel"):
        noise_power_spectrum(np.full((1, 32, 32), np.nan))


def test_rms_of_real_images(real_data):
    for name, low, high in (("first_mirabest", 1.2e-4, 2.0e-4), ("nvss_frdeep", 3.5e-4, 7e-4)):
        paths = sorted((real_data / "vla" / name).glob("*.fz"))[::60]
        values = [background_rms(read_cutout(path).image)[1] for path in paths]
        assert low < np.median(values) < high
