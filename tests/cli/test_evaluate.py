"""``radiff evaluate`` and ``radiff report compare``: files written, text printed, exit codes."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import bad_inputs
import sky_sets
from radiff.cli.main import app
from radiff.data.collection import CollectionWriter
from radiff.masks import Annotation
from radiff.sky import Beam, Cutout

RMS = 2e-4


def write(folder, pictures, split):
    writer = CollectionWriter(folder)
    for one in pictures:
        cutout = Cutout(RMS * one.snr, beam=Beam(5.4, 5.4))
        writer.add("s", one.name, cutout, Annotation(list(one.objects), one.mask.shape), split=split)
    writer.finish()
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Real val cutouts, and synthetic ones of the same masks: other noise, half the flux."""
    root = tmp_path_factory.mktemp("sets")
    real = sky_sets.pictures(12)
    made = [
        sky_sets.picture_of(p.name, 0.5 * (p.snr - sky_sets.noise((11, k))) + sky_sets.noise((99, k)), p.mask, p)
        for k, p in enumerate(real)
    ]
    return write(root / "real", real, "val"), write(root / "made", made, "")


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    from radiff.models.io import Part, save_weights
    from radiff.models.resnet import ResNet18, ResNetConfig
    from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config

    root = tmp_path_factory.mktemp("networks")
    features, segmenter = ResNet18(ResNetConfig(widths=(4, 4, 4, 8))), build_segmenter(LightUNetConfig((8, 16), 4))
    info = {"scaling": {"name": "snr-asinh", "softness": 2.0}}
    save_weights(root / "f", {"features": Part(features, features.config.to_dict())}, info)
    save_weights(root / "s", {"segmenter": Part(segmenter, segmenter_config(segmenter))}, info)
    return ["--features", root / "f", "--segmenter", root / "s", "--device", "cpu"]


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def report(folders, networks, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report"
    result = run("evaluate", *folders, "-o", out, "--split", "val", "--paired", "--workers", 1, *networks)
    assert result.exit_code == 0, result.output
    return out, result


def test_the_report_is_written(report):
    out, result = report
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    content = json.loads((out / "report.json").read_text())
    figures = {m["key"]: m["value"] for m in content["metrics"]}
    assert figures["fid"]["n"] == [12, 12]
    assert figures["flux_peak_all"]["value"] == pytest.approx(0.5, rel=0.1)
    assert content["settings"]["paired"] is True
    assert content["settings"]["real"]["name"].endswith("real, split val")
    assert str(out / "report.html") in result.stdout
    assert "FID, Frechet distance of features, Eq. 9: " in result.stdout
    assert " s  features" in result.stdout


def test_without_networks_and_pairs(folders, tmp_path):
    options = ["--features", "none", "--segmenter", "none", "--limit", 8, "--workers", 1, "--train", folders[0]]
    result = run("evaluate", *folders, "-o", tmp_path, *options)
    assert result.exit_code == 2  # the collection has no train split
    assert "no cutout is in the split 'train'" in result.stderr
    result = run("evaluate", *folders, "-o", tmp_path, *options[:-2])
    assert result.exit_code == 0, result.output
    keys = {m["key"] for m in json.loads((tmp_path / "report.json").read_text())["metrics"]}
    assert "noise_deviation" in keys and "ssim" not in keys and "fid" not in keys


def test_a_bad_file_among_others_is_listed(folders, tmp_path):
    made = write(tmp_path / "made", sky_sets.pictures(6), "")
    (made / "s/imgs/p0003.fits").write_bytes(b"nonsense")
    options = ["--features", "none", "--segmenter", "none", "--workers", 1]
    result = run("evaluate", folders[0], made, "-o", tmp_path / "r", *options)
    assert result.exit_code == 1
    assert "1 of 18 files could not be used, the others are done" in result.stderr
    assert "p0003.fits" in result.stderr
    content = json.loads((tmp_path / "r/report.json").read_text())
    assert content["settings"]["synthetic"]["images"] == 5
    assert len(content["failures"]) == 1
    assert "p0003.fits" in (tmp_path / "r/report.html").read_text()


def test_refusals(folders, networks, tmp_path):
    plain = ["--features", "none", "--segmenter", "none", "--workers", 1]
    for arguments, part in [
        ([tmp_path / "none", folders[1], *plain], "no such folder"),
        ([*folders, "--split", "test", *plain], "no cutout is in the split 'test'"),
        ([*folders, "--features", tmp_path], "is no weights folder"),
        ([*folders, "--device", "gpu0", *plain], "'gpu0' is no device; there are: auto, cpu, cuda"),
        ([*folders, *plain, "-o", bad_inputs.READ_ONLY], "cannot write into this folder"),
        (
            [folders[0], write(tmp_path / "m", sky_sets.pictures(2, 50), ""), "--paired", *plain],
            "no synthetic image has",
        ),
    ]:
        result = run("evaluate", *arguments)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("radiff: ") and result.stderr.count("\n") == 1, result.stderr
        assert part in result.stderr


def test_reports_side_by_side(report, tmp_path):
    out, _ = report
    other = tmp_path / "other"
    other.mkdir()
    content = json.loads((out / "report.json").read_text())
    content["metrics"] = content["metrics"][:3]
    (other / "report.json").write_text(json.dumps(content))
    result = run("report", "compare", out / "report.json", other)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("# Reports side by side")
    assert "| FID, Frechet distance of features, Eq. 9 | lower |" in result.stdout
    result = run("report", "compare", out, other, "-o", tmp_path / "t.md")
    assert (tmp_path / "t.md").read_text().startswith("# Reports side by side")
    assert result.stdout.strip() == str(tmp_path / "t.md")


def test_refusals_of_compare(report, tmp_path):
    out, _ = report
    for arguments, part in [([out], "give at least two"), ([out, tmp_path / "none.json"], "no such file")]:
        result = run("report", "compare", *arguments)
        assert result.exit_code == 2
        assert part in result.stderr


def test_cutouts_are_read_as_they_were_written(folders):
    from radiff.evaluate.sets import ImageSet

    real, made = (ImageSet.open(folder) for folder in folders)
    assert real.names == made.names
    assert real.picture(3).mask_key == made.picture(3).mask_key
    assert np.isfinite(real.picture(3).snr).all()
