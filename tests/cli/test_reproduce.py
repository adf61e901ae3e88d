"""``radiff reproduce``: rows of ours and of other models, files, refusals."""

import json
import sys

import pytest
import torch
from typer.testing import CliRunner

from radiff.cli.main import app
from radiff.data.collection import CollectionWriter
from radiff.masks import Annotation
from radiff.models.io import Part, save_weights
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config
from radiff.paper.baselines import BASELINES, PART, baseline_config, load_baseline
from radiff.paper.baselines.dcgan import DcganConfig
from radiff.paper.baselines.spade import SpadeConfig
from radiff.sky import Beam, Cutout
from sky_sets import picture, pictures

RMS = 2e-4
TRAINED = {"step": 7, "seconds": 600, "processor_seconds": 300}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A collection of 12 val and 8 train cutouts; weights of small random networks."""
    root = tmp_path_factory.mktemp("reproduce")
    writer = CollectionWriter(root / "collection")
    for k, one in enumerate(pictures(20)):
        cutout = Cutout(RMS * one.snr, beam=Beam(5.4, 5.4))
        writer.add("s", one.name, cutout, Annotation(list(one.objects), (64, 64)), split="val" if k < 12 else "train")
    writer.finish()
    features, segmenter = ResNet18(ResNetConfig(widths=(4, 4, 4, 4))), build_segmenter(LightUNetConfig((8, 16), 4))
    info = {"scaling": {"name": "snr-asinh", "softness": 2.0}}
    save_weights(root / "f", {"features": Part(features, features.config.to_dict())}, info)
    save_weights(root / "s", {"segmenter": Part(segmenter, segmenter_config(segmenter))}, info)
    return root


@pytest.fixture
def run(folders, weights, tmp_path):
    def call(table, *more):
        arguments = [
            table, folders / "collection", "-o", tmp_path / "out", "--weights", weights, "--features", folders / "f",
            "--segmenter", folders / "s", "--device", "cpu", "--workers", 1, "--steps", 1, *more,
        ]  # fmt: skip
        return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])

    return call


def test_table_3(run, tmp_path):
    result = run("table3")
    assert result.exit_code == 0, result.output
    assert "| radiff, unconditional | 12 | " in result.stdout
    assert result.stdout == (tmp_path / "out" / "table3.md").read_text()


def test_table_4_with_another_model(run, tmp_path, monkeypatch):
    code = "import numpy as np\n\ndef draw(specs):\n    return [s.rms * s.background.snr for s in specs]\n"
    (tmp_path / "my_models.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    result = run("table4", "--model", "mine=my_models:draw", "--limit", 8)
    sys.modules.pop("my_models", None)
    assert result.exit_code == 0, result.output
    names = [line["name"] for line in json.loads((tmp_path / "out/table4.json").read_text())["lines"]]
    assert names == [
        "real images", "radiff, no-bg", "radiff, self", "radiff, self-masked", "radiff, other", "mine",
    ]  # fmt: skip
    assert "it tells the network the answer" in result.stdout
    assert "| SPADE | 73.49 | 26.84 | 36.19 |" in result.stdout


def baseline(folder, name, config):
    """Weights of a small random baseline."""
    network = BASELINES[name].network(config)
    for parameter in network.parameters() if name == "dcgan" else ():
        parameter.data *= 4.0  # starts with images near zero
    info = {"scaling": {"name": "snr-asinh", "softness": 2.0}, "training": {name: TRAINED}}
    return save_weights(folder, {PART: Part(network, baseline_config(network))}, info)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A collection of 8 val cutouts of 128 x 128 pixels."""
    root = tmp_path_factory.mktemp("large")
    writer = CollectionWriter(root)
    for one in (picture(k, k == 7, 128) for k in range(8)):
        cutout = Cutout(RMS * one.snr, beam=Beam(5.4, 5.4))
        writer.add("s", one.name, cutout, Annotation(list(one.objects), one.mask.shape), split="val")
    writer.finish()
    return root


def run_baselines(table, large, folders, tmp_path, *weights):
    arguments = [
        table, large, "-o", tmp_path / "out", "--features", folders / "f", "--segmenter", folders / "s",
        "--device", "cpu", "--workers", 1, *(text for one in weights for text in ("--weights", one)),
    ]  # fmt: skip
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


def test_baselines_stand_in_the_tables(large, folders, tmp_path):
    torch.manual_seed(0)
    dcgan = baseline(tmp_path / "dcgan", "dcgan", DcganConfig(5, (8, 8, 4, 4, 4)))
    spade = baseline(tmp_path / "spade", "spade", SpadeConfig(2, 4, 6))
    result = run_baselines("table3", large, folders, tmp_path, dcgan)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("| DCGAN | 8 | ")]
    assert "| 0.00 M | 5.0 | " in line
    result = run_baselines("table4", large, folders, tmp_path, spade)
    assert result.exit_code == 0, result.output
    lines = json.loads((tmp_path / "out/table4.json").read_text())["lines"]
    assert [line["name"] for line in lines] == ["real images", "SPADE, no-bg", "SPADE, self-masked"]
    assert lines[1]["parameters"] == sum(p.numel() for p in load_baseline(spade).parameters())
    assert lines[1]["trained"] == 5.0
    assert {"fid", "coverage", "spread", "score", "ssim"} <= set(lines[2]["figures"])
    for table, weights, part in (
        ("table3", spade, "SPADE draws from masks: it belongs in table4"),
        ("table4", dcgan, "DCGAN knows no masks: table3 is for it"),
    ):
        result = run_baselines(table, large, folders, tmp_path, weights)
        assert result.exit_code == 2 and part in result.output


def test_refusals(run):
    for arguments, part in [
        (["table2"], "'table2' is no table that can be reproduced; there are: table3, table4, table5"),
        (["table3", "--model", "x"], "give NAME=MODULE:FUNCTION"),
        (["table3", "--model", "x=no_such_module:draw"], "No module named 'no_such_module'"),
        (["table3", "--split", "test"], "no cutout is in the split 'test'"),
        (["table3", "--limit", "4"], "FID on 4 features needs at least 5 images"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert part in result.stderr
