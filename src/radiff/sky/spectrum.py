"""The noise of a telescope's maps as an object: its power spectrum on the sky, measured, kept, changed and passed on.

The noise of an interferometer's map is nearly a Gaussian field; its two-dimensional power spectrum holds the beam, the
stripes and hatches of the uv coverage and the grain of the weighting. What is not Gaussian about it is kept beside the
spectrum: how the rms wanders over the map, faint sources below the limit, what bright sources leave around them. Knows
no files (`radiff.sky.spectrum_files`), no estimator (`radiff.sky.spectrum_measure`) and no networks.
"""

import hashlib
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from radiff.errors import InputError
from radiff.sky.beam import Beam
from radiff.sky.spectrum_parts import FaintSources, Residuals
from radiff.sky.spectrum_shapes import gaussian_transform, lag_window, root

__all__ = [
    "MOST_SIDE",
    "SIDE",
    "FaintSources",
    "NoiseSpectrum",
    "Residuals",
    "faint_power",
    "gaussian_transform",
    "lag_window",
]

SIDE = 128
"""Modes a side of a measured spectrum: noise correlated over more than half of it, in pixels, is not told."""
MOST_SIDE = 1024
"""Largest side of a spectrum: its kernel is drawn again around every band of rows of a map."""
OVERSAMPLED = 4
"""Between its modes a spectrum is interpolated on a grid so many times finer, where it is smooth."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseSpectrum:
    """Power spectrum of the noise of a map, in units of its squared rms.

    Made by `measure` (one or many maps), `from_beam`, `from_dirty_beam`, of another one (`stretched`, `at`), or read
    from a file (`read`).

    Attributes
    ----------
    power : float64 (n, n)
        Power a mode, in the order of `numpy.fft.fft2`: mode (j, i) has ``fftfreq(n)[j]`` cycles a pixel along y and
        ``fftfreq(n)[i]`` along x. Its mean is 1: the variance of noise of rms 1. It is symmetric about 0.
    rms : float, optional
        Jy/beam, where it was measured.
    pixel_scale : float, optional
        Arcsec.
    beam : Beam, optional
    frequency : float, optional
        Hz.
    rms_spread : float
        Standard deviation of the logarithm of the local rms.
    rms_scale : float
        Gaussian sigma, pixels, of the scale over which it wanders.
    faint : FaintSources, optional
    residuals : Residuals, optional
    error : float
        Relative standard error of one mode; 0 where the spectrum is not measured.
    floor : bool (n, n), optional
        True where leakage from stronger modes dominates, so that the true power may be less.
    origin : str
        Where it comes from.
    notes : dict
        What was measured besides: modes and windows used, flags. JSON values only.

    Raises
    ------
    InputError
        Where the power is not a square array of an even side from 16 to 1024, is negative or not finite, or is all 0.

    Examples
    --------
    >>> noise = radiff.NoiseSpectrum.measure("map.fits")
    >>> field = noise.draw((512, 512), seed=1)           # float32, rms 1
    >>> cutout = generator(mask, noise=noise)            # the sky of that telescope
    """

    power: Values
    rms: float | None = None
    pixel_scale: float | None = None
    beam: Beam | None = None
    frequency: float | None = None
    rms_spread: float = 0.0
    rms_scale: float = 16.0
    faint: FaintSources | None = None
    residuals: Residuals | None = None
    error: float = 0.0
    floor: npt.NDArray[np.bool_] | None = None
    origin: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        power = np.array(self.power, dtype=np.float64)
        side = power.shape[0] if power.ndim == 2 else 0
        if power.ndim != 2 or power.shape[1] != side or side % 2 or not 16 <= side <= MOST_SIDE:
            raise InputError(
                f"a noise spectrum of shape {power.shape}; it must be square, of an even side from 16 to {MOST_SIDE}"
            )
        if not np.isfinite(power).all() or (power < 0).any() or not power.any():
            raise InputError("a noise spectrum must be finite, 0 or more, and somewhere above 0")
        for name in ("rms_spread", "rms_scale", "error"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name):g}; it must be a number of 0 or more")
        for name in ("rms", "pixel_scale", "frequency"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value:g}; it must be a positive number")
        power = 0.5 * (power + np.roll(power[::-1, ::-1], 1, (0, 1)))  # a real field has P(f) = P(-f)
        object.__setattr__(self, "power", power / power.mean())

    # -- made from less than a map -----------------------------------------------------------------------------------

    @classmethod
    def from_beam(cls, beam: Beam, pixel_scale: float, exponent: float = 1.0, **about: Any) -> "NoiseSpectrum":
        """The spectrum that a beam says: its Fourier transform to the power `exponent`.

        Power 1 is that of natural weights, where the noise's autocovariance *is* the beam, and the nearest to measured
        maps (LoTSS at .34 cycles a pixel over the lowest band: 5e-4; the beam 1e-3, its square 2e-6). Power 2 is white
        noise convolved with the beam.

        Parameters
        ----------
        beam : Beam
            Arcsec, position angle with north up and east to the left.
        pixel_scale : float
            Arcsec.

        Raises
        ------
        InputError
            Where the beam is wider than the largest spectrum can tell, or narrower than a pixel.
        """
        beam = Beam.of(beam)
        width, narrow = beam.fwhm_pixels(pixel_scale)
        if not narrow >= 1.0 or width > MOST_SIDE / 8:
            raise InputError(
                f"a beam of {beam.maj:g} x {beam.min:g} arcsec on pixels of {pixel_scale:g} arcsec; widths from 1 to "
                f"{MOST_SIDE // 8} pixels can be told: check the beam and the pixel scale"
            )
        side = max(64, 2 * math.ceil(4 * width))
        told: dict[str, Any] = {"beam": beam, "pixel_scale": pixel_scale, "origin": f"FT(beam)^{exponent:g}"}
        return cls(gaussian_transform(beam.covariance(pixel_scale), side) ** exponent, **(told | about))

    @classmethod
    def from_dirty_beam(cls, psf: npt.ArrayLike, pixel_scale: float | None = None, **about: Any) -> "NoiseSpectrum":
        """The spectrum that a dirty beam (ny, nx) of *natural* weights says: its real Fourier transform, held at 0.

        For natural weights the autocovariance of the noise is the dirty beam itself. For robust or uniform weights the
        spectrum cannot be had from the beam: measure it on a map.

        Raises
        ------
        InputError
            Where the picture is too small or has no peak.
        """
        image = np.asarray(psf, dtype=np.float64)
        if image.ndim != 2 or min(image.shape) < 16 or not np.isfinite(image).all() or not image.max() > 0:
            raise InputError("a dirty beam must be a finite picture (ny, nx) of at least 16 x 16 pixels with a peak")
        y, x = np.unravel_index(int(image.argmax()), image.shape)
        half = min(y, x, image.shape[0] - y, image.shape[1] - x, MOST_SIDE // 2)
        if half < 8:
            raise InputError("the peak of the dirty beam lies at its edge; give a picture with the peak in its middle")
        around = image[y - half : y + half, x - half : x + half] * lag_window(2 * half)
        power = np.fft.fft2(np.fft.ifftshift(around)).real
        return cls(np.maximum(power, 0.0), pixel_scale=pixel_scale, **({"origin": "dirty beam"} | about))

    # -- made of another one -----------------------------------------------------------------------------------------

    def stretched(self, matrix: npt.ArrayLike, side: int | None = None) -> "NoiseSpectrum":
        """The spectrum of the same noise on other pixels: what lay at lag u (x, y) then lies at ``matrix @ u``.

        Parameters
        ----------
        matrix : (2, 2)
            diag(2, 2): every feature is twice as many pixels wide.
        side : int, optional
            Modes a side of the result; default: as many as now, or more where features get wider.

        Notes
        -----
        Power beyond what the present pixels can tell (0.5 cycles a pixel) is 0.
        """
        m = np.asarray(matrix, float)
        if side is None:
            growth = float(np.linalg.svd(m, compute_uv=False)[0])
            side = min(MOST_SIDE, max(self.side, 2 * math.ceil(self.side * min(growth, 4.0) / 2)))
        frequency = np.fft.fftfreq(side)
        fy, fx = np.meshgrid(frequency, frequency, indexing="ij")
        old_x, old_y = m[0, 0] * fx + m[1, 0] * fy, m[0, 1] * fx + m[1, 1] * fy  # f = M^T f'
        inside = (np.abs(old_x) <= 0.5) & (np.abs(old_y) <= 0.5)
        fine = self._oversampled
        count = fine.shape[0]
        at = np.stack([old_y, old_x]) * count + count // 2
        power = np.where(inside, ndimage.map_coordinates(fine, at, order=1, mode="nearest"), 0.0)
        zoom = math.sqrt(abs(float(np.linalg.det(m))))
        beam = self.beam
        if self.shape is not None and self.pixel_scale is not None:
            beam = Beam.from_covariance(m @ self.shape @ m.T, self.pixel_scale)
        return replace(
            self,
            power=np.maximum(power, 0.0),
            beam=beam,
            rms_scale=self.rms_scale * zoom,
            floor=None,
            notes=dict(self.notes),
        )

    def at(self, beam: Beam, pixel_scale: float) -> "NoiseSpectrum":
        """The same telescope's noise with `beam` on pixels of `pixel_scale` arcsec.

        Lags are stretched so that the beam it has becomes the one asked for; without a beam of its own, by the pixel
        scales alone.

        Raises
        ------
        InputError
            Where it knows neither its beam nor its pixel scale.
        """
        if self.pixel_scale is None:
            raise InputError("this noise spectrum does not say its pixel scale; measure it on a map whose header does")
        if self.beam is None:
            zoom = self.pixel_scale / pixel_scale
            new = self if abs(zoom - 1) < 1e-3 else self.stretched(np.eye(2) * zoom)
            return replace(new, pixel_scale=pixel_scale)
        beam = Beam.of(beam)
        return replace(self.with_shape(beam.covariance(pixel_scale)), beam=beam, pixel_scale=pixel_scale)

    def with_shape(self, shape: Values) -> "NoiseSpectrum":
        """The same noise where the beam has the covariance `shape` (2, 2), pixels squared, axes (x, y)."""
        own = self.shape
        if own is None:
            raise InputError("this noise spectrum does not say its beam and pixel scale; it can be used as it is only")
        matrix = root(shape) @ np.linalg.inv(root(own))
        return self if np.abs(matrix - np.eye(2)).max() < 2e-3 else self.stretched(matrix)

    # -- what it says ------------------------------------------------------------------------------------------------

    @property
    def side(self) -> int:
        """Modes a side."""
        return self.power.shape[0]

    @property
    def shape(self) -> Values | None:
        """Covariance (2, 2) of the beam, pixels squared, axes (x, y); None where beam or pixel scale are not known."""
        if self.beam is None or self.pixel_scale is None:
            return None
        return self.beam.covariance(self.pixel_scale)

    @cached_property
    def digest(self) -> str:
        """Of all that a field drawn from it depends on, to know it again."""
        told = (self.beam, self.pixel_scale, self.rms_spread, self.rms_scale, self.faint, self.residuals)
        return hashlib.sha256(self.power.astype(np.float32).tobytes() + repr(told).encode()).hexdigest()[:16]

    @cached_property
    def kernel(self) -> Values:
        """(n, n), the peak at [n / 2, n / 2]: white noise convolved with it has this spectrum and variance 1."""
        return np.asarray(np.fft.fftshift(np.fft.ifft2(np.sqrt(self.power)).real))

    @cached_property
    def autocovariance(self) -> Values:
        """(n, n), lag 0 at [n / 2, n / 2] and 1 there: of fields drawn from it, on a torus of n x n pixels."""
        return np.asarray(np.fft.fftshift(np.fft.ifft2(self.power).real))

    @cached_property
    def _oversampled(self) -> Values:
        """The power on a finer, centred grid: of the kernel with zeros around it."""
        pad = (OVERSAMPLED - 1) * self.side // 2
        wide = np.fft.fft2(np.fft.ifftshift(np.pad(self.kernel, pad)))
        return np.asarray(np.fft.fftshift(np.abs(wide) ** 2))

    def radial(self, bands: int | None = None) -> tuple[Values, Values]:
        """Mean frequency (cycles a pixel) and mean power of rings from 0 to 0.5; default: one ring a mode."""
        count = bands or self.side // 2
        frequency = np.fft.fftfreq(self.side)
        radius = np.hypot(frequency[:, None], frequency[None, :])
        ring = (radius * 2 * count).astype(int)
        counted = ring < count
        number = np.maximum(np.bincount(ring[counted], minlength=count), 1)
        middle = np.bincount(ring[counted], radius[counted], count) / number
        return middle, np.bincount(ring[counted], self.power[counted], count) / number

    def gaussian_part(self) -> "NoiseSpectrum":
        """Without the power of its faint sources, which are drawn on their own; the mean of the power below 1.

        Only for drawing: `power` is not brought to a mean of 1 again.
        """
        share, beam = faint_power(self)
        if share == 0.0:
            return self
        new = replace(self, faint=None)
        left = np.maximum(self.power - share * beam, 0.0)
        object.__setattr__(new, "power", left * (1.0 - share) / left.mean())
        return new

    # -- shortcuts to the rest of the room -------------------------------------------------------------------------

    @classmethod
    def measure(cls, maps: Any, masks: Any = None, **options: Any) -> "NoiseSpectrum":
        """Measured on maps: see `radiff.sky.spectrum_measure.measure_noise_spectrum`."""
        from radiff.sky.spectrum_measure import measure_noise_spectrum

        return measure_noise_spectrum(maps, masks, **options)

    @classmethod
    def read(cls, path: Any) -> "NoiseSpectrum":
        """From a FITS file that `write` made."""
        from radiff.sky.spectrum_files import read_noise_spectrum

        return read_noise_spectrum(path)

    def write(self, path: Any) -> Any:
        """To a FITS file; see `radiff.sky.spectrum_files`."""
        from radiff.sky.spectrum_files import write_noise_spectrum

        return write_noise_spectrum(path, self)

    def draw(self, shape: tuple[int, int], seed: int = 0, **options: Any) -> npt.NDArray[np.float32]:
        """A field (ny, nx) of rms 1, not periodic: see `radiff.sky.noise_field.NoiseField`."""
        from radiff.sky.noise_field import NoiseField

        return NoiseField(self, shape, seed, **options).rows(0, shape[0])


def faint_power(spectrum: NoiseSpectrum) -> tuple[float, Values]:
    """Variance that faint sources give noise of rms 1, and the shape (n, n) of their power, mean 1.

    Poisson points of mean density N a pixel with peaks S, convolved with a beam b of peak 1: N <S^2> |FT b|^2.
    """
    shape = spectrum.shape
    if spectrum.faint is None or spectrum.faint.per_beam == 0 or shape is None:
        return 0.0, np.zeros_like(spectrum.power)
    beam = gaussian_transform(shape, spectrum.side) ** 2
    # sum of b over pixels is the beam's area A; sum of b^2 is A / 2, so the variance is N A <S^2> / 2
    share = 0.5 * spectrum.faint.per_beam * spectrum.faint.moment(2)
    if share >= 1.0:
        raise InputError(
            f"{spectrum.faint.per_beam:g} faint sources a beam would make all of the noise; give fewer or fainter ones"
        )
    return share, beam / beam.mean()
