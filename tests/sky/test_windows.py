"""Maps by windows: the same pixels as the whole array, in little memory."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from radiff.errors import InputError
from radiff.sky import MapReader, iter_windows, read_cutout, write_cutout

WINDOWS = [(0, 50, 0, 70), (3, 4, 5, 6), (-4, 10, -3, 20), (40, 60, 60, 90), (10, 30, 0, 70), (200, 210, 0, 5)]


@pytest.fixture
def cards(good_cards):
    return fits.Header(list(good_cards.items()))


def write_kind(path, kind, image, cards):
    """The same image stored in the ways maps are stored."""
    if kind == "compressed":
        hdu = fits.CompImageHDU(image, cards, compression_type="GZIP_1", quantize_level=0, tile_shape=(16, 32))
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    elif kind == "axes":
        fits.PrimaryHDU(image[None, None], cards).writeto(path)
    elif kind == "inner axis":
        path_cards = cards.copy()
        for key in ("CTYPE", "CRVAL", "CRPIX", "CDELT"):
            path_cards[f"{key}3"] = path_cards.pop(f"{key}2")
        path_cards["CTYPE2"] = "FREQ"
        fits.PrimaryHDU(image[:, None, :], path_cards).writeto(path)
    elif kind == "double":
        fits.PrimaryHDU(image.astype(np.float64), cards).writeto(path)
    else:
        fits.PrimaryHDU(image, cards).writeto(path)


@pytest.mark.parametrize("kind", ["plain.fits", "gz.fits.gz", "compressed", "axes", "inner axis", "double"])
def test_windows_equal_slices_of_the_whole(tmp_path, cards, kind):
    image = np.random.default_rng(0).normal(0, 1e-4, (50, 70)).astype(np.float32)
    image[:4] = np.nan
    path = tmp_path / (kind if "." in kind else f"{kind.replace(' ', '_')}.fits")
    write_kind(path, kind, image, cards)
    whole = read_cutout(path)
    assert np.array_equal(whole.image, image, equal_nan=True)
    with MapReader.open(path) as reader:
        assert reader.shape == (50, 70) and reader.beam == whole.beam
        assert reader.pixel_scale == pytest.approx(1.8)
        for window in WINDOWS:
            piece, expected = reader.cutout(*window), whole.window(*window)
            assert np.array_equal(piece.image, expected.image, equal_nan=True)
            assert piece.image.dtype == np.float32 and piece.image.dtype.isnative
            here, there = (each.wcs.pixel_to_world(2, 1) for each in (piece, expected))
            assert here.separation(there).arcsec < 1e-6
            assert piece.provenance == expected.provenance
            assert list(piece.header) == list(expected.header)


def test_scaled_integers_by_windows(tmp_path, cards):
    path = tmp_path / "int.fits"
    hdu = fits.PrimaryHDU(np.arange(12, dtype=np.int16).reshape(3, 4), cards)
    hdu.scale("int16", bscale=0.5, bzero=1.0)
    hdu.writeto(path)
    with MapReader(path) as reader:
        assert np.array_equal(reader.read(1, 3, 1, 3), read_cutout(path).image[1:3, 1:3])
        assert np.array_equal(reader.read(0, 3, 0, 4), np.arange(12).reshape(3, 4))


def test_units_are_converted(tmp_path, cards):
    cards["BUNIT"] = "mJy/beam"
    fits.PrimaryHDU(np.full((8, 8), 2.0, np.float32), cards).writeto(tmp_path / "m.fits")
    with MapReader(tmp_path / "m.fits") as reader:
        assert reader.read(0, 2, 0, 2) == pytest.approx(2e-3)


def test_a_plane_of_a_cube(tmp_path, cards):
    cube = np.random.default_rng(0).normal(size=(2, 3, 10, 12)).astype(np.float32)
    fits.PrimaryHDU(cube, cards).writeto(tmp_path / "cube.fits")
    with pytest.raises(InputError, match="6 planes; choose one"):
        MapReader(tmp_path / "cube.fits")
    with MapReader(tmp_path / "cube.fits", plane=4) as reader:
        assert np.array_equal(reader.read(2, 5, 3, 9), cube[1, 1, 2:5, 3:9])
        assert reader.provenance["plane"] == 4


def test_own_files_carry_rms_and_provenance(tmp_path, make_map):
    cutout = make_map()
    cutout.rms, cutout.provenance = 1e-4, {"source": "mother.fits", "x0": 100, "y0": 50}
    with MapReader(write_cutout(tmp_path / "x.fits", cutout)) as reader:
        piece = reader.cutout(10, 20, 5, 15)
    assert piece.rms == 1e-4
    assert piece.provenance == {"source": "mother.fits", "x0": 105, "y0": 60}


def test_bad_files_are_refused(tmp_path):
    (tmp_path / "text.fits").write_text("no")
    with pytest.raises(InputError, match="is not a FITS file"):
        MapReader(tmp_path / "text.fits")


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.data())
def test_windows_cover_every_pixel(ny, nx, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    seen = np.zeros((ny, nx), int)
    windows = list(iter_windows((ny, nx), size, overlap))
    for y0, y1, x0, x1 in windows:
        assert y1 - y0 == min(size, ny) and x1 - x0 == min(size, nx)
        seen[y0:y1, x0:x1] += 1
    assert seen.min() >= 1
    assert len(set(windows)) == len(windows)


def test_windows_need_an_overlap_below_their_size():
    with pytest.raises(InputError, match="the overlap must be smaller"):
        list(iter_windows((10, 10), 4, 4))


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux only")
def test_reading_a_whole_large_map_stays_small(tmp_path, cards):
    cards["NAXIS1"], cards["NAXIS2"] = 8000, 8000
    path = tmp_path / "large.fits"
    with fits.StreamingHDU(path, fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), *cards.cards])) as hdu:
        for row in range(80):
            hdu.write(np.full((100, 8000), row, np.float32))
    script = """
        import resource, sys
        from radiff.sky import MapReader, iter_windows
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with MapReader(sys.argv[1]) as reader:
            total = sum(float(reader.read(*window).mean()) for window in iter_windows(reader.shape, 1000))
        print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    total, grown = map(float, run.stdout.split())
    assert total == pytest.approx(64 * 39.5)
    assert grown < 60_000  # kB; the map has 250 MB
