"""Scores to plots that stand in a page, and to the map with what was found on it. Measures nothing."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from radiff.challenge.matching import FALSE, FOUND
from radiff.challenge.scoring import BY, CLASSES, Scores, classes_of
from radiff.pages import PLOT_STYLE, Plot, data_address, svg_address
from radiff.sky import MapReader, background_rms, stretch
from radiff.sky.windows import averaged

COLORS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8e5ea2", "#e08e0b", "#17a2a2", "#555555", "#b5651d")
ALL, SOME, NONE = "#3ddc84", "#ffd166", "#ff4d4d"
"""Colours of true sources that all, some or none of the submissions found."""
_LONGEST = 1100  # pixels of the picture's longer side
_LEGEND = 0.6  # inches above it
_MOST = 4000  # marks of one kind; of more, the brightest sources are marked
_NAMES = {"snr": "signal-to-noise", "int_flux": "flux", "size": "size"}
_ROWS = {"completeness": "true sources", "reliability": "detections"}


def color_of(number: int) -> str:
    """Of submission `number`, from 0."""
    return COLORS[number % len(COLORS)]


def draw_plots(scores: Scores) -> list[Plot]:
    """All plots of a page."""
    return list(_plots(scores))


def _plots(scores: Scores) -> Iterator[Plot]:
    figures = [one.figures for one in scores.entries]
    for what, counted in _ROWS.items():
        for axis, label in BY.items():
            if not np.isfinite(_counts(figures, what, axis)).any():
                continue
            text = (
                f"Bars: 95 % interval. Grey: number of {counted} a bin."
                if what == "completeness"
                else "Bars: 95 % interval. As the submission tells it."
            )
            yield Plot(
                f"{what[0].upper()}{what[1:]} against {_NAMES[axis]}", text,
                svg_address(_shares, (scores, figures, what, axis, label, "all")), what,
            )  # fmt: skip
        kinds = classes_of(scores.answer)
        for kind in kinds if len(kinds) > 1 and np.isfinite(_counts(figures, what, "snr")).any() else []:
            title = f"{what[0].upper()}{what[1:]} of {kind if kind in CLASSES else f'class {kind}'} sources"
            text = (
                f"Of {counted} {'' if what == 'completeness' else 'told to be '}of that class, against signal-to-noise."
            )
            yield Plot(title, text, svg_address(_shares, (scores, figures, what, "snr", BY["snr"], kind)), what)
    for column, title, label in (
        ("int_flux", "Flux: measured over true", "measured / true flux"),
        ("separation", "Error of position", "distance (arcsec)"),
        ("maj", "Size on the map: measured over true", "measured / true major FWHM"),
    ):
        if any(any(one["curves"]["errors"][column]["n"]) for one in figures):
            text = "Median and 16th to 84th percentile of matched sources, in bins of at least three."
            yield Plot(title, text, svg_address(_errors, (scores, figures, column, label)), "errors")
    if any(len(one.match.pairs) for one in scores.entries):
        text = "Measured less true position of matched sources; the circle is the beam's half width."
        yield Plot("Offsets", text, svg_address(_offsets, scores), "errors")


def _counts(figures: Sequence[dict[str, Any]], what: str, axis: str) -> np.ndarray:
    values = [one["curves"][what][axis]["all"]["value"] for one in figures]
    return np.array([[np.nan if v is None else v for v in each] for each in values], float)


def _middles(edges: np.ndarray) -> np.ndarray:
    return np.sqrt(edges[:-1] * edges[1:])


def _aside(number: int, of: int, edges: np.ndarray) -> float:
    """Factor by which the points of one of several submissions stand beside the middle of their bins."""
    return float((edges[1] / edges[0]) ** (0.5 * (number - (of - 1) / 2) / max(of, 3)))


def _shares(axes: Axes, told: tuple[Scores, Sequence[dict[str, Any]], str, str, str, str]) -> None:
    scores, figures, what, axis, label, kind = told
    edges = scores.edges[axis]
    if what == "completeness":
        behind = axes.twinx()
        behind.stairs(figures[0]["curves"][what][axis][kind]["of"], edges, fill=True, color="#e3e3e3")
        behind.set_ylabel("true sources", color="#999999")
        behind.tick_params(axis="y", colors="#999999")
        behind.spines["right"].set_visible(True)
        behind.spines["right"].set_color("#cccccc")
        behind.set_zorder(0)
        axes.set_zorder(1)
        axes.patch.set_visible(False)
    for number, one in enumerate(figures):
        curve = one["curves"][what][axis][kind]
        value, low, high = (np.array([np.nan if v is None else v for v in curve[k]]) for k in ("value", "low", "high"))
        seen = np.isfinite(value)
        at = (_middles(edges) * _aside(number, len(figures), edges))[seen]
        axes.plot(at, value[seen], "o-", ms=3, lw=1.0, color=color_of(number), label=one["name"])
        axes.vlines(at, low[seen], high[seen], color=color_of(number), alpha=0.45, lw=1.0)
    axes.set(xscale="log", xlabel=label, ylabel=what, ylim=(-0.03, 1.03), xlim=(edges[0], edges[-1]))
    _plain_ticks(axes, axis)
    axes.legend(fontsize=7)


def _plain_ticks(axes: Axes, axis: str) -> None:
    """1, 2, 5, 10, ... in place of powers, where they are few."""
    if axis == "int_flux":
        return
    low, high = axes.get_xlim()
    ticks = [k * 10.0**power for power in range(-2, 6) for k in (1, 2, 5) if low <= k * 10.0**power <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _errors(axes: Axes, told: tuple[Scores, Sequence[dict[str, Any]], str, str]) -> None:
    scores, figures, column, label = told
    edges = scores.edges["error"]
    for number, one in enumerate(figures):
        curve = one["curves"]["errors"][column]
        rows = np.array([k for k, n in enumerate(curve["n"]) if n >= 3], int)
        if not rows.size:
            continue
        low, middle, high = (np.array(curve[k], float)[rows] for k in ("low", "median", "high"))
        shift = _aside(number, len(figures), edges)
        axes.errorbar(
            _middles(edges)[rows] * shift, middle, [middle - low, high - middle], fmt="o", ms=3, lw=1,
            color=color_of(number), label=one["name"],
        )  # fmt: skip
    if column != "separation":
        axes.axhline(1.0, color="#888888", lw=0.7, zorder=0)
    else:
        axes.set_ylim(bottom=0)
    axes.set(xscale="log", xlabel="true signal-to-noise", ylabel=label, xlim=(edges[0], edges[-1]))
    _plain_ticks(axes, "snr")
    axes.legend(fontsize=7)


def _offsets(axes: Axes, scores: Scores) -> None:
    reach = 0.0
    for number, one in enumerate(scores.entries):
        axes.plot(one.pairs["d_ra"], one.pairs["d_dec"], ".", ms=2.5, alpha=0.6, color=color_of(number), label=one.name)
        far = np.abs(np.concatenate([one.pairs["d_ra"], one.pairs["d_dec"]]))
        reach = max(reach, float(np.percentile(far, 99)) if len(far) else 0.0)
    half = 0.5 * float(np.sqrt(np.prod(scores.answer.beam)))
    angle = np.linspace(0, 2 * np.pi, 100)
    axes.plot(half * np.cos(angle), half * np.sin(angle), color="#888888", lw=0.8)
    limit = 1.1 * max(reach, half)
    axes.axhline(0, color="#bbbbbb", lw=0.6, zorder=0)
    axes.axvline(0, color="#bbbbbb", lw=0.6, zorder=0)
    axes.set(xlim=(limit, -limit), ylim=(-limit, limit), xlabel="east (arcsec)", ylabel="north (arcsec)", aspect=1)
    axes.legend(fontsize=7, markerscale=3, loc="upper left", bbox_to_anchor=(1.0, 1.0))


# ---------------------------------------------------------------- the map


def draw_overview(scores: Scores, path: Path) -> Plot:
    """The map at `path` with rings at the true sources and crosses at false detections."""
    with MapReader(path) as reader:
        ny, nx = reader.shape
        image, n = averaged(reader, (0, ny, 0, nx), _LONGEST)
    level, rms = background_rms(image) if np.isfinite(image).any() else (0.0, 1.0)
    with rc_context(PLOT_STYLE):
        tall = min(11.0 * ny / nx, 16.0)
        figure = Figure(figsize=(11.0, tall + _LEGEND), dpi=115)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, tall / (tall + _LEGEND)))
        extent = (-0.5, image.shape[1] * n - 0.5, -0.5, image.shape[0] * n - 0.5)
        axes.set_facecolor("#33415c")
        axes.imshow(stretch(image, rms, level), cmap="gray", origin="lower", extent=extent, vmin=0, vmax=1)
        marks = _mark(axes, scores)
        axes.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[])
        axes.legend(handles=marks, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, fontsize=8)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", metadata={"Software": None})
    text = "Rings: true sources to be found; crosses: false detections. asinh stretch, from -3 rms to the peak."
    if int(scores.wanted.sum()) > _MOST:
        text += f" Of each kind the {_MOST:,} brightest are marked."
    if n > 1:
        text += f" Means of {n} x {n} pixels."
    return Plot("What was found", text, data_address(stream.getvalue(), "image/png"), "map")


def _mark(axes: Axes, scores: Scores) -> list[Line2D]:
    answer = scores.answer
    at = answer.pixels(answer.columns["ra"], answer.columns["dec"])
    assert at is not None
    found = np.sum([one.match.truth == FOUND for one in scores.entries], axis=0)
    count = len(scores.entries)
    kinds = [(found == 0, NONE, "found by none"), (found == count, ALL, "found by all" if count > 1 else "found")]
    if count > 1:
        kinds.insert(1, ((found > 0) & (found < count), SOME, "found by some"))
    size = float(np.clip(9.0 * np.sqrt(600.0 / max(int(scores.wanted.sum()), 1)), 3.0, 9.0))  # points; less where many
    order = np.argsort(-np.nan_to_num(answer.columns["int_flux"]), kind="stable")
    marks = []
    for chosen, color, label in kinds:
        rows = order[(chosen & scores.wanted)[order]][:_MOST]
        style: dict[str, Any] = {"marker": "o", "ls": "", "mfc": "none", "mec": color, "ms": size, "mew": 1.0}
        axes.plot(at[0][rows], at[1][rows], **style)
        marks.append(Line2D([], [], label=f"{label}: {int((chosen & scores.wanted).sum()):,}", **style))
    for number, one in enumerate(scores.entries):
        rows = np.flatnonzero(one.match.found == FALSE)[:_MOST]
        x, y = answer.grid.to_pixel(one.table["ra"][rows], one.table["dec"][rows])  # type: ignore[union-attr]
        style = {"marker": "x", "ls": "", "color": color_of(number), "ms": max(0.8 * size, 6.0), "mew": 1.4}
        axes.plot(x, y, **style | {"color": "white", "ms": max(size, 7.0), "mew": 3.0})
        axes.plot(x, y, **style)
        marks.append(Line2D([], [], label=f"false, {one.name}: {int((one.match.found == FALSE).sum()):,}", **style))
    return marks
