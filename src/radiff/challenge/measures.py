"""Counts to shares with intervals, differences to medians and scatters, values to bins. Knows no catalogs."""

import math
from typing import Any

import numpy as np
from astropy.stats import mad_std
from numpy.typing import ArrayLike, NDArray

from radiff.estimates import finite, sample_median, share

Values = NDArray[np.float64]


def share_values(count: int, total: int) -> dict[str, Any]:
    """`radiff.estimates.share` as plain values: value, low, high, n, of; unknown ones are None."""
    return share(count, total).to_json() | {"n": count, "of": total}


def median_values(sample: ArrayLike) -> dict[str, Any]:
    """Of the finite values: n, median, low, high (its interval), scatter, as plain values; unknown ones are None.

    The scatter is from the median absolute deviation: the standard deviation of a Gaussian.
    """
    table = np.asarray(sample, float)
    table = table[np.isfinite(table)]
    median = sample_median(table)
    scatter = float(mad_std(table)) if len(table) else math.nan
    values = {"median": median.value, "low": median.low, "high": median.high, "scatter": scatter}
    return {"n": len(table), **{name: finite(value) for name, value in values.items()}}


def log_edges(samples: list[Values], most: int = 12) -> Values:
    """Edges of bins of equal ratios over the positive values of all samples, less the outermost 0.5 % on each side.

    At most `most` bins; about 15 values a bin of the first sample. (0.5, 2) where there are no values.
    """
    known = [one[np.isfinite(one) & (one > 0)] for one in samples]
    whole = np.concatenate([*known, np.zeros(0)])
    if not len(whole):
        return np.array([0.5, 2.0])
    low, high = np.percentile(whole, [0.5, 99.5])
    if high < 1.02 * low:
        return np.array([low / 1.1, high * 1.1])
    return np.geomspace(low, high, int(np.clip(len(known[0]) // 15, 3, most)) + 1)


def bin_numbers(values: Values, edges: Values) -> NDArray[np.intp]:
    """The bin of each value, 0 to len(edges) - 2; what lies beyond the edges is in the outer bins, NaN in none (-1)."""
    number = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.where(np.isfinite(values), number, -1)


def share_curve(values: Values, good: NDArray[np.bool_], edges: Values) -> dict[str, Any]:
    """In each bin, how many are good of how many, with intervals: lists n, of, value, low, high."""
    number = bin_numbers(values, edges)
    bins = [number == k for k in range(len(edges) - 1)]
    columns = [share_values(int(good[inside].sum()), int(inside.sum())) for inside in bins]
    return {name: [column[name] for column in columns] for name in ("n", "of", "value", "low", "high")}


def percentile_curve(at: Values, values: Values, edges: Values) -> dict[str, Any]:
    """In each bin of `at`, the median of the values and their 16th and 84th percentile: lists n, median, low, high."""
    number = np.where(np.isfinite(values), bin_numbers(at, edges), -1)
    result: dict[str, list[Any]] = {"n": [], "median": [], "low": [], "high": []}
    for k in range(len(edges) - 1):
        inside = values[number == k]
        result["n"].append(len(inside))
        three = np.percentile(inside, [16, 50, 84]) if len(inside) else [math.nan] * 3
        for name, value in zip(("low", "median", "high"), three, strict=True):
            result[name].append(finite(value))
    return result
