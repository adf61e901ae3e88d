"""The map to be populated: what is checked of it, its windows, and the headers of what is made of it."""

import math
import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from radiff.errors import InputError
from radiff.masks import CLASSES
from radiff.populate.geometry import Grid, make_grid
from radiff.sky import Beam, HeaderWarning, MapReader
from radiff.sky.fits import open_image
from radiff.sky.header import PROVENANCE_KEY, build_header, plane_axes, quiet_astropy

BLOCK = 2880
_FILE_CARDS = (
    "SIMPLE|XTENSION|BITPIX|EXTEND|PCOUNT|GCOUNT|GROUPS|EXTNAME|EXTVER|INHERIT|BSCALE|BZERO|BLANK|DATAMIN|DATAMAX"
    "|CHECKSUM|DATASUM|BUNIT|RMSNOISE|BKGLEVEL|LONGSTRN"
).split("|")


@dataclass(frozen=True)
class Background:
    """A map in a FITS file.

    Attributes
    ----------
    path : Path
    hdu : int or str, optional
        Default: the first image.
    beam : Beam, optional
        Where the header tells none (or another is to count).
    """

    path: Path
    hdu: int | str | None = None
    beam: Beam | None = None

    def reader(self) -> MapReader:
        """A reader of its windows, Jy/beam."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HeaderWarning)
            reader = MapReader(self.path, self.hdu)
        reader.beam = self.beam or reader.beam
        return reader

    @cached_property
    def grid(self) -> Grid:
        """Positions and beam.

        Raises
        ------
        InputError
            No WCS, beam or unit; pixels that are not square; whatever `read_cutout` refuses.
        """
        with self.reader() as reader:
            wcs, beam, shape = reader.wcs, reader.beam, reader.shape
        if not str(self.full_header.get("BUNIT", "")).strip():
            raise InputError("no BUNIT in the header; put the unit of its pixels into it, e.g. BUNIT = 'Jy/beam'", self.path)
        return make_grid(shape, wcs, beam, self.path)

    @cached_property
    def full_header(self) -> fits.Header:
        """All cards of the image."""
        with quiet_astropy(), open_image(self.path, self.hdu) as (hdu, _):
            return hdu.header.copy()

    @property
    def simulated(self) -> bool:
        """Whether `radiff background` made it, so that it holds no sources."""
        return '"simulated"' in str(self.full_header.get(PROVENANCE_KEY, ""))

    def fingerprint(self) -> dict[str, Any]:
        """Size and time of the file, to see whether it changes."""
        status = self.path.stat()
        return {"path": str(self.path.resolve()), "bytes": status.st_size, "changed": status.st_mtime_ns}

    def header(self, bitpix: int, unit: str | None, history: list[str]) -> fits.Header:
        """Header of an image on the pixels of the map: all its cards, that unit (none for a mask), more history."""
        source = self.full_header
        shape = self.grid.shape
        axes = [int(source[f"NAXIS{axis}"]) for axis in range(int(source["NAXIS"]), 0, -1)]
        whole = plane_axes(tuple(axes)) == (len(axes) - 2, len(axes) - 1) and math.prod(axes) == math.prod(shape)
        header = fits.Header([("SIMPLE", True), ("BITPIX", bitpix), ("NAXIS", len(axes) if whole else 2)])
        for number, length in enumerate(reversed(axes if whole else shape), start=1):
            header[f"NAXIS{number}"] = length
        if whole:
            cards = source.copy()
            for card in [key for key in cards if key in _FILE_CARDS or key.startswith(("NAXIS", "Z"))]:
                cards.remove(card, ignore_missing=True, remove_all=True)
        else:
            with self.reader() as reader:
                cards = build_header(reader.header, reader.wcs, None)
            cards.remove("BUNIT", ignore_missing=True)
        with quiet_astropy():
            header.extend(cards, end=True)
            for key in ("BMAJ", "BMIN", "BPA"):
                header.remove(key, ignore_missing=True)
            if unit is not None:
                header["BUNIT"] = (unit, "unit of the pixel values")
                self.grid.beam.to_header(header)
            else:
                for one in CLASSES if bitpix == 8 else ():
                    header[f"CLASS{one.value}"] = (one.name, "mask value's class")
            for line in history:
                header.add_history(line)
        return header


def create_image(path: Path, header: fits.Header) -> int:
    """Make a FITS file of `header` with room for its pixels on the disk; where its pixels begin.

    Raises
    ------
    InputError
        Where the disk has not so much room; the file is removed.
    """
    text = header.tostring(padding=True).encode("ascii")
    pixels = math.prod(int(header[f"NAXIS{axis}"]) for axis in range(1, int(header["NAXIS"]) + 1))
    size = len(text) + math.ceil(pixels * abs(int(header["BITPIX"])) / 8 / BLOCK) * BLOCK
    try:
        with path.open("wb") as file:
            file.write(text)
            file.flush()
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        path.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise InputError(f"{size / 1e9:.2f} GB cannot be written ({reason}); free some space or choose another -o", path) from error
    return len(text)


def write_rows(path: Path, offset: int, values: np.ndarray) -> None:
    """Put `values` into a file that exists, from byte `offset` on.

    Raises
    ------
    InputError
        Where that fails.
    """
    try:
        with path.open("r+b", buffering=0) as file:
            view = memoryview(np.ascontiguousarray(values)).cast("B")
            done = 0
            while done < len(view):
                done += os.pwrite(file.fileno(), view[done:], offset + done)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot be written ({reason}); free some space and run the same again", path) from error
