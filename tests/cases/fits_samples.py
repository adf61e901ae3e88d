"""Maps with sources of known places, with any header: ``from cases.fits_samples import ...``."""

from pathlib import Path

import numpy as np
from astropy.io import fits

SHAPE = (120, 160)
SOURCES = ((60.0, 30.0), (100.0, 90.0))  # x, y
RMS, PEAK = 1e-4, 2e-2
BEAM = 4.0  # pixels
STEP = 5e-4  # deg


def image(shape: tuple[int, int] = SHAPE, beam: float = BEAM) -> np.ndarray:
    """Noise and two point sources of 200 rms, Jy/beam."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = np.random.default_rng(0).normal(0, RMS, shape)
    for a, b in SOURCES:
        pixels += PEAK * np.exp(-4 * np.log(2) * ((x - a) ** 2 + (y - b) ** 2) / beam**2)
    return pixels.astype("f4")


def cards(step: float = STEP, shape: tuple[int, int] = SHAPE, **more: object) -> dict[str, object]:
    """A complete header: SIN, north up, the beam round; `more` replaces cards, None leaves one out."""
    told: dict[str, object] = {
        "BUNIT": "Jy/beam", "BMAJ": BEAM * step, "BMIN": BEAM * step, "BPA": 0.0,
        "CTYPE1": "RA---SIN", "CRVAL1": 150.0, "CDELT1": -step, "CRPIX1": shape[1] / 2, "CUNIT1": "deg",
        "CTYPE2": "DEC--SIN", "CRVAL2": 2.0, "CDELT2": step, "CRPIX2": shape[0] / 2, "CUNIT2": "deg",
    }  # fmt: skip
    return {key: value for key, value in (told | more).items() if value is not None}


def write(path: Path, pixels: np.ndarray | None = None, told: dict[str, object] | None = None, *raw: str) -> Path:
    """Write a map; each of `raw` is put into the header as it is, whatever FITS says of it."""
    header = fits.Header((cards() if told is None else told).items())
    header["REPLACE"] = 1
    for _ in raw:
        header.append(("REPLACE", 1), end=True)
    fits.PrimaryHDU(image() if pixels is None else pixels, header).writeto(path, overwrite=True)
    data = path.read_bytes()
    for line in raw:
        place = data.index(b"REPLACE =")
        data = data[:place] + line.ljust(80).encode("latin-1") + data[place + 80 :]
    path.write_bytes(data)
    return path
