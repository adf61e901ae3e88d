"""Source catalogs of many makers to one astropy Table with our column names and units. Knows no pixels."""

import os
import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Column, Table
from astropy.wcs import WCS
from astropy.wcs.utils import skycoord_to_pixel

from radiff.errors import InputError
from radiff.sky.beam import HeaderWarning
from radiff.sky.header import quiet_astropy

# standard column -> its unit
UNITS: dict[str, u.UnitBase | None] = {
    "name": None,
    "ra": u.deg,
    "dec": u.deg,
    "peak_flux": u.Jy / u.beam,
    "int_flux": u.Jy,
    "local_rms": u.Jy / u.beam,
    "maj": u.arcsec,
    "min": u.arcsec,
    "pa": u.deg,
    "p_sidelobe": None,
}
# standard column -> (names in other catalogs, lower case, unit where the file tells none); the first one found counts
_MJY, _JY, _ARCSEC, _DEG = "mJy", "Jy", "arcsec", "deg"
ALIASES: dict[str, tuple[tuple[str, str], ...]] = {
    "name": tuple((name, "") for name in ("name", "source_name", "component_name", "component_id", "first", "nvss")),
    "ra": tuple(
        (name, _DEG)
        for name in ("ra", "ra_deg", "raj2000", "_raj2000", "ra_deg_cont", "ra_icrs", "ra_core", "ra_j2000")
    ),
    "dec": tuple(
        (name, _DEG)
        for name in (
            "dec",
            "dec_deg",
            "dej2000",
            "_dej2000",
            "decj2000",
            "dec_deg_cont",
            "de_icrs",
            "dec_core",
            "dec_j2000",
        )
    ),
    "peak_flux": (("peak_flux", _JY), ("peak_mjy", _MJY), ("fpeak", _MJY), ("flux_peak", _MJY), ("speak", _MJY)),
    "int_flux": (
        ("int_flux", _JY),
        ("int_mjy", _MJY),
        ("fint", _MJY),
        ("flux_int", _MJY),
        ("total_flux", _JY),
        ("s1.4", _MJY),
        ("sint", _MJY),
        ("flux", _JY),
    ),
    "local_rms": (("local_rms", _JY), ("rms_mjy", _MJY), ("isl_rms", _JY), ("rms_image", _MJY), ("rms", _MJY)),
    "maj": tuple((name, _ARCSEC) for name in ("maj", "a", "maj_axis", "major", "majaxis", "b_maj")),
    "min": tuple((name, _ARCSEC) for name in ("min", "b", "min_axis", "minor", "minaxis", "b_min")),
    "pa": tuple((name, _DEG) for name in ("pa", "pos_ang", "posang", "posangle")),
    "p_sidelobe": tuple((name, "") for name in ("p_sidelobe", "sideprob", "p(s)", "p_s_")),
}
_FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".xml": "votable",
}
_PYBDSF = {"isl_id", "isl_rms", "gaus_id"}  # its tables without units give sizes in degrees


def read_catalog(path: str | os.PathLike[str]) -> Table:
    """Read a source catalog and name its columns our way.

    Known are the catalogs of FIRST, NVSS and LoTSS, Aegean, PyBDSF (srl, gaul), Selavy, SDC1, the names of VizieR, and
    our own; a unit told by the file counts over the usual one of the maker.

    Parameters
    ----------
    path : path-like
        CSV, ECSV, FITS table, VOTable, or a text table that astropy can guess.

    Returns
    -------
    Table
        Those of these columns that the file has: name, ra, dec (deg, ICRS), peak_flux (Jy/beam), int_flux (Jy),
        local_rms (Jy/beam), maj, min (arcsec FWHM), pa (deg east of north), p_sidelobe (0 to 1). Missing numbers are
        NaN. Rows without a position are left out, with a `HeaderWarning`.

    Raises
    ------
    InputError
        Where the file cannot be read, or has no right ascension or declination.
    """
    path = Path(path)
    table = _read_table(path)
    names = {name.lower(): name for name in reversed(table.colnames)}
    degrees = bool(_PYBDSF & set(names))
    result = Table()
    for standard, unit in UNITS.items():
        for alias, usual in ALIASES[standard]:
            if alias in names:
                if degrees and standard in ("maj", "min"):
                    usual = _DEG
                result[standard] = _column(table[names[alias]], standard, unit, usual, path)
                break
    missing = [name for name in ("ra", "dec") if name not in result.colnames]
    if missing:
        raise InputError(
            f"has no column for {' and '.join(missing)}; it has {', '.join(table.colnames)}; needed are ra and dec"
            f" in deg (also read: {', '.join(alias for alias, _ in ALIASES[missing[0]][1:5])})",
            path,
        )
    good = np.isfinite(result["ra"]) & np.isfinite(result["dec"]) & (np.abs(result["dec"]) <= 90)
    if not good.all():
        warnings.warn(
            f"{path}: {int((~good).sum())} rows have no position and are left out", HeaderWarning, stacklevel=2
        )
    return result[good]


