"""Figures to estimates: value, 95 % interval, sample size; and the line of a report that holds one. Knows no images.

Sums and means over images have the interval of a bootstrap, distances between sets that of half-sampling, shares that
of Jeffreys, medians that of ranks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.stats import binom_conf_interval
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
LEVEL, LEVELS = 0.95, (2.5, 97.5)
"""Of all intervals, and the percentiles between which one lies."""
ROUNDS = 1000
"""Resamples of an ordinary bootstrap."""
HALVES = 30
"""Random halves behind an interval of `half_sampled`."""
_CHUNK = 2_000_000  # weights drawn at a time


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes
    ----------
    value, low, high : float
    n : tuple of int
        Images (or sources) behind it, one number a set.
    """

    value: float
    low: float
    high: float
    n: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON values; what is not finite becomes None."""
        parts = {name: finite(getattr(self, name)) for name in ("value", "low", "high")}
        return {**parts, "n": list(self.n)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Estimate":
        """The estimate that `to_json` wrote."""
        value, low, high = (math.nan if values[k] is None else float(values[k]) for k in ("value", "low", "high"))
        return cls(value, low, high, tuple(values["n"]))


@dataclass(frozen=True)
class Metric:
    """One line of a report.

    Attributes
    ----------
    key : str
        Its name in report.json, e.g. ``fid``.
    section : str
        Under which heading it stands.
    title : str
        With the unit, where it has one.
    better : str
        ``lower``, ``higher``, or ``as real`` where the best value is that of real images.
    value : Estimate, optional
        Of the synthetic images (against the real ones); None where it could not be computed.
    real : Estimate, optional
        The same figure of real images (against other real ones): the floor, or the ceiling.
    note : str
        What the figure says, or why there is none.
    target : float, optional
        What is known to be best, where that is no figure of real images: a ratio of 1.
    """

    key: str
    section: str
    title: str
    better: str
    value: Estimate | None
    real: Estimate | None = None
    note: str = ""
    target: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        shown = {"value": self.value, "real": self.real}
        texts = {name: getattr(self, name) for name in ("key", "section", "title", "better", "note", "target")}
        return {**texts, **{name: None if e is None else e.to_json() for name, e in shown.items()}}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Metric":
        """The line that `to_json` wrote."""
        shown = {name: Estimate.from_json(values[name]) if values[name] else None for name in ("value", "real")}
        return cls(**{**values, **shown})


def bootstrap_sums(
    contributions: ArrayLike,
    combine: Callable[[Array], Array],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Estimate:
    """A figure that is a function of sums over images, with the interval of an ordinary bootstrap over images.

    Parameters
    ----------
    contributions : array (n, k)
        What each image adds to each of k sums.
    combine : callable
        Sums (rounds, k) to figures (rounds,): ``lambda s: s[:, 0] / s[:, 1]`` for a ratio. Infinite and NaN figures
        (a resample that happens to hold nothing) are left out.
    """
    table = np.asarray(contributions, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    n = len(table)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(combine(table.sum(0, keepdims=True))[0]) if n else math.nan
        if n < 2:
            return Estimate(value, math.nan, math.nan, (n,))
        figures = combine(resampled_sums(table, rounds, seed))
    return Estimate(value, *interval(figures), (n,))


def resampled_sums(table: Array, rounds: int, seed: int) -> Array:
    """Sums (rounds, k) over images drawn with replacement from `table` (n, k)."""
    random, n = np.random.default_rng(seed), len(table)
    step = max(1, _CHUNK // n)
    parts = []
    for start in range(0, rounds, step):
        weights = random.multinomial(n, np.full(n, 1 / n), size=min(step, rounds - start))
        parts.append(weights @ table)
    return np.concatenate(parts)


def bootstrap_mean(values: ArrayLike, rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The mean of the finite `values` (n,), one an image."""
    table = np.asarray(values, dtype=np.float64)
    table = table[np.isfinite(table)]
    return bootstrap_sums(np.stack([table, np.ones_like(table)], 1), lambda s: s[:, 0] / s[:, 1], rounds, seed)


