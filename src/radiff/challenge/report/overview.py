"""A map with what was found on it and what was not, as a picture in a page. Measures nothing."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from radiff.challenge.matching import FALSE, FOUND
from radiff.challenge.report.plots import Plot, color_of
from radiff.challenge.scoring import Scores
from radiff.pages import PLOT_STYLE, data_address
from radiff.sky import MapReader, background_rms, stretch
from radiff.sky.windows import averaged

ALL, SOME, NONE = "#3ddc84", "#ffd166", "#ff4d4d"
"""Colours of true sources that all, some or none of the submissions found."""
_LONGEST = 1100  # pixels of the picture's longer side
_LEGEND = 0.6  # inches above it
_MOST = 4000  # marks of one kind; of more, the brightest sources are marked


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
