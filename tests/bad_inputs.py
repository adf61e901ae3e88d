"""Bad inputs of every kind, written into a folder for tests of any room: ``import bad_inputs``.

Each function of ``BAD_IMAGES`` and ``BAD_MASKS`` takes a folder and returns the path of the file at fault; the string
beside it must be part of the message (lower case). `ODD_IMAGES` are unusual and have to work, with a `HeaderWarning`
where the flag says so. `nothing_new` watches a folder for half-written files; `no_space` and `READ_ONLY` stand for a
full and a read-only output folder, and work for root too.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

Writer = Callable[[Path], Path]

# No file can be made here, not even by root.
READ_ONLY = Path("/proc/radiff-output")

BEAM_PIXELS = 3.0
RMS = 2e-4  # Jy/beam


def sky_image(shape: tuple[int, int] = (64, 64), rms: float = RMS, seed: int = 0) -> np.ndarray:
    """Noise and three sources (ny, nx), Jy/beam: 50, 100 and 200 rms at (x, y) = 1/4, 1/2 and 3/4 of the image."""
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx]
    image = np.random.default_rng(seed).normal(0.0, rms, shape)
    for part, peak in ((0.25, 50), (0.5, 100), (0.75, 200)):
        distance = (x - round(part * nx)) ** 2 + (y - round(part * ny)) ** 2
        image += peak * rms * np.exp(-4 * np.log(2) * distance / BEAM_PIXELS**2)
    return image.astype(np.float32)


def good_header() -> fits.Header:
    """Header with WCS (1.8"/pixel, TAN), beam (5.4"), unit and survey."""
    header = fits.Header()
    header["BUNIT"] = "JY/BEAM"
    for axis, kind, value, step in ((1, "RA---TAN", 150.0, -1.8), (2, "DEC--TAN", 2.0, 1.8)):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "deg"
        header[f"CRVAL{axis}"], header[f"CRPIX{axis}"], header[f"CDELT{axis}"] = value, 32.5, step / 3600
    header["BMAJ"], header["BMIN"], header["BPA"] = 5.4 / 3600, 5.4 / 3600, 0.0
    header["TELESCOP"], header["SURVEY"] = "VLA", "FIRST"
    return header


def write_fits(path: Path, image: np.ndarray, header: fits.Header | None = None) -> Path:
    """Write `image` with `header` (default: a good one)."""
    fits.PrimaryHDU(image, good_header() if header is None else header).writeto(path)
    return path


def good_image(folder: Path, name: str = "good.fits", seed: int = 0, shape: tuple[int, int] = (64, 64)) -> Path:
    """An image without fault."""
    return write_fits(folder / name, sky_image(shape, seed=seed))


# ---------------------------------------------------------------- images that cannot be used


def missing_file(folder: Path) -> Path:
    """A path without a file."""
    return folder / "missing.fits"


def not_fits(folder: Path) -> Path:
    """Text in a file named .fits."""
    path = folder / "not.fits"
    path.write_text("This is no FITS file.\n" * 200)
    return path


def empty_file(folder: Path) -> Path:
    """A file of no bytes."""
    path = folder / "empty.fits"
    path.touch()
    return path


def truncated(folder: Path) -> Path:
    """A FITS file whose second half is missing."""
    path = good_image(folder, "truncated.fits")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def truncated_compressed(folder: Path) -> Path:
    """A tile-compressed FITS file whose end is missing."""
    path = folder / "truncated.fits.fz"
    hdu = fits.CompImageHDU(sky_image((128, 128)), good_header(), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    return path


def no_image(folder: Path) -> Path:
    """A FITS file with a table but no image."""
    path = folder / "table.fits"
    column = fits.Column("flux", "E", array=np.zeros(3, np.float32))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column])]).writeto(path)
    return path


def all_nan(folder: Path) -> Path:
    """Every pixel NaN."""
    return write_fits(folder / "blank.fits", np.full((64, 64), np.nan, np.float32))


def constant(folder: Path) -> Path:
    """Every pixel the same."""
    return write_fits(folder / "constant.fits", np.full((64, 64), 0.25, np.float32))


def cube(folder: Path) -> Path:
    """Three planes."""
    return write_fits(folder / "cube.fits", np.stack([sky_image(seed=seed) for seed in range(3)]))


def kelvin(folder: Path) -> Path:
    """A unit from which no flux can be had without assumptions."""
    header = good_header()
    header["BUNIT"] = "K"
    return write_fits(folder / "kelvin.fits", sky_image(), header)


BAD_IMAGES: dict[str, tuple[Writer, str]] = {
    "missing": (missing_file, "no such file"),
    "not-fits": (not_fits, "fits"),
    "empty": (empty_file, "empty"),
    "truncated": (truncated, "truncated"),
    "truncated-compressed": (truncated_compressed, "truncated"),
    "no-image": (no_image, "no image"),
    "all-nan": (all_nan, "nan"),
    "constant": (constant, "constant"),
    "cube": (cube, "3 planes"),
    "kelvin": (kelvin, "unit"),
}


# ---------------------------------------------------------------- images that are odd and have to work


def nan_borders(folder: Path) -> Path:
    """Seven blank rows and five blank columns at the edges."""
    image = sky_image()
    image[:7], image[:, -5:] = np.nan, np.nan
    return write_fits(folder / "borders.fits", image)


def no_beam(folder: Path) -> Path:
    """Header without BMAJ, BMIN, BPA."""
    header = good_header()
    for key in ("BMAJ", "BMIN", "BPA"):
        del header[key]
    return write_fits(folder / "nobeam.fits", sky_image(), header)


def no_wcs(folder: Path) -> Path:
    """The stripped header of the rg-dataset: a beam, CTYPE1 = 'Jy/beam', no CDELT, no BUNIT."""
    header = fits.Header()
    header["CTYPE1"] = "Jy/beam"
    header["BMAJ"], header["BMIN"], header["BPA"] = 0.0026, 0.0021, 84.5
    return write_fits(folder / "nowcs.fits", sky_image(), header)


def bare(folder: Path) -> Path:
    """A header that says nothing but the size."""
    return write_fits(folder / "bare.fits", sky_image(), fits.Header())


def odd_size(folder: Path) -> Path:
    """71 x 53 pixels (x, y)."""
    return write_fits(folder / "odd.fits", sky_image((53, 71)))


def degenerate_axes(folder: Path) -> Path:
    """Shape (1, 1, ny, nx)."""
    return write_fits(folder / "four_axes.fits", sky_image()[None, None])


ODD_IMAGES: dict[str, tuple[Writer, bool]] = {
    "nan-borders": (nan_borders, False),
    "no-beam": (no_beam, True),
    "no-wcs": (no_wcs, True),
    "bare": (bare, True),
    "odd-size": (odd_size, False),
    "degenerate-axes": (degenerate_axes, False),
}


# ---------------------------------------------------------------- masks


def class_mask(shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    """A mask (ny, nx), uint8, with a spurious, a compact and an extended object."""
    mask = np.zeros(shape, np.uint8)
    mask[10:14, 40:46], mask[30:34, 30:34], mask[44:56, 8:30] = 1, 2, 3
    return mask


def good_annotation(folder: Path, name: str = "good.fits") -> Path:
    """An image and its annotation in the rg-dataset layout below `folder`; the path of the JSON."""
    (folder / "imgs").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    good_image(folder / "imgs", name)
    stem = name.removesuffix(".fits")
    objects = []
    for number, (value, kind) in enumerate(((1, "spurious"), (2, "compact"), (3, "extended")), 1):
        file = f"mask_{stem}_obj{number}.fits"
        fits.PrimaryHDU(np.where(class_mask() == value, value, 0).astype(np.uint8)).writeto(folder / "masks" / file)
        objects.append({"mask": file, "class": kind, "name": f"S{number}"})
    path = folder / "masks" / f"mask_{stem}.json"
    path.write_text(json.dumps({"img": f"../imgs/{name}", "nx": 64, "ny": 64, "objs": objects}))
    return path


def class_seven(folder: Path) -> Path:
    """A class map with the value 7 at (x, y) = (12, 40)."""
    mask = class_mask()
    mask[40, 12] = 7
    return write_fits(folder / "seven.fits", mask, fits.Header())


def missing_mask(folder: Path) -> Path:
    """A JSON that names a mask file which is not there."""
    path = good_annotation(folder)
    (path.parent / "mask_good_obj2.fits").unlink()
    return path


def other_size(folder: Path) -> Path:
    """A JSON one of whose masks has another size than its image."""
    path = good_annotation(folder)
    small = path.parent / "mask_good_obj2.fits"
    fits.PrimaryHDU(np.full((32, 48), 2, np.uint8)).writeto(small, overwrite=True)
    return path


def broken_json(folder: Path) -> Path:
    """A JSON that ends in the middle."""
    path = good_annotation(folder)
    path.write_text(path.read_text()[:-20])
    return path


BAD_MASKS: dict[str, tuple[Writer, str]] = {
    "class-7": (class_seven, "value 7 at (12, 40) is no class"),
    "missing-mask": (missing_mask, "mask_good_obj2.fits"),
    "other-size": (other_size, "mask_good_obj2.fits"),
    "broken-json": (broken_json, "is not json"),
}


# ---------------------------------------------------------------- outputs and weights


def file_in_place(folder: Path) -> Path:
    """A file where the output folder should be."""
    path = folder / "output"
    path.write_text("in the way")
    return path


@contextmanager
def no_space(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that is full: what was written cannot be moved in place (no space left on device)."""

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        yield


@contextmanager
def nothing_new(folder: Path) -> Iterator[None]:
    """Fail where the block leaves a new file below `folder`, or changes one."""
    before = _contents(folder)
    yield
    assert _contents(folder) == before


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def altered_weights(weights: Path, folder: Path) -> Path:
    """A copy of the folder `weights` with one byte of a network changed."""
    copy = Path(shutil.copytree(weights, folder / "altered"))
    network = next(iter(sorted(copy.rglob("*.safetensors"))))
    data = bytearray(network.read_bytes())
    data[-1] ^= 0xFF
    network.write_bytes(bytes(data))
    return copy


def incomplete_weights(weights: Path, folder: Path) -> Path:
    """A copy of the folder `weights` without one of its networks."""
    copy = Path(shutil.copytree(weights, folder / "incomplete"))
    next(iter(sorted(copy.rglob("*.safetensors")))).unlink()
    return copy
