"""Two sets of masks to distances between them: numbers, sizes, shapes, places, copies. Knows no networks, no files.

Every distance stands beside a baseline, that of two sets of real masks, and has an interval by halves of the masks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from radiff.data.mask_set import MaskSet
from radiff.estimates import Array, Estimate, Metric, by_halves
from radiff.evaluate.metrics.memorisation import SYMMETRIES, turned
from radiff.evaluate.metrics.physics import kolmogorov
from radiff.masks import CLASSES, SourceObject

NUMBERS, SHAPES, COPIES = "objects a mask", "objects", "copies"
COLUMNS = {
    "npix": "pixels",
    "length": "length (pixels)",
    "axis_ratio": "axis ratio",
    "fill": "pixels over those of its ellipse",
    "islands": "islands",
    "edge": "share cut by the edge",
    "centre": "distance from the image's centre (pixels)",
    "gap": "gap to the nearest other object (pixels)",
}
FEWEST = 20
"""Objects that a set needs for a distance."""
COARSE = 32
"""Side to which masks are reduced to find candidates for copies."""
CANDIDATES = 12
LARGE = 60
"""Pixels from which the shape of an extended object says something."""
STAMP = 48
"""Side of the window in which extended objects are compared, centred."""


@dataclass(frozen=True, eq=False)
class MaskTable:
    """Numbers of a set of masks.

    Attributes
    ----------
    counts : int (n, 3)
        Spurious, compact and extended objects of each mask.
    image, kind : int (m,)
        Of each object: its mask, its class.
    values : dict of str to float (m,)
        Of each object: `COLUMNS`; ``gap`` is NaN where it is alone.
    """

    counts: NDArray[np.int64]
    image: NDArray[np.int64]
    kind: NDArray[np.int64]
    values: dict[str, Array]

    def column(self, name: str, kind: int, chosen: NDArray[np.intp] | None = None) -> Array:
        """Finite values of the objects of a class, of all masks or of those `chosen`."""
        keep = self.kind == kind
        if chosen is not None:
            keep &= np.isin(self.image, chosen)
        found = self.values[name][keep]
        return found[np.isfinite(found)]


def like_asked(masks: MaskSet, classes: Sequence[int], per_image: tuple[int, int] | None = None) -> MaskSet:
    """The masks with the objects of other `classes` taken out, those of them whose number of objects is in the range.

    So real masks are brought to what was asked of synthetic ones. Masks without an object are left out.
    """
    classes_left = np.where(np.isin(masks.classes, classes), masks.classes, 0).astype(np.uint8)
    total = (classes_left > 0).sum(1)
    low, high = per_image or (1, total.max(initial=1))
    keep = (total >= low) & (total <= high)
    kept = classes_left[keep]
    labels = (
        np.stack(
            [np.where(np.pad(row, (1, 0))[one] > 0, one, 0) for row, one in zip(kept, masks.labels[keep], strict=True)]
        )
        if keep.any()
        else masks.labels[:0]
    )
    chosen = np.flatnonzero(keep)
    return MaskSet(labels, kept, [masks.images[k] for k in chosen], [masks.splits[k] for k in chosen])


def measure_masks(masks: MaskSet) -> MaskTable:
    """Measure every object of `masks`."""
    rows: list[tuple[float, ...]] = []
    for index in range(len(masks)):
        objects = masks.objects(index)
        gaps = _gaps(objects)
        rows += [
            (index, one.class_value, *_shape(one, masks.labels.shape[1:]), gap)
            for one, gap in zip(objects, gaps, strict=True)
        ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 2 + len(COLUMNS))
    values = dict(zip(COLUMNS, table[:, 2:].T, strict=True))
    return MaskTable(masks.counts, table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), values)


def _shape(one: SourceObject, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Pixels, length, axis ratio, fill, islands, edge, distance from the centre.

    Length and width are the axes of the ellipse with the same second moments, each pixel a square of its own.
    """
    y, x = one.coordinates()
    moments = np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12
    small, large = np.sqrt(np.maximum(np.linalg.eigvalsh(moments), 1e-12))
    islands = ndimage.label(one.stamp, np.ones((3, 3)))[1]
    centre = math.hypot(float(x.mean()) - (shape[1] - 1) / 2, float(y.mean()) - (shape[0] - 1) / 2)
    edge = float(one.touches_edge((shape[0], shape[1])))
    fill = one.npix / (4 * math.pi * small * large)
    return float(one.npix), 4 * large, small / large, fill, float(islands), edge, centre


