"""FITS files in and out, and every kind of file that must be refused."""

import gzip
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from radiff.errors import InputError
from radiff.sky import Beam, Cutout, HeaderWarning, read_cutout, read_header_info, write_cutout


@pytest.fixture
def pixels():
    return np.random.default_rng(3).normal(0, 1e-4, (24, 20)).astype(np.float32)


@pytest.mark.parametrize(("projection", "frame"), [("SIN", "RA"), ("TAN", "RA"), ("NCP", "RA"), ("SIN", "G")])
def test_write_and_read_keep_pixels_positions_and_figures(tmp_path, make_map, projection, frame):
    cutout = make_map((40, 60), projection=projection, frame=frame)
    cutout.beam, cutout.rms, cutout.background = Beam(7.2, 5.1, -33.0), 1.25e-4, 3e-6
    cutout.image[0, :5] = np.nan
    cutout.provenance = {"source": 'a map\'s "name" é.fits', "x0": 3, "seed": 7, "note": "long " * 60}
    back = read_cutout(write_cutout(tmp_path / "x.fits", cutout))
    assert np.array_equal(back.image, cutout.image, equal_nan=True)
    assert back.beam == cutout.beam and back.rms == cutout.rms and back.background == cutout.background
    assert back.provenance == cutout.provenance
    assert (back.telescope, back.survey, back.unit) == ("TEST", "SYNTHETIC", "Jy/beam")
    for x, y in ((0, 0), (59, 0), (13.25, 31.5)):
        assert back.wcs.pixel_to_world(x, y).separation(cutout.wcs.pixel_to_world(x, y)).arcsec < 1e-6


def test_orientation_north_is_up_and_east_is_left(tmp_path, make_map):
    cutout = read_cutout(write_cutout(tmp_path / "x.fits", make_map((40, 40))))
    center, up, left = (cutout.wcs.pixel_to_world(*place) for place in ((20, 20), (20, 30), (10, 20)))
    assert up.dec > center.dec and left.ra > center.ra
    assert center.position_angle(left).deg == pytest.approx(90, abs=0.05)


def test_ncp_header_written_by_hand_agrees_with_wcslib(write_fits, pixels, good_cards, tmp_path):
    cards = good_cards | {"CTYPE1": "RA---NCP", "CTYPE2": "DEC--NCP", "CRVAL2": -41.86}
    path = write_fits("ncp.fits", pixels, cards)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = WCS(fits.getheader(path)).pixel_to_world(17, 3)
    first = read_cutout(path)
    second = read_cutout(write_cutout(tmp_path / "again.fits", first))
    for cutout in (first, second):
        assert cutout.wcs.pixel_to_world(17, 3).separation(expected).arcsec < 1e-6


def test_rotated_header_keeps_positions(write_fits, pixels, good_cards, tmp_path):
    path = write_fits("rotated.fits", pixels, good_cards | {"CROTA2": 30.0})
    expected = WCS(fits.getheader(path)).pixel_to_world(17, 3)
    again = read_cutout(write_cutout(tmp_path / "again.fits", read_cutout(path)))
    assert again.wcs.pixel_to_world(17, 3).separation(expected).arcsec < 1e-6


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("JY/BEAM", 1), ("Jy/beam", 1), ("Jy beam-1", 1), ("mJy/beam", 1e-3), ("uJy / beam", 1e-6), ("mJy beam^-1", 1e-3)],
)
def test_units_become_jy_per_beam(write_fits, pixels, good_cards, unit, factor):
    cutout = read_cutout(write_fits("unit.fits", pixels, good_cards | {"BUNIT": unit}))
    assert cutout.unit == "Jy/beam"
    assert np.allclose(cutout.image, pixels * factor, rtol=1e-6)


def test_capital_mjy_is_milli_with_a_warning(write_fits, pixels, good_cards):
    path = write_fits("unit.fits", pixels, good_cards | {"BUNIT": "MJY/BEAM"})
    with pytest.warns(HeaderWarning, match="taken as mJy/beam"):
        assert np.allclose(read_cutout(path).image, pixels * 1e-3)


@pytest.mark.parametrize("unit", ["K", "Jy/pixel", "Jy", "MJy/beam", "MJy/sr", "counts"])
def test_other_units_are_refused(write_fits, pixels, good_cards, unit):
    with pytest.raises(InputError, match="convert the map to Jy/beam"):
        read_cutout(write_fits("unit.fits", pixels, good_cards | {"BUNIT": unit}))


