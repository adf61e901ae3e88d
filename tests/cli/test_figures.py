"""``radiff figures``: pictures of made and of real cutouts, and how it refuses."""

import pytest
from PIL import Image
from typer.testing import CliRunner

from radiff.cli.main import app
from radiff.data.collection import CollectionWriter
from radiff.masks import Annotation
from radiff.paper.figures import simulated_samples
from radiff.sky import Beam, Cutout

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, ["figures", "backgrounds", *map(str, arguments)])


def test_made_ones(weights, tmp_path):
    result = run("--made", "-o", tmp_path / "out", "--weights", weights, "--rows", 2, "--steps", 1)
    assert result.exit_code == 0, result.output
    paths = [tmp_path / "out" / name for name in ("figure7.png", "figure8.png")]
    assert result.stdout.splitlines() == [str(path) for path in paths]
    with Image.open(paths[0]) as picture:
        assert picture.width > 2.5 * picture.height  # two rows of seven panels


def test_of_a_collection(weights, tmp_path):
    samples = simulated_samples(8, 64)
    writer = CollectionWriter(tmp_path / "collection")
    for k, (image, objects) in enumerate(zip(samples.images, samples.objects, strict=True)):
        cutout = Cutout(image, beam=Beam(5.4, 5.4))
        writer.add("s", f"c{k}", cutout, Annotation(objects, image.shape), split="val")
    writer.finish()
    more = ["-o", tmp_path / "out", "--weights", weights, "--rows", 1, "--steps", 1]
    result = run(tmp_path / "collection", *more)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "figure8.png").read_bytes().startswith(b"\x89PNG")
    result = run(tmp_path / "collection", "--split", "train", *more)
    assert result.exit_code == 2
    assert "no cutout is in the split 'train'" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["collection", "--made"]])
def test_a_collection_or_made_ones(arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "give a collection, or --made" in result.stderr
