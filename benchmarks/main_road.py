"""Time and memory of every step of the main road, from maps to generated cutouts, as one table.

    python benchmarks/main_road.py [--maps 48] [--only annotate,cut] [--weights FOLDER] [--json FILE]

Maps are real ones from $RADIFF_DATA (default: ../shared/data beside the repository), else synthetic. Every line runs in
a process of its own. Times are of the work alone, without imports and the first training steps or images; memory is
the largest sum of resident sizes of that process and its children, imports included.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
STEPS = ("annotate", "cut", "pack", "train autoencoder", "train denoiser", "generate")
WARM_UP = 2  # training steps that do not count


@dataclass(frozen=True)
class Case:
    """One line of the table: a step, its settings, and the settings of the line that the ratio is taken to."""

    step: str
    settings: dict[str, Any]
    over: dict[str, Any] | None = None


# ---------------------------------------------------------------- steps, each run in a process of its own


def annotate(work: Path, workers: int, **_: Any) -> tuple[int, float]:
    """Maps to annotations; an item is a map."""
    from radiff.data.annotations import annotate_maps, annotation_jobs, find_images

    jobs = annotation_jobs(find_images([work / "maps"]), fresh(work / "annotated"))
    catalog = work / "maps" / "catalog.csv"
    start = time.perf_counter()
    annotate_maps(jobs, catalog if catalog.is_file() else None, workers=workers)
    return len(jobs), time.perf_counter() - start


def cut(work: Path, workers: int, **_: Any) -> tuple[int, float]:
    """Annotated maps to a collection; an item is a cutout."""
    from radiff.data.cut import CutOptions
    from radiff.data.extract import find_maps, make_collection

    jobs, _failures = find_maps([work / "annotated"])
    start = time.perf_counter()
    summary = make_collection(jobs, fresh(work / "collection"), CutOptions(size=128), workers=workers)
    assert summary.collection is not None
    return len(summary.collection), time.perf_counter() - start


def pack(work: Path, workers: int, **_: Any) -> tuple[int, float]:
    """A collection to a training pack; an item is a cutout."""
    from radiff.data.collection import Collection
    from radiff.data.pack import build_pack
    from radiff.data.scaling import SnrAsinh

    collection = Collection.open(work / "collection")
    start = time.perf_counter()
    build_pack(collection, fresh(work / "pack"), SnrAsinh(), workers)
    return len(collection), time.perf_counter() - start


def train(
    work: Path, network: str, precision: str, preset: str, steps: int, device: str, **_: Any
) -> tuple[int, float]:
    """Training steps, forward and backward; an item is a cutout seen."""
    from radiff.data.collection import Collection
    from radiff.training.config import load_preset
    from radiff.training.run import RunOptions, train_autoencoder, train_denoiser

    never = 10**9
    loop = {"steps": steps + WARM_UP, "precision": precision, "log_every": 1, "validate_every": never,
            "sheet_every": never, "validation_batches": 1}  # fmt: skip
    settings = load_preset(preset, [f"{network}.loop.{key}={value}" for key, value in loop.items()])
    times: list[float] = []
    told = RunOptions(fresh(work / network), work / "training-pack", device=device, workers=1,
                      on_log=lambda _: times.append(time.perf_counter()))  # fmt: skip
    collection = Collection.open(work / "collection")
    if network == "autoencoder":
        train_autoencoder(collection, settings, told)
    else:
        train_denoiser(collection, settings, told, work / "autoencoder" / "weights")
    return steps * getattr(settings, network).loop.batch_size, times[WARM_UP + steps - 1] - times[WARM_UP - 1]


def generate(work: Path, weights: str, steps: int, batch: int, images: int, device: str, **_: Any) -> tuple[int, float]:
    """Masks to cutouts of 128 x 128 pixels; an item is a cutout."""
    from radiff.generate import Generator
    from radiff.masks.draw import demo_masks

    generator = Generator(weights or work / "denoiser" / "weights", device)
    masks = demo_masks(max(images // batch, 1) * batch)
    generator.generate(masks[:batch], range(batch), num_steps=1, batch_size=batch)
    start = time.perf_counter()
    generator.generate(masks, range(len(masks)), num_steps=steps, batch_size=batch)
    return len(masks), time.perf_counter() - start


def run_step(step: str, work: Path, settings: dict[str, Any]) -> tuple[int, float]:
    """Run one step here."""
    if step.startswith("train "):
        return train(work, step.removeprefix("train "), **settings)
    return {"annotate": annotate, "cut": cut, "pack": pack, "generate": generate}[step](work, **settings)


def fresh(folder: Path) -> Path:
    """`folder`, without what an earlier line left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


# ---------------------------------------------------------------- the table


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """The lines of the table that are asked for, in the order of the road."""
    many = options.workers
    for step in ("annotate", "cut", "pack"):
        yield Case(step, {"workers": 1})
        if many > 1:
            yield Case(step, {"workers": many}, {"workers": 1})
    for step in ("train autoencoder", "train denoiser"):
        common = {"preset": options.preset, "steps": options.train_steps, "device": options.device}
        yield Case(step, {"precision": "fp32", **common})
        yield Case(step, {"precision": "bf16", **common}, {"precision": "fp32"})
    for steps in options.steps:
        for batch in options.batches:
            settings = {"steps": steps, "batch": batch, "images": options.images}
            over = None if batch == options.batches[0] else {"batch": options.batches[0]}
            yield Case("generate", {**settings, "weights": options.weights, "device": options.device}, over)


