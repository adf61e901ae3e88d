"""Time, memory and errors of every finder on a simulated map whose sources are known, as one table.

    python benchmarks/finders.py [--finders sep,pybdsf,aegean] [--size 800x1000] [--count 250] [--galactic]

The map is that of tests/challenge/simulated.py: Gaussians of 4 to 200 times the noise, a tenth of them artefacts, a
third wider than the beam (6 x 4.8 arcsec, 4 x 3.2 pixels). Errors are those of matched sources above 15 times the
noise. Memory is the largest resident size of any process so far: the largest of this finder and those before it.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from challenge.simulated import write_package
from radiff.challenge.answers import read_answer
from radiff.challenge.scoring import Scored, score
from radiff.challenge.submission import read_submission

HEADS = (
    ("finder", 8), ("s", 6), ("MB", 6), ("found", 6), ("complete", 9), ("reliable", 9), ("flux", 15), ("major", 15),
    ("offset, arcsec", 14), ("angle, deg", 11),
)  # fmt: skip
BRIGHT = 15.0


def run(finder: str, package: Path, output: Path) -> tuple[float, float]:
    """Run ``radiff detect``; seconds and megabytes."""
    command = [sys.executable, "-m", "radiff", "detect", package / "map.fits", "-o", output, "--finder", finder]
    start = time.perf_counter()
    done = subprocess.run(
        [*map(str, command), "--workers", "1", "--no-regions"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def ratio(values: np.ndarray) -> str:
    middle = np.nanmedian(values)
    return f"{middle:.3f} ± {1.4826 * np.nanmedian(np.abs(values - middle)):.3f}"


def row(one: Scored, kinds: np.ndarray) -> list[str]:
    """Completeness, reliability and errors as text."""
    bright = one.pairs["snr"] > BRIGHT
    wide = bright & (kinds[one.match.pairs[:, 0]] == "extended")
    shares = [one.figures[name]["value"] for name in ("completeness", "reliability")]
    return [
        f"{one.figures['judged']}", *(f"{share:.3f}" for share in shares), ratio(one.pairs["int_flux"][bright]),
        ratio(one.pairs["maj"][bright]), f"{np.median(one.pairs['separation'][bright]):.3f}",
        f"{np.nanmedian(np.abs(one.pairs['pa'][wide])):.1f} ({int(np.isfinite(one.pairs['pa'][wide]).sum())})",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finders", default="sep,pybdsf,aegean")
    parser.add_argument("--size", default="800x1000", help="rows x columns")
    parser.add_argument("--count", type=int, default=250)
    parser.add_argument("--galactic", action="store_true", help="a galactic TAN map, turned by 25 deg")
    told = parser.parse_args()
    ny, nx = map(int, told.size.split("x"))
    more = {"frame": "G", "center": (344.0, 1.5), "turn": 25.0, "projection": "TAN"} if told.galactic else {}
    with tempfile.TemporaryDirectory() as name:
        package = write_package(Path(name) / "sky", (ny, nx), told.count, seed=3, apart=35.0, **more)
        answer = read_answer(package)
        print(f"{nx} x {ny} pixels, {int((~answer.spurious).sum())} sources, {int(answer.spurious.sum())} artefacts")
        print("  ".join(f"{head:>{width}s}" for head, width in HEADS))
        for finder in told.finders.split(","):
            output = Path(name) / f"{finder}.fits"
            seconds, megabytes = run(finder, package, output)
            one = score(answer, [(finder, read_submission(output))]).entries[0]
            cells = [finder, f"{seconds:.1f}", f"{megabytes:.0f}", *row(one, answer.columns["class"])]
            print("  ".join(f"{cell:>{width}s}" for cell, (_, width) in zip(cells, HEADS, strict=True)), flush=True)
    print(f"errors: medians and scatter above {BRIGHT:g} times the noise; angles of wide, elongated sources (number)")


if __name__ == "__main__":
    main()
