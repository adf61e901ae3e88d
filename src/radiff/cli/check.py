"""``radiff check reconstruction|generation``: parses and prints; the figures come from `radiff.evaluate`."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from radiff.evaluate.samples import Figures

Weights = Annotated[str, typer.Option(help="Weights folder, hub id, or 'default' (in the package).")]
Split = Annotated[str, typer.Option(help="Which split of the collection.")]
Limit = Annotated[int | None, typer.Option(min=2, help="At most so many cutouts, evenly chosen.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")]
CollectionFolder = Annotated[Path, typer.Argument(help="Folder made by 'radiff cut'.")]


def register(app: typer.Typer) -> None:
    """Add the group ``check``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Measure the networks on real cutouts.")
    group.command("reconstruction")(reconstruction)
    group.command("generation")(generation)
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


def generation(
    collection: CollectionFolder,
    weights: Weights = "default",
    split: Split = "val",
    limit: Limit = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Default: that of the weights.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Guidance scale; default: that of the weights.")] = None,
    peaks: Annotated[bool, typer.Option("--peaks", help="Ask for each object's real peak.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a PNG: real cutouts beside generated ones.")] = None,
    json_file: JsonFile = None,
) -> None:
    """The denoiser on real masks: do sources lie where the mask says, is the noise the noise asked for.

    Mean signal-to-noise inside and outside the objects' pixels, of generated and of real images; noise rms measured
    over asked (the rms of the mask's own image); noise power in eight bands, generated over real.

    Example: radiff check generation collection --split val --limit 200 --sheet sheet.png
    """
    import time

    from radiff import evaluate
    from radiff.data.collection import Collection
    from radiff.generate import Generator, Sky
    from radiff.parallel import track

    samples = evaluate.Samples.read(Collection.open(collection), split, limit)
    images = Generator(weights).iterate(
        samples.masks,
        range(seed, seed + len(samples)),
        sky=[Sky(rms=rms) for rms in samples.rms],
        peaks=samples.peaks() if peaks else None,
        num_steps=steps,
        sampler=sampler,
        guidance_scale=guidance,
    )
    start = time.perf_counter()
    made = [cutout.image for cutout in track(images, "generating", len(samples))]
    seconds = (time.perf_counter() - start) / len(made)
    _tell(evaluate.generation_figures(samples, made), evaluate.generation_lines, json_file)
    print(f"{seconds:.3f} s a cutout")
    if sheet is not None:
        print(evaluate.draw_comparison(sheet, samples, made))


def _tell(figures: "Figures", lines: "Callable[[str, Figures], Iterable[str]]", json_file: Path | None) -> None:
    """Print the figures of all cutouts and of each survey; write them too where asked."""
    from radiff.files import write_json

    for name, values in figures.items():
        print("\n".join(lines(name, values)))
    if json_file is not None:
        write_json(json_file, figures)
        print(json_file)
