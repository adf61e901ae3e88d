"""A beam and a noise level to a map without sources: Gaussian noise, or tiles that something else draws. No networks.

Noise is made in bands of whole rows: white noise from a seed a block of rows, convolved with the beam. A band needs the
rows around it, which it draws again, so that the bands fit together and any machine makes any of them.
"""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import fft

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.populate.geometry import Grid, make_grid
from radiff.populate.maps import create_image, write_rows
from radiff.populate.pool import Pool, serial
from radiff.populate.sources import object_seed
from radiff.sky import Beam, background_rms
from radiff.sky.header import build_header

PROJECTIONS = ("SIN", "TAN", "NCP", "ZEA", "CAR")
ROWS, BLOCK_ROWS = 512, 64
"""Rows of a band; rows of white noise that come from one seed."""
TILE, SHARED = 512, 64
"""Side of a drawn tile, and pixels that neighbours share, where one passes into the other."""
_RING, _DECAY, _ARMS = 2.5, 40.0, 3  # sidelobes: distance of rings and their decay in beams; arms

Values = NDArray[np.float64]
DrawTiles = Callable[[Sequence[int]], Iterable[NDArray[np.floating]]]
"""Seeds to noise images (TILE, TILE) without sources, in order; level and scale are of no matter."""


@dataclass(frozen=True)
class BackgroundOptions:
    """What a background is to be.

    Attributes
    ----------
    shape : (ny, nx)
    beam : Beam
    pixel_scale : float
        Arcsec.
    rms : float
        Jy/beam, in the middle of the map.
    center : (ra, dec)
        Deg, of the middle of the map.
    projection : str
    gradient : float
        How many times larger the rms is at one end of the map than at the other, along `gradient_pa`.
    gradient_pa : float
        Deg, from the top of the map to the left (north through east).
    edge : float
        How many times larger the rms is in the corners than in the middle, as after a correction for the primary beam.
    sidelobes : int
        Number of sources, taken off, whose sidelobes were left: rings with three arms.
    sidelobe_snr : float
        Their strength near the source, in units of the rms.
    seed : int
    """

    shape: tuple[int, int]
    beam: Beam
    pixel_scale: float
    rms: float = 1e-4
    center: tuple[float, float] = (0.0, 0.0)
    projection: str = "SIN"
    gradient: float = 1.0
    gradient_pa: float = 0.0
    edge: float = 1.0
    sidelobes: int = 0
    sidelobe_snr: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.shape) < 64:
            raise InputError(f"a map of {self.shape[1]} x {self.shape[0]} pixels; at least 64 x 64 are needed")
        for name in ("pixel_scale", "rms", "gradient", "edge"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name.replace('_', ' ')} is {getattr(self, name):g}; it must be a positive number")
        if self.projection not in PROJECTIONS:
            raise InputError(f"{self.projection!r} is no projection; there are: {', '.join(PROJECTIONS)}")
        if not abs(self.center[1]) <= 90:
            raise InputError(f"a declination of {self.center[1]:g} deg; give --center ra,dec in deg")
        if self.projection == "NCP" and self.center[1] == 0:
            raise InputError("the projection NCP has no map about declination 0; choose SIN")
        if self.sidelobes < 0 or self.seed < 0:
            raise InputError("the number of sidelobes and the seed must be 0 or more")

    @cached_property
    def grid(self) -> Grid:
        """Positions and beam."""
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = [f"RA---{self.projection}", f"DEC--{self.projection}"]
        wcs.wcs.crval = list(self.center)
        wcs.wcs.crpix = [(self.shape[1] + 1) / 2, (self.shape[0] + 1) / 2]
        wcs.wcs.cdelt = [-self.pixel_scale / 3600, self.pixel_scale / 3600]
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.set()
        return make_grid(self.shape, wcs, self.beam)

    def header(self, how: str) -> fits.Header:
        """Header of the map; `how` it was made."""
        told = {key: value for key, value in asdict(self).items() if key not in ("shape", "beam", "center")}
        provenance = {"simulated": how, "center": list(self.center), **told}
        cards = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2)])
        cards["NAXIS1"], cards["NAXIS2"] = self.shape[1], self.shape[0]
        cards.extend(build_header(fits.Header(), self.grid.wcs, self.beam, provenance=provenance), end=True)
        return cards

    def scale(self, y0: int, y1: int) -> Values:
        """Noise rms (y1 - y0, nx) of rows of the map, Jy/beam."""
        ny, nx = self.shape
        y, x = np.arange(y0, y1)[:, None] - (ny - 1) / 2, np.arange(nx)[None, :] - (nx - 1) / 2
        angle = math.radians(self.gradient_pa)
        along = y * math.cos(angle) - x * math.sin(angle)
        length = (ny - 1) * abs(math.cos(angle)) + (nx - 1) * abs(math.sin(angle))
        corner = (((ny - 1) / 2) ** 2 + ((nx - 1) / 2) ** 2) or 1.0
        power = math.log(self.gradient) * along / max(length, 1) + math.log(self.edge) * (x**2 + y**2) / corner
        return np.asarray(self.rms * np.exp(power))


