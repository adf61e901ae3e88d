"""Submissions and the truth to figures: who found what, how well it was measured, the SDC1 score. Draws nothing.

All figures are of judged rows alone (`radiff.challenge.matching`): without the training area, artefacts of the truth,
and what a finder itself calls spurious.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from radiff.challenge.answers import Answer
from radiff.challenge.matching import (
    ASIDE,
    DUPLICATE,
    FALSE,
    FOUND,
    JUDGED,
    MATCHED,
    OUTSIDE,
    REAL,
    TRAINING,
    WANTED,
    Match,
    match,
    reach_of,
)  # fmt: skip
from radiff.challenge.measures import log_edges, median_values, percentile_curve, share_curve, share_values
from radiff.challenge.sdc1 import Sdc1Score, sdc1_score
from radiff.errors import InputError
from radiff.sky.beam import Floats
from radiff.sky.sdc1 import SDC1_CLASSES, sdc1_columns

CLASSES = ("compact", "extended")
BY = {"snr": "peak over local rms", "int_flux": "integrated flux (Jy)", "size": "FWHM on the map (beams)"}
"""What completeness and reliability are told against."""
BRIGHT = 10.0
"""snr; the headline errors are those of sources above it."""
_ELONGATED = 0.8  # axis ratio below which an angle is compared
_RESOLVED = 0.5  # beams; larger sources' sizes without the beam are compared
_UNIT_SLIP = (300.0, 3e4)  # a median flux ratio between these: mJy told as Jy; its square: uJy


@dataclass(frozen=True, eq=False)
class Scored:
    """One submission.

    Attributes
    ----------
    name : str
    table : Table
        Of `read_submission`.
    match : Match
    pairs : dict of str to array (n_pairs,)
        Of the matched rows: snr (true), d_ra, d_dec (arcsec; found less true), separation (arcsec), int_flux,
        peak_flux, maj, min, maj_deconvolved (found over true), pa (deg, found less true; of elongated sources).
    sdc1 : Sdc1Score
    sdc1_table : dict
        What it is of.
    figures : dict
        As in ``score.json``.
    """

    name: str
    table: Table
    match: Match
    pairs: dict[str, Floats]
    sdc1: Sdc1Score
    sdc1_table: dict[str, Floats]
    figures: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Scores:
    """All submissions against one truth.

    Attributes
    ----------
    answer : Answer
    entries : list of Scored
    edges : dict of str to array
        Edges of the bins of `BY`, and of ``error``: snr of matched sources.
    wanted : bool (n_truth,)
        Sources that are to be found.
    truth_sdc1 : dict
    settings : dict
    """

    answer: Answer
    entries: list[Scored]
    edges: dict[str, Floats]
    wanted: NDArray[np.bool_]
    truth_sdc1: dict[str, Floats]
    settings: dict[str, Any]


def score(
    answer: Answer,
    submissions: Sequence[tuple[str, Table]],
    radius: float | None = None,
    frequency: int | None = None,
) -> Scores:
    """Score submissions.

    Parameters
    ----------
    answer : Answer
    submissions : sequence of (name, table of `read_submission`)
    radius : float, optional
        Arcsec; in place of half of a true source's FWHM on the map.
    frequency : int, optional
        MHz; beam and training area of the SDC1 score as in ska-sdc, in place of the map's own.
    """
    if radius is not None and not radius > 0:
        raise InputError(f"a radius of {radius:g} arcsec; it must be above 0")
    ra, dec = answer.columns["ra"], answer.columns["dec"]
    left_out = np.where(answer.in_training(ra, dec), TRAINING, "")
    wanted = (left_out == "") & ~answer.spurious
    if not wanted.any():
        raise InputError("no source of the truth lies outside of the training area; there is nothing to be found")
    reach = reach_of(answer.columns["maj"], answer.beam[0], radius)
    matched = [
        (name, table, match((ra, dec), (table["ra"], table["dec"]), reach, answer.spurious, left_out,
                            _left_out(answer, table), answer.area))
        for name, table in submissions
    ]  # fmt: skip
    for _, table, found in matched:
        _set_real_aside(answer, table, found)
    edges = _edges(answer, wanted, matched)
    truth_sdc1 = answer.as_sdc1(wanted)
    beam = None if frequency is not None else float(np.sqrt(answer.beam[0] * answer.beam[1]))
    entries = [_scored(answer, wanted, edges, truth_sdc1, beam, frequency, *one) for one in matched]
    settings = {
        "truth": answer.name, "sources": int(wanted.sum()),
        "artefacts": int((answer.spurious & (left_out == "")).sum()),
        "training": int((left_out != "").sum()), "beam_arcsec": list(answer.beam), "radius_arcsec": radius,
        "sdc1_frequency_mhz": frequency,
        "classes": {name: int((wanted & (answer.columns["class"] == name)).sum()) for name in classes_of(answer)},
    }  # fmt: skip
    return Scores(answer, entries, edges, wanted, truth_sdc1, settings)


def classes_of(answer: Answer) -> list[str]:
    """Ours, as far as the truth has them; else the truth's own (SDC1 numbers kinds of galaxies)."""
    known = set(answer.columns["class"].tolist()) - {"spurious", ""}
    return [name for name in CLASSES if name in known] or sorted(known)


