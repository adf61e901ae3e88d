"""Beams and ranges on the command line: one form of each in every verb, and the forms of old."""

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import celestial_wcs
from radiff.cli.main import app
from radiff.cli.values import asked_beam, parse_peak, parse_range
from radiff.errors import InputError
from radiff.sky import Beam, Cutout, read_cutout, write_cutout


@pytest.fixture
def map_path(tmp_path):
    wcs = celestial_wcs((128, 128), 2.0)
    return write_cutout(tmp_path / "like.fits", Cutout(np.zeros((128, 128)), wcs, Beam(9.0, 7.0, 40.0)))


@pytest.mark.parametrize("text", ["2:8", "2,8", "2.0:8.0"])
def test_ranges(text):
    assert parse_range(text, "--beam-pixels", float, "2:8") == (2.0, 8.0)


@pytest.mark.parametrize("text", ["1:6", "1-6", "1,6"])
def test_ranges_of_whole_numbers(text):
    assert parse_range(text, "--per-image", int, "1:6") == (1, 6)


def test_ranges_of_small_numbers():
    assert parse_range("1e-4:1e-1", "--flux-range", float, "1e-4:0.1") == (1e-4, 0.1)
    assert parse_range("3", "--per-image", int, "1:6", single=True) == (3, 3)
    assert parse_peak("3:3") == (3.0, 3.0) and parse_peak("3") == 3.0


@pytest.mark.parametrize("text", ["", "3", "8:2", "a:b", "1:2:3", "nan:2", "1:inf", "2-8"])
def test_what_is_no_range(text):
    with pytest.raises(InputError, match=r"--beam-pixels '.*': give a range low:high, e.g. 2:8"):
        parse_range(text, "--beam-pixels", float, "2:8")


def test_the_beam_of_an_image(map_path, tmp_path):
    assert asked_beam(None, map_path) == Beam(9.0, 7.0, 40.0)
    assert asked_beam("6", map_path) == Beam(6.0, 6.0)  # what is told counts over it
    assert asked_beam(None, None) is None
    write_cutout(tmp_path / "none.fits", Cutout(np.zeros((16, 16)), celestial_wcs((16, 16))))
    with (
        pytest.warns(UserWarning, match="no beam"),
        pytest.raises(InputError, match=r"none.fits: no beam in the header; give it with --beam in place of --like"),
    ):
        asked_beam(None, tmp_path / "none.fits")


@pytest.mark.parametrize(
    ("given", "beam"),
    [
        (["--beam", "12"], (12.0, 12.0, 0.0)),
        (["--beam", "9,7,40"], (9.0, 7.0, 40.0)),
        (["--like", "like.fits"], (9.0, 7.0, 40.0)),
    ],
)
def test_noise_is_drawn_with_it(map_path, tmp_path, monkeypatch, given, beam):
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["noise", "draw", "-o", "noise.fits", "--size", "128x128", *given])
    assert told.exit_code == 0, told.output
    drawn = read_cutout(tmp_path / "noise.fits")
    assert (drawn.beam.maj, drawn.beam.min, drawn.beam.pa) == beam
    assert drawn.pixel_scale == pytest.approx(2.0 if "--like" in given else 1.5)


def test_a_map_is_populated_with_the_beam_of_another(map_path, tmp_path):
    runner, out = CliRunner(), str(tmp_path / "noise.fits")
    assert runner.invoke(app, ["noise", "draw", "-o", out, "--size", "128x128", "--beam", "6"]).exit_code == 0
    told = runner.invoke(
        app, ["populate", out, "-o", str(tmp_path / "p"), "--compact", "1", "--like", str(map_path), "--dry-run"]
    )
    assert told.exit_code == 0 and "beam: 9 x 7 arcsec" in told.output, told.output
