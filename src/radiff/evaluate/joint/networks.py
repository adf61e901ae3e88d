"""Made images through the project's networks: masks found on them, distances of their features. Knows no pixels."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.estimates import bootstrap_sums
from radiff.evaluate.joint.lines import Line, missing
from radiff.evaluate.joint.stacks import Stack
from radiff.evaluate.measure import SCALING
from radiff.evaluate.metrics.distances import fid_estimate, kid_estimate, prdc_estimates, standardised
from radiff.evaluate.metrics.segmentation import confusion, image_means, iou
from radiff.evaluate.networks import Networks
from radiff.masks import CLASSES, NUM_CLASSES

Features = NDArray[np.float32]
FID_OVER_BASELINE = 1.15


def scaled(stack: Stack) -> list[NDArray[np.float32]]:
    """asinh(snr / 2) of each image: what networks are given."""
    return [SCALING.forward(image, 0.0, 1.0) for image in stack.snr]


def confusions(stack: Stack, networks: Networks) -> NDArray[np.int64]:
    """(n, 4, 4): pixels of each class of the masks by the class that the segmenter finds.

    Raises
    ------
    InputError
        Without a segmenter.
    """
    found = networks.segment(scaled(stack))
    if found is None:
        raise InputError("the mask score needs a segmenter; give one, or leave this figure out")
    return np.stack([confusion(mask, one) for mask, one in zip(stack.masks, found, strict=True)])


def mask_lines(real: NDArray[Any], made: NDArray[Any]) -> list[Line]:
    """Mask score of the made images over that of the real ones, from confusions (n, 4, 4) of the same masks.

    The score is the IoU accumulated over the images, its mean over spurious, compact and extended; the bootstrap draws
    pairs of images.
    """
    both = np.concatenate([np.asarray(t, float).reshape(len(t), -1) for t in (made, real)], 1)
    figures: list[tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]] = [
        ("mask score, made over real", lambda table: image_means(table[:, 1:]))
    ]
    for k, kind in enumerate(CLASSES[1:], start=1):
        figures.append((f"mask score, {kind.name}, made over real", lambda table, k=k: table[:, k]))  # type: ignore[misc]
    lines: list[Line] = []
    for title, figure in figures:
        value = bootstrap_sums(both, lambda s, figure=figure: _ratio(s, figure))  # type: ignore[misc]
        scores = [float(figure(iou(np.asarray(t).sum(0))[None])[0]) for t in (made, real)]
        note = f"IoU {scores[0]:.4f}, real: its own"
        lines.append(Line("mask", title, value, scores[1], (0.97, 1.03) if not lines else None, note))
    return lines


def _ratio(sums: NDArray[Any], figure: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    tables = sums.reshape(len(sums), 2, NUM_CLASSES, NUM_CLASSES)
    return np.asarray(figure(iou(tables[:, 0])) / figure(iou(tables[:, 1])))


def feature_lines(real: Features, made: Features, other: Features | None, seed: int = 0) -> list[Line]:
    """FID, KID, precision and recall, and the same of real images against other real ones, as `radiff evaluate` does.

    Parameters
    ----------
    real, made : (n, d)
    other : (m, d), optional
        Of as many real images of other fields.
    """
    lines = []
    for key, title, figure in (
        ("fid", "FID of the project's features", lambda a, b: fid_estimate(a, b, seed=seed)),
        ("kid", "KID of standardised features", lambda a, b: kid_estimate(*standardised(a, b), seed=seed)),
        ("precision", "precision of features", lambda a, b: prdc_estimates(a, b, seed=seed)["precision"]),
        ("recall", "recall of features", lambda a, b: prdc_estimates(a, b, seed=seed)["recall"]),
    ):
        try:
            value = figure(real, made)
            baseline = None if other is None else figure(real, other)
        except InputError as error:
            lines.append(missing("features", title, error.message))
            continue
        target = (-math.inf, FID_OVER_BASELINE * baseline.value) if key == "fid" and baseline is not None else None
        note = "" if baseline is None else f"real: {baseline.n[0]} images against {baseline.n[1]} of other fields"
        lines.append(Line("features", title, value, None if baseline is None else baseline.value, target, note))
    return lines
