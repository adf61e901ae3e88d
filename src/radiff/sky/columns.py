"""The columns of all tables of sources: one name, unit and UCD each, in truth tables, submissions and catalogs.

Builds tables of plain arrays and writes them. Reads nothing and knows no pixels.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.table import Column, QTable, Table

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.sky.header import quiet_astropy

AnyTable = TypeVar("AnyTable", Table, QTable)


@dataclass(frozen=True)
class ColumnInfo:
    """One column.

    Attributes
    ----------
    kind : str
        ``i`` (int64), ``f`` (float64) or ``U`` (text); what is not known is -1, NaN or "".
    unit : Unit, optional
    ucd : str
        Of the IVOA's vocabulary.
    description : str
    """

    kind: str
    unit: u.UnitBase | None
    ucd: str
    description: str

    @property
    def unknown(self) -> Any:
        """What stands where a value is not known."""
        return {"i": -1, "f": np.nan, "U": ""}[self.kind]

    def array(self, values: npt.ArrayLike) -> npt.NDArray[Any]:
        """`values` as the column's type."""
        return np.asarray(values).astype({"i": np.int64, "f": np.float64, "U": np.str_}[self.kind])


_FLUX, _SIZE, _ANGLE = "phot.flux.density;em.radio", "phys.angSize;em.radio", "pos.posAng;em.radio"
COLUMNS: dict[str, ColumnInfo] = {
    "id": ColumnInfo("i", None, "meta.id", "number of the source, from 1; of a truth, its value in instances.fits"),
    "name": ColumnInfo("U", None, "meta.id", "name of the source"),
    "class": ColumnInfo("U", None, "src.class", "compact, extended or spurious; empty: not known"),
    "ra": ColumnInfo("f", u.deg, "pos.eq.ra;meta.main", "right ascension, ICRS; of a truth, of the flux centroid"),
    "dec": ColumnInfo("f", u.deg, "pos.eq.dec;meta.main", "declination, ICRS; of a truth, of the flux centroid"),
    "x": ColumnInfo("f", u.pix, "pos.cartesian.x", "position on the map, 0-based pixel centres"),
    "y": ColumnInfo("f", u.pix, "pos.cartesian.y", "position on the map, 0-based pixel centres"),
    "ra_peak": ColumnInfo("f", u.deg, "pos.eq.ra;stat.max", "right ascension of the brightest point, ICRS"),
    "dec_peak": ColumnInfo("f", u.deg, "pos.eq.dec;stat.max", "declination of the brightest point, ICRS"),
    "int_flux": ColumnInfo(
        "f", u.Jy, _FLUX, "integrated flux: sum of the source's pixels over the beam area in pixels"
    ),
    "peak_flux": ColumnInfo("f", u.Jy / u.beam, f"{_FLUX};stat.max", "brightest point of the source, without noise"),
    "local_rms": ColumnInfo("f", u.Jy / u.beam, "stat.stdev;phot.flux.density", "noise rms of the map at the source"),
    "snr": ColumnInfo("f", None, "stat.snr", "peak_flux over local_rms"),
    "maj": ColumnInfo("f", u.arcsec, f"{_SIZE};stat.max", "FWHM along the major axis, as on the map"),
    "min": ColumnInfo("f", u.arcsec, f"{_SIZE};stat.min", "FWHM along the minor axis, as on the map"),
    "pa": ColumnInfo("f", u.deg, _ANGLE, "position angle of the major axis, north through east"),
    "maj_deconvolved": ColumnInfo("f", u.arcsec, f"{_SIZE};stat.max", "FWHM along the major axis without the beam"),
    "min_deconvolved": ColumnInfo("f", u.arcsec, f"{_SIZE};stat.min", "FWHM along the minor axis without the beam"),
    "pa_deconvolved": ColumnInfo("f", u.deg, _ANGLE, "position angle without the beam; NaN where it is round"),
    "core_fraction": ColumnInfo(
        "f",
        None,
        "phot.flux.density;arith.ratio",
        "part of the flux that an unresolved core may have: peak over flux, 0 to 1",
    ),
    "n_pixels": ColumnInfo("i", None, "meta.number", "pixels of the source's mask, or above the threshold"),
    "fit": ColumnInfo("U", None, "meta.code", "how it was measured: gaussian, or pixels (sums)"),
    "x_min": ColumnInfo("i", u.pix, "pos.cartesian.x;stat.min", "bounding box of the mask, first column"),
    "x_max": ColumnInfo("i", u.pix, "pos.cartesian.x;stat.max", "bounding box of the mask, last column (included)"),
    "y_min": ColumnInfo("i", u.pix, "pos.cartesian.y;stat.min", "bounding box of the mask, first row"),
    "y_max": ColumnInfo("i", u.pix, "pos.cartesian.y;stat.max", "bounding box of the mask, last row (included)"),
    "k": ColumnInfo(
        "f", None, "arith.factor", "draw of the flux rule peak = k * rms; NaN where the flux came otherwise"
    ),
    "stamp": ColumnInfo(
        "i", None, "meta.id.assoc", "number of the stamp in the library, from 0; -1: a Gaussian source"
    ),
    "stamp_seed": ColumnInfo("i", None, "meta.number", "seed of the stamp's generation; -1: a Gaussian source"),
    "turn": ColumnInfo("i", None, "meta.code", "quarter turns 0 to 3, and 4 more where mirrored"),
    "dx": ColumnInfo("f", u.pix, "pos.cartesian.x;arith.diff", "sub-pixel shift along x, -0.5 to 0.5"),
    "dy": ColumnInfo("f", u.pix, "pos.cartesian.y;arith.diff", "sub-pixel shift along y, -0.5 to 0.5"),
    "seed": ColumnInfo("i", None, "meta.number", "the object's own seed: every other draw follows from it"),
    "scale": ColumnInfo("f", None, "arith.factor", "pixels of the map per pixel of the stamp; 1: a Gaussian source"),
    "attempt": ColumnInfo("i", None, "meta.number", "which of its drawn positions was taken, from 0"),
    "cluster": ColumnInfo("i", None, "meta.id.assoc", "number of the cluster of positions it belongs to; -1: none"),
    "p_sidelobe": ColumnInfo("f", None, "stat.probability", "probability of being a sidelobe, 0 to 1"),
    "size": ColumnInfo(
        "f", None, "meta.code", "kind of size in SDC1: 1 largest extent, 2 Gaussian FWHM, 3 exponential"
    ),
}
"""Every column by its name; the table in docs/conventions.md."""

