"""``radiff background``: parses and prints; the work is done by `radiff.populate` and `radiff.generate`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radiff.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radiff.populate.backgrounds import DrawTiles


def register(app: typer.Typer) -> None:
    """Add the verb ``background``."""
    app.command("background")(background)


def background(
    output: Annotated[Path, typer.Option("--output", "-o", help="The map, a FITS file.")],
    size: Annotated[str, typer.Option(help="Columns x rows, pixels: 15000x12000.")] = "2000x2000",
    pixel_scale: Annotated[float, typer.Option(help="Arcsec.")] = 1.5,
    beam: Annotated[str, typer.Option(help="maj,min,pa (arcsec, arcsec, deg).")] = "6,6,0",
    rms: Annotated[float, typer.Option(help="Noise in the middle of the map, Jy/beam.")] = 1e-4,
    center: Annotated[str, typer.Option(help="ra,dec of the middle, deg.")] = "0,-30",
    projection: Annotated[str, typer.Option(help="SIN, TAN, NCP, ZEA or CAR.")] = "SIN",
    gradient: Annotated[float, typer.Option(help="Rms at one end of the map over that at the other.")] = 1.0,
    gradient_pa: Annotated[float, typer.Option(help="Towards which it grows, deg from the top to the left.")] = 0.0,
    edge: Annotated[float, typer.Option(help="Rms in the corners over that in the middle.")] = 1.0,
    sidelobes: Annotated[int, typer.Option(min=0, help="Sources, taken off, that left their sidelobes.")] = 0,
    sidelobe_snr: Annotated[float, typer.Option(help="Strength of these, in units of the rms.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same file.")] = 0,
    generator: Annotated[bool, typer.Option("--generator", help="Texture drawn by the network, tile by tile.")] = False,
    weights: Annotated[str, typer.Option(help="Weights for it: folder, hub id, or 'default'.")] = "default",
    steps: Annotated[int | None, typer.Option(min=1, help="Its sampling steps; default: that of the weights.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: by the size of the map.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A running dask scheduler: tcp://host:8786, or its file.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name.")] = False,
) -> None:
    """Simulate a map without sources, of any size, for 'radiff populate'.

    Gaussian noise convolved with the beam; its rms may change over the map, and sidelobes may lie on it. With
    --generator, the network draws the noise as it has seen it in real images (beams of 2 to 8 pixels), in tiles that
    pass into each other.

    \b
    Examples:
      radiff background -o noise.fits --size 15000x12000 --pixel-scale 1.5 --beam 6.5,5.2,30 --rms 5e-5
      radiff background -o noise.fits --edge 3 --sidelobes 10
    """
    import tempfile

    from radiff.cli.populate import parse_beam
    from radiff.populate.backgrounds import BackgroundOptions, simulate_noise, tile_background
    from radiff.populate.pool import open_pool
    from radiff.sky.windows import LARGE_MAP

    if output.exists() and not overwrite:
        raise InputError("exists already; choose another name or replace it with --overwrite", output)
    nx, ny = _numbers(size.lower(), "x", "--size", "columns x rows, e.g. 2000x1500")
    ra, dec = _numbers(center, ",", "--center", "ra,dec in deg, e.g. 150.1,-30")
    options = BackgroundOptions(
        (int(ny), int(nx)), parse_beam(beam), pixel_scale, rms, (ra, dec), projection.upper(), gradient, gradient_pa,
        edge, sidelobes, sidelobe_snr, seed,
    )  # fmt: skip
    grid = options.grid
    if generator:
        width = (grid.beam_fwhm[0] * grid.beam_fwhm[1]) ** 0.5
        tile_background(output, options, tile_drawer(weights, width, device, steps))
    else:
        count = workers or (1 if options.shape[0] * options.shape[1] <= LARGE_MAP else None)
        with tempfile.TemporaryDirectory() as folder, open_pool(count, scheduler, Path(folder)) as pool:
            simulate_noise(output, options, pool)
    print(f"{int(nx):,} x {int(ny):,} pixels, {grid.area:.4g} square degrees, rms {rms:g} Jy/beam: {output}")


def tile_drawer(weights: str, beam: float, device: str, steps: int | None) -> "DrawTiles":
    """What draws tiles of noise with the network of `weights`; `beam` in pixels."""
    import numpy as np

    from radiff.generate import Generator, Sky
    from radiff.parallel import track
    from radiff.populate.backgrounds import TILE

    if not 2.0 <= beam <= 8.0:
        raise InputError(f"a beam of {beam:.3g} pixels; the network draws those of 2 to 8 pixels")
    generator = Generator(weights, device)

    def draw(seeds: Sequence[int]) -> "Iterator[NDArray[np.floating]]":
        mask = np.zeros((TILE, TILE), np.uint8)
        for seed in track(seeds, "drawing tiles", len(seeds)):
            made = generator.generate([mask], [seed], sky=Sky(rms=1.0), beams=[beam], num_steps=steps)
            yield made[0].image

    return draw


def _numbers(text: str, separator: str, option: str, wanted: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(separator))
    except ValueError as error:
        raise InputError(f"{option} {text!r}: give {wanted}") from error
    return first, second
