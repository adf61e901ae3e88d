"""``radiff reproduce``: parses and prints; the work is done by `radiff.paper`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from radiff.errors import InputError

AUGMENTATION = ("table5", "table6", "table7", "table8")


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
        list[str] | None,
        typer.Option(help="Another model: NAME=MODULE:FUNCTION, masks in, images out; repeat."),
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

    Another model is a function of specifications (radiff.ImageSpec: mask, background, beam, rms, seed) that gives
    images in Jy/beam about the level 0.

    \b
    Examples:
      radiff reproduce table4 collection -o tables
      radiff reproduce augmentation collection -o tables --preset cpu --jobs 2
    """

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    if table == "augmentation" or table in AUGMENTATION:
        from radiff.paper import experiments

        named = tuple(part.strip() for part in samples.split(",") if part.strip())
        experiment = experiments.prepare(
            collection, output, experiments.load_settings(preset, settings), (weights or ["default"])[0], mask_weights,
            named, device,
        )  # fmt: skip
        tables = AUGMENTATION if table == "augmentation" else (table,)
        paths = experiments.reproduce_augmentation(tables, experiment, jobs, dry_run, tell)
    else:
        from radiff.paper.image_tables import PAPER
        from radiff.paper.rows import TableOptions, reproduce_images

        if table not in PAPER:
            known = ", ".join((*PAPER, *AUGMENTATION, "augmentation"))
            raise InputError(f"{table!r} is no table that can be reproduced; there are: {known}")
        options = TableOptions(
            weights or ["default"], model or [], split, limit, features, segmenter, mask_weights, peaks, seed, steps,
            batch_size, workers, device,
        )  # fmt: skip
        paths = [reproduce_images(table, collection, output, options, tell)]
    for path in paths:
        print(path.read_text(encoding="utf-8"), end="" if path is paths[-1] else "\n")
        tell(str(path))