@pytest.mark.parametrize("shape", [(1, 1, 24, 20), (24, 1, 20), (24, 20, 1), (1, 24, 20)])
def test_degenerate_axes_are_squeezed(write_fits, pixels, good_cards, shape):
    cards = {key: value for key, value in good_cards.items() if key[-1] not in "12"}
    axes = [20 if length == 20 else 24 if length == 24 else 1 for length in shape][::-1]
    for number, length in enumerate(axes, 1):
        source = {20: "1", 24: "2"}.get(length)
        for key in ("CTYPE", "CRVAL", "CRPIX", "CDELT"):
            other = {"CTYPE": "FREQ" if number < 4 else "STOKES", "CRVAL": 1.4e9, "CRPIX": 1.0, "CDELT": 1e6}[key]
            cards[f"{key}{number}"] = good_cards[key + source] if source else other
    if shape == (1, 1, 24, 20):
        cards |= {"CTYPE4": "STOKES", "CRVAL4": 1.0, "CDELT4": 1.0}
    cutout = read_cutout(write_fits("axes.fits", pixels.reshape(shape), cards))
    assert np.array_equal(cutout.image, pixels)
    assert cutout.wcs.naxis == 2
    plain = read_cutout(write_fits("plain.fits", pixels, good_cards))
    assert cutout.wcs.pixel_to_world(5, 9).separation(plain.wcs.pixel_to_world(5, 9)).arcsec < 1e-6
    if shape[0] == 1:
        assert cutout.header["FREQ"] == 1.4e9


def test_cube_is_refused_naming_its_shape_and_the_remedy(write_fits, pixels, good_cards):
    path = write_fits("cube.fits", np.stack([pixels, 2 * pixels, 3 * pixels])[None], good_cards)
    with pytest.raises(InputError) as error:
        read_cutout(path)
    assert str(error.value).startswith(
        f"{path}: is a cube of shape (1, 3, 24, 20) with 3 planes; choose one with plane="
    )
    assert np.array_equal(read_cutout(path, plane=2).image, 3 * pixels)
    with pytest.raises(InputError, match="has no plane 3"):
        read_cutout(path, plane=3)


def test_compressed_image(tmp_path, pixels, good_cards):
    path = tmp_path / "x.fits.fz"
    header = fits.Header(list(good_cards.items()))
    fits.HDUList(
        [fits.PrimaryHDU(), fits.CompImageHDU(pixels, header, compression_type="GZIP_1", quantize_level=0)]
    ).writeto(path)
    cutout = read_cutout(path)
    assert np.array_equal(cutout.image, pixels)
    assert cutout.pixel_scale == pytest.approx(1.8)
    assert not [key for key in cutout.header if key.startswith(("Z", "T"))]


def test_gzipped_image(tmp_path, write_fits, pixels, good_cards):
    path = tmp_path / "x.fits.gz"
    path.write_bytes(gzip.compress(write_fits("x.fits", pixels, good_cards).read_bytes()))
    assert np.array_equal(read_cutout(path).image, pixels)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="is truncated"):
        read_cutout(path)


def test_scaled_integers_with_blanks(tmp_path, good_cards):
    path = tmp_path / "int.fits"
    hdu = fits.PrimaryHDU(np.array([[1, 2], [3, -999]], np.int16), fits.Header(list(good_cards.items())))
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 10.0, -999
    hdu.writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header["BSCALE"], hdus[0].header["BZERO"] = 0.5, 10.0
    assert np.array_equal(read_cutout(path).image, np.float32([[10.5, 11.0], [11.5, np.nan]]), equal_nan=True)


def test_the_first_image_hdu_or_the_one_asked_for(tmp_path, pixels, good_cards):
    path = tmp_path / "many.fits"
    header = fits.Header(list(good_cards.items()))
    table = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0])])
    images = [fits.ImageHDU(pixels, header, name="SCI"), fits.ImageHDU(2 * pixels, header, name="RMS")]
    fits.HDUList([fits.PrimaryHDU(), table, *images]).writeto(path)
    assert read_cutout(path).provenance == {"source": "many.fits", "hdu": 2}
    assert np.array_equal(read_cutout(path, hdu="RMS").image, 2 * pixels)
    with pytest.raises(InputError, match="has no HDU 'X'; it has 0 PRIMARY, 1, 2 SCI, 3 RMS"):
        read_cutout(path, hdu="X")
    with pytest.raises(InputError, match="HDU 1 holds no image"):
        read_cutout(path, hdu=1)


