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
    """What calibration and cleaning leave: noise of the same spectrum, patchy, and more around bright sources.

    Its rms, in units of the map's, is ``floor`` everywhere and ``level peak^power exp(-(d / scale)^2 / 4)`` at a
    distance d from a source of that peak (in units of the rms), whichever is more. It comes in patches: a lognormal
    factor of mean square 1. So real maps have islands and holes that Gaussian noise has not, most of them beside bright
    sources.

    Attributes
    ----------
    floor : float
        Rms far from bright sources.
    level, power : float
        Rms at a source of peak 1, and how it grows with the peak.
    scale : float
        Distance over which it falls, beams.
    patch : float
        Gaussian sigma of the size of patches, beams.
    spread : float
        Standard deviation of the logarithm of the patches' rms.
    colour : float
        Power of the spectrum that is theirs around bright sources: 1 as the noise, 0 white. Sidelobes of long baselines
        are finer than the noise.
    turned : float
        Part of the islands that a finder would see, and that are in no mask, which are turned into holes: 1 where masks
        hold all that is seen, spurious islands too; 0 where sidelobes are in no mask.
    """

    floor: float = 0.0
    level: float = 0.0
    power: float = 0.4
    scale: float = 16.0
    patch: float = 2.0
    spread: float = 1.0
    colour: float = 0.3
    turned: float = 1.0

    def __post_init__(self) -> None:
        good = 0 <= self.floor < 0.9 and 0 <= self.level < math.inf and 0 <= self.power <= 1 and 0 <= self.spread <= 2
        good = good and 0 <= self.turned <= 1 and 0 <= self.colour <= 1
        if not (good and 0 < self.scale < math.inf and 0 < self.patch < math.inf):
            raise InputError(
                f"residuals with floor {self.floor:g}, level {self.level:g}, power {self.power:g}, scale "
                f"{self.scale:g}, patch {self.patch:g}, spread {self.spread:g}, turned {self.turned:g}: needed are a "
                "floor below 0.9, a level of 0 or more, a power, a colour and a part turned from 0 to 1, a spread from "
                "0 to 2, and positive sizes in beams"
            )

    def around(self, peak: float, beams: npt.ArrayLike) -> Values:
        """Rms at distances in beams from a source of `peak`, in units of the map's rms."""
        return np.asarray(self.level * peak**self.power * np.exp(-0.25 * (np.asarray(beams, float) / self.scale) ** 2))
