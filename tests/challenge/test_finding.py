"""Every finder on a map whose sources are known: positions, fluxes, sizes, angles, and the same by any windows."""

import importlib.util

import numpy as np
import pytest
from astropy.io import fits
from scipy.spatial import cKDTree

from challenge.simulated import header, write_package
from radiff import InputError
from radiff.challenge import finding
from radiff.challenge.finders import external, islands
from radiff.challenge.finders.islands import FindOptions
from radiff.masks import COMPACT, EXTENDED, SPURIOUS, SourceObject
from radiff.sky import MapReader
from radiff.sky.grid import SkyGrid
from radiff.sky.truth import read_truth
from radiff.tiling import Tile

PROGRAMS = {"pybdsf": "bdsf", "aegean": "AegeanTools"}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """60 bright sources on a turned galactic map with an elongated beam."""
    return write_package(
        tmp_path_factory.mktemp("package") / "p", (360, 420), 45, seed=1, spurious=0.0, snr=(15.0, 300.0), apart=34.0,
        frame="G", center=(344.0, 1.5), turn=25.0, projection="TAN",
    )  # fmt: skip


def compared(package, table):
    """Measured against true, of the sources within 2 pixels of a true one: dict of arrays, and how many there were."""
    truth = read_truth(package)
    true = np.stack([truth["x"].value, truth["y"].value], axis=1)
    distance, near = cKDTree(np.stack([table["x"], table["y"]], axis=1)).query(true, distance_upper_bound=2.0)
    good = np.isfinite(distance)
    t, s = truth[good], table[near[good]]
    dra = (s["ra"] - t["ra"].value) * np.cos(np.radians(t["dec"].value)) * 3600
    return {
        "found": good.mean(), "wide": np.asarray(t["class"] == "extended"), "snr": np.asarray(t["snr"]),
        "d": np.hypot(dra, (s["dec"] - t["dec"].value) * 3600),
        "elongated": np.asarray(t["min"].value < 0.8 * t["maj"].value),
        "pa": np.abs((s["pa"] - t["pa"].value + 90) % 180 - 90),
        **{n: np.asarray(s[n] / getattr(t[n], "value", t[n]))
           for n in ("int_flux", "peak_flux", "maj", "min", "local_rms") if n in s.colnames},
    }  # fmt: skip


def check(package, table, angles=True):
    got = compared(package, table)
    assert got["found"] == 1.0
    assert len(table) == len(read_truth(package))
    for name, tolerance in (
        ("int_flux", 0.02),
        ("peak_flux", 0.02),
        ("maj", 0.02),
        ("min", 0.025),
        ("local_rms", 0.06),
    ):
        assert np.median(got[name]) == pytest.approx(1.0, abs=tolerance), name
    assert np.abs(got["int_flux"] - 1)[got["snr"] > 50].max() < 0.15
    assert np.median(got["d"]) < 0.2  # arcsec; a pixel is 1.5
    assert not angles or np.median(got["pa"][got["elongated"] & got["wide"]]) < 3.0


