"""Cutouts: windows keep positions, headers carry on."""

import numpy as np
import pytest
from astropy.io import fits

from radiff.errors import InputError
from radiff.sky import Cutout

PROJECTIONS = [("SIN", "RA"), ("TAN", "RA"), ("NCP", "RA"), ("SIN", "G"), ("CAR", "G")]


@pytest.mark.parametrize(("projection", "frame"), PROJECTIONS)
def test_window_keeps_the_sky_position_of_every_pixel(make_map, projection, frame):
    cutout = make_map((60, 80), projection=projection, frame=frame)
    window = cutout.window(-7, 33, 11, 95)
    assert window.shape == (40, 84)
    assert window.image[7 + 20, 30] == cutout.image[20, 41]
    here = window.wcs.pixel_to_world(30, 27)
    assert here.separation(cutout.wcs.pixel_to_world(41, 20)).arcsec < 1e-6


def test_window_is_nan_outside_and_a_copy_inside(make_map):
    cutout = make_map((20, 30))
    window = cutout.window(-2, 5, 28, 33)
    assert np.isnan(window.image[:2]).all() and np.isnan(window.image[:, 2:]).all()
    assert np.array_equal(window.image[2:, :2], cutout.image[:5, 28:])
    window.image[3, 0] = 7.0
    assert cutout.image[1, 28] != 7.0
    assert np.isnan(cutout.window(100, 110, 100, 110).image).all()


def test_windows_of_windows_count_from_the_source(make_map):
    window = make_map((50, 50)).window(10, 40, 5, 45).window(3, 10, 2, 9)
    assert (window.provenance["y0"], window.provenance["x0"]) == (13, 7)


def test_an_empty_window_is_refused(make_map):
    with pytest.raises(InputError, match="holds no pixel"):
        make_map((20, 20)).window(5, 5, 0, 10)


def test_pixel_scale_from_wcs_or_cdelt_or_none(make_map):
    assert make_map().pixel_scale == pytest.approx(1.8, rel=1e-9)
    image = np.zeros((4, 4))
    assert Cutout(image, header=fits.Header([("CDELT1", -0.001), ("CDELT2", 0.004)])).pixel_scale == pytest.approx(7.2)
    assert Cutout(image).pixel_scale is None


def test_names_and_valid():
    cutout = Cutout([[1.0, np.nan]], header=fits.Header([("TELESCOP", " VLA "), ("SURVEY", "")]))
    assert (cutout.telescope, cutout.survey) == ("VLA", None)
    assert cutout.valid.tolist() == [[True, False]]
    assert cutout.image.dtype == np.float32


def test_three_axes_are_refused():
    with pytest.raises(InputError, match="two axes"):
        Cutout(np.zeros((1, 4, 4)))
