"""Time of each part of `radiff evaluate`, and its memory, as one table.

    python benchmarks/evaluate.py [--images 1000] [--collection FOLDER] [--features W] [--segmenter W] [--json FILE]

Images are cutouts of a collection (val against train), else synthetic skies of 128 x 128 pixels. Networks are those of
the given weights, else a ResNet18 and the segmenter named by --untrained with random weights: as slow as trained ones.
Memory is the largest sum of resident sizes of the process and its children.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from radiff.evaluate.evaluation import Evaluation, evaluate
from radiff.evaluate.networks import Networks, load_networks
from radiff.evaluate.report.page import write_report
from radiff.evaluate.sets import ImageSet, Picture, picture_of


class PeakMemory(threading.Thread):
    """Watches the resident size of this process and its children; `bytes` is the largest sum."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = 0

    def run(self) -> None:
        me = psutil.Process()
        while True:
            total = 0
            for one in [me, *me.children(recursive=True)]:
                try:
                    total += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.bytes = max(self.bytes, total)
            time.sleep(0.1)


def synthetic_picture(seed: int, size: int = 128) -> Picture:
    """Smoothed noise of rms 1 with four round sources of 10 to 100 rms; the mask is where they exceed 2 rms."""
    from scipy import ndimage

    random = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(random.normal(size=(size, size)), 1.3, mode="wrap")
    image /= image.std()
    y, x = np.indices((size, size))
    mask = np.zeros((size, size), np.uint8)
    for kind, width in ((2, 3.0), (2, 3.0), (2, 3.0), (3, 12.0)):
        px, py = random.uniform(8, size - 8, 2)
        source = 10 ** random.uniform(1, 2) * np.exp(-2.77 * ((x - px) ** 2 + (y - py) ** 2) / width**2)
        image += source
        mask[source > 2] = kind
    like = Picture("", image[:1], mask[:1], 2e-4, 10.2, 3.0)
    return picture_of(f"p{seed:06d}", image, mask, like)


def sets(options: argparse.Namespace) -> tuple[ImageSet, ImageSet, ImageSet | None, str]:
    """Real and synthetic images, the training set where asked for, and what they are."""
    n = options.images
    if options.collection:
        real, made = (ImageSet.open(options.collection, split, n, options.resampled) for split in ("val", "train"))
        train = ImageSet.open(options.collection, "train", options.train, options.resampled) if options.train else None
        return real, made, train, f"cutouts of {options.collection}"
    made_sets = [ImageSet(name, [synthetic_picture(start + k) for k in range(n)])
                 for name, start in (("real", 0), ("synthetic", n))]  # fmt: skip
    train = ImageSet("train", [synthetic_picture(2 * n + k) for k in range(options.train)]) if options.train else None
    return made_sets[0], made_sets[1], train, "synthetic skies"


def networks(options: argparse.Namespace) -> tuple[Networks, str]:
    """Networks of the given weights, or untrained ones of the same sizes."""
    if options.features or options.segmenter:
        found = load_networks(options.features or "none", options.segmenter or "none", options.device)
        return found, ", ".join(found.names.values())
    from radiff.models.resnet import ResNet18, ResNetConfig
    from radiff.models.segmenter import SEGMENTERS, build_segmenter

    segmenter = build_segmenter(SEGMENTERS[options.untrained])
    return Networks(ResNet18(ResNetConfig()), segmenter, options.device), f"untrained ResNet18 and {options.untrained}"


def table(found: Evaluation, total: float, writing: float, memory: int, title: str) -> Table:
    """Seconds and share of each part."""
    drawn = Table(title=title, title_justify="left")
    for name in ("part", "s", "share"):
        drawn.add_column(name, justify="left" if name == "part" else "right")
    parts = {**found.seconds, "page": writing}
    rest = total - sum(parts.values())
    for name, value in [*sorted(parts.items(), key=lambda p: -p[1]), ("rest (baseline, start of processes)", rest)]:
        drawn.add_row(name, f"{value:.1f}", f"{100 * value / total:.0f} %")
    drawn.add_section()
    drawn.add_row("all", f"{total:.1f}", "100 %")
    drawn.add_row("CPU, all processes", f"{sum(os.times()[:4]):.1f}", "")
    drawn.add_row("peak MiB", f"{memory / 2**20:.0f}", "")
    return drawn


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000, help="of each set")
    parser.add_argument("--train", type=int, default=0, help="so many training images to look for copies in")
    parser.add_argument("--collection", type=Path, help="folder made by 'radiff cut'")
    parser.add_argument("--resampled", action="store_true", help="also cutouts of 'radiff resample'")
    parser.add_argument("--features", default="", help="weights of the feature network")
    parser.add_argument("--segmenter", default="", help="weights of the segmenter")
    parser.add_argument("--untrained", default="light-unet", help="segmenter without weights: its name")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    options = read_options()
    nets, names = networks(options)
    real, made, train, what = sets(options)
    memory = PeakMemory()
    memory.start()
    start = time.perf_counter()
    found = evaluate(real, made, train, nets, workers=options.workers)
    with tempfile.TemporaryDirectory(prefix="radiff-benchmark-") as folder:
        before = time.perf_counter()
        write_report(folder, found)
        writing = time.perf_counter() - before
    total = time.perf_counter() - start
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    title = f"{len(real)} against {len(made)} {what}; {names}; {options.workers} processes, OMP_NUM_THREADS {threads}"
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table(found, total, writing, memory.bytes, title))
    if options.json:
        content: dict[str, Any] = {"seconds": {**found.seconds, "page": writing}, "total": total}
        options.json.write_text(json.dumps({**content, "images": options.images, "memory": memory.bytes}) + "\n")


if __name__ == "__main__":
    main()
