"""``radiff stamps``: parses and prints; the work is done by `radiff.populate` and `radiff.generate`."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.cli.outcome import say
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.data.spec import ImageSpec
    from radiff.generate import Generator
    from radiff.masks import SourceObject


def register(app: typer.Typer) -> None:
    """Add the verb ``stamps``."""
    app.command("stamps")(stamps)


def stamps(
    masks: Annotated[
        list[Path] | None,
        typer.Argument(help="Mask files, folders or collections whose objects to make; default: drawn by rule."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The library, a FITS file.")] = Path("stamps.fits"),
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Stamps (of each class).")] = 100,
    classes: Annotated[
        str, typer.Option(help="Classes, separated by commas: extended, spurious, compact.")
    ] = "extended",
    beam_pixels: Annotated[float, typer.Option(help="Beam FWHM of the stamps, pixels (2 to 8).")] = 4.0,
    beam: Annotated[float | None, typer.Option(hidden=True)] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first; the next has the next number.")] = 0,
    split: Annotated[str | None, typer.Option(help="Of collections, only this split (train, val).")] = None,
    weights: Annotated[str, typer.Option(help="Weights folder, hub id, or 'default' (in the package).")] = "default",
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    backend: Annotated[str, typer.Option(help="torch, or openvino (pip install 'radiff[fastcpu]').")] = "torch",
    sheet: Annotated[bool, typer.Option("--sheet/--no-sheet", help="Draw the stamps beside the library.")] = True,
) -> None:
    """Generate a library of stamps once, to be placed on maps by 'radiff populate'.

    A stamp is one object without background, of unit flux, with soft edges. The library is one FITS file with an
    index; a sheet of the first 48 stamps is drawn beside it (.png).

    \b
    Examples:
      radiff stamps -n 200 -o stamps.fits
      radiff stamps annotated/ --classes extended,spurious -n 500 -o stamps.fits
    """
    from radiff import __version__
    from radiff.generate import Generator
    from radiff.masks import class_name, parse_class
    from radiff.populate import draw_stamp_sheet, make_stamps, write_stamps

    wanted = [parse_class(name) for name in classes.split(",") if name.strip()]
    if not wanted or 0 in wanted:
        raise InputError(f"--classes {classes!r}: name some of extended, spurious, compact")
    beam = beam_pixels if beam is None else beam  # its former name
    if not 2.0 <= beam <= 8.0:
        raise InputError(f"--beam-pixels {beam:g}: stamps have beams of 2 to 8 pixels")
    specs = _specs(masks or [], wanted, number, beam, seed, split)
    generator = Generator(weights, device, precision, backend)
    options = generator.options(num_steps=steps, batch_size=batch_size)
    found = [one for one in make_stamps(specs, generator.images(options)) if one is not None]
    meta = {
        "WEIGHTS": (generator.folder.name, "weights they were generated with"),
        "DIGEST": (_digest(generator), "of the denoiser's weights"),
        "STEPS": (steps or generator.defaults.num_steps, "sampling steps"),
        "SEED": (seed, "of the first"),
        "BEAM": (beam, "[pix] FWHM of their beam"),
        "VERSION": (__version__, "of radiff"),
        "COMMAND": " ".join(["radiff", *sys.argv[1:]]),
    }
    library = write_stamps(output, found, meta)
    counts = Counter(int(value) for value in library.index["class"])
    print(", ".join(f"{count} {class_name(value)}" for value, count in sorted(counts.items())), "in", output)
    if len(found) < len(specs):
        say(f"{len(specs) - len(found)} of {len(specs)} images showed no object and gave no stamp")
    if sheet:
        print(draw_stamp_sheet(library, output.with_suffix(".png")))


def _specs(
    masks: list[Path], classes: list[int], number: int, beam: float, seed: int, split: str | None
) -> "list[ImageSpec]":
    from radiff.populate import drawn_specs, object_specs

    if not masks:
        return [
            spec
            for place, value in enumerate(classes)
            for spec in drawn_specs(number, value, seed + place * number, beam)
        ]
    chosen: list[tuple[SourceObject, float | None, str]] = []
    for limit in (number, 10 * number, None):  # large collections are not read to their end without need
        chosen, complete = _objects(masks, classes, number, split, limit)
        if complete:
            break
    specs, left_out = object_specs(chosen, seed, beam)
    if left_out:
        say(f"{left_out} objects are too large for a field of 256 pixels and are left out")
    if not specs:
        raise InputError("no object of these classes in the masks; name other --classes or other masks")
    return specs


def _objects(
    masks: list[Path], classes: list[int], number: int, split: str | None, limit: int | None
) -> "tuple[list[tuple[SourceObject, float | None, str]], bool]":
    """The first `number` whole objects of each class in the first `limit` masks; whether there are so many."""
    from radiff.generate import read_specs

    specs, failures = read_specs(masks, split, limit)
    left = Counter(dict.fromkeys(classes, number))
    chosen = []
    for spec in specs:
        for one in spec.objects:
            if left[one.class_value] > 0 and not one.touches_edge(spec.shape):
                left[one.class_value] -= 1
                chosen.append((one, spec.observation.beam_pixels if spec.image else None, f"{spec.name} {one.name}"))
    complete = not any(left.values())
    for failure in failures if complete or limit is None else []:
        say(f"warning: {failure}")
    return chosen, complete


def _digest(generator: "Generator") -> str:
    files = generator.manifest["files"]
    return next((str(sha) for name, sha in files.items() if name.startswith("denoiser/model")), "")[:16]
