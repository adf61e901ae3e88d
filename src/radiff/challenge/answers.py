"""A truth package, the hidden half of a challenge or a catalog of SDC1 to what a score compares with."""

import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.challenge.sdc1 import sdc1_beam
from radiff.challenge.submission import read_submission
from radiff.errors import InputError
from radiff.files import read_json
from radiff.masks import read_annotation
from radiff.sky import HeaderWarning, MapReader
from radiff.sky.beam import Floats
from radiff.sky.grid import SkyGrid
from radiff.sky.sdc1 import sdc1_columns
from radiff.sky.truth import TRUTH_FILES, read_truth
from radiff.tiling import Box

HIDDEN, SETTINGS = "hidden", "challenge.json"
"""Of a challenge: the organisers' folder, and what it knows beside the truth."""
REAL_SOURCES = "real_sources.json"
_IMAGES = ("map.fits", "classes.fits", "sources.fits", "instances.fits")
_TEXT = (".txt", ".csv", ".dat", ".vot", ".xml")
_COLUMNS = (
    "ra", "dec", "ra_peak", "dec_peak", "int_flux", "peak_flux", "local_rms", "snr", "maj", "min", "maj_deconvolved",
    "min_deconvolved", "pa", "pa_deconvolved", "core_fraction",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answer:
    """What truly is on a map.

    Attributes
    ----------
    name : str
    columns : dict of str to array (n,)
        Of `radiff.sky.columns`, plain: id, class (text), ra, dec, ra_peak, dec_peak (deg), int_flux (Jy), peak_flux,
        local_rms (Jy/beam), snr, maj, min, maj_deconvolved, min_deconvolved (arcsec), pa, pa_deconvolved (deg),
        core_fraction.
    beam : (float, float)
        Major and minor FWHM, arcsec.
    area : float
        Square degrees that are judged; NaN where unknown.
    grid : SkyGrid, optional
        Of the map.
    map : Path, optional
        The map itself.
    training : (y0, y1, x0, x1), optional
        Pixels whose truth is public: not judged.
    window : (y0, y1, x0, x1), optional
        Pixels that alone are judged, as those of a training area.
    real : list of SourceObject
        Sources of the map itself.
    sdc1 : dict, optional
        Columns of SDC1 as they are in the file.
    """

    name: str
    columns: Mapping[str, NDArray[Any]]
    beam: tuple[float, float]
    area: float = math.nan
    grid: SkyGrid | None = None
    training: Box | None = None
    window: Box | None = None
    real: list[Any] = field(default_factory=list)
    sdc1: dict[str, Floats] | None = None
    map: Path | None = None

    def __len__(self) -> int:
        return len(self.columns["ra"])

    @property
    def spurious(self) -> NDArray[np.bool_]:
        """Rows that are artefacts, which nobody should find."""
        return np.asarray(self.columns["class"] == "spurious")

    def pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats] | None:
        """Positions on the map, (x, y); None where there is no map."""
        return None if self.grid is None else self.grid.to_pixel(ra, dec)

    def in_training(self, ra: Floats, dec: Floats) -> NDArray[np.bool_]:
        """Whether positions lie in the training area."""
        return self._inside(ra, dec, self.training) if self.training else np.zeros(len(ra), bool)

    def off_the_map(self, ra: Floats, dec: Floats) -> NDArray[np.bool_]:
        """Whether positions lie off the map, or off what is judged of it."""
        if self.grid is None:
            return np.zeros(len(ra), bool)
        return ~self._inside(ra, dec, self.window or (0, self.grid.shape[0], 0, self.grid.shape[1]))

    def _inside(self, ra: Floats, dec: Floats, box: Box) -> NDArray[np.bool_]:
        at = self.pixels(ra, dec)
        if at is None:
            return np.zeros(len(ra), bool)
        y0, y1, x0, x1 = box
        with np.errstate(invalid="ignore"):
            return np.asarray((at[0] >= x0 - 0.5) & (at[0] < x1 - 0.5) & (at[1] >= y0 - 0.5) & (at[1] < y1 - 0.5))

    def on_real(self, ra: Floats, dec: Floats) -> NDArray[np.bool_]:
        """Whether positions lie on a source of the map itself, or within half a beam of its mask."""
        result = np.zeros(len(ra), bool)
        at = self.pixels(ra, dec)
        if at is None or self.grid is None or not self.real:
            return result
        x, y = (np.nan_to_num(one, nan=-1e9).round().astype(np.int64) for one in at)
        rim = max(1, math.ceil(0.5 * self.grid.beam_width))
        disk = np.hypot(*np.mgrid[-rim : rim + 1, -rim : rim + 1]) <= rim
        for one in self.real:
            top, left = one.y0 - rim, one.x0 - rim
            height, width = (length + 2 * rim for length in one.stamp.shape)
            near = np.flatnonzero((y >= top) & (y < top + height) & (x >= left) & (x < left + width))
            if near.size:
                grown = ndimage.binary_dilation(np.pad(one.stamp, rim), disk)
                result[near] |= grown[y[near] - top, x[near] - left]
        return result

    def as_sdc1(self, rows: NDArray[np.bool_]) -> dict[str, Floats]:
        """Columns of SDC1 of some rows; ids are those of the truth."""
        if self.sdc1 is not None:
            return {name: values[rows] for name, values in self.sdc1.items()}
        columns = sdc1_columns({name: values[rows] for name, values in self.columns.items()}, self.beam)
        return columns | {"id": np.asarray(self.columns["id"][rows], float)}


