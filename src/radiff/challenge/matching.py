"""Two lists of positions to pairs, one to one, and a word for every row. Knows no fluxes and no files.

A detection belongs to the true source whose reach it lies in. Of all such pairs the one that is nearest, in parts of
the reach, is taken first, then the next whose two rows are both free: no row is in two pairs. Rows without a pair are
kept, and told apart.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from radiff.sky.beam import Floats

MATCHED, DUPLICATE, SPURIOUS, FALSE = "matched", "duplicate", "spurious", "false"
"""What a judged detection is: in a pair; in reach of a true source that another one has; on an artefact of the truth;
on nothing."""
ASIDE, TRAINING, OUTSIDE, REAL = "aside", "training", "outside", "real"
"""Detections that are not judged: called spurious by the finder; in the training area; off the map or on blank pixels;
on a source of the map itself, which the truth does not know."""
FOUND, BLENDED, MISSED, ARTEFACT = "found", "blended", "missed", "artefact"
"""What a true source is: in a pair; in reach of a detection that another true source has; neither; spurious, and so not
to be found. `TRAINING` where it lies in the training area."""
JUDGED = (MATCHED, DUPLICATE, SPURIOUS, FALSE)
WANTED = (FOUND, BLENDED, MISSED)


@dataclass(frozen=True, eq=False)
class Match:
    """Truth and detections, matched.

    Attributes
    ----------
    pairs : int (n, 2)
        Rows of the truth and of the detections, by the truth's row.
    separation : (n,)
        Arcsec.
    truth, found : str (n_truth,), (n_found,)
        A word for each row.
    near : int (n_found,)
        Row of the truth that a detection belongs to (its pair, or for a duplicate or spurious one the nearest); -1:
        none.
    chance : float
        Number of pairs to be expected if the detections lay anywhere: what the density of detections alone puts into
        the reaches.
    """

    pairs: NDArray[np.intp]
    separation: Floats
    truth: NDArray[np.str_]
    found: NDArray[np.str_]
    near: NDArray[np.intp]
    chance: float


def reach_of(major: ArrayLike, beam: float, radius: float | None = None) -> Floats:
    """How far from a true source a detection may lie, arcsec: half of its FWHM on the map, at least half a beam.

    Parameters
    ----------
    major : array (n,)
        FWHM on the map along the major axis, arcsec; NaN: that of the beam.
    beam : float
        Major FWHM of the beam, arcsec.
    radius : float, optional
        In place of it, for all.
    """
    major = np.asarray(major, float)
    if radius is not None:
        return np.full(major.shape, float(radius))
    return 0.5 * np.fmax(np.nan_to_num(major, nan=beam), beam)


def match(
    truth: tuple[ArrayLike, ArrayLike],
    found: tuple[ArrayLike, ArrayLike],
    reach: ArrayLike,
    spurious: ArrayLike,
    truth_aside: ArrayLike,
    found_aside: ArrayLike,
    area: float = np.nan,
) -> Match:
    """Match detections with the truth by position.

    Parameters
    ----------
    truth, found : (ra, dec)
        Arrays in deg.
    reach : array (n_truth,)
        Arcsec.
    spurious : bool (n_truth,)
        Artefacts: no pair is made of them.
    truth_aside, found_aside : str (n_truth,), (n_found,)
        A word for rows that are not judged, "" for the others. Detections of the training area or off what is judged
        make pairs with sources on this side of the border all the same, and those on this side that lie in reach of a
        source of the training area alone are not judged either.
    area : float
        Judged area, square degrees, for `Match.chance`.
    """
    spurious, reach = np.asarray(spurious, bool), np.asarray(reach, float)
    truth_words, found_words = (np.asarray(words, "U9").copy() for words in (truth_aside, found_aside))
    left_out = found_words.copy()
    beyond = np.isin(left_out, (TRAINING, OUTSIDE))  # of a border, where a source of this side may still be meant
    judged, wanted = left_out == "", (truth_words == "") & ~spurious
    near = np.full(len(judged), -1, np.intp)
    rows = _pairs(truth, found, reach)
    rows = {name: value[(judged | beyond)[rows["found"]]] for name, value in rows.items()}
    true = {name: value[wanted[rows["truth"]]] for name, value in rows.items()}
    for word, chosen in ((TRAINING, truth_words == TRAINING), (SPURIOUS, (truth_words == "") & spurious),
                         (DUPLICATE, wanted)):  # fmt: skip
        one = {name: value[chosen[rows["truth"]]] for name, value in rows.items()}
        order = np.argsort(-one["share"], kind="stable")  # the nearest last, which stays
        found_words[one["found"][order]] = word
        near[one["found"][order]] = one["truth"][order]
    taken = _one_to_one(true)
    pairs = {name: value[taken] for name, value in true.items()}
    found_words[beyond] = left_out[beyond]
    near[beyond] = -1
    found_words[pairs["found"]] = MATCHED
    near[pairs["found"]] = pairs["truth"]
    found_words[found_words == ""] = FALSE
    truth_words[(truth_words == "") & spurious] = ARTEFACT
    truth_words[true["truth"][judged[true["found"]]]] = BLENDED
    truth_words[pairs["truth"]] = FOUND
    truth_words[truth_words == ""] = MISSED
    order = np.argsort(pairs["truth"], kind="stable")
    chance = float(judged.sum() / area * np.pi * np.sum((reach[wanted] / 3600.0) ** 2)) if area > 0 else np.nan
    return Match(
        np.stack([pairs["truth"], pairs["found"]], axis=1)[order], pairs["separation"][order], truth_words, found_words,
        near, chance,
    )  # fmt: skip


def _pairs(
    truth: tuple[ArrayLike, ArrayLike], found: tuple[ArrayLike, ArrayLike], reach: Floats
) -> dict[str, NDArray[Any]]:
    """All pairs within reach: rows of both, separation (arcsec), and its share of the reach."""
    none = np.zeros(0, np.intp)
    true_at, found_at = (SkyCoord(*place, unit="deg").cartesian.xyz.value.T for place in (truth, found))
    if not len(true_at) or not len(found_at):
        return {"truth": none, "found": none, "separation": np.zeros(0), "share": np.zeros(0)}
    chord = 2.0 * np.sin(np.radians(reach / 3600.0) / 2.0)
    near = cKDTree(found_at).query_ball_point(true_at, chord)
    counts = np.fromiter(map(len, near), np.intp, len(near))
    rows = np.concatenate([np.asarray(one, np.intp) for one in near]) if counts.sum() else none
    true = np.repeat(np.arange(len(near)), counts)
    distance = np.linalg.norm(true_at[true] - found_at[rows], axis=1)
    separation = np.degrees(2.0 * np.arcsin(np.minimum(distance / 2.0, 1.0))) * 3600.0
    return {"truth": true, "found": rows, "separation": separation, "share": separation / reach[true]}


def _one_to_one(pairs: dict[str, NDArray[Any]]) -> NDArray[np.intp]:
    """Which pairs are taken: the nearest first, as long as both of its rows are free."""
    taken: list[int] = []
    true: set[int] = set()
    found: set[int] = set()
    for one in np.lexsort((pairs["found"], pairs["truth"], pairs["share"])):
        t, f = int(pairs["truth"][one]), int(pairs["found"][one])
        if t not in true and f not in found:
            taken.append(int(one))
            true.add(t)
            found.add(f)
    return np.array(taken, np.intp)
