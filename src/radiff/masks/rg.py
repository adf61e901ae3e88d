"""The rg-dataset annotation: a JSON and one mask FITS an object, to and from objects. Draws and measures nothing.

On large maps a mask FITS an object would be too much: there the JSON itself holds each object (`radiff.masks.runs`).

The JSON is written as the rg-dataset's own tools do it (two spaces, sorted keys, no final newline). An annotation that
was read and not changed is written back byte for byte; unknown keys are kept.
"""

import itertools
import json
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.files import atomic_path, make_folder, read_json, write_text
from radiff.masks.classes import EXTENDED, class_name, parse_class
from radiff.masks.instances import BoolArray, SourceObject, objects_to_labels, objects_to_mask
from radiff.masks.runs import STAMP, decode_stamp, encode_stamp
from radiff.sky.fits import open_image


@dataclass
class Annotation:
    """What is marked on one image.

    Attributes
    ----------
    objects : list of SourceObject
    shape : (int, int)
        (ny, nx) of the image.
    meta : dict
        All other keys of the JSON, kept as they are: img, nx, ny, dx, dy (arcsec per pixel), bmaj, bmin (arcsec),
        bkg, rms (Jy/beam), telescope, ...
    source : str, optional
        Text of the JSON that it was read from.
    """

    objects: list[SourceObject]
    shape: tuple[int, int]
    meta: dict[str, Any] = field(default_factory=dict)
    source: str | None = None

    @property
    def mask(self) -> NDArray[np.uint8]:
        """Class mask (ny, nx); the larger class value wins where objects overlap."""
        return objects_to_mask(self.objects, self.shape)

    @property
    def labels(self) -> NDArray[np.int32]:
        """Instance map (ny, nx): n on the pixels of ``objects[n - 1]``."""
        return objects_to_labels(self.objects, self.shape)

    def count(self, class_value: int) -> int:
        """Number of objects of a class."""
        return sum(one.class_value == class_value for one in self.objects)


# ---------------------------------------------------------------- reading


def image_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(ny, nx) of an image in a FITS file, by its header alone."""
    with open_image(path) as opened:
        return opened.shape[opened.axes[0]], opened.shape[opened.axes[1]]


def read_object_pixels(path: str | os.PathLike[str]) -> tuple[BoolArray, int]:
    """Read the mask FITS of one object.

    Returns
    -------
    (bool (ny, nx), int)
        The pixels above 0 (edges may hold fractions; NaN counts as 0) and the largest value, rounded.
    """
    try:
        with fits.open(path, memmap=False) as hdus:
            data = next((hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None), None)
    except (OSError, fits.VerifyError, ValueError, TypeError) as error:
        raise InputError("cannot be read as FITS", path) from error
    if data is None or data.squeeze().ndim != 2:
        raise InputError("holds no two-dimensional mask", path)
    if data.ndim > 2:
        data = data.reshape(data.shape[-2:])
    pixels = np.isfinite(data) & (data > 0)
    return pixels, round(float(data[pixels].max())) if pixels.any() else 0


def _read_object(
    entry: dict[str, Any], number: int, json_path: Path, shape: tuple[int, int] | None
) -> tuple[SourceObject | None, tuple[int, int] | None]:
    """One entry of `objs` and its image's shape; None where the mask is empty."""
    if STAMP in entry and entry.get("mask") in ("", None):
        return _read_stamp(entry, number, json_path, shape), shape
    file = entry.get("mask")
    if not isinstance(file, str):
        raise InputError(f"objs[{number}] names no mask file (key 'mask')", json_path)
    file = file.replace("\\", "/")
    path = json_path.parent / file
    if not path.is_file():
        path = json_path.parent / Path(file).name
    if not path.is_file():
        raise InputError(f"objs[{number}] names the mask file {file!r}, which is missing beside the JSON", json_path)
    pixels, value = read_object_pixels(path)
    if shape is not None and pixels.shape != shape:
        raise InputError(
            f"the mask is {pixels.shape[1]} x {pixels.shape[0]} pixels, its image {shape[1]} x {shape[0]}", path
        )
    try:
        value = parse_class(entry.get("class", min(value, EXTENDED)))
    except InputError as error:
        raise InputError(f"objs[{number}]: {error.message}", json_path) from error
    if not pixels.any() or value == 0:
        warnings.warn(f"{path}: no pixel is marked; this object is left out", stacklevel=3)
        return None, pixels.shape
    return SourceObject.from_pixels(str(entry.get("name", f"S{number + 1}")), value, pixels, entry), pixels.shape


