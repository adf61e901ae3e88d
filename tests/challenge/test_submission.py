"""Catalogs of any maker as submissions; what is missing or odd is said in one line."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from regions import Regions

from radiff import InputError
from radiff.challenge.submission import (
    read_submission,
    short_names,
    submission_table,
    write_regions,
    write_submission,
)
from radiff.sky.columns import COLUMNS, SUBMISSION


def columns(count=5):
    rng = np.random.default_rng(0)
    return {name: rng.uniform(1, 2, count) for name in SUBMISSION if COLUMNS[name].kind == "f"} | {
        "id": np.arange(1, count + 1), "n_pixels": np.full(count, 9), "fit": np.full(count, "gaussian"),
        "class": ["compact", "extended", "", "spurious", "compact"][:count],
    }  # fmt: skip


def save(tmp_path, text, name="c.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "csv"])
def test_what_is_written_is_read(tmp_path, suffix):
    table = submission_table(columns(), {"FINDER": "sep"})
    found = read_submission(write_submission(tmp_path / f"c.{suffix}", table))
    for name in (
        "id",
        "ra",
        "dec",
        "int_flux",
        "peak_flux",
        "local_rms",
        "snr",
        "maj",
        "min",
        "pa",
        "maj_deconvolved",
        "ra_peak",
    ):
        assert np.asarray(found[name], float) == pytest.approx(np.asarray(table[name], float)), name
    assert found["class"].tolist() == table["class"].tolist()


def test_a_few_columns_are_enough(tmp_path):
    found = read_submission(save(tmp_path, "ra,dec,flux\n10,20,0.5\n11,21,0.25\n"))
    assert found["id"].tolist() == [1, 2]
    assert found["peak_flux"].tolist() == [0.5, 0.25]  # stands for it
    assert np.isnan(found["maj"]).all()
    assert {"peak_flux", "maj", "class"} <= set(found.meta["lacks"])


def test_a_plain_rms_beside_a_plain_flux_is_in_jy(tmp_path):
    found = read_submission(save(tmp_path, "ra,dec,peak,rms\n1,2,0.01,0.001\n"))
    assert (found["local_rms"][0], found["snr"][0]) == pytest.approx((0.001, 10.0))
    found = read_submission(save(tmp_path, "ra,dec,fint,fpeak,rms\n1,2,20,10,1\n", "first.csv"))  # FIRST: all in mJy
    assert (found["local_rms"][0], found["snr"][0]) == pytest.approx((0.001, 10.0))


def test_units_count(tmp_path):
    table = Table({"ra": [1.0] * u.deg, "dec": [2.0] * u.deg, "int_flux": [3.0] * u.mJy, "maj": [0.1] * u.arcmin})
    table.write(tmp_path / "c.fits")
    found = read_submission(tmp_path / "c.fits")
    assert found["int_flux"][0] == pytest.approx(3e-3)
    assert found["maj"][0] == pytest.approx(6.0)


def test_names_of_classes(tmp_path):
    found = read_submission(
        save(tmp_path, "ra,dec,flux,class\n1,2,3,galaxy\n1,3,3,point-like\n1,4,3,sidelobe\n1,5,3,x\n")
    )
    assert found["class"].tolist() == ["extended", "compact", "spurious", "x"]


def test_an_sdc1_catalog(tmp_path):
    found = read_submission(save(tmp_path, "1 10 20 10.1 20.1 0.5 0.3 4.0 2.0 30 1 2\n", "c.txt"))
    assert found["ra"][0] == 10.1
    assert found["maj_deconvolved"][0] == pytest.approx(4.0 * 2.355 / 5)  # a largest extent is 5 deviations
    assert np.isnan(found["maj"][0])
    assert found.meta["sdc1"]["b_maj"].tolist() == [4.0]
    assert found["class"][0] == "2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a catalog"),
        ("ra,dec,flux\n", "has no rows; there is nothing to score"),
        ("ra,flux\n1,2\n", "has no column for dec; it has ra, flux; needed are ra and dec in deg"),
        ("ra,dec,snr\n1,2,9\n", "has no column of fluxes; it has ra, dec, snr; needed is int_flux in Jy"),
        ("ra,dec,flux\n1,2,bright\n", "column flux holds text where numbers are needed"),
        ("ra,dec,flux\nnan,2,1\n", "has no rows"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*rows have no position")
def test_bad_text(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_submission(save(tmp_path, text))
    assert "c.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_wrong_units(tmp_path):
    for name, unit in (("int_flux", u.K), ("maj", u.Jy), ("ra", u.m)):
        table = Table({"ra": [1.0] * u.deg, "dec": [2.0] * u.deg, "int_flux": [3.0] * u.Jy, "maj": [4.0] * u.arcsec})
        table[name].unit = unit
        table.write(tmp_path / f"{name}.ecsv")
        with pytest.raises(InputError, match=f"column {name} is in {unit}; needed is"):
            read_submission(tmp_path / f"{name}.ecsv")


def test_no_file_and_no_format(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_submission(tmp_path / "none.fits")
    with pytest.raises(InputError, match=r"catalogs are written as \.fits, \.ecsv or \.csv"):
        write_submission(tmp_path / "c.dat", submission_table(columns()))


def test_regions_parse(tmp_path):
    table = submission_table(columns() | {"maj": [6.0, 5, np.nan, 4, 3], "min": [3.0, 2, np.nan, 4, 3]})
    table["pa"] = 30.0
    found = Regions.read(write_regions(tmp_path / "c.reg", table))
    assert [type(one).__name__ for one in found] == ["EllipseSkyRegion"] * 2 + ["CircleSkyRegion"] + [
        "EllipseSkyRegion"
    ] * 2
    first = found[0]
    assert first.center.ra.deg == pytest.approx(table["ra"][0], abs=1e-7)
    # width lies along west to east at an angle of 0; the major axis north through east
    assert (first.width.to_value("arcsec"), first.height.to_value("arcsec")) == pytest.approx((3.0, 6.0))
    assert first.angle.to_value(u.deg) == pytest.approx(30.0)
    assert str(first.meta["text"]) == "1"


def test_short_names(tmp_path):
    assert short_names(["a/x.fits", "y.csv"]) == ["x", "y"]
    assert short_names(["/a/x.fits", "/b/x.fits"]) == ["a-x", "b-x"]
    assert short_names(["/a/x.fits", "/a/x.fits"]) == ["x-1", "x-2"]
    assert short_names(["/a/truth.fits"]) == ["a-truth"]
