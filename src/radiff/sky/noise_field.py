"""A noise spectrum to noise of any size, row by row: one seed gives one field, whatever part of it is asked for.

White noise from a seed a block of rows is convolved with the spectrum's kernel; a band of rows draws the rows around it
again. So fields are not periodic, their ensemble has exactly the variance of the spectrum, a part of a field is that
part of the whole, and no more than a band lies in memory. Knows no files and no networks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from radiff.errors import InputError
from radiff.seeds import check_seed
from radiff.sky.spectrum import NoiseSpectrum

BLOCK_ROWS = 64
"""Rows of white noise that come from one seed."""
BAND = 512
"""Rows that are convolved at a time."""
COARSE = 4.0
"""Points a `rms_scale` of the grid on which the wandering of the rms is drawn; between them it is linear."""
COARSE_ROWS = 16
"""Rows of that grid that come from one seed."""

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
        check_seed(self.seed)

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
        del white
        spectrum *= self._transfer(size)
        wanted = np.s_[y0 - top : y1 - top, margin : margin + self.shape[1]]
        noise = fft.irfft2(spectrum, size, overwrite_x=True)[wanted]
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
        if spread == 0:
            return np.ones((y1 - y0, self.shape[1]), np.float32)
        step = max(1.0, scale / COARSE)
        row, low, high = _between(np.arange(y0, y1) / step)
        grid = self._coarse(int(row[0]), int(row[-1]) + 2, step, scale / step)
        row -= row[0]
        lines = low[:, None] * grid[row] + high[:, None] * grid[row + 1]
        column, low, high = _between(np.arange(self.shape[1]) / step)
        smooth = low * lines[:, column] + high * lines[:, column + 1]
        return np.asarray(np.exp(spread * smooth - spread**2), np.float32)

    def _coarse(self, first: int, last: int, step: float, sigma: float) -> Floats:
        """Rows first to last - 1 of a smooth Gaussian field of variance 1 on points `step` pixels apart."""
        reach = math.ceil(4.0 * sigma)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        weights /= math.sqrt(float((weights**2).sum()))
        width = math.ceil(self.shape[1] / step) + 2 + 2 * reach
        blocks = range((first - reach) // COARSE_ROWS, (last + reach - 1) // COARSE_ROWS + 1)
        white = np.concatenate([self._coarse_white(number, width) for number in blocks])
        white = white[first - reach - blocks[0] * COARSE_ROWS :][: last - first + 2 * reach]
        for axis, part in ((0, np.s_[reach:-reach]), (1, np.s_[:, reach:-reach])):
            white = ndimage.correlate1d(white, weights, axis, mode="constant")[part]
        # a straight line between two points of correlation r has, on average, (2 + r) / 3 of their variance
        correlation = math.exp(-0.25 / sigma**2) if step > 1 else 1.0
        return np.asarray(white * (3.0 / (2.0 + correlation)), np.float32)

    def _coarse_white(self, number: int, width: int) -> Floats:
        random = np.random.default_rng((self.seed, 4, number + 2**20))
        return random.standard_normal((COARSE_ROWS, width), dtype=np.float32)

    def _transfer(self, size: tuple[int, ...]) -> Floats:
        """What `rfft2` of a field of `size` is multiplied by; kept, since most bands have one size."""
        kept = self.__dict__.get("_kept")
        if kept is None or kept[0] != size:
            kept = (size, _transfer(self._gaussian.kernel, size))
            object.__setattr__(self, "_kept", kept)
        return np.asarray(kept[1])

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_kept"}  # cheap to make, large to send


def _between(at: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int_], Floats, Floats]:
    """The whole number below each place, and the weights of that one and of the next."""
    below = np.floor(at).astype(int)
    high = (at - below).astype(np.float32)
    return below, 1 - high, high


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
    noise of variance 1 keeps its variance everywhere. A tile is drawn where it has weight, no farther.
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
        total = np.zeros((y1 - y0, self.shape[1]), np.float32)
        count_y, count_x = len(self.spectra), len(self.spectra[0])
        for row in range(count_y):
            bottom, top = _support(self.shape[0], count_y, row)
            ya, yb = max(y0, bottom), min(y1, top)
            if ya >= yb:
                continue
            down = _hat(np.arange(ya, yb), self.shape[0], count_y, row)
            for column in range(count_x):
                left, right = _support(self.shape[1], count_x, column)
                across = _hat(np.arange(left, right), self.shape[1], count_x, column)
                seed = int(np.random.SeedSequence((self.seed, 6, row, column)).generate_state(1)[0])
                size = (top - bottom, right - left)
                part = NoiseField(self.spectra[row][column], size, seed, self.wander, self.faint)
                noise = part.rows(ya - bottom, yb - bottom)
                noise *= np.sqrt(down)[:, None] * np.sqrt(across)
                total[ya - y0 : yb - y0, left:right] += noise
        return total


def _support(length: int, count: int, number: int) -> tuple[int, int]:
    """First and last + 1 pixel along an axis where one of `count` tiles has weight."""
    low, high = (number - 0.5) / count * length, (number + 1.5) / count * length
    return max(0, math.floor(low)), min(length, math.ceil(high))


def _hat(at: npt.NDArray[np.int_], length: int, count: int, number: int) -> Floats:
    """Weight of one of `count` tiles along an axis: linear between their middles, 1 in sum."""
    place = np.clip((at + 0.5) / length * count - 0.5, 0, count - 1)
    return np.asarray(np.clip(1.0 - np.abs(place - number), 0, 1), np.float32)


def _transfer(kernel: npt.NDArray[np.float64], size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """What `rfft2` of a field of `size` is to be multiplied by: the transform of a kernel centred at 0."""
    side, half = kernel.shape[0], kernel.shape[0] // 2
    if size[0] < side or size[1] < side:
        raise InputError("a field smaller than its kernel")  # the margins make it larger, always
    lines = np.zeros((side, size[1]), np.float32)
    lines[:, : side - half], lines[:, size[1] - half :] = kernel[:, half:], kernel[:, :half]
    along = fft.rfft(lines)
    wide = np.zeros((size[0], along.shape[1]), np.complex64)
    wide[: side - half], wide[size[0] - half :] = along[half:], along[:half]
    del along
    transform = fft.fft(wide, axis=0, overwrite_x=True)
    return np.ascontiguousarray(transform.real)  # the spectrum is symmetric, so the kernel is


def _gaussian(shape: npt.NDArray[np.float64], size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Fourier transform of a Gaussian, as `rfft2` orders it, 1 at 0."""
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None, :]
    exponent = shape[0, 0] * fx**2 + 2 * shape[0, 1] * fx * fy + shape[1, 1] * fy**2
    return np.exp(-2 * math.pi**2 * exponent).astype(np.float32)
