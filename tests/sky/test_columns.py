"""One set of columns: names, units and UCDs as docs/conventions.md tells them, and as the files carry them."""

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable.ucd import parse_ucd
from astropy.table import QTable, Table

from radiff.challenge.submission import read_submission, submission_table, write_submission
from radiff.sky.columns import CATALOG, COLUMNS, FORMER, SUBMISSION, TRUTH, build_table
from radiff.sky.truth import read_truth, truth_table, write_truth

PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"


def test_the_page_tells_the_columns():
    section = PAGE.read_text().split("## Columns of tables\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    assert [row[0].strip("`") for row in rows] == list(COLUMNS)
    for name, unit, ucd, where, what in rows:
        told, name = COLUMNS[name.strip("`")], name.strip("`")
        assert (u.Unit(unit) if unit else None) == told.unit and ucd == told.ucd and what == told.description
        assert where == "".join(
            sign for sign, names in (("T", TRUTH), ("S", SUBMISSION), ("C", CATALOG)) if name in names
        )


def test_names_and_ucds():
    assert set(COLUMNS) == {*TRUTH, *SUBMISSION, *CATALOG}
    assert set(FORMER.values()) <= set(TRUTH) & set(SUBMISSION) & set(CATALOG) and not set(FORMER) & set(COLUMNS)
    for column in COLUMNS.values():
        assert parse_ucd(column.ucd, check_controlled_vocabulary=True)


@pytest.mark.parametrize("make", [Table, QTable])
def test_a_table_of_plain_arrays(make):
    table = build_table(make, ("id", "name", "int_flux"), {"id": [1, 2], "int_flux": [0.5, np.nan]}, {"SEED": 3})
    assert table.colnames == ["id", "name", "int_flux"] and table.meta == {"SEED": 3}
    assert table["name"].tolist() == ["", ""] and table["int_flux"].unit == u.Jy
    assert table["int_flux"].info.meta["ucd"] == "phot.flux.density;em.radio"


def test_files_carry_units_and_ucds(tmp_path):
    columns = {"id": [1], "class": ["compact"], "ra": [1.0], "dec": [2.0], "int_flux": [3.0]}
    write_truth(tmp_path / "truth.fits", truth_table(columns))
    write_submission(tmp_path / "found.fits", submission_table(columns))
    for path in (tmp_path / "truth.fits", tmp_path / "found.fits"):
        header = fits.getheader(path, 1)
        number = next(n for n in range(1, 99) if header[f"TTYPE{n}"] == "int_flux")
        told = [header[f"{key}{number}"] for key in ("TUNIT", "TUCD", "TCOMM")]
        assert told == ["Jy", "phot.flux.density;em.radio", COLUMNS["int_flux"].description]
    write_truth(tmp_path / "truth.ecsv", truth_table(columns))
    assert Table.read(tmp_path / "truth.ecsv")["snr"].meta["ucd"] == "stat.snr"
    assert not any(key.startswith("TUCD") for key in read_truth(tmp_path / "truth.fits").meta)


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_a_truth_table_of_0_1_0(tmp_path, suffix):
    """Written with its names and units; read under the new ones."""
    old = QTable({"id": [7], "class": ["extended"], "ra": [1.0] * u.deg, "dec": [2.0] * u.deg})
    values = {
        "flux": 3.0 * u.Jy,
        "peak": 4.0 * u.Jy / u.beam,
        "rms": 5.0 * u.Jy / u.beam,
        "snr": 0.8,
        "pa": 8.0 * u.deg,
    }
    sizes = {name: k * u.arcsec for k, name in enumerate(("major", "minor", "major_deconvolved", "minor_deconvolved"))}
    for name, value in (values | sizes).items():
        old[name] = [value]
    old.meta["SEED"] = 5
    old.write(tmp_path / f"truth.{suffix}")
    table = read_truth(tmp_path)
    assert table.colnames == list(TRUTH) and table.meta["SEED"] == 5
    for name, value in (values | sizes).items():
        assert table[FORMER.get(name, name)][0] == value, name


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "csv"])
def test_a_submission_of_0_1_0(tmp_path, suffix):
    names = (
        "id",
        "ra",
        "dec",
        "flux",
        "peak",
        "rms",
        "snr",
        "major",
        "minor",
        "pa",
        "major_deconvolved",
        "minor_deconvolved",
    )
    old = Table({name: [float(k + 1)] for k, name in enumerate(names)})
    if suffix != "csv":  # which has no units
        for name in names:
            old[name].unit = COLUMNS[FORMER.get(name, name)].unit
    old.write(tmp_path / f"old.{suffix}")
    found = read_submission(tmp_path / f"old.{suffix}")
    assert found.colnames == list(SUBMISSION)
    assert [float(found[FORMER.get(name, name)][0]) for name in names] == [float(k + 1) for k in range(len(names))]
