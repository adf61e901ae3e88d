"""A mix of pairs to a trained segmenter, and its figures on real cutouts. Knows no tables."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from radiff.data.loader import PackLoader
from radiff.data.pack import Pack
from radiff.evaluate.metrics.segmentation import confusion, match_objects, object_estimates, score_estimates
from radiff.evaluate.segment.masking import MapSegmenter
from radiff.paper.experiments.packs import Pairs
from radiff.paper.experiments.settings import ExperimentSettings
from radiff.training.loop import Trainer
from radiff.training.run import RunOptions, make_accelerator
from radiff.training.segmenter import SegmenterTask

NORM_CUTOUTS, BATCH = 64, 16


def train_and_measure(
    settings: ExperimentSettings,
    network: str,
    seed: int,
    train: Pack,
    val: Pack,
    truth: Pairs,
    scaling: dict[str, Any],
    folder: Path,
    device: str = "auto",
) -> dict[str, Any]:
    """Train one segmenter for the steps that every row has, and measure the last weights on the cutouts of `truth`.

    The weights are those of the last step, not of the best validation: val decides nothing. A training that was
    stopped goes on from its checkpoint.

    Returns
    -------
    dict
        ``scores`` and ``objects``: estimates of `radiff.evaluate.metrics.segmentation`, JSON values; ``train_pairs``.
    """
    loop = settings.loop.model_copy(
        update={
            "seed": seed,
            "validate_every": settings.loop.steps,
            "sheet_every": settings.loop.steps,
            "validation_batches": 1,
        }
    )
    own = settings.segmenter.model_copy(update={"name": network})
    options = RunOptions(run=folder, device=device)
    accelerator = make_accelerator(loop, options)
    torch.manual_seed(seed)
    task = SegmenterTask(own, scaling)
    task.keep_best = False  # type: ignore[misc]
    task.autocast = accelerator.autocast
    count = min(BATCH, len(train))
    norms = PackLoader(train, count, seed=12345, device=accelerator.device)
    task.norm_batches = [norms.batch(k) for k in range(max(1, NORM_CUTOUTS // count))]
    loaders = (
        PackLoader(train, loop.batch_size, seed, accelerator.device, resident=loop.resident),
        PackLoader(val, min(BATCH, len(val)), device=accelerator.device, augment=False),
    )
    trainer = Trainer(task, loaders, loop, folder, accelerator)
    trainer.resume()
    trainer.fit()
    found = measure(folder / "weights", truth, device)
    trainer.checkpoint.unlink(missing_ok=True)  # the figures are there; it would only fill the disk
    return {**found, "train_pairs": len(train)}


def measure(weights: Path, truth: Pairs, device: str = "auto") -> dict[str, Any]:
    """Figures of a segmenter's weights on real cutouts."""
    segmenter = MapSegmenter(weights, device, "auto" if device != "cpu" else "fp32")
    tables, matches = [], []
    for start in range(0, len(truth), BATCH):
        images = np.asarray(truth.images[start : start + BATCH], np.float32)
        masks = truth.masks[start : start + BATCH]
        for found, mask in zip(segmenter.probabilities(images).argmax(1), masks, strict=True):
            tables.append(confusion(mask, found))
            matches.append(match_objects(mask, found))
    scores, objects = score_estimates(np.stack(tables)), object_estimates(np.stack(matches))
    return {
        "scores": {name: one.to_json() for name, one in scores.items()},
        "objects": {name: one.to_json() for name, one in objects.items()},
    }