def sources_inside(catalog: Table, wcs: WCS, shape: tuple[int, int]) -> Table:
    """The rows of `catalog` that lie on an image.

    Parameters
    ----------
    catalog : Table
        As of `read_catalog`; ra, dec in deg (ICRS, or FK5 J2000, which is the same to 0.03 arcsec).
    wcs : WCS
        Celestial, two axes, any frame.
    shape : (ny, nx)

    Returns
    -------
    Table
        A copy of those rows with columns x, y (pixels; 0-based centres, so inside is -0.5 <= x < nx - 0.5).
    """
    ny, nx = shape
    ra, dec = np.asarray(catalog["ra"], float), np.asarray(catalog["dec"], float)
    rows = np.flatnonzero(_near(ra, dec, wcs, shape))
    with quiet_astropy(), np.errstate(invalid="ignore"):
        x, y = (
            skycoord_to_pixel(SkyCoord(ra[rows], dec[rows], unit="deg"), wcs, origin=0)
            if len(rows)
            else (ra[:0], ra[:0])
        )
        inside = (x >= -0.5) & (x < nx - 0.5) & (y >= -0.5) & (y < ny - 0.5)
    result = catalog[rows[inside]]
    result["x"] = Column(np.asarray(x)[inside], unit=u.pix, description="0-based pixel centre")
    result["y"] = Column(np.asarray(y)[inside], unit=u.pix, description="0-based pixel centre")
    return result


def _read_table(path: Path) -> Table:
    if not path.is_file():
        raise InputError("no such file", path)
    suffix = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    kind = _FORMATS.get(suffix.lower())
    try:
        with quiet_astropy(), warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)
            if kind == "ascii.csv":
                return _read_csv(path)
            return Table.read(path, format=kind or "ascii")
    except Exception as error:  # every reader of astropy raises its own kind
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"cannot be read as a catalog ({reason}); give CSV, ECSV, FITS or VOTable", path) from error


def _read_csv(path: Path) -> Table:
    """CSV, or the CSV of PyBDSF, whose names stand in the last of its comment lines."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if comments and "," in comments[-1] and rows and comments[-1].count(",") == rows[0].count(","):
        rows.insert(0, comments[-1].lstrip("# "))
    if not rows:
        raise ValueError("no rows")
    return Table.read(rows, format="ascii.csv")


def _column(column: Any, standard: str, unit: u.UnitBase | None, usual: str, path: Path) -> Column:
    """One column of the file as a plain one in our unit; missing numbers are NaN."""
    if standard == "name":
        return Column([str(value).strip() for value in column], name=standard)
    if column.dtype.kind in "SUO" and standard in ("ra", "dec"):
        return Column(_sexagesimal(column, standard, path), unit=unit)
    try:
        values = np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {column.name} holds text where numbers are needed", path) from error
    if unit is None:
        return Column(values)
    told = column.unit if isinstance(column.unit, u.UnitBase) and str(column.unit) else u.Unit(usual)
    return Column(_convert(values, told, unit, u.Unit(usual)), unit=unit)


def _convert(
    values: npt.NDArray[np.float64], told: u.UnitBase, unit: u.UnitBase, usual: u.UnitBase
) -> npt.NDArray[np.float64]:
    """Values in `told` to `unit`; per beam or not makes no difference here; nonsense falls back on `usual`."""
    for source in (told, usual):
        for target in (unit, unit * u.beam, unit / u.beam):
            if source.is_equivalent(target):
                return values * source.to(target)
    return values


def _sexagesimal(column: Any, standard: str, path: Path) -> npt.NDArray[np.float64]:
    """Strings such as '09:20:17.9' (hours for ra) or plain numbers to degrees."""
    text = [str(value).strip() for value in np.ma.filled(np.ma.asarray(column), "")]
    try:
        return np.array([float(value) if value else np.nan for value in text])
    except ValueError:
        pass
    unit = u.hourangle if standard == "ra" else u.deg
    try:
        return np.array([Angle(value, unit=unit).deg if value else np.nan for value in text])
    except ValueError as error:
        raise InputError(f"column {column.name} is neither degrees nor hh:mm:ss ({error})", path) from error


def _near(ra: npt.NDArray[Any], dec: npt.NDArray[Any], wcs: WCS, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """True for positions within the circle about the image (all, where its corners are off the sky)."""
    ny, nx = shape
    with quiet_astropy():
        corners = wcs.pixel_to_world([-1, nx, -1, nx, (nx - 1) / 2], [-1, -1, ny, ny, (ny - 1) / 2]).icrs
    points = corners.cartesian.xyz.value
    if not np.isfinite(points).all():
        return np.ones(len(ra), bool)
    center = points[:, -1]
    reach = float((points[:, :-1].T @ center).min())
    towards = np.cos(np.radians(dec)) * (np.cos(np.radians(ra)) * center[0] + np.sin(np.radians(ra)) * center[1])
    towards = towards + np.sin(np.radians(dec)) * center[2]
    return towards >= reach - 1e-3 * (1.0 - reach) - 1e-12
