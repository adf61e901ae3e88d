"""A run of its own process, killed in the middle with no chance to clean up, goes on without gaps or doubles."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pair_samples import files_of

PROGRAM = """
import sys, time
from radiff.augment import AugmentOptions, Composer, DrawnMasks, RealImages, augment, finish_collection
from radiff.data.collection import Collection
from pair_samples import Drawer

class Slow(Drawer):
    def iterate(self, *args, **more):
        for one in super().iterate(*args, **more):
            time.sleep(float(sys.argv[3]))
            yield one

collection = Collection.open(sys.argv[1], 1)
real = RealImages.read(collection, workers=1)
masks = DrawnMasks(real, Composer(real, (1, 2)), [2, 3])
report = augment(real, masks, Slow(), sys.argv[2], AugmentOptions(12, batch_size=3))
finish_collection(sys.argv[2], report.rows, "synthetic")
"""


def start(collection, output: Path, delay: float) -> subprocess.Popen:
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", PROGRAM, str(collection.root), str(output), str(delay)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_killed_and_started_again(collection, tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert start(collection, whole, 0.0).wait(60) == 0
    journal = part / "synthetic" / "augment.jsonl"
    process = start(collection, part, 0.1)
    limit = time.monotonic() + 60
    while time.monotonic() < limit:  # until images of the second batch stand there
        if len(list(part.glob("synthetic/imgs/*.fits"))) > 4:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    lines = journal.read_text().splitlines()
    assert 1 < len(lines) < 13
    assert not (part / "index.csv").exists()
    assert start(collection, part, 0.0).wait(60) == 0
    assert files_of(part) == files_of(whole)
    images = sorted(p.name for p in (part / "synthetic" / "imgs").iterdir())
    assert images == [f"synthetic{k:06d}.fits" for k in range(12)]
