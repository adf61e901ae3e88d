"""The table of what truly is on a map, and its files. Places nothing, scores nothing, knows no pixels.

One row an object. `radiff populate` writes the table, the data challenges read it.
"""

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import QTable

from radiff.errors import InputError
from radiff.sky.columns import COLUMNS, FORMER, TRUTH, ColumnInfo, build_table, check_suffix, write_table
from radiff.sky.header import quiet_astropy

TRUTH_FILES = ("truth.fits", "truth.ecsv")
"""Names of the table in a truth package; both hold the same."""


def truth_table(columns: Mapping[str, npt.ArrayLike], meta: Mapping[str, Any] | None = None) -> QTable:
    """A truth table of plain arrays.

    Parameters
    ----------
    columns : mapping of str to array (n,)
        `TRUTH` of `radiff.sky.columns`, in their units; `id` and whatever else is known. Columns not given hold -1,
        NaN or "".
    meta : mapping, optional
        Of the map. `radiff populate` writes ``MAP`` (file name), ``MAPNX``, ``MAPNY`` (pixels), ``PIXSCALE`` (arcsec),
        ``BMAJ``, ``BMIN``, ``BPA`` (deg), ``AREADEG2`` (usable area, square degrees), ``RMS`` (median, Jy/beam),
        ``SEED``, ``VERSION``. Names of at most eight capitals go through FITS too.

    Returns
    -------
    QTable
        All of `TRUTH` in their order, with units and descriptions.

    Raises
    ------
    InputError
        For a column that is none of these, or columns of different lengths.
    """
    unknown = [name for name in columns if name not in TRUTH]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no column of a truth table; columns are {', '.join(TRUTH)}")
    lengths = {name: len(np.atleast_1d(np.asarray(values))) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns of a truth table have different lengths: {lengths}")
    return build_table(QTable, TRUTH, columns, meta)


def write_truth(path: str | os.PathLike[str], table: QTable) -> Path:
    """Write a truth table as FITS (``.fits``) or ECSV (``.ecsv``), atomically; the same table gives the same bytes.

    Raises
    ------
    InputError
        For another suffix, or a folder that cannot be written.
    """
    return write_table(check_suffix(path, "truth tables", ".fits", ".ecsv"), table, "TRUTH")


def read_truth(path: str | os.PathLike[str]) -> QTable:
    """Read a truth table, or that of a truth package.

    Parameters
    ----------
    path : path
        ``truth.fits``, ``truth.ecsv``, or a folder that holds one of them.

    Returns
    -------
    QTable
        With all of `TRUTH` (those that the file lacks are filled with -1, NaN or ""), in their units; further columns
        of the file are kept behind them. The names of 0.1.0 (flux, peak, rms, major, ...) are read too.

    Raises
    ------
    InputError
        For a file that is no table, or lacks id, class, ra, dec or int_flux; the message lists what was found.
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
    called = {FORMER.get(name, name): name for name in raw.colnames}
    missing = [name for name in ("id", "class", "ra", "dec", "int_flux") if name not in called]
    if missing:
        raise InputError(
            f"is no truth table: it has no column {', '.join(missing)}; it has {', '.join(raw.colnames)}", path
        )
    cards = re.compile(r"EXTNAME|T(COMM|UCD)\d+|T(UNIT|DISP|NULL)\d+|comments")
    meta = {key: value for key, value in raw.meta.items() if not cards.fullmatch(key)}
    known = {name: _plain(raw[called[name]], COLUMNS[name], path) for name in TRUTH if name in called}
    table = truth_table(known, meta)
    for name in raw.colnames:
        if FORMER.get(name, name) not in TRUTH:
            table[name] = raw[name]
    return table


def _plain(column: Any, told: ColumnInfo, path: Path | None) -> npt.NDArray[Any]:
    """Values of a column in its unit, as a plain array."""
    if told.unit is not None and isinstance(column, u.Quantity) and column.unit != u.dimensionless_unscaled:
        try:
            column = column.to(told.unit)
        except u.UnitConversionError as error:
            raise InputError(f"column {column.info.name} is in {column.unit}; needed is {told.unit}", path) from error
    values = np.asarray(getattr(column, "value", column))
    mask = np.asarray(getattr(column, "mask", False))
    return np.where(mask, np.array(told.unknown), values) if mask.any() else values
