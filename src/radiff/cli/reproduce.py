"""``radiff reproduce``: parses and prints; the work is done by `radiff.evaluate.reproduce`."""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.evaluate.checks.orders import Draw
    from radiff.evaluate.reproduce import TableRow
    from radiff.generate import Generator

NOTES = {
    "self": "the background is the image itself, sources and all: it tells the network the answer",
    "self-masked": "the background is the image with its sources removed",
    "other": "the background is that of another image of the survey",
}


def register(app: typer.Typer) -> None:
    """Add the verb ``reproduce``."""
    app.command("reproduce")(reproduce)


def reproduce(
    table: Annotated[str, typer.Argument(help="table3 (without masks) or table4 (from masks).")],
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
) -> None:
    """Make the paper's Table 3 or 4 on public images, the paper's own figures beside as not comparable.

    Rows of ours: without a mask (table3); without a background, with the image itself, the image without its sources,
    another image as background (table4). All rows get the same masks, and the same networks measure them. Stopped, it
    goes on where it was.

    Another model is a function of orders (radiff.evaluate.Order: mask, background, beam, rms, seed) that gives images
    in Jy/beam about the level 0.

    Example: radiff reproduce table4 collection -o tables
    """
    from radiff import evaluate as room
    from radiff.data.collection import Collection
    from radiff.evaluate.networks import load_networks
    from radiff.evaluate.reproduce import PAPER
    from radiff.evaluate.reproduce import reproduce as measure
    from radiff.evaluate.sets import ImageSet

    if table not in PAPER:
        raise InputError(f"{table!r} is no table that can be reproduced; there are: {', '.join(PAPER)}")
    opened = Collection.open(collection)
    networks = load_networks(features, None if table == "table3" else segmenter, device)
    samples = room.Samples.read(opened, split, limit)
    chosen = weights or ["default"]
    rows = [row for one in chosen for row in own_rows(table, one, len(chosen) > 1, device, steps, batch_size)]
    rows += [other_row(text) for text in model or []]
    trained = any(row.split == "train" for row in opened.rows)
    train = ImageSet.open(collection, "train") if trained and split != "train" else None
    path = measure(
        table, samples, rows, networks, output, train, seed, peaks, workers, lambda text: print(text, file=sys.stderr)
    )
    print(path.read_text(encoding="utf-8"), end="")
    print(path, file=sys.stderr)


def own_rows(
    table: str, weights: str, named: bool, device: str, steps: int | None, batch_size: int
) -> "list[TableRow]":
    """Our rows of `table` with these weights; with `named`, their folder stands in the names."""
    from radiff.cli.orders import drawer
    from radiff.evaluate import BACKGROUNDS
    from radiff.evaluate.reproduce import TableRow
    from radiff.generate import Generator

    generator = Generator(weights, device)
    more = f", {generator.folder.parent.name}/{generator.folder.name}" if named else ""
    key = f"{_digest(generator)} {steps}"
    if table == "table3":
        draw = drawer(generator, unconditional=True, num_steps=steps, batch_size=batch_size)
        return [TableRow(f"radiff, unconditional{more}", draw, key=key)]
    draw = drawer(generator, num_steps=steps, batch_size=batch_size)
    return [
        TableRow(f"radiff, {'no-bg' if kind == 'none' else kind}{more}", draw, kind, NOTES.get(kind, ""), key)
        for kind in BACKGROUNDS
    ]


def _digest(generator: "Generator") -> str:
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
    from radiff.evaluate.reproduce import TableRow

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
