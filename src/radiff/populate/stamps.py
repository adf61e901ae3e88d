"""A library of stamps in one FITS file: objects of unit flux with an index. Generates none and places none.

One FITS file, since astropy is at hand wherever this package is and one file is easily handed on: HDU ``INDEX`` is a
table with a row a stamp, HDU ``PIXELS`` holds all their pixels end to end, which are mapped, not read, so that many
processes share them. zarr would be a folder of thousands of files and one more package.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.sky.columns import FORMER
from radiff.sky.header import quiet_astropy

COLUMNS = ("class", "seed", "offset", "ny", "nx", "beam", "peak", "maj", "min", "dynamic", "mask", "source")
_FORMAT = "radiff stamps 1"


@dataclass(frozen=True, eq=False)
class Stamp:
    """One object without background, of unit flux: its pixels sum to its beam's area in pixels.

    Attributes
    ----------
    values : float32 (ny, nx)
        0 or more; 0 at the edges.
    class_value : int
        1 spurious, 2 compact, 3 extended.
    seed : int
        That it was generated with.
    beam : float
        FWHM of its circular beam, pixels.
    maj, min : float
        Deconvolved FWHM from second moments, pixels.
    dynamic : float
        Its peak over the noise that it was generated with: noise left in it is below peak / dynamic.
    mask : int
        Pixels of the mask that it was generated from.
    source : str
        Where that mask comes from.
    """

    values: NDArray[np.float32]
    class_value: int
    seed: int
    beam: float
    maj: float
    min: float
    dynamic: float
    mask: int = 0
    source: str = ""


@dataclass(frozen=True, eq=False)
class StampLibrary:
    """Stamps in a file.

    Attributes
    ----------
    path : Path
    index : Table
        One row a stamp: class, seed, beam (pixels), peak (of unit flux), maj, min (pixels, deconvolved FWHM),
        dynamic, mask (pixels), source.
    meta : dict
        How they were made: weights, steps, command line, version.
    """

    path: Path
    index: Table
    meta: dict[str, Any] = field(default_factory=dict)
    _start: int = 0

    def __len__(self) -> int:
        return len(self.index)

    def values(self, number: int) -> NDArray[np.float32]:
        """Pixels (ny, nx) of a stamp."""
        row = self.index[number]
        ny, nx = int(row["ny"]), int(row["nx"])
        start = self._start + 4 * int(row["offset"])
        return np.array(np.memmap(self.path, dtype=">f4", mode="r", offset=start, shape=(ny, nx)), dtype=np.float32)

    def of_class(self, value: int) -> NDArray[np.int64]:
        """Numbers of the stamps of a class."""
        return np.flatnonzero(np.asarray(self.index["class"]) == value)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "StampLibrary":
        """Open a library that `write_stamps` wrote.

        Raises
        ------
        InputError
            Where the file is missing, no library, or shorter than its index says.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("no such file; make a library of stamps with: radiff stamps -o stamps.fits", path)
        try:
            with quiet_astropy(), fits.open(path, memmap=True) as hdus:
                if str(hdus[0].header.get("FORMAT", "")) != _FORMAT:
                    raise InputError("is no library of stamps; make one with: radiff stamps -o stamps.fits", path)
                index = Table(np.array(hdus["INDEX"].data))
                for name in ("major", "minor"):  # of 0.1.0
                    if name in index.colnames:
                        index.rename_column(name, FORMER[name])
                start = int(hdus["PIXELS"].fileinfo()["datLoc"])
                known = {card.keyword: card.value for card in hdus[0].header.cards}
        except (OSError, KeyError, ValueError, TypeError, fits.VerifyError) as error:
            raise InputError("cannot be read as stamps; make the library again with: radiff stamps", path) from error
        needed = start + 4 * int((np.asarray(index["ny"], np.int64) * np.asarray(index["nx"], np.int64)).sum())
        if path.stat().st_size < needed:
            raise InputError("is truncated; make it again with: radiff stamps", path)
        return cls(path, index, {key: value for key, value in known.items() if key in _KEPT}, start)


_KEPT = ("FORMAT", "WEIGHTS", "DIGEST", "STEPS", "SEED", "VERSION", "COMMAND", "BEAM")


def write_stamps(
    path: str | os.PathLike[str], stamps: Sequence[Stamp], meta: Mapping[str, Any] | None = None
) -> StampLibrary:
    """Write a library, atomically.

    Parameters
    ----------
    path : path
    stamps : sequence of Stamp
    meta : mapping, optional
        Cards of the primary header: WEIGHTS, DIGEST, STEPS, SEED, VERSION, COMMAND, BEAM.

    Raises
    ------
    InputError
        Where there is no stamp, or the file cannot be written.
    """
    if not stamps:
        raise InputError("no stamp came out; give other masks or more of them", path)
    sizes = np.array([one.values.size for one in stamps], np.int64)
    rows = {
        "class": np.array([one.class_value for one in stamps], np.int16),
        "seed": np.array([one.seed for one in stamps], np.int64),
        "offset": np.concatenate([[0], np.cumsum(sizes)[:-1]]),
        "ny": np.array([one.values.shape[0] for one in stamps], np.int32),
        "nx": np.array([one.values.shape[1] for one in stamps], np.int32),
        "beam": np.array([one.beam for one in stamps]),
        "peak": np.array([float(one.values.max()) for one in stamps]),
        "maj": np.array([one.maj for one in stamps]),
        "min": np.array([one.min for one in stamps]),
        "dynamic": np.array([one.dynamic for one in stamps]),
        "mask": np.array([one.mask for one in stamps], np.int64),
        "source": np.array([one.source for one in stamps] or [""], dtype=str),
    }
    primary = fits.PrimaryHDU()
    primary.header["FORMAT"] = (_FORMAT, "objects of unit flux: sum = beam area, pixels")
    for key, value in (meta or {}).items():
        primary.header[key] = value
    index = fits.table_to_hdu(Table(rows))
    index.name = "INDEX"
    heap = np.concatenate([one.values.ravel() for one in stamps]).astype(np.float32)
    with atomic_path(path) as temporary, quiet_astropy():
        fits.HDUList([primary, index, fits.ImageHDU(heap, name="PIXELS")]).writeto(temporary)
    return StampLibrary.open(path)
