"""A map and its objects to the places of N x N windows that cut no extended object. Knows no file format.

The rule is the paper's (section 3.1): "we extract cutouts of size 128x128 from each radio map, making sure that
extended objects are not cropped within a cutout". Windows lie on a grid; one that would cut an extended object is
shifted to the nearest place that holds the object whole or leaves it out; an extended object that no window holds
then gets a window of its own. What could not be kept is reported with its reason, never dropped silently.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from radiff.data.regions import BoolArray, IntArray, Region, boxes_of, in_box
from radiff.errors import InputError
from radiff.masks.classes import EXTENDED
from radiff.masks.instances import SourceObject


@dataclass(frozen=True)
class CutOptions:
    """How windows are laid on a map. All lengths are in pixels.

    Parameters
    ----------
    size : int
        Side of the square window.
    stride : int, optional
        Largest step of the grid; steps are evened out so that the last window ends at the map's edge. Default: `size`.
    max_overlap : float
        Largest fraction of its area that a grid window may share with another one. Where a map is hardly larger than
        the window, this leaves one centred window instead of several nearly equal ones.
    max_shift : int, optional
        Farthest that a grid window is moved along each axis. Default: half of `size`.
    margin : int
        Rows and columns at each edge of the window that no pixel of an extended object may touch. 1 makes sure that
        the object is whole; an object that reaches the map's own edge is then never kept, since its rest is unknown.
    max_blank : float
        Largest fraction of unusable (NaN) pixels in a window.
    keep_empty : bool
        Keep windows that hold no object at all.
    jitter : int
        Each grid window starts from a place moved at random by up to this many pixels.
    seed : int
        Of the jitter.
    """

    size: int = 128
    stride: int | None = None
    max_overlap: float = 0.5
    max_shift: int | None = None
    margin: int = 1
    max_blank: float = 0.0
    keep_empty: bool = True
    jitter: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 2 * self.margin + 1 or self.margin < 0:
            raise InputError(f"a window of {self.size} pixels with a margin of {self.margin} holds nothing")
        if self.stride is not None and self.stride < 1:
            raise InputError(f"a stride of {self.stride} pixels is no step; give 1 or more")
        for name in ("max_overlap", "max_blank"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name.replace('_', '-')} is {getattr(self, name)}; give a fraction from 0 to 1")
        if self.jitter < 0 or (self.max_shift or 0) < 0:
            raise InputError("jitter and max-shift are lengths in pixels; give 0 or more")

    @property
    def step(self) -> int:
        return self.stride or self.size

    @property
    def reach(self) -> int:
        return self.size // 2 if self.max_shift is None else self.max_shift


@dataclass(frozen=True)
class CutPiece:
    """One window: its first row and column in the map, its side (pixels), and how it came to its place."""

    y0: int
    x0: int
    size: int
    kind: str = "grid"  # grid, shifted or centred (on an extended object)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(y0, y1, x0, x1), the last row and column excluded."""
        return self.y0, self.y0 + self.size, self.x0, self.x0 + self.size


@dataclass(frozen=True)
class Lost:
    """What could not be kept: an ``object``, a ``window`` or the whole ``map``, where (x, y in map pixels) and why."""

    what: str
    name: str
    x: int
    y: int
    reason: str


@dataclass
class CutReport:
    """How many windows of each kind were laid, how many left out on purpose, and what could not be kept."""

    kinds: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    extended: int = 0
    lost: list[Lost] = field(default_factory=list)


