"""A synthetic survey map for the examples: noise, compact sources and double radio galaxies, in Jy/beam."""

from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from radiff import Beam, Cutout, write_cutout

BEAM, PIXEL, RMS = 5.4, 1.8, 1.5e-4  # arcsec, arcsec, Jy/beam


def make_map(size: int = 384, seed: int = 0) -> Cutout:
    """A map of size x size pixels; every `seed` is another field, three degrees from the next."""
    random = np.random.default_rng(seed)
    image = random.normal(0.0, RMS, (size, size))
    y, x = np.indices((size, size))

    def add(x0: float, y0: float, peak: float, fwhm: float) -> None:
        image[:] += peak * np.exp(-4 * np.log(2) * ((x - x0) ** 2 + (y - y0) ** 2) / fwhm**2)

    for _ in range(max(1, size**2 // 6000)):
        add(*random.uniform(8, size - 8, 2), 10 ** random.uniform(-3, -1.5), BEAM / PIXEL)
    for _ in range(max(1, size**2 // 25000)):
        x0, y0 = random.uniform(40, size - 40, 2)
        angle, length, peak = random.uniform(0, np.pi), random.uniform(10, 18), 10 ** random.uniform(-2.5, -1.7)
        for part in np.linspace(-1, 1, 5):
            place = x0 + part * length * np.cos(angle), y0 + part * length * np.sin(angle)
            add(*place, peak * (0.3 + 0.7 * abs(part)), 8.0)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    wcs.wcs.crval = [(150.0 + 3.0 * seed) % 360, 30.0]
    wcs.wcs.crpix = [(size + 1) / 2, (size + 1) / 2]
    wcs.wcs.cdelt = [-PIXEL / 3600, PIXEL / 3600]
    cutout = Cutout(image, wcs, Beam(BEAM, BEAM))
    cutout.header["TELESCOP"], cutout.header["SURVEY"] = "NONE", "SYNTHETIC"
    return cutout


def write_maps(folder: Path, count: int, size: int = 384) -> list[Path]:
    """`count` maps as FITS files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_cutout(folder / f"field{seed}.fits", make_map(size, seed)) for seed in range(count)]
