"""One class mask from and to a file, whatever its format: rg JSON, FITS, PNG, npy. Knows no images of the sky."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.masks.classes import CLASSES, check_mask
from radiff.masks.layout import is_fits_name
from radiff.masks.rg import read_annotation

MASK_SUFFIXES = (".json", ".fits", ".fit", ".fits.gz", ".fits.fz", ".png", ".npy")


def read_mask(path: str | os.PathLike[str], shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read a class mask.

    Parameters
    ----------
    path : path
        An rg-dataset annotation (``.json`` with its mask FITS), FITS or ``.npy`` with the values 0 to 3, or a PNG:
        exact class colours, or grey levels 0 to 3 (of 2, 4, 8 or 16 bits).
    shape : (int, int), optional
        (ny, nx) that it must have.

    Returns
    -------
    uint8 (ny, nx)
        Row 0 is the bottom of the picture, as in FITS; the top row of a PNG is the last row.

    Raises
    ------
    InputError
        For other files, other values and another size. Places are (x, y), 0-based, x to the right, y upwards.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        mask = read_annotation(path).mask
    elif is_fits_name(path):
        mask = _read_fits(path)
    elif suffix == ".png":
        mask = read_png(path)
    elif suffix == ".npy":
        mask = _read_npy(path)
    else:
        raise InputError(f"no mask format has this suffix; known are {', '.join(MASK_SUFFIXES)}", path)
    if shape is not None and mask.shape != tuple(shape):
        raise InputError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels, its image {shape[1]} x {shape[0]}", path
        )
    return mask


def write_mask(path: str | os.PathLike[str], mask: NDArray[Any], header: fits.Header | None = None) -> Path:
    """Write a class mask (ny, nx) as FITS (uint8), colour PNG or npy, by the suffix of `path`.

    Parameters
    ----------
    path : path
    mask : (ny, nx), values 0 to 3
    header : fits.Header, optional
        Cards for a FITS file, e.g. the WCS.

    Raises
    ------
    InputError
        For another suffix, or values that are no class.
    """
    path = Path(path)
    mask = check_mask(mask)
    suffix = path.suffix.lower()
    if not is_fits_name(path) and suffix not in (".png", ".npy"):
        raise InputError("masks are written as .fits, .png or .npy; choose one of these suffixes", path)
    if suffix == ".png":
        write_png(path, mask)
        return path
    with atomic_path(path) as temporary:
        if suffix == ".npy":
            np.save(temporary, mask)
        else:
            _write_fits(temporary, mask, header)
    return path


def _write_fits(path: Path, mask: NDArray[np.uint8], header: fits.Header | None) -> None:
    if path.suffix.lower() == ".fz":
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(mask, header, compression_type="RICE_1")])
    else:
        hdus = fits.HDUList([fits.PrimaryHDU(mask, header)])
    for one in CLASSES:
        hdus[-1].header[f"CLASS{one.value}"] = (one.name, "mask value's class")
    hdus.writeto(path, output_verify="silentfix")


def _read_fits(path: Path) -> NDArray[np.uint8]:
    try:
        with fits.open(path, memmap=False) as hdus:
            data = next((hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None), None)
    except (OSError, fits.VerifyError, ValueError, TypeError) as error:
        raise InputError("cannot be read as FITS", path) from error
    if data is None:
        raise InputError("holds no image", path)
    if data.ndim > 2 and all(n == 1 for n in data.shape[:-2]):
        data = data.reshape(data.shape[-2:])
    return check_mask(data, path)


def _read_npy(path: Path) -> NDArray[np.uint8]:
    try:
        data = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError("cannot be read as a numpy array", path) from error
    return check_mask(data, path)


# ---------------------------------------------------------------- PNG


def write_png(path: str | os.PathLike[str], mask: NDArray[Any]) -> Path:
    """Write a class mask (ny, nx) as an RGB PNG in the exact class colours; its last row is at the top."""
    colors = np.array([one.rgb for one in CLASSES], dtype=np.uint8)
    picture = colors[check_mask(mask)][::-1]
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(picture)).save(temporary, format="PNG")
    return Path(path)


def read_png(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a PNG in exact class colours, or with grey levels 0 to 3, as a class mask (ny, nx), bottom row first.

    Raises
    ------
    InputError
        For files that are no picture, and for any other colour: the message names it and the pixel (x, y), y upwards.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            depth, colour_type = stream.read(26)[24:] or b"\0\0"
        with Image.open(path) as picture:
            picture.load()
            grey = picture.mode in ("L", "1", "I", "I;16")
            pixels = np.asarray(picture if grey else picture.convert("RGBA"))[::-1]
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise InputError("cannot be read as a picture", path) from error
    if grey:
        # levels of 2 and 4 bits come spread over 0 to 255
        return check_mask(pixels // (255 // (2**depth - 1)) if colour_type == 0 and depth in (2, 4) else pixels, path)
    greys = (
        (pixels[..., :3] == pixels[..., :1]).all(axis=-1) & (pixels[..., 0] < len(CLASSES)) & (pixels[..., 3] == 255)
    )
    if greys.all():  # a grey picture saved with three channels
        return check_mask(pixels[..., 0], path)
    mask = np.full(pixels.shape[:2], 255, dtype=np.uint8)
    opaque = pixels[..., 3] == 255
    for one in CLASSES:
        mask[opaque & (pixels[..., :3] == np.array(one.rgb, dtype=np.uint8)).all(axis=-1)] = one.value
    mask[pixels[..., 3] == 0] = 0
    wrong = mask == 255
    if wrong.any():
        y, x = (int(i) for i in np.unravel_index(int(np.argmax(wrong)), mask.shape))
        r, g, b, alpha = (int(v) for v in pixels[y, x])
        said = f"#{r:02x}{g:02x}{b:02x}" + ("" if alpha == 255 else f" (alpha {alpha})")
        known = ", ".join(f"{one.color} {one.name}" for one in CLASSES)
        raise InputError(f"colour {said} at ({x}, {y}) is no class; colours are {known}, with hard edges", path)
    return mask
