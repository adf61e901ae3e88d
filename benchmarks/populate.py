"""A large map populated: time of each part, CPU time, and the memory of all processes together.

    python benchmarks/populate.py [--size 15000x12000] [--objects 10000] [--workers 2] [--stamps FILE] [--folder DIR]

The background is simulated, stamps are generated with the weights in the package (or come from a library), then the map
is populated: nine objects in ten are compact. CPU time and memory (proportional set size, so that shared pages count
once) are those of this process and all it has started, looked at ten times a second.
"""

import argparse
import json
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from radiff.masks import COMPACT, EXTENDED, SPURIOUS
from radiff.parallel import open_pool
from radiff.populate import Number, PopulateOptions, drawn_specs, make_stamps, populate, write_stamps
from radiff.populate.backgrounds import BackgroundOptions, noise_model, simulate_noise
from radiff.sky import Beam
from radiff.sky.noise_source import open_noise


class Watch(threading.Thread):
    """Looks at CPU time and memory of all processes ten times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, float, float]] = []
        self.cpu: dict[int, float] = {}
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.look()

    def look(self) -> None:
        """Note the time (s), the CPU time (s) and the memory (bytes) of all processes."""
        memory = 0
        me = psutil.Process()
        for one in [me, *me.children(recursive=True)]:
            try:
                times = one.cpu_times()
                self.cpu[one.pid] = times.user + times.system
                memory += one.memory_full_info().pss
            except (psutil.Error, ProcessLookupError):
                continue
        self.seen.append((time.perf_counter(), sum(self.cpu.values()), memory))

    def between(self, start: float, end: float) -> tuple[float, float]:
        """CPU time (s) spent and largest memory (MiB) from `start` to `end`."""
        before = [cpu for t, cpu, _ in self.seen if t <= start] or [self.seen[0][1]]
        upto = [cpu for t, cpu, _ in self.seen if t <= end] or [self.seen[0][1]]
        memory = [m for t, _, m in self.seen if start <= t <= end] or [self.seen[-1][2]]
        return upto[-1] - before[-1], max(memory) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="15000x12000", help="columns x rows")
    parser.add_argument("--objects", type=int, default=10000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--stamps", type=Path, help="library; default: generated")
    parser.add_argument("--generate", type=int, default=64, help="stamps to generate")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--noise", default="beam", help="of the background: a spectrum, first, nvss or beam")
    parser.add_argument("--background", type=Path, help="map to populate; default: simulated")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        lines = run(arguments, arguments.folder or Path(temporary))
    table = Table("part", "seconds", "CPU seconds", "peak MiB")
    for line in lines:
        table.add_row(line["part"], *(f"{line[key]:,.1f}" for key in ("seconds", "cpu")), f"{line['memory']:,.0f}")
    Console(width=100).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(lines))


def run(arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """All parts, one line each."""
    folder.mkdir(parents=True, exist_ok=True)
    nx, ny = (int(n) for n in arguments.size.split("x"))
    watch = Watch()
    watch.look()
    watch.start()
    lines: list[dict[str, Any]] = []

    def note(part: str, start: float, end: float) -> None:
        cpu, memory = watch.between(start, end)
        lines.append({"part": part, "seconds": end - start, "cpu": cpu, "memory": memory})

    start = time.perf_counter()
    stamps = arguments.stamps
    if stamps is None:
        stamps = folder / "stamps.fits"
        generate(stamps, arguments)
        note(f"{arguments.generate} stamps", start, time.perf_counter())
    start = time.perf_counter()
    background = arguments.background
    if background is None:
        background = folder / "noise.fits"
        options = BackgroundOptions((ny, nx), Beam(6.5, 5.2, 30.0), 1.5, 5e-5, (150.0, -30.0))
        with open_pool(arguments.workers, None, folder / "dask") as pool:
            noise = open_noise(arguments.noise, None, options.beam, options.pixel_scale)
            simulate_noise(background, options, pool, noise_model([[noise]], options.grid))
        note("background", start, time.perf_counter())
    some = arguments.objects // 20
    numbers = {COMPACT: Number(arguments.objects - 2 * some), EXTENDED: Number(some), SPURIOUS: Number(some)}
    options = PopulateOptions(numbers, seed=1)
    start = time.perf_counter()
    made = populate(background, folder / "package", options, stamps=stamps, workers=arguments.workers, overwrite=True)
    end = time.perf_counter()
    watch.over.set()
    watch.join()
    watch.look()
    at = end - sum(made.seconds.values())
    for step, seconds in made.seconds.items():
        note(step, at, at + seconds)
        at += seconds
    note(f"populate, {sum(made.placed.values()):,} objects", start, end)
    return lines


def generate(path: Path, arguments: argparse.Namespace) -> None:
    """A library of extended and spurious stamps, half each."""
    from radiff.generate import Generator

    generator = Generator(arguments.weights)
    half = arguments.generate // 2
    specs = [*drawn_specs(half, EXTENDED, 0, 4.0), *drawn_specs(half, SPURIOUS, half, 4.0)]
    images = generator.images(generator.options(num_steps=arguments.steps))
    found = [one for one in make_stamps(specs, images) if one is not None]
    write_stamps(path, found, {"SEED": 0})


if __name__ == "__main__":
    main()
