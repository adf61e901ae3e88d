"""The benchmarks of the evaluation run without any data or with a small collection, and print one table each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sky_sets
from radiff.data.collection import CollectionWriter
from radiff.masks import Annotation
from radiff.models.io import Part, save_weights
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config
from radiff.sky import Beam, Cutout

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SCALING = {"scaling": {"name": "snr-asinh", "softness": 2.0}}


def run(script, *arguments):
    command = [sys.executable, str(FOLDER / script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    root = tmp_path_factory.mktemp("networks")
    features, segmenter = ResNet18(ResNetConfig(widths=(4, 4, 4, 6))), build_segmenter(LightUNetConfig((8, 16), 4))
    save_weights(root / "f", {"features": Part(features, features.config.to_dict())}, SCALING)
    save_weights(root / "s", {"segmenter": Part(segmenter, segmenter_config(segmenter))}, SCALING)
    return ["--features", root / "f", "--segmenter", root / "s"]


@pytest.mark.slow  # a process of its own, and a whole page with its plots
def test_evaluate(weights, tmp_path):
    told = run("evaluate.py", "--images", 10, "--workers", 1, "--json", tmp_path / "t.json", *weights)
    assert "10 against 10 synthetic skies" in told and "peak MiB" in told
    found = json.loads((tmp_path / "t.json").read_text())
    assert {"features", "segmentation", "reading and measuring", "page"} <= set(found["seconds"])
    assert 0 < sum(found["seconds"].values()) <= found["total"]
    assert found["memory"] > 100 * 2**20


@pytest.mark.slow  # ten evaluations in a process of its own
def test_corruption(weights, tmp_path):
    writer = CollectionWriter(tmp_path / "collection")
    for k, one in enumerate(sky_sets.pictures(36)):
        cutout, annotation = Cutout(2e-4 * one.snr, beam=Beam(5.4, 5.4)), Annotation(list(one.objects), one.mask.shape)
        writer.add("s", one.name, cutout, annotation, split="val" if k < 12 else "train")
    writer.finish()
    told = run("corruption.py", tmp_path / "collection", "--images", 12, "--workers", 1, *weights)
    rows = {line.split("|")[1].strip(): line for line in told.splitlines() if line.startswith("| ")}
    assert list(rows)[2:] == [
        "real", "blurred", "noise doubled", "white noise", "shuffled", "shifted", "sources removed", "fluxes halved",
        "few, repeated", "copies",
    ]  # fmt: skip
    columns = [cell.strip() for cell in rows["corruption"].split("|")]
    halved = [cell.strip() for cell in rows["fluxes halved"].split("|")]
    assert halved[columns.index("peak flux ratio")].startswith("**0.5")
