"""The truth is true: what the catalog says is what the pixels are."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from conftest import celestial_wcs
from populate_samples import BEAM, SCALE, library, noise_map
from radiff.masks import COMPACT, EXTENDED, from_coco
from radiff.populate import FluxRule, Number, PopulateOptions, populate
from radiff.sky.beam import covariance, widths
from radiff.sky.grid import make_grid
from radiff.sky.header import quiet_astropy
from radiff.sky.truth import read_truth

AREA = BEAM.area_pixels(SCALE)


def told_of(truth, x, y):
    """The rows of the truth nearest to positions, each another one."""
    rows = [int(np.argmin(np.hypot(truth["x"].value - a, truth["y"].value - b))) for a, b in zip(x, y, strict=True)]
    assert len(set(rows)) == len(rows) == len(truth)
    return truth[rows]


def image(folder, name):
    return fits.getdata(folder / f"{name}.fits").astype(float)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """1,000 sources of a catalog, each alone in a cell of 34 x 34 pixels, on a map whose WCS is turned by nothing."""
    place = tmp_path_factory.mktemp("thousand")
    random = np.random.default_rng(1)
    shape, cell = (34 * 32 + 20, 34 * 32 + 20), 34
    wcs = celestial_wcs(shape, SCALE, "TAN")
    grid = make_grid(shape, wcs, BEAM)
    row, column = np.divmod(np.arange(1000), 32)
    x = 10 + cell * (column + 0.5) + random.uniform(-2, 2, 1000)
    y = 10 + cell * (row + 0.5) + random.uniform(-2, 2, 1000)
    ra, dec = grid.to_sky(x, y)
    major = random.uniform(0, 4, 1000)
    asked = Table(
        {
            "RAJ2000": ra,
            "DEJ2000": dec,
            "total_flux": 10 ** random.uniform(-3, 0, 1000),
            "maj": major,
            "min": major * random.uniform(0.3, 1, 1000),
            "pa": random.uniform(0, 180, 1000),
        }
    )
    asked.write(place / "catalog.csv")
    header = wcs.to_header()
    header["BUNIT"] = "Jy/beam"
    BEAM.to_header(header)
    noise = random.normal(0, 1e-4, shape).astype(np.float32)
    fits.PrimaryHDU(noise, header).writeto(place / "map.fits")
    options = PopulateOptions(flux=FluxRule("catalog"), positions="catalog", real="accept")
    made = populate(place / "map.fits", place / "out", options, catalog=place / "catalog.csv", pictures=False)
    assert sum(made.placed.values()) == 1000 and made.complete
    return made.folder, asked, x, y, noise


def test_fluxes_and_positions_of_a_thousand_isolated_objects(thousand):
    folder, asked, x, y, _ = thousand
    sources, truth = image(folder, "sources"), read_truth(folder)
    row, column = np.divmod(np.arange(1000), 32)
    cells = sources[10 : 10 + 34 * 32, 10 : 10 + 34 * 32].reshape(32, 34, 32, 34).transpose(0, 2, 1, 3)[row, column]
    flux = cells.sum((1, 2)) / AREA
    assert np.abs(flux / asked["total_flux"] - 1).max() < 1e-4
    total = cells.sum((1, 2))
    cx = (cells.sum(1) @ np.arange(34)) / total + 10 + 34 * column
    cy = (cells.sum(2) @ np.arange(34)) / total + 10 + 34 * row
    assert max(np.abs(cx - x).max(), np.abs(cy - y).max()) < 0.01
    told = told_of(truth, x, y)
    assert np.abs(told["int_flux"].value / flux - 1).max() < 1e-4
    assert np.abs(told["x"].value - cx).max() < 0.01 and np.abs(told["y"].value - cy).max() < 0.01
    assert np.abs(told["ra"].value - asked["RAJ2000"]).max() < 0.01 * SCALE / 3600 / np.cos(np.radians(33))


def test_sizes_and_angles_without_the_beam(thousand):
    folder, asked, x, y, _ = thousand
    told = told_of(read_truth(folder), x, y)
    big = asked["maj"] > 1.0
    assert np.abs(told["maj_deconvolved"].value[big] / asked["maj"][big] - 1).max() < 0.01
    long = big & (asked["min"] < 0.8 * asked["maj"])
    apart = np.abs((told["pa_deconvolved"].value - asked["pa"] + 90) % 180 - 90)
    assert long.sum() > 300 and apart[long].max() < 1.0
    beam = covariance(BEAM.maj, BEAM.min, BEAM.pa)
    wide = [widths((covariance(*row) + beam)[None]) for row in asked["maj", "min", "pa"].iterrows()]
    assert np.abs(told["maj"].value / [w[0][0] for w in wide] - 1).max() < 1e-3
    apart = np.abs((told["pa"].value - [w[2][0] for w in wide] + 90) % 180 - 90)
    long = np.array([w[0][0] / w[1][0] for w in wide]) > 1.2
    assert long.sum() > 300 and apart[long].max() < 0.3  # the north of the beam is that of the middle of the map


def test_map_less_background_is_the_sources(thousand):
    folder, _, _, _, noise = thousand
    populated, sources = fits.getdata(folder / "map.fits"), fits.getdata(folder / "sources.fits")
    step = np.spacing(np.abs(populated).astype(np.float32)) + np.spacing(np.abs(noise))
    assert (np.abs(populated.astype(float) - noise - sources) <= step).all()
    untouched = sources == 0
    assert (populated[untouched] == noise[untouched]).all() and untouched.any()


def test_every_pixel_of_a_package(package, background):
    """Stamps too: fluxes by their own masks' cells, masks and instances as the table says."""
    truth, sources = read_truth(package), image(package, "sources")
    instances, classes = image(package, "instances").astype(int), image(package, "classes").astype(int)
    names = {"compact": 2, "extended": 3, "spurious": 1}
    assert np.array_equal(image(package, "map"), (fits.getdata(background) + sources.astype(np.float32)).astype(float))
    total = sum(truth["int_flux"].value) * AREA
    assert sources.sum() == pytest.approx(total, rel=1e-5)
    for row in truth:
        mine = instances == row["id"]
        assert mine.sum() == row["n_pixels"]  # nothing overlaps, so every mask is whole
        assert (classes[mine] == names[row["class"]]).all()
        ys, xs = np.nonzero(mine)
        box = [row[name].value for name in ("x_min", "x_max", "y_min", "y_max")]
        assert [xs.min(), xs.max(), ys.min(), ys.max()] == box
        assert sources[mine].max() == pytest.approx(row["peak_flux"].value, rel=1e-6)
        assert row["snr"] == pytest.approx(row["peak_flux"].value / row["local_rms"].value)
        assert row["peak_flux"].value == pytest.approx(row["k"] * row["local_rms"].value, rel=1e-5)
    assert (classes > 0).sum() == truth["n_pixels"].sum()
    assert truth["k"].max() <= 10 and len(set(truth["turn"][truth["class"] == "extended"])) > 4


