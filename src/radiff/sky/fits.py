"""FITS files to cutouts and back. Knows no masks and no noise; large maps are for `windows`."""

import gzip
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from radiff.doors.text import check_file
from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.sky.address import PathLike, parse_address
from radiff.sky.beam import Beam, HeaderWarning
from radiff.sky.beam_tables import plane_beam
from radiff.sky.cards import tidy
from radiff.sky.cutout import Cutout
from radiff.sky.header import HeaderInfo, parse_header, pixel_scale, plane_axes, plane_index, plane_place, quiet_astropy
from radiff.sky.noise import blank_zeros, has_noise

ImageHDU: TypeAlias = fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU
UNREADABLE = (
    OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, IndexError, fits.VerifyError, ArithmeticError,
    RuntimeError, AttributeError, AssertionError, MemoryError, struct.error,
)  # fmt: skip
"""What astropy, zlib and the decompressors of tiles raise of a damaged file."""
MOST_UNPACKED = 2**29
"""Bytes that a compressed file may always unpack to; above, at most `MOST_RATIO` times its own size."""
MOST_RATIO = 100


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
    with open_image(path, hdu, plane) as opened:
        info = parse_opened(opened)
        y_axis, x_axis = opened.axes
        with quiet_astropy():
            section = opened.hdu.section[opened.index(slice(None), slice(None))]
            image = to_float32(np.reshape(section, (opened.shape[y_axis], opened.shape[x_axis])), info.factor)
    if check:
        check_image(image, opened)
    if (image == 0).any() and has_noise(image):
        image[blank_zeros(image)] = np.nan
    return Cutout(
        image,
        info.wcs,
        info.beam,
        rms=info.rms,
        background=info.background,
        header=info.cards,
        provenance=source_provenance(info, opened),
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


def read_header_info(path: PathLike, hdu: int | str | None = None, plane: int | None = None) -> dict[str, Any]:
    """What `radiff info` prints of a FITS image, pixels unread: path, hdu, shape (ny, nx), unit, pixel_scale and beam
    (arcsec, deg), projection, centre (ra, dec in deg), telescope, survey, object, rms (Jy/beam), provenance, warnings.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_image(path, hdu, plane) as opened:
            info = parse_opened(opened, named=False)
    ny, nx = (opened.shape[axis] for axis in opened.axes)
    result: dict[str, Any] = {
        "path": str(path),
        "hdu": opened.number,
        "shape": (ny, nx),
        "planes": opened.planes,
        "plane": opened.plane,
        "unit": str(opened.header.get("BUNIT", "")).strip() or None,
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
        "warnings": [str(warning.message) for warning in caught if issubclass(warning.category, HeaderWarning)],
    }


@dataclass(frozen=True, eq=False)
class OpenImage:
    """An image of an open FITS file.

    Attributes
    ----------
    path : Path
        As it was asked for, with the part of the file.
    file : Path
    hdu : ImageHDU
    number : int
        Of the HDU.
    header : fits.Header
        Its cards, tidy; with those of the primary header where it inherits.
    shape : tuple of int
        Of all axes.
    axes : (int, int)
        Which of them are the image's, y and x.
    plane : int, optional
        Which of the planes over the other axes was asked for.
    beam : Beam, optional
        Of that plane, where the file has a table of beams.
    hdus : HDUList
        All of the file.
    """

    path: Path
    file: Path
    hdu: ImageHDU
    number: int
    header: fits.Header
    shape: tuple[int, ...]
    axes: tuple[int, int]
    plane: int | None
    beam: Beam | None
    hdus: fits.HDUList

    def __str__(self) -> str:
        return str(self.path)

    @property
    def planes(self) -> int:
        """How many planes there are."""
        y_axis, x_axis = self.axes
        return math.prod(self.shape) // max(self.shape[y_axis] * self.shape[x_axis], 1)

    def index(self, ys: slice, xs: slice) -> tuple[int | slice, ...]:
        """Index of a window of the plane on the array of all axes.

        Raises
        ------
        InputError
            Where there are several planes and none was chosen, or there is no such plane.
        """
        if self.plane is None and self.planes > 1:
            raise InputError(
                f"is a cube of shape {self.shape} with {self.planes} planes; choose one with plane=0 to"
                f" {self.planes - 1} (in commands --plane 0, or {self.file.name}[][0]) or save it as a file of its own",
                self.path,
            )
        return plane_index(self.shape, self.axes, self.plane or 0, ys, xs)

    @property
    def images(self) -> str:
        """How to choose another image of the file, for messages; empty where there is but one."""
        return _images(self.hdus)


@contextmanager
def open_image(path: PathLike, hdu: int | str | None = None, plane: int | None = None) -> Iterator[OpenImage]:
    """Open `path`, or the part of a file that it names (``map.fits[SCI]``); every failure inside is an `InputError`."""
    path = Path(path)
    address = parse_address(path)
    file = address.file
    size = check_file(file)
    try:
        with ExitStack() as stack:
            with quiet_astropy():
                hdus = stack.enter_context(fits.open(file, memmap=True))
                if hdu is None and address.one is not None:  # in a file of one HDU the number is the plane
                    single = len(hdus) == 1
                    hdu, plane = (None, address.one if plane is None else plane) if single else (address.one, plane)
                index = _image_index(hdus, address.hdu if hdu is None else hdu, path)
                if _scaled(hdus[index]):  # astropy refuses to map these
                    hdus = stack.enter_context(fits.open(file, memmap=False))
                _check_length(hdus[index], file, size)
                header = tidy(hdus[index].header, hdus[0].header if index else None, path)
            yield _opened(path, file, hdus, index, header, address.plane if plane is None else plane)
    except InputError:
        raise
    except UNREADABLE as error:
        if isinstance(error, PermissionError):
            raise InputError("may not be read (no permission)", path) from error
        raise InputError(f"{_why(error, file)}; check or fetch the file again", path) from error


def _opened(
    path: Path, file: Path, hdus: fits.HDUList, index: int, header: fits.Header, plane: int | None
) -> OpenImage:
    shape = tuple(int(length) for length in hdus[index].shape)
    axes = plane_axes(shape, header)
    opened = OpenImage(path, file, hdus[index], index, header, shape, axes, plane, None, hdus)
    if plane is not None and not 0 <= plane < opened.planes:
        raise InputError(f"has no plane {plane}; its shape is {shape}, planes 0 to {opened.planes - 1}", path)
    if "BMAJ" in header:
        return opened
    place = {len(shape) - axis: number for axis, number in plane_place(shape, axes, plane or 0).items()}
    return replace(opened, beam=plane_beam(hdus, header, place))


def parse_opened(opened: OpenImage, named: bool = True) -> HeaderInfo:
    """`parse_header` of an open image; its file is named in warnings."""
    return parse_header(opened.header, opened.shape, opened.path if named else None, opened.beam)


def is_compressed(hdu: Any) -> bool:
    """Whether the HDU's file is compressed as a whole, whatever its name says."""
    info = hdu.fileinfo()
    return info is not None and info["file"].compression is not None


def to_float32(values: npt.NDArray[Any], factor: float) -> npt.NDArray[np.float32]:
    """A native float32 copy of `values` times `factor`; infinite values become NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = values * factor if factor != 1.0 else values
        result = np.array(scaled, dtype=np.float32)
    infinite = np.isinf(result)
    if infinite.any():
        result[infinite] = np.nan
    return result


def check_image(image: npt.NDArray[np.float32], path: object = None) -> None:
    """Refuse an image that holds nothing to work on: no pixel, only NaN, or one value everywhere."""
    others = f"; {path.images}" if isinstance(path, OpenImage) and path.images else ""
    if image.size == 0:
        raise InputError(f"holds no pixel (shape {image.shape})", path)
    finite = np.isfinite(image)
    good = image if finite.all() else image[finite]
    if good.size == 0:
        raise InputError(f"every pixel is NaN; the image is blank, leave it out{others}", path)
    if good.min() == good.max():
        raise InputError(f"every pixel is {good.flat[0]:g}; the image is constant, leave it out{others}", path)


def source_provenance(info: HeaderInfo, opened: OpenImage) -> dict[str, Any]:
    """Provenance of the pixels of an image: what the file itself tells, else the file's name, HDU and plane."""
    if info.provenance:
        return info.provenance
    source: dict[str, Any] = {"source": opened.file.name, "hdu": opened.number}
    return source | ({} if opened.plane is None else {"plane": opened.plane})


def _image_index(hdus: fits.HDUList, hdu: int | str | tuple[str, int] | None, path: Path) -> int:
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
    first = next((index for index, each in enumerate(hdus) if _is_image(each)), None)
    if first is None:
        raise InputError("holds no image of two axes; if it should, it is truncated: fetch it again", path)
    if hdus[first].header.get("BITPIX") == 8 and any(
        _is_image(each) and each.header.get("BITPIX", 8) < 0 for each in hdus[first + 1 :]
    ):
        raise InputError(f"its first image holds 8-bit numbers, as masks do; {_images(hdus)}", path)
    return first


def _images(hdus: fits.HDUList) -> str:
    """How to choose another image of the file, where it has several that were looked at."""
    known = [(number, each) for number, each in enumerate(hdus) if _is_image(each)]
    if len(known) < 2:
        return ""
    names = ", ".join(f"{number} {each.name}".strip() for number, each in known)
    return f"it has the images {names}: choose one with --hdu, or FILE[{known[-1][1].name or known[-1][0]}]"


def _is_image(hdu: Any) -> bool:
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return False
    return len(hdu.shape) >= 2 and 0 not in hdu.shape


def _scaled(hdu: Any) -> bool:
    header = hdu.header
    return (header.get("BSCALE", 1), header.get("BZERO", 0)) != (1, 0) or "BLANK" in header


def _check_length(hdu: Any, path: Path, there: int) -> None:
    """A plain file must be as long as its header says; a compressed one may not declare more than it can hold."""
    declared = math.prod(hdu.shape) * abs(int(hdu.header.get("BITPIX", 8))) // 8
    packed = is_compressed(hdu) or isinstance(hdu, fits.CompImageHDU)
    if packed and declared > max(MOST_UNPACKED, MOST_RATIO * there):
        sizes = f"{declared / 1e9:.1f} GB in a file of {there / 1e6:.1f} MB"
        raise InputError(f"declares {sizes}; unpack it first if that is right", path)
    info = hdu.fileinfo()
    if info is None or is_compressed(hdu):
        return
    needed = info["datLoc"] + hdu.size
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
    except UNREADABLE:
        return True
