"""The curves of an evaluation to pictures that stand in a page: SVG and PNG as data addresses. Measures nothing."""

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from matplotlib.axes import Axes

from radiff.evaluate.metrics.physics import SOURCE_TITLES
from radiff.evaluate.report.sheets import Sheet
from radiff.masks import CLASSES
from radiff.masks.review import LABELS, REVIEW_COLORS, Panel
from radiff.pages import Plot, data_address, svg_address
from radiff.sky import quicklook

REAL, MADE = "#222222", "#d1495b"
NAMES = ("real", "synthetic")
BLANK = "#33415c"
"""Colour of blank pixels in a sheet."""


def draw_plots(curves: dict[str, Any], counts: tuple[int, int]) -> list[Plot]:
    """One plot for each kind of curve that there is.

    Parameters
    ----------
    curves : dict
        `Evaluation.curves`.
    counts : (int, int)
        Real and synthetic images.
    """
    return list(_plots(curves, counts))


def _plots(curves: dict[str, Any], counts: tuple[int, int]) -> Iterator[Plot]:
    sets = f"{counts[0]} real (black) and {counts[1]} synthetic images (red)"
    if "fid" in curves.get("fid_by_size", {}).get("made", {}):
        text = "Mean and range over random subsets of both sets, and the straight line in 1/n. "
        yield _plot("FID by sample size", text + sets, "distances between the sets", _fid, curves["fid_by_size"])
    yield _plot("Noise power spectrum", f"Mean over images with 95 % interval; {sets}.", "noise", _power, curves)
    yield _plot(
        "Pixel values", f"Share of pixels; lines: all, dashes: noise alone; {sets}.", "pixel values", _pixels, curves
    )
    yield _plot("Source counts", f"One standard deviation of Poisson; {sets}.", "sources", _counts, curves["counts"])
    for column, values in curves["sources"].items():
        text = (
            f"{sum(values['real'])} sources on {counts[0]} real, {sum(values['made'])} on {counts[1]} synthetic images."
        )
        title = SOURCE_TITLES[column]
        yield _plot(title[0].upper() + title[1:], text, "sources", _sources, (column, values))
    if curves.get("fluxes"):
        shown = f"The first {len(curves['fluxes'])} objects." if len(curves["fluxes"]) == 2000 else ""
        text = f"Peak flux on each object of the masks, in the real image's noise rms. {shown}"
        yield _plot("Real and synthetic peak flux", text, "fluxes of objects", _fluxes, curves)
    for space, values in curves.get("memorisation", {}).items():
        text = f"Distance to the nearest training image; {sets}."
        yield _plot(f"Nearest training image, {space}", text, "memorisation", _near, values)


def _plot(title: str, caption: str, section: str, draw: Callable[[Axes, Any], None], values: Any) -> Plot:
    return Plot(title, caption, svg_address(draw, values), section)


def draw_sheet_address(sheet: Sheet) -> str:
    """A sheet as a PNG of 256 colours in a data: URL."""
    columns = max(map(len, sheet.lines))
    panels = [panel for line in sheet.lines for panel in (*line, *[Panel(None)] * (columns - len(line)))]
    images, titles, masks, noise = (list(column) for column in zip(*panels, strict=True))
    outlined = any(mask is not None for mask in masks)
    with tempfile.TemporaryDirectory() as folder:
        path = quicklook(
            Path(folder) / "sheet.png", images, titles, masks, noise, columns, contour_colors=REVIEW_COLORS,
            labels=LABELS if outlined else None, panel_inches=1.6,
        )  # fmt: skip
        stream = io.BytesIO()
        with PIL.Image.open(path) as image:
            image.convert("RGB").quantize(palette=_palette(), dither=PIL.Image.Dither.NONE).save(stream, "png")
    return data_address(stream.getvalue(), "image/png")


def _palette() -> PIL.Image.Image:
    """208 greys, and the colours of outlines and blank pixels, each in twelve mixes with dark and light."""
    colors = [bytes.fromhex(color[1:]) for color in (*REVIEW_COLORS.values(), BLANK)]
    values = [round(k * 255 / 207) for k in range(208) for _ in range(3)]
    for color in colors:
        for ground in (0, 90, 200):
            values += [round(share * c + (1 - share) * ground) for share in (1, 0.75, 0.5, 0.3) for c in color]
    image = PIL.Image.new("P", (1, 1))
    image.putpalette(values)
    return image


# ---------------------------------------------------------------- one function a plot


