"""One image of the sky with what its pixels mean: WCS, beam, unit, noise, provenance. Knows no files."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.wcs import WCS

from radiff.errors import InputError
from radiff.sky.arrays import plain_image
from radiff.sky.beam import Beam
from radiff.sky.header import build_header, pixel_scale


@dataclass(eq=False)
class Cutout:
    """An image in Jy/beam and what is known of it.

    Parameters
    ----------
    image : array (ny, nx), float32
        Jy/beam; NaN = unusable. Row 0 is the bottom row; pixel (x, y) has its centre at the integers.
    wcs : astropy.wcs.WCS or None
        Celestial, two axes.
    beam : Beam or None
    unit : str
        Always ``"Jy/beam"`` after reading.
    rms, background : float
        Noise rms and background level, Jy/beam; `rms` is None where it was not measured.
    header : astropy.io.fits.Header
        Cards carried on (TELESCOP, SURVEY, OBJECT, FREQ, ...); CDELT1/2 (deg) too where there is no WCS.
    provenance : dict
        Where the pixels come from; JSON values only. ``x0``, ``y0``: place of pixel (0, 0) in the source's file.
    """

    image: npt.NDArray[np.float32]
    wcs: WCS | None = None
    beam: Beam | None = None
    unit: str = "Jy/beam"
    rms: float | None = None
    background: float = 0.0
    header: fits.Header = field(default_factory=fits.Header)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.image = np.ascontiguousarray(plain_image(self.image), dtype=np.float32)
        if self.image.ndim != 2:
            raise InputError(f"an image has two axes (ny, nx); this array has the shape {self.image.shape}")
        self.beam = None if self.beam is None else Beam.of(self.beam)

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """(ny, nx), True = usable."""
        return np.isfinite(self.image)

    @property
    def pixel_scale(self) -> float | None:
        """Side of a pixel, arcsec, geometric mean of the two axes; None where neither WCS nor CDELT tells."""
        return pixel_scale(self.wcs, self.header)

    @property
    def telescope(self) -> str | None:
        """TELESCOP of the header."""
        return _text(self.header, "TELESCOP")

    @property
    def survey(self) -> str | None:
        """SURVEY of the header."""
        return _text(self.header, "SURVEY")

    def window(self, y0: int, y1: int, x0: int, x1: int) -> "Cutout":
        """Rows y0 to y1 - 1 and columns x0 to x1 - 1 as a cutout of its own; NaN where that lies off the image.

        The WCS is shifted, so that a pixel keeps its position on the sky; rms and background are carried over.
        """
        return Cutout(
            window_of(self.image, y0, y1, x0, x1),
            shift_wcs(self.wcs, y0, x0),
            self.beam,
            self.unit,
            self.rms,
            self.background,
            self.header.copy(),
            shift_provenance(self.provenance, y0, x0),
        )

    def to_header(self) -> fits.Header:
        """A FITS header: WCS, BUNIT, BMAJ/BMIN/BPA, RMSNOISE, BKGLEVEL, the cards carried on, RADIFF (JSON)."""
        return build_header(
            self.header, self.wcs, self.beam, self.unit, self.rms, self.background, self.provenance or None
        )


def _text(header: fits.Header, key: str) -> str | None:
    value = str(header.get(key, "")).strip()
    return value or None


def clip_window(shape: tuple[int, int], y0: int, y1: int, x0: int, x1: int) -> tuple[slice, slice, slice, slice]:
    """Slices (y, x) of the part of the window on an image of `shape`, and where that part lies in the window."""
    if y1 <= y0 or x1 <= x0:
        raise InputError(f"a window of rows {y0} to {y1} and columns {x0} to {x1} holds no pixel")
    ya, yb = (min(max(edge, 0), shape[0]) for edge in (y0, y1))
    xa, xb = (min(max(edge, 0), shape[1]) for edge in (x0, x1))
    return slice(ya, yb), slice(xa, xb), slice(ya - y0, yb - y0), slice(xa - x0, xb - x0)


def window_of(image: npt.NDArray[Any], y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[np.float32]:
    """A float32 copy of a window of `image`, NaN outside of it."""
    window = np.full((y1 - y0, x1 - x0) if y1 > y0 and x1 > x0 else (0, 0), np.nan, np.float32)
    ys, xs, yd, xd = clip_window((image.shape[0], image.shape[1]), y0, y1, x0, x1)
    window[yd, xd] = image[ys, xs]
    return window


def shift_wcs(wcs: WCS | None, y0: int, x0: int) -> WCS | None:
    """`wcs` for an image whose pixel (0, 0) is pixel (x0, y0) of the old one."""
    if wcs is None:
        return None
    shifted = wcs.deepcopy()
    shifted.wcs.crpix = np.asarray(wcs.wcs.crpix) - np.array([x0, y0])
    if wcs.sip is not None:
        sip = wcs.sip
        shifted.sip = type(sip)(sip.a, sip.b, sip.ap, sip.bp, np.asarray(sip.crpix) - np.array([x0, y0]))
    shifted.pixel_shape = None
    return shifted


def shift_provenance(provenance: dict[str, Any], y0: int, x0: int) -> dict[str, Any]:
    """`provenance` with x0, y0 counted from the source's own pixel (0, 0)."""
    return provenance | {"x0": provenance.get("x0", 0) + int(x0), "y0": provenance.get("y0", 0) + int(y0)}
