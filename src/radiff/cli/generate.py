"""``radiff generate``: parses and prints; the work is done by `radiff.generate`."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.outcome import finish, say
from radiff.cli.values import BeamText, asked_beam, parse_peak
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.generate import Guidance


def register(app: typer.Typer) -> None:
    """Add the verb ``generate``."""
    app.command("generate")(generate)


def generate(
    masks: Annotated[
        list[Path] | None, typer.Argument(help="Mask files (.json, .fits, .png, .npy), folders or collections.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the cutouts: a collection.")] = Path("out"),
    weights: Annotated[str, typer.Option(help="Weights folder, hub id, or 'default' (in the package).")] = "default",
    split: Annotated[str | None, typer.Option(help="Of collections, only this split (train, val).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many masks.")] = None,
    per_mask: Annotated[int, typer.Option(min=1, help="Images a mask, each with a seed of its own.")] = 1,
    unconditional: Annotated[
        int, typer.Option(min=0, help="Make so many images without a mask, and nothing else.")
    ] = 0,
    size: Annotated[int, typer.Option(min=64, max=2048, help="Side of images without a mask, pixels.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image; the next has the next number.")] = 0,
    rms: Annotated[
        float | None, typer.Option(help="Noise rms, Jy/beam; default: the mask's own image, else 1.5e-4.")
    ] = None,
    beam: BeamText = None,
    like: Annotated[Path | None, typer.Option(help="FITS image whose WCS, beam, header and noise to take.")] = None,
    background: Annotated[
        str, typer.Option(help="Background image: none, self, self-masked or other; see below.")
    ] = "none",
    background_from: Annotated[
        list[Path] | None, typer.Option(help="Where other backgrounds are: FITS images or collections; repeat.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help="Noise of which sky: a file of 'radiff noise measure', a FITS map to measure it on, first, nvss or "
            "beam; default: a field of the bank in the box, drawn by the seed."
        ),
    ] = None,
    keep_noise: Annotated[
        bool, typer.Option("--keep-noise", help="Copy the background's own noise; default: new noise like it.")
    ] = False,
    edges: Annotated[
        str,
        typer.Option(help="Isophote of the masks' edges, in rms, that is held; off; auto: as annotations say."),
    ] = "auto",
    background_strength: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Strength of a background that is a condition (self, or weights without the sky's noise).",
        ),
    ] = None,
    peak_snr: Annotated[
        str | None,
        typer.Option(help="Peak asked of every object, in units of the rms: 20, 5:100 (drawn), or real (its own)."),
    ] = None,
    flux: Annotated[float | None, typer.Option(help="Integrated flux of every object, Jy, exactly.")] = None,
    rescale_peaks: Annotated[
        bool, typer.Option("--rescale-peaks", help="Bring every peak asked for to exactly that.")
    ] = False,
    peak_projection: Annotated[
        bool | None,
        typer.Option(
            "--peak-projection/--no-peak-projection", help="Bring peaks to what is asked while sampling; default: on."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="euler, heun, adams, dpm++, unipc, ddim, ddpm, edm-heun, flow-euler, flow-heun.")
    ] = None,
    guidance: Annotated[
        list[str] | None,
        typer.Option(help="How strongly a condition is followed, e.g. mask=1.5; 1 as trained; repeat."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    backend: Annotated[str, typer.Option(help="torch, or openvino (pip install 'radiff[fastcpu]').")] = "torch",
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what an earlier run has made of the same with the same options.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, write nothing.")] = False,
) -> None:
    """Make calibrated cutouts in Jy/beam from masks.

    Every mask gives a FITS image with WCS, beam, rms and provenance (seed, weights, steps), its annotation in the
    rg-dataset format, and all together a collection with an index and quicklook.png. A mask that belongs to an image
    takes that image's WCS, beam and noise. Sides must be multiples of 4 from 64 to 2048 pixels.

    Backgrounds: self-masked takes the mask's own image with its sources removed; other takes another image, its sources
    removed; self takes the image itself, sources and all (as the paper does; it tells the network the answer). What is
    wider than ten beams in a background is kept; the noise below is drawn anew, like it, or copied with --keep-noise.

    Noise: every image starts from noise with the power spectrum of a sky, its stripes, hatches and grain. --noise takes
    that of any telescope: see 'radiff noise --help'. The spectrum is brought to the beam of the image in pixels.

    \b
    Examples:
      radiff generate collection --split val --limit 50 -o synthetic --seed 1
      radiff generate collection --split val --background self-masked --peak-snr real --rescale-peaks -o synthetic
      radiff generate masks/ --noise mymap.fits --like mymap.fits --peak-snr 5:100 -o synthetic
    """
    from radiff import generate as room
    from radiff.cli.weights import open_generator
    from radiff.parallel import track
    from radiff.sky import read_cutout
    from radiff.sky.noise_source import open_noise

    shown = background != "none" or bool(background_from)
    for name, given in (("--background-strength", background_strength is not None), ("--keep-noise", keep_noise)):
        if given and not shown:
            raise InputError(f"{name} is of a background image, and there is none: add --background or leave it out")
    if noise is not None and shown:
        raise InputError("--noise and a background image both say what the noise is like; leave one of them out")
    edge = parse_edges(edges)
    own = asked_beam(beam, None)
    observation = None if like is None else room.Observation.like(read_cutout(like))
    if unconditional:
        found, failures = room.empty_specs(unconditional, size), list[InputError]()
    else:
        found, failures = room.read_specs(masks or [], split, limit)
    total = len(found) + len(failures)
    asked_peak = None if peak_snr is None else parse_peak(peak_snr)
    scales = parse_guidance(guidance)
    if background not in ("none", *room.MODES):
        raise InputError(f"--background {background}: there are none, {', '.join(room.MODES)}")
    if background_from and background not in ("none", "other"):
        raise InputError(f"--background {background} takes the mask's own image; leave out --background-from")
    if rescale_peaks and asked_peak is None:
        raise InputError("--rescale-peaks brings peaks to what is asked, and none is: add --peak-snr or leave it out")
    backgrounds = room.find_backgrounds(background_from, None) if background_from else None
    generator = open_generator(weights, device, precision, backend)
    good, misfits = room.fitting(found, generator.check_mask)
    failures += misfits
    specs = room.prepare_specs(good, seed, per_mask, observation, rms, own, asked_peak, flux)
    if shown:
        specs = room.add_backgrounds(specs, background, backgrounds)
    if noise is not None:
        first = specs[0].observation if specs else room.Observation()
        source = open_noise(noise, say, first.beam, first.pixel_scale)
        specs = room.with_noise(specs, source, own_beam=own is None and like is None, own_rms=rms is None)
    options = generator.options(
        sampler=sampler,
        num_steps=steps,
        guidance=scales,
        background_strength=background_strength,
        peak_projection=peak_projection,
        keep_noise=keep_noise,
        edge_snr=edge,
        rescale_peaks=rescale_peaks,
        unconditional=bool(unconditional),
        batch_size=batch_size,
    )
    left, kept = room.already_made(output, specs, generator.made_with(options)) if resume else (specs, [])
    cutouts = generator.iterate(left, options)
    if dry_run:
        print(f"would make {len(left)} images ({len(kept)} are made already) into {output}; nothing was written")
    elif specs:
        made = zip(left, track(cutouts, "generating", len(left)), strict=True)
        rows = room.write_generated(output, made, kept=kept)
        print(f"{len(rows)} images in {output}")
        print(output / "index.csv")
        print(room.draw_quicklook(output / "quicklook.png", output, rows))
    finish(failures, total)


def parse_edges(text: str) -> float | None:
    """What ``--edges`` says: an isophote in units of the rms, ``off`` (0), or ``auto`` (None).

    Raises
    ------
    InputError
        Where it is none of these.
    """
    if text in ("auto", "off"):
        return None if text == "auto" else 0.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 100:
        raise InputError(f"--edges {text!r}: give an isophote in units of the rms such as 3, off or auto")
    return value


def parse_guidance(texts: list[str] | None) -> "Guidance | None":
    """What ``--guidance mask=1.5`` says.

    Raises
    ------
    InputError
        Where a name or a number is not known.
    """
    from radiff.generate import Guidance

    names = [field.name for field in dataclasses.fields(Guidance)]
    scales: dict[str, float] = {}
    for text in texts or []:
        name, _, number = text.partition("=")
        try:
            scales[name] = float(number)
        except ValueError:
            name = ""
        if name not in names:
            raise InputError(f"--guidance {text!r}: give NAME=NUMBER; the names are {', '.join(names)}")
    try:
        return Guidance(**scales) if scales else None
    except ValueError as error:
        raise InputError(f"--guidance: {error}") from error
