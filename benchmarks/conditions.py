"""How strongly to follow each condition, and how to use a background: quality on val masks, as one table.

    python benchmarks/conditions.py COLLECTION [--weights FOLDER] [--number 32] [--sampler NAME] [--steps N]

Quality as in benchmarks/samplers.py; besides, the peak obtained over the peak asked of compact and extended objects
(median, and half the distance from the 16th to the 84th percentile), and how much of the noise is the background's own:
the correlation of the pixels outside the masks with those of the background.
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
from samplers import quality, read_val

Choice = tuple[str, dict[str, Any]]
SKY: list[Choice] = [("the background's own noise", {"keep_noise": True}), ("whole images", {"windows": False})]
WHITE: list[Choice] = [
    (f"background strength {d:g}", {"background_strength": d}) for d in (0.0, 0.3, 0.5, 0.7, 0.85, 1.0)
]
"""What a background offers: weights that start from the noise of the sky, and from white noise."""


def choices(prior: str) -> list[Choice]:
    """A name and the options of `Generator.generate` for each row."""
    guided = ("mask", "peak", "beam") if prior == "sky" else ("mask", "peak", "background", "beam")
    return [
        ("as the weights say", {}),
        *(SKY if prior == "sky" else WHITE),
        ("no peak projection", {"peak_projection": False}),
        *((f"guidance {n} {s:g}", {"guidance": {n: s}}) for n in guided for s in (1.25, 1.5)),
    ]


def copied(images: list[np.ndarray], skies: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """Median correlation outside the masks."""
    pairs = [(i[m == 0], s[m == 0]) for i, s, m in zip(images, skies, masks, strict=True)]
    return float(np.median([np.corrcoef(np.clip(i, -5, 5), np.clip(s, -5, 5))[0, 1] for i, s in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--number", type=int, default=32, help="val masks")
    parser.add_argument("--sampler")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")
    from radiff.generate import Generator, Guidance
    from radiff.generate.flux import fluxes
    from radiff.parallel import track

    generator = Generator(arguments.weights)
    val = read_val(arguments.collection, arguments.number, generator)
    masks, skies = val["masks"], val["skies"]
    results = []
    prior = generator.manifest.get("prior", {}).get("name", "white")
    for name, choice in track(choices(prior), "sampling"):
        options = dict(choice)
        if "guidance" in options:
            options["guidance"] = Guidance(**options["guidance"])
        start = time.perf_counter()
        made = generator.generate(**val["given"], sampler=arguments.sampler, num_steps=arguments.steps, **options)
        seconds = (time.perf_counter() - start) / len(made)
        images = [m.image for m in made]
        ratios = [
            got / asked
            for image, items, peaks in zip(images, val["objects"], val["given"]["peaks"], strict=True)
            for got, asked, item in zip(fluxes(image, items, "peak"), peaks, items, strict=True)
            if asked > 0 and item.class_value > 1
        ]
        low, middle, high = np.percentile(ratios or [np.nan], [16, 50, 84])
        line = {"choice": name, "seconds": seconds, "peak": float(middle), "scatter": float(high - low) / 2}
        results.append(line | quality(images, skies, masks) | {"copied": copied(images, skies, masks)})
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))
    table = Table(title=f"{len(masks)} val masks, {generator.precision}")
    names = ("choice", "s a cutout", "found", "std", "bands", "worst band", "joint", "peak", "scatter", "copied")
    for name in names:
        table.add_column(name, justify="left" if name == "choice" else "right")
    for r in results:
        figures = ("seconds", "found", "spread", "bands", "worst", "joint", "peak", "scatter", "copied")
        table.add_row(r["choice"], *(f"{r[k]:.3f}" for k in figures))
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
