"""``radiff export``: parses and prints; the work is done by `radiff.models.io`."""

from pathlib import Path
from typing import Annotated

import typer

from radiff.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the verb ``export``."""
    app.command("export")(export)


def export(
    weights: Annotated[str, typer.Argument(help="Weights folder, hub id, or 'default' (in the package).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the copy.")],
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "bfloat16",
    figures: Annotated[
        list[Path] | None, typer.Option(help="JSON files of 'radiff check --json' to go with the weights; repeat.")
    ] = None,
) -> None:
    """Copy weights to be handed on: half the size, with the figures that were measured on them.

    Files are shards of at most 15 MB. A MODEL_CARD.md that stands in the output folder stays there.

    Example: radiff export runs/denoiser/weights -o weights/mysurvey --figures reconstruction.json
    """
    from radiff.cli.weights import know_parts
    from radiff.files import read_json
    from radiff.models.io import DTYPES, copy_weights, find_weights

    if dtype not in DTYPES:
        raise InputError(f"--dtype {dtype!r}: choose one of {', '.join(DTYPES)}")
    measured = {path.stem: read_json(path) for path in figures or []}
    source = find_weights(weights)
    know_parts(source)
    folder = copy_weights(source, output, dtype, measured)
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        print(file)
