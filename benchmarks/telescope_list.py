"""Telescopes for benchmarks: names to noise spectra, and roads around beams that the weights refuse."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from radiff import NoiseSpectrum
from radiff.data.noise_maps import MeasureOptions, find_maps, measure_maps
from radiff.evaluate.checks.beams import fit_shape
from radiff.sky import Beam, NoiseBank
from radiff.sky.beam import mean_width
from radiff.sky.spectrum_shapes import gaussian_transform

SCALE = 1.8
"""Arcsec a pixel of telescopes that are made up."""
MAPS = {"lotss_p218": None, "scorpio_faintsnr": None, "aegean_1904-66": None, "inaf_galaxy0001": 1.5,
        "inaf_galaxy0002": 1.8, "inaf_sidelobe0001": 4.0}  # fmt: skip
"""Maps, and the pixel scale (arcsec) that is taken for those whose headers were stripped of it."""


@dataclass(frozen=True)
class Road:
    """How a sky is drawn whose beam the weights refuse: at `spectrum`, and then by `finish` to what was asked."""

    spectrum: NoiseSpectrum
    how: str
    finish: Callable[[NDArray[Any]], NDArray[Any]]
    border: int = 0
    """Pixels at the edges of what `finish` gives that do not count."""


@dataclass(frozen=True)
class Telescope:
    """A name, the noise asked for, the map it was measured on, and a road around a refusal."""

    name: str
    spectrum: NoiseSpectrum
    source: Path | None = None
    road: Road | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def drawn(self) -> NoiseSpectrum:
        """The spectrum that the generator is given."""
        return self.spectrum if self.road is None else self.road.spectrum


# ---------------------------------------------------------------- telescopes


def telescopes(folder: Path) -> dict[str, Callable[[], Telescope]]:
    """What makes each telescope, by name; maps that are not there are left out."""
    found: dict[str, Callable[[], Telescope]] = {}
    for name, scale in MAPS.items():
        path = folder / f"{name}.fits"
        if path.is_file():
            found[name] = lambda n=name, p=path, s=scale: measured(n, p, s)  # type: ignore[misc]
    found["FIRST 5 x 2.5 px at 30"] = lambda: stretched(5.0, 2.5, 30.0)
    for width in (2.5, 4.0, 6.0):
        found[f"beam {width:g} px"] = lambda w=width: Telescope(f"beam {w:g} px", said(w, w))  # type: ignore[misc]
    found["dirty beam"] = dirty
    found["beam 9 px"] = wide
    found["beam 1.5 px"] = narrow
    found["beam 6 x 2 px at 60"] = long
    return found


def measured(name: str, path: Path, pixel_scale: float | None) -> Telescope:
    """The noise of one map."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        spectrum = measure_maps(find_maps([path]), MeasureOptions(pixel_scale=pixel_scale))
    notes = [str(one.message).partition(": ")[2] for one in told if "rms are left outside" in str(one.message)]
    about = {"notes": spectrum.notes, "error": spectrum.error, "warned": notes, "pixel_scale_taken": pixel_scale}
    return Telescope(name, spectrum, path, about=about)


def said(major: float, minor: float, pa: float = 0.0) -> NoiseSpectrum:
    """The noise that a beam of so many pixels says."""
    return NoiseSpectrum.from_beam(Beam(major * SCALE, minor * SCALE, pa), SCALE)


def stretched(major: float, minor: float, pa: float) -> Telescope:
    """A field of FIRST as if its beam were another."""
    first = NoiseBank.open().draw(3, "first").at(Beam(major * SCALE, minor * SCALE, pa), SCALE)
    return Telescope(f"FIRST {major:g} x {minor:g} px at {pa:g}", first)


