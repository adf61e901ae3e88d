"""Objects to and from DS9 regions. Knows no images and measures nothing."""

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs import WCS
from regions import (
    LinePixelRegion,
    LineSkyRegion,
    PixCoord,
    PixelRegion,
    PointPixelRegion,
    PointSkyRegion,
    PolygonPixelRegion,
    PolygonSkyRegion,
    Regions,
    SkyRegion,
    TextPixelRegion,
    TextSkyRegion,
)

from radiff.doors.text import read_text
from radiff.errors import InputError
from radiff.files import write_text
from radiff.masks.classes import BACKGROUND, CLASSES, COMPACT, EXTENDED, SPURIOUS, class_name, parse_class
from radiff.masks.instances import BoolArray, SourceObject
from radiff.masks.outlines import fill, signed_area, trace
from radiff.sky.header import quiet_astropy

_HOLE = "hole"
_PHYSICAL = re.compile(r"(^|;)[ \t]*physical(?=[ \t]*(?:;|$))", re.IGNORECASE | re.MULTILINE)
_NO_ANGLE = re.compile(r"\b(box|ellipse)\(([^(),]+(?:,[^(),]+){3})\)", re.IGNORECASE)
_NO_AREA = (PointPixelRegion, PointSkyRegion, LinePixelRegion, LineSkyRegion, TextPixelRegion, TextSkyRegion)
_COLORS = {one.name: one.color for one in CLASSES}
_CLASS_BY_COLOR = {one.color: one.value for one in CLASSES[1:]}
_CLASS_BY_COLOR |= {"red": SPURIOUS, "green": COMPACT, "lime": COMPACT, "blue": EXTENDED}


def write_ds9(path: str | os.PathLike[str], objects: Sequence[SourceObject], wcs: WCS | None = None) -> Path:
    """Write objects as DS9 polygons along their pixels' edges.

    Parameters
    ----------
    path : path
    objects : sequence of SourceObject
        One polygon an island, its text the object's name, its tag the class; holes carry the further tag ``hole``.
    wcs : WCS, optional
        Writes FK5 coordinates (deg); image coordinates without.
    """

    found = []
    for one in objects:
        for corners in trace(one.stamp):
            tags = [class_name(one.class_value)] + ([_HOLE] if signed_area(corners) < 0 else [])
            look = {"color": _COLORS[tags[0]]}
            found.append(
                PolygonPixelRegion(
                    PixCoord(corners[:, 0] + one.x0, corners[:, 1] + one.y0), {"text": one.name, "tag": tags}, look
                )
            )
    regions = found if wcs is None or not found else _to_fk5(found, wcs)
    text = Regions(regions).serialize(format="ds9", precision=9) if found else "# Region file format: DS9\n"
    write_text(path, text.replace("\nj2000\n", "\nfk5\n"))
    return Path(path)


def _to_fk5(regions: Sequence[Any], wcs: WCS) -> list[Any]:
    """Polygons on the sky; all corners are converted at once, as each call takes long."""
    ends = np.cumsum([0, *(len(region.vertices) for region in regions)])
    x, y = (np.concatenate([getattr(region.vertices, axis) for region in regions]) for axis in ("x", "y"))
    with quiet_astropy():
        corners = wcs.pixel_to_world(x, y).fk5
    return [
        PolygonSkyRegion(corners[start:end], region.meta, region.visual)
        for region, start, end in zip(regions, ends, ends[1:], strict=False)
    ]