def _read_stamp(
    entry: dict[str, Any], number: int, json_path: Path, shape: tuple[int, int] | None
) -> SourceObject | None:
    """An entry of `objs` that holds its own pixels; None where there are none. Its `info` has all but the stamp."""
    name = str(entry.get("name", f"S{number + 1}"))
    if shape is None:
        raise InputError("says no size (nx, ny), which the stamps of its objects need; give its image", json_path)
    try:
        stamp, y0, x0 = decode_stamp(entry[STAMP], shape)
        value = parse_class(entry.get("class", EXTENDED))
    except InputError as error:
        raise InputError(f"objs[{number}] ({name}): {error.message}", json_path) from error
    if not stamp.any() or value == 0:
        warnings.warn(f"{json_path}: objs[{number}] ({name}) marks no pixel; this object is left out", stacklevel=4)
        return None
    info = {key: said for key, said in entry.items() if key != STAMP}
    trimmed = SourceObject.from_pixels(name, value, stamp, info)
    return replace(trimmed, y0=trimmed.y0 + y0, x0=trimmed.x0 + x0)


def read_annotation(json_path: str | os.PathLike[str], image_path: str | os.PathLike[str] | None = None) -> Annotation:
    """Read an rg-dataset annotation with the mask FITS beside it, or the stamps that it holds itself.

    Parameters
    ----------
    json_path : path
    image_path : path, optional
        Its image: the sizes are compared.

    Returns
    -------
    Annotation
        The class of an object is the one that the JSON names (legacy names and 4 too); its JSON entry is in `info`.

    Raises
    ------
    InputError
        For a file that is no annotation, a missing or unreadable mask file, a class that is none, masks of different
        sizes or of another size than the image, a stamp that does not fit.
    """
    json_path = Path(json_path)
    document = read_json(json_path)
    if not isinstance(document, dict) or not isinstance(document.get("objs"), list):
        raise InputError("is no annotation: there is no list 'objs'", json_path)
    shape = image_shape(image_path) if image_path is not None else None
    said = _said_shape(document, json_path)
    if shape is not None and said is not None and shape != said:
        raise InputError(f"says {said[1]} x {said[0]} pixels, but {image_path} has {shape[1]} x {shape[0]}", json_path)
    shape = shape or said
    objects = []
    for number, entry in enumerate(document["objs"]):
        if not isinstance(entry, dict):
            raise InputError(f"objs[{number}] is no JSON object", json_path)
        one, shape = _read_object(entry, number, json_path, shape)
        if one is not None:
            objects.append(one)
    if shape is None:
        raise InputError("says no size (nx, ny) and names no mask; give its image", json_path)
    meta = {key: value for key, value in document.items() if key != "objs"}
    return Annotation(objects, shape, meta, json_path.read_text(encoding="utf-8-sig"))


def _said_shape(document: dict[str, Any], json_path: Path) -> tuple[int, int] | None:
    nx, ny = document.get("nx"), document.get("ny")
    if nx is None or ny is None:
        return None
    try:
        return int(ny), int(nx)
    except (TypeError, ValueError) as error:
        raise InputError(f"nx and ny are no numbers: {nx!r}, {ny!r}", json_path) from error


# ---------------------------------------------------------------- writing


