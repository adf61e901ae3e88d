"""Noise spectra and a noise level to a map without sources. No networks.

Noise is drawn in bands of whole rows (`radiff.sky.NoiseField`), which fit together whoever makes them.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.parallel import Pool, serial
from radiff.populate.maps import create_image, write_rows
from radiff.sky import Beam, HeaderWarning, MapReader, Mosaic, NoiseField, NoiseSpectrum
from radiff.sky.grid import SkyGrid, make_grid
from radiff.sky.header import build_header
from radiff.sky.noise_source import NoiseSource
from radiff.tiling import spans

PROJECTIONS = ("SIN", "TAN", "NCP", "ZEA", "CAR")
ROWS = 512
"""Rows of a band."""
_RING, _DECAY, _ARMS = 2.5, 40.0, 3  # sidelobes: distance of rings and their decay in beams; arms

Values = NDArray[np.float64]
Rows = Callable[[int, int], NDArray[np.float32]]


@contextmanager
def quiet_headers() -> Iterator[None]:
    """Without what is said of headers that lack something."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        yield


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
        object.__setattr__(self, "beam", Beam.of(self.beam))

    @cached_property
    def grid(self) -> SkyGrid:
        """Positions and beam."""
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = [f"RA---{self.projection}", f"DEC--{self.projection}"]
        wcs.wcs.crval = list(self.center)
        wcs.wcs.crpix = [(self.shape[1] + 1) / 2, (self.shape[0] + 1) / 2]
        wcs.wcs.cdelt = [-self.pixel_scale / 3600, self.pixel_scale / 3600]
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.set()
        return make_grid(self.shape, wcs, self.beam)

    def header(self, how: str, model: "NoiseModel") -> fits.Header:
        """Header of the map; `how` it was made."""
        told = {key: value for key, value in asdict(self).items() if key not in ("shape", "beam", "center")}
        provenance = {"simulated": how, "center": list(self.center), **told, "noise": model.name}
        provenance |= {key: True for key in ("wander", "faint") if getattr(model, key)}
        if model.rms_map is not None:
            provenance["rms_map"] = model.rms_map.name
        cards = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2)])
        cards["NAXIS1"], cards["NAXIS2"] = self.shape[1], self.shape[0]
        cards.extend(build_header(fits.Header(), self.grid.wcs, self.beam, provenance=provenance), end=True)
        return cards

    def scale(self, y0: int, y1: int) -> Values:
        """Noise rms (y1 - y0, nx) of rows of the map, Jy/beam."""
        ny, nx = self.shape
        if self.gradient == 1 and self.edge == 1:
            return np.full((y1 - y0, nx), self.rms)
        y, x = np.arange(y0, y1)[:, None] - (ny - 1) / 2, np.arange(nx)[None, :] - (nx - 1) / 2
        angle = math.radians(self.gradient_pa)
        along = y * math.cos(angle) - x * math.sin(angle)
        length = (ny - 1) * abs(math.cos(angle)) + (nx - 1) * abs(math.sin(angle))
        corner = (((ny - 1) / 2) ** 2 + ((nx - 1) / 2) ** 2) or 1.0
        power = math.log(self.gradient) * along / max(length, 1) + math.log(self.edge) * (x**2 + y**2) / corner
        return np.asarray(self.rms * np.exp(power))


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """What the noise of a background is like, beside its level.

    Attributes
    ----------
    spectra : rows of NoiseSpectrum
        One, or one a tile (`radiff.sky.Mosaic`: the first row at the bottom); on the pixels of the map.
    wander, faint : bool
        Let the rms wander and put in faint sources, as the spectra say.
    rms_map : path, optional
        FITS image of the map's size: the local rms, Jy/beam, in place of `rms`, `gradient` and `edge`.
    name : str
        What the spectra are, for the header.
    """

    spectra: Sequence[Sequence[NoiseSpectrum]]
    wander: bool = False
    faint: bool = False
    rms_map: Path | None = None
    name: str = "beam"

    def field(self, shape: tuple[int, int], seed: int) -> NoiseField | Mosaic:
        """Noise of rms 1 of a shape (ny, nx)."""
        if len(self.spectra) == 1 and len(self.spectra[0]) == 1:
            return NoiseField(self.spectra[0][0], shape, seed, self.wander, self.faint)
        return Mosaic(self.spectra, shape, seed, self.wander, self.faint)


