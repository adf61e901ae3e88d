"""``radiff noise``: parses and prints; the work is done by `radiff.sky`, `radiff.data` and `radiff.populate`."""

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radiff.cli.outcome import finish, say
from radiff.cli.values import BeamLike, BeamText, HduText, PlaneNumber, asked_beam, parse_beam
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.data.noise_maps import MeasureOptions, NoiseMap
    from radiff.sky import NoiseBank, NoiseSpectrum
    from radiff.sky.noise_source import NoiseSource


PICTURES = (".png", ".pdf", ".svg", ".jpg")
"""Endings of a picture's name."""


def register(app: typer.Typer) -> None:
    """Add the group ``noise``, and ``background``, the former name of ``noise draw``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    group.callback()(noise)
    group.command("measure")(measure)
    group.command("show")(show)
    group.command("draw")(draw)
    app.add_typer(group, name="noise")
    app.command("background", hidden=True)(background)


def noise() -> None:
    """Measure the noise of maps as a spectrum, look at it, draw maps of it."""


def measure(
    maps: Annotated[
        list[Path] | None, typer.Argument(metavar="MAPS...", help="Maps, or folders of maps, of one telescope.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The spectrum or bank, a FITS file.")] = Path(
        "noise.fits"
    ),
    masks: Annotated[
        str,
        typer.Option(help="auto (annotations beside the maps, else what is bright), none, a mask, or annotations."),
    ] = "auto",
    side: Annotated[int, typer.Option(min=16, max=1024, help="Modes a side: noise is told to half of it.")] = 128,
    empty: Annotated[bool, typer.Option("--empty", help="Difference or Stokes V maps: nothing is masked.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse maps with residuals above 5 rms.")] = False,
    hdu: HduText = None,
    plane: PlaneNumber = None,
    beam: BeamText = None,
    like: BeamLike = None,
    pixel_scale: Annotated[float | None, typer.Option(help="Arcsec, in place of the headers'.")] = None,
    from_beam: Annotated[str | None, typer.Option(help="No maps: what a beam says, as --beam.")] = None,
    exponent: Annotated[float, typer.Option(help="Power of that beam's transform; 2: white noise convolved.")] = 1.0,
    from_dirty_beam: Annotated[
        Path | None, typer.Option(help="No maps: what a dirty beam (FITS) of natural weights says.")
    ] = None,
    at_beam: Annotated[str | None, typer.Option(help="Convert to this beam, as --beam.")] = None,
    at_pixel_scale: Annotated[float | None, typer.Option(help="Convert to pixels of this size, arcsec.")] = None,
    bank: Annotated[bool, typer.Option("--bank", help="One spectrum a map, into a bank.")] = False,
    survey: Annotated[str | None, typer.Option(help="Of a bank: name for all; default: header, folder.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes, of a bank; default: all cores.")] = None,
    picture: Annotated[bool, typer.Option("--picture/--no-picture", help="Draw a PNG beside the file.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name.")] = False,
) -> None:
    """Measure the noise spectrum of maps, sources left out, and write it for --noise.

    Told are rms, beam, how well a mode is known, which modes may be leakage, what is left of bright sources, skewness
    and kurtosis, and how the rms wanders. A bank holds a spectrum a map; maps with residuals above 5 rms stay out.

    \b
    Examples:
      radiff noise measure map.fits -o noise.fits
      radiff noise measure fields/ -o bank.fits --bank --survey first
      radiff noise measure --from-beam 6.5,5.2,30 --pixel-scale 1.5 -o beam.fits
      radiff noise measure map.fits --at-beam 8,8,0 --at-pixel-scale 2 -o coarse.fits
    """
    from radiff.data.noise_maps import MeasureOptions, find_maps, measure_maps
    from radiff.sky.address import with_part
    from radiff.sky.spectrum_picture import picture_spectrum

    _check_new(output, overwrite)
    if sum((bool(maps), from_beam is not None, from_dirty_beam is not None)) != 1:
        raise InputError("give MAPS, or --from-beam, or --from-dirty-beam: one of them")
    for name, scale in (("--pixel-scale", pixel_scale), ("--at-pixel-scale", at_pixel_scale)):
        if scale is not None and not 0 < scale < math.inf:
            raise InputError(f"{name} {scale:g}: give a positive number of arcsec")
    own = asked_beam(beam, like)
    if maps:
        known = masks in ("auto", "none")
        found = find_maps(maps, None if known else _existing(Path(masks)), own=masks != "none")
        found = [replace(one, image=with_part(one.image, hdu, plane)) for one in found]
        options = MeasureOptions(side - side % 2, empty, strict, own, pixel_scale)
        if bank:
            _bank(found, options, survey, workers, output, picture)
            return
        spectrum = measure_maps(found, options)
    else:
        spectrum = _told(from_beam, exponent, from_dirty_beam, pixel_scale, own)
    if at_beam is not None or at_pixel_scale is not None:
        spectrum = _converted(spectrum, at_beam, at_pixel_scale)
    spectrum.write(output)
    if picture:
        picture_spectrum(output.with_suffix(".png"), spectrum)
    _describe(spectrum)
    print(f"{spectrum.side} x {spectrum.side} modes: {output}")


def _told(
    from_beam: str | None, exponent: float, dirty: Path | None, pixel_scale: float | None, beam: Any
) -> "NoiseSpectrum":
    """A spectrum without maps."""
    from radiff.sky import NoiseSpectrum, read_cutout

    if from_beam is not None:
        if pixel_scale is None:
            raise InputError("--from-beam needs --pixel-scale (arcsec)")
        return NoiseSpectrum.from_beam(parse_beam(from_beam, "--from-beam"), pixel_scale, exponent)
    assert dirty is not None
    psf = read_cutout(dirty)
    try:
        return NoiseSpectrum.from_dirty_beam(psf.image, pixel_scale or psf.pixel_scale, beam=beam or psf.beam)
    except InputError as error:
        raise InputError(error.message, dirty) from error


def _converted(spectrum: "NoiseSpectrum", beam: str | None, pixel_scale: float | None) -> "NoiseSpectrum":

    wanted = spectrum.beam if beam is None else parse_beam(beam, "--at-beam")
    scale = pixel_scale or spectrum.pixel_scale
    if wanted is None or scale is None:
        raise InputError("the maps do not say their beam and pixel scale; give --beam and --pixel-scale")
    return spectrum.at(wanted, scale)


def _bank(
    maps: "list[NoiseMap]",
    options: "MeasureOptions",
    survey: str | None,
    workers: int | None,
    output: Path,
    picture: bool,
) -> None:
    from radiff.data.noise_maps import measure_bank
    from radiff.sky import NoiseBank
    from radiff.sky.spectrum_files import write_noise_bank

    made = measure_bank(maps, options, survey, workers)
    if made.spectra:
        write_noise_bank(output, made.spectra, made.names, made.surveys)
        _show_bank(NoiseBank.open(output), output.with_suffix(".png") if picture else None)
        print(f"{len(made.spectra):,} spectra of {options.side} x {options.side} modes: {output}")
    if made.residuals:
        say(f"{len(made.residuals):,} maps have residuals above 5 rms outside their masks and stay out of the bank")
    if not made.spectra and not made.failures:
        raise InputError("no map without residuals above 5 rms is left; give masks with --masks")
    finish(made.failures, len(maps))


def show(
    spectrum: Annotated[Path, typer.Argument(metavar="SPECTRUM|BANK", help="File of 'radiff noise measure'.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The picture; default: beside the file.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the field that is drawn.")] = 0,
) -> None:
    """Print what a noise spectrum or a bank says, and draw it: power, correlation, profile, a field."""
    from radiff.sky import NoiseBank, NoiseSpectrum
    from radiff.sky.spectrum_files import is_noise_bank
    from radiff.sky.spectrum_picture import picture_spectrum

    picture = output or spectrum.with_suffix(".png")
    if picture.suffix.lower() not in PICTURES:  # a spectrum's own file must not become a picture
        raise InputError(f"is no name for a picture; choose one that ends in {', '.join(PICTURES)}", picture)
    if is_noise_bank(spectrum):
        _show_bank(NoiseBank.open(spectrum), picture)
    else:
        one = NoiseSpectrum.read(spectrum)
        picture_spectrum(picture, one, seed=seed)
        _describe(one)
    print(f"picture: {picture}")


def _describe(spectrum: "NoiseSpectrum") -> None:
    told = spectrum.notes
    print(spectrum.origin or "noise spectrum")
    rms = "not known" if spectrum.rms is None else f"{spectrum.rms:.4g} Jy/beam"
    beam, scale = spectrum.beam, spectrum.pixel_scale
    shape = "not known" if beam is None else f"{beam.maj:.4g} x {beam.min:.4g} arcsec at {beam.pa:.4g} deg"
    print(f"rms: {rms}; beam: {shape}; pixels: {'not known' if scale is None else f'{scale:.4g} arcsec'}")
    if "windows" in told:
        print(f"windows: {told['windows']:,} on {told['maps']:,} patches, {told['usable_pixels']:,} pixels")
        flagged = f"{100 * told['flagged_modes']:.0f} % of the modes may be leakage"
        print(f"error of a mode: {100 * spectrum.error:.0f} %; {flagged}")
        if told.get("held_variance", 0) > 0:
            print(f"diffuse emission or level: {100 * told['held_variance']:.0f} % of the variance, left out")
        print(
            f"residuals above 5 rms: {told['residual_pixels']:,} pixels; skewness {told['skewness']:.3f}, "
            f"kurtosis {told['kurtosis']:.3f}"
        )
    if spectrum.rms_spread > 0:
        print(f"the rms wanders by {100 * spectrum.rms_spread:.0f} % over {spectrum.rms_scale:.0f} pixels")
    if (faint := spectrum.faint) is not None:
        print(f"faint sources: {faint.per_beam:.3g} a beam, {faint.low:g} to {faint.high:g} rms, slope {faint.slope:g}")
    if (left := spectrum.residuals) is not None:
        around = f"{left.level:.2g} peak^{left.power:g} rms around a source, over {left.scale:g} beams"
        print(f"residuals: {left.floor:.2g} rms everywhere, {around}, in patches of {left.patch:g} beams")


def _show_bank(bank: "NoiseBank", picture: Path | None) -> None:
    import numpy as np

    from radiff.sky.spectrum_picture import picture_bank

    for name in bank.surveys:
        numbers = bank.of_survey(name)
        some = [bank.spectrum(int(k)) for k in numbers[np.unique(np.linspace(0, len(numbers) - 1, 32).astype(int))]]
        levels = [one.rms for one in some if one.rms is not None]
        middle = f"median rms {np.median(levels):.4g} Jy/beam, " if levels else ""
        spread = f"the rms wanders by {100 * some[0].rms_spread:.0f} % over {some[0].rms_scale:.0f} pixels"
        print(f"{name}: {len(numbers):,} fields, {middle}{spread}")
    if picture is not None:
        chosen = np.unique(np.linspace(0, len(bank) - 1, 12).astype(int))
        picture_bank(picture, [bank.spectrum(int(k)) for k in chosen])


def draw(
    output: Annotated[Path, typer.Option("--output", "-o", help="The map, a FITS file.")],
    size: Annotated[str, typer.Option(help="Columns x rows, pixels: 15000x12000.")] = "2000x2000",
    noise: Annotated[
        list[str] | None,
        typer.Option(help="A spectrum, a bank, a map to measure, first, nvss, or beam (default); once a tile."),
    ] = None,
    tiles: Annotated[
        str | None, typer.Option(help="Columns x rows of several --noise, row by row from the bottom: 2x1.")
    ] = None,
    beam: Annotated[str | None, typer.Option(help="FWHM, or maj,min,pa; default: the noise's own, else 6.")] = None,
    like: Annotated[Path | None, typer.Option(help="FITS image whose beam and pixel scale to take.")] = None,
    pixel_scale: Annotated[float | None, typer.Option(help="Arcsec; default: the noise's own, else 1.5.")] = None,
    rms: Annotated[float | None, typer.Option(help="In the middle, Jy/beam; default: the noise's, else 1e-4.")] = None,
    rms_map: Annotated[Path | None, typer.Option(help="Local rms, Jy/beam: a FITS map of the same size.")] = None,
    wander: Annotated[bool, typer.Option("--wander", help="Let the rms wander as the spectrum says.")] = False,
    faint: Annotated[bool, typer.Option("--faint", help="Put in the spectrum's faint sources.")] = False,
    center: Annotated[str, typer.Option(help="ra,dec of the middle, deg.")] = "0,-30",
    projection: Annotated[str, typer.Option(help="SIN, TAN, NCP, ZEA or CAR.")] = "SIN",
    gradient: Annotated[float, typer.Option(help="Rms at one end of the map over that at the other.")] = 1.0,
    gradient_pa: Annotated[float, typer.Option(help="Towards which it grows, deg from the top to the left.")] = 0.0,
    edge: Annotated[float, typer.Option(help="Rms in the corners over that in the middle.")] = 1.0,
    sidelobes: Annotated[int, typer.Option(min=0, help="Sources, taken off, that left their sidelobes.")] = 0,
    sidelobe_snr: Annotated[float, typer.Option(help="Strength of these, in units of the rms.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same file.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: by the size of the map.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A running dask scheduler: tcp://host:8786, or its file.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name.")] = False,
) -> None:
    """Draw a map of noise without sources, of any size, for 'radiff populate'.

    Its spectrum is that of --noise, stretched to the map's beam and pixels. From a beam alone the noise has the beam's
    transform as its power, so that its autocovariance is the beam, as for natural weights. The rms may change over the
    map, and sidelobes may lie on it.

    \b
    Examples:
      radiff noise draw -o noise.fits --size 15000x12000 --noise map.fits
      radiff noise draw -o noise.fits --beam 6.5,5.2,30 --rms 5e-5 --edge 3 --sidelobes 10
      radiff noise draw -o noise.fits --noise a.fits --noise b.fits --tiles 2x1 --wander
    """
    from radiff.parallel import open_pool
    from radiff.populate.backgrounds import BackgroundOptions, noise_model, simulate_noise
    from radiff.sky import Beam, MapReader
    from radiff.sky.noise_source import open_noise
    from radiff.sky.windows import LARGE_MAP

    _check_new(output, overwrite)
    nx, ny = _numbers(size.lower(), "x", "--size", "columns x rows, e.g. 2000x1500")
    ra, dec = _numbers(center, ",", "--center", "ra,dec in deg, e.g. 150.1,-30")
    given = asked_beam(beam, like)
    if like is not None and pixel_scale is None:
        with MapReader(like) as reader:
            pixel_scale = reader.pixel_scale
    named = [name for name in noise or ["beam"] if name != "beam"]
    opened = {name: open_noise(name, say) for name in dict.fromkeys(named)}
    first = opened[named[0]].draw(seed) if named else None
    given = given or (None if first is None else first.beam) or Beam(6.0, 6.0, 0.0)
    pixel_scale = pixel_scale or (None if first is None else first.pixel_scale) or 1.5
    rms = rms if rms is not None else (None if first is None else first.rms) or 1e-4
    options = BackgroundOptions(
        (int(ny), int(nx)), given, pixel_scale, rms, (ra, dec), projection.upper(), gradient, gradient_pa, edge,
        sidelobes, sidelobe_snr, seed,
    )  # fmt: skip
    grid = options.grid
    opened["beam"] = open_noise("beam", None, given, pixel_scale)
    table = _table([opened[name] for name in noise or ["beam"]], tiles)
    model = noise_model(table, grid, seed, wander, faint, rms_map)
    count = workers or (1 if options.shape[0] * options.shape[1] <= LARGE_MAP else None)
    with tempfile.TemporaryDirectory() as folder, open_pool(count, scheduler, Path(folder)) as pool:
        simulate_noise(output, options, pool, model)
    level = f"rms {rms:g} Jy/beam" if rms_map is None else f"rms of {rms_map}"
    print(f"{int(nx):,} x {int(ny):,} pixels, {grid.area:.4g} square degrees, {level}: {output}")


def _table(sources: "list[NoiseSource]", tiles: str | None) -> "list[list[NoiseSource]]":
    """Rows of sources, as --tiles says."""
    if tiles is None:
        if len(sources) > 1:
            raise InputError(f"{len(sources)} times --noise; say with --tiles columns x rows how they lie, e.g. 2x1")
        return [sources]
    columns, rows = (int(n) for n in _numbers(tiles.lower(), "x", "--tiles", "columns x rows, e.g. 2x1"))
    if min(columns, rows) < 1 or columns * rows != len(sources):
        raise InputError(f"--tiles {tiles!r} for {len(sources)} times --noise; give --noise once a tile")
    return [sources[row * columns : (row + 1) * columns] for row in range(rows)]


def background(
    output: Annotated[Path, typer.Option("--output", "-o", help="The map, a FITS file.")],
    size: Annotated[str, typer.Option(help="Columns x rows, pixels: 15000x12000.")] = "2000x2000",
    pixel_scale: Annotated[float, typer.Option(help="Arcsec.")] = 1.5,
    beam: Annotated[str, typer.Option(help="FWHM, or maj,min,pa (arcsec, arcsec, deg).")] = "6",
    rms: Annotated[float, typer.Option(help="Noise in the middle of the map, Jy/beam.")] = 1e-4,
    center: Annotated[str, typer.Option(help="ra,dec of the middle, deg.")] = "0,-30",
    projection: Annotated[str, typer.Option(help="SIN, TAN, NCP, ZEA or CAR.")] = "SIN",
    gradient: Annotated[float, typer.Option(help="Rms at one end of the map over that at the other.")] = 1.0,
    gradient_pa: Annotated[float, typer.Option(help="Towards which it grows, deg from the top to the left.")] = 0.0,
    edge: Annotated[float, typer.Option(help="Rms in the corners over that in the middle.")] = 1.0,
    sidelobes: Annotated[int, typer.Option(min=0, help="Sources, taken off, that left their sidelobes.")] = 0,
    sidelobe_snr: Annotated[float, typer.Option(help="Strength of these, in units of the rms.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same file.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: by the size of the map.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A running dask scheduler: tcp://host:8786, or its file.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name.")] = False,
    generator: Annotated[bool, typer.Option("--generator", help="Gone: see 'radiff noise draw --noise'.")] = False,
    weights: Annotated[str | None, typer.Option(hidden=True)] = None,
    steps: Annotated[int | None, typer.Option(hidden=True)] = None,
    device: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """The former name of 'radiff noise draw', with noise of the beam.

    Its power is now the beam's transform, where it was the square (that of white noise convolved with the beam): for
    that, 'radiff noise measure --from-beam ... --exponent 2' and 'radiff noise draw --noise'.
    """
    if generator or weights is not None or steps is not None or device is not None:
        raise InputError(
            "the network draws no tiles any more: noise has a measured spectrum; use 'radiff noise draw --noise first' "
            "(or nvss, or a map), without --generator, --weights, --steps and --device"
        )
    draw(
        output, size, beam=beam, pixel_scale=pixel_scale, rms=rms, center=center, projection=projection,
        gradient=gradient, gradient_pa=gradient_pa, edge=edge, sidelobes=sidelobes, sidelobe_snr=sidelobe_snr,
        seed=seed, workers=workers, scheduler=scheduler, overwrite=overwrite,
    )  # fmt: skip


def _check_new(output: Path, overwrite: bool) -> None:
    if output.exists() and not overwrite:
        raise InputError("exists already; choose another name or replace it with --overwrite", output)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError("no such file or folder; --masks takes auto, none, a mask, or a folder of annotations", path)
    return path


def _numbers(text: str, separator: str, option: str, wanted: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(separator))
    except ValueError as error:
        raise InputError(f"{option} {text!r}: give {wanted}") from error
    return first, second
