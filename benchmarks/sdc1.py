"""Our SDC1 score beside that of ska-sdc 2.0.0 on the same tables, as one table.

    RADIFF_SKA_SDC=PYTHON python benchmarks/sdc1.py [--record]
    RADIFF_SKA_SDC=PYTHON python benchmarks/sdc1.py TRUTH.txt FOUND.txt [FOUND.txt ...] [--frequency 560]

PYTHON is an interpreter that has ska-sdc (pip install 'ska-sdc==2.0.0' 'setuptools<81' 'pandas<3' 'numpy<2.3'). Without
files, the tables are those of tests/challenge/sdc1_cases.py; --record keeps ska-sdc's figures for the tests. Files are
text in SDC1's columns, as 'radiff score' writes into sdc1/. The exit code is 1 where any figure differs by 1e-6.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from challenge.sdc1_cases import RECORDED, Case, cases, figures, ska_sdc_scores


def read_pair(truth: str, found: str, frequency: int) -> Case:
    """Two files as a case."""
    names = Path(truth).read_text().split("\n", 1)[0].split()
    tables = [np.loadtxt(path, skiprows=1, ndmin=2).T for path in (truth, found)]
    return Case(*(dict(zip(names, table, strict=True)) for table in tables), frequency)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", nargs="?")
    parser.add_argument("found", nargs="*")
    parser.add_argument("--frequency", type=int, default=560)
    parser.add_argument("--record", action="store_true")
    told = parser.parse_args()
    python = os.environ.get("RADIFF_SKA_SDC")
    if not python:
        parser.error("set RADIFF_SKA_SDC to an interpreter that has ska-sdc 2.0.0")
    if told.truth:
        pairs = {Path(path).stem: read_pair(told.truth, path, told.frequency) for path in told.found}
    else:
        pairs = cases()
    theirs = ska_sdc_scores(python, pairs)
    if told.record:
        RECORDED.write_text(json.dumps(theirs, indent=1, sort_keys=True) + "\n")
    heads = ("detections", "matches", "accuracy", "score", "ska-sdc", "differs")
    print(
        f"{'catalogs':18s}", *(f"{head:>{width}s}" for head, width in zip(heads, (10, 8, 12, 14, 14, 9), strict=True))
    )
    worst = 0.0
    for name, case in pairs.items():
        ours = figures(case.score())
        off = max(abs(ours[key] - theirs[name][key]) for key in ours)
        worst = max(worst, off)
        print(
            f"{name:18s} {ours['n_det']:10d} {ours['n_match']:8d} {ours['acc_pc']:12.6f} {ours['value']:14.6f} "
            f"{theirs[name]['value']:14.6f} {off:9.1e}"
        )
    print(f"largest difference of any figure (counts, accuracy, score, the seven marks): {worst:.1e}")
    sys.exit(worst > 1e-6)


if __name__ == "__main__":
    main()