def _gaps(objects: Sequence[SourceObject]) -> list[float]:
    """Distance in pixels from each object to the nearest pixel of another; NaN where there is no other."""
    if len(objects) < 2:
        return [math.nan] * len(objects)
    points = [np.stack(one.coordinates(), 1) for one in objects]
    trees = [cKDTree(one) for one in points]
    gaps = np.full((len(objects), len(objects)), np.inf)
    for a in range(len(objects)):
        for b in range(a):
            small, tree = (points[a], trees[b]) if len(points[a]) < len(points[b]) else (points[b], trees[a])
            gaps[a, b] = gaps[b, a] = tree.query(small)[0].min()
    return [float(gap) for gap in gaps.min(1)]


# ---------------------------------------------------------------- distances


Chosen = NDArray[np.intp]
Statistic = Callable[[MaskTable, Chosen, MaskTable, Chosen], float]


def mask_metrics(real: MaskTable, made: MaskTable, other: MaskTable | None = None, seed: int = 0) -> list[Metric]:
    """Lines of the report.

    Parameters
    ----------
    real, made : MaskTable
        Real masks (those trained on) and synthetic ones.
    other : MaskTable, optional
        Other real masks: their distance from `real` is the baseline.
    """

    def line(key: str, section: str, title: str, statistic: Statistic) -> Metric:
        baseline = None if other is None else _distance(real, other, statistic, seed)
        note = "0 equal, 1 apart; 'real' is the distance of two sets of real masks"
        return Metric(key, section, title, "lower", _distance(real, made, statistic, seed), baseline, note)

    lines = [line("total", NUMBERS, "number of objects", _totals)]
    kinds = [one for one in CLASSES[1:] if (real.kind == one.value).any() and (made.kind == one.value).any()]
    lines += [line(f"n_{one.name}", NUMBERS, f"number of {one.name} objects", _numbers(one.value)) for one in kinds]
    lines.append(line("mix", NUMBERS, "which classes a mask holds", mix_distance))
    for one in kinds:
        for name, title in COLUMNS.items():
            key = f"{one.name}_{name}"
            lines.append(line(key, SHAPES, f"{one.name}: {title}", _values(name, one.value)))
    return lines


def _distance(real: MaskTable, made: MaskTable, statistic: Statistic, seed: int) -> Estimate:
    sizes = (len(real.counts), len(made.counts))
    return by_halves(lambda a, b: statistic(real, a, made, b), sizes, None, 0.0, 1.0, seed)


def _totals(real: MaskTable, a: Chosen, made: MaskTable, b: Chosen) -> float:
    return kolmogorov(real.counts[a].sum(1).astype(float), made.counts[b].sum(1).astype(float))


def _numbers(kind: int) -> Statistic:
    def statistic(real: MaskTable, a: Chosen, made: MaskTable, b: Chosen) -> float:
        first, second = (t.counts[c, kind - 1].astype(float) for t, c in ((real, a), (made, b)))
        return kolmogorov(first, second)

    return statistic


def mix_distance(real: MaskTable, a: Chosen, made: MaskTable, b: Chosen) -> float:
    """Share of masks that would need another set of classes: half the sum of the differences of the shares."""
    shares = []
    for table, chosen in ((real, a), (made, b)):
        code = (table.counts[chosen] > 0) @ np.array([1, 2, 4])
        shares.append(np.bincount(code, minlength=8) / max(len(code), 1))
    return 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def _values(name: str, kind: int) -> Statistic:
    def statistic(real: MaskTable, a: Chosen, made: MaskTable, b: Chosen) -> float:
        first, second = real.column(name, kind, a), made.column(name, kind, b)
        if min(len(first), len(second)) < FEWEST:
            return math.nan
        return kolmogorov(first, second)

    return statistic


def means(table: MaskTable) -> dict[str, float]:
    """Means that stand beside the distances, by the key of `mask_metrics`; of sizes and gaps the median."""
    found = {"total": float(table.counts.sum(1).mean()) if len(table.counts) else math.nan}
    for one in CLASSES[1:]:
        found[f"n_{one.name}"] = float(table.counts[:, one.value - 1].mean()) if len(table.counts) else math.nan
        for name in COLUMNS:
            values = table.column(name, one.value)
            middle = np.mean if name in ("islands", "edge") else np.median
            found[f"{one.name}_{name}"] = float(middle(values)) if len(values) else math.nan
    return found


# ---------------------------------------------------------------- copies


@dataclass(frozen=True, eq=False)
class Nearest:
    """The training mask (or object) most like each of n masks (or objects).

    Attributes
    ----------
    index : (n,)
        Its number.
    iou : (n,)
        Pixels of equal class over pixels of any class, 0 to 1.
    symmetry : (n,)
        Which of the eight turns and flips of the mask is like it (`turned`).
    """

    index: NDArray[np.int64]
    iou: Array
    symmetry: NDArray[np.int64]


