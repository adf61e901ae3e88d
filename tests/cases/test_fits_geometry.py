"""Poles, RA 0, maps that span the sky, axes in any order, planes and HDUs by name, edges filled with zeros."""

import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from cases.fits_samples import BEAM, SHAPE, SOURCES, cards, image, write
from radiff.data.collection import describe
from radiff.errors import InputError
from radiff.masks import Annotation, find_pairs, image_stem, read_annotation, write_annotation
from radiff.sky import HeaderWarning, MapReader, read_cutout, read_header_info, sources_inside
from radiff.sky.address import parse_address, plain_name, with_part
from radiff.sky.grid import SkyGrid

# ---------------------------------------------------------------- poles, RA 0, all of the sky

PLACES = {
    "RA 0": (0.0, 12.0, "SIN"),
    "RA 360": (360.0, -60.0, "TAN"),
    "RA below 0": (-0.04, -30.0, "SIN"),
    "the north pole": (0.0, 90.0, "SIN"),
    "the north pole, RA 217": (217.0, 90.0, "TAN"),
    "the south pole": (40.0, -90.0, "SIN"),
    "half a pixel beside it": (0.0, 89.99975, "SIN"),
    "two degrees beside it": (300.0, 88.0, "ZEA"),
}


def angle_on_the_map(grid: SkyGrid) -> float:
    """Of the beam's long axis, from +y counter-clockwise, deg."""
    x, y = np.linalg.eigh(grid.beam_shape)[1][:, 1]
    return float(np.degrees(np.arctan2(-x, y))) % 180


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("pa", [0.0, 30.0, 110.0])
def test_a_beams_north_is_that_of_the_reference_pixel(tmp_path, place, pa):
    ra, dec, projection = PLACES[place]
    told = cards(CRVAL1=ra, CRVAL2=dec, CTYPE1=f"RA---{projection}", CTYPE2=f"DEC--{projection}", BPA=pa)
    told["BMAJ"] *= 1.5
    with MapReader(write(tmp_path / "m.fits", None, told)) as reader:
        grid = SkyGrid.of(reader)
    assert (angle_on_the_map(grid) - pa + 90) % 180 - 90 == pytest.approx(0, abs=0.01)
    assert grid.beam_fwhm == pytest.approx((1.5 * BEAM, BEAM), rel=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_positions_and_sizes_anywhere(tmp_path, place):
    ra, dec, projection = PLACES[place]
    told = cards(CRVAL1=ra, CRVAL2=dec, CTYPE1=f"RA---{projection}", CTYPE2=f"DEC--{projection}")
    with MapReader(write(tmp_path / "m.fits", None, told)) as reader:
        grid, wcs = SkyGrid.of(reader), reader.wcs
    x, y = np.array([0.0, 79.0, 159.0, 60.25]), np.array([0.0, 59.0, 119.0, 30.5])
    back = grid.to_pixel(*grid.to_sky(x, y))
    assert back[0] == pytest.approx(x, abs=1e-6) and back[1] == pytest.approx(y, abs=1e-6)
    sky = Table(dict(zip(("ra", "dec"), grid.to_sky(x, y), strict=True)))
    inside = sources_inside(sky, wcs, SHAPE)
    assert np.asarray(inside["x"]) == pytest.approx(x, abs=1e-6)
    found = grid.sizes(x, y, np.repeat(grid.beam_shape[None], 4, 0))
    assert found["maj"] == pytest.approx(7.2, rel=2e-3)


def test_a_beam_far_from_the_reference_pixel(tmp_path):
    told = cards(CRVAL2=60.0, CRPIX1=-20000.0, BPA=20.0) | {"BMAJ": 3e-3}
    with MapReader(write(tmp_path / "m.fits", None, told)) as reader:
        assert angle_on_the_map(SkyGrid.of(reader)) == pytest.approx(20.0, abs=0.01)


@pytest.mark.parametrize("projection", ["CAR", "AIT", "MOL"])
def test_maps_that_span_the_sky(tmp_path, projection):
    told = cards(1.0, (180, 360), CTYPE1=f"RA---{projection}", CTYPE2=f"DEC--{projection}", CRVAL1=0.0, CRVAL2=0.0)
    told |= {"CRPIX1": 180.5, "CRPIX2": 90.5}
    path = write(tmp_path / "m.fits", image((180, 360)), told)
    with MapReader(path) as reader:
        grid, wcs = SkyGrid.of(reader), reader.wcs
    ra, dec = np.array([0.0, 10.0, 359.0, 179.0, 181.0, 90.0]), np.array([0.0, 60.0, -5.0, 2.0, 2.0, -80.0])
    inside = sources_inside(Table({"ra": ra, "dec": dec}), wcs, (180, 360))
    assert len(inside) == 6
    x, y = grid.to_pixel(ra, dec)
    sky = SkyCoord(*grid.to_sky(x, y), unit="deg")
    assert sky.separation(SkyCoord(ra, dec, unit="deg")).deg.max() < 1e-6
    assert read_header_info(path)["pixel_scale"] == pytest.approx(3600.0)


@pytest.mark.parametrize("arcsec", [3600.0, 60.0, 1.0, 1e-2, 1e-3, 1e-6, 3.4e-7])
def test_pixels_from_degrees_to_micro_arcsec(tmp_path, arcsec):
    step = arcsec / 3600
    told = cards(step, BPA=30.0) | {"BMAJ": 1.5 * BEAM * step}
    path = write(tmp_path / "m.fits", None, told)
    with MapReader(path) as reader:
        grid = SkyGrid.of(reader)
    row = describe(read_cutout(path), None)
    assert row.pixel_scale == pytest.approx(arcsec, rel=1e-5)
    x, y = WCS(fits.getheader(path)).wcs_world2pix(row.ra, row.dec, 0)
    assert (x, y) == pytest.approx((79.5, 59.5), abs=0.02)
    assert angle_on_the_map(grid) == pytest.approx(30.0, abs=0.1)
    found = grid.sizes([80.0], [60.0], grid.beam_shape[None])
    assert (found["maj"][0], found["min"][0]) == pytest.approx((6 * arcsec, 4 * arcsec), rel=2e-3)


# ---------------------------------------------------------------- axes in any order

SKY = {"RA": ("RA---SIN", 150.0, -5e-4, SHAPE[1]), "DEC": ("DEC--SIN", 2.0, 5e-4, SHAPE[0])}
OTHER = {"FREQ": 1.4e9, "STOKES": 1.0}
ORDERS = ["DEC RA", "RA DEC FREQ", "FREQ RA DEC", "RA FREQ DEC", "STOKES DEC FREQ RA", "DEC STOKES RA", "FREQ DEC RA"]


def in_order(order: str, planes: int = 1) -> tuple[np.ndarray, dict[str, object]]:
    """A map whose FITS axes come in an order; and its header."""
    told: dict[str, object] = {"BUNIT": "Jy/beam", "BMAJ": 2e-3, "BMIN": 2e-3, "BPA": 0.0}
    axes, lengths = order.split(), []
    for n, axis in enumerate(axes, 1):
        ctype, value, step, length = SKY.get(axis, (axis, OTHER.get(axis), 1.0, planes if axis == "FREQ" else 1))
        told |= {
            f"CTYPE{n}": ctype,
            f"CRVAL{n}": value,
            f"CDELT{n}": step,
            f"CRPIX{n}": length / 2 if length > 1 else 1.0,
        }
        lengths.append(length)
    pixels = image() if axes.index("RA") < axes.index("DEC") else image().T
    whole = np.stack([pixels * (k + 1) for k in range(planes)])
    place = len(axes) - 1 - axes.index("FREQ") if "FREQ" in axes else 0
    return np.moveaxis(whole, 0, place if "FREQ" in axes and planes > 1 else 0).reshape(lengths[::-1]), told


@pytest.mark.parametrize("order", ORDERS)
def test_sources_are_where_they_are(tmp_path, order):
    cutout = read_cutout(write(tmp_path / "m.fits", *in_order(order)))
    sky = read_cutout(write(tmp_path / "p.fits")).wcs.pixel_to_world(*np.transpose(SOURCES)).icrs
    found = sources_inside(Table({"ra": sky.ra.deg, "dec": sky.dec.deg}), cutout.wcs, cutout.shape)
    for x, y in zip(found["x"], found["y"], strict=True):
        assert cutout.image[round(float(y)), round(float(x))] > 0.015
    grid = SkyGrid(cutout.shape, cutout.wcs, cutout.beam)
    x, y = grid.to_pixel(sky.ra.deg, sky.dec.deg)
    assert x == pytest.approx(np.asarray(found["x"])) and y == pytest.approx(np.asarray(found["y"]))


@pytest.mark.parametrize("order", ["RA DEC FREQ", "FREQ RA DEC", "RA FREQ DEC", "DEC FREQ RA"])
def test_planes_of_cubes_in_any_order(tmp_path, order):
    path = write(tmp_path / "m.fits", *in_order(order, planes=3))
    expected = image() if order.index("RA") < order.index("DEC") else image().T
    for plane in range(3):
        with MapReader(path, plane=plane) as reader:
            assert np.array_equal(read_cutout(path, plane=plane).image, expected * np.float32(plane + 1))
            assert np.array_equal(reader.read(10, 50, 20, 70), (expected * np.float32(plane + 1))[10:50, 20:70])


# ---------------------------------------------------------------- parts of files


@pytest.mark.parametrize(
    ("text", "hdu", "plane", "one"),
    [
        ("m.fits", None, None, None), ("m.fits[1]", None, None, 1), ("m.fits[SCI]", "SCI", None, None),
        ("m.fits[SCI,2]", ("SCI", 2), None, None), ("m.fits[1][0]", 1, 0, None), ("m.fits[][2]", None, 2, None),
        ("m.fits.gz[ SCI ][3]", "SCI", 3, None), ("a[1]/m.fits", None, None, None), ("m[1].fits", None, None, None),
    ],
)  # fmt: skip
def test_addresses(text, hdu, plane, one):
    found = parse_address(text)
    assert (found.hdu, found.plane, found.one) == (hdu, plane, one)
    assert str(found.file) == text.split(".fits")[0] + (".fits.gz" if ".gz" in text else ".fits")


@pytest.mark.parametrize("part", ["[1:10,1:10]", "[]", "[a][b]", "[1][2][3]", "[SCI,x]"])
def test_parts_that_are_none(part):
    with pytest.raises(InputError, match=r"m\.fits: .* is no "):
        parse_address(f"m.fits{part}")


def test_names_of_parts():
    assert [plain_name(f"d/m.fits{part}") for part in ("", "[SCI]", "[1][0]", "[][2]", "[A B,2]")] == [
        "m.fits", "m_SCI.fits", "m_1_0.fits", "m_2.fits", "m_A-B-2.fits",
    ]  # fmt: skip
    assert image_stem("m.fits.gz[SCI][1]") == "m_SCI_1"
    with pytest.raises(InputError, match="leave one of them out"):
        with_part("m.fits[1]", "2", None)


def many(path, *names: str) -> None:
    """A file of image HDUs: pixels times 1, 2, ...; MASK is of 8 bits."""
    hdus = [fits.PrimaryHDU()]
    for k, name in enumerate(names, 1):
        pixels = (image() > 0.01).astype("u1") if name == "MASK" else image() * np.float32(k)
        hdus.append(fits.ImageHDU(pixels, fits.Header(cards().items()), name=name))
    fits.HDUList(hdus).writeto(path)


@pytest.mark.parametrize(
    ("part", "factor"), [("", 1), ("[1]", 1), ("[2]", 2), ("[RMS]", 2), ("[rms]", 2), ("[2][0]", 2), ("[SCI,1]", 1)]
)
def test_hdus_are_chosen(tmp_path, part, factor):
    many(tmp_path / "m.fits", "SCI", "RMS")
    assert np.array_equal(read_cutout(f"{tmp_path}/m.fits{part}").image, image() * np.float32(factor))
    with MapReader(f"{tmp_path}/m.fits{part}") as reader:
        assert np.array_equal(reader.read(0, 9, 0, 9), image()[:9, :9] * np.float32(factor))


@pytest.mark.parametrize(
    ("names", "part", "message"),
    [
        (["MASK", "SCI"], "", "as masks do; it has the images 1 MASK, 2 SCI: choose one with --hdu"),
        (["SCI", "RMS"], "[3]", "has no HDU 3; it has 0 PRIMARY, 1 SCI, 2 RMS"),
        (["SCI", "RMS"], "[X]", "has no HDU 'X'"),
        (["SCI", "RMS"], "[0]", "HDU 0 holds no image"),
        (["SCI", "RMS"], "[1][4]", "has no plane 4"),
    ],
)  # fmt: skip
def test_hdus_that_cannot_be_chosen(tmp_path, names, part, message):
    many(tmp_path / "m.fits", *names)
    for call in (read_cutout, MapReader, read_header_info):
        with pytest.raises(InputError, match=message):
            call(f"{tmp_path}/m.fits{part}")


def test_a_number_alone_is_the_plane_in_a_file_of_one_hdu(tmp_path):
    path = write(tmp_path / "m.fits", *in_order("RA DEC FREQ", planes=3))
    assert np.array_equal(read_cutout(f"{path}[1]").image, 2 * image())
    with pytest.raises(InputError, match="has no plane 3"):
        read_cutout(f"{path}[3]")
    with pytest.raises(InputError, match=r"choose one with plane=0 to 2 \(in commands --plane 0, or m.fits\[\]\[0\]\)"):
        read_cutout(path)


def test_an_annotation_names_the_part_of_its_image(tmp_path):
    path = write(tmp_path / "m.fits", *in_order("RA DEC FREQ", planes=3))
    write_annotation(tmp_path / "mask_m_1.json", Annotation([], SHAPE), "m.fits[][1]")
    [(found, _)] = find_pairs(tmp_path / "mask_m_1.json")
    assert np.array_equal(read_cutout(found).image, 2 * image())
    assert read_annotation(tmp_path / "mask_m_1.json", found).shape == SHAPE
    assert find_pairs(f"{path}[][1]") == [(found, tmp_path / "mask_m_1.json")]


# ---------------------------------------------------------------- edges filled with zeros


def mosaic(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels with zeros where nothing was observed, and where that is."""
    pixels = image((200, 240))
    y, x = np.mgrid[:200, :240]
    blank = {
        "beyond the primary beam": np.hypot(x - 120, y - 100) > 80,
        "a frame": (x < 3) | (y > 190),
        "one column": x == 0,
        "a corner": x + y < 40,
        "a hole": np.hypot(x - 60, y - 60) < 20,
        "a slanted edge": 3 * x < y,
    }[kind]
    pixels[blank] = 0
    return pixels, blank


KINDS = ["beyond the primary beam", "a frame", "one column", "a corner", "a hole", "a slanted edge"]


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_that_fill_an_edge_are_blank(tmp_path, kind):
    pixels, blank = mosaic(kind)
    path = write(tmp_path / "m.fits", pixels, cards(shape=(200, 240)))
    cutout = read_cutout(path)
    assert (np.isnan(cutout.image) ^ blank).sum() <= 2  # a tip of the edge may be one pixel wide
    with MapReader(path) as reader:
        for window in ((0, 200, 0, 240), (0, 64, 0, 64), (100, 164, 33, 97), (90, 91, 0, 240), (-5, 20, 230, 245)):
            y0, y1, x0, x1 = (max(v, 0) for v in window)
            assert np.array_equal(
                reader.read(y0, min(y1, 200), x0, min(x1, 240)), cutout.image[y0:y1, x0:x1], equal_nan=True
            )


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_of_an_image_without_noise_are_values(tmp_path, kind):
    pixels, blank = mosaic(kind)
    pixels = np.where(blank, 0, np.abs(pixels)).astype("f4")
    assert np.array_equal(read_cutout(write(tmp_path / "m.fits", pixels, cards(shape=(200, 240)))).image, pixels)


def test_single_zeros_are_values(tmp_path):
    pixels = np.round(image() / 1e-4) * np.float32(1e-4)  # as of rounded data
    assert (pixels == 0).sum() > 1000
    assert np.array_equal(read_cutout(write(tmp_path / "m.fits", pixels)).image, pixels)


def test_odd_headers_are_told_once(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_cutout(write(tmp_path / "m.fits", None, None, "ODD     = nan", "ODDER   = nan"))
    assert [str(one.message).split(": ")[1] for one in caught if issubclass(one.category, HeaderWarning)] == [
        "the cards ODD, ODDER hold what FITS does not allow, and are left out"
    ]
