"""One source on a stamp: what was put in comes out."""

import numpy as np
import pytest

from challenge.simulated import add_gaussian
from radiff.challenge.fitting import measure_source
from radiff.sky.beam import FWHM, covariance

BEAM = (4.0 / FWHM) ** 2 * np.eye(2)
ALL = np.ones((61, 61), bool)


def shape_of(major, minor, angle):
    """Covariance in pixels of a Gaussian of these FWHM, angle in deg from x towards y."""
    turned = covariance(major, minor, 90.0 - angle)
    return np.array([[turned[0, 0], turned[0, 1]], [turned[0, 1], turned[1, 1]]])


def source(x=30.3, y=28.6, peak=1.0, shape=BEAM, noise=0.0):
    image = np.zeros((61, 61))
    add_gaussian(image, x, y, peak, shape)
    return image + np.random.default_rng(0).normal(0, 1, image.shape) * noise


@pytest.mark.parametrize("shape", [BEAM, shape_of(9.0, 5.0, 20.0), shape_of(12.0, 4.5, -50.0)])
def test_a_gaussian(shape):
    image = source(shape=shape)
    fit = measure_source(image, image > 0.1, ALL, 1e-4, BEAM)
    assert fit.gaussian
    assert (fit.x, fit.y, fit.peak) == pytest.approx((30.3, 28.6, 1.0), abs=1e-3)
    assert fit.total == pytest.approx(2 * np.pi * np.sqrt(np.linalg.det(shape)), rel=2e-3)
    assert fit.shape == pytest.approx(shape, abs=0.02)


def test_an_unresolved_source_has_the_beams_shape():
    fit = measure_source(source(noise=0.05), source() > 0.15, ALL, 0.05, BEAM)
    assert np.array_equal(fit.shape.round(9), BEAM.round(9))
    assert fit.total == pytest.approx(2 * np.pi * np.linalg.det(BEAM) ** 0.5, rel=0.1)


def test_two_lobes_are_measured_by_their_pixels():
    image = source(20.0, 30.0) + source(40.0, 30.0, 0.8)
    own = image > 0.02
    own[30, 20:41] = True
    fit = measure_source(image, own, ALL, 1e-3, BEAM)
    assert not fit.gaussian
    assert (fit.x, fit.y) == pytest.approx((20 + 20 * 0.8 / 1.8, 30.0), abs=0.1)  # the centroid
    assert (fit.x_peak, fit.y_peak) == pytest.approx((20.0, 30.0), abs=0.05)  # the brighter lobe
    assert fit.total == pytest.approx(1.8 * 2 * np.pi * np.linalg.det(BEAM) ** 0.5, rel=0.02)


def test_other_sources_and_blank_pixels_play_no_part():
    image, usable = source(), ALL.copy()
    image[:, 45:], usable[:, 45:] = 50.0, False
    image[0, 0], usable[0, 0] = np.nan, False
    fit = measure_source(image, source() > 0.1, usable, 1e-4, BEAM)
    assert fit.peak == pytest.approx(1.0, abs=1e-3)


def test_nothing_positive():
    assert measure_source(-source(), source() > 0.1, ALL, 0.1, BEAM) is None
    assert measure_source(source(), np.zeros_like(ALL), ALL, 0.1, BEAM) is None