def read_answer(path: str | os.PathLike[str], frequency: int | None = None) -> Answer:
    """Read the truth that submissions are scored against.

    Parameters
    ----------
    path : path-like
        A challenge or its hidden folder, a truth package of `radiff populate`, its truth.fits or truth.ecsv, or a text
        catalog in the columns of SDC1.
    frequency : int, optional
        MHz; which beam a catalog of SDC1 belongs to.

    Raises
    ------
    InputError
        For something else; without sources; without a beam.
    """
    path = Path(path)
    if (path / HIDDEN).is_dir():
        path = path / HIDDEN
    if path.is_dir() and not any((path / name).is_file() for name in TRUTH_FILES):
        raise InputError(
            f"is a folder without {' or '.join(TRUTH_FILES)}; give a challenge, its hidden folder, or a truth package"
            " of 'radiff populate'",
            path,
        )
    if path.suffix.lower() in _TEXT:
        return _sdc1_answer(path, frequency)
    table = read_truth(path)
    folder = path if path.is_dir() else path.parent
    columns: dict[str, NDArray[Any]] = {
        name: np.asarray(getattr(table[name], "value", table[name]), float) for name in ("id", *_COLUMNS)
    }
    columns["class"] = np.asarray(table["class"]).astype(str)
    if not (columns["class"] != "spurious").any():
        raise InputError("holds no sources; there is nothing to be found", path)
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    image = folder / settings.get("map", _IMAGES[0])
    grid = _grid([image] if "map" in settings else [folder / name for name in _IMAGES])
    beam = tuple(float(table.meta.get(key, math.nan)) * 3600.0 for key in ("BMAJ", "BMIN"))
    if not all(value > 0 for value in beam):
        if grid is None:
            raise InputError("has no BMAJ and BMIN (deg) in its header; add those of the map", path)
        beam = (grid.beam.maj, grid.beam.min)
    real = read_annotation(folder / REAL_SOURCES).objects if (folder / REAL_SOURCES).is_file() and grid else []
    training, window = (_box(settings.get(key)) for key in ("training", "window"))
    area = float(table.meta.get("AREADEG2", math.nan))
    if grid is not None:
        share = _pixels(window) / math.prod(grid.shape) if window else 1.0
        area *= share - _pixels(training) / math.prod(grid.shape)
    return Answer(
        str(settings.get("name", folder.resolve().name)), columns, (beam[0], beam[1]), area, grid, training, window,
        list(real), map=image if image.is_file() else None,
    )  # fmt: skip


def _box(told: Any) -> Box | None:
    return (int(told[0]), int(told[1]), int(told[2]), int(told[3])) if told else None


def _pixels(box: Box | None) -> int:
    return (box[1] - box[0]) * (box[3] - box[2]) if box else 0


def _grid(images: list[Path]) -> SkyGrid | None:
    """The grid of the first of these images that there is."""
    for path in images:
        if path.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HeaderWarning)  # a class mask has no unit and no beam
                with MapReader(path) as reader:
                    if reader.wcs is not None and reader.beam is not None:
                        return SkyGrid.of(reader)
    return None


def _sdc1_answer(path: Path, frequency: int | None) -> Answer:
    """A catalog in the columns of SDC1."""
    table = read_submission(path)
    told = table.meta.get("sdc1")
    if told is None:
        raise InputError(
            f"is neither a truth table nor a catalog of SDC1; it has {', '.join(table.meta['columns'])}", path
        )
    if frequency is None:
        raise InputError("is a catalog of SDC1, which tells no beam; give --sdc1-frequency 560, 1400 or 9200", path)
    columns = {name: np.asarray(table[name]) for name in ("id", "class", *_COLUMNS) if name in table.colnames}
    columns["core_fraction"] = told["core_frac"]
    beam = sdc1_beam(frequency)
    for name in ("maj", "min"):
        columns[name] = np.hypot(columns[f"{name}_deconvolved"], beam)
    return Answer(path.stem, columns, (beam, beam), sdc1=told)
