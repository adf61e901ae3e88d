"""``radiff challenge new``: of a package and of a map; then detect and score, as the organisers would."""

import json

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from challenge.simulated import header, noise, write_package
from radiff.cli import main
from radiff.sky import MapReader
from radiff.sky.grid import SkyGrid
from radiff.sky.truth import read_truth


def run(*arguments):
    return CliRunner().invoke(main.app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_package(tmp_path_factory.mktemp("package") / "sky", (300, 340), 30, seed=6)


@pytest.fixture
def empty_map(tmp_path):
    shape = (256, 300)
    path = tmp_path / "noise.fits"
    fits.PrimaryHDU(np.zeros(shape, np.float32), header(shape)).writeto(path)
    with MapReader(path) as reader:
        grid = SkyGrid.of(reader)
    fits.PrimaryHDU(noise(shape, grid, np.random.default_rng(0)), header(shape)).writeto(path, overwrite=True)
    return path


def test_three_commands(package, tmp_path):
    """challenge new, detect, score."""
    result = run("challenge", "new", package, "-o", tmp_path / "c", "--name", "Third", "--training", 0.1)
    assert result.exit_code == 0, result.output
    assert "sources to be found" in result.output and "keep hidden" in result.output
    result = run("detect", tmp_path / "c" / "public" / "map.fits", "-o", tmp_path / "sep.fits", "--workers", 1)
    assert result.exit_code == 0, result.output
    result = run("score", tmp_path / "c", tmp_path / "sep.fits", "-o", tmp_path / "scores")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "scores" / "score.json").read_text())
    assert told["settings"]["truth"] == "Third"
    one = told["submissions"][0]
    assert one["completeness"]["value"] > 0.8 and one["detections"]["false"] <= 1
    result = run("challenge", "check", tmp_path / "c")
    assert result.exit_code == 0 and "files are as they were made" in result.output
    (tmp_path / "c" / "public" / "README.md").write_text("changed")
    result = run("challenge", "check", tmp_path / "c")
    assert result.exit_code == 2 and "1 files are not what they were: public/README.md" in result.output


def test_of_a_map(empty_map, tmp_path):
    """The map is populated by options of 'radiff populate', with a seed that nobody knows."""
    for name in ("a", "b"):
        result = run(
            "challenge", "new", empty_map, "-o", tmp_path / name, "--compact", 10, "--training", 0, "--no-pictures"
        )
        assert result.exit_code == 0, result.output
        assert "10 sources to be found" in result.output
    a, b = (read_truth(tmp_path / name / "hidden") for name in ("a", "b"))
    assert a.meta["SEED"] != b.meta["SEED"] and not np.array_equal(a["ra"], b["ra"])
    public = fits.getheader(tmp_path / "a" / "public" / "map.fits")
    assert "HISTORY" not in public and "RADIFF" not in public
    result = run(
        "challenge",
        "new",
        empty_map,
        "-o",
        tmp_path / "c",
        "--compact",
        10,
        "--seed",
        5,
        "--training",
        0,
        "--no-pictures",
    )
    assert result.exit_code == 0, result.output
    assert read_truth(tmp_path / "c" / "hidden").meta["SEED"] == 5


def test_of_the_grid_of_a_map(empty_map, tmp_path):
    """--noise: the map's pixels are drawn anew from the hidden seed, and the drawn noise is kept hidden."""
    more = ("--noise", "beam", "--compact", 10, "--training", 0, "--no-pictures")
    result = run("challenge", "new", empty_map, "-o", tmp_path / "a", *more)
    assert result.exit_code == 0, result.output
    noise, sources = (fits.getdata(tmp_path / "a" / "hidden" / f"{name}.fits") for name in ("background", "sources"))
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a" / "public" / "map.fits"), noise + sources)
    assert abs(np.corrcoef(noise.ravel(), fits.getdata(empty_map).ravel())[0, 1]) < 0.05
    assert not (tmp_path / "a" / "public" / "background.fits").exists() and "warning" not in result.output
    result = run("challenge", "new", empty_map, "-o", tmp_path / "b", *more, "--seed", 0)
    assert result.exit_code == 0 and "populated with the default seed 0" in result.output


def test_the_same_once_more(empty_map, tmp_path):
    """What is complete stays; --overwrite makes it anew."""
    arguments = ("challenge", "new", empty_map, "-o", tmp_path / "a", "--compact", 5, "--training", 0, "--no-pictures")
    assert run(*arguments).exit_code == 0
    result = run(*arguments)
    assert result.exit_code == 2 and "public: is there already; choose another -o" in result.output
    assert run(*arguments, "--overwrite").exit_code == 0


def test_refusals(package, empty_map, tmp_path):
    result = run("challenge", "new", package, "-o", tmp_path / "c", "--compact", 5)
    assert result.exit_code == 2
    assert "--compact: options of 'radiff populate' are for a map" in result.output
    result = run("challenge", "new", empty_map, "-o", tmp_path / "c", "--compcat", 5)
    assert result.exit_code == 2 and "--compcat" in result.output
    result = run("challenge", "new", tmp_path / "none.fits", "-o", tmp_path / "c", "--compact", 5)
    assert result.exit_code == 2 and "none.fits: no such file" in result.output
    result = run("challenge", "check", tmp_path)
    assert result.exit_code == 2 and "challenge.json: no such file" in result.output
