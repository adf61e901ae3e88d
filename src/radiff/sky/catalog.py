"""Source catalogs of many makers to one astropy Table with our column names and units. Knows no pixels."""

import csv
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Column, Table
from astropy.wcs import WCS

from radiff.errors import InputError
from radiff.sky.beam import HeaderWarning
from radiff.sky.columns import CATALOG, COLUMNS
from radiff.sky.header import quiet_astropy

TEXT = ("name", "class")
_IF_NUMBERS = ("id", "snr", "size", "core_fraction")  # names that mean other things where they hold text
SDC1_COLUMNS = (
    "id", "ra_core", "dec_core", "ra_cent", "dec_cent", "flux", "core_frac", "b_maj", "b_min", "pa", "size", "class",
)  # fmt: skip
"""Columns of the catalogs of SKA's first data challenge, in their order; its files often have no names."""
# standard column -> (names in other catalogs, lower case, unit where the file tells none); the first one found counts
_MJY, _JY, _ARCSEC, _DEG = "mJy", "Jy", "arcsec", "deg"
ALIASES: dict[str, tuple[tuple[str, str], ...]] = {
    "name": tuple((name, "") for name in ("name", "source_name", "component_name", "component_id", "first", "nvss")),
    "ra": tuple(
        (name, _DEG)
        for name in (
            "ra",
            "ra_deg",
            "raj2000",
            "_raj2000",
            "ra_deg_cont",
            "ra_icrs",
            "ra_cent",
            "ra_core",
            "ra_j2000",
            "x_wcs",
            "longitude",
        )
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
            "dec_cent",
            "dec_core",
            "dec_j2000",
            "y_wcs",
            "latitude",
        )
    ),
    "peak_flux": (
        ("peak_flux", _JY),
        ("peak_mjy", _MJY),
        ("fpeak", _MJY),
        ("flux_peak", _MJY),
        ("speak", _MJY),
        ("peak", _JY),
    ),
    "int_flux": (
        ("int_flux", _JY),
        ("int_mjy", _MJY),
        ("fint", _MJY),
        ("flux_int", _MJY),
        ("total_flux", _JY),
        ("s1.4", _MJY),
        ("sint", _MJY),
        ("flux", _JY),
        ("s", _JY),
        ("i1400", _MJY),
    ),
    "local_rms": (("local_rms", _JY), ("rms_mjy", _MJY), ("isl_rms", _JY), ("rms_image", _MJY), ("rms", _MJY)),
    "maj": tuple((name, _ARCSEC) for name in ("maj", "a", "maj_axis", "major", "majaxis", "b_maj", "bmaj_wcs")),
    "min": tuple((name, _ARCSEC) for name in ("min", "b", "min_axis", "minor", "minaxis", "b_min", "bmin_wcs")),
    "pa": tuple((name, _DEG) for name in ("pa_wcs", "pa", "pos_ang", "posang", "posangle")),
    "p_sidelobe": tuple((name, "") for name in ("p_sidelobe", "sideprob", "p(s)", "p_s_")),
    "id": (("id", ""),),
    "class": tuple((name, "") for name in ("class", "class_name", "label", "morphology")),
    "snr": tuple((name, "") for name in ("snr", "s/n", "sn")),
    "maj_deconvolved": tuple(
        (name, _ARCSEC)
        for name in ("maj_deconvolved", "major_deconvolved", "dc_maj", "maj_axis_deconv", "bmaj_deconv_wcs")
    ),
    "min_deconvolved": tuple(
        (name, _ARCSEC)
        for name in ("min_deconvolved", "minor_deconvolved", "dc_min", "min_axis_deconv", "bmin_deconv_wcs")
    ),
    "pa_deconvolved": tuple((name, _DEG) for name in ("pa_deconvolved", "dc_pa", "pos_ang_deconv", "pa_deconv_wcs")),
    "ra_peak": tuple((name, _DEG) for name in ("ra_peak", "ra_core", "ra_max")),
    "dec_peak": tuple((name, _DEG) for name in ("dec_peak", "dec_core", "dec_max")),
    "core_fraction": (("core_fraction", ""), ("core_frac", "")),
    "size": (("size", ""),),
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
_UNIT_BEHIND = re.compile(r"\((deg|arcsec|m?Jy(?:/beam)?|G?Hz)\)$")  # of a name, as CAESAR writes
_POSITIONS = {alias for name in ("ra", "dec") for alias, _ in ALIASES[name]}
_EMPTY = ("", "nan", "null", "none", "--", "n/a")


