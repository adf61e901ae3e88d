"""Objects to and from COCO and YOLO. Knows no images and measures nothing.

COCO and YOLO count rows as the array does: y = 0 is the first row, the bottom of a FITS image. For pictures whose first
row is the top (PNG), give `flip=True`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.doors.text import read_text
from radiff.errors import InputError
from radiff.files import write_text
from radiff.masks.classes import CLASSES, EXTENDED, SPURIOUS, parse_class
from radiff.masks.instances import BoolArray, SourceObject
from radiff.masks.outlines import fill

# ---------------------------------------------------------------- COCO


def flipped(one: SourceObject, shape: tuple[int, int]) -> SourceObject:
    """The object on the image turned upside down."""
    return replace(one, stamp=one.stamp[::-1], y0=shape[0] - one.bbox[1])


def encode_rle(pixels: BoolArray) -> dict[str, Any]:
    """COCO's uncompressed run lengths of a mask (h, w): column by column, starting with a run of zeros."""
    flat = np.concatenate([[False], np.asarray(pixels, dtype=bool).ravel(order="F")])
    edges = np.flatnonzero(np.diff(flat.astype(np.int8)) != 0)
    counts = np.diff(np.concatenate([[0], edges, [flat.size - 1]]))
    return {"counts": counts.tolist(), "size": list(pixels.shape)}


