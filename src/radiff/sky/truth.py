"""The table of what truly is on a map: its columns, units and files. Places nothing, scores nothing, knows no pixels.

One row an object. `radiff populate` writes the table, the data challenges read it.
"""

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.table import Column, QTable

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.sky.header import quiet_astropy

TRUTH_FILES = ("truth.fits", "truth.ecsv")
"""Names of the table in a truth package; both hold the same."""


@dataclass(frozen=True)
class TruthColumn:
    """One column: `kind` is ``"i"`` (int64), ``"f"`` (float64) or ``"U"`` (text)."""

    kind: str
    unit: u.UnitBase | None
    description: str


_JYBEAM = u.Jy / u.beam
COLUMNS: dict[str, TruthColumn] = {
    "id": TruthColumn("i", None, "number of the object, from 1; its value in instances.fits"),
    "name": TruthColumn("U", None, "name of the object"),
    "class": TruthColumn("U", None, "compact, extended or spurious"),
    "ra": TruthColumn("f", u.deg, "ICRS right ascension of the flux centroid"),
    "dec": TruthColumn("f", u.deg, "ICRS declination of the flux centroid"),
    "x": TruthColumn("f", u.pix, "flux centroid in the sources-only image, 0-based pixel centres"),
    "y": TruthColumn("f", u.pix, "flux centroid in the sources-only image, 0-based pixel centres"),
    "ra_peak": TruthColumn("f", u.deg, "ICRS right ascension of the brightest pixel"),
    "dec_peak": TruthColumn("f", u.deg, "ICRS declination of the brightest pixel"),
    "flux": TruthColumn("f", u.Jy, "integrated flux: sum of the sources-only pixels over the beam area in pixels"),
    "peak": TruthColumn("f", _JYBEAM, "brightest pixel of the object alone, without noise"),
    "rms": TruthColumn("f", _JYBEAM, "local noise rms of the background at the object"),
    "snr": TruthColumn("f", None, "peak over rms"),
    "major": TruthColumn("f", u.arcsec, "FWHM along the major axis, as on the map, from second moments"),
    "minor": TruthColumn("f", u.arcsec, "FWHM along the minor axis, as on the map, from second moments"),
    "major_deconvolved": TruthColumn("f", u.arcsec, "FWHM along the major axis without the beam"),
    "minor_deconvolved": TruthColumn("f", u.arcsec, "FWHM along the minor axis without the beam"),
    "pa": TruthColumn("f", u.deg, "position angle of the major axis, north through east, 0 to 180"),
    "pa_deconvolved": TruthColumn(
        "f", u.deg, "position angle of the major axis without the beam; NaN where it is round"
    ),
    "core_fraction": TruthColumn("f", None, "peak over flux: the part that an unresolved core may have, 0 to 1"),
    "n_pixels": TruthColumn("i", None, "pixels of the object in its mask"),
    "x_min": TruthColumn("i", u.pix, "bounding box of the mask, first column"),
    "x_max": TruthColumn("i", u.pix, "bounding box of the mask, last column (included)"),
    "y_min": TruthColumn("i", u.pix, "bounding box of the mask, first row"),
    "y_max": TruthColumn("i", u.pix, "bounding box of the mask, last row (included)"),
    "k": TruthColumn("f", None, "draw of the flux rule peak = k * rms; NaN where the flux came otherwise"),
    "stamp": TruthColumn("i", None, "number of the stamp in the library, from 0; -1 for a Gaussian source"),
    "stamp_seed": TruthColumn("i", None, "seed that the stamp was generated with; -1 for a Gaussian source"),
    "turn": TruthColumn("i", None, "quarter turns 0 to 3, and 4 more where mirrored"),
    "dx": TruthColumn("f", u.pix, "sub-pixel shift along x, -0.5 to 0.5"),
    "dy": TruthColumn("f", u.pix, "sub-pixel shift along y, -0.5 to 0.5"),
    "seed": TruthColumn("i", None, "the object's own seed: every other draw follows from it"),
    "scale": TruthColumn("f", None, "pixels of the map per pixel of the stamp; 1 for a Gaussian source"),
    "attempt": TruthColumn("i", None, "which of its drawn positions was taken, from 0"),
    "cluster": TruthColumn("i", None, "number of the cluster of positions it belongs to, from 0; -1 for none"),
}
_FILL: dict[str, Any] = {"i": -1, "f": np.nan, "U": ""}
_DTYPE: dict[str, type] = {"i": np.int64, "f": np.float64, "U": np.str_}


