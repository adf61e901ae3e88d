"""Feature vectors of two sets to distances between them: FID, KID, precision, recall, density, coverage. No images."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.estimates import HALVES, Estimate, by_halves, half_indices, half_sampled

Array = NDArray[np.float64]
Features = NDArray[np.floating[Any]]
NEIGHBOURS = 5
"""k of precision, recall, density and coverage, as in Naeem et al. 2020."""
MOST = 3000
"""Images of a set that precision and its like look at; more are thinned out at random."""
SIZES = 6
"""Sample sizes of `fid_by_size`."""
ORDERS = 5
_BLOCK = 2048  # rows of a kernel matrix at a time


# ---------------------------------------------------------------- Frechet distance


def frechet_distance(mean: Array, covariance: Array, other_mean: Array, other_covariance: Array) -> float:
    """Squared Frechet distance of two Gaussians, Eq. 9 with the square on the difference of the means.

    The trace of the square root is the sum of the singular values of the product of both matrices' roots: it takes no
    root of the small negative eigenvalues that a product of two covariances has in floating point.

    Parameters
    ----------
    mean, other_mean : (d,)
    covariance, other_covariance : (d, d)
        Symmetric.
    """
    shift = np.asarray(mean, np.float64) - np.asarray(other_mean, np.float64)
    roots = [_root(np.asarray(c, np.float64)) for c in (covariance, other_covariance)]
    shared = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    return float(shift @ shift + np.trace(covariance) + np.trace(other_covariance) - 2 * shared)


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def moments(features: Features) -> tuple[Array, Array]:
    """Mean (d,) and covariance (d, d), float64, of `features` (n, d)."""
    table = np.asarray(features, dtype=np.float64)
    return table.mean(0), np.cov(table, rowvar=False, ddof=1).reshape(table.shape[1], table.shape[1])


def needed_samples(width: int) -> int:
    """Images a set must have for an FID of `width` features: fewer leave the covariance singular."""
    return width + 1


def check_samples(features: Features, others: Features) -> None:
    """Refuse sets that are too small for an FID.

    Raises
    ------
    InputError
        Naming how many images are needed.
    """
    needed = needed_samples(features.shape[1])
    if min(len(features), len(others)) < needed:
        raise InputError(
            f"FID on {features.shape[1]} features needs at least {needed} images in each set, here are "
            f"{len(features)} and {len(others)}; use more images, or KID, which has no such bias"
        )


def fid(features: Features, others: Features) -> float:
    """Frechet distance of the Gaussians with the moments of `features` (n, d) and `others` (m, d); n, m > d.

    Raises
    ------
    InputError
        Where a set has fewer than d + 1 images.
    """
    check_samples(features, others)
    return _fid(features, others)


def _fid(features: Features, others: Features) -> float:
    return frechet_distance(*moments(features), *moments(others))


def fid_estimate(features: Features, others: Features, rounds: int = HALVES, seed: int = 0) -> Estimate:
    """`fid` with its interval (`half_sampled`)."""
    check_samples(features, others)
    sizes = (len(features), len(others))
    return by_halves(lambda a, b: _fid(features[a], others[b]), sizes, None, 0.0, seed=seed, rounds=rounds)


def fid_by_size(features: Features, others: Features, around: Estimate, seed: int = 0) -> dict[str, Any]:
    """FID at several sample sizes, and its extrapolation to infinitely many images (Chong & Forsyth 2020).

    The bias of the FID is a straight line in one over the sample size: sizes evenly spaced in that, both sets cut down
    to each, over several random orders.

    Parameters
    ----------
    around : Estimate
        The FID on all images: the extrapolation's interval has its width added in quadrature.

    Returns
    -------
    dict
        ``n``, ``fid``, ``low``, ``high`` (over the orders), ``infinite`` (an Estimate as JSON), ``slope``; or
        ``reason`` where the sets are too small for a line.
    """
    smallest, largest = needed_samples(features.shape[1]), min(len(features), len(others))
    if largest < 1.25 * smallest:
        return {"reason": f"needs {math.ceil(1.25 * smallest)} images in each set, here are {largest}"}
    start = max(smallest, largest // 4)
    sizes = np.round(1 / np.linspace(1 / start, 1 / largest, SIZES)).astype(int)
    random = np.random.default_rng(seed)
    table = np.empty((ORDERS, SIZES))
    for row in table:
        first, second = random.permutation(len(features)), random.permutation(len(others))
        row[:] = [_fid(features[first[:n]], others[second[:n]]) for n in sizes]
    lines = np.array([np.polyfit(1 / sizes, row, 1) for row in table])
    infinite = float(lines[:, 1].mean())
    spread = 1.96 * float(lines[:, 1].std(ddof=1))
    low, high = (math.hypot(spread, side) for side in (around.value - around.low, around.high - around.value))
    told = Estimate(infinite, infinite - low, infinite + high, (len(features), len(others)))
    return {
        "n": sizes.tolist(),
        "fid": table.mean(0).tolist(),
        "low": table.min(0).tolist(),
        "high": table.max(0).tolist(),
        "slope": float(lines[:, 0].mean()),
        "infinite": told.to_json(),
    }


# ---------------------------------------------------------------- kernel distance


def standardised(features: Features, others: Features) -> tuple[Array, Array]:
    """Both sets less the mean of `features` (n, d), over the rms of what is left: KID is then free of their scale."""
    first, second = (np.asarray(f, np.float64) for f in (features, others))
    middle = first.mean(0)
    scale = max(float(np.sqrt(((first - middle) ** 2).mean())), 1e-12)
    return (first - middle) / scale, (second - middle) / scale


def kid_estimate(features: Features, others: Features, rounds: int = HALVES, seed: int = 0) -> Estimate:
    """Kernel distance (Binkowski et al. 2018): unbiased squared MMD with the kernel (x y / d + 1)^3.

    The kernel knows a scale: features of a network that was not made for it should be `standardised`.

    Its mean is 0 for two sets of one distribution, whatever their size; single values may be negative.

    Raises
    ------
    InputError
        Where a set has fewer than four images.
    """
    sizes = (len(features), len(others))
    if min(sizes) < 4:
        raise InputError(f"KID needs at least 4 images in each set, here are {sizes[0]} and {sizes[1]}")
    weights = [np.ones((1 + rounds, n)) for n in sizes]
    for row, halves in enumerate(half_indices(sizes, rounds, seed), start=1):
        for table, chosen in zip(weights, halves, strict=True):
            table[row] = 0.0
            table[row, chosen] = 1.0
    within = [_within(f, w) for f, w in zip((features, others), weights, strict=True)]
    counts = [w.sum(1) for w in weights]
    across = _kernel_sums(features, others, *weights) / (counts[0] * counts[1])
    values = within[0] + within[1] - 2 * across
    return half_sampled(float(values[0]), values[1:], sizes)


def kid(features: Features, others: Features) -> float:
    """The value of `kid_estimate`."""
    return kid_estimate(features, others, rounds=0).value


def _within(features: Features, weights: Array) -> Array:
    """(rounds,): mean kernel over pairs of different images of one set, for each row of weights 0 and 1."""
    table = np.asarray(features, np.float64)
    own = weights @ ((table * table).sum(1) / table.shape[1] + 1) ** 3
    counts = weights.sum(1)
    return (_kernel_sums(table, table, weights, weights) - own) / (counts * (counts - 1))


def _kernel_sums(features: Features, others: Features, weights: Array, other_weights: Array) -> Array:
    """(rounds,): sum over all pairs of the kernel times both weights; a block of rows at a time."""
    second = np.asarray(others, np.float64)
    total = np.zeros(len(weights))
    for start in range(0, len(features), _BLOCK):
        block = np.asarray(features[start : start + _BLOCK], np.float64)
        kernel = (block @ second.T / second.shape[1] + 1) ** 3
        total += np.einsum("rj,rj->r", weights[:, start : start + _BLOCK] @ kernel, other_weights)
    return total


# ---------------------------------------------------------------- precision, recall, density, coverage


def prdc(features: Features, others: Features, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020).

    Parameters
    ----------
    features : (n, d)
        Of real images.
    others : (m, d)
        Of synthetic ones.

    Returns
    -------
    dict
        ``precision``: share of synthetic images within the reach of a real one, reach being the distance to the k-th
        real neighbour; ``recall``: the reverse; ``density``: how many reaches a synthetic image lies in, over k;
        ``coverage``: share of real images with a synthetic one within their reach.

    Raises
    ------
    InputError
        Where a set has no more than k images.
    """
    matrices = _distances(features, others, neighbours)
    return _prdc(*matrices, neighbours)


