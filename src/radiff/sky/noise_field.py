"""A noise spectrum to noise of any size, row by row: one seed gives one field, whatever part of it is asked for.

White noise from a seed a block of rows is convolved with the spectrum's kernel; a band of rows draws the rows around it
again. So fields are not periodic, their ensemble has exactly the variance of the spectrum, a part of a field is that
part of the whole, and no more than a band lies in memory. Knows no files and no networks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from radiff.errors import InputError
from radiff.sky.spectrum import NoiseSpectrum

BLOCK_ROWS = 64
"""Rows of white noise that come from one seed."""
BAND = 512
"""Rows that are convolved at a time."""
COARSE = 2.0
"""Points of the grid, one every so many `rms_scale`-th part of a scale, on which the wandering of the rms is drawn."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NoiseField:
    """A field of noise with rms 1.

    Parameters
    ----------
    spectrum : NoiseSpectrum
    shape : (ny, nx)
    seed : int
    wander : bool
        Let the rms wander as the spectrum says (`rms_spread`, `rms_scale`).
    faint : bool
        Put in the spectrum's faint sources; the Gaussian part has less power by theirs.
    """

    spectrum: NoiseSpectrum
    shape: tuple[int, int]
    seed: int = 0
    wander: bool = False
    faint: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise InputError(f"a field of {self.shape} pixels; both sides must be positive")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; it must be 0 or more")

    def rows(self, y0: int, y1: int) -> Floats:
        """Rows y0 to y1 - 1, (y1 - y0, nx) float32."""
        parts = [self._band(y, min(y + BAND, y1)) for y in range(y0, y1, BAND)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @cached_property
    def _gaussian(self) -> NoiseSpectrum:
        return self.spectrum.gaussian_part() if self.faint else self.spectrum

    @property
    def _margin(self) -> int:
        """Pixels around a band that its own pixels depend on: half the kernel."""
        return self.spectrum.side // 2

    def _band(self, y0: int, y1: int) -> Floats:
        margin = self._margin
        top = BLOCK_ROWS * ((y0 - margin) // BLOCK_ROWS)
        blocks = range(top // BLOCK_ROWS, math.ceil((y1 + margin) / BLOCK_ROWS))
        white = np.concatenate([self._white(number) for number in blocks])
        size = tuple(fft.next_fast_len(n, real=True) for n in white.shape)
        spectrum = fft.rfft2(white, size)
        spectrum *= _transfer(self._gaussian.kernel, size)
        wanted = np.s_[y0 - top : y1 - top, margin : margin + self.shape[1]]
        noise = fft.irfft2(spectrum, size)[wanted]
        if self.wander and self.spectrum.rms_spread > 0:
            noise = noise * self.rms(y0, y1)
        if self.faint and self.spectrum.faint is not None and self.spectrum.faint.per_beam > 0:
            noise = noise + self._faint(blocks, top, size)[wanted]
        return np.ascontiguousarray(noise, dtype=np.float32)

    def _white(self, number: int) -> Floats:
        """A block of rows of white noise with the margins at its sides; blocks above the field have numbers below 0."""
        random = np.random.default_rng((self.seed, 3, number + 2**20))
        return random.standard_normal((BLOCK_ROWS, self.shape[1] + 2 * self._margin), dtype=np.float32)

    def _faint(self, blocks: range, top: int, size: tuple[int, ...]) -> Floats:
        """Beams of faint sources, less their mean."""
        faint, shape = self.spectrum.faint, self.spectrum.shape
        assert faint is not None and shape is not None
        area = 2 * math.pi * math.sqrt(float(np.linalg.det(shape)))
        width = self.shape[1] + 2 * self._margin
        points = np.zeros((len(blocks) * BLOCK_ROWS, width), np.float32)
        for number in blocks:
            random = np.random.default_rng((self.seed, 5, number + 2**20))
            count = int(random.poisson(faint.per_beam / area * BLOCK_ROWS * width))
            y = random.integers(BLOCK_ROWS, size=count) + number * BLOCK_ROWS - top
            x = random.integers(width, size=count)
            np.add.at(points, (y, x), faint.peaks(random.random(count)).astype(np.float32))
        points -= faint.per_beam / area * faint.moment(1)
        transform = _gaussian(shape, size) * area
        return np.asarray(fft.irfft2(fft.rfft2(points, size) * transform, size), np.float32)

    def rms(self, y0: int, y1: int) -> Floats:
        """Local rms of rows y0 to y1 - 1: lognormal, its mean square 1."""
        spread, scale = self.spectrum.rms_spread, self.spectrum.rms_scale
        step = max(1.0, scale / COARSE)
        sigma = scale / step
        grid = self._coarse(step, sigma)
        y, x = (np.arange(y0, y1) / step)[:, None], (np.arange(self.shape[1]) / step)[None, :]
        reach = 4.0 * sigma
        at = np.broadcast_arrays(y + reach, x + reach)
        smooth = ndimage.map_coordinates(grid, np.stack(at), order=1, mode="nearest", prefilter=False)
        return np.asarray(np.exp(spread * smooth - spread**2), np.float32)

    def _coarse(self, step: float, sigma: float) -> Floats:
        """A smooth Gaussian field of variance 1 on a coarse grid with margins."""
        reach = math.ceil(4.0 * sigma)
        size = tuple(math.ceil(n / step) + 2 * reach + 2 for n in self.shape)
        white = np.random.default_rng((self.seed, 4)).standard_normal(size, dtype=np.float32)
        smooth = ndimage.gaussian_filter(white, sigma, mode="wrap", truncate=4.0)
        return np.asarray(smooth * (2 * math.sqrt(math.pi) * sigma), np.float32)


@dataclass(frozen=True, eq=False)
class Mosaic:
    """A field whose noise passes from one spectrum to the next, one a tile.

    Parameters
    ----------
    spectra : rows of NoiseSpectrum
        As of a table: the first row lies at the bottom (y = 0). Tiles are of equal size.
    shape : (ny, nx)
    seed : int
    wander, faint : bool
        As of `NoiseField`.

    Notes
    -----
    Tiles are mixed by the roots of weights that sum to 1 (linear between the middles of the tiles), so that independent
    noise of variance 1 keeps its variance everywhere.
    """

    spectra: Sequence[Sequence[NoiseSpectrum]]
    shape: tuple[int, int]
    seed: int = 0
    wander: bool = False
    faint: bool = False

    def __post_init__(self) -> None:
        lengths = {len(row) for row in self.spectra}
        if not self.spectra or lengths == {0} or len(lengths) != 1:
            raise InputError("the tiles of a mosaic must be rows of one length")

    def rows(self, y0: int, y1: int) -> Floats:
        """Rows y0 to y1 - 1, (y1 - y0, nx) float32."""
        count_y, count_x = len(self.spectra), len(self.spectra[0])
        total = np.zeros((y1 - y0, self.shape[1]), np.float32)
        across = _hats(np.arange(self.shape[1]), self.shape[1], count_x)
        down = _hats(np.arange(y0, y1), self.shape[0], count_y)
        for row in range(count_y):
            for column in range(count_x):
                weight = down[row][:, None] * across[column][None, :]
                if not weight.any():
                    continue
                seed = int(np.random.SeedSequence((self.seed, 6, row, column)).generate_state(1)[0])
                part = NoiseField(self.spectra[row][column], self.shape, seed, self.wander, self.faint)
                total += np.sqrt(weight) * part.rows(y0, y1)
        return total


def _hats(at: npt.NDArray[np.int_], length: int, count: int) -> Floats:
    """(count, len(at)): weights of `count` tiles along an axis, linear between their middles, 1 in sum."""
    place = (at + 0.5) / length * count - 0.5
    return np.asarray(np.clip(1.0 - np.abs(np.clip(place, 0, count - 1) - np.arange(count)[:, None]), 0, 1), np.float32)


def _transfer(kernel: npt.NDArray[np.float64], size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """What `rfft2` of a field of `size` is to be multiplied by: the transform of a kernel centred at 0."""
    side, half = kernel.shape[0], kernel.shape[0] // 2
    if size[0] < side or size[1] < side:
        raise InputError("a field smaller than its kernel")  # the margins make it larger, always
    wide = np.zeros(size, np.float32)
    wide[:side, :side] = kernel
    transform = fft.rfft2(np.roll(wide, (-half, -half), (0, 1)))
    return np.asarray(transform.real, np.float32)  # the spectrum is symmetric, so the kernel is


def _gaussian(shape: npt.NDArray[np.float64], size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Fourier transform of a Gaussian, as `rfft2` orders it, 1 at 0."""
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None, :]
    exponent = shape[0, 0] * fx**2 + 2 * shape[0, 1] * fx * fy + shape[1, 1] * fy**2
    return np.exp(-2 * math.pi**2 * exponent).astype(np.float32)
