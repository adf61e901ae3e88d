"""The truth table: units, files that say the same, and what is refused."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table

from radiff.errors import InputError
from radiff.sky.columns import TRUTH
from radiff.sky.truth import read_truth, truth_table, write_truth

SOME = {
    "id": [1, 2],
    "name": ["S1", "S20"],
    "class": ["compact", "extended"],
    "ra": [150.0, 151.0],
    "dec": [-30.0, -31.0],
    "int_flux": [0.1, 0.2],
    "k": [np.nan, 3.0],
}


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_round_trip(tmp_path, suffix):
    table = truth_table(SOME, {"SEED": 5, "BMAJ": 0.001, "MAP": "map.fits"})
    path = write_truth(tmp_path / f"truth.{suffix}", table)
    assert write_truth(tmp_path / f"again.{suffix}", table).read_bytes() == path.read_bytes()
    back = read_truth(path)
    assert back.colnames == list(TRUTH)
    assert {name: back.meta[name] for name in ("SEED", "BMAJ", "MAP")} == {"SEED": 5, "BMAJ": 0.001, "MAP": "map.fits"}
    for name, values in SOME.items():
        assert np.array_equal(back[name], table[name]) or name == "k"
        assert len(back[name]) == len(values)
    assert np.isnan(back["k"][0]) and back["k"][1] == 3.0
    assert (back["stamp"] == -1).all() and np.isnan(back["peak_flux"].value).all()  # what is not known
    assert back["int_flux"].unit == u.Jy and back["maj"].unit == u.arcsec
    assert read_truth(tmp_path if suffix == "fits" else path)["id"].tolist() == [1, 2]


def test_other_units_and_columns_of_others(tmp_path):
    table = QTable({name: SOME[name] for name in ("id", "class", "ra", "dec")})
    table["int_flux"] = [100.0, 200.0] * u.mJy
    table["mine"] = [7, 8]
    table.write(tmp_path / "truth.fits")
    back = read_truth(tmp_path / "truth.fits")
    assert back["int_flux"].value == pytest.approx([0.1, 0.2]) and back["mine"].tolist() == [7, 8]
    table["int_flux"] = [1.0, 2.0] * u.m
    table.write(tmp_path / "metres.fits")
    with pytest.raises(InputError, match="column int_flux is in m; needed is Jy"):
        read_truth(tmp_path / "metres.fits")


def test_what_is_refused(tmp_path):
    def told(path):
        with pytest.raises(InputError) as error:
            read_truth(path)
        return str(error.value)

    assert told(tmp_path) == f"{tmp_path}: is a folder without truth.fits or truth.ecsv"
    assert told(tmp_path / "none.fits").endswith("none.fits: no such file")
    (tmp_path / "text.fits").write_text("nothing")
    assert "cannot be read as a truth table" in told(tmp_path / "text.fits")
    Table({"id": [1], "ra": [2.0]}).write(tmp_path / "few.fits")
    assert told(tmp_path / "few.fits").endswith(
        "is no truth table: it has no column class, dec, int_flux; it has id, ra"
    )
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    assert "cannot be read as a truth table" in told(tmp_path / "image.fits")
    with pytest.raises(InputError, match="'size' is no column of a truth table; columns are id, name, class"):
        truth_table({"id": [1], "size": [2]})
    with pytest.raises(InputError, match="the columns of a truth table have different lengths"):
        truth_table({"id": [1], "ra": [2.0, 3.0]})
    with pytest.raises(InputError, match=r"truth tables are written as \.fits or \.ecsv; choose one of these suffixes"):
        write_truth(tmp_path / "truth.txt", truth_table(SOME))
