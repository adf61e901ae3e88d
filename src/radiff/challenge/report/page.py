"""Scores to one HTML page that opens from disk, to score.json, and to tables of matches. Measures nothing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column, Table

from radiff import pages
from radiff.challenge.matching import Match
from radiff.challenge.report.plots import color_of, draw_overview, draw_plots
from radiff.challenge.scoring import Scored, Scores
from radiff.challenge.sdc1 import PARTS
from radiff.files import make_folder, write_json, write_text
from radiff.sky.columns import build_table, write_table
from radiff.sky.sdc1 import write_sdc1

PAGE, FIGURES = "report.html", "score.json"
FORMAT = 1


def write_report(folder: str | os.PathLike[str], scores: Scores) -> Path:
    """Write ``report.html``, ``score.json``, ``matches/NAME.fits``, ``truth.fits`` and ``sdc1/*.txt`` into `folder`.

    Raises
    ------
    InputError
        Where the folder cannot be written.
    """
    folder = make_folder(folder)
    for name in ("matches", "sdc1"):
        make_folder(folder / name)
    for one in scores.entries:
        write_table(folder / "matches" / f"{one.name}.fits", match_table(scores, one), "MATCHES")
        write_sdc1(folder / "sdc1" / f"{one.name}.txt", one.sdc1_table)
    write_sdc1(folder / "sdc1" / "truth.txt", scores.truth_sdc1)
    write_table(folder / "truth.fits", outcome_table(scores), "TRUTH")
    write_json(folder / FIGURES, to_json(scores))
    write_text(folder / PAGE, render(scores))
    return folder / PAGE


def to_json(scores: Scores) -> dict[str, Any]:
    """All figures as plain values."""
    return {
        "kind": "score",
        "format": FORMAT,
        "settings": scores.settings,
        "edges": {name: values.tolist() for name, values in scores.edges.items()},
        "submissions": [one.figures for one in scores.entries],
    }


def match_table(scores: Scores, one: Scored) -> Table:
    """A submission with what was found out of each of its rows."""
    table = one.table.copy()
    table.meta = {}
    ids = np.asarray(scores.answer.columns["id"]).astype(np.int64)
    table["status"] = Column(
        one.match.found, description="matched, duplicate, spurious, false, or why it is not judged"
    )
    near = one.match.near
    table["truth_id"] = Column(
        np.where(near >= 0, ids[np.maximum(near, 0)], -1), description="id of the true source it belongs to; -1: none"
    )
    rows = one.match.pairs[:, 1]
    for name, unit in (("separation", u.arcsec), ("flux_ratio", None)):
        values = np.full(len(table), np.nan)
        values[rows] = one.pairs["int_flux" if name == "flux_ratio" else name]
        table[name] = Column(values, unit=unit, description="of matched rows: measured against true")
    return table


def outcome_table(scores: Scores) -> Table:
    """The truth with what became of each row in each submission."""
    columns = scores.answer.columns
    table = build_table(Table, ("id", "class", "ra", "dec", "int_flux", "snr", "maj"), columns, None)
    for one in scores.entries:
        table[one.name] = Column(one.match.truth, description="found, blended, missed, artefact or training")
        table[f"{one.name}_id"] = Column(_found_ids(one.table, one.match), description="id of the detection; -1: none")
    return table


def _found_ids(table: Table, match: Match) -> np.ndarray:
    ids = np.full(len(match.truth), -1, np.int64)
    ids[match.pairs[:, 0]] = np.asarray(table["id"])[match.pairs[:, 1]]
    return ids


def render(scores: Scores) -> str:
    """The page, with all plots inside."""
    path = scores.answer.map if scores.answer.grid is not None else None
    plots = draw_plots(scores) + ([draw_overview(scores, path)] if path is not None else [])
    return pages.render(
        "radiff.challenge.report",
        "report.html",
        {"share": share_text, "scatter": scatter_text, "number": number_text},
        settings=scores.settings,
        entries=[one.figures | {"color": color_of(k)} for k, one in enumerate(scores.entries)],
        plots={
            name: [p for p in plots if p.section == name] for name in ("completeness", "reliability", "errors", "map")
        },
        parts=PARTS,
    )


def number_text(value: float | None) -> str:
    """A number, or a dash where it is not known."""
    return "-" if value is None else pages.number(value)


def share_text(share: dict[str, Any]) -> str:
    """``0.912 [0.880, 0.938]``."""
    if share["value"] is None:
        return "-"
    return f"{share['value']:.3f} [{share['low']:.3f}, {share['high']:.3f}]"


def scatter_text(sample: dict[str, Any]) -> str:
    """``1.003 ± 0.021``."""
    if sample["median"] is None:
        return "-"
    return f"{sample['median']:.3f} ± {sample['scatter']:.3f}"


def text_lines(scores: Scores) -> Iterator[str]:
    """The summary as text."""
    settings = scores.settings
    kinds = ", ".join(f"{count:,} {name}" for name, count in settings["classes"].items())
    yield f"{settings['sources']:,} sources to be found ({kinds})"
    width = max(len("submission"), *(len(one.name) for one in scores.entries))
    heads = ("found", "matched", "completeness", "reliability", "flux ratio", "SDC1 score")
    widths = (7, 8, 20, 20, 15, 10)
    yield f"{'submission':{width}s} " + "  ".join(f"{h:>{w}s}" for h, w in zip(heads, widths, strict=True))
    for one in scores.entries:
        f = one.figures
        cells = (
            f"{f['judged']}", f"{f['detections']['matched']}", share_text(f["completeness"]),
            share_text(f["reliability"]), scatter_text(f["errors"]["int_flux"]["bright"]), f"{one.sdc1.value:.2f}",
        )  # fmt: skip
        yield f"{one.name:{width}s} " + "  ".join(f"{cell:>{w}s}" for cell, w in zip(cells, widths, strict=True))
