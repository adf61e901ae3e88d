"""Small maps and libraries of stamps of known content, for the tests of populating. No networks."""

from pathlib import Path

import numpy as np

from radiff.data.spec import ImageSpec
from radiff.populate.backgrounds import BackgroundOptions, simulate_noise
from radiff.populate.making import cut_stamp, spec_of
from radiff.populate.stamps import StampLibrary, write_stamps
from radiff.sky import Beam

BEAM = Beam(6.0, 4.8, 30.0)
SCALE = 1.5


def noise_map(path: Path, shape=(400, 500), simulated=True, **options) -> Path:
    """A map of noise of 1e-4 Jy/beam and a beam of 4 x 3.2 pixels; with `simulated` False it does not say so."""
    from astropy.io import fits

    given = {"beam": BEAM, "pixel_scale": SCALE, "rms": 1e-4, "center": (150.0, -30.0)} | options
    simulate_noise(path, BackgroundOptions(shape, **given))
    if not simulated:
        with fits.open(path, mode="update") as hdus:
            del hdus[0].header["RADIFF"]
    return path


def double(class_value=3, seed=0, size=96, length=30.0, beam=4.0) -> tuple[ImageSpec, np.ndarray]:
    """A specification and the image that comes of it: two lobes of unlike brightness on noise of rms 1."""
    random = np.random.default_rng((seed, 50))
    y, x = np.indices((size, size)) - (size - 1) / 2
    angle, width = random.uniform(0, np.pi), beam / 2.355
    image = np.zeros((size, size))
    for side, peak in ((1, 400.0), (-1, random.uniform(100, 400))):
        cx, cy = side * length / 2 * np.cos(angle), side * length / 2 * np.sin(angle)
        wide = width * random.uniform(1.2, 2.0)
        image += peak * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / wide**2)
    mask = (image > 3).astype(np.uint8) * np.uint8(class_value)
    return spec_of(mask, seed, 400.0, beam, "test"), image + random.normal(size=image.shape)


def library(path: Path, extended=12, spurious=4) -> StampLibrary:
    """A library of doubles: extended ones of 10 to 30 pixels, spurious ones short."""
    pairs = [double(3, seed, length=10 + 20 * seed / max(extended - 1, 1)) for seed in range(extended)]
    pairs += [double(1, 100 + seed, size=64, length=6.0) for seed in range(spurious)]
    made = [cut_stamp(image, spec) for spec, image in pairs]
    return write_stamps(path, [one for one in made if one is not None], {"SEED": 0})


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything of a package that the same settings must give again."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json" and not path.is_symlink()
    }
