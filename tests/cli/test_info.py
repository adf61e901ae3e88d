"""``radiff info``: what it says of images, masks and collections, and how it refuses."""

import json

import pytest
from astropy.io import fits
from typer.testing import CliRunner

import bad_inputs
from radiff.cli import info, main

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(main.app, ["info", *map(str, arguments)])


def facts(path):
    result = run(path, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_image(tmp_path):
    told = facts(bad_inputs.good_image(tmp_path, shape=(50, 70)))
    assert told["is"] == "FITS image"
    assert told["size"] == "70 x 50 pixels (x, y)"
    assert told["beam"] == '5.4" x 5.4", pa 0 deg'
    assert told["pixel scale"] == "1.8 arcsec"
    assert told["survey"] == "FIRST"
    assert told["WCS"].startswith("TAN, centre 149.99850 +1.99650")
    assert told["blank"] == "0.00%"
    value, unit = told["rms"].split()
    assert unit == "mJy/beam"
    assert float(value) == pytest.approx(0.2, rel=0.1)


def test_text_has_one_fact_a_line(tmp_path):
    lines = run(bad_inputs.good_image(tmp_path)).stdout.splitlines()
    assert lines[0].split() == ["is", "FITS", "image"]
    assert "telescope    VLA" in lines


def test_what_a_header_leaves_out_is_said(tmp_path):
    told = facts(bad_inputs.bare(tmp_path))
    assert told["unit"] == "not given (Jy/beam is assumed)"
    assert told["beam"] == told["pixel scale"] == "unknown"
    assert told["WCS"] == "none"
    assert told["warnings"]


def test_cube_and_blank_images_are_described(tmp_path):
    assert facts(bad_inputs.cube(tmp_path))["planes"] == 3
    assert facts(bad_inputs.all_nan(tmp_path))["pixels"] == "all are blank (NaN)"


def test_large_maps_are_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(info, "RMS_WINDOW", 16)
    told = facts(bad_inputs.good_image(tmp_path, shape=(128, 128)))
    assert told["rms"].endswith("(16 of 64 windows)")


@pytest.mark.parametrize("name", ["missing", "not-fits", "empty", "truncated", "no-image", "kelvin"])
def test_unusable_images_exit_2_with_one_line(name, tmp_path):
    write, part = bad_inputs.BAD_IMAGES[name]
    path = write(tmp_path)
    result = run(path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"radiff: {path}: ")
    assert result.stderr.count("\n") == 1
    assert part in result.stderr.lower()


def test_mask(tmp_path):
    told = facts(bad_inputs.good_annotation(tmp_path))
    assert told["is"] == "mask"
    assert told["objects"] == {"spurious": 1, "compact": 1, "extended": 1}


def test_collection(tmp_path):
    bad_inputs.good_annotation(tmp_path / "sample")
    told = facts(tmp_path)
    assert told["is"] == "collection"
    assert told["cutouts"] == 1
    assert told["size"] == {"64 x 64 pixels (x, y)": 1}
    assert told["splits"]["none"] == {"cutouts": 1, "spurious": 1, "compact": 1, "extended": 1}


def test_folder_that_is_nothing(tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"radiff: {tmp_path}: ")


def test_provenance_is_shown(tmp_path):
    path = bad_inputs.good_image(tmp_path)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["RADIFF"] = '{"seed": 3}'
    assert facts(path)["provenance"] == {"seed": 3}


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.5, "2.5 Jy/beam"), (1.5e-4, "0.15 mJy/beam"), (6.6e-5, "66 uJy/beam"), (0.0, "0 Jy/beam")],
)
def test_flux_units(value, text):
    assert info.flux(value) == text


def test_nested_facts_are_indented():
    facts = {"is": "weights", "networks": {"autoencoder": {"parameters": 1234567, "scale": 0.5}}, "list": [1, 2]}
    assert list(info.lines(facts)) == [
        "is        weights",
        "networks",
        "  autoencoder  parameters 1,234,567, scale 0.5",
        "list      1; 2",
    ]
