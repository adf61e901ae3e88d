"""Synthetic images to their nearest training images, by features and by pixels. Knows no networks, no files.

A copy of a training image is nearer to its neighbour in the training set than a new image is. How near new images
are is what real images tell that were never trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.estimates import Array, Estimate, Metric, bootstrap_mean, by_halves
from radiff.evaluate.measure import SMALL

Vectors = NDArray[np.floating[Any]]
SECTION = "memorisation"
SYMMETRIES = 8
NEAR = 1.0
"""Percentile of the real images' distances below which a synthetic image counts as suspiciously near."""
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest training image of each of n images.

    Attributes
    ----------
    index : (n,)
        Its number.
    distance : (n,)
        One less the cosine of the two vectors: 0 for equal directions, 1 for unrelated ones.
    symmetry : (n,)
        Which of the eight turns and flips of the image is the near one (`turned`).
    """

    index: NDArray[np.int64]
    distance: Array
    symmetry: NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {name: getattr(self, name).tolist() for name in ("index", "distance", "symmetry")}


def turned(image: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """Image (..., n, n) under one of the eight symmetries: quarter turns, and from 4 on mirrored before."""
    mirrored = image[..., ::-1] if symmetry >= 4 else image
    return np.rot90(mirrored, symmetry % 4, axes=(-2, -1))


def unit(vectors: Vectors) -> NDArray[np.float32]:
    """Rows of (n, d) brought to length 1; rows of zeros stay."""
    table = np.asarray(vectors, np.float32)
    lengths = np.sqrt((table.astype(np.float64) ** 2).sum(1))[:, None]
    return np.asarray(table / np.maximum(lengths, 1e-12), np.float32)


def nearest(queries: Vectors, train: Vectors) -> tuple[NDArray[np.int64], Array]:
    """Row of `train` (m, d) nearest in direction to each row of `queries` (n, d), and its distance."""
    keys, table = unit(train), unit(queries)
    index = np.zeros(len(table), np.int64)
    best = np.full(len(table), -np.inf)
    for start in range(0, len(table), _BLOCK):
        part = slice(start, start + _BLOCK)
        for first in range(0, len(keys), 8 * _BLOCK):
            cosine = table[part] @ keys[first : first + 8 * _BLOCK].T
            place = cosine.argmax(1)
            value = cosine[np.arange(len(place)), place]
            nearer = value > best[part]
            index[part] = np.where(nearer, place + first, index[part])
            best[part] = np.where(nearer, value, best[part])
    return index, np.maximum(1.0 - best, 0.0)


def nearest_by_features(queries: Vectors, train: Vectors) -> Neighbours:
    """`nearest` on features less the mean of the training set's: what all images share tells no copy."""
    middle = np.asarray(train, np.float64).mean(0)
    index, distance = nearest(queries - middle, train - middle)
    return Neighbours(index, distance, np.zeros(len(index), np.int64))


def nearest_by_pixels(queries: Vectors, train: Vectors) -> Neighbours:
    """`nearest` on small images (n, 1024), over the eight symmetries of each query."""
    images = np.asarray(queries).reshape(-1, SMALL, SMALL)
    found = [nearest(turned(images, s).reshape(len(images), -1), train) for s in range(SYMMETRIES)]
    distances = np.stack([distance for _, distance in found])
    best = distances.argmin(0)
    rows = np.arange(len(images))
    return Neighbours(np.stack([index for index, _ in found])[best, rows], distances[best, rows], best)


def copies_share(made: Array, real: Array) -> float:
    """Share of synthetic distances below the 1st percentile of the real ones: 0.01 where nothing is copied."""
    return float((made < np.percentile(real, NEAR)).mean())


def nearer_chance(made: Array, real: Array) -> float:
    """Chance that a synthetic image is nearer to the training set than a real one: 0.5 where nothing is copied.

    The Mann-Whitney statistic over the number of pairs (Meehan et al. 2020).
    """
    ordered = np.sort(real)
    above = len(ordered) - np.searchsorted(ordered, made, side="right")
    equal = np.searchsorted(ordered, made, side="right") - np.searchsorted(ordered, made, side="left")
    return float((above + 0.5 * equal).mean() / len(ordered))


def memorisation_metrics(space: str, made: Neighbours, real: Neighbours, seed: int = 0) -> list[Metric]:
    """Lines of the report.

    Parameters
    ----------
    space : str
        ``features`` or ``pixels``.
    made, real : Neighbours
        In the training set, of synthetic images and of real ones that were not trained on.
    """

    def estimate(figure: Callable[[Array, Array], float]) -> Estimate:
        sizes = (len(real.distance), len(made.distance))
        return by_halves(lambda a, b: figure(made.distance[b], real.distance[a]), sizes, None, 0.0, 1.0, seed)

    mean, other = (bootstrap_mean(n.distance, seed=seed) for n in (made, real))
    return [
        Metric(f"near_{space}", SECTION, f"distance to the nearest training image, {space}", "as real", mean, other),
        Metric(
            f"copies_{space}", SECTION, f"share nearer than all but {NEAR:g} % of real images, {space}", "lower",
            estimate(copies_share), None, f"{NEAR / 100:g} where nothing is copied; large where images are", NEAR / 100,
        ),
        Metric(
            f"nearer_{space}", SECTION, f"chance to be nearer to a training image than a real image is, {space}",
            "lower", estimate(nearer_chance), None, "0.5 where nothing is copied; towards 1 where images are", 0.5,
        ),
    ]  # fmt: skip


def closest(made: Neighbours, count: int) -> NDArray[np.int64]:
    """The `count` images nearest to a training image, nearest first."""
    return np.argsort(made.distance, kind="stable")[:count]