def grid_positions(length: int, size: int, step: int, max_overlap: float) -> IntArray:
    """First pixels of the windows along one axis of `length` pixels: evenly spread from edge to edge, at most `step`
    apart; fewer where two neighbours would share more than `max_overlap`; a single one is centred."""
    if length < size:
        return np.zeros(0, dtype=np.int64)
    count = -(-(length - size) // step) + 1
    while count > 1 and (length - size) / (count - 1) < size * (1 - max_overlap):
        count -= 1
    if count == 1:
        return np.array([(length - size) // 2], dtype=np.int64)
    return np.round(np.linspace(0, length - size, count)).astype(np.int64)


def plan_windows(
    shape: tuple[int, int],
    extended: Sequence[Region],
    others: Sequence[Region],
    blank_in: Callable[[int, int, int, int], BoolArray],
    options: CutOptions,
) -> tuple[list[CutPiece], CutReport]:
    """Lay windows on a map of `shape` (ny, nx).

    Parameters
    ----------
    shape : (int, int)
    extended : sequence of Region
        Objects that no window may cut.
    others : sequence of Region
        All other objects; they may be clipped by an edge.
    blank_in : callable
        ``blank_in(y0, y1, x0, x1)`` gives the boolean map of unusable pixels of that area.
    options : CutOptions

    Returns
    -------
    pieces : list of CutPiece
        Rows first; the windows centred on an object last.
    report : CutReport
    """
    report = CutReport(extended=len(extended))
    size = options.size
    if min(shape) < size:
        reason = f"its {shape[1]} x {shape[0]} pixels are fewer than the window's {size} x {size}; use a smaller --size"
        report.lost.append(Lost("map", "", 0, 0, reason))
        report.lost += [_lost(region, "the map is smaller than the window") for region in extended]
        return [], report
    layout = _Layout(shape, extended, blank_in, options)
    random = np.random.default_rng(options.seed)
    for y in grid_positions(shape[0], size, options.step, options.max_overlap):
        for x in grid_positions(shape[1], size, options.step, options.max_overlap):
            jitter = random.integers(-options.jitter, options.jitter + 1, 2)
            start = (int(np.clip(y + jitter[0], 0, shape[0] - size)), int(np.clip(x + jitter[1], 0, shape[1] - size)))
            layout.place_near(*start, report)
    for region in extended:
        if not layout.holds(region):
            layout.place_on(region, report)
    pieces = layout.pieces
    if not options.keep_empty:
        regions = [*extended, *others]
        boxes = boxes_of(regions)
        pieces = [piece for piece in pieces if _any_object(piece, regions, boxes)]
        report.skipped["no object in it"] += len(layout.pieces) - len(pieces)
    report.kinds.update(piece.kind for piece in pieces)
    return pieces, report


def cut(
    source: Any, annotation: Any, size: int = 128, stride: int | None = None, options: CutOptions | None = None
) -> tuple[list[CutPiece], CutReport]:
    """Find the windows of an annotated map.

    Parameters
    ----------
    source : Cutout or MapReader
        The map; a `MapReader` is read window by window, never as a whole.
    annotation : Annotation
        Its objects, with a mask of the map's own shape.
    size, stride : int
        Side and largest step of the windows (pixels).
    options : CutOptions, optional
        Everything else; its size and stride give way to the two arguments above.

    Raises
    ------
    InputError
        Where map and annotation differ in shape.
    """
    options = replace(options or CutOptions(), size=size, stride=stride)
    shape = (int(source.shape[0]), int(source.shape[1]))
    if tuple(annotation.shape) != shape:
        raise InputError(
            f"the mask has {annotation.shape[1]} x {annotation.shape[0]} pixels, the image {shape[1]} x {shape[0]}; "
            "annotate this image again"
        )
    regions: dict[bool, list[Region]] = {True: [], False: []}
    for item in annotation.objects:
        regions[item.class_value == EXTENDED].append(_region(item))
    if hasattr(source, "read"):

        def blank_in(y0: int, y1: int, x0: int, x1: int) -> BoolArray:
            return ~np.isfinite(source.read(y0, y1, x0, x1))
    else:

        def blank_in(y0: int, y1: int, x0: int, x1: int) -> BoolArray:
            return ~source.valid[y0:y1, x0:x1]

    return plan_windows(shape, regions[True], regions[False], blank_in, options)


class _Layout:
    """The windows laid so far on one map, and where the next may lie."""

    def __init__(
        self,
        shape: tuple[int, int],
        extended: Sequence[Region],
        blank_in: Callable[[int, int, int, int], BoolArray],
        options: CutOptions,
    ) -> None:
        self.shape, self.extended, self.blank_in, self.options = shape, extended, blank_in, options
        self.boxes = boxes_of(extended)
        self.pieces: list[CutPiece] = []
        self._corners = np.zeros((256, 2), dtype=np.int64)

    @property
    def corners(self) -> IntArray:
        """First row and column (n, 2) of the windows laid so far."""
        return self._corners[: len(self.pieces)]

    def add(self, piece: CutPiece) -> None:
        """Lay a window."""
        if len(self.pieces) == len(self._corners):
            self._corners = np.concatenate([self._corners, np.zeros_like(self._corners)])
        self._corners[len(self.pieces)] = piece.y0, piece.x0
        self.pieces.append(piece)

    def place_near(self, y: int, x: int, report: CutReport) -> None:
        """Lay a grid window at (y, x) or at the nearest allowed place around it."""
        rows, cols = self._span(y, 0), self._span(x, 1)
        uncut, full = self._uncut(rows, cols), self._full(rows, cols)
        place = _nearest(uncut & full & self._new(rows, cols), rows, cols, y, x)
        if place is not None:
            self.add(CutPiece(*place, self.options.size, "grid" if place == (y, x) else "shifted"))
        elif (uncut & full).any():
            report.skipped["repeats another window"] += 1
        else:
            why = "blank pixels" if not full.any() else "extended objects" if full.all() else "both"
            reason = {
                "blank pixels": f"over {self.options.max_blank:.0%} of it is blank",
                "extended objects": "cuts an extended object wherever it is shifted",
                "both": "cuts an extended object or holds blank pixels wherever it is shifted",
            }[why]
            report.lost.append(Lost("window", "", x, y, reason))

    def place_on(self, region: Region, report: CutReport) -> None:
        """Lay a window around one extended object, as central as possible."""
        size, margin = self.options.size, self.options.margin
        if max(region.height, region.width) + 2 * margin > size:
            what = f"{region.width} x {region.height} pixels do not fit into a window of {size}"
            report.lost.append(_lost(region, f"its {what}; use a larger --size"))
            return
        y_end, x_end = region.y0 + region.height, region.x0 + region.width
        if min(region.y0, region.x0) < margin or y_end > self.shape[0] - margin or x_end > self.shape[1] - margin:
            report.lost.append(_lost(region, "reaches the edge of the map"))
            return
        rows = np.arange(max(0, y_end + margin - size), min(self.shape[0] - size, region.y0 - margin) + 1)
        cols = np.arange(max(0, x_end + margin - size), min(self.shape[1] - size, region.x0 - margin) + 1)
        centre = (region.y0 + (region.height - size) // 2, region.x0 + (region.width - size) // 2)
        uncut, full = self._uncut(rows, cols), self._full(rows, cols)
        place = _nearest(uncut & full, rows, cols, *centre)
        if place is not None:
            self.add(CutPiece(*place, size, "centred"))
            return
        why = "cuts another extended object" if not uncut.any() else "holds blank pixels" if not full.any() else None
        why = why or "cuts another extended object or holds blank pixels"
        report.lost.append(_lost(region, f"every window around it {why}"))

    def holds(self, region: Region) -> bool:
        """True where a window holds the whole object: it cuts none, so one that holds some of it holds all of it."""
        corners, size = self.corners, self.options.size
        near = (corners < (region.y0 + region.height, region.x0 + region.width)).all(axis=1)
        near &= (corners + size > (region.y0, region.x0)).all(axis=1)
        return any(region.counts(corner[:1], corner[1:], size).item() > 0 for corner in corners[near])

    def _span(self, start: int, axis: int) -> IntArray:
        reach = self.options.reach
        return np.arange(max(0, start - reach), min(self.shape[axis] - self.options.size, start + reach) + 1)

    def _uncut(self, rows: IntArray, cols: IntArray) -> BoolArray:
        """Places where no extended object is cut."""
        free = np.ones((len(rows), len(cols)), dtype=bool)
        size = self.options.size
        for index in in_box(self.boxes, (int(rows[0]), int(rows[-1]) + size, int(cols[0]), int(cols[-1]) + size)):
            free &= ~self.extended[index].cut_by(rows, cols, size, self.options.margin)
        return free

    def _full(self, rows: IntArray, cols: IntArray) -> BoolArray:
        """Places with few enough blank pixels."""
        size = self.options.size
        corner = int(rows[0]), int(cols[0])
        blank = self.blank_in(corner[0], int(rows[-1]) + size, corner[1], int(cols[-1]) + size)
        if not blank.any():
            return np.ones((len(rows), len(cols)), dtype=bool)
        counts: IntArray = Region.of(blank, *corner).counts(rows, cols, size)
        return counts <= self.options.max_blank * size**2

    def _new(self, rows: IntArray, cols: IntArray) -> BoolArray:
        """Places that share no more than `max_overlap` of their area with any window laid before."""
        free = np.ones((len(rows), len(cols)), dtype=bool)
        size = self.options.size
        y0, x0 = self.corners.T
        near = (y0 > rows[0] - size) & (y0 < rows[-1] + size) & (x0 > cols[0] - size) & (x0 < cols[-1] + size)
        for index in np.flatnonzero(near):
            tall = np.clip(size - np.abs(rows - y0[index]), 0, None)
            wide = np.clip(size - np.abs(cols - x0[index]), 0, None)
            free &= np.outer(tall, wide) <= self.options.max_overlap * size**2
        return free


def _nearest(allowed: BoolArray, rows: IntArray, cols: IntArray, y: int, x: int) -> tuple[int, int] | None:
    """The allowed (row, column) nearest to (y, x); the first one where several are equally near."""
    if not allowed.any():
        return None
    distance = ((rows - y) ** 2)[:, None] + ((cols - x) ** 2)[None, :]
    row, col = np.unravel_index(np.argmin(np.where(allowed, distance, np.iinfo(np.int64).max)), allowed.shape)
    return int(rows[row]), int(cols[col])


def _any_object(piece: CutPiece, regions: Sequence[Region], boxes: IntArray) -> bool:
    row, col = np.array([piece.y0]), np.array([piece.x0])
    return any(regions[n].counts(row, col, piece.size).item() > 0 for n in in_box(boxes, piece.box))


def _lost(region: Region, reason: str) -> Lost:
    return Lost("object", region.name, region.x0 + region.width // 2, region.y0 + region.height // 2, reason)


def _region(item: SourceObject) -> Region:
    return Region.of(item.stamp, item.y0, item.x0, item.name)