def noise_model(
    sources: Sequence[Sequence[NoiseSource]],
    grid: SkyGrid,
    seed: int = 0,
    wander: bool = False,
    faint: bool = False,
    rms_map: Path | None = None,
) -> NoiseModel:
    """Sources of noise, one a tile, to a model of noise on the pixels and with the beam of `grid`.

    Spectra that know their beam are stretched until it is the grid's; others are taken as they are. Of banks, the seed
    draws a spectrum a tile.

    Raises
    ------
    InputError
        Where the rms map has another size than the grid, or is no image of positive numbers.
    """
    if rms_map is not None:
        check_rms_map(rms_map, grid.shape)
    spectra = [
        [on_grid(source.draw(seed + 1000 * y + x), grid) for x, source in enumerate(row)]
        for y, row in enumerate(sources)
    ]
    name = "; ".join(", ".join(source.name for source in row) for row in sources)
    return NoiseModel(spectra, wander, faint, rms_map, name)


def on_grid(spectrum: NoiseSpectrum, grid: SkyGrid) -> NoiseSpectrum:
    """A spectrum on the pixels and with the beam of a grid, where it knows its own."""
    if spectrum.shape is not None:
        spectrum = spectrum.with_shape(grid.beam_shape)
    elif spectrum.pixel_scale is not None:
        spectrum = spectrum.at(grid.beam, grid.pixel_scale)
    return replace(spectrum, beam=grid.beam, pixel_scale=grid.pixel_scale)


def check_rms_map(path: Path, shape: tuple[int, int]) -> None:
    """Refuse an rms map that has not the `shape` (ny, nx) of the map."""
    with quiet_headers(), MapReader(path) as reader:
        if reader.shape != shape:
            size, wanted = (f"{nx} x {ny}" for ny, nx in (reader.shape, shape))
            raise InputError(f"has {size} pixels, the map {wanted}; give an rms map of the same size", path)


def simulate_noise(
    path: str | os.PathLike[str], options: BackgroundOptions, pool: Pool = serial, model: NoiseModel | None = None
) -> Path:
    """Write a map of noise with a given spectrum; default: that of the beam, whose autocovariance is the beam itself.

    The same options and model give the same bytes, whatever the pool.

    Raises
    ------
    InputError
        Where the beam is not sampled by the pixels, or the disk has not enough room.
    """
    path = Path(path)
    grid = options.grid
    if model is None:
        model = noise_model([[_of_beam(options.beam, options.pixel_scale)]], grid)
    header = options.header("noise", model)
    make_noise(path, header, partial(_options_rows, options, model.field(options.shape, options.seed), model), pool)
    return path


def make_noise(path: Path, header: fits.Header, rows: Rows, pool: Pool) -> None:
    """Write an image whose rows y0 to y1 - 1 are ``rows(y0, y1)``, in bands that any process may make."""
    start = len(header.tostring(padding=True))
    ny = int(header["NAXIS2"])
    with atomic_path(path) as temporary:
        create_image(temporary, header)
        pool(partial(_write_band, rows, temporary, start, int(header["NAXIS1"])), spans(ny, ROWS), "simulating noise")


def _write_band(rows: Rows, path: Path, start: int, nx: int, band: tuple[int, int]) -> None:
    write_rows(path, start + 4 * band[0] * nx, rows(*band).astype(">f4"))


def _options_rows(
    options: BackgroundOptions, field: NoiseField | Mosaic, model: NoiseModel, y0: int, y1: int
) -> NDArray[np.float32]:
    """Rows of a map as the options say, Jy/beam."""
    rows = field.rows(y0, y1)
    rows *= options.scale(y0, y1) if model.rms_map is None else rms_rows(model.rms_map, y0, y1)
    if options.sidelobes:
        rows += _sidelobes(options, y0, y1)
    return rows


def rms_rows(path: Path, y0: int, y1: int) -> NDArray[np.float32]:
    """Rows of an rms map, Jy/beam; blank where it is.

    Raises
    ------
    InputError
        Where a number is not positive.
    """
    with quiet_headers(), MapReader(path) as reader:
        rms = reader.read(y0, y1, 0, reader.shape[1])
    if (rms <= 0).any():
        y, x = np.argwhere(rms <= 0)[0]
        raise InputError(f"the rms is {rms[y, x]:g} at ({x}, {y0 + y}); it must be positive, or NaN for no map", path)
    return rms


def _of_beam(beam: Beam, pixel_scale: float) -> NoiseSource:
    return NoiseSource("beam", NoiseSpectrum.from_beam(beam, pixel_scale))


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
