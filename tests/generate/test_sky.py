"""What pixels are to mean: the sky of an image, noise measured and asked, peaks by object."""

import numpy as np
import pytest

from conftest import Injected
from radiff.errors import InputError
from radiff.generate import Sky, measure_noise, peaks_image
from radiff.sky import Beam, Cutout


@pytest.mark.parametrize("rms", [0.0, -1e-4, float("nan"), float("inf")])
def test_noise_must_be_positive(rms):
    with pytest.raises(InputError, match="must be a positive number"):
        Sky(rms=rms)


def test_background_must_be_a_number():
    with pytest.raises(InputError, match="a background of nan"):
        Sky(background=float("nan"))


def test_noise_of_an_image_is_measured_where_it_is_not_given(make_map):
    cutout = make_map((128, 128), [Injected(60, 60, 0.1, 5, 5)], rms=3e-4, background=1e-3)
    sky = Sky.like(cutout)
    assert (sky.rms, sky.background) == pytest.approx((3e-4, 1e-3), rel=0.02)
    assert Sky.like(cutout, rms=1.0).rms == 1.0
    assert Sky.like(cutout, background=0.0).background == 0.0


def test_what_an_image_does_not_tell_has_defaults():
    sky = Sky.like(Cutout(np.random.default_rng(0).normal(0, 1, (64, 64))))
    assert sky.beam == Beam(5.4, 5.4, 0.0)
    assert sky.pixel_scale == 1.8
    assert sky.make_wcs((64, 64)).wcs.ctype[0] == "RA---TAN"


def test_noise_is_measured_clear_of_objects():
    random = np.random.default_rng(1)
    image = random.normal(0.5, 2.0, (128, 128))
    mask = np.zeros((128, 128), np.uint8)
    mask[40:80, 40:80] = 3
    image[38:82, 38:82] += 1.0  # two pixels around the object too
    level, noise, measured = measure_noise(image, mask)
    assert measured
    assert level == pytest.approx(0.5, abs=0.06)
    assert noise == pytest.approx(2.0, rel=0.02)


def test_too_few_pixels_are_not_measured():
    mask = np.ones((64, 64), np.uint8)
    assert measure_noise(np.ones((64, 64)), mask) == (0.0, 1.0, False)
    assert measure_noise(np.ones((64, 64)), np.zeros((64, 64), np.uint8)) == (0.0, 1.0, False)  # nothing varies


def test_peaks_by_object():
    mask = np.zeros((8, 8), np.uint8)
    mask[1:3, 1:3], mask[5, 5], mask[6, 1] = 2, 3, 2
    image = peaks_image(mask, 50)
    np.testing.assert_array_equal(image, np.where(mask, 50, 0))
    each = peaks_image(mask, [10, 20, 30])
    assert sorted({float(each[1, 1]), float(each[5, 5]), float(each[6, 1])}) == [10, 20, 30]
    assert (each[1:3, 1:3] == each[1, 1]).all()
    assert (each[mask == 0] == 0).all()
    with pytest.raises(InputError, match="2 peaks for 3 objects"):
        peaks_image(mask, [1, 2])
