"""The benchmarks of the main road and of generating run with tiny networks and hardly any data, and print one table."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import sky_sets
from conftest import celestial_wcs
from radiff.data.collection import CollectionWriter
from radiff.masks import Annotation
from radiff.sky import Beam, Cutout

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def run(tmp_path, script, *arguments):
    environment = os.environ | {"RADIFF_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(FOLDER / script), "--json", str(tmp_path / "lines.json"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout, json.loads((tmp_path / "lines.json").read_text())


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Four val cutouts of 64 x 64 pixels, every object of 20 rms."""
    writer = CollectionWriter(tmp_path_factory.mktemp("benchmarks") / "collection")
    for one in sky_sets.pictures(4):
        cutout = Cutout(2e-4 * one.snr, celestial_wcs(one.mask.shape), Beam(5.4, 5.4))
        objects = [replace(item, info={"peak_snr": 20.0}) for item in one.objects]
        writer.add("s", one.name, cutout, Annotation(objects, one.mask.shape), split="val")
    return writer.finish().root


def test_main_road_maps_to_pack(tmp_path):
    told, lines = run(tmp_path, "main_road.py", "--maps", "2", "--workers", "1", "--only", "annotate,cut,pack")
    assert "2 synthetic maps of 300 x 300 pixels (no real ones: set RADIFF_DATA)" in told
    assert [line["step"] for line in lines] == ["annotate", "cut", "pack"]
    assert all(line["items"] > 1 and line["seconds"] > 0 and line["memory"] > 50 for line in lines)
    assert told.count("peak MiB") == 1


def test_main_road_generate(tmp_path, weights):
    more = ["--images", "2", "--steps", "1", "--batches", "1,2", "--weights", weights]
    told, lines = run(tmp_path, "main_road.py", "--maps", "1", "--only", "generate", *more)
    assert [line["items"] for line in lines] == [2, 2]
    assert " x batch 1" in told


def test_generate(tmp_path, weights):
    """The parts make up the whole, and the denoiser is seen at work."""
    more = ["--device", "cpu", "--ways", "torch fp32,torch bf16", "--large", 256, "--no-authors"]
    told, found = run(tmp_path, "generate.py", "--weights", weights, "--number", 2, "--threads", 1, *more)
    assert found["threads"] == 1 and "1 threads, device cpu" in told
    names = [line["name"] for line in found["lines"]]
    assert len(names) == 8 and all(name.startswith(("torch fp32, ", "torch bf16, ")) for name in names)
    assert sum(name.endswith("256 x 256") for name in names) == 1
    for line in found["lines"]:
        assert line["seconds"] > 0 and sum(line["parts"].values()) == pytest.approx(1.0)
        assert all(share >= 0 for share in line["parts"].values())
    assert found["lines"][0]["parts"]["denoiser"] > 0.02


def test_backends(tmp_path, weights):
    """No way says something else."""
    more = ["--rounds", 3, "--batch", 2, "--sizes", "64", "--ways", "torch,contiguous,openvino"]
    told, lines = run(tmp_path, "backends.py", "--weights", weights, *more)
    assert [line["way"] for line in lines][:2] == ["torch", "contiguous"] and lines[0]["size"] == 64
    assert all(line["seconds"] > 0 and 0 <= line["difference"] < 1e-4 for line in lines)
    assert lines[0]["speed"] == 1.0 and "times torch" in told
    assert ("openvino left out" in told) == (len(lines) == 2)


def test_samplers(tmp_path, weights, collection):
    more = ["--number", 3, "--calls", "1,2", "--ddpm", 0, "--samplers", "euler", "--threads", 1]
    told, lines = run(tmp_path, "samplers.py", collection, "--weights", weights, *more)
    assert "3 val masks" in told
    real, *made = lines
    assert real["sampler"] == "real images" and real["found"] > 0.7 and 0.9 < real["rms"] < 1.1
    assert [(line["sampler"], line["calls"]) for line in made] == [("euler", 1), ("euler", 2)]
    assert all(line["seconds"] > 0 and line["found"] <= 1 for line in made)


def test_conditions(tmp_path, weights, collection):
    told, lines = run(tmp_path, "conditions.py", collection, "--weights", weights, "--number", 3, "--steps", 2)
    assert "3 val masks" in told
    names = [line["choice"] for line in lines]
    assert names[0] == "as the weights say" and {"no peak projection", "guidance mask 1.5"} <= set(names)
    steered, left = (lines[names.index(name)] for name in ("as the weights say", "no peak projection"))
    assert steered["peak"] > left["peak"]  # what an untrained network draws is faint


def test_large_fields(tmp_path, weights):
    told, lines = run(tmp_path, "large_fields.py", "--weights", weights, "--sizes", 256, "--threads", 1)
    assert "1 = no seam" in told
    assert (lines[0]["size"], lines[0]["windows"]) == (256, 9)
    assert lines[0]["memory_mb"] > 100 and len(lines[0]["power"]) == 4
    assert re.search(r"\d ± \d", told) and 0.5 < lines[0]["rms"][0] < 2
