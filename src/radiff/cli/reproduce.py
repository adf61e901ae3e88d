"""``radiff reproduce``: parses and prints; the work is done by `radiff.paper`."""

import math
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.data.collection import Collection
    from radiff.evaluate.checks.orders import Draw
    from radiff.generate import Generator
    from radiff.generate.masks import MaskMaker
    from radiff.paper.image_tables import TableRow

AUGMENTATION = ("table5", "table6", "table7", "table8")
NOTES = {
    "self": "the background is the image itself, sources and all: it tells the network the answer",
    "self-masked": "the background is the image with its sources removed",
    "other": "the background is that of another image of the survey",
}


OTHERS_BACKGROUNDS = ("none", "self-masked")
"""What a baseline of Table 4 is shown, and weights of ours beside the package's: nothing, the image without sources."""


def register(app: typer.Typer) -> None:
    """Add the verb ``reproduce``."""
    app.command("reproduce")(reproduce)


def reproduce(
    table: Annotated[
        str,
        typer.Argument(
            help="table3 (without masks), table4 (from masks); table5 to table8, or augmentation: these four together."
        ),
    ],
    collection: Annotated[Path, typer.Argument(help="Folder made by 'radiff cut'.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the table and the images.")] = Path(
        "tables"
    ),
    weights: Annotated[list[str] | None, typer.Option(help="Weights to measure; repeat for several.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Another model: NAME=MODULE:FUNCTION, orders in, images out; repeat.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the collection that no model was trained on.")] = "val",
    limit: Annotated[int | None, typer.Option(min=4, help="At most so many cutouts, evenly chosen.")] = None,
    features: Annotated[str, typer.Option(help="Weights of the feature network: a folder or 'default'.")] = "default",
    segmenter: Annotated[str, typer.Option(help="Weights of the segmenter: a folder or 'default'.")] = "default",
    peaks: Annotated[bool, typer.Option("--peaks", help="Ask for each object's real peak too.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 8,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    preset: Annotated[str, typer.Option(help="Tables 5 to 8: smoke, cpu, gpu, paper, or a YAML file.")] = "cpu",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Tables 5 to 8: change a setting, e.g. loop.steps=2000; repeat.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Tables 5 to 8: processes.")] = 1,
    samples: Annotated[
        str, typer.Option(help="Tables 5 to 8: samples that are used; default: all real ones not resampled.")
    ] = "",
    mask_weights: Annotated[
        str, typer.Option(help="The mask model: of a row of table3, and of tables 5 to 8 where masks=model.")
    ] = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tables 5 to 8: print the plan, do nothing.")] = False,
) -> None:
    """Make a table of the paper on public images, the paper's own figures beside as not comparable.

    Tables 5 to 8 (section 5.2) train a segmenter on real cutouts with synthetic pairs added (table6) or in place of
    most extended ones (table8), and count the objects (table5, table7). Every task is kept in the output folder:
    stopped, the same command goes on; a second process with the same command shares the work; a table trains only what
    another one in the same folder has not.

    Tables 3 and 4:
    Rows of ours: without a mask (table3); without a background, with the image itself, the image without its sources,
    another image as background (table4; the first and the third alone for baselines and for weights beside the
    package's). All rows get the same masks, and the same networks measure them. Stopped, it goes on where it was.
    Baselines ('radiff train dcgan', pggan, ddpm for table3; spade, inade for table4) are given by their weights, as
    ours are.

    Another model is a function of orders (radiff.evaluate.Order: mask, background, beam, rms, seed) that gives images
    in Jy/beam about the level 0.

    \b
    Examples:
      radiff reproduce table4 collection -o tables
      radiff reproduce augmentation collection -o tables --preset cpu --jobs 2
    """
    if table == "augmentation" or table in AUGMENTATION:
        chosen = (weights or ["default"])[0]
        named = tuple(part.strip() for part in samples.split(",") if part.strip())
        plan = {"weights": chosen, "mask_weights": mask_weights, "samples": named, "device": device}
        tables = AUGMENTATION if table == "augmentation" else (table,)
        reproduce_augmentation(tables, collection, output, preset, settings or [], jobs, dry_run, plan)
        return
    from radiff import evaluate as room
    from radiff.data.collection import Collection
    from radiff.evaluate.networks import load_networks
    from radiff.evaluate.sets import ImageSet
    from radiff.paper.image_tables import PAPER
    from radiff.paper.image_tables import reproduce as measure

    if table not in PAPER:
        known = ", ".join((*PAPER, *AUGMENTATION, "augmentation"))
        raise InputError(f"{table!r} is no table that can be reproduced; there are: {known}")
    opened = Collection.open(collection)
    networks = load_networks(features, None if table == "table3" else segmenter, device)
    judged = room.Samples.read(opened, split, limit)
    folders = weights or ["default"]
    several = [len(folders) > 1 and one != "default" for one in folders]
    rows = [
        row
        for one, named in zip(folders, several, strict=True)
        for row in own_rows(table, one, named, device, steps, batch_size)
    ]
    rows += [other_row(text) for text in model or []]
    trained = any(row.split == "train" for row in opened.rows)
    if table == "table3" and trained and "default" in folders:
        rows += whole_road(opened, judged.masks[0].shape, mask_weights, device, steps, batch_size)
    train = ImageSet.open(collection, "train") if trained and split != "train" else None
    path = measure(
        table, judged, rows, networks, output, train, seed, peaks, workers, lambda text: print(text, file=sys.stderr)
    )
    print(path.read_text(encoding="utf-8"), end="")
    print(path, file=sys.stderr)


