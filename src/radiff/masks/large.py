"""A large map, window by window, to one annotation. Reads windows of the map, never the whole; starts no processes.

Every window has a core, and an overlap around it so that the noise is known and sources are whole. An object belongs
to the window whose core holds its first pixel (lowest row, then column). One that is cut by its window's border is put
together from the pieces of several windows, which share the pixels of their overlap.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.masks.annotate import island_objects
from radiff.masks.classes import SPURIOUS
from radiff.masks.classing import (
    Field,
    assign_components,
    beam_of,
    classes_by_catalog,
    classes_by_shape,
    find_field,
    has_wcs,
    is_clear,
    is_covered,
)
from radiff.masks.instances import SourceObject, objects_to_mask
from radiff.masks.measure import beam_in_pixels, image_meta, object_info, significance, total_of
from radiff.masks.merging import join, linked, merge_near
from radiff.masks.options import AnnotateOptions
from radiff.masks.rg import Annotation
from radiff.sky import Cutout, MapReader, background_rms, sources_inside
from radiff.sky.cutout import shift_wcs
from radiff.sky.noise import sample_rows
from radiff.tiling import Box, BoxIndex, Tile, shared_pixels, split_tiles

CORE, OVERLAP = 2048, 256  # pixels
_NEAR = 8  # pixels; an object that starts so near to the border of a core may start in another one in the next window
_ROWS = 512


@dataclass(frozen=True, eq=False)
class Found:
    """An object in pixels of the map, and how sure it is that no other window has it."""

    one: SourceObject
    rank: int  # 0 nobody else's, 1 near the border of a core, 2 of another core, 3 cut by the window's border


@dataclass(eq=False)
class WindowFinds:
    """What was found in one window.

    Attributes
    ----------
    window : Tile
    usable : int
        Number of pixels that are not blank.
    by_shape, by_catalog : list of Found
        The objects with the classes of either way, spurious ones too; no `by_catalog` without a catalog.
    clear, matched : int
        Sources beyond doubt that start in the core, and those of them with a component.
    rows : int
        Components in the window.
    """

    window: Tile
    usable: int = 0
    by_shape: list[Found] = field(default_factory=list)
    by_catalog: list[Found] = field(default_factory=list)
    clear: int = 0
    matched: int = 0
    rows: int = 0


def plan_map(
    reader: MapReader, options: AnnotateOptions, core: int | None = None, overlap: int | None = None
) -> list[Tile]:
    """Windows of a map, row by row. Their borders lie on multiples of two cells of the noise mesh."""
    step = 2 * options.mesh_box(beam_of(_corner(reader), options)[1])
    overlap = math.ceil((OVERLAP if overlap is None else overlap) / step) * step
    core = max(1, round((CORE if core is None else core) / step)) * step
    return split_tiles(reader.shape, core, overlap, overlap)


def _corner(reader: MapReader) -> Cutout:
    """One pixel of the map, for its header."""
    return reader.cutout(0, 1, 0, 1)


def components_on_map(reader: MapReader, catalog: Table | None, options: AnnotateOptions) -> Table | None:
    """The rows and columns of a catalog that the windows of a map need; None where the map has no WCS."""
    if catalog is None or not has_wcs(_corner(reader)):
        return None
    margin = math.ceil(5 * beam_of(_corner(reader), options)[1])
    shape = reader.shape[0] + 2 * margin, reader.shape[1] + 2 * margin
    inside = sources_inside(catalog, shift_wcs(reader.wcs, -margin, -margin), shape)
    return inside[[name for name in ("ra", "dec", "maj", "p_sidelobe") if name in inside.colnames]]


# ---------------------------------------------------------------- one window


def annotate_window(reader: MapReader, window: Tile, catalog: Table | None, options: AnnotateOptions) -> WindowFinds:
    """Find, class and measure the objects of one window; blank ones give none."""
    y0, y1, x0, x1 = window.box
    cutout = reader.cutout(y0, y1, x0, x1)
    values = cutout.image[np.isfinite(cutout.image)]
    if values.size == 0 or values.min() == values.max():
        return WindowFinds(window)
    finds = WindowFinds(window, values.size)
    del values
    try:
        sky = find_field(cutout, options)
    except InputError:  # nothing to measure the noise on: padding
        return WindowFinds(window)
    if catalog is not None:
        finds.rows = assign_components(sky, cutout, catalog, options)
        in_core = [
            is_clear(one, options) and _starts_in(one.y0, _first(one.stamp, one.x0), window) for one in sky.islands
        ]
        finds.clear = sum(in_core)
        finds.matched = sum(bool(sky.components[number]) for number, ours in enumerate(in_core) if ours)
        finds.by_catalog = _found(sky, classes_by_catalog(sky, options), cutout, reader.shape, window, options)
    finds.by_shape = _found(sky, classes_by_shape(sky, options), cutout, reader.shape, window, options)
    return finds


def _first(stamp: NDArray[np.bool_], x0: int) -> int:
    """Column of the first pixel of a stamp whose first column is `x0`."""
    return x0 + int(np.argmax(stamp[0]))


def _starts_in(y: int, x: int, window: Tile) -> bool:
    """Whether pixel (y, x) of the window's image lies in its core."""
    y0, y1, x0, x1 = window.core
    return y0 <= y + window.box[0] < y1 and x0 <= x + window.box[2] < x1


