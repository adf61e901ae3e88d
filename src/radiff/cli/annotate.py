"""``radiff annotate``: parses and prints; the work is done by `radiff.data.annotations`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.outcome import finish, say
from radiff.cli.values import HduText, PlaneNumber
from radiff.errors import InputError
from radiff.parallel import Failure

if TYPE_CHECKING:
    from radiff.data.annotations import AnnotateJob, AnnotateResult

SHEET = "contact_sheet.png"


def register(app: typer.Typer) -> None:
    """Add the verb ``annotate``."""
    app.command("annotate")(annotate)


def annotate(
    maps: Annotated[list[Path], typer.Argument(help="FITS maps, or folders of them (searched to any depth).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the masks.")],
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="Catalog of the sources (CSV, ECSV, FITS, VOTable; ra and dec in deg); without one, shapes decide."
        ),
    ] = None,
    seed_snr: Annotated[float, typer.Option(help="An island needs a pixel above this many local rms.")] = 5.0,
    grow_snr: Annotated[float, typer.Option(help="It grows down to this many local rms.")] = 3.0,
    min_pixels: Annotated[int, typer.Option(help="Smallest island, pixels.")] = 5,
    formats: Annotated[
        str,
        typer.Option(help="Mask files: rg (always), ds9; png, label (not of large maps); separated by commas."),
    ] = "rg",
    hdu: HduText = None,
    plane: PlaneNumber = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    sheet: Annotated[
        bool, typer.Option("--sheet/--no-sheet", help="Draw maps with contours, to review by eye.")
    ] = True,
    sheet_maps: Annotated[int, typer.Option(min=1, help="Maps on the contact sheet, spread over all.")] = 36,
    resume: Annotated[bool, typer.Option("--resume", help="Leave maps that have an annotation as they are.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Draw them again, edited ones too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, write nothing.")] = False,
) -> None:
    """Draw raw masks from FITS maps, with a contact sheet to review them.

    Islands above the local noise become objects: spurious (no catalog component there, or a likely sidelobe),
    compact or extended. Each map gets a JSON and one FITS an object, in the layout of the rg-dataset; the map itself
    is not copied. A map of more than 4096 x 4096 pixels is read window by window, about 0.5 GB of memory a process,
    and its JSON alone holds the objects. Exit code 1: some maps could not be used (listed at the end), the others are
    done.

    \b
    Example:
      radiff annotate first/ --catalog first_catalog.csv -o annotated
      radiff cut annotated -o collection
    """
    from radiff.data import annotations
    from radiff.masks import AnnotateOptions

    jobs = annotations.annotation_jobs(annotations.find_images(maps, hdu, plane), output)
    options = AnnotateOptions(seed_snr=seed_snr, grow_snr=grow_snr, min_pixels=min_pixels)
    extra = [name.strip() for name in formats.split(",") if name.strip() not in ("", "rg")]
    todo = _not_done(jobs, resume, overwrite)
    if len(todo) < len(jobs) and resume:
        print(f"{len(jobs) - len(todo)} of {len(jobs)} maps are annotated already")
    if dry_run:
        print(f"would annotate {len(todo)} maps into {output}; nothing was written")
        return
    outcome = annotations.annotate_maps(todo, catalog, options, extra, workers)
    done = [result for result in outcome if not isinstance(result, Failure)]
    failures = [result for result in outcome if isinstance(result, Failure)]
    show_warnings([message for result in done for message in result.warnings])
    if done:
        _summary(done, output)
    if sheet and (done or len(todo) < len(jobs)):
        _sheet([job for job in jobs if job.annotation.is_file()], output / SHEET, sheet_maps)
    finish(failures, len(jobs))


def _not_done(jobs: "Sequence[AnnotateJob]", resume: bool, overwrite: bool) -> "list[AnnotateJob]":
    """The maps to annotate; masks that exist, perhaps mended by hand, are not overwritten unless asked for."""
    old = [job for job in jobs if job.annotation.exists()]
    if old and not (resume or overwrite):
        text = (
            f"{len(old)} of {len(jobs)} maps have an annotation already; --resume leaves them, --overwrite redoes them"
        )
        raise InputError(text, old[0].annotation)
    return list(jobs) if overwrite else [job for job in jobs if not job.annotation.exists()]


def _summary(done: "Sequence[AnnotateResult]", output: Path) -> None:
    spurious, compact, extended = (sum(result.counts[i] for result in done) for i in range(3))
    print(
        f"annotated {len(done):,} maps in {output}: {spurious:,} spurious, {compact:,} compact, {extended:,} extended"
    )


def _sheet(jobs: "Sequence[AnnotateJob]", path: Path, count: int) -> None:
    from radiff.masks import contact_sheet

    step = max(1, len(jobs) / count)
    chosen = [jobs[int(index * step)] for index in range(min(count, len(jobs)))]
    for page in contact_sheet(((job.image, job.annotation) for job in chosen), path):
        print(f"review by eye: {page}")


def show_warnings(messages: Sequence[str], most: int = 5) -> None:
    """Print distinct warnings on stderr, the first few of many."""
    distinct = list(dict.fromkeys(messages))
    for message in distinct[:most]:
        say(f"warning: {message}")
    if len(distinct) > most:
        say(f"warning: and {len(distinct) - most} more like these")
