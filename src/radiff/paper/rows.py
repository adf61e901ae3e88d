"""Weights and models to rows of Tables 3 and 4, and the tables of a collection. Measures nothing itself."""

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from radiff.data.collection import Collection
from radiff.data.mask_set import is_native
from radiff.data.spec import ImageGenerator, ImageSpec
from radiff.errors import InputError
from radiff.evaluate import BACKGROUNDS, Samples
from radiff.evaluate.checks.reconstruction import Image
from radiff.evaluate.networks import load_networks
from radiff.evaluate.sets import ImageSet
from radiff.generate import Generator
from radiff.generate.masks import MaskMaker
from radiff.paper.generator import BaselineGenerator, open_generator
from radiff.paper.image_tables import PAPER, Comparison, TableRow, reproduce

NOTES = {
    "self": "the background is the image itself, sources and all: it tells the network the answer",
    "self-masked": "the background is the image with its sources removed",
    "other": "the background is that of another image of the survey",
}
FEW_BACKGROUNDS = ("none", "self-masked")
"""Of a baseline of Table 4, and of weights of ours beside the package's: nothing, the image without sources."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class TableOptions:
    """How Table 3 or 4 is made.

    Attributes
    ----------
    weights : sequence of str
        Of ours and of baselines; a row or several each.
    models : sequence of str
        Other models, ``NAME=MODULE:FUNCTION``.
    split : str
        That no model was trained on.
    limit : int, optional
        At most so many cutouts.
    features, segmenter, mask_weights : str
        Weights of the networks that measure, and of the mask model.
    peaks : bool
        Ask for the real peak of each object.
    seed : int
        Of the first image.
    steps : int, optional
        Of sampling; default: that of the weights.
    batch_size, workers, device
        As everywhere.
    """

    weights: Sequence[str] = ("default",)
    models: Sequence[str] = ()
    split: str = "val"
    limit: int | None = None
    features: str = "default"
    segmenter: str = "default"
    mask_weights: str = "default"
    peaks: bool = False
    seed: int = 0
    steps: int | None = None
    batch_size: int = 8
    workers: int | None = None
    device: str = "auto"

    @property
    def drawing(self) -> dict[str, Any]:
        """Of `GenerateOptions`."""
        return {"num_steps": self.steps, "batch_size": self.batch_size}


def reproduce_images(
    table: str,
    collection: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: TableOptions,
    tell: Tell = lambda _: None,
) -> Path:
    """Table 3 or 4 of a collection, written into `folder`; the path of its Markdown.

    Raises
    ------
    InputError
        Where the table is not known, weights do not belong in it, or a collection, weights or a model is not there.
    """
    if table not in PAPER:
        raise InputError(f"{table!r} is no table that can be reproduced; there are: {', '.join(PAPER)}")
    opened = Collection.open(collection)
    networks = load_networks(options.features, None if table == "table3" else options.segmenter, options.device)
    samples = Samples.read(opened, options.split, options.limit)
    rows = [row for weights in options.weights for row in rows_of_weights(table, weights, options)]
    rows += [row_of_function(text) for text in options.models]
    trained = any(row.split == "train" for row in opened.rows)
    if table == "table3" and trained and "default" in options.weights:
        rows += row_with_own_masks(opened, samples.masks[0].shape, options, tell)
    train = ImageSet.open(collection, "train") if trained and options.split != "train" else None
    comparison = Comparison(samples, networks, train, options.seed, options.peaks, options.workers)
    return reproduce(table, comparison, rows, folder, tell)


def rows_of_weights(table: str, weights: str, options: TableOptions) -> list[TableRow]:
    """The rows of `table` with these weights; of several of ours, those beside the package's have fewer and a name."""
    generator = open_generator(weights, options.device)
    costs: dict[str, Any] = {
        "key": f"{_digest(generator)} {options.steps}",
        "parameters": _parameters(generator),
        "trained": _minutes(generator),
    }
    title, name, few = "radiff", "", len(options.weights) > 1 and weights != "default"
    if isinstance(generator, BaselineGenerator):
        title, masked = generator.title, generator.conditional
        if masked != (table == "table4"):
            what = "draws from masks: it belongs in table4" if masked else "knows no masks: table3 is for it"
            raise InputError(f"{title} {what}", generator.folder)
        few = True
    elif few:
        name = f", {generator.folder.parent.name}/{generator.folder.name}"
    if table == "table3":
        draw = generator.images(generator.options(unconditional=True, **options.drawing))
        row = title if isinstance(generator, BaselineGenerator) else f"{title}, unconditional{name}"
        return [TableRow(row, draw, **costs)]
    draw = generator.images(generator.options(**options.drawing))
    return [
        TableRow(f"{title}, {'no-bg' if kind == 'none' else kind}{name}", draw, kind, NOTES.get(kind, ""), **costs)
        for kind in (FEW_BACKGROUNDS if few else BACKGROUNDS)
    ]


