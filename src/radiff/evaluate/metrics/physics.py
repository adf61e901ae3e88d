"""Tables of two sets to what an astronomer asks: noise, pixel values, sources. Knows no networks, no files."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from radiff.estimates import Array, Estimate, Metric, bootstrap_mean, bootstrap_ratio, by_halves, owned_by_halves
from radiff.evaluate.measure import EDGES, SetTable, band_frequencies
from radiff.masks import CLASSES

NOISE, PIXELS, SOURCES, FLUXES = "noise", "pixel values", "sources", "fluxes of objects"
SOURCE_TITLES = {
    "peak_snr": "peak (noise rms)",
    "peak_flux": "peak flux (Jy/beam)",
    "int_flux": "integrated flux (Jy)",
    "compactness": "integrated over peak flux",
    "size": "major axis (beam widths)",
    "axis_ratio": "axis ratio",
}
COUNT_LEVELS = (5, 10, 30, 100, 300)
"""Peaks (noise rms) above which sources are counted."""
MIN_SOURCES = 10
Baseline = tuple[SetTable, SetTable] | None
"""Two sets of real images, for what the figures of two sets of one kind are."""


def kolmogorov(first: Array, second: Array) -> float:
    """Largest difference of the two samples' cumulative distributions, 0 to 1."""
    a, b = np.sort(first), np.sort(second)
    every = np.concatenate([a, b])
    left, right = (np.searchsorted(v, every, side="right") / len(v) for v in (a, b))
    return float(np.abs(left - right).max())


