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


def test_generation(collection, weights, tmp_path):
    more = ["--steps", 1, "--limit", 3, "--peaks", "--json", tmp_path / "f.json", "--sheet", tmp_path / "s.png"]
    result = run("generation", collection, weights, *more)
    assert result.exit_code == 0, result.output
    assert "all: 3 cutouts" in result.stdout
    assert " s a cutout" in result.stdout
    assert str(tmp_path / "s.png") in result.stdout
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((tmp_path / "f.json").read_text())["all"]
    assert figures["real"]["inside"]["median"] == pytest.approx(30, rel=0.02)
    assert figures["rms_ratio"]["median"] == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("kind", ["reconstruction", "generation"])
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
    result = run("generation", tmp_path, weights)
    assert (result.exit_code, result.stderr[:35]) == (2, "radiff: mask 0 has 70 x 66 pixels; ")


def test_a_scaling_without_inverse_has_no_reconstruction_in_units(collection, tmp_path):
    result = run("reconstruction", collection, tiny_weights(tmp_path / "paper", scaling="paper"))
    assert result.exit_code == 2
    assert "cannot be inverted to Jy/beam" in result.stderr