def _found(
    sky: Field,
    classes: Sequence[int],
    cutout: Cutout,
    shape: tuple[int, int],
    window: Tile,
    options: AnnotateOptions,
) -> list[Found]:
    """The objects that this window has to tell of, measured but for their signal-to-noise."""
    objects = island_objects(sky.islands, classes)
    if options.merge_beams > 0:
        objects = merge_near(objects, cutout.shape, options.merge_beams * sky.beam_width)
    beam = beam_in_pixels(cutout)
    found = []
    for one in objects:
        placed = replace(one, y0=one.y0 + window.box[0], x0=one.x0 + window.box[2])
        rank = _rank(placed, window, shape)
        if rank is not None:
            info = object_info(placed, total_of(one, cutout.image), shape, (0.0, 0.0), beam)
            found.append(Found(replace(placed, info=info), rank))
    return found


def _rank(one: SourceObject, window: Tile, shape: tuple[int, int]) -> int | None:
    """How sure it is that an object is this window's (`Found.rank`); None where another window tells of it."""
    y0, y1, x0, x1 = window.core
    top, bottom, left, right = one.bbox
    in_core = bottom > y0 and top < y1 and right > x0 and left < x1
    outer = window.box
    if any(
        (
            top == outer[0] > 0,
            bottom == outer[1] < shape[0],
            left == outer[2] > 0,
            right == outer[3] < shape[1],
        )
    ):
        return 3 if in_core else None
    x = _first(one.stamp, left)
    distance = [top - y0 if y0 else _NEAR, x - x0 if x0 else _NEAR]  # from the inner borders, positive inside
    distance += [y1 - 1 - top if y1 < shape[0] else _NEAR, x1 - 1 - x if x1 < shape[1] else _NEAR]
    if min(distance) >= 0:
        return 0 if min(distance) >= _NEAR else 1
    large = max(one.stamp.shape) > window.margin - _NEAR  # it may be cut in the window that it belongs to
    return 2 if min(distance) >= -_NEAR or (large and in_core) else None


# ---------------------------------------------------------------- all windows


class Placed:
    """Objects on a map, to find those that share pixels."""

    def __init__(self, objects: Iterable[SourceObject] = ()) -> None:
        self.objects: list[SourceObject] = []
        self._index = BoxIndex()
        for one in objects:
            self.add(one)

    def add(self, one: SourceObject) -> None:
        """Add an object."""
        self._index.add(one.bbox)
        self.objects.append(one)

    def sharing(self, one: SourceObject) -> list[int]:
        """Indices of the objects that share pixels with `one`, in their order."""
        return [k for k in self._index.meeting(one.bbox) if _share_pixels(self.objects[k], one)]


def _share_pixels(a: SourceObject, b: SourceObject) -> bool:
    return shared_pixels(a.stamp, (a.y0, a.x0), b.stamp, (b.y0, b.x0)) > 0


