"""Catalogs of what was found on a map, their files, DS9 regions. Finds nothing and judges nothing."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from radiff.challenge.sdc1 import gauss_factor
from radiff.errors import InputError
from radiff.files import write_text
from radiff.masks import class_name, parse_class
from radiff.sky import read_catalog
from radiff.sky.columns import CATALOG, COLUMNS, SUBMISSION, build_table, check_suffix, write_table


def submission_table(columns: Mapping[str, ArrayLike], meta: Mapping[str, Any] | None = None) -> Table:
    """A catalog of `SUBMISSION`, in their order and units, of plain arrays; those not given hold -1, NaN or ""."""
    return build_table(Table, SUBMISSION, columns, meta)


def check_output(path: str | os.PathLike[str]) -> Path:
    """Refuse a name for a catalog that says no format."""
    return check_suffix(path, "catalogs", ".fits", ".ecsv", ".csv")


def write_submission(path: str | os.PathLike[str], table: Table) -> Path:
    """Write a catalog as FITS table, ECSV or CSV, by the suffix of `path`.

    Raises
    ------
    InputError
        For another suffix, or a folder that cannot be written.
    """
    return write_table(check_output(path), table, "CATALOG")


def read_submission(path: str | os.PathLike[str]) -> Table:
    """Read a catalog of any maker (see `radiff.sky.read_catalog`) as a submission.

    Returns
    -------
    Table
        `SUBMISSION` of `radiff.sky.columns`; what the file lacks is NaN, -1 or "". Where it has no integrated flux, the
        peak stands for it, and the other way round. Classes are compact, extended, spurious, or as they are in the file
        where they are none of these. ``meta["lacks"]`` names the columns that it has not; ``meta["sdc1"]`` holds the
        arrays of an SDC1 catalog as they are in the file, whose sizes are those without the beam.

    Raises
    ------
    InputError
        For a file that cannot be read, without rows, positions or any flux (the message lists what was found), and
        for units of another kind.
    """
    path = Path(path)
    raw = read_catalog(path)
    if "int_flux" not in raw.colnames and "peak_flux" not in raw.colnames:
        raise InputError(
            f"has no column of fluxes; it has {', '.join(raw.meta['columns'])}; needed is int_flux in Jy (also"
            " read: flux, total_flux, peak_flux in Jy/beam, ...)",
            path,
        )
    _check_units(raw.meta, path)
    if not len(raw):
        raise InputError("has no rows; there is nothing to score", path)
    columns = {name: np.asarray(raw[name]) for name in SUBMISSION if name in raw.colnames}
    lacks = [name for name in SUBMISSION if name in CATALOG and name not in columns]
    columns.setdefault("int_flux", columns.get("peak_flux", np.zeros(0)))
    columns.setdefault("peak_flux", columns["int_flux"])
    if "snr" not in columns and "local_rms" in columns:
        with np.errstate(divide="ignore", invalid="ignore"):
            snr = columns["peak_flux"] / columns["local_rms"]
        columns["snr"] = np.where(columns["local_rms"] > 0, snr, np.nan)
    number = np.nan_to_num(np.asarray(columns.get("id", np.zeros(0)), float), nan=-1.0)
    if len(np.unique(number)) != len(raw):  # missing, or not unique
        number = np.arange(1, len(raw) + 1)
    columns["id"] = number
    meta: dict[str, Any] = {"lacks": lacks, "columns": raw.meta["columns"]}
    told = _as_sdc1(raw)
    if told is not None:
        meta["sdc1"] = told
        factor = gauss_factor(told["size"])
        columns |= {"maj_deconvolved": told["b_maj"] * factor, "min_deconvolved": told["b_min"] * factor}
        for name in ("maj", "min"):
            columns[name] = np.full(len(raw), np.nan)
    elif "class" in columns:
        columns["class"] = np.array([_class(value) for value in columns["class"]], dtype=str)
    return submission_table(columns, meta)


def short_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A name for each file, none twice: its stem, with its folder's before it, or numbered, where that is needed."""
    files = [Path(path) for path in paths]
    for names in ([one.stem for one in files], [f"{one.resolve().parent.name}-{one.stem}" for one in files]):
        if len(set(names)) == len(names) and "truth" not in names:
            return names
    return [f"{one.stem}-{number}" for number, one in enumerate(files, start=1)]


def _check_units(told: Mapping[str, Any], path: Path) -> None:
    """Refuse units that no factor turns into those needed; per beam or not makes no difference."""
    for name, text in told["units"].items():
        needed, unit = COLUMNS[name].unit, u.Unit(text, parse_strict="silent") if text else None
        if unit is None or needed is None or name not in SUBMISSION:
            continue
        if not any(unit.is_equivalent(kind) for kind in (needed, needed * u.beam, needed / u.beam)):
            raise InputError(f"column {told['names'][name]} is in {text}; needed is {needed}", path)


def _class(text: str) -> str:
    """Our name of a class, by which aliases are known too; other words as they are."""
    try:
        return class_name(parse_class(text)) if text else ""
    except InputError:
        return text


def _as_sdc1(raw: Table) -> dict[str, Any] | None:
    """The arrays of a catalog that is in the columns of SDC1; None for others."""
    names = {
        "id": "id", "ra_core": "ra_peak", "dec_core": "dec_peak", "ra_cent": "ra", "dec_cent": "dec",
        "flux": "int_flux", "core_frac": "core_fraction", "b_maj": "maj", "b_min": "min", "pa": "pa", "size": "size",
    }  # fmt: skip
    if not {"class", *names.values()} <= set(raw.colnames):
        return None
    try:
        kind = np.array([float(value) for value in raw["class"]])
    except ValueError:
        return None
    return {name: np.asarray(raw[ours], float) for name, ours in names.items()} | {"class": kind}


def write_regions(path: str | os.PathLike[str], table: Table) -> Path:
    """Write a catalog as DS9 ellipses (FK5, which is ICRS to 0.03 arcsec) of the sources' FWHM; a circle where it has
    none. The text is the id, the tag the class.
    """
    lines = ["# Region file format: DS9", "global color=cyan", "fk5"]
    for row in table:
        ra, dec = float(row["ra"]), float(row["dec"])
        major, minor, pa = (float(row[name]) for name in ("maj", "min", "pa"))
        tag = f" tag={{{row['class']}}}" if row["class"] else ""
        if np.isfinite([major, minor, pa]).all() and minor > 0:
            # the first radius lies along the first axis, that is across an angle of 0
            shape = f'ellipse({ra:.8f},{dec:.8f},{minor / 2:.4f}",{major / 2:.4f}",{pa:.3f})'
        else:
            shape = f'circle({ra:.8f},{dec:.8f},3")'
        lines.append(f"{shape} # text={{{row['id']}}}{tag}")
    write_text(path, "\n".join(lines) + "\n")
    return Path(path)
