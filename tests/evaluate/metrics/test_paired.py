"""SSIM against scikit-image, PSNR and residuals against closed forms, fluxes of objects against those put in."""

from dataclasses import replace

import numpy as np
import pytest

import sky_sets
from radiff.errors import InputError
from radiff.evaluate.metrics.pairs import (
    flux_metrics,
    measure_pairs,
    object_fluxes,
    pair_figures,
    pair_metrics,
    psnr,
    ssim,
)
from radiff.evaluate.sets import picture_of

metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is the oracle")


def images(seed=0, shape=(64, 64)):
    random = np.random.default_rng(seed)
    first = random.normal(size=shape).cumsum(1)
    return first, 0.7 * first + random.normal(size=shape)


@pytest.mark.parametrize("shape", [(64, 64), (40, 71), (11, 11)])
@pytest.mark.parametrize("seed", [0, 1])
def test_ssim_is_that_of_scikit_image(shape, seed):
    first, second = images(seed, shape)
    expected = metrics.structural_similarity(
        first, second, data_range=20.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(first, second, 20.0) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_equal_images_is_one():
    first, second = images()
    assert ssim(first, first, 1.0) == pytest.approx(1.0, abs=1e-12)
    assert ssim(first, second, 10.0) == pytest.approx(ssim(second, first, 10.0))


def test_ssim_of_constant_images_is_its_first_factor():
    """No variance: (2 a b + c1) / (a^2 + b^2 + c1), and c2 / c2."""
    first, second, c1 = np.full((32, 32), 2.0), np.full((32, 32), 3.0), (0.01 * 5) ** 2
    assert ssim(first, second, 5.0) == pytest.approx((12 + c1) / (13 + c1))


def test_the_numerator_is_a_product():
    """Eq. 15 as printed has a sum there: the inverted image would not come out negative."""
    first = np.random.default_rng(0).normal(size=(64, 64))
    assert ssim(5 + first, 5 - first, 1.0) < -0.5


def test_ssim_refuses():
    with pytest.raises(InputError, match="two images of one size"):
        ssim(np.zeros((20, 20)), np.zeros((20, 21)), 1.0)
    with pytest.raises(InputError, match="11 pixels or more"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)), 1.0)
    with pytest.raises(InputError, match="must be positive"):
        ssim(np.zeros((20, 20)), np.zeros((20, 20)), 0.0)


def test_psnr_is_that_of_scikit_image():
    first, second = images()
    assert psnr(first, second, 7.0) == pytest.approx(metrics.peak_signal_noise_ratio(first, second, data_range=7.0))
    assert psnr(first, first, 1.0) == float("inf")


def test_residuals_of_independent_noise():
    truth, made = sky_sets.noise(1, 128), sky_sets.noise(2, 128)
    inside = np.zeros((128, 128), bool)
    inside[60:68, 60:68] = True
    truth[inside] += 300.0
    made[inside] += 150.0
    figures = pair_figures(truth, made, inside)
    assert figures["residual"] == pytest.approx(np.sqrt(2), rel=0.03)
    assert figures["residual_sources"] == pytest.approx(0.5, rel=0.02)
    assert 0 < figures["ssim"] < 0.5


def test_equal_pairs():
    truth = sky_sets.noise(3)
    figures = pair_figures(truth, truth, np.zeros(truth.shape, bool))
    assert figures["ssim"] == figures["ssim_paper"] == pytest.approx(1.0)
    assert figures["residual"] == 0.0
    assert figures["psnr"] == float("inf")
    assert np.isnan(figures["residual_sources"])


def test_blank_pixels_count_nowhere():
    truth, made = sky_sets.noise(3), sky_sets.noise(3)
    made[:10] = np.nan
    figures = pair_figures(truth, made, np.zeros(truth.shape, bool))
    assert figures["residual"] == 0.0


def test_fluxes_of_objects():
    image, labels = np.zeros((40, 40)), np.zeros((40, 40), int)
    source = sky_sets.gaussian(12, 12, 50.0, 4.0, 40) + sky_sets.gaussian(28, 25, 20.0, 4.0, 40)
    labels[4:21, 4:21], labels[17:34, 21:38] = 1, 2
    area = np.pi / (4 * np.log(2)) * 16
    found = object_fluxes(image + source, image + 0.5 * source, labels, area)
    assert found[:, 0].tolist() == pytest.approx([50.0, 20.0])
    assert found[:, 1].tolist() == pytest.approx([25.0, 10.0])
    assert found[:, 2].tolist() == pytest.approx([50.0, 20.0], rel=1e-3)  # a point source's flux is its peak
    assert found[:, 3].tolist() == pytest.approx([25.0, 10.0], rel=1e-3)


def test_no_objects_no_fluxes():
    assert object_fluxes(np.zeros((9, 9)), np.zeros((9, 9)), np.zeros((9, 9), int), 1.0).shape == (0, 4)


def test_figures_of_a_set_of_pairs():
    items = sky_sets.pictures(16)
    halved = [picture_of(p.name, np.where(p.mask > 0, 0.5, 1.0) * p.snr, p.mask, p) for p in items]
    table, failures = measure_pairs(
        sky_sets.image_set(items), sky_sets.image_set(halved), [(k, k) for k in range(16)], workers=1
    )
    assert not failures
    lines = {m.key: m for m in pair_metrics(table)}
    assert lines["ssim"].value.n == (16,)
    assert lines["ssim"].value.low <= lines["ssim"].value.value <= lines["ssim"].value.high
    assert lines["ssim"].value.low > lines["ssim"].real.high  # better than with another's image
    assert lines["residual"].value.value == pytest.approx(0.0, abs=1e-6)
    assert lines["flux_peak_all"].value.value == pytest.approx(0.5, rel=1e-5)
    assert lines["flux_integrated_compact"].value.value == pytest.approx(0.5, rel=1e-5)
    assert lines["flux_scatter_peak_all"].value.value == pytest.approx(0.0, abs=1e-6)
    assert [m.key for m in flux_metrics(table)] == [k for k in lines if k.startswith("flux_")]


def test_images_of_other_rms_are_compared_in_flux():
    """Equal fluxes, twice the noise asked for: the same snr is twice the flux."""
    items = sky_sets.pictures(6)
    louder = [replace(p, rms=2 * p.rms) for p in items]
    table, _ = measure_pairs(
        sky_sets.image_set(items), sky_sets.image_set(louder), [(k, k) for k in range(6)], workers=1
    )
    lines = {m.key: m for m in pair_metrics(table)}
    assert lines["flux_peak_all"].value.value == pytest.approx(2.0, rel=1e-5)
