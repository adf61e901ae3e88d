"""What pixels are to mean: the sky of an image, noise measured and asked, peaks by object."""

import numpy as np
import pytest

from conftest import Injected
from radiff.errors import InputError
from radiff.generate import Observation, measure_noise, peaks_image
from radiff.masks import SourceObject, mask_to_objects
from radiff.sky import Beam, Cutout


@pytest.mark.parametrize("rms", [0.0, -1e-4, float("nan"), float("inf")])
def test_noise_must_be_positive(rms):
    with pytest.raises(InputError, match="must be a positive number"):
        Observation(rms=rms)


def test_background_must_be_a_number():
    with pytest.raises(InputError, match="a background of nan"):
        Observation(background=float("nan"))


def test_noise_of_an_image_is_measured_where_it_is_not_given(make_map):
    cutout = make_map((128, 128), [Injected(60, 60, 0.1, 5, 5)], rms=3e-4, background=1e-3)
    sky = Observation.like(cutout)
    assert (sky.rms, sky.background) == pytest.approx((3e-4, 1e-3), rel=0.02)
    assert Observation.like(cutout, rms=1.0).rms == 1.0
    assert Observation.like(cutout, background=0.0).background == 0.0


def test_what_an_image_does_not_tell_has_defaults():
    sky = Observation.like(Cutout(np.random.default_rng(0).normal(0, 1, (64, 64))))
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
    objects = mask_to_objects(mask)
    image = peaks_image((8, 8), objects, 50)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, np.where(mask, 50, 0))
    each = peaks_image((8, 8), objects, [10, 20, 30])
    for item, peak in zip(objects, (10, 20, 30), strict=True):
        assert (each[item.slices][item.stamp] == peak).all()
    assert (each[mask == 0] == 0).all()
    np.testing.assert_array_equal(each, peaks_image((8, 8), objects, np.array([10.0, 20.0, 30.0])))
    assert not peaks_image((8, 8), [], []).any() and not peaks_image((8, 8), [], 5.0).any()


def test_peaks_where_objects_overlap_are_those_of_the_larger_class():
    big, small = (SourceObject("", value, np.ones((4, 4), bool), 1, at) for value, at in ((3, 1), (2, 3)))
    for objects, peaks in (((big, small), (7, 9)), ((small, big), (9, 7))):
        image = peaks_image((8, 8), objects, peaks)
        assert (image[1:5, 1:5] == 7).all() and (image[1:5, 5:7] == 9).all()


@pytest.mark.parametrize("peaks", [[1.0, -2.0], [1.0, float("nan")], [float("inf"), 1.0], -5.0])
def test_peaks_that_are_none(peaks):
    objects = [SourceObject("", 2, np.ones((2, 2), bool), 1, at) for at in (1, 5)]
    with pytest.raises(InputError, match="is no number or negative; give it in units of the rms, 0: not asked"):
        peaks_image((8, 8), objects, peaks)


def test_peaks_must_be_as_many_as_objects():
    objects = [SourceObject("", 2, np.ones((2, 2), bool), 1, at) for at in (1, 5)]
    with pytest.raises(InputError, match="3 peaks for 2 objects"):
        peaks_image((8, 8), objects, [1, 2, 3])


def test_beam_in_pixels():
    assert Observation(beam=Beam(8.0, 2.0, 30.0), pixel_scale=0.5).beam_pixels == pytest.approx(8.0)
    assert Observation().beam_pixels == pytest.approx(3.0)
