"""Annotated maps with one Gaussian source each, whose picture at any place is known, for tests of whole fields."""

import math
from pathlib import Path

import numpy as np

from conftest import celestial_wcs
from radiff.masks import Annotation, SourceObject, write_annotation
from radiff.sky import Beam, Cutout, write_cutout

RMS, LEVEL = 2e-4, 3e-4  # Jy/beam
BEAM = Beam(9.0, 5.4, 30.0)  # 5 x 3 pixels of 1.8 arcsec
SCALE = 1.8
EDGE = 0.2  # of the peak, where the mask ends
PEAK = 4000.0  # rms


def place(number: int) -> tuple[float, float]:
    """Where the source of a field lies, (x, y)."""
    return 70.25 + number, 80.5 - number


def source(x, y, number: int, shape=None):
    """Source of field `number` at positions (x, y), peak 1."""
    inverse = np.linalg.inv(BEAM.covariance(SCALE) if shape is None else shape)
    x0, y0 = place(number)
    dx, dy = x - x0, y - y0
    return np.exp(-0.5 * (inverse[0, 0] * dx**2 + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy**2))


def write_field(root: Path, number: int, shape=(150, 160), peak: float = PEAK, class_value: int = 2, rms: float = RMS):
    """Write ``maps/f<number>.fits`` with its annotation under `root`: white noise and a source of the beam's shape."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    one = source(x, y, number)
    noise = np.random.default_rng(number).normal(LEVEL, rms, shape)
    wcs = celestial_wcs(shape)
    wcs.wcs.crval = [150.0 + number, 2.0]  # fields apart on the sky
    cutout = Cutout((noise + peak * rms * one).astype(np.float32), wcs=wcs, beam=BEAM)
    (root / "maps" / "imgs").mkdir(parents=True, exist_ok=True)
    (root / "maps" / "masks").mkdir(exist_ok=True)
    write_cutout(root / "maps" / "imgs" / f"f{number}.fits", cutout)
    objects = [SourceObject.from_pixels("S1", class_value, one > EDGE)] if peak else []
    write_annotation(
        root / "maps" / "masks" / f"mask_f{number}.json", Annotation(objects, shape), f"../imgs/f{number}.fits"
    )
    return cutout


def write_splits(root: Path, train: int, val: int) -> Path:
    """A file of splits: the first `train` fields and the `val` after them."""
    lines = [f"maps/imgs/f{k}.fits,{'train' if k < train else 'val'}" for k in range(train + val)]
    (root / "splits.csv").write_text("\n".join(["file,split", *lines]) + "\n")
    return root / "splits.csv"


def tiny_fields(root: Path, train: int = 3, val: int = 1, **options) -> Path:
    """Annotated maps and their ``splits.csv`` in `root`."""
    for number in range(train + val):
        write_field(root, number, **options)
    write_splits(root, train, val)
    return root


def fwhm(shape: np.ndarray) -> float:
    """Geometric mean FWHM of a covariance."""
    return math.sqrt(8 * math.log(2)) * float(np.linalg.det(shape)) ** 0.25
