"""The figures of a report of known skies are those that they were: see golden_report.json.

To write the file again, after a change that is meant to change figures: python tests/evaluate/test_golden.py
"""

import json
from pathlib import Path

import numpy as np
import pytest

import sky_sets
from radiff.evaluate.evaluation import evaluate
from radiff.evaluate.sets import picture_of

GOLDEN = Path(__file__).parent / "golden_report.json"


def report():
    """Metrics of 24 pictures against the same with other noise, 24 more as training images."""
    real, train = sky_sets.pictures(24), sky_sets.pictures(24, 24)
    synthetic = []
    for k, one in enumerate(real):
        noise = 0.3 * np.random.default_rng((3, k)).normal(size=one.snr.shape)
        synthetic.append(picture_of(one.name, 0.9 * one.snr + noise, one.mask, one))
    sets = [sky_sets.image_set(items, name) for items, name in ((real, "real"), (synthetic, "synthetic"))]
    found = evaluate(*sets, sky_sets.image_set(train, "train"), sky_sets.networks(), paired=True, workers=1)
    content = found.to_json()
    return json.loads(json.dumps({"metrics": content["metrics"], "curves": content["curves"]}))


def same(value, golden, place=""):
    if isinstance(golden, dict):
        assert set(value) == set(golden), place
        for key in golden:
            same(value[key], golden[key], f"{place}/{key}")
    elif isinstance(golden, list):
        assert len(value) == len(golden), place
        for k, (one, other) in enumerate(zip(value, golden, strict=True)):
            same(one, other, f"{place}/{k}")
    elif isinstance(golden, float):
        # on one machine equal; on others float32 sums and the networks' activations differ in their last digits
        assert value == pytest.approx(golden, rel=1e-4, abs=1e-6), place
    else:
        assert value == golden, place


@pytest.mark.filterwarnings("ignore")
def test_figures_are_those_that_they_were():
    same(report(), json.loads(GOLDEN.read_text()))


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(report(), indent=None) + "\n")