def simulate_noise(path: str | os.PathLike[str], options: BackgroundOptions, pool: Pool = serial) -> Path:
    """Write a map of Gaussian noise with the beam's correlation: white noise convolved with the beam.

    Its autocorrelation is that of the beam with itself: a Gaussian sqrt(2) times as wide. The same options give the
    same bytes, whatever the pool.

    Raises
    ------
    InputError
        Where the beam is not sampled by the pixels, or the disk has not enough room.
    """
    path = Path(path)
    header = options.header("noise")
    start = len(header.tostring(padding=True))
    bands = [(y, min(y + ROWS, options.shape[0])) for y in range(0, options.shape[0], ROWS)]
    with atomic_path(path) as temporary:
        create_image(temporary, header)
        pool(partial(_write_band, options, temporary, start), bands, "simulating noise")
    return path


def _write_band(options: BackgroundOptions, path: Path, start: int, band: tuple[int, int]) -> None:
    rows = correlated_noise(options, *band) * options.scale(*band)
    rows += _sidelobes(options, *band)
    write_rows(path, start + 4 * band[0] * options.shape[1], rows.astype(">f4"))


def correlated_noise(options: BackgroundOptions, y0: int, y1: int) -> NDArray[np.float32]:
    """Rows y0 to y1 - 1 of the noise, of variance 1."""
    shape = options.grid.beam_shape
    margin = BLOCK_ROWS * math.ceil(6.0 * math.sqrt(float(np.linalg.eigvalsh(shape)[1])) / BLOCK_ROWS)
    first, last = y0 // BLOCK_ROWS, math.ceil(y1 / BLOCK_ROWS)
    extra = margin // BLOCK_ROWS
    width = options.shape[1] + 2 * margin
    blocks = [
        np.random.default_rng((options.seed, 3, number)).standard_normal((BLOCK_ROWS, width), dtype=np.float32)
        for number in range(first, last + 2 * extra)
    ]
    white = np.concatenate(blocks)  # its first row is row first * BLOCK_ROWS - margin of the map
    size = tuple(fft.next_fast_len(n, real=True) for n in white.shape)
    spectrum = fft.rfft2(white, size)
    spectrum *= _transfer(shape, size).astype(np.float32)
    smooth = fft.irfft2(spectrum, size)
    top = y0 - first * BLOCK_ROWS + margin
    return np.asarray(smooth[top : top + y1 - y0, margin : margin + options.shape[1]] / _norm(shape), np.float32)


def _transfer(shape: Values, size: tuple[int, ...]) -> Values:
    """What a Gaussian of covariance `shape` (pixels) and sum 1 does to the frequencies of `rfft2`."""
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None, :]
    return np.asarray(np.exp(-2 * math.pi**2 * (shape[0, 0] * fx**2 + 2 * shape[0, 1] * fx * fy + shape[1, 1] * fy**2)))


def _norm(shape: Values) -> float:
    """Standard deviation of white noise of variance 1 after that convolution."""
    size = (1024, 1024)
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None, :]
    power = np.exp(-4 * math.pi**2 * (shape[0, 0] * fx**2 + 2 * shape[0, 1] * fx * fy + shape[1, 1] * fy**2))
    return math.sqrt(float(power.mean()))


