"""One call of the denoiser in every way to compute it on a CPU: its time, and how far it says something else.

    python benchmarks/backends.py [--weights FOLDER] [--sizes 128,64] [--batch 8] [--rounds 15] [--ways torch,openvino]

All ways run in one process in turns, so that what else the machine does falls on all of them alike; medians count, and
*times torch* is the median over the turns. The call is that of one step of sampling: noise and masks drawn here,
conditions encoded before. *first*: seconds until the first answer, compiling included. *difference*: the largest of
any latent value from torch in float32, over the rms of what that says.

torch           float32, channels-last: as the generator calls it
contiguous      without channels-last
compiled        by torch.compile, anew for each shape
frozen          by torch.jit: traced, frozen, its weights laid out for the processor
openvino        float32
openvino int8   quantised by nncf (pip install nncf) on four other calls

What is not installed is named and left out.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from radiff.errors import InputError
from radiff.masks.draw import demo_masks
from radiff.models.conditions import Conditions, condition_planes
from radiff.models.denoiser import Denoiser, Encoded
from radiff.models.io import find_weights, load_denoiser
from radiff.models.openvino import OpenVinoDenoiser

Call = Callable[[Tensor, Tensor, Encoded], Tensor]
WAYS = ("torch", "contiguous", "compiled", "frozen", "openvino", "openvino int8")
BEAM, PEAK = 3.0, 1.5  # pixels; log10 of 1 + peak / rms


def asked(denoiser: Denoiser, size: int, batch: int, seed: int = 0) -> tuple[Tensor, Tensor, Encoded]:
    """Latents, time and encoded conditions of `batch` masks of `size` x `size` pixels."""
    config, random = denoiser.config, torch.Generator().manual_seed(seed)
    masks = torch.from_numpy(np.stack([mask[:size, :size] for mask in demo_masks(batch, seed=seed)]).astype(np.int64))
    planes = condition_planes(masks, PEAK * (masks > 0), config.factor)
    latents = torch.randn(batch, config.latent_channels, *planes.shape[-2:], generator=random)
    moment = torch.full((batch,), float(1000 * torch.rand(1, generator=random)))
    encoded = denoiser.encode(Conditions(planes, torch.full((batch,), BEAM)))
    return latents.to(memory_format=torch.channels_last), moment, encoded


def frozen(denoiser: Denoiser, size: int, batch: int) -> Call:
    """Traced at one shape and frozen by torch.jit."""
    from radiff.models.openvino import _Flat

    inputs = OpenVinoDenoiser(denoiser, "fp32").inputs
    flat = _Flat(denoiser, bool(denoiser.config.context)).eval()
    traced = torch.jit.trace(flat, inputs(*asked(denoiser, size, batch)))
    ready = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return lambda *call: ready(*inputs(*call))


def int8(denoiser: Denoiser, size: int, batch: int) -> Call:
    """Quantised by nncf after training."""
    import nncf

    given = OpenVinoDenoiser(denoiser, "fp32")
    calls = [[t.numpy() for t in given.inputs(*asked(denoiser, size, batch, 100 + k))] for k in range(4)]
    quantised = nncf.quantize(
        given.converted(), nncf.Dataset(calls), subset_size=len(calls), model_type=nncf.ModelType.TRANSFORMER
    )
    given.converted = lambda: quantised  # type: ignore[method-assign]
    return given


def makers(weights: Path, size: int, batch: int) -> dict[str, Callable[[], Call]]:
    """How to make each way."""
    plain, fast = (load_denoiser(weights).requires_grad_(False) for _ in range(2))
    fast = fast.to(memory_format=torch.channels_last)
    return {
        "torch": lambda: fast,
        "contiguous": lambda: lambda latents, *more: plain(latents.contiguous(), *more),
        "compiled": lambda: torch.compile(fast, dynamic=False),
        "frozen": lambda: frozen(fast, size, batch),
        "openvino": lambda: OpenVinoDenoiser(plain, "fp32"),
        "openvino int8": lambda: int8(plain, size, batch),
    }


@torch.no_grad()
def measure(weights: Path, size: int, names: list[str], batch: int, rounds: int) -> list[dict[str, Any]]:
    """A line for each way, at one size of the masks."""
    call = asked(load_denoiser(weights), size, batch)
    ways: dict[str, Call] = {}
    lines: dict[str, dict[str, Any]] = {}
    truth = load_denoiser(weights)(*call)
    for name, make in makers(weights, size, batch).items():
        if name not in names:
            continue
        start = time.perf_counter()
        try:
            ways[name] = make()
        except (InputError, ImportError) as error:
            print(f"{name} left out: {error}")
            continue
        said = ways[name](*call)
        off = float((said - truth).abs().amax() / truth.std())
        lines[name] = {"size": size, "way": name, "first": time.perf_counter() - start, "difference": off}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way(*call)
            times[name].append(time.perf_counter() - start)
    for name, line in lines.items():
        line["seconds"] = statistics.median(times[name])
        turns = [base / own for base, own in zip(times.get("torch", []), times[name], strict=False)]
        line["speed"] = statistics.median(turns) if turns else float("nan")
    return list(lines.values())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--sizes", default="128,64", help="sides of the masks, pixels")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of: {', '.join(WAYS)}")
    parser.add_argument("--threads", type=int, help="of torch and OpenVINO; default: torch's own choice")
    parser.add_argument("--json", type=Path, help="write the lines here too")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    weights, names = find_weights(options.weights), options.ways.split(",")
    lines = []
    for size in map(int, options.sizes.split(",")):
        lines += measure(weights, size, names, options.batch, options.rounds)
    table = Table(title=f"one call, batch {options.batch}, {torch.get_num_threads()} threads, CPU")
    for name in ("mask", "way", "s a call", "times torch", "first, s", "difference"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for line in lines:
        cells = (f"{line['seconds']:.4f}", f"{line['speed']:.2f}", f"{line['first']:.1f}", f"{line['difference']:.1g}")
        table.add_row(str(line["size"]), line["way"], *cells)
    Console(width=110).print(table)
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
