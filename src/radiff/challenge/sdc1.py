"""Two tables in the columns of SKA's first data challenge to its score. Knows no files and no maps.

Written from the description of the challenge (Bonaldi et al. 2021, MNRAS 500, 3821) and checked number by number
against what ska-sdc 2.0.0 returns; no code of it is used. Where that program behaves oddly, this one does the same, and
says so.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from astropy.coordinates import angular_separation
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from radiff.errors import InputError
from radiff.sky.catalog import SDC1_COLUMNS

Values = NDArray[np.float64]

COLUMNS = SDC1_COLUMNS
"""deg; flux in Jy; b_maj, b_min in arcsec; pa in deg; size: 1 largest extent, 2 FWHM of a Gaussian, 3 exponential."""
PARTS = ("position", "flux", "b_maj", "b_min", "pa", "core_frac", "class")
"""What a match is judged by; each counts a seventh."""
FREQUENCIES = (560, 1400, 9200)
"""MHz; the challenge's images."""

# 5 deviations of a Gaussian are the largest angular extent of a source (2.355 is the program's own rounding)
_LAS = 5.0 / 2.355
_TO_GAUSS = {1: 1.0 / _LAS, 2: 1.0, 3: 2.0**0.5}
_TOLERANCE = {"position": 0.3, "flux": 0.1, "b_maj": 0.3, "b_min": 0.3, "pa": 10.0, "core_frac": 0.05}
_MOST = 5.0  # combined distance up to which a pair is a match
_WEIGHTS = {"position": 0.31 * 3.0, "flux": 0.12 * 3.0, "size": 1.46 * 3.0}
_AGN_CORE = 0.75  # mean core fraction of unresolved sources in the challenge


@dataclass(frozen=True)
class Area:
    """A rectangle on the sky; deg, borders belong neither to the inside nor to the outside."""

    ra_min: float
    ra_max: float
    dec_min: float
    dec_max: float


TRAINING = {
    560: Area(-0.6723, 0.0, -29.94, -29.4061),
    1400: Area(-0.2688, 0.0, -29.94, -29.7265),
    9200: Area(-0.04092, 0.0, -29.94, -29.9074),
}
"""The training areas of the challenge's images: left out of the score."""


