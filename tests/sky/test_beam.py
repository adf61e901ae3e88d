"""Beams from headers and back."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from radiff.errors import InputError
from radiff.sky import Beam, HeaderWarning


def test_area_is_the_sum_of_a_gaussian_of_peak_one():
    y, x = np.mgrid[-60:61, -60:61]
    sampled = np.exp(-4 * np.log(2) * ((x / 9.0) ** 2 + (y / 6.0) ** 2)).sum()
    assert Beam(18.0, 12.0).area_pixels(2.0) == pytest.approx(sampled, rel=1e-6)


def test_area_of_first():
    assert Beam(5.4, 5.4).area_pixels(1.8) == pytest.approx(1.1330900354567985 * 9)


def test_fwhm_in_pixels():
    assert Beam(6.0, 4.5).fwhm_pixels(1.5) == (4.0, 3.0)


@given(st.floats(0.1, 1e4), st.floats(0.1, 1.0), st.floats(-180, 180))
def test_header_round_trip(maj, ratio, pa):
    header = fits.Header()
    beam = Beam(maj, maj * ratio, pa)
    beam.to_header(header)
    back = Beam.from_header(header)
    assert (back.maj, back.min) == pytest.approx((beam.maj, beam.min), rel=1e-11)
    assert back.pa == beam.pa


def test_aips_history_the_last_clean_counts():
    header = fits.Header()
    header["HISTORY"] = "AIPS   CLEAN BMAJ=  2.5000E-03 BMIN=  2.5000E-03 BPA=   0.00"
    header["HISTORY"] = "AIPS   CLEAN BMAJ=  1.5000E-03 BMIN=  1.2000D-03 BPA= -10.50"
    beam = Beam.from_header(header)
    assert (beam.maj, beam.min, beam.pa) == pytest.approx((5.4, 4.32, -10.5))


def test_no_beam_is_none():
    assert Beam.from_header(fits.Header()) is None
    assert Beam.from_header(fits.Header([("BMAJ", 0.0)])) is None
    assert Beam.from_header(fits.Header([("BMAJ", "unknown")])) is None


def test_missing_minor_axis_is_a_circle_with_a_warning():
    with pytest.warns(HeaderWarning, match="no BMIN; a circular beam is assumed"):
        beam = Beam.from_header(fits.Header([("BMAJ", 0.0015)]))
    assert (beam.maj, beam.min, beam.pa) == pytest.approx((5.4, 5.4, 0.0))


def test_missing_angle_warns_only_where_it_matters():
    assert Beam.from_header(fits.Header([("BMAJ", 0.0015), ("BMIN", 0.0015)])).pa == 0.0
    with pytest.warns(HeaderWarning, match="no BPA"):
        Beam.from_header(fits.Header([("BMAJ", 0.0015), ("BMIN", 0.001)]))


def test_swapped_axes_turn_the_angle():
    beam = Beam.from_header(fits.Header([("BMAJ", 0.001), ("BMIN", 0.0015), ("BPA", 20.0)]))
    assert (beam.maj, beam.min, beam.pa) == pytest.approx((5.4, 3.6, 110.0))


@pytest.mark.parametrize("widths", [(0.0, 0.0), (-5.0, 5.0), (np.nan, 5.0)])
def test_impossible_beams_are_refused(widths):
    with pytest.raises(InputError, match="both widths must be positive"):
        Beam(*widths)
