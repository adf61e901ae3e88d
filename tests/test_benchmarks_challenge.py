"""The benchmarks of finders and of the SDC1 score run, and say what they are for."""

import os
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def run(script, *arguments, **environment):
    command = [sys.executable, str(FOLDER / script), *arguments]
    told = {key: value for key, value in os.environ.items() if key != "RADIFF_SKA_SDC"} | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=told)


def test_finders():
    done = run("finders.py", "--finders", "sep", "--size", "200x240", "--count", "20", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert "240 x 200 pixels, " in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["sep"]).split()
    assert float(row[1]) > 0 and float(row[2]) > 50  # seconds, MB
    assert float(row[4]) > 0.7  # completeness
    assert re.search(r"(0\.9|1\.0)\d\d ± 0\.\d", done.stdout)


def test_the_score_needs_ska_sdc():
    done = run("sdc1.py")
    assert done.returncode == 2
    assert "set RADIFF_SKA_SDC to an interpreter that has ska-sdc 2.0.0" in done.stderr
