"""Headers as imagers, archives and old programs write them: units, beams, cards, logs."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from cases.fits_samples import STEP, cards, image, write
from radiff.errors import InputError
from radiff.sky import Beam, HeaderWarning, MapReader, read_cutout, write_cutout
from radiff.sky.cards import LOG_LINES

# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("JY/BEAM", 1), ("Jy beam-1", 1), ("beam-1 Jy", 1), ("Jy.beam-1", 1), ("Jy*beam**-1", 1), ("Jy beam^{-1}", 1),
        ("Jy per beam", 1), ("Jy/bm", 1), ("jansky/beam", 1), ("mJy/beam", 1e-3), ("[mJy/beam]", 1e-3),
        ("milliJy/beam", 1e-3), ("10**-3 Jy/beam", 1e-3), ("10-3Jy/beam", 1e-3), ("1e-3 Jy/beam", 1e-3),
        ("0.001 Jy/beam", 1e-3), ("uJy beam-1", 1e-6), ("microJy/beam", 1e-6), ("kJy/beam", 1e3),
    ],
)  # fmt: skip
def test_spellings_of_the_unit(tmp_path, unit, factor):
    pixels = image()
    assert read_cutout(write(tmp_path / "m.fits", pixels, cards(BUNIT=unit))).image == pytest.approx(
        pixels * np.float32(factor), rel=1e-6
    )


@pytest.mark.parametrize(
    "unit", ["K", "Jy", "Jy/pixel", "MJy/beam", "Jy/beam km/s", "1e999 Jy/beam", "10**400 Jy/beam"]
)
def test_units_that_are_no_flux_per_beam(tmp_path, unit):
    with pytest.raises(InputError, match="convert the map to Jy/beam"):
        read_cutout(write(tmp_path / "m.fits", None, cards(BUNIT=unit)))


@pytest.mark.parametrize("unit", ["deg", "DEG", "degree", "Degrees", "DEGREES", "d", None, ""])
@pytest.mark.parametrize("third", ["HZ", "hz", "GHz", "m/s", "KM/S", "nonsense"])
def test_units_of_axes(tmp_path, unit, third):
    told = cards(CUNIT1=unit, CUNIT2=unit, CTYPE3="FREQ", CUNIT3=third, CRVAL3=1.4e9, CDELT3=1e6, CRPIX3=1.0)
    found = read_cutout(write(tmp_path / "m.fits", image()[None], told))
    plain = read_cutout(write(tmp_path / "p.fits"))
    assert found.wcs.pixel_to_world(3, 5).separation(plain.wcs.pixel_to_world(3, 5)).arcsec < 1e-7


@pytest.mark.parametrize(
    ("unit", "factor"), [("arcsec", 3600), ("ARCSEC", 3600), ("rad", np.pi / 180), ("RADIANS", np.pi / 180)]
)
def test_axes_in_other_angles(tmp_path, unit, factor):
    told = cards(CUNIT1=unit, CUNIT2=unit)
    told |= {key: told[key] * factor for key in ("CRVAL1", "CRVAL2", "CDELT1", "CDELT2")}
    found = read_cutout(write(tmp_path / "m.fits", None, told))
    plain = read_cutout(write(tmp_path / "p.fits"))
    assert found.wcs.pixel_to_world(3, 5).separation(plain.wcs.pixel_to_world(3, 5)).arcsec < 1e-6
    assert found.pixel_scale == pytest.approx(3600 * STEP)


@pytest.mark.parametrize("kind", ["SPECLNMF", "VELO-LSR", "FELO-HEL", "STOKES", "FREQ-LSR", "LINEAR", "??"])
def test_other_axes_of_any_kind(tmp_path, kind):
    told = cards(CTYPE3=kind, CRVAL3=1.0, CDELT3=1.0, CRPIX3=1.0, VELREF=257, RESTFREQ=1.42e9)
    assert read_cutout(write(tmp_path / "m.fits", image()[None], told)).wcs is not None


# ---------------------------------------------------------------- beams

CLEAN = "HISTORY AIPS   CLEAN BMAJ=  4.5833E-04 BMIN=  4.0000E-04 BPA=  10.00"
CONVL = "HISTORY CONVL BMAJ=  2.9700 BMIN=  1.6500 BPA= -15.1/Output beam"
RESTOR = "HISTORY RESTOR: Beam =  5.303E+00 x  3.266E+00 arcsec, pa =  6.485E+00 degrees"
NO_BEAM = {"BMAJ": None, "BMIN": None, "BPA": None}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([CLEAN], (1.649988, 1.44, 10.0)),
        ([CLEAN, CONVL], (2.97, 1.65, -15.1)),
        ([CONVL, CLEAN], (1.649988, 1.44, 10.0)),
        ([RESTOR], (5.303, 3.266, 6.485)),
        ([CLEAN, RESTOR, "HISTORY PBCOR"], (5.303, 3.266, 6.485)),
        (["HISTORY IMAGR BMAJ=  1.0E-03 BMIN=  1.0D-03"], (3.6, 3.6, 0.0)),
    ],
)
def test_beams_in_the_log(tmp_path, lines, expected):
    found = read_cutout(write(tmp_path / "m.fits", None, cards(**NO_BEAM), *lines)).beam
    assert (found.maj, found.min, found.pa) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["BMAJ    = 7.2 / [arcsec] major axis", "BMIN    = 3.6 / arcsec"], (7.2, 3.6)),
        (["BMAJ    = 0.002 / beam, deg (7.2 arcsec)", "BMIN    = 0.001 /"], (7.2, 3.6)),
        (["BMAJ    = '0.002'", "BMIN    = '1.0D-3'"], (7.2, 3.6)),
        (["BMAJ    =  2.0D-3", "BMIN    =  1.0D-3"], (7.2, 3.6)),
        (["bmaj    = 0.002", "bmin    = 0.001"], (7.2, 3.6)),
        (["CLEANBMJ= 0.002", "CLEANBMN= 0.001"], (7.2, 3.6)),
    ],
)
def test_beams_in_cards(tmp_path, lines, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        found = read_cutout(write(tmp_path / "m.fits", None, cards(**NO_BEAM), *lines)).beam
    assert (found.maj, found.min) == pytest.approx(expected)


@pytest.mark.parametrize("width", [6.0, 60.0, 1e9])
def test_no_beam_is_wider_than_its_map(tmp_path, width):
    path = write(tmp_path / "m.fits", None, cards(BMAJ=width, BMIN=width))
    for open_it in (read_cutout, MapReader):
        with pytest.raises(InputError, match=r"is wider than the map of 288 arcsec; BMAJ and BMIN are in deg"):
            open_it(path)


@pytest.mark.parametrize("value", ["nan", "NaN", "-1.0", "0.0", "Inf", "unknown", "= = ="])
def test_a_beam_that_is_none(tmp_path, value):
    path = write(tmp_path / "m.fits", None, cards(**NO_BEAM), f"BMAJ    = {value}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_cutout(path).beam is None
    assert "no beam (BMAJ) in the header" in str(caught[-1].message)


def beam_table(name: str, columns: dict[str, object], unit: str | None) -> fits.BinTableHDU:
    units = {"BMAJ": unit, "BMIN": unit, "BPA": "deg"}
    made = [fits.Column(key, "E", unit=units.get(key), array=np.array(values)) for key, values in columns.items()]
    return fits.BinTableHDU.from_columns(made, name=name)


WIDTHS = [7.0, 8.0, 9.0]
DEGREES = [width / 3600 for width in WIDTHS]
ANGLES, PLANES = {"BPA": [1, 2, 3]}, {"CHAN": [0, 1, 2], "POL": [0, 0, 0]}
MIXED = {"CHAN": [2, 0, 1], "POL": [0, 0, 0], "BMAJ": [9, 7, 8], "BMIN": [9, 7, 8], "BPA": [3, 1, 2]}
TABLES = {
    "CASA": (beam_table("BEAMS", {"BMAJ": WIDTHS, "BMIN": WIDTHS} | ANGLES | PLANES, "arcsec"), True),
    "CASA in deg": (beam_table("BEAMS", {"BMAJ": DEGREES, "BMIN": DEGREES} | ANGLES | PLANES, "deg"), True),
    "CASA, unsorted": (beam_table("BEAMS", MIXED, None), True),
    "AIPS": (beam_table("AIPS CG ", {"BMAJ": DEGREES, "BMIN": DEGREES} | ANGLES, "DEGREES"), False),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_beams(tmp_path, kind):
    table, casa = TABLES[kind]
    told = cards(**NO_BEAM, CTYPE3="FREQ", CRVAL3=1.4e9, CDELT3=1e6, CRPIX3=1.0, CTYPE4="STOKES", CRVAL4=1.0)
    if casa:
        told["CASAMBM"] = True
    hdu = fits.PrimaryHDU(np.stack([image()] * 3)[None], fits.Header(told.items()))
    fits.HDUList([hdu, table]).writeto(tmp_path / "m.fits")
    for plane, width in enumerate(WIDTHS):
        found = read_cutout(tmp_path / "m.fits", plane=plane).beam
        assert (found.maj, found.min, found.pa) == pytest.approx((width, width, plane + 1))


# ---------------------------------------------------------------- cards that FITS does not allow

LEFT_OUT = [
    "PEAKRMS =                  nan",
    "HIERARCH beam footprint = nan",
    "PEAK    = +Inf",
    "ODD     = = = =",
    " = 3",
]
MENDED = {
    "OBSERVER= J. Doe, no quotes": ("OBSERVER", "J. Doe, no quotes"),
    "DATE-OBS= 2001-02-03T04:05:06 / UTC": ("DATE-OBS", "2001-02-03T04:05:06"),
    "bmaj_old=               0.0015": ("BMAJ_OLD", 0.0015),
    "OBJECT  = 'it''s": ("OBJECT", None),
    "PROJECT = D\xfcsseldorf": ("PROJECT", None),
    "HIERARCH beam footprint = 1.5": ("beam footprint", 1.5),
}


@pytest.mark.parametrize("line", [*LEFT_OUT, *MENDED])
def test_cards_are_mended_or_left_out_and_never_stop(tmp_path, line):
    path = write(tmp_path / "m.fits", None, None, line)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cutout = read_cutout(path)
        again = read_cutout(write_cutout(tmp_path / "again.fits", cutout.window(0, 64, 0, 64)))
    assert np.array_equal(again.image, cutout.image[:64, :64])
    assert any("FITS does not allow" in str(one.message) for one in caught) or line in MENDED
    key, value = MENDED.get(line, ("", None))
    if value is not None:
        assert again.header[key] == value


@pytest.mark.parametrize("line", ["CRVAL1  = nan", "CDELT1  = = = = =", "CRPIX2  = 'left'", "CRVAL2  = none"])
def test_a_grid_that_cannot_be_read_is_none(tmp_path, line):
    told = cards(**{line[:6]: None})
    with pytest.warns(HeaderWarning, match="positions stay in pixels"):
        assert read_cutout(write(tmp_path / "m.fits", None, told, line)).wcs is None


@pytest.mark.parametrize("line", ["CRVAL1  = '150.0'", "CRVAL1  =  1.5D2", "CRVAL1  = '1.5d2 '", "CRVAL1  = 150"])
def test_numbers_in_any_form(tmp_path, line):
    found = read_cutout(write(tmp_path / "m.fits", None, cards(CRVAL1=None), line))
    plain = read_cutout(write(tmp_path / "p.fits"))
    assert found.wcs.pixel_to_world(3, 5).separation(plain.wcs.pixel_to_world(3, 5)).arcsec < 1e-7


# ---------------------------------------------------------------- long headers


@pytest.mark.parametrize("word", ["HISTORY", "COMMENT", "       "])
def test_long_logs_are_not_carried(tmp_path, word):
    data = write(tmp_path / "m.fits").read_bytes()
    end = data.index(b"END" + 77 * b" ")
    head = data[:end] + "".join(f"{word:8}imager: line {k}".ljust(80) for k in range(20000)).encode() + b"END"
    pixels = data[-(-end // 2880) * 2880 :]
    (tmp_path / "m.fits").write_bytes(head.ljust(-(-len(head) // 2880) * 2880) + pixels)
    with MapReader(tmp_path / "m.fits") as reader:
        cutout = reader.cutout(0, 64, 0, 64)
    assert len(cutout.to_header()) < 80
    if word.strip():
        kept = [str(line) for line in cutout.header[word]]
        assert len(kept) == LOG_LINES and kept[-1] == "imager: line 19999"


def test_the_beam_of_a_long_log_is_found(tmp_path):
    lines = [CONVL, *(f"HISTORY line {k}" for k in range(100))]
    assert read_cutout(write(tmp_path / "m.fits", None, cards(**NO_BEAM), *lines)).beam.maj == pytest.approx(2.97)


def test_short_logs_are_carried(tmp_path):
    path = write(tmp_path / "m.fits", None, None, "HISTORY one", "HISTORY two", "COMMENT three")
    header = read_cutout(path).header
    assert [str(line) for line in header["HISTORY"]] == ["one", "two"]


# ---------------------------------------------------------------- INHERIT


@pytest.mark.parametrize(
    ("primary", "extension", "unit", "beam"),
    [
        ({"BUNIT": "mJy/beam", "BMAJ": 2e-3, "BMIN": 1e-3, "BPA": 5.0}, {"INHERIT": True}, 1e-3, Beam(7.2, 3.6, 5.0)),
        ({"BUNIT": "mJy/beam"}, {"INHERIT": True, "BUNIT": "Jy/beam"}, 1.0, None),
        ({"BUNIT": "mJy/beam", "BSCALE": 3.0}, {"INHERIT": True}, 1e-3, None),
        ({"BUNIT": "K"}, {"INHERIT": False, "BUNIT": "Jy/beam"}, 1.0, None),
        ({"BUNIT": "K"}, {"BUNIT": "uJy/beam"}, 1e-6, None),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_cards_of_the_primary_header(tmp_path, primary, extension, unit, beam, packed):
    told = fits.Header((cards(**NO_BEAM, BUNIT=None) | extension).items())
    hdu = fits.ImageHDU(image(), told, name="SCI")
    if packed:
        hdu = fits.CompImageHDU(image(), told, name="SCI", quantize_level=0, compression_type="GZIP_1")
    fits.HDUList([fits.PrimaryHDU(header=fits.Header(primary.items())), hdu]).writeto(tmp_path / "m.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        found = read_cutout(tmp_path / "m.fits")
    assert found.image == pytest.approx(image() * np.float32(unit), rel=1e-6)
    assert found.beam == beam