def plain(value: Any) -> Any:
    """`value` as JSON knows it: numpy scalars and arrays to Python's, not-a-number to null."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _entry(one: SourceObject, file: str) -> dict[str, Any]:
    """JSON entry of an object: its `info` with mask, class and name as they are now, its stamp where it has no file."""
    entry = plain(one.info)
    said = entry.get("class")
    try:
        keeps_name = said is not None and parse_class(said) == one.class_value
    except InputError:
        keeps_name = False
    entry["class"] = said if keeps_name else class_name(one.class_value)
    entry.update(mask=file, name=one.name)
    if not file:
        entry[STAMP] = encode_stamp(one)
    return entry


def _text(document: dict[str, Any], source: str | None) -> str:
    """JSON text; `source` itself where it says the same, its order of keys where it says something else."""
    if source is None:
        return _dumps(document, True)
    old = json.loads(source)
    if old == document:
        return source
    order = {key: number for number, key in enumerate(old)}
    document = dict(sorted(document.items(), key=lambda item: order.get(item[0], len(order))))
    return _dumps(document, list(old) == sorted(old))


def _dumps(document: dict[str, Any], sort_keys: bool) -> str:
    """JSON text with an indent of two; objects with stamps are many and go on one line each."""
    objs = document["objs"]
    if not any(STAMP in entry for entry in objs):
        return json.dumps(document, indent=2, sort_keys=sort_keys)
    text = json.dumps({**document, "objs": []}, indent=2, sort_keys=sort_keys)
    lines = ",\n    ".join(json.dumps(entry, sort_keys=sort_keys) for entry in objs)
    return text.replace('\n  "objs": []', f'\n  "objs": [\n    {lines}\n  ]', 1)


def _mask_files(annotation: Annotation, stem: str, stamps: bool | None) -> list[str]:
    """Names of the objects' mask files: those of the JSON it was read from where they fit this stem, else numbered.

    The name is empty where the JSON is to hold the object: all with `stamps`; with None, in an annotation that came
    with such objects, those that have no file.
    """
    files = [f"{stem}_obj{number}.fits" for number in range(1, len(annotation.objects) + 1)]
    kept = [str(one.info.get("mask", "")) for one in annotation.objects]
    came = annotation.source is not None and any(one.info.get("mask") == "" for one in annotation.objects)
    if stamps or (stamps is None and came):
        files = ["" if stamps or not name else file for name, file in zip(kept, files, strict=True)]
    named = [name for name, file in zip(kept, files, strict=True) if file]
    fit = all(re.fullmatch(re.escape(stem) + r"_\w+\.fits", name) for name in named)
    if fit and len(set(named)) == len(named):
        return [name if file else "" for name, file in zip(kept, files, strict=True)]
    return files


def _write_object(path: Path, one: SourceObject, shape: tuple[int, int], header: fits.Header | None) -> None:
    data = np.zeros(shape, dtype=np.uint8)
    data[one.slices] = one.stamp * np.uint8(one.class_value)
    with atomic_path(path) as temporary:
        fits.PrimaryHDU(data, header).writeto(temporary, output_verify="silentfix")


def _remove_stale(folder: Path, stem: str, files: Sequence[str]) -> None:
    """Remove the numbered mask files of an earlier annotation of this image.

    They are numbered from 1 without gaps, so the first number that has no file ends the search: listing the folder
    at every write would take for ever in one of many cutouts.
    """
    kept = set(files)
    for number in itertools.count(1):
        name = f"{stem}_obj{number}.fits"
        if name in kept:
            continue
        try:
            (folder / name).unlink()
        except FileNotFoundError:
            if number > len(files):
                return


def write_annotation(
    json_path: str | os.PathLike[str],
    annotation: Annotation,
    image_rel: str | os.PathLike[str] | None = None,
    header: fits.Header | None = None,
    stamps: bool | None = None,
) -> list[Path]:
    """Write an annotation: one uint8 FITS an object (0 or its class value), then the JSON.

    Parameters
    ----------
    json_path : path
        ``mask_<image>.json``; the objects go to ``mask_<image>_obj<N>.fits`` beside it. Numbered mask files left there
        by an earlier annotation of this image are removed.
    annotation : Annotation
    image_rel : path, optional
        Where its image is, relative to the JSON's folder, e.g. ``"../imgs/x.fits"``; default: `img` of the meta.
    header : fits.Header, optional
        Cards for the mask files, e.g. the WCS.
    stamps : bool, optional
        True: the JSON itself holds the objects, for maps so large that a mask file each would be too much. False: it
        does not. Default: as in the JSON that the annotation was read from; mask files where there was none.

    Returns
    -------
    list of Path
        The files written, the JSON last.
    """
    json_path = Path(json_path)
    make_folder(json_path.parent)
    files = _mask_files(annotation, json_path.stem, stamps)
    for one, file in zip(annotation.objects, files, strict=True):
        if file:
            _write_object(json_path.parent / file, one, annotation.shape, header)
    document = plain(annotation.meta)
    if image_rel is not None:
        document["img"] = str(image_rel).replace(os.sep, "/")
    document.update(ny=annotation.shape[0], nx=annotation.shape[1])
    document["objs"] = [_entry(one, file) for one, file in zip(annotation.objects, files, strict=True)]
    write_text(json_path, _text(document, annotation.source))
    _remove_stale(json_path.parent, json_path.stem, files)
    return [*(json_path.parent / file for file in files if file), json_path]
