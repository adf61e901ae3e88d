"""Large maps to windows, never the whole in memory. Knows no masks and no noise."""

import math
import warnings
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.wcs import WCS

from radiff.errors import InputError
from radiff.sky.address import PathLike
from radiff.sky.beam import Beam, HeaderWarning
from radiff.sky.cutout import Cutout, clip_window, shift_provenance, shift_wcs
from radiff.sky.fits import UNREADABLE, is_compressed, open_image, parse_opened, source_provenance, to_float32
from radiff.sky.header import pixel_scale, quiet_astropy
from radiff.sky.noise import ZERO_REACH, blank_zeros, has_noise, sample_rows

LARGE_MAP = 4096 * 4096  # pixels; larger maps are worked on window by window


class MapReader:
    """A FITS map read by windows, as `Cutout`s in Jy/beam.

    A plain file is mapped for the time of one read; of a tile-compressed one only the tiles touched are unpacked (a
    gzipped file must be unpacked up to the window: gunzip it first where speed matters). Headers as in `read_cutout`.

    Parameters
    ----------
    path : path-like
    hdu : int or str, optional
        Default: the first HDU that holds an image.
    plane : int, optional
        Which plane of a cube, 0-based.

    Attributes
    ----------
    shape : (ny, nx)
    wcs : WCS or None
    beam : Beam or None
    pixel_scale : float or None
        Arcsec.
    header : astropy.io.fits.Header
        Cards carried on into every cutout.
    rms, background : float or None, float
        Jy/beam, where the file's header tells.

    Raises
    ------
    InputError
        As `read_cutout`; pixels are checked only when they are read.

    Examples
    --------
    >>> with MapReader("map.fits") as reader:                                # doctest: +SKIP
    ...     for window in iter_windows(reader.shape, 512):
    ...         cutout = reader.cutout(*window)
    """

    def __init__(self, path: PathLike, hdu: int | str | None = None, plane: int | None = None) -> None:
        self.path = Path(path)
        self._arguments = (self.path.absolute(), hdu, plane)
        self._stack = ExitStack()
        try:
            self._opened = self._stack.enter_context(open_image(self.path, hdu, plane))
            self._opened.index(slice(None), slice(None))
            info = parse_opened(self._opened)
        except BaseException:
            self._stack.close()
            raise
        y_axis, x_axis = self._opened.axes
        self.shape: tuple[int, int] = (self._opened.shape[y_axis], self._opened.shape[x_axis])
        self._factor = info.factor
        self.wcs: WCS | None = info.wcs
        self.beam: Beam | None = info.beam
        self.header: fits.Header = info.cards
        self.rms, self.background = info.rms, info.background
        self.pixel_scale: float | None = pixel_scale(info.wcs, info.cards)
        self.provenance = source_provenance(info, self._opened)
        self._mapped = _mapping(self._opened.hdu, self._opened.file)

    @classmethod
    def open(cls, path: PathLike, hdu: int | str | None = None, plane: int | None = None) -> "MapReader":
        """The same as ``MapReader(path, ...)``."""
        return cls(path, hdu, plane)

    def __getstate__(self) -> tuple[Any, ...]:
        """What opens the map again: workers that are spawned get no open file."""
        return self._arguments

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HeaderWarning)  # told when it was opened first
            self.__init__(*state)  # type: ignore[misc]

    def __enter__(self) -> "MapReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def read(self, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[np.float32]:
        """Rows y0 to y1 - 1, columns x0 to x1 - 1 as float32 (y1 - y0, x1 - x0) in Jy/beam; NaN off the map."""
        ys, xs, yd, xd = clip_window(self.shape, y0, y1, x0, x1)
        window = np.full((y1 - y0, x1 - x0), np.nan, np.float32)
        if ys.start < ys.stop and xs.start < xs.stop:
            pixels = to_float32(self._raw(ys, xs), self._factor)
            if (pixels == 0).any() and self._noisy:
                pixels[self._unobserved(ys, xs)] = np.nan
            window[yd, xd] = pixels
        return window

    @cached_property
    def _noisy(self) -> bool:
        """`has_noise` of the map, by bands of its rows."""
        rows = sample_rows(self.shape) if math.prod(self.shape) > LARGE_MAP // 4 else np.arange(self.shape[0])
        bands = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        parts = [self._raw(slice(int(band[0]), int(band[-1]) + 1), slice(0, self.shape[1])) for band in bands]
        return has_noise(np.concatenate(parts))

    def _unobserved(self, ys: slice, xs: slice) -> npt.NDArray[np.bool_]:
        """`blank_zeros` of a window of the map, the same for any window."""
        ny, nx = self.shape
        y0, y1 = max(ys.start - ZERO_REACH, 0), min(ys.stop + ZERO_REACH, ny)
        x0, x1 = max(xs.start - ZERO_REACH, 0), min(xs.stop + ZERO_REACH, nx)
        wide = self._raw(slice(y0, y1), slice(x0, x1))
        blank = blank_zeros(wide, (y0 == 0, y1 == ny, x0 == 0, x1 == nx))
        return blank[ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0]

    def cutout(self, y0: int, y1: int, x0: int, x1: int) -> Cutout:
        """The same as a `Cutout`, its WCS shifted."""
        return Cutout(
            self.read(y0, y1, x0, x1),
            shift_wcs(self.wcs, y0, x0),
            self.beam,
            rms=self.rms,
            background=self.background,
            header=self.header.copy(),
            provenance=shift_provenance(self.provenance, y0, x0),
        )

    def _raw(self, ys: slice, xs: slice) -> npt.NDArray[Any]:
        index = self._opened.index(ys, xs)
        try:
            if self._mapped is not None:
                mapped = np.memmap(**self._mapped)
                return np.array(mapped[index])
            with quiet_astropy():
                section = np.asarray(self._opened.hdu.section[index])
            return section.reshape(ys.stop - ys.start, xs.stop - xs.start)
        except UNREADABLE as error:
            raise InputError(
                f"rows {ys.start} to {ys.stop}, columns {xs.start} to {xs.stop} cannot be read ({error})", self.path
            ) from error