def misplaced(answer: Answer, table: Table) -> str | None:
    """What is wrong with the units of a submission, as one line; None where nothing seems to be."""
    ra, dec = np.asarray(table["ra"], float), np.asarray(table["dec"], float)
    if answer.grid is not None and answer.off_the_map(ra, dec).all():
        middle = answer.grid.to_sky([(answer.grid.shape[1] - 1) / 2], [(answer.grid.shape[0] - 1) / 2])
        return (
            f"none of its {len(table)} rows lies on the map, which is about ra {middle[0][0]:.4f}, dec"
            f" {middle[1][0]:.4f} deg; the first is at {ra[0]:.4f}, {dec[0]:.4f}; give ra and dec in deg, ICRS"
        )
    reach = reach_of(answer.columns["maj"], answer.beam[0])
    none = np.full(len(ra), "")
    pairs = match(
        (answer.columns["ra"], answer.columns["dec"]), (ra, dec), reach, answer.spurious, np.full(len(answer), ""), none
    ).pairs
    if len(pairs) < 3:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        told, true = np.asarray(table["int_flux"], float)[pairs[:, 1]], answer.columns["int_flux"][pairs[:, 0]]
        ratio = float(np.nanmedian(told / true))
    low, high = _UNIT_SLIP
    for unit, power in (("mJy", 1), ("uJy", 2)):
        if low**power < ratio < high**power:
            return (
                f"its fluxes are {ratio:.3g} times the true ones; they seem to be in {unit}: give Jy, or name the unit"
            )
    return None


def _left_out(answer: Answer, table: Table) -> NDArray[np.str_]:
    """A word for rows that are not judged."""
    ra, dec = np.asarray(table["ra"], float), np.asarray(table["dec"], float)
    words = np.where(answer.in_training(ra, dec), TRAINING, "").astype("U9")
    words[answer.off_the_map(ra, dec)] = OUTSIDE
    words[np.asarray(table["class"]) == "spurious"] = ASIDE
    return words


def _set_real_aside(answer: Answer, table: Table, found: Match) -> None:
    """False detections on sources of the map itself are none."""
    false = np.flatnonzero(found.found == FALSE)
    on = answer.on_real(np.asarray(table["ra"], float)[false], np.asarray(table["dec"], float)[false])
    found.found[false[on]] = REAL


def _by(answer: Answer) -> dict[str, Floats]:
    """What completeness is told against, of the truth."""
    columns = answer.columns
    return {"snr": columns["snr"], "int_flux": columns["int_flux"], "size": columns["maj"] / answer.beam[0]}


def _told(answer: Answer, table: Table) -> dict[str, Floats]:
    """The same as a submission tells it; sizes without the beam are convolved with it."""
    major, deconvolved = (np.asarray(table[name], float) for name in ("maj", "maj_deconvolved"))
    major = np.where(np.isfinite(major), major, np.hypot(deconvolved, answer.beam[0]))
    snr, rms = np.asarray(table["snr"], float), answer.columns["local_rms"]
    if np.isnan(snr).all() and np.isfinite(rms).any():
        snr = np.asarray(table["peak_flux"], float) / np.nanmedian(rms)
    return {"snr": snr, "int_flux": np.asarray(table["int_flux"], float), "size": major / answer.beam[0]}


def _kinds(answer: Answer, table: Table) -> NDArray[np.str_]:
    """Classes as a submission tells them, in the truth's words."""
    told = np.asarray(table["class"]).astype(str)
    if "sdc1" not in table.meta or answer.sdc1 is not None:
        return told
    names = {str(number): name for name, number in SDC1_CLASSES.items()}
    return np.array([names.get(kind, kind) for kind in told], dtype=str)


def _edges(answer: Answer, wanted: NDArray[np.bool_], matched: Sequence[tuple[str, Table, Match]]) -> dict[str, Floats]:
    edges = {}
    for name, values in _by(answer).items():
        told = [_told(answer, table)[name][np.isin(found.found, JUDGED)] for _, table, found in matched]
        edges[name] = log_edges([values[wanted], *told])
    return edges | {"error": log_edges([answer.columns["snr"][wanted]], 6)}


