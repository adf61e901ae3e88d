"""``radiff populate``: parses and prints; the work is done by `radiff.populate`."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.outcome import SOME_FAILED, say
from radiff.cli.values import BeamLike, BeamText, HduText, PlaneNumber, asked_beam, parse_range
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.populate import FluxRule, NoiseOptions, Number, Populated, PopulateOptions
    from radiff.sky import Beam


def register(app: typer.Typer) -> None:
    """Add the verb ``populate``."""
    app.command("populate")(populate)


def populate(
    background: Annotated[Path, typer.Argument(help="FITS map with WCS, beam and unit, real or simulated.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the truth package.")],
    compact: Annotated[str | None, typer.Option(help="How many: 500, 50/deg2, or counts (source counts).")] = None,
    extended: Annotated[str | None, typer.Option(help="The same; needs --stamps.")] = None,
    spurious: Annotated[str | None, typer.Option(help="The same; needs --stamps.")] = None,
    stamps: Annotated[Path | None, typer.Option(help="Library of 'radiff stamps'.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="Sources to place: CSV, ECSV, FITS, VOTable.")] = None,
    positions: Annotated[str | None, typer.Option(help="uniform, clustered, or catalog (with --catalog).")] = None,
    cluster_members: Annotated[float, typer.Option(help="Mean number of objects of a cluster.")] = 20.0,
    cluster_radius: Annotated[float, typer.Option(help="Its Gaussian radius, arcsec.")] = 60.0,
    flux: Annotated[str | None, typer.Option(help="k, power, counts or catalog; default k, or the catalog's.")] = None,
    k_parameter: Annotated[float, typer.Option(help="Of the exponential of k: peak = k * local rms.")] = 3.0,
    k_reading: Annotated[
        str, typer.Option(help="That parameter is its mean (scale) or inverse mean (rate).")
    ] = "scale",
    k_cap: Annotated[float, typer.Option(help="Larger k become this.")] = 10.0,
    slope: Annotated[float, typer.Option(help="Of the power law dN/dS ~ S^-slope.")] = 1.8,
    flux_range: Annotated[str | None, typer.Option(help="low:high in Jy, of power and counts.")] = None,
    counts_file: Annotated[Path | None, typer.Option(help="Source counts: S (Jy), S^2.5 dN/dS (Jy^1.5/sr).")] = None,
    overlap: Annotated[
        float | None, typer.Option(help="Part of the smaller mask two objects may share; default 0, of a catalog 1.")
    ] = None,
    real: Annotated[str, typer.Option(help="Real sources of the map: clear (kept clear of) or accept.")] = "clear",
    compact_size: Annotated[str, typer.Option(help="low:high, FWHM of compact sources without beam, beams.")] = "0:0.5",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 0,
    noise: Annotated[
        str | None, typer.Option(help="Noise in place of the map's pixels: a spectrum, a map, first, nvss, beam.")
    ] = None,
    rms: Annotated[
        str | None, typer.Option(help="Its rms, Jy/beam: a number, or a FITS map; default: that of the map, measured.")
    ] = None,
    wander: Annotated[bool, typer.Option("--wander", help="Let it wander as the spectrum of --noise says.")] = False,
    faint: Annotated[bool, typer.Option("--faint", help="Put in the faint sources of that spectrum.")] = False,
    beam: BeamText = None,
    like: BeamLike = None,
    hdu: HduText = None,
    plane: PlaneNumber = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: by the size of the map.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A running dask scheduler: tcp://host:8786, or its file.")
    ] = None,
    window: Annotated[int, typer.Option(min=64, help="Side of the windows that are written, pixels.")] = 2048,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what another run left there.")] = False,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Draw the overviews.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, say what would be done.")] = False,
) -> None:
    """Place objects on a map of any size, and write the map with its complete truth.

    The package holds the map, the sources-only image, class mask and instance map, the truth as FITS table and ECSV
    (every draw a column), SDC1 columns, DS9 regions, COCO, YOLO and rg-dataset, pictures, a manifest with checksums.
    Killed and run again, it goes on where it was. Exit code 1: some objects found no room; the rest is done. With
    --noise, the map gives grid, beam, header and noise level, and its pixels are noise, kept as background.fits.

    \b
    Examples:
      radiff populate map.fits -o sky --compact 500 --extended 50 --stamps stamps.fits
      radiff populate map.fits -o sky --compact 200/deg2 --flux power --flux-range 1e-4:0.1
      radiff populate map.fits -o sky --catalog trecs.fits --stamps stamps.fits
      radiff populate map.fits -o sky --noise map.fits --compact 500
    """
    from radiff.populate import PopulateOptions
    from radiff.populate import populate as run
    from radiff.sky.address import with_part

    rule = _flux(
        flux or ("k" if catalog is None else "catalog"), k_parameter, k_reading, k_cap, slope, flux_range, counts_file
    )
    options = PopulateOptions(
        _numbers(compact, extended, spurious),
        rule,
        positions or ("uniform" if catalog is None else "catalog"),
        cluster_members,
        cluster_radius,
        (0.0 if catalog is None else 1.0) if overlap is None else overlap,
        real,
        parse_range(compact_size, "--compact-size", float, "0:0.5"),
        seed,
    )
    own, background = asked_beam(beam, like), with_part(background, hdu, plane)
    drawn = _noise(background, own, noise, rms, wander, faint)
    if dry_run:
        _say_plan(background, output, options, stamps, catalog, own)
        return
    made = run(
        background,
        output,
        options,
        stamps=stamps,
        catalog=catalog,
        beam=own,
        workers=workers,
        scheduler=scheduler,
        window=window,
        overwrite=overwrite,
        pictures=pictures,
        command=" ".join(["radiff", *sys.argv[1:]]),
        noise=drawn,
    )
    _tell(made)


def _noise(
    background: Path,
    beam: "Beam | None",
    noise: str | None,
    rms: str | None,
    wander: bool,
    faint: bool,
) -> "NoiseOptions | None":
    """What --noise and the options of it say."""
    from radiff.populate import NoiseOptions
    from radiff.populate.maps import Background
    from radiff.sky.noise_source import open_noise

    if noise is None:
        if rms is not None or wander or faint:
            raise InputError("--rms, --wander and --faint are for the noise that --noise draws; give it too")
        return None
    grid = Background(background, beam=beam).grid
    return NoiseOptions.parse(open_noise(noise, say, grid.beam, grid.pixel_scale), rms, wander, faint)


def _tell(made: "Populated") -> None:
    placed = ", ".join(f"{count:,} {name}" for name, count in made.placed.items()) or "no objects"
    if made.seconds:
        print(f"placed {placed} in {sum(made.seconds.values()):.0f} s: {made.folder}")
    else:
        print(f"{made.folder} is complete already, with the same settings: {placed}")
    if made.outside:
        say(f"{made.outside:,} rows of the catalog lie off the map")
    if not made.complete:
        missing = sum(made.reasons.values())
        why = ", ".join(f"{reason} {count:,}" for reason, count in made.reasons.items())
        say(f"{missing:,} objects were not placed ({why}); they are listed in {made.folder / 'not_placed.ecsv'}")
        raise typer.Exit(SOME_FAILED)


def _say_plan(
    background: Path,
    output: Path,
    options: "PopulateOptions",
    stamps: Path | None,
    catalog: Path | None,
    beam: "Beam | None",
) -> None:
    from radiff.masks import class_name
    from radiff.populate.run import package_bytes, read_inputs
    from radiff.populate.sources import planned

    inputs = read_inputs(background, options, stamps, catalog, beam=beam)
    grid = inputs.background.grid
    classes = planned(options, grid.area, inputs.library, inputs.catalog)
    counts = ", ".join(f"{count:,} {class_name(value)}" for value, count in classes.items())
    major, minor = grid.beam_fwhm
    pixels = f"{grid.shape[1]:,} x {grid.shape[0]:,} pixels of {grid.pixel_scale:.4g} arcsec"
    print(f"map: {pixels}, {grid.area:.4g} square degrees")
    print(f"beam: {grid.beam.maj:.4g} x {grid.beam.min:.4g} arcsec, {major:.3g} x {minor:.3g} pixels")
    print(
        f"objects: {counts}"
        + (" (less where pixels are blank)" if any(n.density for n in options.numbers.values()) else "")
    )
    if inputs.catalog is not None and inputs.catalog.outside:
        print(f"{inputs.catalog.outside:,} rows of the catalog lie off the map")
    there = next(folder for folder in (output, *output.absolute().parents) if folder.is_dir())
    free, needed = shutil.disk_usage(there).free / 1e9, package_bytes(grid.shape) / 1e9
    print(f"would write about {needed:.2f} GB into {output} ({free:.0f} GB are free); nothing was written")


def _numbers(compact: str | None, extended: str | None, spurious: str | None) -> "dict[int, Number]":
    from radiff.masks import COMPACT, EXTENDED, SPURIOUS
    from radiff.populate import Number

    given = ((COMPACT, compact, "--compact"), (EXTENDED, extended, "--extended"), (SPURIOUS, spurious, "--spurious"))
    return {value: Number.parse(text, option) for value, text, option in given if text is not None}


def _flux(
    rule: str,
    parameter: float,
    reading: str,
    cap: float,
    slope: float,
    flux_range: str | None,
    counts_file: Path | None,
) -> "FluxRule":
    from radiff.populate import FluxRule, read_counts

    low, high = (None, None) if flux_range is None else parse_range(flux_range, "--flux-range", float, "1e-4:0.1")
    table = None if counts_file is None else read_counts(counts_file)
    return FluxRule(rule, parameter, reading, cap, slope, low, high, table)