def overlap(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Array:
    """Pixels of equal class over pixels of any class of masks (..., ny, nx), 0 background; 0 where both are empty."""
    equal = ((first == second) & (first > 0)).sum((-2, -1))
    either = ((first > 0) | (second > 0)).sum((-2, -1))
    return np.asarray(equal / np.maximum(either, 1), np.float64)


def nearest_masks(queries: NDArray[np.uint8], train: NDArray[np.uint8]) -> Nearest:
    """The mask of `train` (m, size, size) with the largest `overlap` with any turn or flip of each of `queries`.

    Candidates are those most alike when both are reduced to 32 x 32 pixels; each is then compared in full.
    """
    keys, areas = _coarse(train), (train > 0).sum((1, 2)).astype(np.float32)
    index, best = np.zeros(len(queries), np.int64), np.full(len(queries), -1.0)
    symmetry = np.zeros(len(queries), np.int64)
    own = (queries > 0).sum((1, 2)).astype(np.float32)
    for s in range(SYMMETRIES):
        images = np.ascontiguousarray(turned(queries, s))
        for start in range(0, len(images), 256):
            part = slice(start, min(start + 256, len(images)))
            common = _coarse(images[part]) @ keys.T
            rough = common / np.maximum(own[part, None] + areas[None] - common, 1)
            count = min(CANDIDATES, rough.shape[1])
            for row, near in zip(
                range(part.start, part.stop), np.argpartition(-rough, count - 1)[:, :count], strict=True
            ):
                ious = overlap(images[row][None], train[near])
                k = int(ious.argmax())
                if ious[k] > best[row]:
                    index[row], best[row], symmetry[row] = near[k], ious[k], s
    return Nearest(index, np.maximum(best, 0.0), symmetry)


def _coarse(masks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 3 * 32 * 32): for each class the pixels of each coarse cell, over the root of the cell's area.

    The product of two rows is about the number of pixels that they share.
    """
    n, size = len(masks), masks.shape[-1]
    step = max(1, size // COARSE)
    side = size // step
    cut = masks[:, : side * step, : side * step]
    parts = [(cut == v).reshape(n, side, step, side, step).sum((2, 4), dtype=np.float32) for v in (1, 2, 3)]
    return np.concatenate([p.reshape(n, -1) for p in parts], 1) / step


def large_shapes(masks: MaskSet) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Extended objects of 60 pixels or more that no edge cuts, each centred in a window; and the mask each is from."""
    windows, source = [], []
    for index in range(len(masks)):
        for one in masks.objects(index):
            if one.class_value != 3 or one.npix < LARGE or one.info["border"] or max(one.stamp.shape) > STAMP:
                continue
            y, x = one.coordinates()
            y, x = y - round(float(y.mean())) + STAMP // 2, x - round(float(x.mean())) + STAMP // 2
            inside = (y >= 0) & (y < STAMP) & (x >= 0) & (x < STAMP)
            window = np.zeros((STAMP, STAMP), np.uint8)
            window[y[inside], x[inside]] = 3
            windows.append(window)
            source.append(index)
    made = np.stack(windows) if windows else np.zeros((0, STAMP, STAMP), np.uint8)
    return made, np.array(source, np.int64)


def copy_metrics(what: str, made: Nearest, real: Nearest, seed: int = 0) -> list[Metric]:
    """Lines of the report on copies of training masks.

    Parameters
    ----------
    what : str
        ``masks`` or ``large extended objects``.
    made, real : Nearest
        Of synthetic masks, and of real ones that were not trained on.
    """
    key = what.split()[-1]
    sizes = (len(real.iou), len(made.iou))

    def mean(values: Array) -> Estimate:
        return by_halves(lambda a: float(values[a].mean()), (len(values),), None, 0.0, 1.0, seed)

    def nearer(a: Chosen, b: Chosen) -> float:
        return float((made.iou[b] > np.percentile(real.iou[a], 99)).mean()) if len(a) else 0.0

    share = by_halves(nearer, sizes, None, 0.0, 1.0, seed)
    return [
        Metric(f"near_{key}", COPIES, f"{what}: IoU with the nearest training one", "as real", mean(made.iou),
               mean(real.iou)),
        Metric(f"copies_{key}", COPIES, f"{what}: share nearer than 99 % of real ones", "as real", share, None,
               "0.01 where nothing is copied; large where masks are"),
    ]  # fmt: skip
