"""Placed objects onto the map: four images, band by band of whole rows, each written by one task.

A pixel's objects are added in the order of their numbers, so that the sums do not depend on the bands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.parallel import Pool
from radiff.populate.drawing import Drawn
from radiff.populate.maps import Background, create_image, write_rows
from radiff.populate.placing import Places
from radiff.populate.profiles import mask_level
from radiff.tiling import spans

WINDOW = 2048
"""A band has as many pixels as a square window of this side."""
IMAGES = {"map.fits": -32, "sources.fits": -32, "classes.fits": 8, "instances.fits": 32}
"""Files and their BITPIX."""
_DTYPES = {-32: ">f4", 8: "u1", 32: ">i4"}


@dataclass(frozen=True, eq=False)
class Band:
    """Rows y0 to y1 - 1 and the objects on them; `numbers` are their places in the table, from 0."""

    y0: int
    y1: int
    drawn: Drawn
    places: Places
    numbers: NDArray[np.int64]


def create_images(
    background: Background, folder: Path, history: Sequence[str], provenance: Mapping[str, Any]
) -> dict[str, int]:
    """Make the four files where they are not, all their room taken; where the pixels of each begin.

    Raises
    ------
    InputError
        Where the disk has not so much room.
    """
    units = {"map.fits": "Jy/beam", "sources.fits": "Jy/beam", "classes.fits": None, "instances.fits": None}
    starts = {}
    for name, bitpix in IMAGES.items():
        header = background.header(bitpix, units[name], history, provenance)
        starts[name] = len(header.tostring(padding=True))
        if not (folder / name).exists():
            create_image(folder / name, header)
    return starts


def write_images(
    background: Background,
    drawn: Drawn,
    places: Places,
    folder: Path,
    state: Path,
    pool: Pool,
    starts: dict[str, int],
    window: int = WINDOW,
) -> None:
    """Write map, sources-only image, class mask and instance map into `folder`; bands marked in `state` are done.

    Parameters
    ----------
    drawn, places
        Placed objects only, in the order of their numbers.
    starts : dict
        Of `create_images`.
    window : int
        Bands have as many pixels as a square of this side; what is written does not depend on it.
    """
    ny, nx = background.grid.shape
    height = max(1, window**2 // nx)
    marks = state / f"bands{height}"
    marks.mkdir(exist_ok=True)
    top, bottom = extents(drawn, places)
    bands = []
    for y0, y1 in spans(ny, height):
        if not (marks / f"{y0:06d}").exists():
            numbers = np.flatnonzero((top < y1) & (bottom > y0))
            bands.append(Band(y0, y1, drawn.part(numbers), places[numbers], numbers))
    pool(partial(_write_band, background, folder, marks, starts), bands, "writing")


def extents(drawn: Drawn, places: Places) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and row after the last of every object (Gaussians: generously)."""
    top = places["y"] + drawn.where["y0"]
    bottom = top + drawn.where["h"]
    gauss = drawn.where["chunk"] < 0
    reach = np.ceil(6.0 * np.sqrt(drawn.objects["yy"])).astype(np.int64) + 1
    return np.where(gauss, places["y"] - reach, top), np.where(gauss, places["y"] + reach + 1, bottom)


def _write_band(background: Background, folder: Path, marks: Path, starts: dict[str, int], band: Band) -> None:
    nx = background.grid.shape[1]
    sources = np.zeros((band.y1 - band.y0, nx))
    classes = np.zeros(sources.shape, np.uint8)
    instances = np.zeros(sources.shape, np.int32)
    shown = []
    for index, number in enumerate(band.numbers.tolist()):
        pixels, place = band.drawn.pixels(index), band.places[index]
        y0, x0 = int(place["y"]) + pixels.y0 - band.y0, int(place["x"]) + pixels.x0
        ya, yb = max(y0, 0), min(y0 + pixels.values.shape[0], sources.shape[0])
        if ya >= yb:
            continue
        values = pixels.values[ya - y0 : yb - y0]
        part = np.s_[ya:yb, x0 : x0 + values.shape[1]]
        sources[part] += flux_pixels(values, float(place["flux"]))
        level = mask_level(float(place["peak"] / place["rms"])) * float(pixels.values.max())
        shown.append((int(band.drawn.objects["class"][index]), number + 1, part, values >= level))
    for value, number, part, mask in sorted(shown, key=lambda each: each[:2]):  # the larger class wins, then the later
        classes[part][mask] = value
        instances[part][mask] = number
    flux = sources.astype(np.float32)
    with background.reader() as reader:
        image = reader.read(band.y0, band.y1, 0, nx)
    np.add(image, flux, out=image, where=flux != 0)
    for name, rows in zip(IMAGES, (image, flux, classes, instances), strict=True):
        dtype = np.dtype(_DTYPES[IMAGES[name]])
        write_rows(folder / name, starts[name] + band.y0 * nx * dtype.itemsize, np.asarray(rows).astype(dtype))
    (marks / f"{band.y0:06d}").touch()


def flux_pixels(values: NDArray[np.float32], flux: float) -> NDArray[np.float64]:
    """An object's pixels at its flux, Jy/beam, as the images hold them: rounded to float32."""
    return (values * flux).astype(np.float32).astype(np.float64)
