"""Cutouts per second of every way to generate, the share of each part, and a network of the authors' size beside it.

    python benchmarks/generate.py [--weights FOLDER] [--number 16] [--threads N] [--no-authors] [--json FILE]

Everything is measured in one process, one path after the other, on masks drawn here. The authors' network is a
diffusers U-Net of their sizes (256 channels, 1-2-4, attention at 32, 16 and 8 pixels, context 512; 100 DDIM steps,
latents of 3 x 32 x 32): it runs for a few calls, in float32 as theirs does, and is scaled to 100.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

AUTHORS_STEPS = 100
PARTS = ("conditions", "denoiser", "decoder", "the rest")


@dataclass
class Line:
    """One row: seconds a cutout of 128 x 128 pixels, and the parts of that time."""

    name: str
    seconds: float
    parts: dict[str, float] | None = None


@contextmanager
def timed(owner: Any, names: dict[str, str], spent: dict[str, float]) -> Any:
    """While inside, the time in each method of `owner` is added to `spent`; names: method -> part."""
    kept = {name: getattr(owner, name) for name in names}

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            start = time.perf_counter()
            value = kept[name](*args, **more)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            spent[names[name]] = spent.get(names[name], 0.0) + time.perf_counter() - start
            return value

        return call

    for name in names:
        object.__setattr__(owner, name, wrapped(name))
    try:
        yield
    finally:
        for name in names:
            object.__delattr__(owner, name)


def measure(name: str, generator: Any, masks: list[np.ndarray], batch_size: int, **options: Any) -> Line:
    """Generate all masks once to warm up on a batch, then for the time."""
    from radiff.generate import steering

    first = {key: value[:batch_size] if key == "backdrops" else value for key, value in options.items()}
    few = masks[:batch_size]
    generator.generate(few, range(len(few)), batch_size=batch_size, **first | {"num_steps": 1})
    spent: dict[str, float] = {}
    velocity = steering.Steering.velocity

    def watched(self: Any, x: Any, angle: Any) -> Any:
        start = time.perf_counter()
        said = velocity(self, x, angle)
        spent["denoiser"] = spent.get("denoiser", 0.0) + time.perf_counter() - start
        return said

    steering.Steering.velocity = watched  # type: ignore[method-assign]
    try:
        with timed(generator, {"_decode": "decoder", "_fields": "conditions"}, spent):
            start = time.perf_counter()
            generator.generate(masks, range(len(masks)), batch_size=batch_size, **options)
            total = time.perf_counter() - start
    finally:
        steering.Steering.velocity = velocity  # type: ignore[method-assign]
    spent["the rest"] = total - sum(spent.values())
    cutouts = sum(mask.size for mask in masks) / 128**2
    return Line(name, total / cutouts, {part: spent.get(part, 0.0) / total for part in PARTS})


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--number", type=int, default=16, help="cutouts a path")
    parser.add_argument("--threads", type=int, help="of torch; default: its own choice")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--large", type=int, default=512, help="side of the large field; 0: leave it out")
    parser.add_argument("--no-authors", action="store_true", help="leave the authors' network out")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")
    from radiff.errors import InputError
    from radiff.generate import Backdrop, Generator, Guidance
    from radiff.masks.draw import demo_masks

    masks = demo_masks(arguments.number, seed=0)
    noise = np.random.default_rng(0).normal(size=(128, 128))
    backdrops = [Backdrop.of(noise)] * len(masks)
    lines: list[Line] = []
    steps = 0
    for backend, precision in (("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32"), ("openvino", "bf16")):
        try:
            generator = Generator(arguments.weights, arguments.device, precision, backend)
        except InputError as error:
            print(f"{backend} left out: {error}")
            continue
        steps = generator.defaults.num_steps
        name = f"{backend} {precision}, {generator.defaults.sampler} {steps} steps"
        lines.append(measure(f"{name}, batch 8", generator, masks, 8))
        if (backend, precision) == ("torch", "bf16"):
            for batch in (1, 16):
                lines.append(measure(f"{name}, batch {batch}", generator, masks, batch))
            lines.append(measure(f"{name}, with background", generator, masks, 8, backdrops=backdrops))
            lines.append(measure(f"{name}, guided by the mask", generator, masks, 8, guidance=Guidance(mask=1.5)))
            if arguments.large:
                side = arguments.large
                field = np.zeros((side, side), np.uint8)
                for k in range((side // 128) ** 2):
                    y, x = divmod(k, side // 128)
                    field[128 * y : 128 * y + 128, 128 * x : 128 * x + 128] = masks[k % len(masks)]
                lines.append(measure(f"{name}, one field of {side} x {side}", generator, [field], 8))
    device = generator.device
    best = min(line.seconds for line in lines)
    if not arguments.no_authors:
        for bf16 in (False, True):
            name = f"the authors' size, {'bf16' if bf16 else 'fp32'}, {AUTHORS_STEPS} DDIM steps (scaled)"
            lines.append(Line(name, authors(2, 2, device, bf16)))
    table = Table(title=f"{torch.get_num_threads()} threads, {device}, cutouts of 128 x 128 pixels")
    table.add_column("path")
    for name in ("s a cutout", "cutouts/s", "times the fastest", *PARTS):
        table.add_column(name, justify="right")
    for line in lines:
        shares = [f"{100 * line.parts[p]:.0f} %" if line.parts else "" for p in PARTS]
        table.add_row(
            line.name, f"{line.seconds:.4f}", f"{1 / line.seconds:.2f}", f"{line.seconds / best:.1f}", *shares
        )
    Console(width=150).print(table)
    if arguments.json:
        content = {"threads": torch.get_num_threads(), "device": str(device), "lines": [asdict(line) for line in lines]}
        arguments.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