def _scored(
    answer: Answer,
    wanted: NDArray[np.bool_],
    edges: dict[str, Floats],
    truth_sdc1: dict[str, Floats],
    beam: float | None,
    frequency: int | None,
    name: str,
    table: Table,
    found: Match,
) -> Scored:
    judged = np.isin(found.found, JUDGED)
    sdc1_table = _sdc1_table(answer, table, judged)
    sdc1 = sdc1_score(truth_sdc1, sdc1_table, frequency, beam)
    pairs = _pairs(answer, table, found)
    good = {"completeness": found.truth == FOUND, "reliability": found.found == MATCHED}
    kinds = {"completeness": answer.columns["class"], "reliability": _kinds(answer, table)}
    of = {"completeness": wanted, "reliability": judged}
    by = {"completeness": _by(answer), "reliability": _told(answer, table)}
    whole = {what: share_values(int((good[what] & of[what]).sum()), int(of[what].sum())) for what in good}
    counts = {word: int((found.found == word).sum()) for word in (*JUDGED, ASIDE, TRAINING, OUTSIDE, REAL)}
    figures: dict[str, Any] = {
        "name": name, "rows": len(table), "judged": int(judged.sum()), "detections": counts,
        "truth": {word: int((found.truth == word).sum()) for word in WANTED},
        "completeness": whole["completeness"], "reliability": whole["reliability"],
        "on_a_source": share_values(counts[MATCHED] + counts[DUPLICATE], int(judged.sum())),
        "f1": 2.0 * counts[MATCHED] / (int(wanted.sum()) + int(judged.sum())),
        "pairs_by_chance": None if np.isnan(found.chance) else found.chance,
        "by_class": {
            kind: {what: share_values(int((good[what] & rows).sum()), int(rows.sum()))
                   for what in good for rows in [of[what] & (kinds[what] == kind)]}
            for kind in classes_of(answer)
        },
        "class_right": _class_right(answer, table, found),
        "errors": _errors(pairs),
        "curves": {
            what: {axis: {"all": share_curve(by[what][axis][of[what]], good[what][of[what]], edges[axis])}
                   | {kind: share_curve(by[what][axis][rows], good[what][rows], edges[axis])
                      for kind in classes_of(answer) for rows in [of[what] & (kinds[what] == kind)]}
                   for axis in BY}
            for what in good
        } | {"errors": {column: percentile_curve(pairs["snr"], pairs[column], edges["error"])
                        for column in ("separation", "int_flux", "maj")}},
        "sdc1": sdc1.to_json(),
        "lacks": list(table.meta.get("lacks", [])),
    }  # fmt: skip
    return Scored(name, table, found, pairs, sdc1, sdc1_table, figures)


def _sdc1_table(answer: Answer, table: Table, judged: NDArray[np.bool_]) -> dict[str, Floats]:
    """Judged rows in SDC1's columns: as they are in the file, else of our columns."""
    if "sdc1" in table.meta:
        return {name: np.asarray(values, float)[judged] for name, values in table.meta["sdc1"].items()}
    return sdc1_columns({name: np.asarray(table[name])[judged] for name in table.colnames}, answer.beam)


def _class_right(answer: Answer, table: Table, found: Match) -> dict[str, Any]:
    """Matched rows whose class is the true one, of those that tell one."""
    true, told = found.pairs.T
    ours = _kinds(answer, table)[told]
    known = ours != ""
    return share_values(int((ours == answer.columns["class"][true])[known].sum()), int(known.sum()))


def _pairs(answer: Answer, table: Table, found: Match) -> dict[str, Floats]:
    """Differences and ratios of matched rows."""
    true, told = found.pairs.T
    t = {name: np.asarray(values)[true] for name, values in answer.columns.items() if name != "class"}
    s = {name: np.asarray(table[name], float)[told] for name in table.colnames if name not in ("class", "fit")}
    step = (s["ra"] - t["ra"] + 180.0) % 360.0 - 180.0
    lacks = table.meta.get("lacks", [])
    result = {
        "snr": t["snr"], "d_ra": step * np.cos(np.radians(t["dec"])) * 3600.0, "d_dec": (s["dec"] - t["dec"]) * 3600.0,
        "separation": found.separation,
    }  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        for name in ("int_flux", "peak_flux", "maj", "min"):
            ratio = np.where(t[name] > 0, s[name] / t[name], np.nan)
            result[name] = np.full(len(true), np.nan) if name in lacks else ratio
        wide = t["maj_deconvolved"] > _RESOLVED * answer.beam[0]
        result["maj_deconvolved"] = np.where(wide, s["maj_deconvolved"] / t["maj_deconvolved"], np.nan)
        turned = (s["pa"] - t["pa"] + 90.0) % 180.0 - 90.0
        result["pa"] = np.where(t["min"] < _ELONGATED * t["maj"], turned, np.nan)
    return result


def _errors(pairs: dict[str, Floats]) -> dict[str, Any]:
    """Medians and scatters, of all matched sources and of the bright ones."""
    columns = [name for name in pairs if name != "snr"]
    bright = pairs["snr"] >= BRIGHT
    return {
        name: {
            "all": median_values(pairs[name]),
            "bright": median_values(pairs[name][bright]),
        }
        for name in columns
    }
