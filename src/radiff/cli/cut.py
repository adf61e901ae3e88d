"""``radiff cut``: parses and prints; the work is done by `radiff.data.extract`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.annotate import show_warnings
from radiff.cli.outcome import finish, say
from radiff.errors import InputError
from radiff.parallel import Failure

if TYPE_CHECKING:
    from radiff.data.collection import Row
    from radiff.data.cut import CutReport

REPORT = "not_kept.csv"


def register(app: typer.Typer) -> None:
    """Add the verb ``cut``."""
    app.command("cut")(cut)


def cut(
    inputs: Annotated[
        list[Path], typer.Argument(help="Folders made by 'radiff annotate', or maps with a mask beside.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the collection.")],
    size: Annotated[int, typer.Option(help="Side of a cutout, pixels.")] = 128,
    stride: Annotated[int | None, typer.Option(help="Largest step of the grid, pixels; default: the size.")] = None,
    max_overlap: Annotated[float, typer.Option(help="Most of its area that a grid cutout shares with another.")] = 0.5,
    max_shift: Annotated[
        int | None, typer.Option(help="Farthest a cutout is moved, pixels; default: half the size.")
    ] = None,
    margin: Annotated[int, typer.Option(help="Edge rows that no extended object may touch.")] = 1,
    max_blank: Annotated[float, typer.Option(help="Most of its area that may be blank (NaN).")] = 0.0,
    keep_empty: Annotated[bool, typer.Option("--keep-empty/--no-keep-empty", help="Cutouts without objects.")] = True,
    jitter: Annotated[int, typer.Option(help="Move the grid's cutouts at random by up to this, pixels.")] = 0,
    splits: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV with file, split (and group), or train.txt, val.txt (repeat); default: by sky position."
        ),
    ] = None,
    val_fraction: Annotated[float, typer.Option(min=0, max=1, help="Of the cutouts, for val.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of the jitter.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be cut, write nothing.")] = False,
) -> None:
    """Cut annotated maps into a collection of cutouts.

    No extended object is cut by an edge: a cutout that would cut one is shifted to hold it whole or to leave it out,
    and an extended object that no cutout holds gets one of its own. What could not be kept is listed with its reason
    in not_kept.csv. Large maps are read window by window. Train and val never share a patch of sky. Exit code 1: some
    maps could not be used (listed at the end), the others are done.

    \b
    Example:
      radiff cut annotated -o collection --size 128
      radiff stats collection -o collection/stats
    """
    from radiff.data import extract
    from radiff.data.cut import CutOptions
    from radiff.data.split import GivenSplits, conflicts

    options = CutOptions(size, stride, max_overlap, max_shift, margin, max_blank, keep_empty, jitter, seed)
    given = GivenSplits.read(splits) if splits else None
    jobs, broken = extract.find_maps(inputs)
    total = len(jobs) + len(broken)
    if dry_run:
        outcome = extract.plan_collection(jobs, options, given, workers)
        reports = [report for report in outcome if not isinstance(report, Failure)]
        print(f"would cut {sum(sum(r.kinds.values()) for r in reports):,} cutouts; nothing was written")
        _tell_lost(extract.totals(reports))
        finish([*broken, *(report for report in outcome if isinstance(report, Failure))], total)
        return
    summary = extract.make_collection(jobs, output, options, given, val_fraction, seed, workers, resume)
    show_warnings(summary.warnings)
    if summary.resumed:
        print(f"{summary.resumed} of {len(jobs)} maps were cut already")
    if summary.collection is None and not summary.failures and not broken:
        _tell_lost(summary.totals)
        raise InputError(f"no cutout of {size} pixels could be kept; see the reasons above", output)
    rows = summary.collection.rows if summary.collection else []
    _tell_kept(rows, output)
    _tell_lost(summary.totals)
    if summary.totals.lost:
        extract.write_lost(output / REPORT, summary.results)
        print(f"every case with its place and reason: {output / REPORT}")
    shared = conflicts(rows)
    if shared:
        a, b = shared[0]
        say(f"warning: {len(shared)} pairs of train and val cutouts may share sky, e.g. {a.image} and {b.image}")
    finish([*broken, *summary.failures], total)


def _tell_kept(rows: "Sequence[Row]", output: Path) -> None:
    splits = Counter(row.split for row in rows)
    counts = [sum(column) for column in zip(*(row.counts for row in rows), strict=True)] if rows else [0, 0, 0]
    parts = ", ".join(f"{number:,} {split}" for split, number in sorted(splits.items()))
    print(f"{len(rows):,} cutouts in {output} ({parts})")
    print(f"objects in them: {counts[0]:,} spurious, {counts[1]:,} compact, {counts[2]:,} extended")


def _tell_lost(totals: "CutReport") -> None:
    """Print how the windows lie and what could not be kept, by reason."""
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(totals.kinds.items()))
    print(f"windows: {kinds or 'none'}")
    for reason, number in sorted(totals.skipped.items()):
        print(f"  left out: {number:,} windows ({reason})")
    lost = Counter((one.what, _general(one.reason)) for one in totals.lost)
    objects = sum(number for (what, _), number in lost.items() if what == "object")
    print(f"extended objects: {totals.extended - objects:,} of {totals.extended:,} whole in a cutout")
    for (what, reason), number in sorted(lost.items(), key=lambda item: (item[0][0], -item[1])):
        name = "extended objects" if what == "object" else f"{what}s"
        print(f"  not kept: {number:,} {name} ({reason})")


def _general(reason: str) -> str:
    """A reason without the numbers of the single case, to count by."""
    if "do not fit" in reason:
        return "larger than the window; use a larger --size"
    if "are fewer than" in reason:
        return "smaller than the window; use a smaller --size"
    return reason
