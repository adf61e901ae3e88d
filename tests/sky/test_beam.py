"""Beams from headers and back."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import celestial_wcs
from radiff.errors import InputError
from radiff.sky import Beam, HeaderWarning
from radiff.sky.beam import covariance, mean_width, widths


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


@pytest.mark.parametrize(("beam", "told"), [((3.0, 6.0, 0.0), "3 x 6"), ((5.0, 5.1, 90.0), "5 x 5.1")])
def test_a_minor_axis_above_the_major_one_is_refused(beam, told):
    with pytest.raises(InputError, match=f"a beam of {told} arcsec has its minor axis above its major one"):
        Beam(*beam)
    with pytest.raises(InputError, match="minor axis above"):
        Beam.of(",".join(map(str, beam)))


@pytest.mark.parametrize("value", [Beam(6.0, 5.0, 30.0), (6, 5, 30), [6.0, 5.0, 30.0], "6,5,30", "6, 5, 30"])
def test_what_stands_for_a_beam(value):
    assert Beam.of(value) == Beam(6.0, 5.0, 30.0)


def test_one_number_is_a_round_beam():
    assert Beam.of("5.4") == Beam.of(5.4) == Beam(5.4, 5.4)
    assert Beam.of(np.float32(5)) == Beam(5.0, 5.0)


@pytest.mark.parametrize("value", ["", "wide", "6,x", (1, 2, 3, 4), "6,5,4,3", None, {"maj": 6}, object()])
def test_what_does_not(value):
    with pytest.raises(InputError, match="is no beam; give the FWHM in arcsec, or maj,min,pa"):
        Beam.of(value)


angles = st.floats(0.0, 179.0)


@settings(max_examples=40, deadline=None)
@given(st.floats(2.0, 9.0), st.floats(0.3, 1.0), angles, st.floats(0.1, 20.0))
def test_against_the_analytic_beam(width, ratio, pa, scale):
    """A Gaussian drawn by its definition has the area, the second moments and the widths that the beam tells."""
    beam = Beam(width * scale, width * scale * ratio, pa)
    y, x = np.mgrid[-40:41, -40:41].astype(float)
    north, east = y, -x  # north up, east to the left
    turn = np.radians(pa)
    along, across = east * np.sin(turn) + north * np.cos(turn), east * np.cos(turn) - north * np.sin(turn)
    drawn = np.exp(-4 * np.log(2) * ((along / width) ** 2 + (across / (width * ratio)) ** 2))
    if width * ratio > 1.6:  # else its pixels do not hold it
        assert drawn.sum() == pytest.approx(beam.area_pixels(scale), rel=1e-3)
        moments = np.array([[(drawn * a * b).sum() for a in (x, y)] for b in (x, y)]) / drawn.sum()
        assert moments == pytest.approx(beam.covariance(scale), rel=1e-2, abs=1e-2)
    assert 2 * np.pi * np.sqrt(np.linalg.det(beam.covariance(scale))) == pytest.approx(beam.area_pixels(scale))
    assert mean_width(beam.covariance(scale)) == pytest.approx(beam.width_pixels(scale))
    assert beam.width_pixels(scale) == pytest.approx(np.sqrt(np.prod(beam.fwhm_pixels(scale))))
    back = Beam.from_covariance(beam.covariance(scale), scale)
    assert (back.maj, back.min) == pytest.approx((beam.maj, beam.min), rel=1e-9)
    if ratio < 0.99:
        assert (back.pa - pa + 90) % 180 - 90 == pytest.approx(0.0, abs=1e-5)


@settings(deadline=None)
@given(st.floats(1.0, 50.0), st.floats(0.05, 1.0), angles, st.floats(1.0, 50.0), st.floats(0.05, 1.0), angles)
def test_a_beam_is_taken_off_as_it_was_put_on(maj, ratio, pa, other, shape, turn):
    bare, beam = covariance(maj, maj * ratio, pa), covariance(other, other * shape, turn)
    found = widths(bare + beam - beam)
    assert (float(found[0]), float(found[1])) == pytest.approx((maj, maj * ratio), rel=1e-6, abs=1e-3)
    assert widths(bare + beam)[0] >= maj * (1 - 1e-9)  # what is convolved gets wider
    assert [float(v) for v in widths(-bare)] == [0.0, 0.0, 0.0]


def test_a_beam_on_a_turned_map():
    """At the reference pixel, the beam's major axis lies along the line that the WCS says has its angle."""
    wcs = celestial_wcs((100, 100), 1.5)
    upright = Beam(9.0, 4.0, 30.0).covariance(1.5)
    assert Beam(9.0, 4.0, 30.0).covariance(1.5, wcs) == pytest.approx(upright)
    wcs.wcs.pc = [[0.0, -1.0], [1.0, 0.0]]
    turned = Beam(9.0, 4.0, 30.0).covariance(1.5, wcs)
    assert np.linalg.eigvalsh(turned) == pytest.approx(np.linalg.eigvalsh(upright))
    assert abs(turned[0, 0] - upright[1, 1]) < 1e-9
