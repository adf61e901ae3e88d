"""``radiff check reconstruction|control``: parses and prints; the figures come from `radiff.evaluate`."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.evaluate.checks.samples import Figures

Weights = Annotated[str, typer.Option(help="Weights folder, hub id, or 'default' (in the package).")]
Split = Annotated[str, typer.Option(help="Which split of the collection.")]
Limit = Annotated[int | None, typer.Option(min=2, help="At most so many cutouts, evenly chosen.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")]
REFERENCE = 2000
"""Real cutouts, at most, whose compact sources are fitted."""
CollectionFolder = Annotated[Path, typer.Argument(help="Folder made by 'radiff cut'.")]


def register(app: typer.Typer) -> None:
    """Add the group ``check``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Measure the networks on real cutouts.")
    group.command("reconstruction")(reconstruction)
    group.command("control")(control)
    app.add_typer(group, name="check")


def reconstruction(
    collection: CollectionFolder,
    weights: Weights = "default",
    split: Split = "val",
    limit: Limit = None,
    json_file: JsonFile = None,
) -> None:
    """The autoencoder on real cutouts: noise error, peak fluxes, noise power spectrum.

    The difference of image and reconstruction outside the objects, in units of the noise rms; the peak flux of objects
    above 10 rms, reconstructed over real; and the noise power in eight bands up to 0.5 cycles per pixel, likewise.

    Example: radiff check reconstruction collection --split val
    """
    from radiff import evaluate
    from radiff.data.collection import Collection
    from radiff.generate import Generator

    samples = evaluate.Samples.read(Collection.open(collection), split, limit)
    figures = evaluate.reconstruction_figures(samples, Generator(weights).reconstruct)
    _tell(figures, evaluate.reconstruction_lines, json_file)


def control(
    collection: CollectionFolder,
    weights: Weights = "default",
    split: Split = "val",
    limit: Limit = 200,
    samples: Annotated[
        str, typer.Option(help="native: cutouts as they were cut; all: also those of 'radiff resample'.")
    ] = "native",
    background: Annotated[
        str, typer.Option(help="Background image: none, self, self-masked or other (as in 'radiff generate').")
    ] = "none",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Default: that of the weights.")] = None,
    guidance: Annotated[
        list[str] | None, typer.Option(help="How strongly a condition is followed, e.g. mask=1.5; repeat.")
    ] = None,
    background_strength: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How much of the background is kept; default: that of the weights."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    sheet: Annotated[Path | None, typer.Option(help="Write a PNG: real cutouts beside generated ones.")] = None,
    json_file: JsonFile = None,
) -> None:
    """The denoiser on real masks: does what comes agree with what was asked.

    Every cutout is asked for again: its mask, rms, beam, the real peak of each object, and the background chosen.
    Printed are, of all cutouts and of each survey: noise rms (clipped, and plain standard deviation) and noise power in
    eight bands over those asked for; fluxes over those asked for, as sampled and rescaled; mean signal-to-noise
    inside and outside the objects by class; and, of masks of compact sources made for beams of 2 to 8 pixels, the
    fitted widths over the beam, beside those of real sources. Each figure with a target is judged; the exit code is 0
    either way.

    Example: radiff check control collection --background self-masked --limit 100 --sheet sheet.png
    """
    from radiff import evaluate
    from radiff.cli.generate import parse_guidance
    from radiff.data.collection import Collection
    from radiff.files import write_json
    from radiff.generate import Generator, rescale_fluxes

    if samples not in ("native", "all"):
        raise InputError(f"--samples {samples}: choose native or all")
    scales = parse_guidance(guidance)
    opened = Collection.open(collection)
    chosen = evaluate.Samples.read(opened, split, limit, resampled=samples == "all")
    sources = evaluate.background_sources(chosen, background, seed)
    reference = evaluate.Samples.read(opened, split, REFERENCE, resampled=True)
    generator = Generator(weights, device)
    options = generator.options(
        num_steps=steps,
        sampler=sampler,
        guidance=scales,
        background_strength=background_strength,
        batch_size=batch_size,
    )
    figures, made = evaluate.control(chosen, reference, generator.images(options), rescale_fluxes, background, seed)
    print("\n".join(evaluate.control_lines(figures)))
    if json_file is not None:
        write_json(json_file, figures)
        print(json_file)
    if sheet is not None:
        print(evaluate.draw_comparison(sheet, chosen, made, backgrounds=sources))


def _tell(figures: "Figures", lines: "Callable[[str, Figures], Iterable[str]]", json_file: Path | None) -> None:
    """Print the figures of all cutouts and of each survey; write them too where asked."""
    from radiff.files import write_json

    for name, values in figures.items():
        print("\n".join(lines(name, values)))
    if json_file is not None:
        write_json(json_file, figures)
        print(json_file)
