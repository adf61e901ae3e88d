"""``radiff evaluate``: parses and prints; the work is done by `radiff.evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.outcome import finish
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.evaluate.sets import ImageSet


def register(app: typer.Typer) -> None:
    """Add the verb ``evaluate``."""
    app.command("evaluate")(evaluate)


def evaluate(
    real: Annotated[Path, typer.Argument(help="Real images: a collection, or a folder of FITS images.")],
    synthetic: Annotated[Path, typer.Argument(help="Synthetic images, likewise.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report.html and report.json.")] = Path(
        "report"
    ),
    split: Annotated[str | None, typer.Option(help="Only this split of REAL (train, val).")] = None,
    synthetic_split: Annotated[str | None, typer.Option(help="Only this split of SYNTHETIC.")] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="SYNTHETIC was made from the masks of REAL: compare pair by pair too.")
    ] = False,
    features: Annotated[
        str, typer.Option(help="Weights of the feature network: a folder, 'default' or 'none'.")
    ] = "default",
    segmenter: Annotated[
        str, typer.Option(help="Weights of the segmenter: a folder, 'default' or 'none'.")
    ] = "default",
    train: Annotated[
        Path | None,
        typer.Option(help="What the generator was trained on (train split): real against real, copies."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=4, help="At most so many images of each set, evenly chosen.")] = None,
    resampled: Annotated[
        bool, typer.Option("--resampled", help="Also the real cutouts that 'radiff resample' made.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of all random choices.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    cache: Annotated[
        Path | None, typer.Option(help="Where features of the training set are kept; default: in the output folder.")
    ] = None,
) -> None:
    """Compare synthetic images with real ones: distances, segmentation, pairs, physics, copies, as one page.

    FID, KID, precision, recall, density and coverage of features; Segmentation Score; with --paired SSIM, PSNR,
    residuals and fluxes object by object; noise, pixel values and sources; with --train the nearest training images.
    Every figure has a 95 % interval, and beside it that of real images against real ones.

    REAL should be images that the generator was not trained on. FID needs more images than there are features.

    Example: radiff evaluate collection synthetic --split val --paired --train collection -o report
    """
    from radiff.evaluate.evaluation import evaluate as compare
    from radiff.evaluate.networks import load_networks
    from radiff.evaluate.report.page import text_lines, write_report
    from radiff.files import make_folder

    make_folder(output)  # before the work
    sets = open_set(real, split, limit, resampled), open_set(synthetic, synthetic_split, limit, resampled=True)
    trained = None if train is None else open_set(train, "train", None, resampled)
    networks = load_networks(features, segmenter, device)
    found = compare(*sets, trained, networks, paired, seed, workers, cache or output / "cache")
    for line in text_lines(found):
        print(line)
    for name, value in found.seconds.items():
        print(f"  {value:7.1f} s  {name}")
    for path in write_report(output, found):
        print(path)
    finish(found.failures, sum(map(len, sets)))


def open_set(path: Path, split: str | None, limit: int | None, resampled: bool) -> "ImageSet":
    """The images of a folder; those that 'radiff resample' made only where asked for."""
    from radiff.evaluate.sets import ImageSet

    if split == "":
        raise InputError("--split needs the name of a split")
    return ImageSet.open(path, split, limit, resampled)
