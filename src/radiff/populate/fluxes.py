"""Flux rules: a uniform number to k of `peak = k * rms`, or to an integrated flux in Jy. Knows no maps."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError

RULES = ("k", "power", "counts", "catalog")
READINGS = ("scale", "rate")
COUNTS = (0.859, 0.508, 0.376, -0.049, -0.121, 0.057, -0.008)
"""log10 of Euclidean source counts at 1.4 GHz, dN/dS S^2.5 (Jy^1.5 / sr), in powers of log10(S / mJy): Hopkins et al.
2003 (AJ 125, 465), fitted to the Phoenix Deep Survey and FIRST from 0.05 mJy to 1 Jy."""
COUNTS_RANGE = (5e-5, 1.0)
_STEPS = 2048

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FluxRule:
    """How bright objects are.

    Attributes
    ----------
    rule : str
        ``k``: the peak is k times the local rms, k exponential (section 5.3 of the paper). ``power``: integrated fluxes
        of dN/dS ~ S^-slope. ``counts``: of measured source counts. ``catalog``: as the catalog says.
    parameter : float
        Of the exponential.
    reading : str
        ``scale``: `parameter` is the mean of k. ``rate``: it is lambda of lambda exp(-lambda k), the mean is its
        inverse.
    cap : float
        Larger k become this.
    slope : float
    low, high : float, optional
        Range of integrated fluxes, Jy, of ``power`` and ``counts``.
    table : tuple of (S in Jy, S^2.5 dN/dS), optional
        Other counts than `COUNTS`.
    """

    rule: str = "k"
    parameter: float = 3.0
    reading: str = "scale"
    cap: float = 10.0
    slope: float = 1.8
    low: float | None = None
    high: float | None = None
    table: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InputError(f"{self.rule!r} is no flux rule; there are: {', '.join(RULES)}")
        if self.reading not in READINGS:
            raise InputError(f"{self.reading!r} is no reading of the parameter; there are: {', '.join(READINGS)}")
        for name in ("parameter", "cap"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"the flux rule's {name} is {getattr(self, name):g}; it must be a positive number")
        if self.rule in ("power", "counts"):
            low, high = self.range
            if not 0 < low < high < math.inf:
                raise InputError(f"fluxes from {low:g} to {high:g} Jy; give --flux-range low:high, both positive")

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest integrated flux, Jy."""
        low, high = COUNTS_RANGE if self.table is None else (self.table[0][0], self.table[-1][0])
        return (low if self.low is None else self.low), (high if self.high is None else self.high)

    def k(self, uniform: Floats) -> Floats:
        """k of uniform numbers (n,) from 0 to 1 by the inverse of the exponential's distribution."""
        mean = self.parameter if self.reading == "scale" else 1.0 / self.parameter
        return np.asarray(np.minimum(-mean * np.log1p(-np.asarray(uniform, float)), self.cap))

    def fluxes(self, uniform: Floats) -> Floats:
        """Integrated fluxes, Jy, of uniform numbers (n,) for ``power`` and ``counts``."""
        low, high = self.range
        uniform = np.asarray(uniform, float)
        if self.rule == "power":
            if abs(self.slope - 1.0) < 1e-9:
                return np.asarray(low * (high / low) ** uniform)
            power = 1.0 - self.slope
            return np.asarray((low**power + uniform * (high**power - low**power)) ** (1.0 / power))
        logs, summed = self._summed()
        return np.asarray(10.0 ** np.interp(uniform, summed / summed[-1], logs))

    def per_steradian(self) -> float:
        """Sources per steradian in the range, of ``counts``."""
        return float(self._summed()[1][-1])

    def _summed(self) -> tuple[Floats, Floats]:
        """log10 S (Jy) and the number of sources per steradian up to there."""
        low, high = self.range
        logs = np.linspace(math.log10(low), math.log10(high), _STEPS)
        if self.table is None:
            euclidean = 10.0 ** np.polynomial.polynomial.polyval(logs + 3.0, COUNTS)
        else:
            known, counts = np.log10(np.array(self.table)).T
            euclidean = 10.0 ** np.interp(logs, known, counts)
        density = euclidean * 10.0 ** (-1.5 * logs) * math.log(10.0)  # dN / dlog10 S = S dN/dS ln 10
        steps = 0.5 * (density[1:] + density[:-1]) * np.diff(logs)
        return logs, np.concatenate([[0.0], np.cumsum(steps)])


def read_counts(path: Path) -> tuple[tuple[float, float], ...]:
    """Source counts of a text file with two columns: S in Jy, and S^2.5 dN/dS in Jy^1.5 per steradian.

    Raises
    ------
    InputError
        Where it cannot be read, or the fluxes do not rise, or a number is not positive.
    """
    try:
        rows: Any = np.loadtxt(path, ndmin=2, delimiter="," if "," in path.read_text(encoding="utf-8") else None)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError("cannot be read as two columns of numbers: S (Jy), S^2.5 dN/dS (Jy^1.5/sr)", path) from error
    if rows.shape[0] < 2 or rows.shape[1] != 2 or (rows <= 0).any() or (np.diff(rows[:, 0]) <= 0).any():
        raise InputError("needs two columns, S (Jy, rising) and S^2.5 dN/dS (Jy^1.5/sr), all positive", path)
    return tuple((float(s), float(counts)) for s, counts in rows)
