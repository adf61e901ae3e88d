"""``radiff segment``: parses and prints; the work is done by `radiff.evaluate.segment.masking` and `mask_files`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.annotate import show_warnings
from radiff.cli.outcome import finish
from radiff.cli.values import HduText, PlaneNumber
from radiff.errors import InputError
from radiff.parallel import Failure, progress_bar

if TYPE_CHECKING:
    from radiff.evaluate.segment.mask_files import SegmentResult


def register(app: typer.Typer) -> None:
    """Add the verb ``segment``."""
    app.command("segment")(segment)


def segment(
    inputs: Annotated[list[Path], typer.Argument(help="FITS images, folders of them, or collections.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the masks.")],
    weights: Annotated[str, typer.Option(help="Weights folder with a segmenter, hub id, or 'default'.")] = "default",
    formats: Annotated[
        str, typer.Option(help="Further formats: ds9, yolo; png, coco (not of large maps); separated by commas.")
    ] = "",
    min_pixels: Annotated[int, typer.Option(min=1, help="Smaller objects become background.")] = 1,
    split: Annotated[str | None, typer.Option(help="Of collections, only this split (train, val).")] = None,
    hdu: HduText = None,
    plane: PlaneNumber = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many images.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Leave images whose masks are there as they are.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make them again, edited ones too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, write nothing.")] = False,
) -> None:
    """Find spurious, compact and extended sources by the trained segmenter, and write their masks.

    Each image gets an annotation in the rg-dataset format (masks/), a class mask FITS with the image's WCS (labels/),
    and other formats if asked for. Images of any size: larger ones are read window by window, and their noise is
    measured about each. Where a collection has masks already, the overlap with them (IoU) is printed. Exit code 1:
    some images could not be used (listed at the end), the others are done.

    \b
    Example:
      radiff segment map.fits -o segmented --formats ds9
      radiff segment collection --split val -o segmented
    """
    from radiff.evaluate.segment import mask_files
    from radiff.evaluate.segment.masking import MapSegmenter

    extra = [name.strip() for name in formats.split(",") if name.strip()]
    mask_files.check_formats(extra)
    jobs = mask_files.segment_jobs(inputs, output, split, limit, hdu, plane)
    old = [job for job in jobs if job.annotation.exists()]
    if old and not (resume or overwrite):
        text = f"{len(old)} of {len(jobs)} images have masks already; --resume leaves them, --overwrite redoes them"
        raise InputError(text, old[0].annotation)
    todo = jobs if overwrite else [job for job in jobs if not job.annotation.exists()]
    if len(todo) < len(jobs):
        print(f"{len(jobs) - len(todo)} of {len(jobs)} images have masks already")
    segmenter = MapSegmenter(weights, device, precision)
    if dry_run:
        print(f"would segment {len(todo)} images into {output}; nothing was written")
        return
    with progress_bar() as progress:
        files = progress.add_task("segmenting", total=len(todo))
        rows = progress.add_task("rows of a large map", visible=False)

        def on_rows(more: int, total: int) -> None:
            progress.update(rows, advance=more, total=total, visible=True)

        outcome = []
        for one in mask_files.segment_files(todo, segmenter, extra, min_pixels, on_rows):
            outcome.append(one)
            progress.advance(files)
            progress.reset(rows, visible=False)
    done = [one for one in outcome if not isinstance(one, Failure)]
    show_warnings([message for one in done for message in one.warnings])
    if done:
        _summary(done, output)
    if done and "coco" in extra:
        print(mask_files.write_coco(output, done))
    finish([one for one in outcome if isinstance(one, Failure)], len(jobs))


def _summary(done: "list[SegmentResult]", output: Path) -> None:
    import numpy as np

    from radiff.evaluate.metrics.segmentation import image_means, iou
    from radiff.masks import CLASSES

    spurious, compact, extended = np.sum([one.counts for one in done], axis=0)
    print(
        f"segmented {len(done):,} images in {output}: {spurious:,} spurious, {compact:,} compact, {extended:,} extended"
    )
    tables = [one.confusion for one in done if one.confusion is not None]
    if not tables:
        return
    total, single = iou(np.sum(tables, axis=0)), iou(np.stack(tables))
    parts = ", ".join(f"{one.name} {value:.3f}" for one, value in zip(CLASSES, total, strict=True))
    print(f"IoU with the masks of {len(tables):,} images, accumulated: {parts}")
    print(f"  mean of the classes {np.nanmean(total):.3f}, without background {np.nanmean(total[1:]):.3f}")
    means = np.nanmean(image_means(single)), np.nanmean(image_means(single[:, 1:]))
    print(f"  mean over images {means[0]:.3f}, without background {means[1]:.3f}")