def object_rle(one: SourceObject, shape: tuple[int, int]) -> dict[str, Any]:
    """`encode_rle` of an object on an image of `shape` (ny, nx), at the cost of its own stamp alone."""
    # runs start and end down the columns
    steps = np.diff(np.pad(one.stamp, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    columns, rows = np.nonzero(steps)
    edges = (columns + one.x0) * shape[0] + rows + one.y0
    inner = np.flatnonzero(edges[1:] == edges[:-1])  # a run that goes on at the top of the next column
    edges = np.delete(edges, np.concatenate([inner, inner + 1]))
    return {"counts": np.diff(np.concatenate([[0], edges, [shape[0] * shape[1]]])).tolist(), "size": list(shape)}


def decode_rle(rle: Mapping[str, Any]) -> BoolArray:
    """Mask (h, w) of COCO run lengths, as a list or compressed to a string."""
    height, width = (int(n) for n in rle["size"])
    counts = rle["counts"]
    counts = _inflate(counts) if isinstance(counts, str | bytes) else counts
    values = np.arange(len(counts)) % 2 == 1
    flat = np.repeat(values, np.asarray(counts, dtype=np.int64))
    if flat.size != height * width:
        raise InputError(f"run lengths of {flat.size} pixels for a mask of {height} x {width}")
    return flat.reshape((width, height)).T


def _inflate(text: str | bytes) -> list[int]:
    """Run lengths of COCO's compressed string: 5 bits a character, from the third run on as differences."""
    data = text.encode("ascii") if isinstance(text, str) else text
    counts: list[int] = []
    place = 0
    while place < len(data):
        value = shift = 0
        while True:
            byte = data[place] - 48
            value |= (byte & 0x1F) << shift
            shift += 5
            place += 1
            if not byte & 0x20:
                break
        if byte & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def to_coco(
    images: Iterable[tuple[str | os.PathLike[str], tuple[int, int], Sequence[SourceObject]]], flip: bool = False
) -> dict[str, Any]:
    """The COCO document of images and their objects.

    Parameters
    ----------
    images : iterable of (file name, (ny, nx), objects)
    flip : bool
        Count rows from the top, for pictures.

    Returns
    -------
    dict
        ``images``, ``annotations`` (RLE, `bbox` = [x, y, w, h] in pixels from the corner of the image, `area` in
        pixels, `name`) and ``categories`` (id = class value).
    """
    document: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": one.value, "name": one.name, "supercategory": "object"} for one in CLASSES[1:]],
    }
    for image_id, (file, shape, objects) in enumerate(images, start=1):
        name = Path(file).as_posix()
        document["images"].append({"id": image_id, "file_name": name, "height": shape[0], "width": shape[1]})
        for one in objects:
            drawn = flipped(one, shape) if flip else one
            y0, y1, x0, x1 = drawn.bbox
            document["annotations"].append(
                {
                    "id": len(document["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": one.class_value,
                    "name": one.name,
                    "segmentation": object_rle(drawn, shape),
                    "area": one.npix,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": 0,
                }
            )
    return document


def from_coco(document: Mapping[str, Any], flip: bool = False) -> list[tuple[str, tuple[int, int], list[SourceObject]]]:
    """Images (file name, (ny, nx), objects) of a COCO document with polygons or run lengths.

    Raises
    ------
    InputError
        For a document that is no COCO, or a category that is no class; the message names the annotation's id.
    """
    try:
        names = {one["id"]: one["name"] for one in document["categories"]}
        images = {
            one["id"]: (str(one["file_name"]), (int(one["height"]), int(one["width"])), list[SourceObject]())
            for one in document["images"]
        }
        for entry in document["annotations"]:
            _, shape, objects = images[entry["image_id"]]
            try:
                value = parse_class(names[entry["category_id"]])
                pixels = _segmentation(entry["segmentation"], shape)
            except InputError as error:
                raise InputError(f"annotation {entry.get('id')}: {error.message}") from error
            if value and pixels.any():
                one = SourceObject.from_pixels(str(entry.get("name", f"S{len(objects) + 1}")), value, pixels)
                objects.append(flipped(one, shape) if flip else one)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no COCO document ({type(error).__name__}: {error})") from error
    return list(images.values())


def _segmentation(segmentation: Any, shape: tuple[int, int]) -> BoolArray:
    if isinstance(segmentation, Mapping):
        return decode_rle(segmentation)
    polygons = [np.asarray(one, dtype=float).reshape(-1, 2) - 0.5 for one in segmentation]  # corners, not centres
    pixels = np.zeros(shape, dtype=bool)
    for polygon in polygons:
        pixels |= fill([polygon], shape)
    return pixels


# ---------------------------------------------------------------- YOLO

YOLO_CLASSES = ("spurious", "compact", "extended", "extended-multisland", "flagged")


def yolo_lines(
    objects: Sequence[SourceObject], shape: tuple[int, int], multi_island: bool = False, flip: bool = False
) -> list[str]:
    """YOLO label lines ``class x y w h``: the box's centre and size as fractions of the image.

    The classes are 0 spurious, 1 compact, 2 extended; with `multi_island` also 3 for extended objects whose
    `nislands` is above 1, and 4 for those whose `sidelobe-mixed` is set.
    """
    lines = []
    for one in objects:
        y0, y1, x0, x1 = (flipped(one, shape) if flip else one).bbox
        label = one.class_value - 1
        if multi_island and one.class_value == EXTENDED and one.info.get("nislands", 1) > 1:
            label = 3
        if multi_island and one.info.get("sidelobe-mixed"):
            label = 4
        box = ((x0 + x1) / 2 / shape[1], (y0 + y1) / 2 / shape[0], (x1 - x0) / shape[1], (y1 - y0) / shape[0])
        lines.append(f"{label} " + " ".join(f"{number:.8f}" for number in box))
    return lines


def write_yolo(
    path: str | os.PathLike[str],
    objects: Sequence[SourceObject],
    shape: tuple[int, int],
    multi_island: bool = False,
    flip: bool = False,
) -> Path:
    """Write `yolo_lines` to a text file."""
    write_text(path, "".join(line + "\n" for line in yolo_lines(objects, shape, multi_island, flip)))
    return Path(path)


def read_yolo(path: str | os.PathLike[str], shape: tuple[int, int], flip: bool = False) -> list[SourceObject]:
    """Read YOLO labels as objects: full boxes, or polygons where lines hold more than four numbers.

    Label 3 is extended; label 4 (flagged) is spurious, with `sidelobe-mixed` 1 in the info.

    Raises
    ------
    InputError
        For a line that is no label; the message names its number.
    """
    objects: list[SourceObject] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            first, *rest = line.split()
            label, values = int(first), np.array(rest, dtype=float)
        except ValueError as error:
            raise InputError(f"line {number} is no label: {line.strip()!r}", path) from error
        values = values[:4] if values.size == 5 else values  # predictions: the fifth is the confidence
        if not 0 <= label < len(YOLO_CLASSES) or values.size < 4 or values.size % 2:
            raise InputError(f"line {number} is no label (class 0 to 4, then x y w h): {line.strip()!r}", path)
        pixels = fill([_yolo_corners(values) * (shape[1], shape[0]) - 0.5], shape)
        if pixels.any():
            value = SPURIOUS if label == 4 else min(label + 1, EXTENDED)
            info = {"sidelobe-mixed": 1} if label == 4 else None
            one = SourceObject.from_pixels(f"S{len(objects) + 1}", value, pixels, info)
            objects.append(flipped(one, shape) if flip else one)
    return objects


def _yolo_corners(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.size > 4:
        return values.reshape(-1, 2)
    x, y, w, h = values
    return np.array([[x - w / 2, y - h / 2], [x + w / 2, y - h / 2], [x + w / 2, y + h / 2], [x - w / 2, y + h / 2]])
