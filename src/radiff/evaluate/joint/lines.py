"""A figure of made images, its interval, the real images' own, its target: a line of the table. Knows no images."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.estimates import Estimate, bootstrap_sums, by_halves, finite, interval

Floats = NDArray[np.float64]
Target = tuple[float, float]
BOOTSTRAP = 300
"""Rounds of a bootstrap of medians."""


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes
    ----------
    figure : str
        The figure it belongs to: what ``--only`` names.
    title : str
        With the unit, where it has one.
    value : Estimate
        Of the made images; ``n`` is the number of what is counted (images, objects).
    real : float, optional
        The same of the real images.
    target : (low, high), optional
        Between which the value should lie, ends included.
    note : str
    """

    figure: str
    title: str
    value: Estimate
    real: float | None = None
    target: Target | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the value lies within its target; None without a target or a value."""
        if self.target is None or not math.isfinite(self.value.value):
            return None
        return bool(self.target[0] <= self.value.value <= self.target[1])

    def to_json(self) -> dict[str, Any]:
        """JSON values; what is not finite becomes None."""
        target = None if self.target is None else [finite(edge) for edge in self.target]
        return {
            **asdict(self),
            "value": self.value.to_json(),
            "real": None if self.real is None else finite(self.real),
            "target": target,
            "met": self.met,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Line":
        """The line that `to_json` wrote."""
        edges = values["target"]
        low, high = edges or (None, None)
        target = (-math.inf if low is None else low, math.inf if high is None else high) if edges else None
        return cls(
            values["figure"],
            values["title"],
            Estimate.from_json(values["value"]),
            values["real"],
            target,
            values["note"],
        )


def missing(figure: str, title: str, why: str) -> Line:
    """A line that says why there is no value."""
    return Line(figure, title, Estimate(math.nan, math.nan, math.nan, (0,)), note=why)


def ratio_line(
    figure: str, title: str, made: NDArray[Any], real: NDArray[Any], target: Target | None = None, note: str = ""
) -> Line:
    """Sum of `made` (n,) over sum of `real` (n,), one number an image, with a paired bootstrap over images."""
    table = np.stack([np.asarray(made, float), np.asarray(real, float)], 1)
    value = bootstrap_sums(table, lambda s: s[:, 0] / s[:, 1])
    return Line(figure, title, value, None, target, note)


def share(counts: NDArray[Any], pixels: NDArray[Any]) -> Estimate:
    """Sum of `counts` (n,) over sum of `pixels` (n,), with a bootstrap over images."""
    return bootstrap_sums(
        np.stack([np.asarray(counts, float), np.asarray(pixels, float)], 1), lambda s: s[:, 0] / s[:, 1]
    )


def halved_median(values: NDArray[Any]) -> Estimate:
    """Median of the finite `values` (n,), one an image, with the interval of half-sampling."""
    table = np.asarray(values, float)
    table = table[np.isfinite(table)]
    if not len(table):
        return Estimate(math.nan, math.nan, math.nan, (0,))
    return by_halves(lambda half: float(np.median(table[half])), (len(table),))


def quantile(values: NDArray[Any], owner: NDArray[np.integer[Any]], level: float = 50.0, seed: int = 0) -> Estimate:
    """A percentile of `values` (k,), whose `owner` (k,) tells the image; with a bootstrap over images."""
    table = np.asarray(values, float)
    good = np.isfinite(table)
    table, images = table[good], np.asarray(owner)[good]
    if not len(table):
        return Estimate(math.nan, math.nan, math.nan, (0,))
    order = np.argsort(table)
    table, images = table[order], np.unique(images[order], return_inverse=True)[1]
    random, count = np.random.default_rng(seed), int(images.max()) + 1
    weights = random.multinomial(count, np.full(count, 1 / count), size=BOOTSTRAP)[:, images]
    sums = np.concatenate([np.ones((1, len(table)), int), weights]).cumsum(1)
    found = [float(table[np.searchsorted(row, level / 100 * row[-1])]) for row in sums if row[-1]]
    return Estimate(found[0], *interval(found[1:]), (len(table),))


def format_table(lines: Sequence[Line]) -> list[list[str]]:
    """Cells of the table: figure, value, interval, n, real, target, met."""
    return [
        [
            line.title,
            _number(line.value.value),
            f"{_number(line.value.low)} to {_number(line.value.high)}" if math.isfinite(line.value.low) else "",
            " ".join(map(str, line.value.n)),
            "" if line.real is None else _number(line.real),
            _target(line.target),
            {True: "met", False: "NOT met", None: ""}[line.met],
            line.note,
        ]
        for line in lines
    ]


COLUMNS = ("figure", "made", "95 % interval", "n", "real", "target", "", "note")


def _target(target: Target | None) -> str:
    if target is None:
        return ""
    low, high = target
    return f"<= {_number(high)}" if low == -math.inf else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 10 else f"{value:.3f}"
