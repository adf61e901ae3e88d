"""What a noise spectrum cannot tell of the noise: faint sources, residuals of bright ones. Knows no pixels."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radiff.errors import InputError

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FaintSources:
    """Point sources too faint to be in a mask: a power law of peaks, dN/dS ~ S^-slope from `low` to `high`.

    Attributes
    ----------
    per_beam : float
        Sources a beam area between `low` and `high`.
    slope : float
        Of the differential counts; 2.5 is that of a Euclidean universe, 1.7 that of 1.4 GHz at a mJy.
    low, high : float
        Peaks, in units of the rms.
    """

    per_beam: float
    slope: float = 1.7
    low: float = 1.0
    high: float = 5.0

    def __post_init__(self) -> None:
        if not (0 <= self.per_beam < math.inf and math.isfinite(self.slope) and 0 < self.low < self.high < math.inf):
            raise InputError(
                f"faint sources of {self.per_beam:g} a beam, slope {self.slope:g}, from {self.low:g} to {self.high:g} "
                "rms; needed are a number of 0 or more, a finite slope and 0 < low < high"
            )

    def moment(self, order: int) -> float:
        """Mean of S^order."""
        return self._integral(order) / self._integral(0)

    def _integral(self, order: int) -> float:
        power = order + 1 - self.slope
        if abs(power) < 1e-9:
            return math.log(self.high / self.low)
        return float((self.high**power - self.low**power) / power)

    def peaks(self, uniform: Values) -> Values:
        """Peaks that numbers from 0 to 1 stand for (the inverse of the cumulative counts)."""
        power = 1 - self.slope
        if abs(power) < 1e-9:
            return np.asarray(self.low * (self.high / self.low) ** uniform)
        return np.asarray((self.low**power + uniform * (self.high**power - self.low**power)) ** (1 / power))


@dataclass(frozen=True)
class Residuals:
    """What calibration and cleaning leave around a bright source: its rms is ``level`` of the peak, falling with
    distance as ``(1 + distance / scale)^-slope``.

    Attributes
    ----------
    level : float
        Rms at the source over its peak; 1 / level is the dynamic range.
    scale : float
        Distance over which it starts to fall, in beams.
    slope : float
    """

    level: float
    scale: float = 5.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.level < 1 and 0 < self.scale < math.inf and 0 <= self.slope < math.inf):
            raise InputError(
                f"residuals of {self.level:g} of the peak over {self.scale:g} beams, slope {self.slope:g}: needed is a "
                "level from 0 to 1, a positive scale and a slope of 0 or more"
            )

    def at(self, beams: npt.ArrayLike) -> Values:
        """Rms over the source's peak at distances in beams."""
        return np.asarray(self.level * (1.0 + np.asarray(beams, float) / self.scale) ** -self.slope)