def read_catalog(path: str | os.PathLike[str]) -> Table:
    """Read a source catalog and name its columns our way.

    Known are the catalogs of FIRST, NVSS and LoTSS, Aegean, PyBDSF (srl, gaul), CAESAR (components), Selavy, SDC1 (also
    without names), tables saved by TOPCAT, the names of VizieR, and our own; a unit told by the file, or in brackets
    behind a name, counts over the usual one of the maker.

    Parameters
    ----------
    path : path-like
        CSV, ECSV, FITS table, VOTable, or a text table that astropy can guess.

    Returns
    -------
    Table
        Those of `CATALOG` (`radiff.sky.columns`) that the file has, in their units; missing numbers are NaN. Rows
        without a position are left out, with a `HeaderWarning`.
        ``meta["columns"]``: the names in the file; ``meta["units"]`` and ``meta["names"]``: the units that it tells
        and what it calls the columns, by our names. A unit of another kind than the column's (a flux in K) is not
        converted: see there.

    Raises
    ------
    InputError
        Where the file cannot be read, or has no right ascension or declination.
    """
    path = Path(path)
    table = _named_units(_read_table(path))
    names = {name.lower(): name for name in reversed(table.colnames)}
    _divide_by_beam(table, names)
    degrees = bool(_PYBDSF & set(names))
    result, units, called = Table(), {}, {}
    for standard in CATALOG:
        unit = COLUMNS[standard].unit
        for alias, usual in ALIASES[standard]:
            if alias in names and not (standard in _IF_NUMBERS and table[names[alias]].dtype.kind in "SUO"):
                if degrees and standard.startswith(("maj", "min")):
                    usual = _DEG
                if alias == "rms" and {"flux", "peak"} & set(names):  # FIRST's is in mJy, that of our 0.1.0 in Jy
                    usual = _JY
                result[standard] = _column(table[names[alias]], standard, unit, usual, path)
                units[standard], called[standard] = str(table[names[alias]].unit or ""), names[alias]
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
    result.meta |= {"columns": list(table.colnames), "units": units, "names": called}
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
        x, y = wcs.world_to_pixel(SkyCoord(ra[rows], dec[rows], unit="deg")) if len(rows) else (ra[:0], ra[:0])
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
            if kind in (None, "ascii.csv") and (table := _read_text(path)) is not None:
                return table
            return Table.read(path, format=kind or "ascii")
    except Exception as error:  # every reader of astropy raises its own kind
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"cannot be read as a catalog ({reason}); give CSV, ECSV, FITS or VOTable", path) from error


def _read_text(path: Path) -> Table | None:
    """A text table with its names above it, in a comment or not, or SDC1's without any; None where it is neither."""
    text = path.read_bytes()
    if text[:6] == b"SIMPLE" or b"\0" in text[:1024]:
        return None
    lines = [line.strip() for line in text.decode("utf-8", errors="replace").splitlines() if line.strip()]
    rows = [line for line in lines if not line.startswith("#")]
    if not rows:
        raise ValueError("no rows")
    split = _splitter(rows[-1])
    width = len(split(rows[-1]))
    for head in (*(line.lstrip("# ") for line in lines if line.startswith("#")), rows[0]):
        names = split(head)
        if len(names) == width and {_UNIT_BEHIND.sub("", name).lower() for name in names} & _POSITIONS:
            return _as_table(names, [split(row) for row in rows[head == rows[0] :]])
    if width == len(SDC1_COLUMNS) and all(_is_number(value) for value in split(rows[-1])):
        named = not all(_is_number(value) for value in split(rows[0]))
        return _as_table(SDC1_COLUMNS, [split(row) for row in rows[named:]])
    return None


def _splitter(row: str) -> Callable[[str], list[str]]:
    """How the lines of a table are split: at tabs, commas or blanks, whichever the row has."""
    for delimiter in ("\t", ","):
        if delimiter in row:
            return lambda line: next(csv.reader([line.strip("\t")], delimiter=delimiter, skipinitialspace=True))
    return lambda line: next(csv.reader([" ".join(line.split())], delimiter=" "))


def _as_table(names: Sequence[str], rows: list[list[str]]) -> Table:
    """Columns of numbers where they are, else of text; empty fields are missing."""
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ValueError(f"row {number} has {len(row)} fields, the names are {len(names)}")
    table = Table()
    for name, values in zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True):
        stripped = [value.strip() for value in values]
        try:
            column: Any = np.array([np.nan if value.lower() in _EMPTY else float(value) for value in stripped])
        except ValueError:
            column = np.array(stripped, dtype=str)
        table[name.strip()] = column
    return table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _named_units(table: Table) -> Table:
    """Units in brackets behind the names become units: ``x_wcs(deg)``, as CAESAR writes."""
    for name in table.colnames:
        found = _UNIT_BEHIND.search(name)
        if found and name[: found.start()] not in table.colnames:
            table.rename_column(name, name[: found.start()])
            table[name[: found.start()]].unit = u.Unit(found.group(1), parse_strict="silent")
    return table


def _divide_by_beam(table: Table, names: dict[str, str]) -> None:
    """CAESAR's S in Jy/beam is a sum of pixels: over the beam's area in pixels, which stands beside it, it is in Jy."""
    if {"s", "beamarea"} <= set(names) and str(table[names["s"]].unit) == "Jy / beam":
        flux = np.asarray(table[names["s"]], float) / np.asarray(table[names["beamarea"]], float)
        table[names["s"]] = Column(flux, unit=u.Jy)


def _column(column: Any, standard: str, unit: u.UnitBase | None, usual: str, path: Path) -> Column:
    """One column of the file as a plain one in our unit; missing numbers are NaN."""
    if standard in TEXT:
        text = ["" if value is np.ma.masked else str(value).strip() for value in column]
        return Column([_class_text(value) for value in text] if standard == "class" else text, dtype=str)
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


def _class_text(value: str) -> str:
    """The class of SDC1 is a number, which text files tell as 2.0."""
    return value[:-2] if value.endswith(".0") else value


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
