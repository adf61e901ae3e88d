"""Header cards to a restoring beam and back, and all geometry of Gaussians: widths, areas, covariances, angles.

A Gaussian's shape is its covariance matrix (2, 2), over (east, north) in arcsec or over (x, y) in pixels, so that a
beam is convolved with by adding matrices and taken off by subtracting them. Knows no files and no pixels' values.
"""

import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from radiff.errors import InputError

FWHM2 = 8.0 * math.log(2.0)
"""FWHM squared over variance of a Gaussian."""
FWHM = math.sqrt(FWHM2)
"""FWHM of a Gaussian over its standard deviation."""
FWHM_AREA = math.pi / (4.0 * math.log(2.0))
"""Solid angle of a Gaussian of FWHM 1 x 1."""
_ROUNDING = 1e-9  # variances below it, as of a beam taken off what is no wider, are 0
Floats = NDArray[np.float64]
_NUMBER = r"[-+]?[0-9.]+(?:[ED][-+]?[0-9]+)?"
_AIPS_CARD = re.compile(rf"BMAJ=\s*({_NUMBER})\s*BMIN=\s*({_NUMBER})(?:\s*BPA=\s*({_NUMBER}))?", re.IGNORECASE)
_MIRIAD_CARD = re.compile(
    rf"BEAM\s*=\s*({_NUMBER})\s*x\s*({_NUMBER})\s*arcsec(?:\s*,?\s*pa\s*=\s*({_NUMBER}))?", re.IGNORECASE
)
_ARCSEC, _DEGREES = (re.compile(word, re.IGNORECASE) for word in (r"arc ?-?sec", r"\bdeg"))


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
        Where a width is not a positive number, or the minor one is above the major one.
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
        if self.min > self.maj:
            raise InputError(
                f"a beam of {self.maj:g} x {self.min:g} arcsec has its minor axis above its major one; "
                f"give {self.min:g},{self.maj:g} and the angle of the longer axis"
            )

    @classmethod
    def of(cls, value: object) -> "Beam":
        """A beam of what stands for one: a `Beam`, a FWHM, (maj, min, pa), or those as text, ``6.5`` or ``6.5,5.2,30``.

        Raises
        ------
        InputError
            For anything else.
        """
        if isinstance(value, Beam):
            return value
        parts: Iterable[Any] = (
            value.split(",") if isinstance(value, str) else value if isinstance(value, Iterable) else (value,)
        )
        try:
            numbers = [float(part) for part in parts]
        except (TypeError, ValueError):
            numbers = []
        if not 1 <= len(numbers) <= 3:
            raise InputError(
                f"{value!r} is no beam; give the FWHM in arcsec, or maj,min,pa (arcsec, arcsec, deg), e.g. 6.5,5.2,30"
            )
        return cls(*numbers) if len(numbers) > 1 else cls(numbers[0], numbers[0])

    @classmethod
    def from_axes(cls, one: float, other: float, pa: float) -> "Beam":
        """A beam of two widths in any order, arcsec, as files tell them; `pa` (deg) is the angle of the first."""
        return cls(one, other, pa) if one >= other else cls(other, one, pa + 90.0)

    @classmethod
    def from_covariance(cls, shape: ArrayLike, pixel_scale: float) -> "Beam":
        """The inverse of `covariance`."""
        maj, minor, pa = (float(value) for value in widths(_mirrored(np.asarray(shape, float))))
        return cls(maj * pixel_scale, minor * pixel_scale, pa)

    @classmethod
    def from_header(cls, header: fits.Header) -> "Beam | None":
        """Read BMAJ, BMIN, BPA (deg, or arcsec where their comment says so), else the old CLEANBMJ cards, else what
        AIPS (CLEAN, CONVL) or MIRIAD (RESTOR) wrote into HISTORY last.

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
        return cls.from_axes(_arcsec(maj), _arcsec(minor), pa)

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

    def width_pixels(self, pixel_scale: float) -> float:
        """FWHM of a round beam of the same area, in pixels of `pixel_scale` arcsec."""
        return math.sqrt(self.maj * self.min) / pixel_scale

    def covariance(self, pixel_scale: float, wcs: WCS | None = None) -> Floats:
        """Covariance (2, 2) in pixels of `pixel_scale` arcsec, axes (x, y), at the reference pixel of `wcs`.

        Without a `wcs`, north is up and east to the left.
        """
        upright = _mirrored(covariance(self.maj / pixel_scale, self.min / pixel_scale, self.pa))
        if wcs is None:
            return upright
        steps = wcs.celestial.pixel_scale_matrix * 3600.0  # arcsec towards (longitude, latitude) a pixel
        if wcs.wcs.lng > wcs.wcs.lat:
            steps = steps[::-1]
        back = np.linalg.inv(steps) @ np.diag([-pixel_scale, pixel_scale])
        return np.asarray(back @ upright @ back.T)


def covariance(maj: ArrayLike, minor: ArrayLike, pa: ArrayLike) -> Floats:
    """Covariances (..., 2, 2), axes (east, north), of Gaussians of these FWHM; `pa` in deg, north through east."""
    maj, minor, angle = np.broadcast_arrays(
        np.asarray(maj, float), np.asarray(minor, float), np.radians(np.asarray(pa, float))
    )
    along = np.stack([np.sin(angle), np.cos(angle)], -1)
    across = np.stack([np.cos(angle), -np.sin(angle)], -1)
    squares = (width[..., None, None] ** 2 * _outer(axis) for width, axis in ((maj, along), (minor, across)))
    return np.asarray(sum(squares) / FWHM2)


def widths(shapes: Floats) -> tuple[Floats, Floats, Floats]:
    """(maj, min, pa) of covariances (..., 2, 2), axes (east, north): FWHM, FWHM, deg from 0 to 180.

    A variance that is not positive (more was taken off than there was) is a width of 0; of two, the angle is 0 too.
    """
    values, vectors = np.linalg.eigh(shapes)
    fwhm = np.sqrt(np.where(values > _ROUNDING, values, 0.0) * FWHM2)
    angle = np.degrees(np.arctan2(vectors[..., 0, 1], vectors[..., 1, 1])) % 180.0
    return fwhm[..., 1], fwhm[..., 0], np.where(fwhm[..., 1] > 0, angle, 0.0)


def mean_width(shape: ArrayLike) -> float:
    """FWHM of a round Gaussian of the same area as one of covariance `shape` (2, 2)."""
    return FWHM * max(float(np.linalg.det(np.asarray(shape, float))), 0.0) ** 0.25


def round_covariance(width: float) -> Floats:
    """Covariance (2, 2) of a round Gaussian of FWHM `width`."""
    return np.eye(2) * width**2 / FWHM2


def _outer(axis: Floats) -> Floats:
    return np.asarray(axis[..., :, None] * axis[..., None, :])


def _mirrored(shape: Floats) -> Floats:
    """Covariances over (x, y), north up and east to the left, to (east, north), and back."""
    return np.asarray(shape * np.array([[1.0, -1.0], [-1.0, 1.0]]))


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
    comment = str(header.comments[keys[0]])
    factor = 3600.0 if _ARCSEC.search(comment) and not _DEGREES.search(comment) else 1.0
    return maj / factor, (minor / factor if minor is not None and minor > 0 else None), pa


def _from_history(header: fits.Header) -> tuple[float, float | None, float | None] | None:
    """(BMAJ, BMIN, BPA) in deg of the last beam that the log tells: it is the one in the map."""
    for card in reversed(header.cards):
        if card.keyword != "HISTORY":
            continue
        line = str(card.value)
        aips, miriad = _AIPS_CARD.search(line), _MIRIAD_CARD.search(line)
        match = aips or miriad
        if match is None:
            continue
        maj, minor, pa = (_number(group) if group else None for group in match.groups())
        if maj and maj > 0:
            # CLEAN tells degrees, CONVL (``.../Output beam``) and MIRIAD arcsec
            factor = 3600.0 if miriad or "CONVL" in line[: match.start()] or "OUTPUT BEAM" in line.upper() else 1.0
            return maj / factor, minor / factor if minor else None, pa
    return None