@dataclass(frozen=True)
class Sdc1Score:
    """The score and what it is made of.

    Attributes
    ----------
    value : float
        `quality` less the false detections; 0 where nothing matches.
    n_det, n_match, n_false, n_bad : int
        Detections that were judged, matches, the rest, and pairs that were too far apart to be a match.
    quality : float
        Sum over the matches of their marks, 0 to 1 each.
    accuracy : float
        Mean mark of a match, percent.
    parts : dict
        Mean mark of each of `PARTS`, 0 to 1.
    beam : float
        Arcsec.
    matches : int (n_match, 2)
        Rows of the truth and of the submission.
    """

    value: float
    n_det: int
    n_match: int
    n_false: int
    n_bad: int
    quality: float
    accuracy: float
    parts: dict[str, float] = field(default_factory=dict)
    beam: float = np.nan
    matches: NDArray[np.intp] = field(default_factory=lambda: np.zeros((0, 2), np.intp), repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values, without `matches`."""
        return {name: value for name, value in asdict(self).items() if name != "matches"}


def sdc1_beam(frequency: float) -> float:
    """The beam that the score takes at a frequency: 0.25 arcsec at 1400 MHz, larger towards lower ones."""
    return 0.25 / frequency * 1400.0


def sdc1_score(
    truth: Mapping[str, ArrayLike],
    found: Mapping[str, ArrayLike],
    frequency: int | None = 1400,
    beam: float | None = None,
    centroids: bool = False,
    training: bool = False,
) -> Sdc1Score:
    """The score of SDC1.

    Parameters
    ----------
    truth, found : mappings of `COLUMNS` to arrays (n,)
    frequency : int, optional
        560, 1400 or 9200 MHz: beam and training area of the challenge, as in ska-sdc. None: no area is left out, and
        `beam` is needed.
    beam : float, optional
        FWHM in arcsec, in place of the challenge's.
    centroids : bool
        Match by ra_cent, dec_cent in place of ra_core, dec_core.
    training : bool
        Judge the training area alone, in place of all but it.

    Returns
    -------
    Sdc1Score

    Raises
    ------
    InputError
        For another frequency, no beam, or a column that is missing.

    Notes
    -----
    A pair is looked at where the true position lies within the detection's size, convolved with the beam, of it;
    right ascension and declination are taken as flat axes there, as ska-sdc takes them, so that the reach in right
    ascension shrinks with the cosine of the declination. Rows with a NaN or a negative flux, size or core fraction are
    left out (rows with a zero too, where the same column has a negative value anywhere).
    """
    if frequency is not None and frequency not in FREQUENCIES:
        raise InputError(f"SDC1 has no image at {frequency} MHz; there are {', '.join(map(str, FREQUENCIES))}")
    if beam is None:
        if frequency is None:
            raise InputError("the SDC1 score needs the FWHM of a beam, or a frequency of the challenge")
        beam = sdc1_beam(frequency)
    area = None if frequency is None else TRAINING[frequency]
    t, s = (_prepared(table, name, area, training) for table, name in ((truth, "truth"), (found, "submission")))
    n_det = len(s["id"])
    rows, true = _candidates(t, s, beam, centroids)
    distance = _distance(t, s, rows, true, beam, centroids)
    kept = _one_to_one(s["id"][rows], t["id"][true], distance)
    good = kept[distance[kept] < _MOST]
    n_bad = int((distance[kept] >= _MOST).sum())
    if not len(good):
        return Sdc1Score(0.0, n_det, 0, n_det, n_bad, 0.0, 0.0, {}, beam)
    marks = _marks({k: v[true[good]] for k, v in t.items()}, {k: v[rows[good]] for k, v in s.items()}, beam)
    quality = float(sum(np.nansum(one) for one in marks.values())) / len(PARTS)
    n_match = len(good)
    parts = {name: float(np.nansum(one) / n_match) for name, one in marks.items()}
    return Sdc1Score(
        quality - (n_det - n_match),
        n_det,
        n_match,
        n_det - n_match,
        n_bad,
        quality,
        quality / n_match * 100.0,
        parts,
        beam,
        np.stack([t["row"][true[good]], s["row"][rows[good]]], axis=1).astype(np.intp),
    )


def _prepared(table: Mapping[str, ArrayLike], name: str, area: Area | None, training: bool) -> dict[str, Values]:
    """Rows that are judged, right ascensions from -180 to 180 deg."""
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(f"the {name} has no column {', '.join(missing)}; SDC1 needs {', '.join(COLUMNS)}")
    values = {column: np.array(table[column], dtype=np.float64) for column in COLUMNS}
    keep = np.ones(len(values["id"]), bool)
    for one in values.values():
        keep &= np.isfinite(one)
    for column in ("flux", "core_frac", "b_min", "b_maj"):
        if (values[column][keep] < 0).any():
            keep &= values[column] > 0
    for column in ("ra_core", "ra_cent"):
        values[column][values[column] > 180.0] -= 360.0
    if area is not None:
        ra, dec = values["ra_core"], values["dec_core"]
        if training:
            keep &= (ra > area.ra_min) & (ra < area.ra_max) & (dec > area.dec_min) & (dec < area.dec_max)
        else:
            keep &= (ra < area.ra_min) | (ra > area.ra_max) | (dec < area.dec_min) | (dec > area.dec_max)
    values["row"] = np.arange(len(keep), dtype=np.float64)
    return {column: value[keep] for column, value in values.items()}


def gauss_factor(kind: Values) -> Values:
    """Factor from a size of each kind to the FWHM of a Gaussian; NaN for kinds that SDC1 has not."""
    factor = np.full(kind.shape, np.nan)
    for value, one in _TO_GAUSS.items():
        factor[kind == value] = one
    return factor


def _convolved(table: dict[str, Values], beam: float) -> Values:
    """The larger axis, convolved with the beam, arcsec; sizes of an unknown kind are taken as Gaussian."""
    factor = np.nan_to_num(gauss_factor(table["size"]), nan=1.0)
    return np.hypot(np.maximum(table["b_maj"], table["b_min"]) * factor, beam)


def _candidates(
    t: dict[str, Values], s: dict[str, Values], beam: float, centroids: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows (submission, truth) of all pairs within reach."""
    none = np.zeros(0, np.intp)
    if not len(t["id"]) or not len(s["id"]):
        return none, none
    place = "cent" if centroids else "core"
    tree = cKDTree(np.stack([t[f"ra_{place}"], t[f"dec_{place}"]], axis=1))
    points = np.stack([s[f"ra_{place}"], s[f"dec_{place}"]], axis=1)
    near = tree.query_ball_point(points, _convolved(s, beam) / 3600.0)
    counts = np.fromiter(map(len, near), np.intp, len(near))
    true = np.concatenate([np.asarray(one, np.intp) for one in near]) if counts.sum() else none
    return np.repeat(np.arange(len(near)), counts), true


def _separation(t: dict[str, Values], s: dict[str, Values], place: str) -> Values:
    """On the sphere, arcsec."""
    angles = (np.radians(one[f"{axis}_{place}"]) for one in (t, s) for axis in ("ra", "dec"))
    return np.degrees(angular_separation(*angles)) * 3600.0  # type: ignore[no-any-return]


def _distance(
    t: dict[str, Values],
    s: dict[str, Values],
    rows: NDArray[np.intp],
    true: NDArray[np.intp],
    beam: float,
    centroids: bool,
) -> Values:
    """Distance in position, flux and size of pairs, each in units of its spread over three."""
    pair_t = {name: value[true] for name, value in t.items()}
    pair_s = {name: value[rows] for name, value in s.items()}
    reach = _convolved(pair_t, beam)
    position = _separation(pair_t, pair_s, "cent" if centroids else "core") / reach
    sizes = [0.5 * (one["b_maj"] + one["b_min"]) * gauss_factor(one["size"]) for one in (pair_t, pair_s)]
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = np.abs(pair_s["flux"] - pair_t["flux"]) / pair_t["flux"]
        size = np.abs(sizes[0] - sizes[1]) / reach
        return np.sqrt(
            (position / _WEIGHTS["position"]) ** 2 + (flux / _WEIGHTS["flux"]) ** 2 + (size / _WEIGHTS["size"]) ** 2
        )


def _one_to_one(found: Values, true: Values, distance: Values) -> NDArray[np.intp]:
    """Pairs left where every detection keeps its nearest true source, and of those every true source its nearest."""
    order = np.lexsort((distance, found))
    first = order[_first_of_each(found[order])]
    order = first[np.lexsort((distance[first], true[first]))]
    return order[_first_of_each(true[order])]


def _first_of_each(ordered: Values) -> NDArray[np.bool_]:
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return first


def _marks(t: dict[str, Values], s: dict[str, Values], beam: float) -> dict[str, Values]:
    """Marks of matched rows, 0 to 1: full within the tolerance, then falling as its inverse. NaN counts nothing."""
    extent = np.sqrt(4.0 * beam**2 + (0.5 * (t["b_maj"] + t["b_min"])) ** 2)
    errors = {
        "position": np.fmin(_separation(t, s, "cent"), _separation(t, s, "core")) / extent,
        "pa": np.abs(_folded(s["pa"]) - _folded(t["pa"])),
        "core_frac": np.abs(s["core_frac"] - t["core_frac"]) / _AGN_CORE,
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        errors["flux"] = np.abs(s["flux"] - t["flux"]) / t["flux"]
        for axis in ("b_maj", "b_min"):
            size = s[axis] * gauss_factor(s["size"]) / gauss_factor(t["size"])
            errors[axis] = np.abs(size - t[axis]) / t[axis]
        marks = {name: np.minimum(1.0, 1.0 / error * _TOLERANCE[name]) for name, error in errors.items()}
    for name in ("b_min", "pa"):  # a largest extent has neither
        marks[name][t["size"] == 1] = 1.0
    marks["class"] = (s["class"] == t["class"]).astype(np.float64)
    return {name: marks[name] for name in PARTS}


def _folded(angle: Values) -> Values:
    """Position angles as ska-sdc compares them: folded step by step, which is not the angle modulo 180."""
    folded = angle.copy()
    for limit in (180.0, 90.0, 45.0):
        folded[folded > limit] -= limit
    folded[folded < -45.0] += 45.0
    return folded
