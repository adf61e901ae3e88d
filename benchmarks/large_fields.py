"""Fields of several sizes in one call: time, memory, and whether the borders of the windows can be seen.

    python benchmarks/large_fields.py [--weights FOLDER] [--sizes 256,512,1024,2048] [--json FILE]

Each size runs in a process of its own, so that its memory is its own. The field is empty sky, drawn without a mask, so
that the network works on all of it and not on objects alone. Noise rms and power are measured in strips of 16 pixels
across the middles of the windows' overlaps and, beside them, across the middles of the windows, and their ratio is
printed: 1 means that no border can be seen. The error is that of the mean over the strips.
"""

import argparse
import json
import multiprocessing
import resource
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

STRIP = 16
BANDS = 4


def strips(image: np.ndarray, centres: list[int]) -> list[np.ndarray]:
    """Rows and columns of `image`, `STRIP` pixels wide, about `centres`."""
    half = STRIP // 2
    return [part for c in centres for part in (image[c - half : c + half], image[:, c - half : c + half].T)]


def powers(parts: list[np.ndarray]) -> np.ndarray:
    """Power along each strip in `BANDS` bands of frequency, (strips, bands): of the mean and the rows alike."""
    lines = np.stack([(np.abs(np.fft.rfft(p - p.mean(), axis=1)) ** 2).mean(0)[1:] for p in parts])
    return np.stack([b.mean(1) for b in np.array_split(lines, BANDS, axis=1)], axis=1)


def across(parts: list[np.ndarray]) -> np.ndarray:
    """Mean square of the step between neighbouring pixels across each strip's middle: a seam would raise it."""
    half = STRIP // 2
    return np.array([np.square(p[half] - p[half - 1]).mean() for p in parts])


def run(size: int, weights: str, threads: int | None, seed: int) -> dict[str, Any]:
    """Make one field and measure it."""
    if threads:
        torch.set_num_threads(threads)
    warnings.simplefilter("ignore")
    from radiff.generate import Generator
    from radiff.generate.denoising import windows

    generator = Generator(weights)
    factor = generator.autoencoder.config.factor
    generator.generate([np.zeros((128, 128), np.uint8)], [0], num_steps=1, unconditional=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    cutout = generator.generate([np.zeros((size, size), np.uint8)], [seed], unconditional=True)[0]
    seconds = time.perf_counter() - start
    image = cutout.image / cutout.rms
    spans = sorted({(factor * x.start, factor * x.stop) for _, x in windows((size // factor, size // factor))})
    borders = [(a[1] + b[0]) // 2 for a, b in pairwise(spans)]
    middles = [(a + b) // 2 for a, b in spans]
    ratios = {}
    for name, measure in (("rms", lambda p: np.array([x.std() for x in p])), ("step", lambda p: np.sqrt(across(p)))):
        there, here = measure(strips(image, borders)), measure(strips(image, middles))
        error = np.hypot(
            there.std() / np.sqrt(len(there)) / there.mean(), here.std() / np.sqrt(len(here)) / here.mean()
        )
        ratios[name] = [float(there.mean() / here.mean()), float(error)]
    there, here = powers(strips(image, borders)), powers(strips(image, middles))
    ratios["power"] = [float(v) for v in there.mean(0) / here.mean(0)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "size": size,
        "windows": len(spans) ** 2,
        "seconds": seconds,
        "memory_mb": memory / 1024,
        "more_mb": (memory - before) / 1024,
        **ratios,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--sizes", default="256,512,1024,2048")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sizes = [int(text) for text in arguments.sizes.split(",")]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        jobs = [(size, arguments.weights, arguments.threads, arguments.seed) for size in sizes]
        lines = [pool.apply(run, job) for job in jobs]
    table = Table(title="borders of the windows over their middles: 1 = no seam")
    for name in ("side", "windows", "s", "s a cutout", "memory MB", "rms", "step", "power in 4 bands along the strip"):
        table.add_column(name, justify="right")
    for line in lines:
        each = line["seconds"] / (line["size"] / 128) ** 2
        rms, step = (f"{line[name][0]:.3f} ± {line[name][1]:.3f}" for name in ("rms", "step"))
        power = " ".join(f"{v:.3f}" for v in line["power"])
        memory = f"{line['memory_mb']:.0f} (+{line['more_mb']:.0f})"
        cells = (f"{line['seconds']:.1f}", f"{each:.3f}", memory, rms, step, power)
        table.add_row(str(line["size"]), str(line["windows"]), *cells)
    Console(width=130).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
