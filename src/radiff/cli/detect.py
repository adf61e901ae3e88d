"""``radiff detect``: parses and prints; the work is done by `radiff.challenge.finding`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.values import HduText, PlaneNumber
from radiff.parallel import progress_bar

if TYPE_CHECKING:
    from radiff.challenge.finding import Segment
    from radiff.masks import SourceObject


def register(app: typer.Typer) -> None:
    """Add the verb ``detect``."""
    app.command("detect")(detect)


def detect(
    map_path: Annotated[Path, typer.Argument(metavar="MAP", help="FITS map in Jy/beam, of any size.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Catalog: .fits, .ecsv or .csv.")],
    finder: Annotated[str, typer.Option(help="sep, pybdsf, aegean or segmenter.")] = "sep",
    snr: Annotated[float, typer.Option(help="A source has a peak above this many local rms.")] = 5.0,
    grow_snr: Annotated[float, typer.Option(help="Its pixels are above this many local rms.")] = 3.0,
    min_pixels: Annotated[int, typer.Option(min=1, help="Sources of fewer pixels are noise.")] = 3,
    weights: Annotated[str, typer.Option(help="For the segmenter: weights folder, hub id, or 'default'.")] = "default",
    device: Annotated[str, typer.Option(help="For the segmenter: auto, cpu or cuda.")] = "auto",
    spurious: Annotated[
        bool, typer.Option("--keep-spurious", help="Keep what the segmenter calls spurious, under that class.")
    ] = False,
    hdu: HduText = None,
    plane: PlaneNumber = None,
    regions: Annotated[bool, typer.Option("--regions/--no-regions", help="DS9 regions beside the catalog.")] = True,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
) -> None:
    """Find the sources of a map, and write them as a catalog that 'radiff score' reads.

    One row a source: position (deg, ICRS), integrated flux (Jy), peak and local rms (Jy/beam), FWHM as on the map and
    without the beam (arcsec), position angle, class. sep is built in and reads large maps window by window; pybdsf and
    aegean read the whole map, and come with pip install 'radiff[finders]'; segmenter is the network of
    'radiff segment'.

    \b
    Example:
      radiff detect map.fits -o sep.fits
      radiff detect map.fits -o bdsf.fits --finder pybdsf
    """
    from radiff.challenge import finding
    from radiff.challenge.finders.islands import FindOptions
    from radiff.challenge.submission import check_output, write_regions, write_submission
    from radiff.errors import InputError
    from radiff.sky.address import with_part

    check_output(output)
    map_path = with_part(map_path, hdu, plane)
    if finder not in finding.FINDERS:
        raise InputError(f"{finder!r} is no finder; finders are {', '.join(finding.FINDERS)}")
    options = finding.DetectOptions(FindOptions(snr, grow_snr, min_pixels), workers, spurious)
    segment = _segmenter(weights, device, min_pixels) if finder == "segmenter" else None
    if finder in ("pybdsf", "aegean"):
        with progress_bar() as progress:
            progress.add_task(f"{finder} is at work", total=None)
            table = finding.detect(map_path, finder, options)
    else:
        table = finding.detect(map_path, finder, options, segment)
    write_submission(output, table)
    counts = ", ".join(f"{int((table['class'] == name).sum()):,} {name}" for name in ("compact", "extended"))
    print(f"{len(table):,} sources by {finder} ({counts}): {output}")
    if regions:
        print(write_regions(output.with_suffix(".reg"), table))


def _segmenter(weights: str, device: str, min_pixels: int) -> "Segment":
    """The segmenter as a function of a map's path."""
    from radiff.evaluate.segment.masking import MapSegmenter, objects_of
    from radiff.sky import MapReader

    network = MapSegmenter(weights, device)

    def segment(path: Path) -> "Sequence[SourceObject]":
        with MapReader(path) as reader, progress_bar() as progress:
            rows = progress.add_task("segmenting, rows", total=reader.shape[0])
            mask = network.mask(reader, on_rows=lambda more: progress.advance(rows, more))
        return objects_of(mask, min_pixels)

    return segment
