"""`radiff resample`: what is printed, what is written, and every refusal."""

import pytest
from typer.testing import CliRunner

import bad_inputs
from conftest import Injected
from radiff.cli.main import app
from radiff.data.collection import Collection, CollectionWriter
from radiff.masks.instances import SourceObject
from radiff.masks.rg import Annotation

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, ["resample", *map(str, arguments)])


@pytest.fixture
def collection(tmp_path, make_map):
    writer = CollectionWriter(tmp_path / "in")
    for number, split in enumerate(("train", "train", "val")):
        cutout = make_map((48, 48), [Injected(24, 24, 0.01, 3, 3)], seed=number)
        cutout.wcs.wcs.crval = [100 + 3 * number, 20]
        dot = SourceObject.from_pixels("S1", 2, cutout.image > 0.004)
        writer.add("first", f"c{number}", cutout, Annotation([dot], (48, 48)), split=split)
    writer.finish()
    return tmp_path / "in"


def test_images_are_made_and_told(collection, tmp_path):
    arguments = (collection, "-o", tmp_path / "out", "--size", 32, "--beam-pixels", "2,6", "--workers", 1)
    with bad_inputs.nothing_new(tmp_path):
        result = run(*arguments, "--dry-run")
        assert "would make 3 images (2 train, 1 val); nothing was written" in result.stdout
    result = run(*arguments, "--filled-only", "--per-image", 2, "--sample", "wide")
    assert result.exit_code == 0, result.output
    assert f"6 images in {tmp_path / 'out' / 'wide'} (4 train, 2 val)" in result.stdout
    assert "objects in them: 0 spurious, 6 compact, 0 extended" in result.stdout
    assert "pixels, quarters at " in result.stdout
    result = run(*arguments, "--split", "val")
    assert result.exit_code == 0, result.output
    assert [row.sample for row in Collection.open(tmp_path / "out").rows] == ["wide"] * 6 + ["resampled"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--beam-pixels", "3"), "--beam-pixels '3': give a range low:high, e.g. 2:8"),
        (("--beam-pixels", "8,2"), "--beam-pixels '8,2': give a range low:high, e.g. 2:8"),
        (("--split", "test"), "no cutout is in the split 'test'"),
        (("--beam-pixels", "0.1,0.2"), "no image could be made"),
    ],
)
def test_bad_input_is_one_line(collection, tmp_path, more, message):
    result = run(collection, "-o", tmp_path / "out", "--size", 32, "--workers", 1, *more)
    assert result.exit_code == 2
    assert message in result.stderr and "Traceback" not in result.output


def test_a_broken_image_ends_with_1(collection, tmp_path):
    (collection / "first/imgs/c1.fits").write_bytes(b"")
    result = run(collection, "-o", tmp_path / "out", "--size", 32, "--workers", 1)
    assert result.exit_code == 1
    assert "1 of 3 files could not be used" in result.stderr and "c1.fits" in result.stderr
    assert len(Collection.open(tmp_path / "out")) == 2