def prdc_estimates(
    features: Features, others: Features, neighbours: int = NEIGHBOURS, rounds: int = HALVES, seed: int = 0
) -> dict[str, Estimate]:
    """`prdc` with intervals (`half_sampled`); sets of more than 3,000 images are thinned out at random."""
    random = np.random.default_rng(seed)
    first, second = (f if len(f) <= MOST else f[np.sort(random.permutation(len(f))[:MOST])] for f in (features, others))
    real, cross, made = _distances(first, second, neighbours)
    sizes = (len(first), len(second))
    values = _prdc(real, cross, made, neighbours)
    halves = [
        _prdc(real[np.ix_(a, a)], cross[np.ix_(a, b)], made[np.ix_(b, b)], neighbours)
        for a, b in half_indices(sizes, rounds, seed)
        if min(len(a), len(b)) > neighbours
    ]
    return {
        name: half_sampled(value, [h[name] for h in halves], sizes, 0.0, math.inf if name == "density" else 1.0)
        for name, value in values.items()
    }


def spread_estimate(features: Features, others: Features, rounds: int = HALVES, seed: int = 0) -> Estimate:
    """Mean distance between two of `others` over that between two of `features`: near 0 where all images are the same.

    Raises
    ------
    InputError
        Where a set has fewer than four images.
    """
    sizes = (len(features), len(others))
    if min(sizes) < 4:
        raise InputError(f"a spread needs at least 4 images in each set, here are {sizes[0]} and {sizes[1]}")
    first, second = (np.sqrt(squared_distances(f, f)) for f in (np.asarray(t, np.float64) for t in (features, others)))

    def ratio(a: NDArray[np.intp], b: NDArray[np.intp]) -> float:
        return _mean_pair(second[np.ix_(b, b)]) / _mean_pair(first[np.ix_(a, a)])

    return by_halves(ratio, sizes, None, 0.0, seed=seed, rounds=rounds)