def averaged(reader: MapReader, box: tuple[int, int, int, int], longest: int) -> tuple[npt.NDArray[np.float32], int]:
    """A part of a map, in blocks of n x n pixels whose means are taken where it is larger than `longest`; and n.

    Blank pixels do not count; a block of them is blank. A rest narrower than a block at the far edges is left out.
    """
    y0, y1, x0, x1 = box
    n = max(1, math.ceil(max(y1 - y0, x1 - x0) / longest))
    if n == 1:
        return reader.read(*box), 1
    rows, columns = (y1 - y0) // n, (x1 - x0) // n
    result = np.empty((rows, columns), np.float32)
    step = max(1, 4_000_000 // (n * (x1 - x0)))
    for first in range(0, rows, step):
        last = min(first + step, rows)
        part = reader.read(y0 + first * n, y0 + last * n, x0, x0 + columns * n)
        blocks = part.reshape(last - first, n, columns, n)
        good = np.isfinite(blocks)
        count = good.sum((1, 3))
        total = np.where(good, blocks, 0.0).sum((1, 3), dtype=np.float64)
        with np.errstate(invalid="ignore"):
            result[first:last] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result, n


def _mapping(hdu: Any, file: Path) -> dict[str, Any] | None:
    """Arguments of np.memmap for the pixels of a plain, unscaled, floating-point HDU; None for all others."""
    header = hdu.header
    plain = not isinstance(hdu, fits.CompImageHDU) and not is_compressed(hdu)
    unscaled = header.get("BSCALE", 1) == 1 and header.get("BZERO", 0) == 0
    if not (plain and unscaled and header["BITPIX"] in (-32, -64)):
        return None
    dtype = np.dtype(">f4" if header["BITPIX"] == -32 else ">f8")
    return {
        "filename": file.absolute(),
        "mode": "r",
        "dtype": dtype,
        "offset": hdu.fileinfo()["datLoc"],
        "shape": tuple(hdu.shape),
    }
