"""``radiff demo``: files written and named, the same for the same seed."""

import numpy as np
import pytest
from typer.testing import CliRunner

import bad_inputs
from radiff.cli.main import app
from radiff.data.collection import Collection
from radiff.masks.draw import demo_masks, demo_peaks

RUNNER = CliRunner()


def demo(out, weights, *more):
    return RUNNER.invoke(app, ["demo", *map(str, ["-o", out, "--weights", weights, *more])])


def test_demo(weights, tmp_path):
    result = demo(tmp_path / "demo", weights, "--number", 3)
    assert result.exit_code == 0, result.output
    images = [str(tmp_path / "demo" / "demo" / "imgs" / f"demo{k}.fits") for k in range(3)]
    assert result.stdout.splitlines() == [
        *images,
        str(tmp_path / "demo" / "index.csv"),
        str(tmp_path / "demo" / "quicklook.png"),
    ]
    assert "weights tiny, 2 steps of euler" in result.stderr
    collection = Collection.open(tmp_path / "demo")
    assert all(row.nx == row.ny == 128 for row in collection.rows)
    for k, mask in enumerate(demo_masks(3)):
        np.testing.assert_array_equal(collection.mask(k), mask)
        asked = [one.info["asked_peak_snr"] for one in collection.annotation(k).objects]
        assert asked == pytest.approx(demo_peaks(mask, k))
    assert demo(tmp_path / "again", weights, "--number", 3).exit_code == 0
    again = Collection.open(tmp_path / "again")
    np.testing.assert_array_equal(collection.image(0).image, again.image(0).image)


def test_refusals(weights, tmp_path):
    result = demo(bad_inputs.READ_ONLY, weights)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 2)  # the weights' line comes first
    assert "cannot write into this folder" in result.stderr
    result = demo(tmp_path / "demo", tmp_path)
    assert result.exit_code == 2
    assert "is no weights folder" in result.stderr
    assert not (tmp_path / "demo").exists()