def _fid(axes: Axes, sizes: dict[str, Any]) -> None:
    for key, color, label in (("made", MADE, "synthetic against real"), ("real", REAL, "real against real")):
        values = sizes.get(key, {})
        if "fid" not in values:
            continue
        n = np.array(values["n"], float)
        low, high = (np.abs(np.array(values[side]) - values["fid"]) for side in ("low", "high"))
        axes.errorbar(1 / n, values["fid"], [low, high], fmt="o", ms=3, color=color, label=label)
        line = np.array([0.0, 1 / n.min()])
        axes.plot(line, values["infinite"]["value"] + values["slope"] * line, color=color, lw=0.8)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.locator_params(axis="x", nbins=4)
    axes.set(xlabel="1 / images in each set", ylabel="FID")
    axes.legend()


def _power(axes: Axes, curves: dict[str, Any]) -> None:
    frequency = np.array(curves["frequency"])
    for key, color in (("real", REAL), ("made", MADE)):
        rows = [
            [np.nan if p[name] is None else p[name] for name in ("value", "low", "high")] for p in curves[key]["power"]
        ]
        value, low, high = np.array(rows, float).T
        axes.plot(frequency, value, "o-", ms=3, color=color)
        axes.fill_between(frequency, low, high, color=color, alpha=0.2, lw=0)
    axes.set(xlabel="cycles per pixel", ylabel="power (white noise: 1)", yscale="log")


def _pixels(axes: Axes, curves: dict[str, Any]) -> None:
    edges = np.array(curves["pixel_edges"])
    middle = 2 * np.sinh(0.5 * (edges[:-1] + edges[1:]))
    for key, color in (("real", REAL), ("made", MADE)):
        for kind, style in (("pixels", "-"), ("noise", "--")):
            counts = np.array(curves[key][kind], float)
            share = counts / max(counts.sum(), 1)
            axes.plot(middle, np.where(share > 0, share, np.nan), style, color=color, lw=0.9)
    axes.set_xscale("symlog", linthresh=5)
    axes.set_xticks([-30, -5, 0, 5, 100, 10_000], ["-30", "-5", "0", "5", "100", "10,000"])
    axes.minorticks_off()
    axes.set(xlabel="pixel value (noise rms)", ylabel="share of pixels a bin", yscale="log")


def _counts(axes: Axes, counts: dict[str, Any]) -> None:
    level = np.array(counts["level"])
    for key, color in (("real", REAL), ("made", MADE)):
        value, error = np.array(counts[key]), np.array(counts[f"{key}_error"])
        seen = value > 0
        axes.plot(level[seen], value[seen], color=color)
        low = np.maximum(value - error, 1e-6)
        axes.fill_between(level[seen], low[seen], (value + error)[seen], color=color, alpha=0.2, lw=0)
    axes.set(xscale="log", yscale="log", xlabel="peak above (noise rms)", ylabel="sources an image")


def _sources(axes: Axes, named: tuple[str, dict[str, Any]]) -> None:
    column, values = named
    for key, color in (("real", REAL), ("made", MADE)):
        counts = np.array(values[key], float)
        axes.stairs(counts / max(counts.sum(), 1), values["edges"], color=color)
    if column != "axis_ratio":
        axes.set_xscale("log")
    axes.set(xlabel=SOURCE_TITLES[column], ylabel="share of sources")


def _fluxes(axes: Axes, curves: dict[str, Any]) -> None:
    fluxes, classes = np.array(curves["fluxes"], float), np.array(curves["flux_classes"])
    good = (fluxes[:, 0] > 0) & (fluxes[:, 1] > 0)
    for one, color in zip(CLASSES[1:], ("#e07a1f", "#2a9d8f", "#3457d5"), strict=True):
        chosen = good & (classes == one.value)
        axes.plot(fluxes[chosen, 0], fluxes[chosen, 1], ".", ms=2.5, color=color, label=one.name)
    if good.any():
        ends = [fluxes[good, :2].min(), fluxes[good, :2].max()]
        axes.plot(ends, ends, color="#888888", lw=0.8)
    axes.set(xscale="log", yscale="log", xlabel="real peak (noise rms)", ylabel="synthetic peak")
    axes.legend(markerscale=3)


def _near(axes: Axes, values: dict[str, Any]) -> None:
    for key, color in (("real", REAL), ("made", MADE)):
        counts = np.array(values[key], float)
        axes.stairs(counts / max(counts.sum(), 1), values["edges"], color=color)
    axes.set(xlabel="distance (0 equal, 1 unrelated)", ylabel="share of images")
