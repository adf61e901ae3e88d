"""The benchmark of populating runs on a small map without any data and prints one table."""

import json
import os
import subprocess
import sys
from pathlib import Path

from populate_samples import library

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "populate.py"


def test_every_part_has_its_time_and_memory(tmp_path):
    stamps = library(tmp_path / "stamps.fits", 3, 2).path
    command = [sys.executable, SCRIPT, "--size", "300x200", "--objects", "40", "--workers", "1", "--stamps", stamps]
    command += ["--json", tmp_path / "lines.json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run([str(one) for one in command], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = json.loads((tmp_path / "lines.json").read_text())
    parts = [line["part"] for line in lines]
    assert parts[0] == "background" and parts[-1] == "populate, 40 objects"
    assert {"surveying", "stamps", "placing", "writing", "measuring", "exports", "pictures", "checksums"} < set(parts)
    assert all(line["memory"] > 50 and line["seconds"] >= 0 for line in lines)
    assert sum(line["seconds"] for line in lines[1:-1]) <= lines[-1]["seconds"] * 1.01
    assert result.stdout.count("CPU seconds") == 1
