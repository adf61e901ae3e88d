"""``radiff score``: the report's files, what is printed, and what is refused in one line."""

import json

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

import bad_inputs
from challenge.simulated import write_package
from radiff.cli import main
from radiff.sky.truth import read_truth


def run(*arguments):
    return CliRunner().invoke(main.app, ["score", *map(str, arguments)])


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_package(tmp_path_factory.mktemp("package") / "sky", (200, 240), 12, seed=5, spurious=0.0, snr=(20, 99))


def catalog(package, path, **changes):
    truth = read_truth(package)
    table = Table({name: np.asarray(truth[name].value) for name in ("ra", "dec", "int_flux")})
    for name, change in changes.items():
        table[name] = change(table[name])
    table.write(path, overwrite=True)
    return path


def test_a_report(package, tmp_path):
    good, faint = (
        catalog(package, tmp_path / "good.csv"),
        catalog(package, tmp_path / "half.csv", int_flux=lambda f: f / 2),
    )
    result = run(package, good, faint, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("12 sources to be found (")
    assert lines[2].split()[:4] == ["good", "12", "12", "1.000"]
    assert "0.500 ± 0.000" in lines[3]
    assert lines[-1].endswith("report.html")
    told = json.loads((tmp_path / "out" / "score.json").read_text())
    assert [one["name"] for one in told["submissions"]] == ["good", "half"]


def test_a_file_of_the_package_does_as_well(package, tmp_path):
    result = run(package / "truth.ecsv", catalog(package, tmp_path / "a.csv"), "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_the_others_are_scored(package, tmp_path):
    """One of three is bad: it is listed, the exit code is 1."""
    good, other = catalog(package, tmp_path / "a.csv"), catalog(package, tmp_path / "b.csv")
    (tmp_path / "bad.csv").write_text("x,y\n1,2\n")
    result = run(package, good, tmp_path / "bad.csv", other, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "1 of 3 files could not be used, the others are done" in result.output
    assert "has no column for ra and dec; it has x, y" in result.output.replace("\n", " ")
    told = json.loads((tmp_path / "out" / "score.json").read_text())
    assert [one["name"] for one in told["submissions"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"int_flux": lambda f: f * 1e3}, "they seem to be in mJy: give Jy, or name the unit"),
        ({"ra": lambda ra: ra / 15}, "none of its 12 rows lies on the map"),
        ({"dec": lambda d: d * np.nan}, "has no rows; there is nothing to score"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*rows have no position")
def test_bad_numbers(package, tmp_path, changes, message):
    result = run(package, catalog(package, tmp_path / "a.csv", **changes), "-o", tmp_path / "out")
    assert result.exit_code == 2
    line = [one for one in result.output.splitlines() if one.startswith("radiff:")][-1]
    assert "a.csv" in line and message in line
    assert not (tmp_path / "out").exists()


def test_no_submission_can_be_used(package, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x,y\n1,2\n")
    result = run(package, tmp_path / "a.csv", tmp_path / "b.csv", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "no submission could be used: " in result.output


def test_other_refusals(package, tmp_path):
    path = catalog(package, tmp_path / "a.csv")
    for arguments, message in (
        ((tmp_path, path, "-o", tmp_path / "out"), "is a folder without truth.fits or truth.ecsv"),
        ((package, path, "-o", tmp_path / "out", "--radius", 0), "a radius of 0 arcsec; it must be above 0"),
        ((package, path, "-o", tmp_path / "o", "--sdc1-frequency", 1000), "SDC1 has no image at 1000 MHz"),
        ((package, path, "-o", bad_inputs.READ_ONLY), "cannot write into this folder"),
        (
            (path, path, "-o", tmp_path / "out"),
            "is neither a truth table nor a catalog of SDC1; it has ra, dec, int_flux",
        ),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert message in result.output