def row_with_own_masks(
    collection: Collection, shape: tuple[int, ...], options: TableOptions, tell: Tell
) -> list[TableRow]:
    """Our row of Table 3 that draws its masks too, empty ones as often as the collection's train split has them.

    None where the mask model's masks are not of the cutouts' `shape`.
    """
    generator = Generator.from_pretrained("default", options.device)
    sampler = MaskMaker.from_pretrained(options.mask_weights, options.device)
    if shape != (sampler.size, sampler.size):
        tell(f"no row with masks of its own: the mask model draws {sampler.size} x {sampler.size} pixels")
        return []
    rows = [row for row in collection.split("train").rows if is_native(row)]
    empty = sum(not any(row.counts) for row in rows) / max(len(rows), 1)
    row = TableRow(
        "radiff, masks of its own",
        own_masks(generator.images(generator.options(**options.drawing)), sampler, empty),
        note=f"masks by {sampler.folder.name}, then images from them; {100 * empty:.0f} % of the masks are empty",
        key=f"{_digest(generator)} {_digest(sampler)} {options.steps} {empty:.4f}",
        parameters=_parameters(generator) + sum(p.numel() for p in sampler.model.parameters()),
        trained=_minutes(generator) + _minutes(sampler),
    )
    return [row]


def own_masks(draw: ImageGenerator, sampler: MaskMaker, empty_share: float) -> ImageGenerator:
    """A generator with masks of the mask model in place of those asked for: images out of nothing.

    The mask of an image follows from its seed alone; a part `empty_share` of them hold no object, as the mask model
    samples none of these.
    """

    def drawn(specs: Sequence[ImageSpec]) -> Iterator[Image]:
        filled = [spec.seed for spec in specs if np.random.default_rng((spec.seed, 3)).random() >= empty_share]
        samples = {item.index: item for item in sampler.iterate(max(filled, default=0) + 1, indices=filled)}
        masked = []
        for spec in specs:
            mask = samples[spec.seed].mask if spec.seed in samples else np.zeros_like(spec.mask)
            objects = samples[spec.seed].objects if spec.seed in samples else []
            masked.append(replace(spec, mask=mask, objects=objects, peaks=None, isophote=0.0))
        yield from draw(masked)

    return drawn


def _parameters(generator: Generator) -> int:
    """Of all networks that draw."""
    names = ("network",) if isinstance(generator, BaselineGenerator) else ("autoencoder", "denoiser")
    return sum(p.numel() for name in names for p in getattr(generator, name).parameters())


def _minutes(generator: Generator | MaskMaker) -> float:
    """What the weights say of their training: of the processor, else on the clock; NaN where they say nothing."""
    runs = [run for run in generator.manifest.get("training", {}).values() if "seconds" in run]
    return sum(run.get("processor_seconds") or run["seconds"] for run in runs) / 60 if runs else math.nan


def _digest(generator: Generator | MaskMaker) -> str:
    """What tells the weights of a generator from others."""
    files = generator.manifest["files"]
    return "".join(files[name][:8] for name in sorted(files) if name.endswith(".safetensors"))


def row_of_function(text: str) -> TableRow:
    """The row of ``NAME=MODULE:FUNCTION``.

    Raises
    ------
    InputError
        Where there is no such function.
    """
    name, _, place = text.partition("=")
    module, _, function = place.partition(":")
    if not (name and module and function):
        raise InputError(f"--model {text!r}: give NAME=MODULE:FUNCTION, such as spade=my_models:draw_spade")
    sys.path.insert(0, str(Path.cwd()))
    try:
        draw: ImageGenerator = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"--model {text!r}: {error}") from error
    finally:
        sys.path.pop(0)
    return TableRow(name, draw, "self-masked", f"{place}, given masks and the images without their sources", key=text)
