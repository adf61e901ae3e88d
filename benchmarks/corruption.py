"""Real cutouts with one known fault each: which metric sees which, as one Markdown table.

    python benchmarks/corruption.py COLLECTION [--images 600] [--features W] [--segmenter W] [--workers N]

Distances between sets, sources and noise: train cutouts with the corruption against the val cutouts. Segmentation
Score, SSIM, residual and flux ratio: the val cutouts with the corruption, pair by pair against what they were. "real":
the same without a corruption; "copies": train cutouts, turned and with a little noise, of the set that copies are
looked for in. Bold: the interval does not meet that of the line "real", on the bad side.
"""

import argparse
import hashlib
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radiff.estimates import Metric
from radiff.evaluate.evaluation import evaluate
from radiff.evaluate.networks import Networks, Scaled, load_networks
from radiff.evaluate.report.page import differs, number
from radiff.evaluate.sets import ImageSet, Picture
from radiff.paper.corruption import CORRUPTIONS, copied

if TYPE_CHECKING:
    from torch import nn

COLUMNS = {
    "fid": "FID",
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "coverage": "coverage",
    "seg_score": "SegScore",
    "seg_total_sources": "IoU, sources",
    "ssim": "SSIM",
    "residual_sources": "residual on sources",
    "flux_peak_all": "peak flux ratio",
    "noise_power_3": "noise power, 0.22",
    "noise_tv": "noise values",
    "sources_5": "sources an image",
    "peak_snr_w1": "peaks, dex",
    "nearer_pixels": "nearer to train, pixels",
    "nearer_features": "nearer to train, features",
}
KNOWN: dict[tuple[str, bytes], Any] = {}
PAIRED = {"seg_score", "seg_total_sources", "ssim", "residual_sources", "flux_peak_all"}
ALONE = {"few, repeated", "copies"}
"""Corruptions of a set, of no image."""
LEAST = {"ssim": 0.99, "residual_sources": 0.1}


class Remembering(Networks):
    """Networks that run once on an image: the uncorrupted ones come again in every line."""

    def _run(self, module: "nn.Module", images: Sequence[Scaled], name: str, what: str) -> list[Any]:
        keys = [(name, hashlib.sha256(np.ascontiguousarray(image)).digest()) for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in KNOWN}
        if new:
            KNOWN.update(zip(new, super()._run(module, list(new.values()), name, what), strict=True))
        return [KNOWN[key] for key in keys]


def is_bad(metric: Metric, uncorrupted: Metric | None) -> bool:
    """Whether a figure is off what uncorrupted images reach, beyond the intervals."""
    value = metric.value
    if value is None:
        return False
    if metric.key == "flux_peak_all":
        return differs(metric) and abs(value.value - 1.0) > 0.02
    if metric.key == "ssim":
        return value.high < LEAST["ssim"]
    if metric.key == "residual_sources":
        return value.low > LEAST["residual_sources"]
    real = uncorrupted.value if uncorrupted is not None and uncorrupted.value is not None else metric.real
    return differs(Metric(metric.key, "", "", metric.better, value, real))


def cell(metric: Metric | None, uncorrupted: Metric | None) -> str:
    """A figure, bold where it is bad."""
    if metric is None or metric.value is None:
        return "-"
    text = number(metric.value.value)
    return f"**{text}**" if is_bad(metric, uncorrupted) else text


def read(images: ImageSet) -> list[Picture]:
    """All pictures of a set, in memory."""
    return [images.picture(k) for k in range(len(images))]


def rows(options: argparse.Namespace) -> Iterator[str]:
    """The lines of the table."""
    networks = load_networks(options.features, options.segmenter, options.device)
    of_sets = Remembering(**vars(networks) | {"segmenter": None})
    of_pairs = Remembering(**vars(networks) | {"features": None})
    real = read(ImageSet.open(options.collection, "val", options.images, options.resampled))
    train = ImageSet.open(options.collection, "train", None, options.resampled).drawn(2 * options.images, 1)
    pictures = read(train)
    copies_of, fresh = pictures[::2], pictures[1::2]  # they come in the order of the surveys
    base, known = ImageSet("real", real), ImageSet("train", copies_of)

    def measured(name: str) -> dict[str, Metric]:
        corruption = CORRUPTIONS.get(name, lambda images, _: list(images))
        made = copied(copies_of) if name == "copies" else corruption(fresh, 0)
        found = evaluate(base, ImageSet(name, made), known, of_sets, workers=options.workers, sheets=False).metrics
        if name not in ALONE:
            pairs = ImageSet(name, corruption(real, 0))
            told = evaluate(base, pairs, None, of_pairs, True, workers=options.workers, sheets=False).metrics
            found += [m for m in told if m.key in PAIRED]
        return {m.key: m for m in found}

    yield f"{len(real)} val cutouts of {options.collection.name}; networks: {', '.join(networks.names.values())}."
    yield ""
    yield "| corruption | " + " | ".join(COLUMNS.values()) + " |"
    yield "| --- |" + " --- |" * len(COLUMNS)
    uncorrupted: dict[str, Metric] = {}
    for name in ("real", *CORRUPTIONS, "copies"):
        start = time.perf_counter()
        metrics = measured(name)
        uncorrupted = uncorrupted or metrics
        yield f"| {name} | " + " | ".join(cell(metrics.get(k), uncorrupted.get(k)) for k in COLUMNS) + " |"
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--resampled", action="store_true", help="also cutouts of 'radiff resample'")
    parser.add_argument("--features", default="default")
    parser.add_argument("--segmenter", default="default")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu")
    for line in rows(parser.parse_args()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