def test_a_part_may_overlap_and_no_more(tmp_path):
    noise_map(tmp_path / "noise.fits", (160, 160))
    stamps = library(tmp_path / "stamps.fits").path
    for allowed in (0.0, 0.3):
        options = PopulateOptions({COMPACT: Number(60), EXTENDED: Number(20)}, overlap=allowed, seed=3)
        made = populate(tmp_path / "noise.fits", tmp_path / f"o{allowed}", options, stamps=stamps, pictures=False)
        [(_, shape, objects)] = from_coco(json.loads((made.folder / "coco.json").read_text()))
        masks = [one.pixels(shape) for one in objects]
        shared = [
            (a & b).sum() / min(a.sum(), b.sum()) for i, a in enumerate(masks) for b in masks[:i] if (a & b).any()
        ]
        assert max(shared, default=0.0) <= allowed
        assert bool(shared) == (allowed > 0)


def test_blank_pixels_and_real_sources_are_kept_clear_of(tmp_path):
    path = noise_map(tmp_path / "noise.fits", (300, 300), simulated=False)
    with fits.open(path, mode="update") as hdus:
        y, x = np.indices(hdus[0].data.shape)
        for cx, cy in ((60, 60), (150, 200), (240, 100)):
            hdus[0].data += (0.02 * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 1.6**2)).astype(np.float32)
        hdus[0].data[:40, 200:] = np.nan
        hdus[0].data[120:122, 20:120] = np.nan
    before = fits.getdata(path)
    options = PopulateOptions({COMPACT: Number(150)}, seed=1)
    made = populate(path, tmp_path / "out", options, pictures=False)
    sources = image(made.folder, "sources")
    after = image(made.folder, "map")
    assert made.placed["compact"] > 100
    assert np.array_equal(np.isnan(after), np.isnan(before))
    assert (sources[np.isnan(before)] == 0).all()
    for cx, cy in ((60, 60), (150, 200), (240, 100)):
        assert (sources[np.hypot(x - cx, y - cy) < 5] == 0).all()
    real = json.loads((made.folder / "real_sources.json").read_text())["objs"]
    assert len(real) == 3
    accepted = PopulateOptions({COMPACT: Number(150)}, seed=1, real="accept")
    made = populate(path, tmp_path / "accepted", accepted, pictures=False)
    assert not (made.folder / "real_sources.json").exists()