def histogram_distance(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Total variation of two histograms: the share of pixels that would need another value, 0 to 1."""
    p, q = (h / max(h.sum(), 1) for h in (first, second))
    return 0.5 * float(np.abs(p - q).sum())


def physics_metrics(real: SetTable, made: SetTable, baseline: Baseline, seed: int = 0) -> list[Metric]:
    """Lines of the report on noise, pixel values and sources, of real and synthetic images."""
    sets = Compared(real, made, baseline, seed)
    return [*_noise(sets), *_pixels(sets), *_sources(sets), *asked_metrics(made, seed)]


# ---------------------------------------------------------------- distances between sets


Statistic = Callable[[SetTable, NDArray[np.intp], SetTable, NDArray[np.intp]], float]
"""A distance of the images chosen of a table from those chosen of another."""


@dataclass(frozen=True)
class Compared:
    """Real and synthetic images, beside two sets of real ones."""

    real: SetTable
    made: SetTable
    baseline: Baseline
    seed: int

    def mean(self, key: str, section: str, title: str, values: Callable[[SetTable], Any], note: str = "") -> Metric:
        """The line of the mean over images of one number an image."""
        mean, real = (bootstrap_mean(values(table), seed=self.seed) for table in (self.made, self.real))
        return Metric(key, section, title, "as real", mean, real, note)

    def distance(
        self, key: str, section: str, title: str, statistic: Statistic, counts: Callable[[SetTable], int] = len
    ) -> Metric:
        """The line of a distance of the two sets; `counts` are of what counts, images or sources."""

        def estimate(first: SetTable, second: SetTable) -> Estimate:
            sizes, n = (len(first), len(second)), (counts(first), counts(second))
            return by_halves(lambda a, b: statistic(first, a, second, b), sizes, n, 0.0, seed=self.seed)

        beside = estimate(*self.baseline) if self.baseline else None
        return Metric(key, section, title, "lower", estimate(self.real, self.made), beside)


def _source_statistic(column: str, distance: Callable[[Array, Array], float]) -> Statistic:
    def values(table: SetTable, chosen: NDArray[np.intp]) -> Array:
        every, image = table.source(column)
        part = every[np.isin(image, chosen)]
        return np.asarray(part if column == "axis_ratio" else np.log10(part), np.float64)

    def statistic(a: SetTable, i: NDArray[np.intp], b: SetTable, j: NDArray[np.intp]) -> float:
        first, second = values(a, i), values(b, j)
        return distance(first, second) if min(len(first), len(second)) else math.nan

    return statistic


def _column_statistic(column: str, distance: Callable[[Any, Any], float], pooled: bool = False) -> Statistic:
    """A distance of one value an image (logarithm), or of one histogram an image (their sums)."""

    def values(table: SetTable, chosen: NDArray[np.intp]) -> Any:
        rows = getattr(table, column)[chosen]
        return rows.sum(0) if pooled else np.log10(rows)

    return lambda a, i, b, j: distance(values(a, i), values(b, j))


# ---------------------------------------------------------------- the sections


def _noise(sets: Compared) -> Iterator[Metric]:
    title = "plain standard deviation of the noise over its rms"
    yield sets.mean("noise_deviation", NOISE, title, lambda table: table.deviation)
    yield sets.mean("noise_skewness", NOISE, "skewness of the noise", lambda table: table.skewness)
    title = "noise rms of the images (Jy/beam): largest difference of the distributions"
    yield sets.distance("rms_ks", NOISE, title, _column_statistic("rms", kolmogorov))
    for band, frequency in enumerate(band_frequencies()):
        title = f"noise power at {frequency:.2f} cycles per pixel, over that of the real images"
        value, beside = (
            pair and bootstrap_ratio(pair[1].spectrum[:, band], pair[0].spectrum[:, band], seed=sets.seed)
            for pair in ((sets.real, sets.made), sets.baseline)
        )
        yield Metric(f"noise_power_{band}", NOISE, title, "as real", value, beside)


def _pixels(sets: Compared) -> Iterator[Metric]:
    for column, title in {"pixels": "values of all pixels in noise rms", "noise": "values of noise pixels"}.items():
        statistic = _column_statistic(column, histogram_distance, pooled=True)
        yield sets.distance(f"{column}_tv", PIXELS, f"{title}: share that would need another value", statistic)


def _sources(sets: Compared) -> Iterator[Metric]:
    for level in COUNT_LEVELS:
        title = f"sources an image with a peak above {level} rms"
        yield sets.mean(f"sources_{level}", SOURCES, title, lambda table, level=level: counts_above(table, level))  # type: ignore[misc]
    for column, kind in enumerate(CLASSES[1:]):
        title, note = f"objects an image in the masks, {kind.name}", "what was asked for"
        yield sets.mean(f"masked_{kind.name}", SOURCES, title, lambda table, k=column: table.objects[:, k], note)  # type: ignore[misc]
    for name, title in SOURCE_TITLES.items():
        yield from _source_lines(sets, name, title)


def _source_lines(sets: Compared, column: str, title: str) -> Iterator[Metric]:
    def count(table: SetTable) -> int:
        return len(table.source(column)[0])

    def median(table: SetTable) -> Estimate:
        return owned_by_halves(*table.source(column), len(table), lambda v: float(np.median(v)), seed=sets.seed)

    key, text = f"{column}_median", f"{title}, median"
    if min(count(sets.real), count(sets.made)) < MIN_SOURCES:
        note = f"needs {MIN_SOURCES} sources in each set, here are {count(sets.real)} and {count(sets.made)}"
        yield Metric(key, SOURCES, text, "as real", None, None, note)
        return
    if sets.baseline is not None and min(map(count, sets.baseline)) < MIN_SOURCES:
        sets = replace(sets, baseline=None)
    unit = "" if column == "axis_ratio" else ", dex"
    yield Metric(key, SOURCES, text, "as real", median(sets.made), median(sets.real))
    for name, text, distance in (
        ("ks", "largest difference of the distributions", kolmogorov),
        ("w1", f"mean shift (Wasserstein{unit})", wasserstein_distance),
    ):
        statistic = _source_statistic(column, distance)
        yield sets.distance(f"{column}_{name}", SOURCES, f"{title}: {text}", statistic, count)


def asked_metrics(made: SetTable, seed: int = 0) -> list[Metric]:
    """Flux measured over flux asked for, of the objects whose annotation says what was asked of them."""
    lines = []
    for kind, (asked, measured) in {"peak": (0, 1), "integrated": (2, 3)}.items():
        ratios = made.asked[:, measured] / made.asked[:, asked]
        good = np.isfinite(ratios) & (ratios > 0)
        if good.sum() < MIN_SOURCES:
            continue
        logs, image = np.log10(ratios[good]), made.asked_image[good]
        title = f"{kind} flux measured over asked for"
        for key, figure, name, better in (
            ("asked", median_ratio, "median", "as real"),
            ("asked_scatter", scatter, "scatter (dex, half of 16 to 84 %)", "lower"),
        ):
            value = owned_by_halves(logs, image, len(made), figure, seed=seed)
            lines.append(
                Metric(
                    f"{key}_{kind}", FLUXES, f"{title}, {name}", better, value, target=1.0 if key == "asked" else None
                )
            )
    return lines


def median_ratio(logs: Array) -> float:
    """Ten to the median of `logs`."""
    return float(10 ** np.median(logs))


def scatter(logs: Array) -> float:
    """Half the distance of the 16th and the 84th percentile."""
    low, high = np.percentile(logs, [16, 84])
    return 0.5 * float(high - low)


def counts_above(table: SetTable, level: float) -> NDArray[np.int64]:
    """(n,): sources of each image with a peak above `level`, noise rms."""
    values, image = table.source("peak_snr")
    return np.bincount(image[values > level], minlength=len(table))


# ---------------------------------------------------------------- curves for the plots


def physics_curves(real: SetTable, made: SetTable) -> dict[str, Any]:
    """What the plots show, as JSON values: noise power, pixel histograms, source distributions and counts."""
    curves: dict[str, Any] = {
        "frequency": band_frequencies().tolist(),
        "pixel_edges": np.round(EDGES, 6).tolist(),
        "sources": {},
    }
    for name, table in (("real", real), ("made", made)):
        power = [bootstrap_mean(table.spectrum[:, band]) for band in range(table.spectrum.shape[1])]
        curves[name] = {
            "power": [p.to_json() for p in power],
            "pixels": table.pixels.sum(0).tolist(),
            "noise": table.noise.sum(0).tolist(),
        }
    for column in SOURCE_TITLES:
        first, second = (t.source(column)[0] for t in (real, made))
        both = np.concatenate([first, second])
        if not len(both):
            continue
        linear = column == "axis_ratio"
        low, high = (0.0, 1.0) if linear else (float(np.log10(both.min())) - 1e-9, float(np.log10(both.max())) + 1e-9)
        edges = np.linspace(low, high, 31)
        counts = [np.histogram(v if linear else np.log10(v), edges)[0].tolist() for v in (first, second)]
        shown = edges if linear else 10.0**edges
        curves["sources"][column] = {"edges": shown.tolist(), "real": counts[0], "made": counts[1]}
    curves["counts"] = _count_curve(real, made)
    return curves


def _count_curve(real: SetTable, made: SetTable) -> dict[str, Any]:
    """Sources an image above each of 25 peaks, with one standard deviation of Poisson."""
    levels = np.geomspace(5, 1000, 25)
    found: dict[str, Any] = {"level": levels.tolist()}
    for name, table in (("real", real), ("made", made)):
        peaks = table.source("peak_snr")[0]
        counts = np.array([(peaks > level).sum() for level in levels])
        found[name] = (counts / len(table)).tolist()
        found[f"{name}_error"] = (np.sqrt(counts) / len(table)).tolist()
    return found
