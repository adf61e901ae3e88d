"""The tasks of the augmentation experiments: packs, synthetic sets, trainings. Knows no tables."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from radiff import augment as room
from radiff.data.collection import Collection, Row
from radiff.data.resample import ResampleOptions
from radiff.data.scaling import make_scaling
from radiff.errors import InputError
from radiff.generate import Generator
from radiff.generate.masks import MaskMaker
from radiff.models.io import find_weights, read_manifest
from radiff.paper.experiments.plan import (
    ADDED,
    GENERATOR,
    MIXES,
    REAL,
    REDUCED,
    RENDERED,
    ExperimentSettings,
    PipelineTask,
    choose_rows,
    left_out,
)
from radiff.paper.experiments.training import Pairs, mixed, train_and_measure, write_pairs
from radiff.paper.settings import load_preset
from radiff.training.run import RunOptions, train_denoiser

VERSIONS = {"pack": 1, "generator": 1, "rendered": 2, "drawn": 3, "train": 1}
"""Counted up when a task does something else, so that kept results are made again."""
CLASSES_OF = {"compact": [2], "extended": [3], "both": [2, 3]}
SEEDS = {RENDERED: 100_000, "compact": 200_000, "extended": 300_000, "both": 400_000}
"""Seed of the first image of each set."""
SCALING: dict[str, Any] = {"name": "snr-asinh", "softness": 4.0}
FREE = ("log_every", "resident", "compile", "checkpoint_minutes")
"""Settings of the loop that change no result."""


@dataclass(frozen=True)
class Experiment:
    """Everything that a process needs to do a task.

    Attributes
    ----------
    collection, run : Path
    settings : ExperimentSettings
        Its loop's precision is not ``auto``.
    weights : str
        Of the generator.
    mask_weights : str
        Of the mask model, where `settings.masks` asks for it.
    samples : tuple of str
        Samples of the collection that are used.
    device : str
    threads : int, optional
        Of each process; None: as torch finds right.
    """

    collection: Path
    run: Path
    settings: ExperimentSettings
    weights: str = "default"
    mask_weights: str = "default"
    samples: tuple[str, ...] = ()
    device: str = "auto"
    threads: int | None = None


def native_samples(collection: Collection) -> tuple[str, ...]:
    """Samples of real cutouts that were not resampled."""
    resampled = ResampleOptions().sample
    return tuple(sorted({row.sample for row in collection.rows if not row.synthetic and row.sample != resampled}))


class Pipeline:
    """Does the tasks of an `Experiment`; see `run`."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.settings, self.folder = experiment, experiment.settings, experiment.run

    # -- the data ----------------------------------------------------------------------------------------------------

    @cached_property
    def collection(self) -> Collection:
        """The collection, native samples alone."""
        opened = Collection.open(self.experiment.collection)
        return opened.where(lambda row: row.sample in self.experiment.samples and not row.synthetic)

    @cached_property
    def train_rows(self) -> list[Row]:
        """SC: the train cutouts that are used."""
        rows = self.collection.split("train").rows
        return [rows[k] for k in choose_rows(rows, self.settings.empty_share, self.settings.limit)]

    @cached_property
    def val_rows(self) -> list[Row]:
        """The val cutouts, all of them unless limited."""
        rows = self.collection.split("val").rows
        return [rows[k] for k in choose_rows(rows, 1.0, self.settings.limit)]

    @cached_property
    def outside(self) -> list[int]:
        """Indices of the train cutouts that are not in SC_R."""
        return left_out(self.train_rows, self.settings.extended_left)

    @cached_property
    def real(self) -> room.RealImages:
        """Objects and skies of SC."""
        return room.RealImages.read(Collection(self.collection.root, self.train_rows), workers=1)

    def own(self, task: PipelineTask) -> Any:
        """What a task itself depends on, as JSON values."""
        s = self.settings
        if task.kind == "pack":
            rows = [*self.train_rows, *self.val_rows]
            stamps = [(row.image, row.rms, row.background, row.counts, row.peak) for row in rows]
            return [VERSIONS["pack"], SCALING, _digest(stamps), len(self.train_rows)]
        if task.kind == "generator":
            return [VERSIONS["generator"], s.generator_preset, self._weights_digest("default"), self.outside]
        if task.kind == "set":
            drawn = task.what[0] in ADDED
            masks = [s.masks, s.per_image, self.experiment.mask_weights, s.pairs] if drawn else self.outside
            made = [self._weights_digest(self.experiment.weights), s.labels, s.gate, s.sampling_steps, s.batch_size]
            return [VERSIONS["drawn" if drawn else "rendered"], made, masks, s.loop.precision, self.experiment.device]
        loop = {k: v for k, v in s.loop.model_dump(mode="json", exclude_defaults=True).items() if k not in FREE}
        reduced = self.outside if task.what[0].startswith("sc_r") else []
        return [VERSIONS["train"], s.segmenter.model_dump(mode="json"), loop, reduced]

    def _weights_digest(self, weights: str) -> str:
        return _digest(sorted(read_manifest(find_weights(weights))["files"].items()))

    # -- the tasks ---------------------------------------------------------------------------------------------------

    def run(self, task: PipelineTask) -> Any:
        """Do a task; its result, JSON values."""
        ways = {"pack": self._pack, "generator": self._generator, "set": self._set, "train": self._train}
        return ways[task.kind](task)

    def _pack(self, task: PipelineTask) -> Any:
        scaling = make_scaling(**SCALING)
        train = write_pairs(self.collection.root, self.train_rows, self.folder / "packs" / REAL, scaling)
        val = write_pairs(self.collection.root, self.val_rows, self.folder / "packs" / "val", scaling)
        kept = np.setdiff1d(np.arange(len(train)), self.outside)
        return {
            "train": len(train),
            "val": len(val),
            "reduced": len(kept),
            "objects": train.counts.sum(0).tolist(),
            "objects_val": val.counts.sum(0).tolist(),
            "objects_reduced": train.counts[kept].sum(0).tolist(),
            "objects_left_out": train.counts[self.outside].sum(0).tolist(),
        }

    def _generator(self, task: PipelineTask) -> Any:
        """A denoiser that has seen nothing but SC_R."""
        outside = set(self.outside)
        rows = [row for k, row in enumerate(self.train_rows) if k not in outside]
        preset = load_preset(str(self.settings.generator_preset))
        options = RunOptions(run=self.folder / GENERATOR, device=self.experiment.device, workers=1)
        state = train_denoiser(
            Collection(self.collection.root, rows + self.val_rows), preset, options, self.experiment.weights
        )
        return {"steps": state.step, "weights": str(options.run / "weights")}

    def _set(self, task: PipelineTask) -> Any:
        """A synthetic set, and its pack."""
        name, s = task.what[0], self.settings
        own = self.folder / GENERATOR / "weights"
        weights = str(own) if name == RENDERED and s.generator_preset else self.experiment.weights
        generator = Generator(weights, self.experiment.device, s.loop.precision)
        source: room.MaskSource
        if name == RENDERED:
            source = room.RealMasks(self.real, seed=SEEDS[name], empty=True)
            number = len(self.real)
        else:
            maker: room.Composer | room.Modeller = room.Composer(self.real, s.per_image)
            if s.masks == "model":
                own_maker = MaskMaker.from_pretrained(
                    self.experiment.mask_weights, self.experiment.device, s.loop.precision
                )
                maker = room.Modeller(self.real, own_maker, s.per_image)
            source, number = room.DrawnMasks(self.real, maker, CLASSES_OF[name], SEEDS[name]), s.pairs
        gate = room.GateOptions(segmenter_iou=0.0, labels=s.labels)  # a segmenter of SC would tell of what SC_R lacks
        if not s.gate:
            gate = room.GateOptions(0.0, 0.0, 0.0, False, "asked")
        options = room.AugmentOptions(
            number,
            SEEDS[name],
            name,
            num_steps=s.sampling_steps,
            most=1.0 if name == RENDERED else 3.0,
            batch_size=s.batch_size,
            gate=gate,
        )
        root = self.folder / "sets" / _digest(self.own(task))[:8]  # of other settings, pairs begun before are no use
        report = room.augment(self.real, source, generator, root, options, about={"masks": s.masks})
        if not report.rows:
            raise InputError(f"the gate dropped all {report.attempts} images of the set {name!r}", root)
        pairs = write_pairs(root, report.rows, self.folder / "packs" / name, make_scaling(**SCALING))
        left = self._left(pairs)
        return {
            "pairs": len(pairs),
            "attempts": report.attempts,
            "dropped": dict(sorted(report.dropped.items())),
            "objects": pairs.counts.sum(0).tolist(),
            "left_pairs": len(left),
            "left_objects": pairs.counts[left].sum(0).tolist(),
        }

    def _left(self, pairs: Pairs) -> list[int]:
        """Rendered images whose mask is of a cutout that is not in SC_R."""
        names = {self.train_rows[k].image for k in self.outside}
        return [k for k, source in enumerate(pairs.sources) if source in names]

    def _train(self, task: PipelineTask) -> Any:
        mix, network, seed = task.what
        folder = self.folder / "trainings" / task.file
        val, parts = Pairs.open(self.folder / "packs" / "val"), [self._part(part) for part in MIXES[mix]]
        return train_and_measure(
            self.settings,
            network,
            int(seed),
            mixed(parts, folder),
            mixed([(val, range(len(val)))], folder),
            val,
            SCALING,
            folder,
            self.experiment.device,
        )

    def _part(self, part: str) -> tuple[Pairs, Any]:
        name, _, which = part.partition(":")
        pairs = Pairs.open(self.folder / "packs" / (REAL if name == REDUCED else name))
        if name == REDUCED:
            return pairs, np.setdiff1d(np.arange(len(pairs)), self.outside)
        return pairs, self._left(pairs) if which else np.arange(len(pairs))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:24]
