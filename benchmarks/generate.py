"""Cutouts per second of every way to generate, the share of each part, and a network of the authors' size beside it.

    python benchmarks/generate.py [--weights FOLDER] [--number 16] [--threads N] [--no-authors] [--json FILE]

Everything is measured in one process, one path after the other, on masks drawn here. Each backend makes the cutouts in
batches of 8; torch in the precision that this machine chooses by itself also in other batches, on backgrounds, guided,
without objects, and as one large field. Parts: *conditions*, encoding them; *denoiser*, its calls; *autoencoder*, both
its halves, also where it is called to hold peaks; *the rest*, noise, fluxes and everything else in Python.

The authors' network is a diffusers U-Net of their sizes (256 channels, 1-2-4, attention at 32, 16 and 8 pixels, context
512; 100 DDIM steps, latents of 3 x 32 x 32): it runs for a few calls, in float32 as theirs does, and is scaled to 100;
in bfloat16 too where the processor is fast at it.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

AUTHORS_STEPS = 100
PARTS = ("conditions", "denoiser", "autoencoder", "the rest")
WAYS = ("torch fp32", "torch bf16", "openvino fp32", "openvino bf16")
SIDE = 128


@dataclass
class Line:
    """One row: seconds a cutout of 128 x 128 pixels, and the parts of that time."""

    name: str
    seconds: float
    parts: dict[str, float] | None = None


@contextmanager
def timed(owner: Any, method: str, part: str, spent: dict[str, float]) -> Iterator[None]:
    """While inside, the time in that method of the object `owner` is added to `spent[part]`."""
    kept: Callable[..., Any] = getattr(owner, method)

    def call(*args: Any, **more: Any) -> Any:
        start = time.perf_counter()
        value = kept(*args, **more)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        spent[part] += time.perf_counter() - start
        return value

    setattr(owner, method, call)
    try:
        yield
    finally:
        delattr(owner, method)


def measure(name: str, generator: Any, masks: list[np.ndarray], batch_size: int, **options: Any) -> Line:
    """Generate all masks once to warm up on a batch, then for the time."""
    few = masks[:batch_size]
    first = {key: value[: len(few)] if key == "backgrounds" else value for key, value in options.items()}
    generator.generate(few, range(len(few)), batch_size=batch_size, **first | {"num_steps": 1})
    spent = dict.fromkeys(PARTS, 0.0)
    with ExitStack() as watched:
        for owner, method, part in (
            (generator.denoiser, "encode", "conditions"),
            (generator.denoiser, "forward", "denoiser"),
            (generator.autoencoder, "encode", "autoencoder"),
            (generator.autoencoder, "decode", "autoencoder"),
        ):
            watched.enter_context(timed(owner, method, part, spent))
        start = time.perf_counter()
        generator.generate(masks, range(len(masks)), batch_size=batch_size, **options)
        total = time.perf_counter() - start
    spent["the rest"] = total - sum(spent.values())
    cutouts = sum(mask.size for mask in masks) / SIDE**2
    return Line(name, total / cutouts, {part: value / total for part, value in spent.items()})


def paths(generator: Any, name: str, masks: list[np.ndarray], side: int) -> Iterator[Line]:
    """The ways to use one generator; `side` of the large field, 0: without."""
    from radiff.generate import BackgroundImage, Guidance

    noise = BackgroundImage.of(np.random.default_rng(0).normal(size=(SIDE, SIDE)))
    for batch in (1, 16):
        yield measure(f"{name}, batch {batch}", generator, masks, batch)
    yield measure(f"{name}, with background", generator, masks, 8, backgrounds=[noise] * len(masks))
    yield measure(f"{name}, guided by the mask", generator, masks, 8, guidance=Guidance(mask=1.5))
    yield measure(f"{name}, without objects", generator, [np.zeros_like(mask) for mask in masks], 8)
    if side:
        field = np.zeros((side, side), np.uint8)
        for k in range((side // SIDE) ** 2):
            y, x = (SIDE * place for place in divmod(k, side // SIDE))
            field[y : y + SIDE, x : x + SIDE] = masks[k % len(masks)]
        yield measure(f"{name}, one field of {side} x {side}", generator, [field], 8)


def lines_of(options: argparse.Namespace) -> Iterator[Line]:
    """Every row of the table."""
    from radiff.errors import InputError
    from radiff.generate import Generator
    from radiff.masks.draw import demo_masks
    from radiff.models.precision import choose_precision, has_fast_bf16

    masks = demo_masks(options.number, seed=0)
    device = Generator(options.weights, options.device).device
    for way in options.ways.split(","):
        backend, precision = way.split()
        try:
            generator = Generator(options.weights, options.device, precision, backend)
        except InputError as error:
            print(f"{backend} left out: {error}")
            continue
        name = f"{way}, {generator.defaults.sampler} {generator.defaults.num_steps} steps"
        yield measure(f"{name}, batch 8", generator, masks, 8)
        if backend == "torch" and precision == choose_precision("auto", device):
            yield from paths(generator, name, masks, options.large)
    if not options.no_authors:
        for precision in ("fp32", "bf16") if device.type == "cuda" or has_fast_bf16() else ("fp32",):
            seconds = authors(2, 2, device, precision == "bf16")
            yield Line(f"the authors' size, {precision}, {AUTHORS_STEPS} DDIM steps (scaled)", seconds)


def authors(calls: int, batch: int, device: torch.device, bf16: bool) -> float:
    """Seconds a cutout of the authors' network."""
    from diffusers import UNet2DConditionModel

    network: Any = UNet2DConditionModel(
        sample_size=32,
        in_channels=6,
        out_channels=3,
        block_out_channels=(256, 512, 1024),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        attention_head_dim=32,
        cross_attention_dim=512,
    )
    network = network.to(device).eval()
    print(f"the authors' size: {sum(p.numel() for p in network.parameters()) / 1e6:.0f} M parameters")
    x, token = torch.randn(batch, 6, 32, 32, device=device), torch.randn(batch, 1, 512, device=device)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        network(x, 10, token)
        start = time.perf_counter()
        for _ in range(calls):
            network(x, 10, token)
        if device.type == "cuda":
            torch.cuda.synchronize()
    return (time.perf_counter() - start) / calls / batch * AUTHORS_STEPS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--number", type=int, default=16, help="cutouts a path")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of: {', '.join(WAYS)}")
    parser.add_argument("--threads", type=int, help="of torch; default: its own choice")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--large", type=int, default=512, help="side of the large field; 0: leave it out")
    parser.add_argument("--no-authors", action="store_true", help="leave the authors' network out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    lines = list(lines_of(options))
    best = min(line.seconds for line in lines if "without objects" not in line.name)
    table = Table(title=f"{torch.get_num_threads()} threads, device {options.device}, cutouts of 128 x 128 pixels")
    table.add_column("path")
    for name in ("s a cutout", "cutouts/s", "times the fastest", *PARTS):
        table.add_column(name, justify="right")
    for line in lines:
        shares = [f"{100 * line.parts[p]:.0f} %" if line.parts else "" for p in PARTS]
        figures = (f"{line.seconds:.4f}", f"{1 / line.seconds:.2f}", f"{line.seconds / best:.2g}")
        table.add_row(line.name, *figures, *shares)
    Console(width=150).print(table)
    if options.json:
        content = {"threads": torch.get_num_threads(), "lines": [asdict(line) for line in lines]}
        options.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
