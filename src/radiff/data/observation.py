"""What a generated image's pixels are to mean: noise, beam, WCS, peaks. Knows no networks."""

import math
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.sky import Beam, Cutout, background_rms

DEFAULT_RMS = 1.5e-4
"""Jy/beam; the noise of the FIRST images that the shipped weights were trained on."""
DEFAULT_BEAM = Beam(5.4, 5.4, 0.0)
DEFAULT_PIXEL_SCALE = 1.8
"""Arcsec; beam and pixel of FIRST: three pixels a beam, as in all the training images."""


@dataclass(frozen=True)
class Observation:
    """What the pixels of a generated image are to mean.

    Attributes
    ----------
    rms : float
        Noise rms, Jy/beam.
    background : float
        Level added, Jy/beam.
    beam : Beam
    wcs : WCS, optional
        Made about (0, 0) deg at `pixel_scale`, tangential, where not given.
    pixel_scale : float
        Arcsec, for that WCS.
    header : astropy.io.fits.Header
        Cards to carry on.

    Raises
    ------
    InputError
        Where the rms is not a positive number, or the background is none.
    """

    rms: float = DEFAULT_RMS
    background: float = 0.0
    beam: Beam = DEFAULT_BEAM
    wcs: WCS | None = None
    pixel_scale: float = DEFAULT_PIXEL_SCALE
    header: fits.Header = field(default_factory=fits.Header)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rms) and self.rms > 0):
            raise InputError(f"a noise rms of {self.rms:g} Jy/beam; it must be a positive number")
        if not math.isfinite(self.background):
            raise InputError(f"a background of {self.background:g} Jy/beam; it must be a number")
        object.__setattr__(self, "beam", Beam.of(self.beam))

    @classmethod
    def like(cls, cutout: Cutout, rms: float | None = None, background: float | None = None) -> "Observation":
        """The observation of a real image: its WCS, beam, header and (unless given, Jy/beam) its noise and level.

        Raises
        ------
        InputError
            Where `rms` is not given and cannot be measured.
        """
        if rms is None or background is None:
            measured = background_rms(cutout.image)
            background, rms = (m if g is None else g for m, g in zip(measured, (background, rms), strict=True))
        scale = cutout.pixel_scale or DEFAULT_PIXEL_SCALE
        return cls(rms, background, cutout.beam or DEFAULT_BEAM, cutout.wcs, scale, cutout.header)

    @property
    def beam_pixels(self) -> float:
        """Geometric mean of the beam's two widths (FWHM), in pixels."""
        return self.beam.width_pixels(self.pixel_scale)

    @property
    def beam_shape(self) -> NDArray[np.float64]:
        """Covariance (2, 2) of the beam, pixels squared, axes (x, y); without a WCS north is up, east to the left."""
        return self.beam.covariance(self.pixel_scale, self.wcs)

    def make_wcs(self, shape: tuple[int, int]) -> WCS:
        """The WCS for an image of `shape` (ny, nx)."""
        if self.wcs is not None:
            return self.wcs
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = [0.0, 0.0]
        wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
        wcs.wcs.cdelt = [-self.pixel_scale / 3600, self.pixel_scale / 3600]
        wcs.wcs.cunit = ["deg", "deg"]
        return wcs
