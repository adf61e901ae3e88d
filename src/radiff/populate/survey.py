"""A map to what placing needs to know of it: its local noise, its blank pixels, its real sources.

The map is read in bands of whole rows whose height is fixed, so that nothing here depends on how the work is shared.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.masks import AnnotateOptions, Annotation, SourceObject, read_annotation, write_annotation
from radiff.masks.large import WindowFinds, annotate_window, assemble, plan_map
from radiff.parallel import Pool
from radiff.populate.maps import Background, write_rows
from radiff.sky import background_mesh
from radiff.tiling import Tile, split_tiles

BLANK, REAL, PLACED = 1, 2, 4
"""Bits of the map of what is taken."""
CELL = 16
"""Pixels; the local noise is kept on cells of this side."""
_ROWS, _MARGIN = 512, 64  # of a band; multiples of CELL
_STRIDE = 2  # every second pixel tells the noise: neighbours within a beam say the same
_PADDING = 5  # a block of so many zeros each way is padding


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a map.

    Attributes
    ----------
    rms : float32 (ny / CELL, nx / CELL), rounded up
        Local noise rms, Jy/beam; NaN where all is blank.
    taken : Path
        Bytes (ny, nx): bits BLANK, REAL.
    usable : int
        Pixels that are not blank.
    real : Annotation, optional
        Real sources.
    """

    rms: NDArray[np.float32]
    taken: Path
    usable: int
    real: Annotation | None = None

    @property
    def median_rms(self) -> float:
        """Jy/beam."""
        return float(np.nanmedian(self.rms)) if np.isfinite(self.rms).any() else math.nan


def survey_map(background: Background, pool: Pool, state: Path) -> Survey:
    """Noise and blank pixels of a map; parts that an earlier run has left in `state` are taken over.

    Raises
    ------
    InputError
        Where every pixel is blank.
    """
    ny, nx = background.grid.shape
    taken, folder = state / "taken.u8", state / "survey"
    folder.mkdir(exist_ok=True)
    if not taken.exists():
        with atomic_path(taken) as temporary, temporary.open("wb") as file:
            file.truncate(ny * nx)
    bands = split_tiles((ny, nx), (_ROWS, nx), _MARGIN, rest=_MARGIN - 1)
    todo = [band for band in bands if not _saved(folder, band).exists()]
    pool(partial(_survey_band, background, taken, folder), todo, "surveying")
    cells, usable = [], 0
    for band in bands:
        found = np.load(_saved(folder, band))
        cells.append(found["rms"])
        usable += int(found["usable"])
    if usable == 0:
        raise InputError("holds no usable pixel; the map is blank, leave it out", background.path)
    return Survey(np.concatenate(cells), taken, usable)


def _saved(folder: Path, band: Tile) -> Path:
    return folder / f"{band.core[0]:06d}.npz"


def _survey_band(background: Background, taken: Path, folder: Path, band: Tile) -> None:
    """Mark a band's blank pixels in `taken`, and save its noise."""
    y0, y1, _, nx = band.core
    with background.reader() as reader:
        image = reader.read(*band.box)
    blank = ~np.isfinite(image)
    zeros = image == 0
    if np.count_nonzero(zeros) >= _PADDING**2:
        blank |= ndimage.binary_opening(zeros, np.ones((_PADDING, _PADDING)))
    inner = band.inner[0]
    write_rows(taken, y0 * nx, blank[inner] * np.uint8(BLANK))
    usable = int(blank[inner].size - np.count_nonzero(blank[inner]))
    rows = math.ceil((y1 - y0) / CELL)
    rms = np.full((rows, math.ceil(nx / CELL)), np.nan, np.float32)
    if usable:
        thin = image[::_STRIDE, ::_STRIDE]
        box = max(64, math.ceil(12 * background.grid.beam_fwhm[0])) // _STRIDE
        try:
            local = background_mesh(thin, box, blank[::_STRIDE, ::_STRIDE])[1]
        except InputError:  # too few pixels to measure the noise on
            local = np.full(thin.shape, np.nan, np.float32)
        y = np.minimum(np.arange(rows) * CELL + CELL // 2 + inner.start, image.shape[0] - 1) // _STRIDE
        x = np.minimum(np.arange(rms.shape[1]) * CELL + CELL // 2, nx - 1) // _STRIDE
        rms = local[np.ix_(np.minimum(y, local.shape[0] - 1), np.minimum(x, local.shape[1] - 1))]
    with atomic_path(_saved(folder, band)) as temporary, temporary.open("wb") as file:
        np.savez(file, rms=rms, usable=usable)


def find_real(background: Background, pool: Pool, state: Path) -> Annotation:
    """The real sources of a map, as `radiff annotate` finds them (without a catalog).

    An earlier run's finds in `state` are taken over.
    """
    saved = state / "mask_real.json"
    if not saved.exists():
        options = AnnotateOptions(spurious_by_shape=True)  # sidelobes are bright too: nothing is put on them
        with background.reader() as reader:
            windows = plan_map(reader, options)
            finds = pool(partial(_find_window, background, options), windows, "finding real sources")
            annotation = assemble(reader, finds, options, catalog=False)
        write_annotation(saved, annotation, background.path, stamps=True)
    return read_annotation(saved)


def _find_window(background: Background, options: AnnotateOptions, window: Tile) -> WindowFinds:
    with background.reader() as reader:
        return annotate_window(reader, window, None, options)


def mark_real(taken: NDArray[np.uint8], objects: Sequence[SourceObject], width: float) -> None:
    """Set the bit REAL on the pixels of `objects` and within `width` pixels of them."""
    reach = math.ceil(width)
    disk = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= width
    ny, nx = taken.shape
    for one in objects:
        grown = ndimage.binary_dilation(np.pad(one.stamp, reach), disk)
        y0, x0 = one.y0 - reach, one.x0 - reach
        ya, yb, xa, xb = max(y0, 0), min(y0 + grown.shape[0], ny), max(x0, 0), min(x0 + grown.shape[1], nx)
        taken[ya:yb, xa:xb] |= grown[ya - y0 : yb - y0, xa - x0 : xb - x0] * np.uint8(REAL)
