"""A map's header to its grid: positions, beam and shapes between sky and pixels. Knows no pixel values and no files."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import ArrayLike

from radiff.errors import InputError
from radiff.sky.beam import FWHM2, Beam, Floats, covariance, widths
from radiff.sky.header import quiet_astropy
from radiff.sky.windows import MapReader

SQUARE = 1e-3
"""Sides of pixels that differ by more than this part are not square."""
_LEAST_STEP = 1e-3  # arcsec
_POLAR = 89.0
"""Declination, deg, above which meridians turn within a pixel: steps there are those of vectors."""
SAMPLED = 1.5
"""Fewest pixels that the minor axis of a beam may have."""


@dataclass(frozen=True, eq=False)
class SkyGrid:
    """Where the pixels of a map lie on the sky, and its beam. Made by `of` or `make_grid`, which check both.

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

    @classmethod
    def of(cls, reader: MapReader) -> "SkyGrid":
        """The grid of a map; the errors of `make_grid`."""
        return make_grid(reader.shape, reader.wcs, reader.beam, reader.path)

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

    @property
    def beam_width(self) -> float:
        """FWHM of a round beam of the same area, pixels."""
        return self.beam.width_pixels(self.pixel_scale)

    @cached_property
    def beam_shape(self) -> Floats:
        """Covariance (2, 2) of the beam in pixels, axes (x, y): its angle counts from north at the reference pixel."""
        x, y = (np.array([place - 1.0]) for place in self.wcs.wcs.crpix)
        steps = self._steps(x, y, icrs=False, at_reference=True)[0]
        x, y = (np.array([(length - 1) / 2]) for length in self.shape[::-1])
        middle = self._steps(x, y, icrs=False)[0]
        if np.allclose(middle, steps, rtol=0, atol=1e-4 * self.pixel_scale):  # but for rounding, which 0.1.0 had so
            steps = middle
        if not np.isfinite(steps).all():
            steps = np.diag([-self.pixel_scale, self.pixel_scale])
        # the beam's area is defined by the pixel scale, whatever the projection does to areas
        steps *= self.pixel_scale / math.sqrt(abs(float(np.linalg.det(steps))))
        return in_pixels(steps, covariance(self.beam.maj, self.beam.min, self.beam.pa))

    @cached_property
    def beam_fwhm(self) -> tuple[float, float]:
        """(major, minor) FWHM of the beam in pixels."""
        low, high = np.sqrt(np.linalg.eigvalsh(self.beam_shape) * FWHM2)
        return float(high), float(low)

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """ICRS right ascension and declination (deg) of pixel positions (0-based centres); NaN off the sky."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        if not x.size:
            return x, y
        with quiet_astropy(), np.errstate(invalid="ignore"):
            sky = self.wcs.pixel_to_world(x, y).icrs
        return np.asarray(sky.ra.deg, float), np.asarray(sky.dec.deg, float)

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
        """Pixel positions (0-based centres) of ICRS positions (deg); NaN where the projection does not reach."""
        ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
        if not ra.size:
            return ra, dec
        sky = SkyCoord(ra, dec, unit="deg")
        with quiet_astropy(), np.errstate(invalid="ignore"):
            x, y = self.wcs.world_to_pixel(sky)
            back = self.wcs.pixel_to_world(x, y).icrs  # the far side of the sky projects onto the same pixels
            wrong = ~(back.separation(sky).deg < 1e-3)
        x, y = np.array(x, float), np.array(y, float)
        x[wrong], y[wrong] = np.nan, np.nan
        return x, y

    def steps(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """(n, 2, 2) arcsec towards east and north (ICRS) per pixel along x and y, at n positions."""
        return self._steps(np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float)), icrs=True)

    def sizes(self, x: ArrayLike, y: ArrayLike, shapes: Floats) -> dict[str, Floats]:
        """Sizes on the sky of Gaussians of covariances `shapes` (n, 2, 2) in pixels at (x, y).

        Returns
        -------
        dict
            maj, min, maj_deconvolved, min_deconvolved (arcsec FWHM; 0 where not wider than the beam), pa,
            pa_deconvolved (deg; NaN where that is so along both axes).
        """
        steps = self.steps(x, y)
        unit = 1.0 if self.pixel_scale > 1e-2 else self.pixel_scale  # arcsec; of VLBI, variances would round to 0
        major, minor, pa = widths(on_sky(steps / unit, shapes))
        deconvolved = widths(on_sky(steps / unit, shapes - self.beam_shape))
        return {
            "maj": major * unit,
            "min": minor * unit,
            "pa": pa,
            "maj_deconvolved": deconvolved[0] * unit,
            "min_deconvolved": deconvolved[1] * unit,
            "pa_deconvolved": np.where(deconvolved[0] > 0, deconvolved[2], np.nan),
        }

    def _steps(self, x: Floats, y: Floats, icrs: bool, at_reference: bool = False) -> Floats:
        def sky(x: Floats, y: Floats) -> tuple[Floats, Floats]:
            if icrs:
                return self.to_sky(x, y)
            with quiet_astropy():
                lon, lat = self.wcs.wcs_pix2world(x, y, 0)
            ordered = (lon, lat) if self.wcs.wcs.lng < self.wcs.wcs.lat else (lat, lon)
            return np.asarray(ordered[0]), np.asarray(ordered[1])

        lon, lat = sky(x, y)
        if at_reference:  # at a pole its own longitude alone tells where north is
            both = self.wcs.wcs.crval[[self.wcs.wcs.lng, self.wcs.wcs.lat]]
            lon, lat = both[:1], both[1:]
        polar = np.abs(lat) > _POLAR
        result = np.empty((len(x), 2, 2))
        # degrees of doubles are too coarse for pixels of micro-arcsec: there a step is that of many pixels
        count = max(1.0, _LEAST_STEP / self.pixel_scale)
        for axis, (ax, ay) in enumerate(((0.5 * count, 0.0), (0.0, 0.5 * count))):
            east0, north0 = sky(x - ax, y - ay)
            east1, north1 = sky(x + ax, y + ay)
            across = (east1 - east0 + 180.0) % 360.0 - 180.0
            result[:, 0, axis] = across * np.cos(np.radians((north0 + north1) / 2)) * 3600.0
            result[:, 1, axis] = (north1 - north0) * 3600.0
            if polar.any():
                chord = _towards(east1, north1)[2] - _towards(east0, north0)[2]
                for row, axes in enumerate(_towards(lon, lat)[:2]):
                    along = np.degrees((chord * axes).sum(0)) * 3600.0
                    result[:, row, axis] = np.where(polar, along, result[:, row, axis])
        return result / count


def _towards(lon: Floats, lat: Floats) -> tuple[Floats, Floats, Floats]:
    """Unit vectors (3, n) towards east, towards north and to positions on the sky (deg)."""
    a, d = np.radians(lon), np.radians(lat)
    east = np.array([-np.sin(a), np.cos(a), np.zeros_like(a)])
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    return east, north, np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])


def make_grid(shape: tuple[int, int], wcs: WCS | None, beam: Beam | None, path: object = None) -> SkyGrid:
    """A grid of what a header says.

    Raises
    ------
    InputError
        Where it has no celestial WCS or no beam, its pixels are not square, or the beam is below 1.5 pixels: no
        position or flux would be right.
    """
    if wcs is None:
        raise InputError("no celestial WCS in the header; add CTYPE, CRVAL, CRPIX and CDELT to it", path)
    if beam is None:
        raise InputError("no beam in the header; add BMAJ, BMIN and BPA (deg) to it (populate takes --beam)", path)
    sides = proj_plane_pixel_scales(wcs) * 3600.0
    if abs(sides[0] - sides[1]) > SQUARE * max(sides):
        text = f"pixels of {sides[0]:.6g} x {sides[1]:.6g} arcsec are not square; regrid the map (e.g. with reproject)"
        raise InputError(text, path)
    grid = SkyGrid(shape, wcs, beam)
    if beam.min < SAMPLED * grid.pixel_scale:
        width = beam.min / grid.pixel_scale
        raise InputError(f"a beam of {width:.3g} pixels is not sampled; at least {SAMPLED:g} pixels are needed", path)
    return grid


def on_sky(steps: Floats, shapes: Floats) -> Floats:
    """Covariances (n, 2, 2) in pixels (x, y) to arcsec (east, north) by `SkyGrid.steps`."""
    return np.asarray(steps @ shapes @ np.swapaxes(steps, -1, -2))


def in_pixels(steps: Floats, shapes: Floats) -> Floats:
    """The inverse of `on_sky`."""
    back = np.linalg.inv(steps)
    return np.asarray(back @ shapes @ np.swapaxes(back, -1, -2))
