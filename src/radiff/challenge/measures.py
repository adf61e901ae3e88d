"""Counts to shares with intervals, differences to medians and scatters, values to bins. Knows no catalogs."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from astropy.stats import binom_conf_interval, mad_std
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Values = NDArray[np.float64]
LEVEL = 0.95
"""Of all intervals."""


@dataclass(frozen=True)
class Share:
    """`n` of `of`, with an interval of 95 % (Jeffreys); NaN where there is nothing to count."""

    n: int
    of: int

    @property
    def value(self) -> float:
        """0 to 1."""
        return self.n / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end."""
        if not self.of:
            return math.nan, math.nan
        low, high = binom_conf_interval(self.n, self.of, LEVEL, interval="jeffreys")
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; unknown ones are None."""
        low, high = self.interval
        return {"value": plain(self.value), "low": plain(low), "high": plain(high), "n": self.n, "of": self.of}


@dataclass(frozen=True)
class MedianScatter:
    """A sample's median with its interval of 95 % (by ranks), and its scatter.

    Attributes
    ----------
    n : int
    median, low, high : float
    scatter : float
        From the median absolute deviation: the standard deviation of a Gaussian.
    """

    n: int
    median: float
    low: float
    high: float
    scatter: float

    @classmethod
    def of(cls, sample: ArrayLike) -> "MedianScatter":
        """Of the finite values of a sample; NaN where there is none, no interval for less than six."""
        values = np.sort(np.asarray(sample, float))
        values = values[np.isfinite(values)]
        if not len(values):
            return cls(0, math.nan, math.nan, math.nan, math.nan)
        median = float(np.median(values))
        scatter = float(mad_std(values))
        rank = int(stats.binom.ppf((1 - LEVEL) / 2, len(values), 0.5))
        if rank < 1:
            return cls(len(values), median, math.nan, math.nan, scatter)
        return cls(len(values), median, float(values[rank - 1]), float(values[-rank]), scatter)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; unknown ones are None."""
        return {name: plain(value) for name, value in asdict(self).items()}


def plain(value: float) -> float | int | None:
    """A number for JSON, which knows no NaN."""
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if math.isfinite(value) else None


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
    shares = [Share(int(good[number == k].sum()), int((number == k).sum())) for k in range(len(edges) - 1)]
    columns = [one.to_json() for one in shares]
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
            result[name].append(plain(float(value)))
    return result