def test_stripped_header_of_the_rg_dataset(write_fits, pixels):
    path = write_fits("galaxy.fits", pixels, {"CTYPE1": "Jy/beam", "BMAJ": 0.0026, "BMIN": 0.0021, "BPA": 84.0})
    with pytest.warns(HeaderWarning, match="no celestial WCS") as caught:
        cutout = read_cutout(path)
    assert len(caught) == 1
    assert cutout.wcs is None and cutout.pixel_scale is None and cutout.unit == "Jy/beam"
    assert cutout.beam == Beam(0.0026 * 3600, 0.0021 * 3600, 84.0)


def test_bare_header_warns_of_unit_wcs_and_beam(write_fits, pixels):
    path = write_fits("bare.fits", pixels, {"CDELT1": -0.0005, "CDELT2": 0.0005})
    with pytest.warns(HeaderWarning) as caught:
        cutout = read_cutout(path)
    said = " ".join(str(each.message) for each in caught)
    assert "Jy/beam is assumed" in said and "no celestial WCS" in said and "no beam" in said
    assert cutout.pixel_scale == pytest.approx(1.8) and cutout.beam is None


def test_a_wcs_without_sense_is_left_out_with_a_warning(write_fits, pixels, good_cards):
    path = write_fits("wcs.fits", pixels, good_cards | {"CDELT1": 0.0})
    with pytest.warns(HeaderWarning, match="positions stay in pixels"):
        assert read_cutout(path).wcs is None


def test_nan_borders_and_infinite_pixels(write_fits, pixels, good_cards):
    pixels[:3] = np.nan
    pixels[10, 10] = np.inf
    cutout = read_cutout(write_fits("nan.fits", pixels, good_cards))
    assert np.isnan(cutout.image[10, 10]) and cutout.valid.sum() == 21 * 20 - 1


def test_blank_and_constant_images_are_refused(write_fits, good_cards):
    blank = write_fits("blank.fits", np.full((8, 8), np.nan, np.float32), good_cards)
    with pytest.raises(InputError, match="every pixel is NaN"):
        read_cutout(blank)
    assert not read_cutout(blank, check=False).valid.any()
    with pytest.raises(InputError, match=r"every pixel is 0\.5; the image is constant"):
        read_cutout(write_fits("constant.fits", np.full((8, 8), 0.5, np.float32), good_cards))


def test_files_that_are_no_fits_image(tmp_path, write_fits, pixels):
    text = tmp_path / "text.fits"
    text.write_text("this is not FITS\n" * 500)
    empty = tmp_path / "empty.fits"
    empty.touch()
    for path, message in (
        (text, "is not a FITS file"),
        (empty, "is an empty file"),
        (tmp_path / "none.fits", "no such file"),
        (tmp_path, "is a folder"),
        (write_fits("header.fits", None), "holds no image"),
        (write_fits("line.fits", pixels[0]), "holds no image"),
    ):
        with pytest.raises(InputError, match=message) as error:
            read_cutout(path)
        assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@pytest.mark.parametrize("length", [1500, 2880, 3000, 2880 + 24 * 20 * 4 - 4])
def test_truncated_files(tmp_path, write_fits, pixels, good_cards, length):
    whole = write_fits("whole.fits", pixels, good_cards).read_bytes()
    path = tmp_path / "cut.fits"
    path.write_bytes(whole[:length])
    with pytest.raises(InputError, match="is truncated"):
        read_cutout(path)


def test_truncated_compressed_file(tmp_path):
    path = tmp_path / "x.fits.fz"
    noise = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(noise)]).writeto(path)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(InputError, match=r"truncated|cannot be read"):
        read_cutout(path)


def test_a_file_without_the_last_padding_is_read(tmp_path, write_fits, pixels, good_cards):
    path = tmp_path / "short.fits"
    path.write_bytes(write_fits("whole.fits", pixels, good_cards).read_bytes()[: 2880 + 24 * 20 * 4])
    assert np.array_equal(read_cutout(path).image, pixels)


