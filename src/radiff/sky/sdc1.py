"""Catalogs of ours to the columns of SKA's first data challenge (SDC1), and their text files. Scores nothing."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from radiff.files import write_text
from radiff.sky.catalog import SDC1_COLUMNS
from radiff.sky.columns import plain_columns

SDC1_SMALLEST = 0.5
"""Sizes below this part of the beam are told as this: no finder measures them, and SDC1 divides by them."""
SDC1_CLASSES = {"extended": 1, "compact": 2}
"""Class numbers in our SDC1 tables: the nearest of SDC1's own (1 steep-spectrum, 2 flat-spectrum AGN, 3 star-forming
galaxy); 0 for what is neither."""
_GAUSSIAN = 2  # kind of size: FWHM of a Gaussian


def sdc1_columns(table: Mapping[str, ArrayLike], beam: tuple[float, float]) -> dict[str, NDArray[np.float64]]:
    """The columns of SDC1 for sources of ours.

    Parameters
    ----------
    table : mapping of str to array (n,)
        ra, dec (deg), int_flux (Jy); as far as known ra_peak, dec_peak (deg), peak_flux (Jy/beam), maj_deconvolved,
        min_deconvolved or else maj, min (arcsec FWHM), pa_deconvolved or else pa (deg), core_fraction, class (text).
    beam : (float, float)
        Major and minor FWHM of the map's beam, arcsec.

    Returns
    -------
    dict
        `SDC1_COLUMNS`. Cores are the brightest points; sizes are without the beam and at least `SDC1_SMALLEST` beams,
        of kind 2; a source with both axes so small has the angle 0; an unknown core fraction is peak over flux, 0 to 1,
        or else 1 for compact sources and 0 for all others. `id` counts the rows from 1.
    """
    count = len(np.atleast_1d(np.asarray(table["ra"])))

    def known(name: str, otherwise: ArrayLike = np.nan) -> NDArray[np.float64]:
        values = np.asarray(table[name], float) if name in table else np.full(count, np.nan)
        return np.where(np.isfinite(values), values, np.broadcast_to(np.asarray(otherwise, float), count))

    kinds = np.asarray(table["class"]).astype(str) if "class" in table else np.full(count, "")
    smallest = SDC1_SMALLEST * math.sqrt(beam[0] * beam[1])
    sizes = {}
    for name, width in (("maj", beam[0]), ("min", beam[1])):
        deconvolved = np.sqrt(np.maximum(known(name) ** 2 - width**2, 0.0))
        sizes[name] = np.fmax(known(f"{name}_deconvolved", deconvolved), smallest)
    point = (sizes["maj"] <= smallest) & (sizes["min"] <= smallest)
    ra, dec, flux = known("ra"), known("dec"), known("int_flux")
    with np.errstate(divide="ignore", invalid="ignore"):
        core = np.clip(known("peak_flux") / flux, 0.0, 1.0)
    core = np.where(np.isfinite(core), core, np.where(kinds == "compact", 1.0, 0.0))
    angle = known("pa_deconvolved", known("pa", 0.0))
    columns: dict[str, Any] = {
        "id": np.arange(1, count + 1), "ra_core": known("ra_peak", ra), "dec_core": known("dec_peak", dec),
        "ra_cent": ra, "dec_cent": dec, "flux": flux, "core_frac": known("core_fraction", core),
        "b_maj": sizes["maj"], "b_min": sizes["min"], "pa": np.where(point, 0.0, angle),
        "size": np.full(count, _GAUSSIAN), "class": [SDC1_CLASSES.get(kind, 0) for kind in kinds],
    }  # fmt: skip
    return {name: np.asarray(columns[name], float) for name in SDC1_COLUMNS}


def truth_sdc1(table: Table) -> dict[str, NDArray[np.float64]]:
    """The columns of SDC1 for a truth table (`radiff.sky.truth`), with its ids and the beam that its header tells.

    Spurious rows are left out: they are no sources.
    """
    rows = table[np.asarray(table["class"]).astype(str) != "spurious"]
    plain = plain_columns(rows)
    beam = (float(table.meta.get("BMAJ", 0.0)) * 3600.0, float(table.meta.get("BMIN", 0.0)) * 3600.0)
    return sdc1_columns(plain, beam) | {"id": np.asarray(plain["id"], float)}


def write_sdc1(path: str | os.PathLike[str], columns: Mapping[str, ArrayLike]) -> Path:
    """Write a table of `SDC1_COLUMNS` as text, as the challenge's files: one line of names, then a line a source.

    Numbers keep all their digits, so that a score of the file is that of the arrays.
    """
    values = [np.asarray(columns[name], float) for name in SDC1_COLUMNS]
    whole = {"id", "size", "class"}
    lines = [" ".join(SDC1_COLUMNS)]
    for row in zip(*values, strict=True):
        lines.append(
            " ".join(
                f"{value:.0f}" if name in whole and value == round(value) else f"{value:.17g}"
                for name, value in zip(SDC1_COLUMNS, row, strict=True)
            )
        )
    write_text(path, "\n".join(lines) + "\n")
    return Path(path)
