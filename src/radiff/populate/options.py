"""What `radiff populate` may be told. Does nothing itself."""

import math
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from radiff.errors import InputError
from radiff.masks import COMPACT, EXTENDED, SPURIOUS, class_name
from radiff.populate.fluxes import FluxRule
from radiff.seeds import check_seed

POSITIONS = ("uniform", "clustered", "catalog")
REAL = ("clear", "accept")


@dataclass(frozen=True)
class Number:
    """How many objects: a number, or a density per square degree of usable map, or as the source counts say."""

    count: int = 0
    density: float | None = None
    counts: bool = False

    @classmethod
    def parse(cls, text: str, option: str) -> "Number":
        """``200``, ``50/deg2`` or ``counts``.

        Raises
        ------
        InputError
            For anything else.
        """
        if text.strip() == "counts":
            return cls(counts=True)
        match = re.fullmatch(r"\s*([0-9.eE+]+)\s*(/\s*deg\^?2)?\s*", text)
        try:
            value = float(match.group(1)) if match else math.nan
        except ValueError:
            value = math.nan
        if match and match.group(2) and 0 <= value < math.inf:
            return cls(density=value)
        if match and not match.group(2) and value.is_integer():
            return cls(int(value))
        raise InputError(f"{option} {text!r}: give a number such as 200, a density such as 50/deg2, or counts")

    def of(self, area: float, per_square_degree: float) -> int:
        """The number on `area` square degrees; `per_square_degree` is what source counts say."""
        if self.counts:
            return round(per_square_degree * area)
        return self.count if self.density is None else round(self.density * area)


@dataclass(frozen=True)
class PopulateOptions:
    """How a map is populated.

    Attributes
    ----------
    numbers : dict of class value to Number
    flux : FluxRule
    positions : str
        ``uniform``, ``clustered`` (Gaussian clusters about random places) or ``catalog``.
    cluster_members : float
        Mean number of objects of a cluster.
    cluster_radius : float
        Its Gaussian radius, arcsec.
    overlap : float
        Largest part of the smaller mask of two objects that they may share. 0: they share no pixel at all, faint
        wings included. 1: anything goes.
    real : str
        Real sources in the map: ``clear`` (found first and kept clear of) or ``accept``.
    compact_size : (float, float)
        Range of the intrinsic major FWHM of compact sources without a catalog, in beams.
    seed : int
    """

    numbers: dict[int, Number] = field(default_factory=dict)
    flux: FluxRule = field(default_factory=FluxRule)
    positions: str = "uniform"
    cluster_members: float = 20.0
    cluster_radius: float = 60.0
    overlap: float = 0.0
    real: str = "clear"
    compact_size: tuple[float, float] = (0.0, 0.5)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("positions", POSITIONS), ("real", REAL)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}; there are: {', '.join(known)}")
        if not 0 <= self.overlap <= 1:
            raise InputError(f"overlap is {self.overlap:g}; it must be from 0 to 1")
        if not (self.cluster_members >= 1 and 0 < self.cluster_radius < math.inf):
            raise InputError("clusters need at least 1 member and a positive radius in arcsec")
        low, high = self.compact_size
        if not 0 <= low <= high <= 2:
            raise InputError(f"compact sources of {low:g} to {high:g} beams; give a range within 0:2")
        check_seed(self.seed)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests and to tell runs apart."""
        told = asdict(self)
        told["numbers"] = {class_name(value): asdict(number) for value, number in sorted(self.numbers.items())}
        return told


ORDER = (EXTENDED, SPURIOUS, COMPACT)
"""Objects are placed in this order: the large ones find room first."""