def bootstrap_ratio(over: ArrayLike, under: ArrayLike, rounds: int = ROUNDS, seed: int = 0) -> Estimate:
    """The mean of `over` (n,) divided by the mean of `under` (m,): two sets that are resampled independently."""
    first, second = (np.asarray(v, dtype=np.float64) for v in (over, under))
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    n, m = len(first), len(second)
    if min(n, m) < 2:
        return Estimate(math.nan, math.nan, math.nan, (m, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(first.mean() / second.mean())
        sums = (resampled_sums(v[:, None], rounds, seed + k)[:, 0] for k, v in enumerate((first, second)))
        top, bottom = sums
        figures = (top / n) / (bottom / m)
    return Estimate(value, *interval(figures), (m, n))


def interval(figures: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of resampled `figures`; NaN where fewer than two are finite."""
    table = np.asarray(figures, dtype=np.float64)
    table = table[np.isfinite(table)]
    if len(table) < 2:
        return math.nan, math.nan
    low, high = np.percentile(table, LEVELS)
    return float(low), float(high)


def half_indices(sizes: Sequence[int], rounds: int = HALVES, seed: int = 0) -> list[list[NDArray[np.intp]]]:
    """`rounds` times a random half of each set: sorted indices, drawn without replacement."""
    random = np.random.default_rng(seed)
    return [[np.sort(random.permutation(n)[: max(n // 2, 1)]) for n in sizes] for _ in range(rounds)]


def half_sampled(
    value: float, halves: ArrayLike, n: tuple[int, ...], least: float = -math.inf, most: float = math.inf
) -> Estimate:
    """An estimate with the interval of a half-sampling bootstrap: 1.96 standard deviations over random halves.

    The variance of a figure over random halves of a set, drawn without replacement, is that of the figure on the whole
    set over new sets. No image comes twice, as in an ordinary bootstrap, which for distances between sets would itself
    raise the figure; and what halves give on average, which is shifted (the Frechet distance falls with the sample
    size), does not enter.

    Parameters
    ----------
    value : float
        On all images.
    halves : array (rounds,)
        The same on random halves of each set; what is not finite is left out.
    n : tuple of int
        Sizes of the sets.
    least, most : float
        Limits that the figure cannot pass.
    """
    table = np.asarray(halves, dtype=np.float64)
    table = table[np.isfinite(table)]
    spread = 1.96 * float(table.std(ddof=1)) if len(table) > 1 else math.nan
    low, high = (float(np.clip(value + d, least, most)) for d in (-spread, spread))
    return Estimate(value, low, high, n)


def by_halves(
    figure: Callable[..., float],
    sizes: Sequence[int],
    n: Sequence[int] | None = None,
    least: float = -math.inf,
    most: float = math.inf,
    seed: int = 0,
    rounds: int = HALVES,
) -> Estimate:
    """A figure of one set or several, with the interval of `half_sampled`.

    Parameters
    ----------
    figure : callable
        Given an array of indices for each set, the figure of these images.
    sizes : sequence of int
        Of the sets.
    n : sequence of int, optional
        What counts, where that is not the images.
    """
    value = figure(*(np.arange(size) for size in sizes))
    halves = [figure(*half) for half in half_indices(sizes, rounds, seed)]
    return half_sampled(value, halves, tuple(sizes if n is None else n), least, most)


def owned_by_halves(
    values: Array, owner: NDArray[np.int64], size: int, figure: Callable[[Array], float], least: float = 0.0,
    seed: int = 0,
) -> Estimate:  # fmt: skip
    """A figure of `values` (m,), objects of the images `owner` (m,), its interval by halves of the `size` images."""

    def of_images(chosen: NDArray[np.intp]) -> float:
        inside = np.zeros(size, bool)
        inside[chosen] = True
        part = values[inside[owner]]
        return figure(part) if len(part) else math.nan

    return by_halves(of_images, (size,), (len(values),), least, seed=seed)


def share(count: int, total: int) -> Estimate:
    """`count` of `total`, with the interval of Jeffreys; NaN where there is nothing to count."""
    if not total:
        return Estimate(math.nan, math.nan, math.nan, (count, total))
    low, high = binom_conf_interval(count, total, confidence_level=LEVEL, interval="jeffreys")
    return Estimate(count / total, float(low), float(high), (count, total))


def sample_median(values: ArrayLike) -> Estimate:
    """The median of the finite `values`, its interval by ranks; NaN where there is none, no interval below six."""
    table = np.sort(np.asarray(values, dtype=np.float64))
    table = table[np.isfinite(table)]
    if not len(table):
        return Estimate(math.nan, math.nan, math.nan, (0,))
    rank = int(stats.binom.ppf((1 - LEVEL) / 2, len(table), 0.5))
    low, high = (float(table[rank - 1]), float(table[-rank])) if rank else (math.nan, math.nan)
    return Estimate(float(np.median(table)), low, high, (len(table),))


def finite(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return float(value) if math.isfinite(value) else None