def _sidelobes(options: BackgroundOptions, y0: int, y1: int) -> Values:
    """Rings and arms about random places, rows y0 to y1 - 1, Jy/beam."""
    ny, nx = options.shape
    rows = np.zeros((y1 - y0, nx))
    beam = math.sqrt(math.prod(options.grid.beam_fwhm))
    reach = math.ceil(5 * _DECAY * beam)
    for number in range(options.sidelobes):
        random = np.random.default_rng((options.seed, 4, number))
        cy, cx = random.random(2) * (ny, nx)
        turn, strength = random.random() * 2 * math.pi, random.uniform(0.5, 1.5)
        ya, yb = max(y0, int(cy) - reach), min(y1, int(cy) + reach)
        xa, xb = max(0, int(cx) - reach), min(nx, int(cx) + reach)
        if ya >= yb or xa >= xb:
            continue
        y, x = (np.arange(ya, yb)[:, None] - cy) / beam, (np.arange(xa, xb)[None, :] - cx) / beam
        radius = np.hypot(x, y)
        arms = np.abs(np.cos(_ARMS * (np.arctan2(y, x) - turn))) ** 8
        rings = np.cos(2 * math.pi * radius / _RING) * np.exp(-radius / _DECAY) * (1 - np.exp(-(radius**2) / 8))
        rows[ya - y0 : yb - y0, xa:xb] += options.sidelobe_snr * options.rms * strength * rings * (0.1 + 0.9 * arms)
    return rows


def tile_background(path: str | os.PathLike[str], options: BackgroundOptions, draw: DrawTiles) -> Path:
    """Write a map of tiles that `draw` makes, each brought to level 0 and the rms of its place.

    Neighbours share `SHARED` pixels, over which the weight of one falls as a cosine and that of the other rises as a
    sine: two independent noises then keep their rms.

    Raises
    ------
    InputError
        Where a tile has another size, or the disk has not enough room.
    """
    path = Path(path)
    header = options.header("tiles")
    start = len(header.tostring(padding=True))
    ny, nx = options.shape
    step = TILE - SHARED
    tops, lefts = (list(range(-SHARED, length, step)) for length in (ny, nx))
    seeds = [
        [object_seed(options.seed, row * len(lefts) + column) for column in range(len(lefts))]
        for row in range(len(tops))
    ]
    tiles = iter(draw([seed for row in seeds for seed in row]))
    weight = _weight(TILE, SHARED)
    carried = np.zeros((SHARED, nx + 2 * TILE))
    with atomic_path(path) as temporary:
        create_image(temporary, header)
        for top in tops:
            band = np.zeros((TILE, nx + 2 * TILE))
            for left in lefts:
                part = np.s_[:, left + SHARED : left + SHARED + TILE]
                band[part] += _level(next(tiles), path) * weight[:, None] * weight[None, :]
            band[:SHARED] += carried
            carried = band[step:].copy()
            y0, y1 = max(top, 0), min(top + step, ny)
            if y0 < y1:
                rows = band[y0 - top : y1 - top, SHARED : SHARED + nx] * options.scale(y0, y1)
                rows += _sidelobes(options, y0, y1)
                write_rows(temporary, start + 4 * y0 * nx, rows.astype(">f4"))
    return path


def _weight(length: int, shared: int) -> Values:
    """1, rising as a sine over the first `shared` pixels and falling as a cosine over the last."""
    ramp = np.sin(0.5 * math.pi * (np.arange(shared) + 0.5) / shared)
    return np.concatenate([ramp, np.ones(length - 2 * shared), ramp[::-1]])


def _level(image: NDArray[Any], path: Path) -> Values:
    """An image at level 0 and rms 1."""
    if image.shape != (TILE, TILE):
        raise InputError(f"a tile of {image.shape} came, asked for were {TILE} x {TILE} pixels", path)
    level, rms = background_rms(image)
    return (np.asarray(image, float) - level) / rms