def assemble(reader: MapReader, finds: Sequence[WindowFinds], options: AnnotateOptions, catalog: bool) -> Annotation:
    """The annotation of a map from the finds of all its windows, with the fields of `annotate`.

    Parameters
    ----------
    catalog : bool
        Whether the windows had one.

    Raises
    ------
    InputError
        Where the whole map is blank.
    """
    if not any(one.usable for one in finds):
        raise InputError("holds no usable pixel; the map is blank or constant, leave it out", reader.path)
    known = catalog and is_covered(
        sum(one.clear for one in finds), sum(one.matched for one in finds), sum(one.rows for one in finds)
    )
    objects = _once(reader, [each for one in finds for each in (one.by_catalog if known else one.by_shape)])
    left_out = 0
    if not known and not options.spurious_by_shape:
        left_out = sum(one.class_value == SPURIOUS for one in objects)
        objects = [one for one in objects if one.class_value != SPURIOUS]
    objects.sort(key=lambda one: (one.y0, _first(one.stamp, one.x0)))
    noise = _map_noise(reader, objects, finds)
    named = []
    for number, one in enumerate(objects, start=1):
        info = one.info | {"name": f"S{number}", "snr": significance(one.info["Stot"], one.info["npix"], noise)}
        named.append(replace(one, name=f"S{number}", info=info))
    meta: dict[str, object] = {"classed_by": "catalog" if known else "shape", "edge_snr": options.grow_snr}
    meta |= {"left_out": left_out} if left_out else {}
    return Annotation(named, reader.shape, meta | image_meta(_corner(reader), reader.shape, noise))


def _once(reader: MapReader, found: Sequence[Found]) -> list[SourceObject]:
    """Every object once, those cut by the windows' borders put together."""
    placed = Placed(each.one for each in found if each.rank == 0)
    for rank in (1, 2):
        for each in found:
            if each.rank == rank and not placed.sharing(each.one):
                placed.add(each.one)
    pieces = Placed(each.one for each in found if each.rank == 3 and not placed.sharing(each.one))
    links = [(number, other) for number, one in enumerate(pieces.objects) for other in pieces.sharing(one)]
    whole = [_whole(reader, [pieces.objects[n] for n in group]) for group in linked(len(pieces.objects), links)]
    return placed.objects + whole


def _whole(reader: MapReader, pieces: Sequence[SourceObject]) -> SourceObject:
    """One object of pieces that share pixels, measured anew; of the highest class among them."""
    one = join(pieces, max(piece.class_value for piece in pieces))
    total = 0.0
    for start in range(0, one.stamp.shape[0], _ROWS):
        stamp = one.stamp[start : start + _ROWS]
        y0 = one.y0 + start
        rows = reader.read(y0, y0 + stamp.shape[0], one.x0, one.x0 + stamp.shape[1])
        total += float(np.nansum(rows[stamp], dtype=np.float64))
    return replace(one, info=object_info(one, total, reader.shape, (0.0, 0.0), beam_in_pixels(_corner(reader))))


def _map_noise(reader: MapReader, objects: Sequence[SourceObject], finds: Sequence[WindowFinds]) -> tuple[float, float]:
    """Background and rms of the map away from its objects, on evenly spaced bands of rows (as `background_rms`)."""
    rows = sample_rows(reader.shape)
    starts = rows[np.diff(rows, prepend=-2) != 1].tolist()
    ends = rows[np.diff(rows, append=rows[-1] + 2) != 1].tolist()
    boxes = [(start, end + 1, 0, reader.shape[1]) for start, end in zip(starts, ends, strict=True)]
    image, exclude = _read_boxes(reader, objects, boxes)
    if not (np.isfinite(image) & ~exclude).any():  # all in blank bands: the fullest window stands for the map
        image, exclude = _read_boxes(reader, objects, [max(finds, key=lambda one: one.usable).window.box])
    return background_rms(image, exclude if (np.isfinite(image) & ~exclude).any() else None)


def _read_boxes(
    reader: MapReader, objects: Sequence[SourceObject], boxes: Sequence[Box]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Image and source pixels of boxes of equal width, one below the other."""
    image, exclude = [], []
    corners = np.array([one.bbox for one in objects]).reshape(-1, 4)
    for box in boxes:
        near = (corners[:, 0] < box[1]) & (corners[:, 1] > box[0]) & (corners[:, 2] < box[3]) & (corners[:, 3] > box[2])
        parts = [part for index in np.flatnonzero(near).tolist() if (part := objects[index].window(*box)) is not None]
        image.append(reader.read(*box))
        exclude.append(objects_to_mask(parts, (box[1] - box[0], box[3] - box[2])) > 0)
    return np.concatenate(image), np.concatenate(exclude)
