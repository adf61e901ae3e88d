"""FITS files to cutouts and back. Knows no masks and no noise; large maps are for `windows`."""

import gzip
import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.sky.cutout import Cutout
from radiff.sky.header import HeaderInfo, parse_header, pixel_scale, plane_axes, plane_index, quiet_astropy

PathLike = str | os.PathLike[str]
ImageHDU: TypeAlias = fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, IndexError, fits.VerifyError)


def read_cutout(path: PathLike, hdu: int | str | None = None, plane: int | None = None, check: bool = True) -> Cutout:
    """Read one image from a FITS file (plain, gzipped or tile-compressed).

    Degenerate axes are squeezed; mJy/beam and uJy/beam become Jy/beam; infinite pixels become NaN. A missing unit, WCS
    or beam is a `HeaderWarning` (Jy/beam, pixels only, no beam).

    Parameters
    ----------
    path : path-like
    hdu : int or str, optional
        Default: the first HDU that holds an image.
    plane : int, optional
        Which plane of a cube (0-based, counted over all axes but the last two); needed where there is more than one.
    check : bool
        Refuse images without a single usable pixel and constant ones.

    Raises
    ------
    InputError
        Missing, not FITS, truncated, no image, a cube without `plane`, a unit other than flux density per beam.
    """
    with open_image(path, hdu) as (image_hdu, index):
        shape = check_shape(tuple(image_hdu.shape), plane, path)
        info = parse_header(image_hdu.header, shape, path)
        with quiet_astropy():
            section = image_hdu.section[plane_index(shape, plane or 0, slice(None), slice(None))]
            y_axis, x_axis = plane_axes(shape)
            image = to_float32(np.reshape(section, (shape[y_axis], shape[x_axis])), info.factor)
    if check:
        check_image(image, path)
    return Cutout(
        image,
        info.wcs,
        info.beam,
        rms=info.rms,
        background=info.background,
        header=info.cards,
        provenance=source_provenance(info, path, index, plane),
    )


def write_cutout(path: PathLike, cutout: Cutout, overwrite: bool = True) -> Path:
    """Write `cutout` as a float32 primary HDU with `Cutout.to_header`, atomically; returns the path.

    Raises
    ------
    InputError
        Where the file exists and `overwrite` is False, or the folder cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError("exists already; choose another name or allow overwriting", path)
    with quiet_astropy():
        hdu = fits.PrimaryHDU(cutout.image, cutout.to_header())
        with atomic_path(path) as temporary:
            hdu.writeto(temporary, overwrite=True)
    return path


def read_header_info(path: PathLike, hdu: int | str | None = None) -> dict[str, Any]:
    """What `radiff info` prints of a FITS image, pixels unread: path, hdu, shape (ny, nx), unit, pixel_scale and beam
    (arcsec, deg), projection, centre (ra, dec in deg), telescope, survey, object, rms (Jy/beam), provenance, warnings.
    """
    with warnings.catch_warnings(record=True) as caught, open_image(path, hdu) as (image_hdu, index):
        warnings.simplefilter("always")
        shape = tuple(image_hdu.shape)
        info = parse_header(image_hdu.header, shape)
        unit = str(image_hdu.header.get("BUNIT", "")).strip() or None
    y_axis, x_axis = plane_axes(shape)
    ny, nx = shape[y_axis], shape[x_axis]
    result: dict[str, Any] = {
        "path": str(path),
        "hdu": index,
        "shape": (ny, nx),
        "planes": int(np.prod(shape)) // (ny * nx),
        "unit": unit,
        "pixel_scale": pixel_scale(info.wcs, info.cards),
        "beam": None if info.beam is None else (info.beam.maj, info.beam.min, info.beam.pa),
        "projection": None,
        "center": None,
    }
    if info.wcs is not None:
        result["projection"] = str(info.wcs.wcs.ctype[0])[-3:]
        sky = info.wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2).icrs
        result["center"] = (float(sky.ra.deg), float(sky.dec.deg)) if np.isfinite(sky.ra.deg) else None
    for name, key in (("telescope", "TELESCOP"), ("survey", "SURVEY"), ("object", "OBJECT"), ("frequency", "FREQ")):
        result[name] = info.cards.get(key)
    return result | {
        "rms": info.rms,
        "provenance": info.provenance,
        "warnings": [str(warning.message) for warning in caught],
    }


@contextmanager
def open_image(path: PathLike, hdu: int | str | None = None) -> Iterator[tuple[ImageHDU, int]]:
    """Open `path` and give its image HDU and that HDU's number; every failure inside is an `InputError`."""
    path = Path(path)
    if not path.exists():
        raise InputError("no such file", path)
    if path.is_dir():
        raise InputError("is a folder; name a FITS file in it", path)
    try:
        with ExitStack() as stack:
            with quiet_astropy():
                hdus = stack.enter_context(fits.open(path, memmap=True))
                index = _image_index(hdus, hdu, path)
                if _scaled(hdus[index]):  # astropy refuses to map these
                    hdus = stack.enter_context(fits.open(path, memmap=False))
                _check_length(hdus[index], path)
            yield hdus[index], index
    except InputError:
        raise
    except _UNREADABLE as error:
        if isinstance(error, PermissionError):
            raise InputError("may not be read (no permission)", path) from error
        raise InputError(f"{_why(error, path)}; check or fetch the file again", path) from error