def _mean_pair(distances: Array) -> float:
    """Mean over pairs of different images."""
    count = len(distances)
    return float((distances.sum() - distances.trace()) / (count * (count - 1)))


def _distances(features: Features, others: Features, neighbours: int) -> tuple[Array, Array, Array]:
    """Squared distances: real to real, real to synthetic, synthetic to synthetic."""
    if min(len(features), len(others)) <= neighbours:
        raise InputError(
            f"precision and recall with {neighbours} neighbours need more than {neighbours} images in each set, here "
            f"are {len(features)} and {len(others)}"
        )
    first, second = (np.asarray(f, np.float64) for f in (features, others))
    return squared_distances(first, first), squared_distances(first, second), squared_distances(second, second)


def squared_distances(features: Array, others: Array) -> Array:
    """(n, m) squared Euclidean distances of the rows of `features` (n, d) and `others` (m, d)."""
    squares = (features**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * features @ others.T
    return np.maximum(squares, 0.0)


def _prdc(real: Array, cross: Array, made: Array, neighbours: int) -> dict[str, float]:
    real_reach, made_reach = (np.partition(d, neighbours, axis=1)[:, neighbours] for d in (real, made))  # 0th is itself
    within = cross < real_reach[:, None]
    return {
        "precision": float(within.any(0).mean()),
        "recall": float((cross < made_reach[None]).any(1).mean()),
        "density": float(within.sum(0).mean() / neighbours),
        "coverage": float((cross.min(1) < real_reach).mean()),
    }
