"""Sizes and angles on the sky, against astropy's own offsets, at any projection, frame and turn of the map."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from challenge.simulated import SCALE, header
from radiff import InputError
from radiff.sky import Beam, MapReader
from radiff.sky.beam import covariance, widths
from radiff.sky.grid import SkyGrid

SHAPE = (200, 300)
MAPS = {
    "SIN": {},
    "TAN turned": {"projection": "TAN", "turn": 25.0},
    "NCP": {"projection": "NCP", "center": (40.0, 70.0)},
    "galactic": {"frame": "G", "center": (344.0, 1.5), "turn": -40.0},
    "near the pole": {"center": (200.0, 88.0), "projection": "ZEA"},
}


def grid_of(tmp_path, shape=SHAPE, change=None, **cards):
    top = header(shape, **cards)
    for key, value in (change or {}).items():
        if value is None:
            del top[key]
        else:
            top[key] = value
    fits.PrimaryHDU(np.zeros(shape, np.float32), top).writeto(tmp_path / "m.fits", overwrite=True)
    with MapReader(tmp_path / "m.fits") as reader:
        return SkyGrid.of(reader)


def test_axes_undo_covariance():
    rng = np.random.default_rng(0)
    minor = rng.uniform(1, 5, 100)
    major, pa = minor + rng.uniform(0.1, 5, 100), rng.uniform(0, 180, 100)
    found = widths(covariance(major, minor, pa))
    for ours, value in zip(found, (major, minor, pa), strict=True):
        assert ours == pytest.approx(value)
    # north through east: an angle of 90 deg lies along the first axis, east
    assert covariance(2.0, 1.0, 90.0)[0, 0] == pytest.approx(4 * covariance(2.0, 1.0, 90.0)[1, 1])
    assert [float(v) for v in widths(-covariance(2.0, 1.0, 30.0))] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("pa", [0.0, 35.0, 90.0, 150.0])
def test_an_angle_on_the_sky(tmp_path, name, pa):
    """A thin Gaussian along the line from a pixel to a place 3 arcsec off towards `pa` has that angle and length."""
    grid = grid_of(tmp_path, **MAPS[name])
    x, y = np.array([60.0]), np.array([150.0])
    ra, dec = grid.to_sky(x, y)
    off = SkyCoord(ra, dec, unit="deg").directional_offset_by(pa * u.deg, 3.0 * u.arcsec)
    ax, ay = grid.to_pixel(off.ra.deg, off.dec.deg)
    step = np.array([ax[0] - x[0], ay[0] - y[0]])
    shape = np.outer(step, step) + 1e-6 * np.eye(2)
    found = grid.sizes(x, y, shape[None])
    assert (found["pa"][0] - pa + 90) % 180 - 90 == pytest.approx(0.0, abs=0.05)
    assert found["maj"][0] == pytest.approx(3.0 * 2.35482, rel=2e-3)


@pytest.mark.parametrize("name", MAPS)
def test_positions_and_beam(tmp_path, name):
    grid = grid_of(tmp_path, beam=Beam(9.0, 6.0, 70.0), **MAPS[name])
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, SHAPE[1], 50), rng.uniform(0, SHAPE[0], 50)
    back = grid.to_pixel(*grid.to_sky(x, y))
    assert back[0] == pytest.approx(x, abs=1e-6) and back[1] == pytest.approx(y, abs=1e-6)
    middle = np.array([(SHAPE[1] - 1) / 2]), np.array([(SHAPE[0] - 1) / 2])
    found = grid.sizes(*middle, grid.beam_shape[None])
    own = grid.wcs.pixel_to_world(*middle)  # BPA counts from the north of the map's own frame
    pa = own.icrs.position_angle(own.directional_offset_by(70.0 * u.deg, 9.0 * u.arcsec).icrs).deg[0]
    assert (found["maj"][0], found["min"][0], found["pa"][0]) == pytest.approx((9.0, 6.0, pa % 180), rel=1e-4)
    assert abs(pa - 70.0) > 30.0 if name == "galactic" else pa == pytest.approx(70.0, abs=0.1)
    assert found["maj_deconvolved"][0] == pytest.approx(0.0, abs=0.05)
    assert grid.beam_area == pytest.approx(np.pi * 9 * 6 / (4 * np.log(2)) / SCALE**2, rel=1e-3)


def test_a_beam_is_taken_off(tmp_path):
    grid = grid_of(tmp_path, beam=Beam(5.0, 5.0, 0.0))
    turn = np.linalg.inv(grid.steps([150.0], [100.0]))
    shape = turn @ covariance(13.0, 5.0, 20.0) @ np.swapaxes(turn, -1, -2)
    found = grid.sizes(np.array([150.0]), np.array([100.0]), shape)
    assert found["maj_deconvolved"][0] == pytest.approx(12.0, rel=1e-3)  # 13, 5, 12
    assert found["min_deconvolved"][0] == pytest.approx(0.0, abs=0.1)


@pytest.mark.filterwarnings("ignore::radiff.HeaderWarning")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"BMAJ": None, "BMIN": None, "BPA": None}, "no beam in the header; add BMAJ, BMIN and BPA"),
        ({"CTYPE1": None, "CTYPE2": None}, "no celestial WCS in the header; add CTYPE, CRVAL, CRPIX and CDELT"),
        ({"CDELT1": -2 * SCALE / 3600}, "pixels of 3 x 1.5 arcsec are not square; regrid the map"),
    ],
)
def test_maps_that_tell_too_little(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        grid_of(tmp_path, change=change)
    assert "m.fits" in str(caught.value)
