"""Samplers at a few numbers of network calls, on val masks: quality against time, as one table.

    python benchmarks/samplers.py COLLECTION [--weights FOLDER] [--number 32] [--calls 4,8,16,32,100] [--ddpm 1000]

Every sampler makes the same images: real val masks, each object asked for its real peak, the background of the mask's
own image (sources removed), the same seeds. Quality has three parts, all measured on the images:

found   F1 of the mask's pixels and those that an island finder (islands grown at 3 rms from peaks of 5 rms) finds; the
        first line gives it for the real images: the ceiling
rms     noise outside the masks over that of the background asked for; within 3 % is right
bands   noise power in eight bands over that of the background; the mean distance from 1 of the bands that hold at least
        a thousandth of the strongest band's power; within 5 % each is right
joint   found, less what rms and bands are off by beyond 3 % and 5 %: a sampler that smooths the noise away loses
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

FAINT = 1e-3


def found(images: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """F1 of mask pixels and found pixels, over all images (snr)."""
    from radiff.masks.islands import label_islands

    hits = missed = false = 0
    for image, mask in zip(images, masks, strict=True):
        labels, kept = label_islands(image, 5.0, 3.0, 4)
        islands = np.isin(labels, kept)
        wanted = mask > 0
        hits += int((islands & wanted).sum())
        missed += int((~islands & wanted).sum())
        false += int((islands & ~wanted).sum())
    return 2 * hits / max(1, 2 * hits + missed + false)


def quality(images: list[np.ndarray], skies: list[np.ndarray], masks: list[np.ndarray]) -> dict[str, Any]:
    """The three parts and the joint quality of images (snr) made on the backgrounds `skies` (snr)."""
    from scipy import ndimage

    from radiff.evaluate.checks.reconstruction import spectrum_ratio
    from radiff.sky import background_rms

    clear = [~ndimage.binary_dilation(mask > 0, iterations=2) if mask.any() else mask == 0 for mask in masks]
    ratios = [background_rms(i, ~c)[1] / background_rms(s, ~c)[1] for i, s, c in zip(images, skies, clear, strict=True)]
    spectrum = spectrum_ratio(skies, images, clear)
    power = np.array(spectrum["real"])
    bands = np.array(spectrum["ratio"])[power > FAINT * power.max()]
    rms = float(np.median(ratios))
    f1 = found(images, masks)
    off = max(0.0, abs(rms - 1) - 0.03) + float(np.maximum(0.0, np.abs(bands - 1) - 0.05).mean())
    return {
        "found": f1,
        "rms": rms,
        "bands": float(np.abs(bands - 1).mean()),
        "worst": float(np.abs(bands - 1).max()),
        "spread": float(np.mean([i[c].std() / s[c].std() for i, s, c in zip(images, skies, clear, strict=True)])),
        "joint": f1 * max(0.0, 1.0 - off),
    }


def read_val(root: Path, number: int, generator: Any) -> dict[str, Any]:
    """`number` native val cutouts with sources: snr images, masks, backgrounds, and what `generate` is given."""
    from radiff.data.collection import Collection
    from radiff.generate import BackgroundImage, Observation, draw_peaks

    val = Collection.open(root).split("val")
    rows = [r for r in val.rows if sum(r.counts) and r.sample != "resampled"]
    rows = [rows[k] for k in np.linspace(0, len(rows) - 1, min(number, len(rows))).round().astype(int)]
    val = Collection(val.root, rows)
    objects = [list(val.annotation(k).objects) for k in range(len(rows))]  # type: ignore[union-attr]
    cutouts = [val.image(k) for k in range(len(rows))]
    masks = [val.mask(k) for k in range(len(rows))]
    backdrops = [
        BackgroundImage.of(c.image, m, "self-masked", r.rms, r.background, k)
        for k, (c, m, r) in enumerate(zip(cutouts, masks, rows, strict=True))
    ]
    given = {
        "masks": masks,
        "seeds": range(len(masks)),
        "observation": [Observation(rms=1.0, beam=c.beam, pixel_scale=c.pixel_scale) for c in cutouts],
        "peaks": [draw_peaks(o, "real") for o in objects],
        "objects": objects,
        "backgrounds": backdrops,
        "batch_size": 16,
    }
    few = masks[:8]
    generator.generate(few, range(len(few)), num_steps=1)  # warm up
    real = [(c.image - r.background) / r.rms for c, r in zip(cutouts, rows, strict=True)]
    return {"given": given, "masks": masks, "skies": [b.snr for b in backdrops], "real": real, "objects": objects}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--number", type=int, default=32, help="val masks")
    parser.add_argument("--calls", default="4,8,16,32,100")
    parser.add_argument("--ddpm", type=int, default=1000, help="calls of one more line, for ddpm; 0: none")
    parser.add_argument("--samplers", help="only these, with commas between")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")
    from radiff.diffusion.sampling import SAMPLERS, network_calls, steps_for
    from radiff.errors import InputError
    from radiff.generate import Generator
    from radiff.parallel import track

    generator = Generator(arguments.weights)
    val = read_val(arguments.collection, arguments.number, generator)
    masks, skies = val["masks"], val["skies"]
    chosen = arguments.samplers.split(",") if arguments.samplers else SAMPLERS
    wanted = [(name, calls) for name in chosen for calls in map(int, arguments.calls.split(","))]
    wanted += [("ddpm", arguments.ddpm)] if arguments.ddpm and "ddpm" in chosen else []
    results = [{"sampler": "real images", "calls": 0, "seconds": 0.0} | quality(val["real"], skies, masks)]
    for name, calls in track(wanted, "sampling"):
        steps = steps_for(name, calls)
        start = time.perf_counter()
        try:
            made = generator.generate(**val["given"], sampler=name, num_steps=steps)
        except InputError as error:
            print(f"{name} with {calls} calls left out: {error}")
            continue
        seconds = (time.perf_counter() - start) / len(made)
        line = {"sampler": name, "calls": network_calls(name, steps), "seconds": seconds}
        results.append(line | quality([m.image for m in made], skies, masks))
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    best = max(r["joint"] for r in results[1:])
    table = Table(title=f"{len(masks)} val masks, {generator.precision}, {torch.get_num_threads()} threads")
    for name in (
        "sampler",
        "calls",
        "s a cutout",
        "found",
        "rms",
        "std",
        "bands",
        "worst band",
        "joint",
        "of the best",
    ):
        table.add_column(name, justify="left" if name == "sampler" else "right")
    for r in sorted(results, key=lambda r: (r["calls"], -r["joint"])):
        figures = [f"{r[k]:.3f}" for k in ("found", "rms", "spread", "bands", "worst", "joint")]
        share = f"{100 * r['joint'] / best:.1f} %" if r["calls"] and best > 0 else ""
        table.add_row(r["sampler"], str(r["calls"]), f"{r['seconds']:.3f}", *figures, share)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
