"""Images and their masks to contact sheets for review by eye. Judges nothing."""

import math
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.masks.classes import CLASSES
from radiff.masks.instances import SourceObject, mask_to_objects, objects_to_mask
from radiff.masks.io import read_mask
from radiff.masks.layout import image_stem
from radiff.masks.rg import read_annotation
from radiff.sky import HeaderWarning, MapReader, quicklook, read_cutout
from radiff.sky.windows import LARGE_MAP

Pair = tuple[str | os.PathLike[str], str | os.PathLike[str] | None]

# Outlines keep the classes' colours; pure blue cannot be seen on black, so extended is drawn lighter.
REVIEW_COLORS = {one.value: one.color for one in CLASSES[1:]} | {3: "#4da6ff"}
PART = 512  # pixels; side of what a sheet shows of a large map
LABELS = {one.value: one.name for one in CLASSES[1:]}


class Panel(NamedTuple):
    """One picture of a sheet: image (ny, nx), title, class mask to outline, noise rms in the unit of the image."""

    image: NDArray[Any] | None
    title: str = ""
    mask: NDArray[np.uint8] | None = None
    rms: float | None = None


def page_path(path: str | os.PathLike[str], number: int) -> Path:
    """Name of page `number` (from 1): the first page is `path` itself, then ``name_2.png``, ``name_3.png``, ..."""
    path = Path(path)
    return path if number == 1 else path.with_name(f"{path.stem}_{number}{path.suffix}")


def sheet_title(name: str, mask: NDArray[np.uint8]) -> str:
    """Title of a panel: a short name and the pixels marked, e.g. ``J0920+40  c 12 e 240`` (spurious, compact, ...)."""
    counts = [(one.name[0], int(np.count_nonzero(mask == one.value))) for one in CLASSES[1:]]
    marks = " ".join(f"{letter} {count}" for letter, count in counts if count)
    return f"{name[:28]}  {marks or 'empty'}"


def read_pair(pair: Pair) -> tuple[str, NDArray[np.float32], NDArray[np.uint8]]:
    """Name, image (ny, nx) and class mask (ny, nx) of an image file and its mask file (or None: an empty mask).

    Of a large map: the part with the most objects, its first column and row in the name.
    """
    image_path, mask_path = pair
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)  # said when the mask was drawn
        with MapReader.open(image_path) as reader:
            if math.prod(reader.shape) > LARGE_MAP:
                return _fullest_part(reader, mask_path)
        image = read_cutout(image_path, check=False).image
    shape = (image.shape[0], image.shape[1])
    mask = np.zeros(shape, dtype=np.uint8) if mask_path is None else read_mask(mask_path, shape)
    return image_stem(image_path), image, mask


def _fullest_part(
    reader: MapReader, mask_path: str | os.PathLike[str] | None
) -> tuple[str, NDArray[np.float32], NDArray[np.uint8]]:
    """Name, image and class mask of the part of a large map that holds the most objects (without any: the middle)."""
    objects: list[SourceObject] = []
    if mask_path is not None and Path(mask_path).suffix.lower() == ".json":
        objects = read_annotation(mask_path).objects
    elif mask_path is not None:
        objects = mask_to_objects(read_mask(mask_path, reader.shape))
    cells = Counter(((one.y0 + one.bbox[1]) // 2 // PART, (one.x0 + one.bbox[3]) // 2 // PART) for one in objects)
    row, column = max(cells, key=lambda cell: (cells[cell], cell)) if cells else (n // 2 // PART for n in reader.shape)
    (ny, nx), y0, x0 = reader.shape, row * PART, column * PART
    box = y0, min(y0 + PART, ny), x0, min(x0 + PART, nx)
    parts = [part for one in objects if (part := one.window(*box)) is not None]
    mask = objects_to_mask(parts, (box[1] - y0, box[3] - x0))
    return f"{image_stem(reader.path)[:14]} x{x0} y{y0}", reader.read(*box), mask


def draw_lines(path: str | os.PathLike[str], lines: Sequence[Sequence[Panel]]) -> Path:
    """Draw panels line by line into one PNG, with a legend of the classes; short lines are left open at their end."""
    columns = max(map(len, lines))
    panels = [panel for line in lines for panel in (*line, *[Panel(None)] * (columns - len(line)))]
    images, titles, masks, noise = (list(column) for column in zip(*panels, strict=True))
    return quicklook(path, images, titles, masks, noise, columns, contour_colors=REVIEW_COLORS, labels=LABELS)


def contact_sheet(
    pairs: Iterable[Pair], path: str | os.PathLike[str], ncols: int = 6, rows: int = 5, dpi: int = 80
) -> list[Path]:
    """Draw image files with the outlines of their masks, `ncols` x `rows` a page, as `draw_sheet` does.

    Parameters
    ----------
    pairs : iterable of (image path, mask path or None)
        As of `find_pairs`; a mask in any format of `read_mask`.
    path : path
        PNG of the first page; further pages are numbered.

    Returns
    -------
    list of Path
        The pages.
    """
    return draw_sheet((read_pair(pair) for pair in pairs), path, ncols, rows, dpi=dpi)


def draw_sheet(
    panels: Iterable[tuple[str, NDArray[Any], NDArray[np.uint8]]],
    path: str | os.PathLike[str],
    ncols: int = 6,
    rows: int = 5,
    rms: float | None = None,
    dpi: int = 80,
) -> list[Path]:
    """Draw images with the outlines of their masks, a legend below, `ncols` x `rows` a page.

    Parameters
    ----------
    panels : iterable of (title, image, mask)
        image (ny, nx), any unit; class mask (ny, nx). Taken one page at a time, so it may be a generator.
    path : path
        PNG of the first page; further pages are numbered.
    ncols, rows : int
    rms : float, optional
        Noise for the display, in the unit of the images; measured on each image where not given.
    dpi : int

    Returns
    -------
    list of Path
        The pages.

    Raises
    ------
    InputError
        Where there is nothing to draw.
    """
    pages: list[Path] = []
    iterator = iter(panels)
    while chunk := list(islice(iterator, ncols * rows)):
        page = page_path(path, len(pages) + 1)
        images: Sequence[NDArray[Any]] = [image for _, image, _ in chunk]
        titles = [sheet_title(title, mask) for title, _, mask in chunk]
        masks = [mask for _, _, mask in chunk]
        quicklook(
            page,
            images,
            titles,
            masks,
            rms=rms,
            ncols=ncols,
            contour_colors=REVIEW_COLORS,
            labels=LABELS,
            dpi=dpi,
            panel_inches=2.6,
        )
        pages.append(page)
    if not pages:
        raise InputError("no image to draw", path)
    return pages
