"""``radiff resample``: parses and prints; the work is done by `radiff.data.resample`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.annotate import show_warnings
from radiff.cli.outcome import finish, say
from radiff.cli.values import parse_range
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.data.resample import ResampleReport


def register(app: typer.Typer) -> None:
    """Add the verb ``resample``."""
    app.command("resample")(resample)


def resample(
    collection: Annotated[Path, typer.Argument(help="Collection made by 'radiff cut' of larger cutouts.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the collection to make or to add to.")],
    size: Annotated[int, typer.Option(help="Side of the new images, pixels.")] = 128,
    beam_pixels: Annotated[str, typer.Option(help="low:high, beam FWHM in pixels.")] = "2:8",
    per_image: Annotated[int, typer.Option(min=1, help="New images of each cutout.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the beams and places drawn.")] = 0,
    sample: Annotated[str, typer.Option(help="Folder of the new images in the output.")] = "resampled",
    split: Annotated[str | None, typer.Option(help="Only cutouts of this split; default: all.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, write nothing.")] = False,
    filled_only: Annotated[bool, typer.Option("--filled-only", help="Keep no image without objects.")] = False,
) -> None:
    """Make cutouts of other beam widths in pixels, by resampling crops of larger cutouts.

    The beam in pixels is drawn log-uniform; a crop that gives it is laid at random, mostly on an object, never so that
    it cuts an extended one, and is put on the new grid by a cubic spline. Sky positions, Jy/beam and the beam in arcsec
    stay. Split and group are those of the cutout; where the output holds a collection, the images are added to it.
    Exit code 1: some cutouts could not be read (listed at the end), the others are done.

    \b
    Example:
      radiff cut annotated -o collection192 --size 192
      radiff resample collection192 -o collection --size 128 --beam-pixels 2:8
    """
    from radiff.data.collection import Collection
    from radiff.data.resample import ResampleOptions, resample_collection
    from radiff.data.split import conflicts

    options = ResampleOptions(
        size, parse_range(beam_pixels, "--beam-pixels", float, "2:8"), per_image, seed, sample, filled_only
    )
    cutouts = Collection.open(collection, workers)
    if split is not None:
        cutouts = cutouts.split(split)
    report = resample_collection(cutouts, output, options, workers, dry_run)
    show_warnings(report.warnings)
    _tell(report, output / sample, dry_run)
    shared = conflicts(report.rows_in_index or [])
    if shared:
        a, b = shared[0]
        say(f"warning: {len(shared)} pairs of train and val cutouts may share sky, e.g. {a.image} and {b.image}")
    finish(report.failures, len(cutouts))
    if not report.rows:
        raise InputError("no image could be made of any cutout; see the reasons above", collection)


def _tell(report: "ResampleReport", place: Path, dry_run: bool) -> None:
    """Print counts a split, objects, beams and what was left out."""
    import numpy as np

    splits = Counter(row.split or "no split" for row in report.rows)
    parts = ", ".join(f"{number:,} {split}" for split, number in sorted(splits.items()))
    start = f"would make {len(report.rows):,} images" if dry_run else f"{len(report.rows):,} images in {place}"
    print(start + (f" ({parts})" if parts else "") + ("; nothing was written" if dry_run else ""))
    if report.rows:
        counts = np.sum([row.counts for row in report.rows], axis=0)
        print(f"objects in them: {counts[0]:,} spurious, {counts[1]:,} compact, {counts[2]:,} extended")
        low, *quarters, high = np.quantile(report.beams, [0, 0.25, 0.5, 0.75, 1])
        print(f"beams: {low:.2f} to {high:.2f} pixels, quarters at " + ", ".join(f"{one:.2f}" for one in quarters))
    for reason, number in sorted(report.skipped.items()):
        print(f"  left out: {number:,} images ({reason})")