def truth_table(columns: Mapping[str, npt.ArrayLike], meta: Mapping[str, Any] | None = None) -> QTable:
    """A truth table of plain arrays.

    Parameters
    ----------
    columns : mapping of str to array (n,)
        Values in the units of `COLUMNS`; `id` and whatever else is known. Columns not given hold -1, NaN or "".
    meta : mapping, optional
        Of the map. `radiff populate` writes ``MAP`` (file name), ``MAPNX``, ``MAPNY`` (pixels), ``PIXSCALE`` (arcsec),
        ``BMAJ``, ``BMIN``, ``BPA`` (deg), ``AREADEG2`` (usable area, square degrees), ``RMS`` (median, Jy/beam),
        ``SEED``, ``VERSION``. Names of at most eight capitals go through FITS too.

    Returns
    -------
    QTable
        All of `COLUMNS` in their order, with units and descriptions.

    Raises
    ------
    InputError
        For a column that is none of `COLUMNS`, or columns of different lengths.
    """
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no column of a truth table; columns are {', '.join(COLUMNS)}")
    lengths = {name: len(np.atleast_1d(np.asarray(values))) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns of a truth table have different lengths: {lengths}")
    length = next(iter(lengths.values()), 0)
    table = QTable(meta=dict(meta or {}))
    for name, column in COLUMNS.items():
        values = np.asarray(columns[name]) if name in columns else np.full(length, _FILL[column.kind])
        typed: npt.NDArray[Any] = values.astype(_DTYPE[column.kind])
        if column.unit is None:
            table[name] = Column(typed, description=column.description)
        else:
            table[name] = u.Quantity(typed, column.unit, dtype=typed.dtype)
            table[name].info.description = column.description
    return table


def write_truth(path: str | os.PathLike[str], table: QTable) -> Path:
    """Write a truth table as FITS (``.fits``) or ECSV (``.ecsv``), atomically; the same table gives the same bytes.

    Raises
    ------
    InputError
        For another suffix, or a folder that cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".fits", ".ecsv"):
        raise InputError("truth tables are written as .fits or .ecsv; choose one of these suffixes", path)
    with atomic_path(path) as temporary, quiet_astropy():
        if suffix == ".ecsv":
            table.write(temporary, format="ascii.ecsv")
        else:
            hdu = fits.table_to_hdu(table)
            hdu.name = "TRUTH"
            for number, name in enumerate(table.colnames, start=1):
                if description := table[name].info.description:
                    hdu.header[f"TCOMM{number}"] = description
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(temporary)
    return path


def read_truth(path: str | os.PathLike[str]) -> QTable:
    """Read a truth table, or that of a truth package.

    Parameters
    ----------
    path : path
        ``truth.fits``, ``truth.ecsv``, or a folder that holds one of them.

    Returns
    -------
    QTable
        With all of `COLUMNS` (those that the file lacks are filled with -1, NaN or ""), in their units; further
        columns of the file are kept behind them.

    Raises
    ------
    InputError
        For a file that is no table, or lacks id, class, ra, dec or flux; the message lists what was found.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in TRUTH_FILES if (path / name).is_file()]
        if not found:
            raise InputError(f"is a folder without {' or '.join(TRUTH_FILES)}", path)
        path = found[0]
    if not path.is_file():
        raise InputError("no such file", path)
    try:
        with quiet_astropy(), warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)
            raw = QTable.read(path, format="ascii.ecsv" if path.suffix.lower() == ".ecsv" else "fits")
    except Exception as error:  # every reader of astropy raises its own kind
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"cannot be read as a truth table ({reason}); give truth.fits or truth.ecsv", path) from error
    missing = [name for name in ("id", "class", "ra", "dec", "flux") if name not in raw.colnames]
    if missing:
        raise InputError(
            f"is no truth table: it has no column {', '.join(missing)}; it has {', '.join(raw.colnames)}", path
        )
    cards = re.compile(r"EXTNAME|TCOMM\d+|T(UNIT|DISP|NULL)\d+|comments")
    meta = {key: value for key, value in raw.meta.items() if not cards.fullmatch(key)}
    known = {name: _plain(raw[name], COLUMNS[name], path) for name in COLUMNS if name in raw.colnames}
    table = truth_table(known, meta)
    for name in raw.colnames:
        if name not in COLUMNS:
            table[name] = raw[name]
    return table


def _plain(column: Any, told: TruthColumn, path: Path | None) -> npt.NDArray[Any]:
    """Values of a column in its unit, as a plain array."""
    if told.unit is not None and isinstance(column, u.Quantity) and column.unit != u.dimensionless_unscaled:
        try:
            column = column.to(told.unit)
        except u.UnitConversionError as error:
            raise InputError(f"column {column.info.name} is in {column.unit}; needed is {told.unit}", path) from error
    values = np.asarray(getattr(column, "value", column))
    mask = np.asarray(getattr(column, "mask", False))
    return np.where(mask, np.array(_FILL[told.kind]), values) if mask.any() else values
