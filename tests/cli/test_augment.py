"""``radiff augment``: what it makes, prints and refuses; the balance that ``radiff stats`` shows."""

import csv
import json

import pytest
from typer.testing import CliRunner

from pair_samples import files_of, known_collection
from radiff.cli import main
from radiff.data.collection import Collection
from radiff.errors import InputError


def run(*arguments):
    return CliRunner().invoke(main.app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return known_collection(tmp_path_factory.mktemp("augment") / "collection").root


@pytest.fixture
def augment(collection, weights, tmp_path):
    """``augment(*options)``, without a gate: the weights of tests draw nothing of meaning."""

    def start(*options, output=tmp_path / "out"):
        fixed = ["--weights", weights, "--device", "cpu", "--precision", "fp32", "--batch-size", 4, "--workers", 1]
        return run("augment", collection, "-o", output, "--no-gate", "--labels", "asked", *fixed, *options)

    return start


def test_a_bigger_collection_with_a_new_balance(augment, collection, tmp_path):
    result = augment("--number", 8, "--balance", "--per-image", 1)
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    opened = Collection.open(out, 1)
    rows = [row for row in opened.rows if row.synthetic]
    assert len(opened) == 28 and len(rows) == 8
    assert [row.seed for row in rows] == list(range(8)) and {row.split for row in rows} == {"train"}
    real = Collection.open(collection, 1).split("train").rows
    extended = sum(row.n_extended for row in real)
    assert sum(row.n_extended for row in rows) == 8  # there are fewest of them
    assert f"extended: {extended} real + 8 synthetic = {extended + 8}" in result.stdout
    assert "8 pairs in" in result.stdout and "8 attempts" in result.stdout
    summary = json.loads((out / "synthetic" / "augment.json").read_text())
    assert summary["objects"] == {"spurious": 0, "compact": 0, "extended": 8} and summary["dropped"] == {}
    coco = json.loads((out / "coco_train.json").read_text())
    assert len(coco["images"]) == 24
    assert len(list((out / "synthetic" / "yolo").glob("*.txt"))) == 8
    stats = run("stats", out, "-o", tmp_path / "stats", "--workers", 1)
    assert stats.exit_code == 0, stats.output
    assert "synthetic" in stats.stdout


def test_the_same_command_goes_on(augment, tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert augment("--number", 6, output=whole).exit_code == 0
    assert augment("--number", 6, output=part).exit_code == 0
    journal = part / "synthetic" / "augment.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:5]))  # as if killed after a batch
    (part / "index.csv").unlink()
    result = augment("--number", 6, output=part)
    assert result.exit_code == 0 and "6 pairs" in result.stdout and "(4 of an earlier run)" in result.stdout
    assert files_of(part) == files_of(whole)
    changed = augment("--number", 6, "--seed", 3, output=part)
    assert changed.exit_code == 2 and "was started with other settings: seed (0 -> 3)" in changed.stderr


def test_real_masks_rendered_alone(augment, tmp_path):
    result = augment("--masks", "real", "--real", "none", "--number", 5, "--sample", "again")
    assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "index.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5 and all(row["source"].startswith("real/imgs/") for row in rows)
    assert all(row["image"].startswith("again/imgs/again") for row in rows)


def test_a_dry_run_writes_nothing(augment, tmp_path):
    result = augment("--dry-run", "--number", 9)
    assert result.exit_code == 0, result.output
    assert "would make 9 pairs (0 are made already)" in result.stdout and "16 real cutouts" in result.stdout
    assert not (tmp_path / "out").exists()


def test_a_gate_that_drops_all_is_exit_code_1(collection, weights, tmp_path):
    result = run(
        "augment", collection, "-o", tmp_path / "out", "--number", 2, "--weights", weights, "--segmenter", "none",
        "--batch-size", 3, "--device", "cpu", "--precision", "fp32", "--workers", 1, "--peak-snr", 100,
    )  # fmt: skip
    assert result.exit_code == 1, result.output
    assert "0 of 2 pairs: the gate dropped the others; see --least-iou, --no-gate" in result.stderr
    assert "6 attempts" in result.stdout and "dropped" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "none"], "--labels none: there are asked, found"),
        (["--real", "move"], "--real move: there are link, copy, none"),
        (["--background", "sea"], "--background sea: there are other, self-masked, none"),
        (["--background", "self-masked"], "--background self-masked is for --masks real"),
        (["--masks", "no-folder"], "--masks no-folder: there are collection, real, model, or a folder"),
        (["--classes", "compact,star"], "star"),
        (["--classes", "spurious"], "the train split holds no spurious objects"),
        (["--per-image", "4-2"], "--per-image '4-2': give a number or a range low:high, e.g. 1:6"),
        (["--samples", "nvss"], "'nvss' is no sample of the train split; there are: real"),
        (["--sample", "a/b"], "'a/b' is no name of a sample; give a plain folder name"),
        (["--sample", "real"], "the collection has a sample 'real' already; choose another --sample"),
        (["--peak-snr", "bright"], "--peak-snr"),
        (["--weights", "no-weights"], "no-weights"),
    ],
)
def test_refusals(augment, options, message):
    result = augment("--number", 1, *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_refusals_are_input_errors():
    from radiff.cli.values import parse_per_image

    assert parse_per_image("") is None and parse_per_image("3") == (3, 3)
    assert parse_per_image("1:6") == parse_per_image("1-6") == (1, 6)
    with pytest.raises(InputError):
        parse_per_image("0-3")
