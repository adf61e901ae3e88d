"""``radiff check``: figures printed and written, and how it refuses."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import bad_inputs
from conftest import tiny_weights
from radiff.cli.main import app
from radiff.data.collection import CollectionWriter
from radiff.masks import Annotation, mask_to_objects
from radiff.masks.draw import demo_masks
from radiff.sky import Beam, Cutout

RUNNER = CliRunner()
RMS = 2e-4


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Four val cutouts of 64 x 64 pixels with flat sources of 30 rms."""
    folder = tmp_path_factory.mktemp("collection")
    writer = CollectionWriter(folder)
    for k, mask in enumerate(demo_masks(4, 64)):
        image = np.random.default_rng(k).normal(0, RMS, mask.shape) + 30 * RMS * (mask > 0)
        annotation = Annotation(mask_to_objects(mask), (64, 64))
        writer.add("s", f"c{k}", Cutout(image, beam=Beam(5.4, 5.4)), annotation, split="val")
    writer.finish()
    return folder


def run(kind, folder, weights, *more):
    return RUNNER.invoke(app, ["check", kind, *map(str, [folder, "--weights", weights, *more])])


def test_reconstruction(collection, weights, tmp_path):
    result = run("reconstruction", collection, weights, "--json", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "all: 4 cutouts (median [16 %, 84 %])"
    figures = json.loads((tmp_path / "f.json").read_text())["all"]
    assert figures["peak_ratio"]["n"] > 4
    assert len(figures["spectrum"]["ratio"]) == 8


def test_control(collection, weights, tmp_path):
    more = [
        "--steps",
        1,
        "--limit",
        3,
        "--background",
        "self-masked",
        "--background-strength",
        0.5,
        "--guidance",
        "mask=1.5",
    ]
    more += ["--json", tmp_path / "f.json", "--sheet", tmp_path / "s.png"]
    result = run("control", collection, weights, *more)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "all: 3 cutouts (median [16 %, 84 %])"
    assert "  all, against what was asked (background: self-masked)" in lines
    assert lines[-1] == str(tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((tmp_path / "f.json").read_text())
    every = figures["groups"]["all"]
    assert every["real"]["inside"]["median"] == pytest.approx(30, rel=0.02)
    assert every["rms_ratio"]["median"] == pytest.approx(1.0, rel=0.05)
    assert every["flux"]["objects"] > 3
    assert every["flux"]["exact_peak_error"] < 1e-5
    assert every["flux"]["exact_integrated_error"] < 1e-5
    assert f"of {len(figures['verdicts'])} figures are within their tolerance" in result.stdout


def test_choices_of_control(collection, weights):
    for more, part in [
        (["--samples", "some"], "choose native or all"),
        (["--background", "mine"], "'mine' is no kind of background; there are: none, self, self-masked, other"),
        (["--guidance", "mask"], "give NAME=NUMBER; the names are mask, peak, background, beam"),
        (["--sampler", "best"], "'best' is no sampler"),
    ]:
        result = run("control", collection, weights, *more)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
        assert part in result.stderr


@pytest.mark.parametrize("kind", ["reconstruction", "control"])
def test_refusals(kind, collection, weights, tmp_path):
    for folder, chosen, more, part in [
        (tmp_path / "none", weights, [], "no such folder"),
        (tmp_path, weights, [], "no FITS images here"),
        (collection, weights, ["--split", "train"], "no cutout is in the split 'train'"),
        (collection, tmp_path, [], "is no weights folder"),
        (collection, bad_inputs.altered_weights(weights, tmp_path / kind), [], "was altered"),
    ]:
        result = run(kind, folder, chosen, *more)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("radiff: ")
        assert result.stderr.count("\n") == 1
        assert part in result.stderr


def test_cutouts_of_odd_sizes(weights, tmp_path):
    writer = CollectionWriter(tmp_path)
    for k in range(2):
        image = np.random.default_rng(k).normal(0, RMS, (66, 70))
        writer.add("s", f"c{k}", Cutout(image, beam=Beam(5.4, 5.4)), Annotation([], (66, 70)), split="val")
    writer.finish()
    result = run("reconstruction", tmp_path, weights)
    assert (result.exit_code, result.stderr[:35]) == (2, "radiff: an image of 70 x 66 pixels;")
    result = run("control", tmp_path, weights)
    assert (result.exit_code, result.stderr[:35]) == (2, "radiff: mask 0 has 70 x 66 pixels; ")


def test_a_scaling_without_inverse_has_no_reconstruction_in_units(collection, tmp_path):
    result = run("reconstruction", collection, tiny_weights(tmp_path / "paper", scaling="paper"))
    assert result.exit_code == 2
    assert "cannot be inverted to Jy/beam" in result.stderr
