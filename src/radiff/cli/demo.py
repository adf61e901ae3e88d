"""``radiff demo``: the main job on what is in the box; parses and prints."""

import time
from pathlib import Path
from typing import Annotated

import typer

from radiff.cli.outcome import say


def register(app: typer.Typer) -> None:
    """Add the verb ``demo``."""
    app.command("demo")(demo)


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is made.")] = Path("demo"),
    number: Annotated[int, typer.Option(min=1, max=100, help="Images.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first.")] = 0,
    weights: Annotated[str, typer.Option(help="Weights folder, hub id, or 'default' (in the package).")] = "default",
) -> None:
    """Generate radio images with the weights in the box, from masks drawn on the spot.

    Each object is asked for a peak of its own, drawn at random (compact sources 6 to 200 times the noise). Needs no
    data and no network. Writes FITS images in Jy/beam with WCS and beam, their masks, and quicklook.png.
    """
    from radiff.generate import Generator, ImageSpec, draw_quicklook, write_generated
    from radiff.masks.draw import demo_masks, demo_peaks
    from radiff.parallel import track

    start = time.perf_counter()
    generator = Generator(weights)
    say(f"weights {generator.folder.name}, {generator.defaults.num_steps} steps of {generator.defaults.sampler}")
    masks = demo_masks(number, seed=seed)
    specs = [
        ImageSpec(mask, seed + k, peaks=tuple(demo_peaks(mask, seed + k)), name=f"demo{k}")
        for k, mask in enumerate(masks)
    ]
    cutouts = generator.iterate(specs, generator.options(batch_size=4))
    made = zip(specs, track(cutouts, "generating", number), strict=True)
    rows = write_generated(output, made, sample="demo")
    picture = draw_quicklook(output / "quicklook.png", output, rows)
    say(f"{len(rows)} images in {time.perf_counter() - start:.1f} s")
    for row in rows:
        print(output / row.image)
    print(output / "index.csv")
    print(picture)