@pytest.mark.parametrize(
    ("projection", "frame"), [("SIN", "RA"), ("TAN", "RA"), ("NCP", "RA"), ("SIN", "G"), ("TAN", "G")]
)
def test_wcs_round_trip(tmp_path, projection, frame):
    """Asked for at a position on the sky, found there by the header of what was written."""
    shape = (400, 400)
    wcs = celestial_wcs(shape, 20.0, projection, frame)
    header = wcs.to_header()
    header["BUNIT"] = "mJy/beam"
    header["BMAJ"], header["BMIN"], header["BPA"] = 80 / 3600, 60 / 3600, 20.0
    fits.PrimaryHDU(np.random.default_rng(0).normal(0, 1, shape).astype(np.float32), header).writeto(
        tmp_path / "m.fits"
    )
    x, y = np.meshgrid(np.linspace(30, 370, 5), np.linspace(30, 370, 5))
    sky = wcs.pixel_to_world(x.ravel(), y.ravel()).icrs
    asked = Table(
        {
            "ra": sky.ra.deg,
            "dec": sky.dec.deg,
            "int_flux": [0.5] * 25,
            "maj": [50.0] * 25,
            "min": [30.0] * 25,
            "pa": [40.0] * 25,
        }
    )
    asked.write(tmp_path / "catalog.ecsv")
    options = PopulateOptions(flux=FluxRule("catalog"), positions="catalog")
    made = populate(tmp_path / "m.fits", tmp_path / "out", options, catalog=tmp_path / "catalog.ecsv", pictures=False)
    truth = read_truth(made.folder)
    with quiet_astropy():
        written = WCS(fits.getheader(made.folder / "map.fits"))
    assert fits.getheader(made.folder / "map.fits")["BUNIT"] == "Jy/beam"
    back = written.world_to_pixel(sky)
    told = told_of(truth, *back)
    assert np.abs(told["x"].value - back[0]).max() < 0.01 and np.abs(told["y"].value - back[1]).max() < 0.01
    assert np.abs(told["ra"].value - sky.ra.deg).max() < 1e-4 and np.abs(told["dec"].value - sky.dec.deg).max() < 1e-4
    assert np.abs(told["int_flux"].value - 0.5).max() < 5e-5
    # the size on the sky, whatever the projection does to the pixels and whatever north the frame has
    assert np.abs(told["maj_deconvolved"].value - 50).max() < 0.5
    assert np.abs(told["min_deconvolved"].value - 30).max() < 0.5
