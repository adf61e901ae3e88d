"""The benchmark of the main road runs without any data and prints one table."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "main_road.py"


def run(tmp_path, *arguments):
    environment = os.environ | {"RADIFF_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), "--json", str(tmp_path / "lines.json"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout, json.loads((tmp_path / "lines.json").read_text())


def test_maps_to_pack(tmp_path):
    told, lines = run(tmp_path, "--maps", "2", "--workers", "1", "--only", "annotate,cut,pack")
    assert "2 synthetic maps of 300 x 300 pixels (no real ones: set RADIFF_DATA)" in told
    assert [line["step"] for line in lines] == ["annotate", "cut", "pack"]
    assert all(line["items"] > 1 and line["seconds"] > 0 and line["memory"] > 50 for line in lines)
    assert told.count("peak MiB") == 1


def test_generate(tmp_path, weights):
    more = ["--images", "2", "--steps", "1", "--batches", "1,2", "--weights", str(weights)]
    told, lines = run(tmp_path, "--maps", "1", "--only", "generate", *more)
    assert [line["items"] for line in lines] == [2, 2]
    assert " x batch 1" in told
