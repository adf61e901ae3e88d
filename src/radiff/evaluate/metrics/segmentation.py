"""Class masks, asked for and found, to Segmentation Scores: IoU in both definitions, and objects. Knows no networks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.estimates import Array, Estimate, Metric, bootstrap_sums
from radiff.masks import CLASSES, NUM_CLASSES
from radiff.masks.instances import structure

Counts = NDArray[np.int64]
Mask = NDArray[np.integer[Any]]
MATCH_IOU = 0.5
"""Objects that overlap by this IoU or more are the same object."""
SECTION = "segmentation"


def confusion(truth: Mask, found: Mask) -> Counts:
    """(4, 4): pixels of each true class (row) by the class found (column); masks (ny, nx)."""
    pairs = np.asarray(truth, np.int64).ravel() * NUM_CLASSES + np.asarray(found, np.int64).ravel()
    return np.bincount(pairs, minlength=NUM_CLASSES**2).reshape(NUM_CLASSES, NUM_CLASSES)


def iou(confusions: NDArray[Any]) -> Array:
    """Intersection over union of each class, Eq. 12-14.

    Parameters
    ----------
    confusions : (..., 4, 4)
        Of one image each, or their sum.

    Returns
    -------
    (..., 4)
        NaN for a class that is neither asked for nor found (0 / 0): Eq. 11 leaves it open, here it does not count.
    """
    table = np.asarray(confusions, np.float64)
    shared = np.diagonal(table, axis1=-2, axis2=-1)
    union = table.sum(-1) + table.sum(-2) - shared
    return np.divide(shared, union, out=np.full(shared.shape, np.nan), where=union > 0)


def image_means(table: Array) -> Array:
    """(n,): mean of the finite entries of each row of `table` (n, k), Eq. 11; NaN where there is none."""
    present = np.isfinite(table)
    count = present.sum(1)
    return np.divide(np.where(present, table, 0).sum(1), count, out=np.full(len(table), np.nan), where=count > 0)


def match_objects(truth: Mask, found: Mask) -> Counts:
    """(3, 3): for spurious, compact and extended, objects in both masks, only found, only asked for.

    An object is a connected part (8 neighbours) of one class. Two are the same where their IoU is at least 0.5; above
    it no object has two partners, and of two halves at exactly 0.5 one counts.
    """
    return np.array([_match_class(np.asarray(truth) == k.value, np.asarray(found) == k.value) for k in CLASSES[1:]])


def _match_class(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> tuple[int, int, int]:
    labels, true_count = ndimage.label(truth, structure(8))
    others, found_count = ndimage.label(found, structure(8))
    both = truth & found
    if not both.any():
        return 0, found_count, true_count
    pairs, shared = np.unique(np.stack([labels[both], others[both]]), axis=1, return_counts=True)
    sizes, other_sizes = np.bincount(labels.ravel()), np.bincount(others.ravel())
    same = shared / (sizes[pairs[0]] + other_sizes[pairs[1]] - shared) >= MATCH_IOU
    matched = min(len(np.unique(pairs[0, same])), len(np.unique(pairs[1, same])))
    return matched, found_count - matched, true_count - matched


# ---------------------------------------------------------------- figures of a set


def _mean_estimate(values: Array, seed: int) -> Estimate:
    values = values[np.isfinite(values)]
    if not len(values):
        return Estimate(math.nan, math.nan, math.nan, (0,))
    return bootstrap_sums(np.stack([values, np.ones_like(values)], 1), lambda s: s[:, 0] / s[:, 1], seed=seed)


def _total_estimate(confusions: NDArray[Any], figure: Callable[[Array], Array], seed: int) -> Estimate:
    """A figure of the IoU (rounds, 4) of the confusion matrix accumulated over the images."""
    flat = np.asarray(confusions).reshape(len(confusions), -1)
    return bootstrap_sums(flat, lambda s: figure(iou(s.reshape(-1, NUM_CLASSES, NUM_CLASSES))), seed=seed)


def score_estimates(confusions: NDArray[Any], seed: int = 0) -> dict[str, Estimate]:
    """Segmentation Scores of a set, in both definitions, with intervals of a bootstrap over images.

    Parameters
    ----------
    confusions : (n, 4, 4)

    Returns
    -------
    dict
        ``score``, ``score_sources``: mean over images of the mean over the classes of an image, Eq. 10-11, with and
        without background; ``total``, ``total_sources``: mean over classes of the IoU accumulated over the data set;
        ``image_<class>``, ``total_<class>``: both for each class.
    """
    table = iou(confusions)
    found = {
        "score": _mean_estimate(image_means(table), seed),
        "score_sources": _mean_estimate(image_means(table[:, 1:]), seed),
        "total": _total_estimate(confusions, image_means, seed),
        "total_sources": _total_estimate(confusions, lambda t: image_means(t[:, 1:]), seed),
    }
    for k, one in enumerate(CLASSES):
        found[f"image_{one.name}"] = _mean_estimate(table[:, k], seed)
        found[f"total_{one.name}"] = _total_estimate(confusions, lambda t, k=k: t[:, k], seed)  # type: ignore[misc]
    return found


def object_estimates(matches: NDArray[Any], seed: int = 0) -> dict[str, Estimate]:
    """Precision, recall and F1 of objects, per class, over a set.

    Parameters
    ----------
    matches : (n, 3, 3)
        `match_objects` of each image.

    Returns
    -------
    dict
        ``precision_<class>``, ``recall_<class>``, ``f1_<class>``; `n` is the number of objects that count.
    """
    found = {}
    for k, one in enumerate(CLASSES[1:]):
        table = np.asarray(matches)[:, k]
        both, only_found, only_asked = (int(t) for t in table.sum(0))
        for name, figure, count in (
            ("precision", lambda s: s[:, 0] / (s[:, 0] + s[:, 1]), both + only_found),
            ("recall", lambda s: s[:, 0] / (s[:, 0] + s[:, 2]), both + only_asked),
            ("f1", lambda s: 2 * s[:, 0] / (2 * s[:, 0] + s[:, 1] + s[:, 2]), both + only_asked),
        ):
            told = bootstrap_sums(table, figure, seed=seed)
            found[f"{name}_{one.name}"] = Estimate(told.value, told.low, told.high, (count,))
    return found


TITLES = {
    "score": "Segmentation Score, Eq. 10-11: mean over images, background included",
    "score_sources": "Segmentation Score without background",
    "total": "IoU accumulated over the set, mean of classes with background",
    "total_sources": "IoU accumulated over the set, mean of classes without background",
}


def segmentation_metrics(
    real: tuple[NDArray[Any], NDArray[Any]], made: tuple[NDArray[Any], NDArray[Any]], seed: int = 0
) -> list[Metric]:
    """Lines of the report: the score of synthetic images, and the ceiling, that of the real images.

    Parameters
    ----------
    real, made : (confusions (n, 4, 4), matches (n, 3, 3))
    """
    scores, ceilings = score_estimates(made[0], seed), score_estimates(real[0], seed)
    lines = [
        Metric(f"seg_{key}", SECTION, TITLES.get(key) or _class_title(key), "higher", value, ceilings[key])
        for key, value in scores.items()
    ]
    objects, ceilings = object_estimates(made[1], seed), object_estimates(real[1], seed)
    for key, value in objects.items():
        name, kind = key.split("_")
        title = f"objects, {kind}: {name.replace('f1', 'F1')} at IoU {MATCH_IOU}"
        lines.append(Metric(f"objects_{key}", SECTION, title, "higher", value, ceilings[key]))
    return lines


def _class_title(key: str) -> str:
    kind, name = key.split("_")
    return f"IoU of {name}, " + ("mean over images" if kind == "image" else "accumulated")