def measure(case: Case, work: Path) -> dict[str, Any]:
    """Run `case` in a process of its own: items, seconds, peak memory (MiB); an ``error`` where it fails."""
    command = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--child",
        json.dumps([case.step, case.settings, str(work)]),
    ]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = psutil.Popen(command, stdout=out, stderr=err)
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_memory(process))
            time.sleep(0.02)
        out.seek(0)
        err.seek(0)
        lines, errors = out.read().splitlines(), err.read().splitlines()
    if process.returncode:
        return {**asdict(case), "error": errors[-1] if errors else f"exit code {process.returncode}"}
    items, seconds = json.loads(lines[-1])
    return {**asdict(case), "items": items, "seconds": seconds, "memory": peak / 2**20}


def tree_memory(process: psutil.Process) -> int:
    """Resident bytes of a process and its children; pages that they share count for each."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # one ended meanwhile
    return total


def ratio(line: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    """How many times faster a line is than the one that it is to be compared with."""
    wanted = line["settings"] | (line["over"] or line["settings"])
    base = [other for other in lines if (other["step"], other["settings"]) == (line["step"], wanted)]
    if line["over"] is None or not base or "error" in base[0]:
        return ""
    times = line["items"] / line["seconds"] / (base[0]["items"] / base[0]["seconds"])
    return f"{times:.2f} x " + label(line["over"])


def label(settings: dict[str, Any]) -> str:
    """The settings that tell lines apart, e.g. ``8 steps, batch 4``."""
    words = {"workers": "workers {}", "precision": "{}", "steps": "{} steps", "batch": "batch {}"}
    shown = [words[key].format(value) for key, value in settings.items() if key in words]
    return ", ".join(shown[:1] if "precision" in settings else shown)


def table(lines: list[dict[str, Any]], title: str) -> Table:
    """The lines as one table."""
    drawn = Table(title=title, title_justify="left")
    for name in ("step", "settings", "items", "ms an item", "items/s", "peak MiB", "ratio"):
        drawn.add_column(name, justify="left" if name in ("step", "settings", "ratio") else "right")
    for line in lines:
        cells = ["failed", "", "", "", line["error"][:60]] if "error" in line else [
            f"{line['items']}", f"{1e3 * line['seconds'] / line['items']:.1f}",
            f"{line['items'] / line['seconds']:.2f}", f"{line['memory']:.0f}", ratio(line, lines),
        ]  # fmt: skip
        drawn.add_row(line["step"], label(line["settings"]), *cells)
    return drawn


def prepare_maps(folder: Path, count: int) -> str:
    """Put maps into `folder`, real ones (as links) where there are any; say which."""
    folder.mkdir(parents=True)
    data = Path(os.environ.get("RADIFF_DATA", ROOT.parent / "shared" / "data"))
    real = sorted((data / "vla" / "first_mirabest").glob("*.fits.fz"))
    if real:
        chosen = real[:: max(1, len(real) // count)][:count]
        for path in chosen:
            (folder / path.name).symlink_to(path.resolve())
        (folder / "catalog.csv").symlink_to((data / "vla" / "first_catalog.csv").resolve())
        return f"{len(chosen)} real maps (FIRST, 300 x 300 pixels)"
    sys.path.insert(0, str(ROOT / "examples"))
    from synthetic import write_maps

    write_maps(folder, count, 300)
    return f"{count} synthetic maps of 300 x 300 pixels (no real ones: set RADIFF_DATA)"


def numbers(text: str) -> list[int]:
    """Whole numbers separated by commas."""
    return [int(part) for part in text.split(",")]


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--only", default=",".join(STEPS), help=f"of: {', '.join(STEPS)}; each needs those before it")
    parser.add_argument("--maps", type=int, default=48)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="compared with 1")
    parser.add_argument("--preset", default="cpu", help="networks and batch size of the training")
    parser.add_argument("--train-steps", type=int, default=6)
    parser.add_argument("--images", type=int, default=8, help="images a line of generate")
    parser.add_argument("--steps", type=numbers, default=[8, 20], help="sampling steps, e.g. 8,20")
    parser.add_argument(
        "--batches", type=numbers, default=[1, 8], help="batch sizes; the first is the base of the ratio"
    )
    parser.add_argument("--weights", default="", help="weights to generate with; default: those just trained")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda")
    parser.add_argument("--json", type=Path, help="write the lines here too")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = read_options()
    if options.child:
        warnings.simplefilter("ignore")
        step, settings, work = json.loads(options.child)
        print(json.dumps(run_step(step, Path(work), settings)))
        return
    with tempfile.TemporaryDirectory(prefix="radiff-benchmark-") as folder:
        work = Path(folder)
        maps = prepare_maps(work / "maps", options.maps)
        lines = []
        for case in cases(options):
            if case.step in options.only.split(","):
                print(f"{case.step}, {label(case.settings)} ...", file=sys.stderr, flush=True)
                lines.append(measure(case, work))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table(lines, f"{maps}; {os.cpu_count()} cores, OMP_NUM_THREADS {threads}, device {options.device}"))
    if options.json:
        options.json.write_text(json.dumps(lines, indent=2) + "\n")
    sys.exit(any("error" in line for line in lines))


if __name__ == "__main__":
    main()
