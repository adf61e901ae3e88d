"""``radiff figures backgrounds``: parses and prints; the pictures come from `radiff.paper`."""

from pathlib import Path
from typing import Annotated

import typer

from radiff.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the group ``figures``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Draw figures of what is generated.")
    group.callback()(_group)
    group.command("backgrounds")(backgrounds)
    app.add_typer(group, name="figures")


def _group() -> None:
    """Draw figures of what is generated, as the paper's."""


def backgrounds(
    collection: Annotated[Path | None, typer.Argument(help="Folder made by 'radiff cut'.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path("figures"),
    weights: Annotated[str, typer.Option(help="Weights folder, hub id, or 'default' (in the package).")] = "default",
    split: Annotated[str, typer.Option(help="Which split of the collection.")] = "val",
    made: Annotated[
        bool, typer.Option("--made", help="Made masks and backgrounds in the place of real ones; needs no collection.")
    ] = False,
    rows: Annotated[int, typer.Option(min=1, max=12, help="Masks in figure 7; half as many in figure 8.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of masks and of the images.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Default: that of the weights.")] = None,
    guidance: Annotated[
        list[str] | None, typer.Option(help="How strongly a condition is followed, e.g. background=1.5; repeat.")
    ] = None,
    background_strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much of the background is kept; default: of the weights.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Draw what a background image does, as Figures 7 and 8 of the paper.

    figure7.png: masks, their real images, and what is generated without a background, with the mask's own (sources
    removed, or as it is) and with that of another field. figure8.png: masks, and what is generated on several
    backgrounds.

    Example: radiff figures backgrounds collection -o figures --rows 6
    """
    from radiff import evaluate
    from radiff.cli.generate import parse_guidance
    from radiff.data.collection import Collection
    from radiff.files import make_folder
    from radiff.generate import Generator
    from radiff.paper.figures import figure7, figure8, simulated_samples

    if (collection is None) != made:
        raise InputError("give a collection, or --made for masks and backgrounds that are made on the spot")
    scales = parse_guidance(guidance)
    if collection is None:
        samples = simulated_samples(max(10, 2 * rows), seed=seed)
    else:
        samples = evaluate.Samples.read(Collection.open(collection), split)
    options = {"sampler": sampler, "guidance": scales, "background_strength": background_strength}
    generator = Generator(weights, device)
    draw = generator.images(generator.options(num_steps=steps, **options))
    make_folder(output)
    print(figure7(output / "figure7.png", samples, draw, rows, seed, "made image" if made else "real image"))
    print(figure8(output / "figure8.png", samples, draw, max(1, rows // 2), seed=seed))
