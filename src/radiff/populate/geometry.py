"""A map's header to its grid: positions, beam and shapes between sky and pixels. Knows no pixel values and no files.

Shapes are covariance matrices (2, 2): of a Gaussian of the full width at half maximum w, w^2 / (8 ln 2).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, skycoord_to_pixel
from numpy.typing import ArrayLike, NDArray

from radiff.errors import InputError
from radiff.sky import Beam
from radiff.sky.header import quiet_astropy

FWHM2 = 8.0 * math.log(2.0)
"""FWHM squared over variance."""
SQUARE = 1e-3
"""Sides of pixels that differ by more than this part are not square."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the pixels of a map lie on the sky, and its beam.

    Attributes
    ----------
    shape : (ny, nx)
    wcs : WCS
        Celestial, two axes, any projection and frame.
    beam : Beam
        Arcsec; its angle counts from the north of the map's own frame.
    """

    shape: tuple[int, int]
    wcs: WCS
    beam: Beam

    @cached_property
    def pixel_scale(self) -> float:
        """Side of a pixel, arcsec."""
        return float(np.sqrt(np.prod(proj_plane_pixel_scales(self.wcs)))) * 3600.0

    @property
    def area(self) -> float:
        """Square degrees."""
        return self.shape[0] * self.shape[1] * (self.pixel_scale / 3600.0) ** 2

    @cached_property
    def beam_area(self) -> float:
        """Solid angle of the beam, pixels: a source's sum of Jy/beam over this is its flux in Jy."""
        return self.beam.area_pixels(self.pixel_scale)

    @cached_property
    def beam_shape(self) -> Floats:
        """Covariance (2, 2) of the beam in pixels, axes (x, y), at the middle of the map."""
        x, y = (np.array([(length - 1) / 2]) for length in (self.shape[1], self.shape[0]))
        steps = self._steps(x, y, icrs=False)[0]
        # the beam's area is defined by the pixel scale, whatever the projection does to areas
        steps *= self.pixel_scale / math.sqrt(abs(float(np.linalg.det(steps))))
        back = np.linalg.inv(steps)
        return np.asarray(back @ shape_of(self.beam.maj, self.beam.min, self.beam.pa) @ back.T)

    @cached_property
    def beam_fwhm(self) -> tuple[float, float]:
        """(major, minor) FWHM of the beam in pixels."""
        low, high = np.sqrt(np.linalg.eigvalsh(self.beam_shape) * FWHM2)
        return float(high), float(low)

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """ICRS right ascension and declination (deg) of pixel positions (0-based centres)."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        if not x.size:
            return x, y
        with quiet_astropy():
            sky = self.wcs.pixel_to_world(x, y).icrs
        return np.asarray(sky.ra.deg, float), np.asarray(sky.dec.deg, float)

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
        """Pixel positions (0-based centres) of ICRS positions (deg); NaN where the projection does not reach."""
        sky = SkyCoord(np.atleast_1d(ra), np.atleast_1d(dec), unit="deg")
        with quiet_astropy(), np.errstate(invalid="ignore"):
            x, y = skycoord_to_pixel(sky, self.wcs, origin=0)
            back = self.wcs.pixel_to_world(x, y).icrs  # the far side of the sky projects onto the same pixels
            wrong = ~(back.separation(sky).deg < 1e-3)
        x, y = np.array(x, float), np.array(y, float)
        x[wrong], y[wrong] = np.nan, np.nan
        return x, y

    def steps(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """(n, 2, 2) arcsec towards east and north (ICRS) per pixel along x and y, at n positions."""
        return self._steps(np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float)), icrs=True)

    def _steps(self, x: Floats, y: Floats, icrs: bool) -> Floats:
        def sky(x: Floats, y: Floats) -> tuple[Floats, Floats]:
            if icrs:
                return self.to_sky(x, y)
            with quiet_astropy():
                lon, lat = self.wcs.wcs_pix2world(x, y, 0)
            ordered = (lon, lat) if self.wcs.wcs.lng < self.wcs.wcs.lat else (lat, lon)
            return np.asarray(ordered[0]), np.asarray(ordered[1])

        result = np.empty((len(x), 2, 2))
        for axis, (ax, ay) in enumerate(((0.5, 0.0), (0.0, 0.5))):
            east0, north0 = sky(x - ax, y - ay)
            east1, north1 = sky(x + ax, y + ay)
            across = (east1 - east0 + 180.0) % 360.0 - 180.0
            result[:, 0, axis] = across * np.cos(np.radians((north0 + north1) / 2)) * 3600.0
            result[:, 1, axis] = (north1 - north0) * 3600.0
        return result


def make_grid(shape: tuple[int, int], wcs: WCS | None, beam: Beam | None, path: object = None) -> Grid:
    """A grid of what a header says.

    Raises
    ------
    InputError
        Where it has no celestial WCS or no beam, its pixels are not square, or the beam is below 1.5 pixels.
    """
    if wcs is None:
        raise InputError("no celestial WCS in the header; put CTYPE, CRVAL, CRPIX and CDELT into it", path)
    if beam is None:
        raise InputError("no beam in the header; give it with --beam maj,min,pa (arcsec, arcsec, deg)", path)
    sides = proj_plane_pixel_scales(wcs) * 3600.0
    if abs(sides[0] - sides[1]) > SQUARE * max(sides):
        text = f"pixels of {sides[0]:.6g} x {sides[1]:.6g} arcsec are not square; regrid the map (e.g. with reproject)"
        raise InputError(text, path)
    grid = Grid(shape, wcs, beam)
    if grid.beam.min < 1.5 * grid.pixel_scale:
        width = grid.beam.min / grid.pixel_scale
        raise InputError(f"a beam of {width:.3g} pixels is not sampled; at least 1.5 pixels are needed", path)
    return grid


def shape_of(maj: float, minor: float, pa: float) -> Floats:
    """Covariance (2, 2), axes (east, north), of a Gaussian of FWHM `maj` x `minor` at `pa` deg, north through east."""
    angle = math.radians(pa)
    along, across = np.array([math.sin(angle), math.cos(angle)]), np.array([math.cos(angle), -math.sin(angle)])
    return np.asarray((maj**2 * np.outer(along, along) + minor**2 * np.outer(across, across)) / FWHM2)


def widths_of(shapes: Floats) -> tuple[Floats, Floats, Floats]:
    """(major, minor, pa) of covariances (n, 2, 2), axes (east, north): FWHM, FWHM, deg from 0 to 180.

    Widths of shapes that are not positive (a beam taken off what is no wider) are 0.
    """
    values, vectors = np.linalg.eigh(shapes)
    fwhm = np.sqrt(np.maximum(values, 0.0) * FWHM2)
    east, north = vectors[:, 0, 1], vectors[:, 1, 1]
    return fwhm[:, 1], fwhm[:, 0], np.degrees(np.arctan2(east, north)) % 180.0


def on_sky(steps: Floats, shapes: Floats) -> Floats:
    """Covariances (n, 2, 2) in pixels (x, y) to arcsec (east, north) by `Grid.steps`."""
    return np.asarray(steps @ shapes @ np.swapaxes(steps, -1, -2))


def in_pixels(steps: Floats, shapes: Floats) -> Floats:
    """The inverse of `on_sky`."""
    back = np.linalg.inv(steps)
    return np.asarray(back @ shapes @ np.swapaxes(back, -1, -2))
