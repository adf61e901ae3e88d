"""Pixels of a map to the sky: positions, sizes and angles of Gaussians, the beam in pixels. Knows no fluxes.

A Gaussian's shape is its covariance matrix (2, 2), over x and y in pixels, or over east and north in arcsec: a beam is
taken off by subtracting matrices.
"""

import math
from dataclasses import dataclass

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from radiff.errors import InputError
from radiff.sky import Beam, MapReader
from radiff.sky.header import quiet_astropy

Values = NDArray[np.float64]
FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""FWHM of a Gaussian over its standard deviation."""
_SQUARE = 0.02  # sides of a pixel may differ by this share


def covariance(major: ArrayLike, minor: ArrayLike, pa: ArrayLike) -> Values:
    """Covariances (..., 2, 2) over (east, north) of Gaussians of these FWHM; `pa` in deg, north through east."""
    major, minor, angle = np.broadcast_arrays(
        np.asarray(major, float) / FWHM, np.asarray(minor, float) / FWHM, np.radians(np.asarray(pa, float))
    )
    sine, cosine = np.sin(angle), np.cos(angle)
    east, north = np.stack([sine, cosine], -1), np.stack([cosine, -sine], -1)
    outer = [v[..., :, None] * v[..., None, :] for v in (east, north)]
    return major[..., None, None] ** 2 * outer[0] + minor[..., None, None] ** 2 * outer[1]


def axes(matrices: Values) -> tuple[Values, Values, Values]:
    """FWHM of the major and minor axis, and position angle (deg, 0 to 180), of covariances (..., 2, 2).

    A negative eigenvalue (more was taken off than there was) is a width of 0; where both are, the angle is 0.
    """
    values, vectors = np.linalg.eigh(matrices)
    widths = FWHM * np.sqrt(np.where(values > 1e-9, values, 0.0))  # less is rounding
    east, north = vectors[..., 0, 1], vectors[..., 1, 1]
    angle = np.degrees(np.arctan2(east, north)) % 180.0
    return widths[..., 1], widths[..., 0], np.where(widths[..., 1] > 0, angle, 0.0)


@dataclass(frozen=True, eq=False)
class SkyGrid:
    """A map's grid on the sky.

    Attributes
    ----------
    wcs : WCS
    shape : (ny, nx)
    beam : Beam
    pixel_scale : float
        Arcsec.
    beam_area : float
        Pixels; sum of Jy/beam over it is Jy.
    beam_pixels : (2, 2)
        Covariance of the beam over (x, y), pixels.
    """

    wcs: WCS
    shape: tuple[int, int]
    beam: Beam
    pixel_scale: float
    beam_area: float
    beam_pixels: Values

    @classmethod
    def of(cls, reader: MapReader) -> "SkyGrid":
        """The grid of a map.

        Raises
        ------
        InputError
            Where the map has no WCS or no beam, or its pixels are not square: no position or flux would be right.
        """
        if reader.wcs is None:
            raise InputError("has no celestial WCS; add CTYPE, CRVAL, CRPIX and CDELT to its header", reader.path)
        if reader.beam is None:
            raise InputError("has no beam; add BMAJ, BMIN and BPA (deg) to its header", reader.path)
        with quiet_astropy():
            steps = np.sqrt((reader.wcs.pixel_scale_matrix**2).sum(0))
        if abs(steps[0] / steps[1] - 1.0) > _SQUARE:
            text = f"has pixels of {steps[0] * 3600:.4g} x {steps[1] * 3600:.4g} arcsec; regrid it to square ones"
            raise InputError(text, reader.path)
        scale = float(reader.pixel_scale or 0.0)
        reference = np.asarray(reader.wcs.wcs.crpix) - 1.0  # BPA counts from the north of the map's own frame
        inverse = np.linalg.inv(jacobian_of(reader.wcs, reference[:1], reference[1:], own=True)[0])
        if not np.isfinite(inverse).all():  # the reference lies off the sky
            inverse = np.linalg.inv(np.diag([-scale, scale]))
        on_sky = covariance(reader.beam.maj, reader.beam.min, reader.beam.pa)
        area = reader.beam.area_pixels(scale)
        return cls(reader.wcs, reader.shape, reader.beam, scale, area, inverse @ on_sky @ inverse.T)

    @property
    def beam_width(self) -> float:
        """FWHM of a round beam of the same area, pixels."""
        return math.sqrt(self.beam.maj * self.beam.min) / self.pixel_scale

    def sky(self, x: ArrayLike, y: ArrayLike) -> tuple[Values, Values]:
        """ICRS right ascension (0 to 360) and declination in deg of pixels; NaN off the sky."""
        return _to_sky(self.wcs, np.asarray(x, float), np.asarray(y, float))

    def pixels(self, ra: ArrayLike, dec: ArrayLike) -> tuple[Values, Values]:
        """Pixels (x, y) of ICRS positions in deg; NaN where the projection does not reach."""
        return to_pixels(self.wcs, ra, dec)

    def jacobian(self, x: ArrayLike, y: ArrayLike) -> Values:
        """(n, 2, 2): steps to the east and north in arcsec of a step of one pixel along x and y."""
        return jacobian_of(self.wcs, np.asarray(x, float), np.asarray(y, float))

    def sizes(self, x: ArrayLike, y: ArrayLike, shapes: Values) -> dict[str, Values]:
        """Sizes on the sky of Gaussians with covariances `shapes` (n, 2, 2) in pixels at (x, y).

        Returns
        -------
        dict
            major, minor, major_deconvolved, minor_deconvolved (arcsec FWHM; 0 where not wider than the beam), pa (deg).
        """
        turn = self.jacobian(x, y)
        back = np.swapaxes(turn, -1, -2)
        major, minor, pa = axes(turn @ shapes @ back)
        bare = axes(turn @ (shapes - self.beam_pixels) @ back)
        return {
            "major": major,
            "minor": minor,
            "pa": pa,
            "major_deconvolved": bare[0],
            "minor_deconvolved": bare[1],
        }


def to_pixels(wcs: WCS, ra: ArrayLike, dec: ArrayLike) -> tuple[Values, Values]:
    """Pixels (x, y), 0-based, of ICRS positions in deg; NaN where the projection does not reach."""
    ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
    if not ra.size:
        return ra, dec
    with quiet_astropy(), np.errstate(invalid="ignore"):
        x, y = wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        return np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> Values:
    """(n, 3) unit vectors of positions in deg."""
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], -1)


def _to_sky(wcs: WCS, x: Values, y: Values, own: bool = False) -> tuple[Values, Values]:
    """Longitude and latitude in deg, ICRS or (`own`) of the map's own frame."""
    if not x.size:
        return x, y
    with quiet_astropy(), np.errstate(invalid="ignore"):
        place = wcs.pixel_to_world(x, y)
        sphere = (place if own else place.icrs).spherical
        return np.asarray(sphere.lon.deg, float), np.asarray(sphere.lat.deg, float)


def jacobian_of(wcs: WCS, x: Values, y: Values, own: bool = False) -> Values:
    """(n, 2, 2): steps to the east and north in arcsec of a step of one pixel along x and y at pixels (n,).

    East and north of ICRS, or of the map's `own` frame.
    """
    ra, dec = (np.radians(v) for v in _to_sky(wcs, x, y, own))
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)], -1)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], -1)
    result = np.empty((len(x), 2, 2))
    for axis, (dx, dy) in enumerate(((0.5, 0.0), (0.0, 0.5))):
        ahead, behind = (
            unit_vectors(*_to_sky(wcs, x + dx, y + dy, own)),
            unit_vectors(*_to_sky(wcs, x - dx, y - dy, own)),
        )
        step = ahead - behind
        for row, towards in enumerate((east, north)):
            result[:, row, axis] = np.degrees((step * towards).sum(-1)) * 3600.0
    return result