def test_sep(package):
    table = finding.detect(package / "map.fits")
    check(package, table)
    assert (np.diff(table["snr"]) <= 0).all()
    assert table.meta["FINDER"] == "sep" and table.meta["BMAJ"] == pytest.approx(6 / 3600)
    truth = read_truth(package)
    near = cKDTree(np.stack([table["x"], table["y"]], 1)).query(np.stack([truth["x"].value, truth["y"].value], 1))[1]
    assert np.mean(table["class"][near] == truth["class"]) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(package, name):
    if importlib.util.find_spec(PROGRAMS[name]) is None:
        pytest.skip(f"{PROGRAMS[name]} is not installed: pip install 'radiff[finders]'")
    table = finding.detect(package / "map.fits", name)
    check(package, table, angles=name != "aegean")  # Aegean 2.3.5 leaves wide sources near the beam's angle
    if name == "aegean":  # its angles are right where the shape is the beam's
        got = compared(package, table)
        assert np.median(got["pa"][~got["wide"]]) < 3.0


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_is_not_there(package, name, monkeypatch):
    monkeypatch.setattr(external.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(ModuleNotFoundError) as caught:
        finding.detect(package / "map.fits", name)
    assert caught.value.name == PROGRAMS[name]


def test_a_program_that_fails_says_why(package, monkeypatch):
    monkeypatch.setattr(external.importlib.util, "find_spec", lambda module: True)
    monkeypatch.setattr(external, "_BANE", "raise SystemExit('no core left')")
    with pytest.raises(InputError, match=r"map\.fits: BANE stopped on this map: no core left"):
        finding.detect(package / "map.fits", "aegean")


def test_windows_make_no_difference(package, monkeypatch):
    """Four windows in place of one: the same sources, none twice, none lost."""
    whole = finding.detect(package / "map.fits")

    def four(reader, options):
        ny, nx = reader.shape
        rows, columns = ((0, ny // 2), (ny // 2, ny)), ((0, nx // 2), (nx // 2, nx))
        return [
            Tile((y0, y1, x0, x1), (max(y0 - 64, 0), min(y1 + 64, ny), max(x0 - 64, 0), min(x1 + 64, nx)), 64)
            for y0, y1 in rows for x0, x1 in columns
        ]  # fmt: skip

    monkeypatch.setattr(islands, "plan_map", four)
    parts = finding.detect(package / "map.fits")
    assert len(parts) == len(whole)
    distance, near = cKDTree(np.stack([whole["x"], whole["y"]], 1)).query(np.stack([parts["x"], parts["y"]], 1))
    assert len(set(near)) == len(whole) and distance.max() < 0.3
    assert np.asarray(parts["int_flux"]) == pytest.approx(np.asarray(whole["int_flux"][near]), rel=0.1)


def test_given_objects(package):
    """Masks of a network: measured like sep's sources; their class is kept, spurious ones are left out."""
    instances = fits.getdata(package / "instances.fits")
    truth = read_truth(package)
    values = {"compact": COMPACT, "extended": EXTENDED}
    kinds = [values[name] for name in truth["class"]]
    objects = [SourceObject.from_pixels(f"S{k}", kinds[k - 1], instances == k) for k in range(1, len(kinds) + 1)]
    bad = SourceObject("S99", SPURIOUS, np.ones((5, 5), bool), 10, 10)
    table = finding.detect(package / "map.fits", "segmenter", segment=lambda path: [*objects, bad])
    check(package, table)
    near = cKDTree(np.stack([table["x"], table["y"]], 1)).query(np.stack([truth["x"].value, truth["y"].value], 1))[1]
    assert (table["class"][near] == truth["class"]).all()


def noise_map(folder, values):
    fits.PrimaryHDU(np.asarray(values, np.float32), header(np.shape(values))).writeto(folder / "m.fits")
    return folder / "m.fits"


def test_noise_alone_and_blank_maps(tmp_path):
    noise = np.random.default_rng(0).normal(0, 1e-4, (120, 120))
    noise[:40] = np.nan
    path = noise_map(tmp_path, noise)
    table = finding.detect(path, options=finding.DetectOptions(FindOptions(6.0)))
    assert len(table) == 0 and table["ra"].dtype == np.float64
    path.unlink()
    with pytest.raises(InputError, match=r"m\.fits: holds no usable pixel; the map is blank or constant"):
        finding.detect(noise_map(tmp_path, np.full((100, 100), np.nan)))


def test_words():
    with pytest.raises(InputError, match="a threshold of 3 and 4 to grow to; needed is threshold >= grow > 0"):
        FindOptions(3.0, 4.0)


def test_an_unknown_finder(package):
    with pytest.raises(InputError, match="'x' is no finder; finders are sep, pybdsf, aegean, segmenter"):
        finding.detect(package / "map.fits", "x")


def test_the_copy_for_programs(package, tmp_path):
    """North up, in SIN: the beam's shape on the pixels is that of the map."""
    with MapReader(package / "map.fits") as reader:
        grid = SkyGrid.of(reader)
        external._copy(reader, grid, tmp_path / "copy.fits")
    with MapReader(tmp_path / "copy.fits") as reader:
        assert SkyGrid.of(reader).beam_shape == pytest.approx(grid.beam_shape, rel=1e-3)
    assert np.array_equal(fits.getdata(tmp_path / "copy.fits"), fits.getdata(package / "map.fits"))


@pytest.mark.parametrize(("name", "least"), [("scorpio_faintsnr", 20), ("lotss_p218", 3), ("aegean_1904-66", 20)])
def test_real_maps(real_data, name, least):
    table = finding.detect(real_data / "maps" / f"{name}.fits")
    assert len(table) >= least
    assert np.isfinite(
        np.stack([table[n] for n in ("ra", "dec", "int_flux", "peak_flux", "local_rms", "maj", "min")])
    ).all()
    assert (table["int_flux"] > 0).all() and (table["snr"] >= 3).all()
    assert table.meta["MAP"] == f"{name}.fits"