def reproduce_augmentation(
    tables: tuple[str, ...],
    collection: Path,
    output: Path,
    preset: str,
    overrides: list[str],
    jobs: int,
    dry_run: bool,
    plan: dict[str, Any],
) -> None:
    """Tables of section 5.2."""
    from radiff.paper import experiments as room

    experiment = room.prepare(collection, output, room.load_settings(preset, overrides), **plan)
    paths = room.reproduce_augmentation(
        tables, experiment, jobs, dry_run, lambda text: print(text, file=sys.stderr, flush=True)
    )
    for path in paths:
        print(path.read_text(encoding="utf-8"))
        print(path, file=sys.stderr)


def own_rows(
    table: str, weights: str, named: bool, device: str, steps: int | None, batch_size: int
) -> "list[TableRow]":
    """Our rows of `table` with these weights; with `named`, their folder stands in the names."""
    from radiff.cli.orders import drawer
    from radiff.cli.weights import open_generator
    from radiff.evaluate import BACKGROUNDS
    from radiff.paper.generator import BaselineGenerator
    from radiff.paper.image_tables import TableRow

    generator = open_generator(weights, device)
    baseline = isinstance(generator, BaselineGenerator)
    title = generator.title if isinstance(generator, BaselineGenerator) else "radiff"
    more = f", {generator.folder.parent.name}/{generator.folder.name}" if named and not baseline else ""
    costs: dict[str, Any] = {
        "key": f"{_digest(generator)} {steps}",
        "parameters": _parameters(generator),
        "trained": _minutes(generator),
    }
    if isinstance(generator, BaselineGenerator) and generator.conditional != (table == "table4"):
        what = "draws from masks: it belongs in table4" if generator.conditional else "knows no masks: table3 is for it"
        raise InputError(f"{title} {what}", generator.folder)
    if table == "table3":
        draw = drawer(generator, unconditional=True, num_steps=steps, batch_size=batch_size)
        return [TableRow(title if baseline else f"radiff, unconditional{more}", draw, **costs)]
    draw = drawer(generator, num_steps=steps, batch_size=batch_size)
    return [
        TableRow(f"{title}, {'no-bg' if kind == 'none' else kind}{more}", draw, kind, NOTES.get(kind, ""), **costs)
        for kind in (OTHERS_BACKGROUNDS if baseline or named else BACKGROUNDS)
    ]


def whole_road(
    collection: "Collection",
    shape: tuple[int, ...],
    mask_weights: str,
    device: str,
    steps: int | None,
    batch_size: int,
) -> "list[TableRow]":
    """Our row of Table 3 that draws its masks too, empty ones as often as the collection's train split has them.

    None where the mask model's masks are not of the cutouts' `shape`.
    """
    from radiff.cli.orders import drawer, own_masks
    from radiff.data.mask_set import is_native
    from radiff.generate import Generator
    from radiff.generate.masks import MaskMaker
    from radiff.paper.image_tables import TableRow

    generator, maker = Generator.from_pretrained("default", device), MaskMaker.from_pretrained(mask_weights, device)
    if shape != (maker.size, maker.size):
        text = f"no row with masks of its own: the mask model draws {maker.size} x {maker.size} pixels"
        print(text, file=sys.stderr)
        return []
    rows = [row for row in collection.split("train").rows if is_native(row)]
    empty = sum(not any(row.counts) for row in rows) / max(len(rows), 1)
    row = TableRow(
        "radiff, masks of its own",
        own_masks(drawer(generator, num_steps=steps, batch_size=batch_size), maker, empty),
        note=f"masks by {maker.folder.name}, then images from them; {100 * empty:.0f} % of the masks are empty",
        key=f"{_digest(generator)} {_digest(maker)} {steps} {empty:.4f}",
        parameters=_parameters(generator) + sum(p.numel() for p in maker.model.parameters()),
        trained=_minutes(generator) + _minutes(maker),
    )
    return [row]


def _parameters(generator: "Generator") -> int:
    """Of all networks that draw."""
    names = ("network",) if hasattr(generator, "network") else ("autoencoder", "denoiser")
    return sum(p.numel() for name in names for p in getattr(generator, name).parameters())


def _minutes(generator: "Generator | MaskMaker") -> float:
    """What the weights say of their training: of the processor, else on the clock; NaN where they say nothing."""
    runs = [one for one in generator.manifest.get("training", {}).values() if "seconds" in one]
    return sum(one.get("processor_seconds") or one["seconds"] for one in runs) / 60 if runs else math.nan


def _digest(generator: "Generator | MaskMaker") -> str:
    """What tells the weights of a generator from others."""
    files = generator.manifest["files"]
    return "".join(files[name][:8] for name in sorted(files) if name.endswith(".safetensors"))


def other_row(text: str) -> "TableRow":
    """The row of ``NAME=MODULE:FUNCTION``.

    Raises
    ------
    InputError
        Where there is no such function.
    """
    from radiff.paper.image_tables import TableRow

    name, _, place = text.partition("=")
    module, _, function = place.partition(":")
    if not (name and module and function):
        raise InputError(f"--model {text!r}: give NAME=MODULE:FUNCTION, such as spade=my_models:draw_spade")
    sys.path.insert(0, str(Path.cwd()))
    try:
        draw: Draw = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"--model {text!r}: {error}") from error
    finally:
        sys.path.pop(0)
    return TableRow(name, draw, "self-masked", f"{place}, given masks and the images without their sources", key=text)
