"""``radiff generate`` and the quicklook of what was made: parses and prints; the work is done by `radiff.generate`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radiff.cli.outcome import finish, say
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.generate import Request
    from radiff.sky import Beam, Cutout

MOST_PANELS = 24


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
    size: Annotated[int, typer.Option(help="Side of images without a mask, pixels.")] = 128,
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
    from radiff.generate import Generator, Sky, read_requests, write_generated
    from radiff.generate.requests import already_made

    failures: list[InputError] = []
    if unconditional:
        requests = _empty_requests(unconditional, size)
    else:
        requests, failures = read_requests(masks or [], split, limit)
    sky = Sky.like(_image(like)) if like is not None else None
    changes = {"rms": rms, "beam": None if beam is None else parse_beam(beam)}
    requests = _prepared(requests, per_mask, seed, sky, {k: v for k, v in changes.items() if v is not None}, peak_snr)
    left, kept = already_made(output, requests) if resume else (requests, [])
    if dry_run:
        print(f"{len(requests)} images, {len(kept)} made already, {len(failures)} masks cannot be read -> {output}")
        finish(failures, len(requests) + len(failures))
        raise typer.Exit
    generator = Generator(weights, device)
    if not generator.scaling.invertible:
        say(f"warning: the scaling {generator.scaling.name!r} of these weights has no inverse: no flux scale")
    options = {
        "sampler": sampler, "num_steps": steps, "guidance_scale": guidance, "batch_size": batch_size,
        "unconditional": bool(unconditional),
    }  # fmt: skip
    rows = write_generated(output, _made(generator, left, options, failures), kept=kept)
    if rows:
        print(f"{len(rows)} images in {output}")
        print(output / "index.csv")
        print(draw_quicklook(output))
    finish(failures, len(requests) + len(failures))


def _made(generator: Any, requests: Sequence["Request"], options: dict[str, Any], failures: list[InputError]) -> Any:
    """(request, cutout) one by one, under a progress bar; masks that do not fit are noted, the others are made."""
    from radiff.parallel import track

    good = []
    for request in requests:
        try:
            generator.check_mask(request.mask)
            good.append(request)
        except InputError as error:
            failures.append(InputError(error.message, request.source or request.name))
    cutouts = generator.iterate(
        [r.mask for r in good],
        [r.seed for r in good],
        sky=[r.sky for r in good],
        peaks=[r.peaks for r in good],
        **options,
    )
    yield from zip(good, track(cutouts, "generating", len(good)), strict=True)


def _empty_requests(number: int, size: int) -> list["Request"]:
    import numpy as np

    from radiff.generate import Request, Sky

    return [Request(f"sky{k:05d}", np.zeros((size, size), np.uint8), Sky()) for k in range(number)]


def _prepared(
    requests: Sequence["Request"],
    per_mask: int,
    seed: int,
    sky: Any,
    changes: dict[str, Any],
    peak_snr: float | None,
) -> list["Request"]:
    """Seeds, copies and what the options ask for."""
    from radiff.generate import peaks_image

    prepared: list[Request] = []
    for request in requests:
        for copy in range(per_mask):
            name = f"{request.name}_s{copy}" if per_mask > 1 else request.name
            peaks = None if peak_snr is None else peaks_image(request.mask, peak_snr)
            chosen = replace(sky or request.sky, **changes)
            new_seed = seed + len(prepared)
            prepared.append(replace(request, name=name, seed=new_seed, sky=chosen, peaks=peaks))
    return prepared


def _image(path: Path) -> "Cutout":
    from radiff.sky import read_cutout

    return read_cutout(path)


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


def draw_quicklook(folder: Path) -> Path:
    """``quicklook.png`` of the first images of the collection in `folder`, each above its mask."""
    from radiff.data.collection import Collection
    from radiff.masks import CLASSES
    from radiff.sky import quicklook

    collection = Collection.open(folder)
    count = min(len(collection), MOST_PANELS)
    columns = min(count, 6)
    images, contours, titles, noise = [], [], [], []
    for start in range(0, count, columns):
        chosen = range(start, min(start + columns, count))
        cutouts = [collection.image(k) for k in chosen]
        for drawn in (False, True):
            images += [c.image for c in cutouts]
            contours += [collection.mask(k) if drawn else None for k in chosen]
            noise += [c.rms for c in cutouts]
            titles += [f"{Path(collection.rows[k].image).stem[:24]}{' + mask' if drawn else ''}" for k in chosen]
    colors = {one.value: one.color for one in CLASSES[1:]}
    labels = {one.value: one.name for one in CLASSES[1:]}
    return quicklook(folder / "quicklook.png", images, titles, contours, noise, columns, None, colors, labels=labels)
