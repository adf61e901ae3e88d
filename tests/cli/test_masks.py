"""``radiff masks``: from the objects of a collection and from a model; what it writes, prints and refuses."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from mask_model_samples import mask_weights, square_mask, told
from pair_samples import files_of, known_collection
from radiff.cli import main
from radiff.data.mask_set import load_masks
from radiff.generate.masks import MaskMaker
from radiff.masks import read_mask


def run(*arguments):
    return CliRunner().invoke(main.app, ["masks", *map(str, arguments)])


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return known_collection(tmp_path_factory.mktemp("masks") / "collection").root


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Options of weights whose model draws what is asked for, with a speck in every third mask."""
    folder, count = mask_weights(tmp_path / "weights"), 0
    own = MaskMaker.from_pretrained

    def load(*arguments):
        maker = own(*arguments)
        told(maker, lambda row: square_mask(int(row[1])))
        sample = maker._sample

        def with_specks(*arguments):
            nonlocal count
            count += 1
            masks = sample(*arguments)
            masks[:, 30, 15] = 2 * (count % 3 == 0)
            return masks

        maker._sample = with_specks
        return maker

    monkeypatch.setattr(MaskMaker, "from_pretrained", load)
    return ["--weights", folder, "--device", "cpu", "--precision", "fp32"]


def test_masks_of_a_collections_objects(collection, tmp_path):
    out = tmp_path / "out"
    options = ["--from-collection", collection, "--workers", 1]
    result = run(6, "-o", out, *options, "--per-image", "1-2", "--formats", "png,coco", "--seed", 2)
    assert result.exit_code == 0, result.output
    made = load_masks(out / "masks.npz")
    assert len(made) == 6 and set(made.counts.sum(1)) <= {1, 2}
    assert np.array_equal(read_mask(out / "png" / "mask_000004.png"), made.masks()[4])
    assert "6 masks in" in result.stdout and "thrown away and made again: 0 (none)" in result.stdout
    again = run(6, "-o", out, *options, "--per-image", "1-2", "--seed", 2)
    assert again.exit_code == 2 and "masks stand here already; --resume goes on with them" in again.stderr


def test_a_run_goes_on(collection, tmp_path):
    options = ["--from-collection", collection, "--workers", 1]
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert run(5, "-o", whole, *options).exit_code == 0
    assert run(3, "-o", part, *options).exit_code == 0
    result = run(5, "-o", part, *options, "--resume")
    assert result.exit_code == 0, result.output
    assert {k: v for k, v in files_of(part).items() if k.endswith((".json", ".csv", ".fits"))} == {
        k: v for k, v in files_of(whole).items() if k.endswith((".json", ".csv", ".fits"))
    }
    other = run(5, "-o", part, *options, "--resume", "--seed", 1)
    assert other.exit_code == 2 and "was made with other settings: seed (0 -> 1)" in other.stderr


def test_masks_of_a_model_counted_and_compared(model, collection, tmp_path):
    out = tmp_path / "out"
    result = run(8, "-o", out, *model)
    assert result.exit_code == 0, result.output
    assert "thrown away and made again: 0 (none)" in result.stdout
    assert "specks taken off masks that were kept: 2" in result.stdout
    assert "exactly as many objects of each class as asked: 100.0 %" in result.stdout
    with (out / "masks.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert all(row["compact"] == row["asked_compact"] and row["extended"] == "1" for row in rows)


def test_statistics_beside_real_masks(collection, tmp_path):
    out = tmp_path / "out"
    result = run(30, "-o", out, "--from-collection", collection, "--compare", collection, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "compact: pixels" in result.stdout and " train, " in result.stdout
    names = {p.name for p in (out / "statistics").iterdir()}
    assert names == {"statistics.md", "statistics.json", "figures.png", "sheet.png", "nearest.png"}


def test_a_dry_run_writes_nothing(model, collection, tmp_path):
    for options in (model, ["--from-collection", collection, "--workers", 1]):
        result = run(7, "-o", tmp_path / "out", *options, "--dry-run")
        assert result.exit_code == 0, result.output
        assert "would make 7 masks (0 are made already)" in result.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "star"], "star"),
        (["--per-image", "few"], "--per-image 'few': give a number or a range low:high, e.g. 1:6"),
        (["--per-image", "5-2"], "--per-image '5-2': give a number or a range low:high, e.g. 1:6"),
        (["--formats", "gif"], "--formats gif: besides rg-dataset and npz there are"),
        (["--size", "64"], "--size goes with --from-collection"),
        (["--sampler", "magic"], "'magic' is no sampler"),
        (["--counts", "odd"], "counts 'odd': there are real, even, any"),
    ],
)
def test_refusals(model, options, message, tmp_path):
    result = run(2, "-o", tmp_path / "out", *model, *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr and result.stderr.count("\n") == 1
