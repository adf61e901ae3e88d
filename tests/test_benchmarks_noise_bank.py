"""The script that makes the bank in the box, on three real fields."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from radiff.sky import NoiseBank

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "noise_bank.py"


@pytest.mark.slow
def test_a_bank_of_three_fields(real_data, tmp_path):
    with (real_data / "vla" / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and float(row["nanfrac"]) == 0]
    chosen = [next(r for r in rows if r["set"] == name) for name in ("first_mirabest", "first_frdeep", "nvss_frdeep")]
    for row in chosen:
        link = tmp_path / "vla" / row["file"]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(real_data / "vla" / row["file"])
    with (tmp_path / "vla" / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, chosen[0].keys())
        writer.writeheader()
        writer.writerows(chosen)
    folders = [str(tmp_path / "vla" / row["set"]) for row in chosen]
    annotate = [sys.executable, "-m", "radiff", "annotate", *folders, "-o", str(tmp_path / "annotated")]
    subprocess.run(annotate, check=True, capture_output=True)
    output = tmp_path / "bank.fits"
    command = [sys.executable, str(SCRIPT), str(tmp_path / "vla"), str(tmp_path / "annotated"), "-o", str(output)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told.startswith("3 of 3 fields in ")
    bank = NoiseBank.open(output)
    assert bank.surveys == ["first", "nvss"] and len(bank) == 3
    first = bank.spectrum(0)
    assert first.side == 128 and first.beam.maj == pytest.approx(5.4) and first.residuals.turned == 1.0
    assert bank.spectrum(2).residuals.turned == 0.0