def test_read_only_folder_leaves_nothing(tmp_path, make_map, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir()

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)  # the tests may run as root, whom no permission stops
    with pytest.raises(InputError, match="cannot be written"):
        write_cutout(folder / "x.fits", make_map())
    assert list(folder.iterdir()) == []


def test_folder_that_is_not_there(tmp_path, make_map):
    with pytest.raises(InputError, match=r"cannot be written"):
        write_cutout(tmp_path / "nowhere" / "x.fits", make_map())


def test_overwriting_must_be_allowed(tmp_path, make_map):
    path = write_cutout(tmp_path / "x.fits", make_map())
    with pytest.raises(InputError, match="exists already"):
        write_cutout(path, make_map(), overwrite=False)
    write_cutout(path, make_map())


def test_history_and_other_cards_are_carried_once(tmp_path, make_map):
    cutout = make_map()
    for line in ("first step", "second step"):
        cutout.header["HISTORY"] = line
    cutout.header["OBSERVER"] = "Jansky"
    for _ in range(3):
        cutout = read_cutout(write_cutout(tmp_path / "x.fits", cutout))
    assert [str(line) for line in cutout.header["HISTORY"]] == ["first step", "second step"]
    assert cutout.header["OBSERVER"] == "Jansky"
    assert len(cutout.header) == 5


def test_written_file_is_plain_fits(tmp_path, make_map):
    cutout = make_map()
    cutout.rms = 2e-4
    with fits.open(write_cutout(tmp_path / "x.fits", cutout)) as hdus:
        hdus.verify("exception")
        assert hdus[0].data.dtype == np.dtype(">f4")
        assert hdus[0].header["BUNIT"] == "Jy/beam" and hdus[0].header["RMSNOISE"] == 2e-4
        assert hdus[0].header["BMAJ"] == pytest.approx(0.0015)


def test_cutout_without_wcs_keeps_its_pixel_scale(tmp_path):
    cutout = Cutout(np.eye(8), beam=Beam(5, 5), header=fits.Header([("CDELT1", -0.0005), ("CDELT2", 0.0005)]))
    with pytest.warns(HeaderWarning, match="no celestial WCS"):
        back = read_cutout(write_cutout(tmp_path / "x.fits", cutout))
    assert back.pixel_scale == pytest.approx(1.8)


def test_header_info(tmp_path, make_map, write_fits, pixels):
    info = read_header_info(write_cutout(tmp_path / "x.fits", make_map((30, 40))))
    assert info["shape"] == (30, 40) and info["projection"] == "SIN" and info["planes"] == 1
    assert info["center"] == pytest.approx((150.1, 32.2), abs=1e-3)
    assert info["pixel_scale"] == pytest.approx(1.8) and info["beam"] == pytest.approx((5.4, 5.4, 0.0))
    assert info["warnings"] == []
    bare = read_header_info(write_fits("bare.fits", pixels))
    assert bare["center"] is None and len(bare["warnings"]) == 3


@pytest.mark.filterwarnings("ignore::radiff.sky.HeaderWarning")
def test_every_real_map_survives_a_round_trip(real_data, tmp_path):
    paths = sorted((real_data / "maps").glob("*.fits"))
    paths += [
        path
        for name in ("first_mirabest", "first_frdeep", "nvss_frdeep")
        for path in sorted((real_data / "vla" / name).glob("*.fz"))[::200]
    ]
    assert len(paths) > 10
    for path in paths:
        cutout = read_cutout(path)
        back = read_cutout(write_cutout(tmp_path / "x.fits", cutout))
        assert np.array_equal(back.image, cutout.image, equal_nan=True)
        assert (back.beam.maj, back.beam.min) == pytest.approx((cutout.beam.maj, cutout.beam.min), rel=1e-12)
        if cutout.wcs is not None:
            ny, nx = cutout.shape
            here, there = (each.wcs.pixel_to_world(0.5 * nx, 0.5 * ny) for each in (back, cutout))
            assert here.separation(there).arcsec < 1e-6


def test_real_nvss_header(real_data):
    cutout = read_cutout(sorted((real_data / "vla" / "nvss_frdeep").glob("*.fz"))[0])
    assert (cutout.telescope, cutout.survey, cutout.shape) == ("VLA", "NVSS", (150, 150))
    assert cutout.pixel_scale == pytest.approx(15.0, rel=1e-4) and cutout.beam.maj == pytest.approx(45)
