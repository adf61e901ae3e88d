"""``radiff generate``: parses and prints; the work is done by `radiff.generate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.outcome import finish
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.sky import Beam


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
    size: Annotated[int, typer.Option(min=64, max=512, help="Side of images without a mask, pixels.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image; the next has the next number.")] = 0,
    rms: Annotated[
        float | None, typer.Option(help="Noise rms, Jy/beam; default: the mask's own image, else 1.5e-4.")
    ] = None,
    beam: Annotated[str | None, typer.Option(help="Beam: FWHM in arcsec, or maj,min,pa. Goes into the header.")] = None,
    like: Annotated[Path | None, typer.Option(help="FITS image whose WCS, beam, header and noise to take.")] = None,
    peak_snr: Annotated[
        float | None, typer.Option(help="Peak asked of every object, in units of the rms; default: as is likely.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="euler, heun, dpm++, unipc (flow); ddpm, ddim, ... (eps, v).")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(min=0, help="Guidance scale: 1 as trained; above 1 keeps closer to the mask.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what an earlier run has made with these seeds.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, write nothing.")] = False,
) -> None:
    """Make calibrated cutouts in Jy/beam from masks.

    Every mask gives a FITS image with WCS, beam, rms and provenance (seed, weights, steps), its annotation in the
    rg-dataset format, and all together a collection with an index and quicklook.png. A mask that belongs to an image
    takes that image's WCS, beam and noise. Sides must be multiples of 4 from 64 to 512 pixels.

    Example: radiff generate collection --split val --limit 50 -o synthetic --seed 1
    """
    from radiff import generate as room
    from radiff.parallel import track
    from radiff.sky import read_cutout

    asked_beam = None if beam is None else parse_beam(beam)
    sky = None if like is None else room.Sky.like(read_cutout(like))
    if unconditional:
        found, failures = room.empty_requests(unconditional, size), list[InputError]()
    else:
        found, failures = room.read_requests(masks or [], split, limit)
    total = len(found) + len(failures)
    generator = room.Generator(weights, device)
    good, misfits = room.fitting(found, generator.check_mask)
    failures += misfits
    requests = room.prepare_requests(good, seed, per_mask, sky, rms, asked_beam, peak_snr)
    left, kept = room.already_made(output, requests) if resume else (requests, [])
    cutouts = generator.iterate(
        **room.arguments(left),
        sampler=sampler,
        num_steps=steps,
        guidance_scale=guidance,
        batch_size=batch_size,
        unconditional=bool(unconditional),
    )
    if dry_run:
        print(f"would make {len(left)} images ({len(kept)} are made already) into {output}; nothing was written")
    elif requests:
        made = zip(left, track(cutouts, "generating", len(left)), strict=True)
        rows = room.write_generated(output, made, kept=kept)
        print(f"{len(rows)} images in {output}")
        print(output / "index.csv")
        print(room.draw_quicklook(output / "quicklook.png", output, rows))
    finish(failures, total)


def parse_beam(text: str) -> "Beam":
    """A beam from ``5.4`` or ``6,5,30`` (arcsec, arcsec, deg).

    Raises
    ------
    InputError
        Where it is neither, or not positive.
    """
    from radiff.sky import Beam

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 2
    if len(numbers) not in (2, 3) or min(numbers[:2]) <= 0:
        raise InputError(f"--beam {text!r}: give the FWHM in arcsec, or maj,min,pa such as 6,5,30")
    return Beam(*numbers)
