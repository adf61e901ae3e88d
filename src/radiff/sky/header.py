"""FITS header to what an image needs (WCS, beam, unit, cards to carry on). Knows no pixels and no files."""

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning, AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from radiff.errors import InputError
from radiff.sky.beam import Beam, HeaderWarning
from radiff.sky.units import angle_unit, flux_unit

PROVENANCE_KEY = "RADIFF"
RMS_KEY = "RMSNOISE"
BACKGROUND_KEY = "BKGLEVEL"

# Cards that describe the file, its grid or its unit: written anew, never carried over.
_NOT_CARRIED = re.compile(
    r"^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|EXTNAME|EXTVER|EXTLEVEL|INHERIT|BSCALE|BZERO|BLANK"
    r"|DATAMIN|DATAMAX|CHECKSUM|DATASUM|Z(IMAGE|TENSION|SIMPLE|EXTEND|BITPIX|PCOUNT|GCOUNT|(NAXIS|TILE|NAME|VAL)\d*|CMPTYPE|QUANTIZ|DITHER0|SCALE|ZERO|BLANK)"
    r"|TFIELDS|T(TYPE|FORM|UNIT|DIM)\d+|THEAP|BUNIT|BMAJ|BMIN|BPA|CLEANB..|END"
    r"|WCSAXES\w?|WCSNAME\w?|(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA|CRDER|CSYER|CNAME)\d+[A-Z]?"
    r"|(PC|CD|PV|PS)\d+_\d+[A-Z]?|(PC|CD)\d{6}|LONPOLE\w?|LATPOLE\w?|RADECSYS|RADESYS\w?|EQUINOX\w?|EPOCH|MJDREF[IF]?"
    r"|(A|B|AP|BP)_(\d+_\d+|ORDER|DMAX)|RADIFF|RMSNOISE|BKGLEVEL|LONGSTRN|)$"
)
_GRID = re.compile(r"^(CRVAL|CRPIX|CDELT|CROTA|PC|CD|PV)\d+(_\d+)?$")
_CUTOUT = 64  # pixels; smaller images may be parts of a map that are narrower than its beam
_LONGITUDE, _LATITUDE = re.compile(r"^(RA|[GEHS]LON)\b|^RA-|^[GEHS]LN-|^.LON"), re.compile(r"^(DEC)\b|^DEC-|^.LAT")


@dataclass
class HeaderInfo:
    """What a header says of one plane: `factor` turns its pixel values into Jy/beam; `cards` are to be carried on."""

    wcs: WCS | None
    beam: Beam | None
    factor: float
    cards: fits.Header
    rms: float | None = None
    background: float = 0.0
    provenance: dict[str, Any] = field(default_factory=dict)


@contextmanager
def quiet_astropy() -> Iterator[None]:
    """Silence what astropy says of odd but readable headers (FITSFixedWarning, VerifyWarning, ...)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        warnings.simplefilter("ignore", AstropyUserWarning)
        yield


def plane_axes(shape: tuple[int, ...], header: fits.Header | None = None) -> tuple[int, int]:
    """The two numpy axes (y, x) of `shape` that make the image: those that the header calls longitude and latitude,
    else the two longer than 1, else the last two.
    """
    if header is not None and len(shape) > 2:
        sky = _sky_axes(header, len(shape))
        axes = tuple(sorted(len(shape) - axis for axis in sky))
        if len(axes) == 2 and all(shape[axis] > 1 for axis in axes):
            return axes[0], axes[1]
    long = [axis for axis, length in enumerate(shape) if length > 1]
    if len(long) == 2:
        return long[0], long[1]
    return len(shape) - 2, len(shape) - 1


def plane_place(shape: tuple[int, ...], axes: tuple[int, int], plane: int) -> dict[int, int]:
    """Index of a plane on each numpy axis of `shape` other than the image's."""
    others = [axis for axis in range(len(shape)) if axis not in axes]
    numbers = np.unravel_index(plane, [shape[axis] for axis in others]) if others else ()
    return {axis: int(number) for axis, number in zip(others, numbers, strict=True)}


def plane_index(
    shape: tuple[int, ...], axes: tuple[int, int], plane: int, ys: slice, xs: slice
) -> tuple[int | slice, ...]:
    """Index of a window on an array of `shape`; its axes other than the image's are counted through by `plane`."""
    place: dict[int, int | slice] = {**plane_place(shape, axes, plane), axes[0]: ys, axes[1]: xs}
    return tuple(place[axis] for axis in range(len(shape)))


