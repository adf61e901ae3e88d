"""A map's grid, header and noise level with other noise in its pixels: a background to be populated. No networks."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.parallel import Pool
from radiff.populate.backgrounds import check_rms_map, make_noise, noise_model, rms_rows
from radiff.populate.maps import Background
from radiff.populate.survey import CELL, survey_map
from radiff.sky import Mosaic, NoiseField
from radiff.sky.noise_source import NoiseSource

BACKGROUND = "background.fits"
"""Name of the map of noise in a truth package."""


@dataclass(frozen=True)
class NoiseOptions:
    """Noise to take the place of a map's own pixels.

    Attributes
    ----------
    source : NoiseSource
        See `radiff.sky.noise_source.open_noise`.
    rms : float or path, optional
        Jy/beam: one number, or a FITS map of the local rms. Default: the map's own local rms, measured.
    wander, faint : bool
        Let the rms wander, put in faint sources, as the spectrum says.
    """

    source: NoiseSource
    rms: float | Path | None = None
    wander: bool = False
    faint: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.rms, float | int) and not 0 < self.rms < np.inf:
            raise InputError(f"rms is {self.rms:g}; it must be a positive number, Jy/beam")

    @classmethod
    def parse(cls, source: NoiseSource, rms: str | None, wander: bool = False, faint: bool = False) -> "NoiseOptions":
        """With the rms as a text: a number, or the name of a FITS file.

        Raises
        ------
        InputError
            Where it is neither.
        """
        if rms is None:
            return cls(source, None, wander, faint)
        try:
            return cls(source, float(rms), wander, faint)
        except ValueError:
            pass
        if not Path(rms).is_file():
            raise InputError(f"--rms {rms!r}: give a number in Jy/beam, or a FITS map of the local rms")
        return cls(source, Path(rms), wander, faint)

    def settings(self) -> dict[str, Any]:
        """Plain values that tell runs apart."""
        spectrum, rms = self.source.spectrum, self.rms
        told: dict[str, Any] = {"said": self.source.name, "wander": self.wander, "faint": self.faint}
        told["rms"] = str(rms.resolve()) if isinstance(rms, Path) else rms
        if spectrum is not None:
            told["power"] = hashlib.sha256(spectrum.power.astype("<f8").tobytes()).hexdigest()
        return told


def replace_noise(given: Background, options: NoiseOptions, seed: int, folder: Path, state: Path, pool: Pool) -> Path:
    """Write ``background.fits`` into `folder`: the map `given` with noise for pixels; blank ones stay blank.

    What an earlier run has left is taken over; the same options and seed give the same bytes, whatever the pool.

    Parameters
    ----------
    given : Background
        SkyGrid, beam, header, and the local rms where `options` tells none.
    seed : int
    folder, state : path
        Where the map goes, and where parts of the work are kept.

    Raises
    ------
    InputError
        Where the rms map has another size, or holds what is no rms.
    """
    path = folder / BACKGROUND
    if path.exists():
        return path
    model = noise_model([[options.source]], given.grid, seed, options.wander, options.faint)
    level: float | Path | NDArray[np.float32]
    if options.rms is None:
        state.mkdir(parents=True, exist_ok=True)
        level = _filled(survey_map(given, pool, state).rms)
    else:
        level = options.rms
        if isinstance(level, Path):
            check_rms_map(level, given.grid.shape)
    provenance = {"simulated": "noise", "grid": given.path.name, "noise": options.source.name, "seed": seed}
    history = [f"radiff populate: the pixels of this map are noise, drawn by {options.source.name}"]
    header = given.header(-32, "Jy/beam", history, provenance)
    make_noise(path, header, partial(_rows, given, model.field(given.grid.shape, seed), level), pool)
    return path


def _rows(
    given: Background, field: NoiseField | Mosaic, level: float | Path | NDArray[np.float32], y0: int, y1: int
) -> NDArray[np.float32]:
    rows = field.rows(y0, y1)
    if isinstance(level, Path):
        rows *= rms_rows(level, y0, y1)
    elif isinstance(level, np.ndarray):
        rows *= _between_cells(level, y0, y1, given.grid.shape[1])
    else:
        rows *= level
    with given.reader() as reader:
        rows[~np.isfinite(reader.read(y0, y1, 0, given.grid.shape[1]))] = np.nan
    return rows


def _filled(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blank cells take the value of the nearest other one."""
    blank = ~np.isfinite(cells)
    if not blank.any():
        return cells
    nearest = ndimage.distance_transform_edt(blank, return_distances=False, return_indices=True)
    return np.asarray(cells[tuple(nearest)])


def _between_cells(cells: NDArray[np.float32], y0: int, y1: int, nx: int) -> NDArray[np.float32]:
    """Rows y0 to y1 - 1 of what is linear between the middles of the cells."""
    row, up = _weights(np.arange(y0, y1), cells.shape[0])
    column, right = _weights(np.arange(nx), cells.shape[1])
    below = np.minimum(row + 1, cells.shape[0] - 1)
    lines = (1 - up)[:, None] * cells[row] + up[:, None] * cells[below]
    return np.asarray((1 - right) * lines[:, column] + right * lines[:, np.minimum(column + 1, cells.shape[1] - 1)])


def _weights(at: NDArray[np.int_], count: int) -> tuple[NDArray[np.int_], NDArray[np.float32]]:
    place = np.clip((at - CELL // 2) / CELL, 0, count - 1)
    below = np.floor(place).astype(int)
    return below, (place - below).astype(np.float32)
