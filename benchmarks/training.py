"""Training the denoiser on whole fields: crops a second of the loader alone, and of whole steps.

    python benchmarks/training.py [--maps FOLDER --splits FILE] [--pack DIR] [--preset gpu] [--batch 32] [--smoke]

Without maps, synthetic ones of 300 x 300 pixels are made, annotated and packed. Steps are those of the preset's
denoiser over the autoencoder in the package: crops, latents, loss, gradient, optimiser, running mean. The first steps,
in which a compiler works, are not counted. Times are on the clock; on a CPU, seconds of processor time beside them.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from radiff.data.crops import CropOptions
from radiff.data.field_loader import FieldLoader
from radiff.data.fields import AnnotatedMaps, build_fields
from radiff.data.scaling import SnrAsinh
from radiff.masks import annotate, write_annotation
from radiff.models.io import find_weights, load_autoencoder, read_manifest
from radiff.sky import Beam, Cutout, NoiseSpectrum, write_cutout
from radiff.training.config import load_preset
from radiff.training.denoiser import DenoiserTask
from radiff.training.loop import Trainer
from radiff.training.run import RunOptions, make_accelerator

SMALL = ("channels=[32, 32]", "layers=1", "attention=[false, true]", "head_width=16", "context=16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=Path, help="annotated maps; default: synthetic ones")
    parser.add_argument("--splits", type=Path)
    parser.add_argument("--pack", type=Path, help="where the pack of fields is kept; default: a temporary folder")
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="steps that count")
    parser.add_argument("--warm", type=int, default=3, help="steps before them")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--smoke", action="store_true", help="a tiny network and two steps, to see that it runs")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.batch, arguments.steps, arguments.warm = 2, 2, 1
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        lines = run(arguments, Path(temporary))
    table = Table("what", "crops", "seconds", "crops/s", "crops/s of processor")
    for line in lines:
        shown = (line["crops"] / line["seconds"], line["crops"] / max(line["processor"], 1e-9))
        table.add_row(line["what"], str(line["crops"]), f"{line['seconds']:.2f}", *(f"{one:.1f}" for one in shown))
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(lines, indent=2))


def run(arguments: argparse.Namespace, work: Path) -> list[dict[str, Any]]:
    """Lines of the table."""
    smoke = arguments.smoke
    overrides = [f"denoiser.network.{text}" for text in SMALL] if smoke else []
    overrides += [f"denoiser.loop.batch_size={arguments.batch}", "denoiser.loop.validation_batches=1"]
    overrides += ["denoiser.crops.size=64", "denoiser.loop.compile=false"] if smoke else []
    settings = load_preset(arguments.preset, overrides).denoiser
    root = arguments.maps or synthetic(work / "maps", 3 if smoke else 20)
    splits = arguments.splits if arguments.maps else root / "splits.csv"
    maps = AnnotatedMaps(root, (splits,) if splits else ())
    pack = build_fields(maps, arguments.pack or work / "pack", arguments.workers)
    accelerator = make_accelerator(settings.loop, RunOptions(work / "run", device=arguments.device))
    print(f"{len(pack)} fields; {accelerator.device}, {accelerator.mixed_precision}, batches of {arguments.batch}")
    crops, device = CropOptions(**settings.crops.model_dump()), accelerator.device
    parts = [
        FieldLoader(pack, split, arguments.batch, crops, SnrAsinh(), device=device, resident=settings.loop.resident)
        for split in ("train", "val")
    ]
    folder = find_weights()
    task = DenoiserTask(settings.network, load_autoencoder(folder).to(device), read_manifest(folder))
    trainer = Trainer(task, (parts[0], parts[1]), settings.loop, work / "run", accelerator)
    return [
        timed("loader", parts[0].batch, arguments, device),
        timed("whole step", lambda _: trainer.step(), arguments, device),
    ]


def timed(what: str, work: Callable[[int], Any], arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """One line: `work` done for some steps to warm up, then timed."""

    def now() -> tuple[float, float]:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    for step in range(arguments.warm):
        work(step)
    before = now()
    for step in range(arguments.steps):
        work(arguments.warm + step)
    seconds, processor = (b - a for a, b in zip(before, now(), strict=True))
    return {"what": what, "crops": arguments.steps * arguments.batch, "seconds": seconds, "processor": processor}


def synthetic(root: Path, count: int) -> Path:
    """Annotated maps of 300 x 300 pixels: noise of a beam of 3 pixels and ten sources each."""
    beam, scale = Beam(5.4, 5.4), 1.8
    spectrum = NoiseSpectrum.from_beam(beam, scale)
    (root / "maps" / "imgs").mkdir(parents=True)
    (root / "maps" / "masks").mkdir()
    y, x = np.mgrid[:300, :300]
    for number in range(count):
        random = np.random.default_rng(number)
        image = spectrum.draw((300, 300), seed=number).astype(float)
        for x0, y0 in random.uniform(10, 290, (10, 2)):
            image += 10 ** random.uniform(0.7, 3) * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 1.27**2))
        cutout = Cutout((1e-4 * image).astype(np.float32), beam=beam)
        cutout.header["CDELT1"], cutout.header["CDELT2"] = -scale / 3600, scale / 3600
        write_cutout(root / "maps" / "imgs" / f"f{number}.fits", cutout)
        write_annotation(root / "maps" / "masks" / f"mask_f{number}.json", annotate(cutout), f"../imgs/f{number}.fits")
    text = "file,split\n" + "".join(f"maps/imgs/f{k}.fits,{'val' if k == 0 else 'train'}\n" for k in range(count))
    (root / "splits.csv").write_text(text)
    return root


if __name__ == "__main__":
    main()
