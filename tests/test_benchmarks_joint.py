"""The table of all figures runs on a small collection, judges the real images as they are, and goes on where it was."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import sky_sets
from radiff.data.collection import CollectionWriter
from radiff.evaluate.joint.table import FIGURES
from radiff.masks import Annotation
from radiff.models.io import Part, save_weights
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config
from radiff.sky import Beam, Cutout

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "joint.py"
RMS = 2e-4


@pytest.fixture(scope="module")
def joint():
    spec = importlib.util.spec_from_file_location("joint_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    root = tmp_path_factory.mktemp("networks")
    scaling = {"scaling": {"name": "snr-asinh", "softness": 2.0}}
    features, segmenter = ResNet18(ResNetConfig(widths=(4, 4, 4, 6))), build_segmenter(LightUNetConfig((8, 16), 4))
    save_weights(root / "f", {"features": Part(features, features.config.to_dict())}, scaling)
    save_weights(root / "s", {"segmenter": Part(segmenter, segmenter_config(segmenter))}, scaling)
    return ["--features", str(root / "f"), "--segmenter", str(root / "s")]


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    """Real cutouts, and made ones of the same masks whose noise was 0.9 of what was asked, as their headers say."""
    root = tmp_path_factory.mktemp("joint")
    real, made = CollectionWriter(root / "real"), CollectionWriter(root / "made")
    for k, one in enumerate(sky_sets.picture(k, k % 8 == 7, 128) for k in range(18)):
        objects = Annotation(list(one.objects), one.mask.shape)
        columns = {"split": "val" if k < 12 else "train", "group": str(k)}
        real.add("s", one.name, Cutout(RMS * one.snr, beam=Beam(5.4, 5.4)), objects, **columns)
        if k < 12:
            noise = np.random.default_rng(k).normal(0, RMS, one.snr.shape)
            told = {"rms_asked": RMS, "noise_before": 0.9, "noise_measured": True, "seed": k}
            image = np.where(one.mask > 0, RMS * one.snr, noise)
            made.add("s", one.name, Cutout(image, beam=Beam(5.4, 5.4), provenance=told), objects)
    other = sky_sets.picture(99)
    made.add("s", "stranger", Cutout(RMS * other.snr), Annotation(list(other.objects), other.mask.shape))
    real.finish()
    made.finish()
    return root / "real", root / "made"


def values(path, name):
    told = json.loads(path.read_text())
    one = next(s for s in told["sets"] if s["name"] == name)
    return one, {line["title"]: line for line in one["lines"]}


@pytest.mark.filterwarnings("ignore")
def test_every_figure_in_one_table(joint, collections, weights, tmp_path, capsys):
    real, made = map(str, collections)
    arguments = [real, made, "--ceiling", "--fields", "--smoke", "-o", str(tmp_path / "t.json"), *weights]
    assert joint.main(arguments) == 0
    told = capsys.readouterr()
    assert "1 images left out: stranger: no real image has its name and mask" in told.err
    assert "real images: 12 images" in told.out and "NOT met" in told.out
    one, lines = values(tmp_path / "t.json", "real images")
    assert list(one["seconds"]) == list(FIGURES)
    assert lines["peak over asked, median"]["value"]["value"] == 1.0
    ratios = [line["value"]["value"] for title, line in lines.items() if title.startswith("power")]
    assert ratios == [1.0] * 8
    one, lines = values(tmp_path / "t.json", made)
    assert one["images"] == 12 and one["left_out"] == ["stranger: no real image has its name and mask"]
    assert lines["noise rms over asked, clipped, median"]["value"]["value"] == pytest.approx(0.9, abs=0.01)
    assert lines["power band 8, to 0.500 cycles a pixel"]["value"]["value"] > 10  # white noise beside a beam's
    assert lines["peak over asked, median"]["value"]["value"] == pytest.approx(1.0, abs=0.05)
    one, lines = values(tmp_path / "t.json", "noise fields")
    assert "peaks" not in one["seconds"] and "islands above +3.5 rms, made over real" in lines


@pytest.mark.filterwarnings("ignore")
def test_an_interrupted_run_goes_on(joint, collections, tmp_path, monkeypatch):
    real, made = map(str, collections)
    arguments = [real, made, "--limit", "6", "-o", str(tmp_path / "t.json")]
    assert joint.main([*arguments, "--only", "rms"]) == 0
    monkeypatch.setitem(FIGURES, "rms", lambda _: pytest.fail("computed again"))
    assert joint.main([*arguments, "--only", "rms,moments"]) == 0
    one, _ = values(tmp_path / "t.json", made)
    assert list(one["seconds"]) == ["rms", "moments"] and one["images"] == 6


def test_what_cannot_be_judged_is_refused(joint, collections, tmp_path, capsys):
    real, made = map(str, collections)
    for arguments, said in (
        ([real], "nothing to judge: name folders of generated images, or give --ceiling or --fields"),
        ([real, made, "--only", "colour"], "--only colour: there is no such figure; there are rms, bands"),
        ([real, str(tmp_path / "none")], "no such folder"),
    ):
        assert joint.main(arguments) == 2
        assert said in capsys.readouterr().err