def dirty(width: float = 3.5, side: int = 256) -> Telescope:
    """Three arms of nine antennas, an hour about the meridian at declination 40 as seen from latitude 34, natural."""
    arms = np.radians([-5.0, 115.0, 236.0])
    reach = (np.arange(1, 10) / 9.0) ** 1.716
    east = (reach[:, None] * np.sin(arms)).ravel()
    north = (reach[:, None] * np.cos(arms)).ravel()
    i, j = np.triu_indices(len(east), 1)
    east, north = east[i] - east[j], north[i] - north[j]
    latitude, declination = np.radians(34.0), np.radians(40.0)
    hour = np.radians(15.0 * np.linspace(-0.5, 0.5, 31))[:, None]
    x, y, z = -math.sin(latitude) * north, east, math.cos(latitude) * north  # Thompson, Moran & Swenson, eq. 4.1
    u = np.sin(hour) * x + np.cos(hour) * y
    v = math.sin(declination) * (np.sin(hour) * y - np.cos(hour) * x) + math.cos(declination) * z
    scale = 1.0
    for _ in range(4):  # until the main lobe is as wide as asked
        psf = _lobes(scale * 0.2 * u.ravel(), scale * 0.2 * v.ravel(), side)
        shape = fit_shape(psf, side // 2, side // 2, width)
        assert shape is not None
        scale *= mean_width(shape) / width
    beam = Beam.from_covariance(shape, SCALE)
    return Telescope("dirty beam", NoiseSpectrum.from_dirty_beam(psf, SCALE, beam=beam))


def _lobes(u: NDArray[np.float64], v: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Dirty beam (side, side) of baselines in cycles a pixel, each counted once: natural weights, the peak 1."""
    grid = np.zeros((side, side))
    for sign in (1, -1):
        np.add.at(grid, (np.rint(sign * v * side).astype(int) % side, np.rint(sign * u * side).astype(int) % side), 1.0)
    psf = np.fft.fftshift(np.fft.ifft2(grid).real)
    return np.asarray(psf / psf.max())


# ---------------------------------------------------------------- beams that are refused


def wide() -> Telescope:
    """9 pixels: drawn on pixels one and a half times as large, interpolated."""
    asked = said(9.0, 9.0)
    assert asked.beam is not None

    def finish(image: NDArray[Any]) -> NDArray[Any]:
        order = 0 if image.dtype == bool else 3
        return np.asarray(ndimage.zoom(image, 1.5, order=order, mode="nearest", grid_mode=True))

    how = "drawn on pixels 1.5 times as large (6 pixels a beam), then interpolated by cubic splines"
    return Telescope("beam 9 px", asked, road=Road(asked.at(asked.beam, 1.5 * SCALE), how, finish, 3))


def narrow() -> Telescope:
    """1.5 pixels: drawn on pixels half as large, every second one kept."""
    asked = said(1.5, 1.5)
    assert asked.beam is not None
    how = "drawn on pixels half as large (3 pixels a beam), then every second one kept"
    return Telescope("beam 1.5 px", asked, road=Road(asked.at(asked.beam, SCALE / 2), how, lambda a: a[::2, ::2]))


def long(major: float = 6.0, minor: float = 2.0, pa: float = 60.0, ratio: float = 0.46) -> Telescope:
    """A ratio of a third: drawn at a rounder beam, of noise that has the power asked for once it is convolved."""
    asked = said(major, minor, pa)
    rounder = said(minor / ratio, minor, pa).shape
    assert rounder is not None and asked.shape is not None
    kernel_shape = asked.shape - rounder
    side = asked.side
    kernel = gaussian_transform(kernel_shape, side)
    power = np.where(kernel > 1e-2, asked.power / np.maximum(kernel, 1e-2) ** 2, 0.0)
    start = NoiseSpectrum(power, beam=Beam(minor / ratio * SCALE, minor * SCALE, pa), pixel_scale=SCALE)
    gain = math.sqrt(float((start.power * kernel**2).mean()))  # rms that is left of 1
    picture = np.fft.fftshift(np.fft.ifft2(kernel).real)

    def finish(image: NDArray[Any]) -> NDArray[Any]:
        if image.dtype == bool:
            return image
        return np.asarray(signal.fftconvolve(image, picture[1:, 1:], mode="same") / gain)

    how = f"drawn at {minor / ratio:.3g} x {minor:g} pixels, then convolved along the major axis"
    return Telescope(f"beam {major:g} x {minor:g} px at {pa:g}", asked, road=Road(start, how, finish, 8))