def check_shape(shape: tuple[int, ...], plane: int | None, path: object) -> tuple[int, ...]:
    """Refuse cubes of more than one plane, unless `plane` is one of them; returns `shape`."""
    y_axis, x_axis = plane_axes(shape)
    planes = int(np.prod(shape)) // max(shape[y_axis] * shape[x_axis], 1)
    if plane is None and planes > 1:
        raise InputError(
            f"is a cube of shape {shape} with {planes} planes; choose one with plane=0 to {planes - 1}"
            " or save it as a file of its own",
            path,
        )
    if plane is not None and not 0 <= plane < planes:
        raise InputError(f"has no plane {plane}; its shape is {shape}, planes 0 to {planes - 1}", path)
    return shape


def to_float32(values: npt.NDArray[Any], factor: float) -> npt.NDArray[np.float32]:
    """A native float32 copy of `values` times `factor`; infinite values become NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = values * factor if factor != 1.0 else values
        result = np.array(scaled, dtype=np.float32)
    result[np.isinf(result)] = np.nan
    return result


def check_image(image: npt.NDArray[np.float32], path: object = None) -> None:
    """Refuse an image that holds nothing to work on: no pixel, only NaN, or one value everywhere."""
    if image.size == 0:
        raise InputError(f"holds no pixel (shape {image.shape})", path)
    good = image[np.isfinite(image)]
    if good.size == 0:
        raise InputError("every pixel is NaN; the image is blank, leave it out", path)
    if good.min() == good.max():
        raise InputError(f"every pixel is {good[0]:g}; the image is constant, leave it out", path)


def source_provenance(info: HeaderInfo, path: PathLike, hdu: int, plane: int | None) -> dict[str, Any]:
    """Provenance of pixels read from `path`: what the file itself tells, else the file's name, HDU and plane."""
    if info.provenance:
        return info.provenance
    source: dict[str, Any] = {"source": Path(path).name, "hdu": hdu}
    return source | ({} if plane is None else {"plane": plane})


def _image_index(hdus: fits.HDUList, hdu: int | str | None, path: Path) -> int:
    if hdu is not None:
        try:
            index = hdus.index_of(hdu)
            chosen = hdus[index]
        except (KeyError, IndexError) as error:
            names = ", ".join(f"{number} {each.name}".strip() for number, each in enumerate(hdus))
            raise InputError(f"has no HDU {hdu!r}; it has {names}", path) from error
        if not _is_image(chosen):
            raise InputError(f"HDU {hdu!r} holds no image of two axes; leave hdu out to take the first image", path)
        return int(index)
    for index, each in enumerate(hdus):
        if _is_image(each):
            return index
    raise InputError("holds no image of two axes; if it should, it is truncated: fetch it again", path)


def _is_image(hdu: Any) -> bool:
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return False
    return len(hdu.shape) >= 2 and 0 not in hdu.shape


def _scaled(hdu: Any) -> bool:
    header = hdu.header
    return (header.get("BSCALE", 1), header.get("BZERO", 0)) != (1, 0) or "BLANK" in header


def is_compressed(hdu: Any) -> bool:
    """Whether the HDU's file is compressed as a whole, whatever its name says."""
    info = hdu.fileinfo()
    return info is not None and info["file"].compression is not None


def _check_length(hdu: Any, path: Path) -> None:
    """A plain file must be as long as its header says (a gzipped one fails on reading)."""
    info = hdu.fileinfo()
    if info is None or is_compressed(hdu):
        return
    needed, there = info["datLoc"] + hdu.size, path.stat().st_size
    if isinstance(hdu, fits.CompImageHDU):
        needed = info["datLoc"] + hdu._bintable.size if hasattr(hdu, "_bintable") and hdu._bintable else 0
    if there < needed:
        raise InputError(f"is truncated: {there} bytes of {needed}; fetch the file again", path)


def _why(error: BaseException, path: Path) -> str:
    """Say in a few words what a failure of astropy means."""
    if path.stat().st_size == 0:
        return "is an empty file"
    if not _starts_as_fits(path):
        return "is not a FITS file"
    text = str(error).lower()
    cut = ("end card", "truncated", "mmap length", "buffer", "end-of-stream", "empty or corrupt", "compressed file")
    if isinstance(error, EOFError | zlib.error) or any(words in text for words in cut):
        return "is truncated"
    reason = " ".join(str(error).split())[:120]
    return f"cannot be read as FITS ({type(error).__name__}: {reason})"


def _starts_as_fits(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(6)
    if start[:2] != b"\x1f\x8b":
        return start in (b"SIMPLE", b"XTENSI") or start[:3] in (b"BZh", b"\xfd7z")
    try:
        with gzip.open(path) as file:
            return file.read(6) == b"SIMPLE"
    except _UNREADABLE:
        return True
