"""Cutouts to segmenters: pairs of images and masks as arrays, mixes of them, a training, its figures. Knows no tables.

<folder>/images.npy   (n, ny, nx) float16, scaled intensities
<folder>/masks.npy    (n, ny, nx) uint8, class values
<folder>/rows.json    image, source and objects per class of each; written last
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radiff.data.collection import Collection, Row
from radiff.data.loader import PackLoader
from radiff.data.pack import Pack
from radiff.data.scaling import Paper, SnrAsinh
from radiff.errors import InputError
from radiff.evaluate.metrics.segmentation import confusion, match_objects, object_estimates, score_estimates
from radiff.evaluate.segment.masking import MapSegmenter
from radiff.files import make_folder, read_json, write_json
from radiff.paper.experiments.plan import ExperimentSettings
from radiff.parallel import Failure, run_parallel
from radiff.training.loop import Trainer
from radiff.training.run import RunOptions, make_accelerator
from radiff.training.segmenter import SegmenterTask

NORM_CUTOUTS, BATCH = 64, 16


@dataclass(frozen=True)
class Pairs:
    """Images and masks; see the module's docstring."""

    images: NDArray[np.float16]
    masks: NDArray[np.uint8]
    names: list[str]
    sources: list[str]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def open(cls, folder: Path) -> "Pairs":
        """Open what `write_pairs` wrote."""
        info = read_json(folder / "rows.json")
        images, masks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "masks"))
        return cls(images, masks, info["images"], info["sources"], np.array(info["counts"]).reshape(-1, 3))


def write_pairs(
    root: Path, rows: Sequence[Row], folder: Path, scaling: SnrAsinh | Paper, workers: int | None = 1
) -> Pairs:
    """Scale cutouts and write them into `folder`.

    Raises
    ------
    InputError
        Where the cutouts are of several sizes, or one cannot be read.
    """
    sizes = sorted({(row.ny, row.nx) for row in rows})
    if len(sizes) != 1:
        raise InputError(f"the experiments need cutouts of one size, here are {sizes}", root)
    make_folder(folder)
    read = run_parallel(partial(_read, root, scaling), rows, f"packing {folder.name}", workers)
    for one in read:
        if isinstance(one, Failure):
            raise InputError(one.message)
    np.save(folder / "images.npy", np.stack([image for image, _ in read]))
    np.save(folder / "masks.npy", np.stack([mask for _, mask in read]))
    info = {
        "images": [row.image for row in rows],
        "sources": [row.source for row in rows],
        "counts": [row.counts for row in rows],
    }
    write_json(folder / "rows.json", info, indent=None)
    return Pairs.open(folder)


def _read(root: Path, scaling: SnrAsinh | Paper, row: Row) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    one = Collection(root, [row])
    return scaling.forward(one.image(0).image, row.background, row.rms).astype(np.float16), one.mask(0)


def mixed(parts: Sequence[tuple[Pairs, Sequence[int]]], folder: Path) -> Pack:
    """Chosen cutouts of several packs together, in memory, as a training pack without peaks and skies."""
    images = np.concatenate([pairs.images[np.asarray(chosen, int)] for pairs, chosen in parts])
    masks = np.concatenate([pairs.masks[np.asarray(chosen, int)] for pairs, chosen in parts])
    nothing: Any = np.zeros((len(images), 1, 1), np.float16)
    return Pack(folder, images, masks, nothing, nothing, np.zeros(len(images), np.float32), {})


# ---------------------------------------------------------------- trainings


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