def _sky_axes(header: fits.Header, count: int) -> list[int]:
    """FITS axes (1, 2, ...) of longitude and latitude; empty where the header does not tell both."""
    ctypes = {axis: str(header.get(f"CTYPE{axis}", "")).strip().upper() for axis in range(1, count + 1)}
    found = [[axis for axis, ctype in ctypes.items() if kind.match(ctype)] for kind in (_LONGITUDE, _LATITUDE)]
    return [found[0][0], found[1][0]] if all(found) else []


def parse_header(
    header: fits.Header, shape: tuple[int, ...], path: object = None, beam: Beam | None = None
) -> HeaderInfo:
    """Everything of a header (see `radiff.sky.cards.tidy`) that an image of numpy shape `shape` needs.

    Warns (`HeaderWarning`) of a missing unit (Jy/beam is assumed), WCS or beam.

    Parameters
    ----------
    beam : Beam, optional
        Of the image, where a table of the file tells it.

    Raises
    ------
    InputError
        Where the unit is not a flux density per beam, or the beam is wider than the map: fluxes would be wrong.
    """
    prefix = "" if path is None else f"{path}: "
    factor = _unit_factor(header, path)
    wcs = _celestial(header, shape, prefix)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        beam = beam or Beam.from_header(header)
    for warning in caught:
        warnings.warn(f"{prefix}{warning.message}", HeaderWarning, stacklevel=2)
    if beam is None:
        warnings.warn(f"{prefix}no beam (BMAJ) in the header; fluxes in Jy cannot be told", HeaderWarning, stacklevel=2)
    else:
        _check_width(beam, pixel_scale(wcs, header), [shape[axis] for axis in plane_axes(shape, header)], path)
    rms, background = header.get(RMS_KEY), header.get(BACKGROUND_KEY)
    return HeaderInfo(
        wcs,
        beam,
        factor,
        _carried(header, keep_scale=wcs is None),
        rms=float(rms) * factor if isinstance(rms, int | float) and rms > 0 else None,
        background=float(background) * factor if isinstance(background, int | float) else 0.0,
        provenance=read_provenance(header, path),
    )


def build_header(
    cards: fits.Header,
    wcs: WCS | None,
    beam: Beam | None,
    unit: str = "Jy/beam",
    rms: float | None = None,
    background: float = 0.0,
    provenance: dict[str, Any] | None = None,
) -> fits.Header:
    """The inverse of `parse_header`: a header of one 2D image; rms and background in Jy/beam."""
    header = fits.Header()
    if wcs is not None:
        with quiet_astropy():
            header.extend(wcs.to_header(relax=True))
    header["BUNIT"] = (unit, "unit of the pixel values")
    if beam is not None:
        beam.to_header(header)
    if rms is not None:
        header[RMS_KEY] = (float(rms), "[Jy/beam] noise rms")
        header[BACKGROUND_KEY] = (float(background), "[Jy/beam] background level")
    header.extend(cards, unique=True)
    if provenance:
        header[PROVENANCE_KEY] = json.dumps(provenance, default=str)  # long strings go on in CONTINUE cards
    return header


def pixel_scale(wcs: WCS | None, header: fits.Header) -> float | None:
    """Side of a pixel, arcsec (geometric mean of the axes): from the WCS, else from CDELT (deg), else None."""
    if wcs is not None:
        return float(np.sqrt(np.prod(proj_plane_pixel_scales(wcs)))) * 3600.0
    steps = [header.get(f"CDELT{axis}") for axis in (1, 2)]
    steps = [abs(float(step)) for step in steps if isinstance(step, int | float) and step != 0]
    return float(np.sqrt(steps[0] * steps[-1])) * 3600.0 if steps else None


def _unit_factor(header: fits.Header, path: object) -> float:
    """Factor from the header's unit to Jy/beam."""
    prefix = "" if path is None else f"{path}: "
    text = str(header.get("BUNIT", "")).strip()
    if not text and unit_factor(str(header.get("CTYPE1", ""))):
        text = str(header["CTYPE1"]).strip()  # stripped headers of the rg-dataset put the unit there
    if not text:
        warnings.warn(f"{prefix}no BUNIT in the header; Jy/beam is assumed", HeaderWarning, stacklevel=3)
        return 1.0
    factor = unit_factor(text)
    if factor is None:
        raise InputError(f"BUNIT is {text!r}; convert the map to Jy/beam (mJy/beam and uJy/beam are read too)", path)
    if "MJY" in text:
        warnings.warn(f"{prefix}BUNIT {text!r} is taken as mJy/beam", HeaderWarning, stacklevel=3)
    return factor


