"""The map to be populated: what is checked of it, its windows, and the headers of what is made of it."""

import errno
import json
import math
import os
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.masks import CLASSES
from radiff.sky import Beam, HeaderWarning, MapReader
from radiff.sky.address import parse_address
from radiff.sky.fits import open_image
from radiff.sky.grid import SkyGrid, make_grid
from radiff.sky.header import PROVENANCE_KEY, build_header, plane_axes, quiet_astropy

BLOCK = 2880
_FILE_CARDS = (
    "SIMPLE", "XTENSION", "BITPIX", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "EXTNAME", "EXTVER", "INHERIT", "BSCALE",
    "BZERO", "BLANK", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "BUNIT", "RMSNOISE", "BKGLEVEL", "LONGSTRN",
    PROVENANCE_KEY,
)  # fmt: skip
_COMPRESSION = re.compile(
    r"Z(IMAGE|TENSION|SIMPLE|EXTEND|BITPIX|PCOUNT|GCOUNT|(NAXIS|TILE|NAME|VAL)\d*|CMPTYPE|QUANTIZ|DITHER0|SCALE|ZERO|BLANK)"
)


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
    def grid(self) -> SkyGrid:
        """Positions and beam.

        Raises
        ------
        InputError
            No WCS, beam or unit; pixels that are not square; whatever `read_cutout` refuses.
        """
        with self.reader() as reader:
            wcs, beam, shape = reader.wcs, reader.beam, reader.shape
        if not str(self.full_header.get("BUNIT", "")).strip():
            raise InputError(
                "no BUNIT in the header; put the unit of its pixels into it, e.g. BUNIT = 'Jy/beam'", self.path
            )
        return make_grid(shape, wcs, beam, self.path)

    @cached_property
    def full_header(self) -> fits.Header:
        """All cards of the image."""
        with open_image(self.path, self.hdu) as opened:
            return opened.header

    @property
    def simulated(self) -> bool:
        """Whether `radiff background` made it, so that it holds no sources."""
        return '"simulated"' in str(self.full_header.get(PROVENANCE_KEY, ""))

    def fingerprint(self) -> dict[str, Any]:
        """Size and time of the file, to see whether it changes."""
        status = parse_address(self.path).file.stat()
        return {"path": str(self.path.resolve()), "bytes": status.st_size, "changed": status.st_mtime_ns}

    def header(
        self, bitpix: int, unit: str | None, history: Sequence[str], provenance: Mapping[str, Any]
    ) -> fits.Header:
        """Header of an image on the pixels of the map: all its cards, that unit (none for a mask), more history."""
        source = self.full_header
        shape = self.grid.shape
        axes = [int(source[f"NAXIS{axis}"]) for axis in range(int(source["NAXIS"]), 0, -1)]
        whole = plane_axes(tuple(axes), source) == (len(axes) - 2, len(axes) - 1) and math.prod(axes) == math.prod(
            shape
        )
        header = fits.Header([("SIMPLE", True), ("BITPIX", bitpix), ("NAXIS", len(axes) if whole else 2)])
        for number, length in enumerate(reversed(axes if whole else shape), start=1):
            header[f"NAXIS{number}"] = length
        if whole:
            cards = source.copy()
            told = [
                key for key in cards if key in _FILE_CARDS or key.startswith("NAXIS") or _COMPRESSION.fullmatch(key)
            ]
            for card in told:
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
            header[PROVENANCE_KEY] = json.dumps(dict(provenance))
        return header


def create_image(path: Path, header: fits.Header) -> None:
    """Make a FITS file of `header` with room for its pixels, all 0, on the disk; a crash leaves no part of it.

    Raises
    ------
    InputError
        Where the disk has not so much room.
    """
    cards = header.tostring(padding=True).encode("ascii")
    pixels = math.prod(int(header[f"NAXIS{axis}"]) for axis in range(1, int(header["NAXIS"]) + 1))
    size = len(cards) + math.ceil(pixels * abs(int(header["BITPIX"])) / 8 / BLOCK) * BLOCK
    with atomic_path(path) as temporary:
        try:
            with temporary.open("wb") as file:
                file.write(cards)
                file.flush()
                _reserve(file.fileno(), size, path)
        except OSError as error:
            reason = error.strerror or str(error)
            text = f"{size / 1e9:.2f} GB cannot be written ({reason}); free some space or choose another -o"
            raise InputError(text, path) from error


def _reserve(file: int, size: int, path: Path) -> None:
    """Take `size` bytes of the disk for an open file."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    elif shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    else:
        os.ftruncate(file, size)


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
