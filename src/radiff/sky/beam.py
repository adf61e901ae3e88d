"""Header cards to a restoring beam and back, and the beam's area in pixels. Knows no files and no pixels' values."""

import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

from astropy.io import fits

from radiff.errors import InputError

FWHM_AREA = math.pi / (4.0 * math.log(2.0))
"""Solid angle of a Gaussian of FWHM 1 x 1."""
_NUMBER = r"[-+]?[0-9.]+(?:[ED][-+]?[0-9]+)?"
_AIPS_CARD = re.compile(rf"BMAJ=\s*({_NUMBER})\s*BMIN=\s*({_NUMBER})(?:\s*BPA=\s*({_NUMBER}))?", re.IGNORECASE)


class HeaderWarning(UserWarning):
    """A header lacks something, or is odd; the message says which default was taken."""


@dataclass(frozen=True)
class Beam:
    """A Gaussian restoring beam.

    Parameters
    ----------
    maj, min : float
        Full widths at half maximum, arcsec; FITS BMAJ and BMIN times 3600.
    pa : float
        Position angle of the major axis, degrees east of north; FITS BPA.

    Raises
    ------
    InputError
        Where a width is not a positive number.
    """

    maj: float
    min: float
    pa: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.maj, self.min):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"a beam of {self.maj} x {self.min} arcsec; both widths must be positive numbers")
        if not math.isfinite(self.pa):
            raise InputError(f"a beam position angle of {self.pa} deg; it must be a number")

    @classmethod
    def from_header(cls, header: fits.Header) -> "Beam | None":
        """Read BMAJ, BMIN, BPA (deg), else the old CLEANBMJ cards, else an AIPS ``HISTORY ... CLEAN BMAJ=`` card.

        A missing BMIN means a circular beam and a missing BPA means 0; each is a `HeaderWarning` where it matters.
        Returns None where the header tells no beam (or one of no size).
        """
        found = _from_keys(header, "BMAJ", "BMIN", "BPA") or _from_keys(header, "CLEANBMJ", "CLEANBMN", "CLEANBPA")
        found = found or _from_history(header)
        if found is None:
            return None
        maj, minor, pa = found
        if minor is None:
            warnings.warn(f"header has BMAJ = {maj:g} deg but no BMIN; a circular beam is assumed", HeaderWarning, 2)
            minor, pa = maj, 0.0
        if pa is None:
            if not math.isclose(maj, minor, rel_tol=0.01):
                warnings.warn("header has BMAJ and BMIN but no BPA; a beam angle of 0 is assumed", HeaderWarning, 2)
            pa = 0.0
        if minor > maj:
            maj, minor, pa = minor, maj, pa + 90.0
        return cls(_arcsec(maj), _arcsec(minor), pa)

    def to_header(self, header: fits.Header) -> None:
        """Put BMAJ, BMIN, BPA (deg) into `header`."""
        header["BMAJ"] = (self.maj / 3600.0, "[deg] beam FWHM, major axis")
        header["BMIN"] = (self.min / 3600.0, "[deg] beam FWHM, minor axis")
        header["BPA"] = (self.pa, "[deg] beam position angle, east of north")

    def area_pixels(self, pixel_scale: float) -> float:
        """Solid angle in pixels of `pixel_scale` arcsec: pi / (4 ln 2) maj min / scale^2.

        A source's flux in Jy is the sum of its pixels in Jy/beam divided by this.
        """
        return FWHM_AREA * self.maj * self.min / pixel_scale**2

    def fwhm_pixels(self, pixel_scale: float) -> tuple[float, float]:
        """(major, minor) FWHM in pixels of `pixel_scale` arcsec."""
        return self.maj / pixel_scale, self.min / pixel_scale


def _arcsec(degrees: float) -> float:
    """To 12 digits, so that 5.1 arcsec written as degrees comes back as 5.1."""
    return float(f"{degrees * 3600.0:.12g}")


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(str(value).upper().replace("D", "E"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _from_keys(header: fits.Header, *keys: str) -> tuple[float, float | None, float | None] | None:
    maj, minor, pa = (_number(header.get(key)) for key in keys)
    if maj is None or maj <= 0:
        return None
    return maj, (minor if minor is not None and minor > 0 else None), pa


def _from_history(header: fits.Header) -> tuple[float, float | None, float | None] | None:
    if "HISTORY" not in header:
        return None
    for line in reversed([str(card) for card in header["HISTORY"]]):  # the last CLEAN is the one in the map
        match = _AIPS_CARD.search(line)
        if match:
            maj, minor, pa = (_number(group) if group else None for group in match.groups())
            if maj and maj > 0:
                return maj, minor or None, pa
    return None
