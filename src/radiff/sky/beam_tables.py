"""Tables of beams beside an image, one a plane, to the beam of one plane: CASA's BEAMS, AIPS's CG. Opens no file."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits

from radiff.sky.beam import Beam
from radiff.sky.units import angle_unit


def plane_beam(hdus: fits.HDUList, header: fits.Header, place: Mapping[int, int]) -> Beam | None:
    """The beam of a plane; None where no table tells it.

    Parameters
    ----------
    hdus : HDUList
    header : Header
        Of the image.
    place : mapping
        Index of the plane on each FITS axis (1, 2, ...) that is not the image's.
    """
    casa = bool(header.get("CASAMBM", False))
    table = next((hdu for hdu in hdus if hdu.name.strip().upper() in ("BEAMS", "AIPS CG") and _has_beams(hdu)), None)
    if table is None or not len(table.data):
        return None
    rows, names = table.data, {name.upper(): name for name in table.columns.names}
    kinds = {str(header.get(f"CTYPE{axis}", ""))[:4].upper(): index for axis, index in place.items()}
    channel = next((index for kind, index in kinds.items() if kind in ("FREQ", "VRAD", "VELO", "VOPT", "FELO")), 0)
    good = np.ones(len(rows), bool)
    for column, index in (("CHAN", channel), ("POL", kinds.get("STOK", 0))):
        if column in names:
            good &= np.asarray(rows[names[column]]) == index
    if "CHAN" not in names and channel < len(rows):  # AIPS: a row a channel, in order
        good &= np.arange(len(rows)) == channel
    chosen = rows[good]
    if not len(chosen):
        return None
    maj, minor = (_arcsec(chosen[names[key]][0], table, names[key], casa) for key in ("BMAJ", "BMIN"))
    pa = float(chosen[names["BPA"]][0]) if "BPA" in names else 0.0
    return Beam.from_axes(maj, minor, pa) if min(maj, minor) > 0 and np.isfinite([maj, minor, pa]).all() else None


def _has_beams(hdu: Any) -> bool:
    return isinstance(hdu, fits.BinTableHDU) and {"BMAJ", "BMIN"} <= {name.upper() for name in hdu.columns.names}


def _arcsec(value: Any, table: fits.BinTableHDU, name: str, casa: bool) -> float:
    """In the unit that the table tells; without one CASA means arcsec and AIPS degrees."""
    told = angle_unit(table.columns[name].unit or "") or (u.arcsec if casa else u.deg)
    return float(value) * float(told.to(u.arcsec))
