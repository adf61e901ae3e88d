"""The benchmark of training runs without any data and prints crops a second."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "training.py"


def test_crops_a_second(tmp_path):
    lines = tmp_path / "lines.json"
    command = [sys.executable, str(SCRIPT), "--smoke", "--device", "cpu", "--workers", "1", "--json", str(lines)]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(lines.read_text())
    assert [line["what"] for line in found] == ["loader", "whole step"]
    assert all(line["crops"] == 4 and line["seconds"] > 0 for line in found)
    assert "3 fields; cpu" in result.stdout