def read_ds9(path: str | os.PathLike[str], shape: tuple[int, int], wcs: WCS | None = None) -> list[SourceObject]:
    """Read DS9 regions of any closed shape as objects.

    Parameters
    ----------
    path : path
    shape : (int, int)
        (ny, nx) of the image.
    wcs : WCS, optional
        Needed for sky coordinates.

    Returns
    -------
    list of SourceObject
        Regions of one name (their text) are one object. The class is the first tag that names one, else the colour.
        A pixel counts where its centre is inside. Excluded shapes (``-circle``) are taken off the object of their name,
        off all where it is no object's. Regions off the image are left out; so are, with a warning, points, lines and
        shapes or frames that cannot be drawn. ``physical``, DS9's own default, is read as ``image``.

    Raises
    ------
    InputError
        For files that are no regions, sky coordinates without WCS, a region without class.
    """
    pixels: dict[str, BoolArray] = {}
    classes: dict[str, int] = {}
    excluded: list[tuple[str, BoolArray]] = []
    left_out: list[str] = []
    for number, region in enumerate(_parse_ds9(path, left_out), start=1):
        name = str(region.meta.get("text") or f"R{number}")
        if isinstance(region, _NO_AREA):
            left_out.append(f"a {re.sub('(Pixel|Sky)Region', '', type(region).__name__).lower()} ({name})")
            continue
        inside = _region_pixels(region, shape, wcs, path)
        tags = _tags(region)
        if not region.meta.get("include", True):
            excluded.append((name, inside))
        elif _HOLE in tags:
            pixels[name] = pixels.get(name, np.zeros(shape, dtype=bool)) & ~inside
        else:
            classes.setdefault(name, _region_class(region, tags, number, path))
            pixels[name] = pixels[name] | inside if name in pixels else inside
    for name, inside in excluded:
        for taken in [name] if name in classes else classes:
            pixels[taken] = pixels[taken] & ~inside
    if left_out:
        told = "; ".join(left_out[:3]) + (f" and {len(left_out) - 3} more" if len(left_out) > 3 else "")
        warnings.warn(f"{path}: left out, as no mask can be drawn of it: {told}", stacklevel=2)
    return [SourceObject.from_pixels(name, classes[name], pixels[name]) for name in classes if pixels[name].any()]


def _parse_ds9(path: str | os.PathLike[str], left_out: list[str]) -> Regions:
    """The regions of a file; those that the reader of regions passes over are named in `left_out`."""
    try:
        text = _NO_ANGLE.sub(r"\1(\2,0)", _PHYSICAL.sub(r"\1image", read_text(path)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = Regions.parse("image\n" + text, format="ds9")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"cannot be read as DS9 regions ({error})", path) from error
    said = (" ".join(str(warning.message).split()) for warning in caught)
    left_out += [one for one in said if not one.startswith(("DS9 ", "Found duplicate"))]  # of colours and texts
    return found


def _tags(region: Any) -> list[str]:
    tags = region.meta.get("tag") or []
    return [str(tag).strip("{} ") for tag in ([tags] if isinstance(tags, str) else tags)]


def _region_class(region: Any, tags: Sequence[str], number: int, path: object) -> int:
    for tag in tags:
        try:
            value = parse_class(tag)
        except InputError:
            continue
        if value != BACKGROUND:
            return value
    color = str(region.visual.get("color", region.visual.get("edgecolor", ""))).lower()
    if color in _CLASS_BY_COLOR:
        return _CLASS_BY_COLOR[color]
    names = ", ".join(one.name for one in CLASSES[1:])
    raise InputError(f"region {number} has no class; give it a tag, e.g. tag={{compact}} (classes: {names})", path)


def _region_pixels(region: Any, shape: tuple[int, int], wcs: WCS | None, path: object) -> BoolArray:

    if isinstance(region, SkyRegion):
        if wcs is None:
            raise InputError("holds sky coordinates; give the image's WCS to read it", path)
        with quiet_astropy():
            region = region.to_pixel(wcs)
    if isinstance(region, PolygonPixelRegion):
        return fill([np.column_stack([region.vertices.x, region.vertices.y])], shape)
    if not isinstance(region, PixelRegion):
        raise InputError(f"a region of type {type(region).__name__} cannot be drawn", path)
    image = region.to_mask(mode="center").to_image(shape)
    return np.zeros(shape, dtype=bool) if image is None else np.asarray(image > 0)