_MEASURED = ("maj", "min", "pa", "maj_deconvolved", "min_deconvolved", "pa_deconvolved")
TRUTH = tuple(name for name in COLUMNS if name not in ("fit", "p_sidelobe", "size"))
"""Of a truth table, in its order."""
SUBMISSION = (
    "id", "ra", "dec", "int_flux", "peak_flux", "local_rms", "snr", *_MEASURED, "ra_peak", "dec_peak", "class", "x",
    "y", "n_pixels", "fit",
)  # fmt: skip
"""Of a catalog of what was found on a map, in its order."""
CATALOG = (
    "name", "ra", "dec", "peak_flux", "int_flux", "local_rms", *_MEASURED, "p_sidelobe", "id", "class", "snr",
    "ra_peak", "dec_peak", "core_fraction", "size",
)  # fmt: skip
"""That are read of catalogs of any maker."""
FORMER = {
    "flux": "int_flux", "peak": "peak_flux", "rms": "local_rms", "major": "maj", "minor": "min",
    "major_deconvolved": "maj_deconvolved", "minor_deconvolved": "min_deconvolved",
}  # fmt: skip
"""Names in files of radiff 0.1.0 -> names."""


def build_table(
    make: type[AnyTable], names: Iterable[str], columns: Mapping[str, npt.ArrayLike], meta: Mapping[str, Any] | None
) -> AnyTable:
    """A table of plain arrays with units, UCDs and descriptions.

    Parameters
    ----------
    make : type
        `Table` (plain columns) or `QTable` (quantities).
    names : iterable of str
        Its columns, of `COLUMNS`.
    columns : mapping of str to array (n,)
        In their units; columns not given hold -1, NaN or "".
    meta : mapping, optional
    """
    length = max((len(np.atleast_1d(np.asarray(values))) for values in columns.values()), default=0)
    table = make(meta=dict(meta or {}))
    for name in names:
        told = COLUMNS[name]
        values = told.array(columns[name] if name in columns else np.full(length, told.unknown))
        table[name] = (
            Column(values, unit=told.unit)
            if make is Table or told.unit is None
            else u.Quantity(values, told.unit, dtype=values.dtype)
        )
        table[name].info.description, table[name].info.meta = told.description, {"ucd": told.ucd}
    return table


def plain_columns(table: Table) -> dict[str, npt.NDArray[Any]]:
    """The columns of a table as plain arrays."""
    return {name: np.asarray(getattr(table[name], "value", table[name])) for name in table.colnames}


def write_table(path: str | os.PathLike[str], table: Table, name: str) -> Path:
    """Write a table as FITS, ECSV or CSV by the suffix of `path`, atomically; the same table gives the same bytes.

    Parameters
    ----------
    name : str
        EXTNAME in FITS, where descriptions and UCDs stand in TCOMM and TUCD.

    Raises
    ------
    InputError
        Where the folder cannot be written.
    """
    path = Path(path)
    with atomic_path(path) as temporary, quiet_astropy():
        if path.suffix.lower() != ".fits":
            table.write(temporary, format="ascii.ecsv" if path.suffix.lower() == ".ecsv" else "ascii.csv")
            return path
        hdu = fits.table_to_hdu(table)
        hdu.name = name
        for number, column in enumerate(table.colnames, start=1):
            info = table[column].info
            for key, text in (("TCOMM", info.description), ("TUCD", (info.meta or {}).get("ucd"))):
                if text:
                    hdu.header[f"{key}{number}"] = text
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(temporary)
    return path


def check_suffix(path: str | os.PathLike[str], what: str, *suffixes: str) -> Path:
    """Refuse a name for `what` that says none of its formats."""
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        told = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise InputError(f"{what} are written as {told}; choose one of these suffixes", path)
    return path
