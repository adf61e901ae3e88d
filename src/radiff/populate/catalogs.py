"""A catalog file to the sources of it that lie on a map, checked. Draws nothing."""

import os
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from radiff.errors import InputError
from radiff.masks import COMPACT, EXTENDED, parse_class
from radiff.populate.sources import EXTENDED_BEAMS, CatalogSources
from radiff.sky import read_catalog
from radiff.sky.grid import SkyGrid


def catalog_sources(path: str | os.PathLike[str], grid: SkyGrid, fluxes: bool) -> CatalogSources:
    """Sources of a catalog (CSV, ECSV, FITS, VOTable, text) on a map.

    Their class is what a column of class names says; numbers in it (SDC1 and T-RECS count kinds of galaxies) say
    nothing. Else a source is extended where its major axis is above 0.7 beams.

    Parameters
    ----------
    fluxes : bool
        Whether its fluxes are needed.

    Raises
    ------
    InputError
        For an unreadable file, missing columns (the message says what is there and what is needed), fluxes that are no
        positive numbers, a catalog off the map.
    """
    path = Path(path)
    table = read_catalog(path)
    if fluxes and "int_flux" not in table.colnames:
        raise InputError(
            f"has no column of fluxes; it has {', '.join(table.meta.get('columns', table.colnames))}; needed is"
            " int_flux in Jy (also read: flux, total_flux, int_mjy, fint, i1400), or choose another --flux rule",
            path,
        )
    if not len(table):
        raise InputError("has no source with a position", path)
    x, y = grid.to_pixel(table["ra"], table["dec"])
    ny, nx = grid.shape
    inside = (x >= -0.5) & (x < nx - 0.5) & (y >= -0.5) & (y < ny - 0.5)
    if not inside.any():
        ra, dec = grid.to_sky((nx - 1) / 2, (ny - 1) / 2)
        raise InputError(
            f"none of its {len(table)} sources lies on the map, which is about ra {ra[0]:.4f}, dec {dec[0]:.4f} deg;"
            f" the first source is at {float(table['ra'][0]):.4f}, {float(table['dec'][0]):.4f}",
            path,
        )
    if fluxes:
        values = np.asarray(table["int_flux"], float)
        bad = np.flatnonzero(inside & ~(values > 0) | inside & ~np.isfinite(values))
        if bad.size:
            text = f"{bad.size} fluxes are not positive, the first in row {bad[0] + 1}: {values[bad[0]]:g} Jy"
            raise InputError(f"{text}; leave these rows out", path)
    for name in ("maj", "min", "pa"):  # sizes are meant without the beam
        if f"{name}_deconvolved" in table.colnames:
            table[name] = table[f"{name}_deconvolved"]
    if "maj" not in table.colnames and "size" in table.colnames:  # T-RECS gives one size, arcsec
        table["maj"] = table["size"]
    chosen = table[inside]
    chosen["class_value"] = Column(_classes(chosen, grid))
    order = np.argsort(_places(chosen), kind="stable")
    return CatalogSources(chosen[order], x[inside][order], y[inside][order], int((~inside).sum()))


def _classes(table: Table, grid: SkyGrid) -> np.ndarray:
    major = np.nan_to_num(np.asarray(table["maj"], float)) if "maj" in table.colnames else np.zeros(len(table))
    by_size = np.where(major > EXTENDED_BEAMS * grid.beam.min, EXTENDED, COMPACT).astype(np.int16)
    if "class" not in table.colnames:
        return by_size
    result = by_size.copy()
    known: dict[str, int] = {}
    for row, text in enumerate(str(value) for value in table["class"]):
        if text not in known:
            known[text] = _class_of(text)
        result[row] = known[text] or by_size[row]
    return result


def _class_of(text: str) -> int:
    """Class value of a name; 0 for a number, or a name that is none of ours."""
    try:
        float(text)
    except ValueError:
        try:
            return parse_class(text)
        except InputError:
            return 0
    return 0


def _places(table: Table) -> np.ndarray:
    """Extended sources first, as they need most room."""
    return -np.asarray(table["class_value"], int)