def unit_factor(text: str) -> float | None:
    """Factor from the unit `text` to Jy/beam; None where it is no flux density per beam (or 'MJy', mega, is meant)."""
    found = flux_unit(text)
    return found[0] if found and found[1] else None


def _check_width(beam: Beam, scale: float | None, sides: list[int], path: object) -> None:
    """Refuse a beam that no map of this size can have: its unit is another than it should be."""
    if scale and beam.maj > scale * max(sides) * (1 if max(sides) >= _CUTOUT else 4):
        raise InputError(
            f"the beam of {beam.maj:g} x {beam.min:g} arcsec is wider than the map of {scale * max(sides):.4g} arcsec;"
            f" BMAJ and BMIN are in deg: {beam.maj:g} arcsec is {beam.maj / 3600:.4g}, and {beam.maj / 3600:g} arcsec"
            f" {beam.maj / 3600**2:.4g}",
            path,
        )


def _celestial(header: fits.Header, shape: tuple[int, ...], prefix: str) -> WCS | None:
    """The celestial WCS of the image plane; None, with a warning, where there is none."""
    ctypes = [str(header.get(f"CTYPE{axis}", "")).upper() for axis in range(1, len(shape) + 1)]
    if not any(ctype[:2] in ("RA", "DE", "GL", "EL", "HL", "SL") for ctype in ctypes):
        warnings.warn(f"{prefix}no celestial WCS in the header; positions stay in pixels", HeaderWarning, stacklevel=3)
        return None
    y_axis, x_axis = plane_axes(shape, header)
    fits_axes = [len(shape) - x_axis, len(shape) - y_axis]
    try:
        text = next((key for key in header if _GRID.match(key) and isinstance(header[key], str)), None)
        if text is not None:
            raise ValueError(f"{text} is {header[text]!r}")
        with quiet_astropy():
            wcs = WCS(_grid_cards(header, len(shape), fits_axes), naxis=len(shape)).sub(fits_axes)
            wcs.wcs.set()
            good = wcs.has_celestial and bool(np.all(np.isfinite(proj_plane_pixel_scales(wcs))))
    except Exception as error:  # wcslib raises many kinds, all of them "this header makes no sense"
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and "cextern" not in line]
        reason = lines[0] if lines else type(error).__name__
        warnings.warn(
            f"{prefix}the WCS cannot be used ({reason}); positions stay in pixels", HeaderWarning, stacklevel=3
        )
        return None
    if not good:
        warnings.warn(
            f"{prefix}the image's axes are not celestial; positions stay in pixels", HeaderWarning, stacklevel=3
        )
        return None
    return wcs


def _grid_cards(header: fits.Header, count: int, sky: list[int]) -> fits.Header:
    """Cards of a header's grid: the units of its sky in the words of FITS, nothing of the kinds of its other axes."""
    grid = header.copy()
    for key in [key for key in grid if re.match(r"^(PC|CD)\d{6}$", key)]:  # AIPS's own matrix beside CDELT and CROTA
        del grid[key]
    for axis in range(1, count + 1):
        unit = str(grid.get(f"CUNIT{axis}", "")).strip()
        if axis not in sky:  # wcslib gives up good positions for a frequency in 'HZ'
            for key in (f"CTYPE{axis}", f"CUNIT{axis}"):
                grid.remove(key, ignore_missing=True)
        elif unit and (known := angle_unit(unit)) is not None:
            grid[f"CUNIT{axis}"] = known.to_string("fits")
        if axis in sky and f"CTYPE{axis}" in grid:
            grid[f"CTYPE{axis}"] = str(grid[f"CTYPE{axis}"]).strip().upper()
    return grid


def _carried(header: fits.Header, keep_scale: bool) -> fits.Header:
    """The cards to carry on: all but those that describe file, grid and unit; the observing frequency as FREQ (Hz)."""
    kept = fits.Header()
    for card in header.cards:
        scale = keep_scale and card.keyword in ("CDELT1", "CDELT2")
        if scale or not _NOT_CARRIED.match(card.keyword):
            kept.append(card, end=True)
    for axis in range(3, int(header.get("NAXIS", 2)) + 1):
        if str(header.get(f"CTYPE{axis}", "")).startswith("FREQ") and "FREQ" not in kept:
            kept["FREQ"] = (header.get(f"CRVAL{axis}"), "[Hz] from the frequency axis")
    return kept


def read_provenance(header: fits.Header, path: object = None) -> dict[str, Any]:
    """What the card RADIFF tells of where the pixels come from; empty where there is none."""
    try:
        value = json.loads(str(header.get(PROVENANCE_KEY, "{}")))
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
