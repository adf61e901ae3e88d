"""Stamps and maps to pictures for the eye. Knows no placing and writes nothing but PNGs."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from numpy.typing import NDArray

from radiff.files import atomic_path
from radiff.masks import CLASSES, class_name
from radiff.populate.stamps import StampLibrary
from radiff.sky import MapReader, background_rms, quicklook
from radiff.sky.windows import averaged

VIEWS = {"1x": 1, "2x": 2, "5x": 5, "10x": 10, "10x_other": 10}
"""Overviews and their zooms, as the paper's Figures 10 to 14."""
LONGEST = 1500
"""Pixels of the longer side of an overview: larger parts of a map are averaged in blocks."""


def draw_stamp_sheet(library: StampLibrary, path: str | os.PathLike[str], number: int = 48) -> Path:
    """The first `number` stamps, each as it would look at a peak of 100 rms on noise-free sky."""
    count = min(number, len(library))
    beam = float(library.index["beam"][0])
    shown, titles = [], []
    side = max(int(max(library.index["ny"][:count].max(), library.index["nx"][:count].max())), 32)
    for index in range(count):
        row = library.index[index]
        values = library.values(index) / float(row["peak"]) * 100.0
        frame = np.zeros((side, side), np.float32)
        y0, x0 = (side - values.shape[0]) // 2, (side - values.shape[1]) // 2
        frame[y0 : y0 + values.shape[0], x0 : x0 + values.shape[1]] = values
        shown.append(frame)
        titles.append(f"{index} {class_name(int(row['class']))}, {row['maj'] / beam:.1f} beams")
    return quicklook(path, shown, titles, rms=1.0, ncols=8, beam_pixels=(beam, beam), panel_inches=1.6)


def draw_overviews(
    map_path: Path,
    boxes: NDArray[np.int64],
    classes: NDArray[np.int64],
    beam: tuple[float, float, float],
    name: Callable[[str], Path],
) -> list[Path]:
    """A map at 1x, 2x, 5x and twice at 10x, with a small picture that says where.

    Parameters
    ----------
    map_path : path
    boxes : (n, 4)
        y_min, y_max, x_min, x_max of the objects, which the second panel outlines; at 1x and 2x none are.
    classes : (n,)
        Their class values.
    beam : (major, minor, angle)
        FWHM in pixels; deg from the x axis towards y to the major axis.
    name : callable
        One of `VIEWS` to its file.
    """
    paths = []
    with MapReader(map_path) as reader:
        ny, nx = reader.shape
        whole = averaged(reader, (0, ny, 0, nx), LONGEST)
        seen: list[tuple[int, int, int, int]] = []
        for view, zoom in VIEWS.items():
            box = _busiest(boxes, (ny, nx), zoom, seen if zoom == 10 else [])
            seen = [box] if zoom == 10 else []
            image = whole if zoom == 1 else averaged(reader, box, LONGEST)
            paths.append(_draw(name(view), image, box, zoom, boxes, classes, beam, whole, (ny, nx)))
    return paths


def _busiest(
    boxes: NDArray[np.int64], shape: tuple[int, int], zoom: int, seen: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int, int, int]:
    """The part of the map, 1/zoom of its sides, that holds the most extent of objects (on a grid of half parts).

    One that shares pixels with one of `seen` is not taken where there is another.
    """
    ny, nx = shape
    height, width = max(ny // zoom, 1), max(nx // zoom, 1)
    if zoom == 1:
        return 0, ny, 0, nx
    starts = [
        (y, x)
        for y in np.linspace(0, ny - height, 2 * zoom - 1).astype(int).tolist()
        for x in np.linspace(0, nx - width, 2 * zoom - 1).astype(int).tolist()
    ]
    starts = [
        (y, x)
        for y, x in starts
        if not any(y < one[1] and y + height > one[0] and x < one[3] and x + width > one[2] for one in seen)
    ] or starts
    if not len(boxes):
        y, x = starts[len(starts) // 2]
        return y, y + height, x, x + width
    y, x = boxes[:, :2].mean(1), boxes[:, 2:].mean(1)
    extent = np.sqrt((boxes[:, 1] - boxes[:, 0] + 1.0) * (boxes[:, 3] - boxes[:, 2] + 1.0))
    held = [extent[(y >= a) & (y < a + height) & (x >= b) & (x < b + width)].sum() for a, b in starts]
    a, b = starts[int(np.argmax(held))]
    return a, a + height, b, b + width


def _draw(
    path: Path,
    image: tuple[NDArray[np.float32], int],
    box: tuple[int, int, int, int],
    zoom: int,
    boxes: NDArray[np.int64],
    classes: NDArray[np.int64],
    beam: tuple[float, float, float],
    whole: tuple[NDArray[np.float32], int],
    shape: tuple[int, int],
) -> Path:
    pixels, n = image
    level, rms = background_rms(pixels) if np.isfinite(pixels).any() else (0.0, 1.0)
    y0, y1, x0, x1 = box
    panels = 1 if zoom == 1 else 2
    tall = (y1 - y0) / (x1 - x0)
    figure = Figure(figsize=(9.0 * panels, 9.0 * tall + 0.4), dpi=130)
    FigureCanvasAgg(figure)
    axes: list[Any] = list(np.atleast_1d(figure.subplots(1, panels)))
    extent = (x0 - 0.5, x0 - 0.5 + pixels.shape[1] * n, y0 - 0.5, y0 - 0.5 + pixels.shape[0] * n)
    for axis in axes:
        _show(axis, pixels, rms, level, extent)
    axes[0].set_title(f"{zoom}x: columns {x0} to {x1 - 1}, rows {y0} to {y1 - 1}, {n} x {n} pixels each", fontsize=9)
    if zoom > 1:
        inside = (boxes[:, 1] >= y0) & (boxes[:, 0] < y1) & (boxes[:, 3] >= x0) & (boxes[:, 2] < x1)
        axes[1].set_title(f"{int(inside.sum())} objects that were placed", fontsize=9)
        for (a, b, c, d), value in zip(boxes[inside], classes[inside], strict=True):
            color = CLASSES[value].color
            axes[1].add_patch(
                Rectangle((c - 2, a - 2), d - c + 4, b - a + 4, fill=False, edgecolor=color, linewidth=0.7)
            )
        axes[1].set_xlim(axes[0].get_xlim())
        axes[1].set_ylim(axes[0].get_ylim())
        small = axes[0].inset_axes((0.0, 0.0, 0.2, 0.2))
        _show(small, _shrunk(whole[0]), rms, level, (-0.5, shape[1] - 0.5, -0.5, shape[0] - 0.5))
        small.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="#ffd166", linewidth=1.0))
    if zoom >= 5:
        place = (x1 - 2 * beam[0], y0 + 2 * beam[0])
        axes[0].add_patch(Ellipse(place, *beam[:2], angle=beam[2], fill=False, edgecolor="#ffd166"))
    figure.subplots_adjust(0.005, 0.005, 0.995, 1 - 0.35 / figure.get_size_inches()[1], 0.01)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return path


def _shrunk(image: NDArray[np.float32], longest: int = 300) -> NDArray[np.float32]:
    """Means of blocks, so that the longer side is near `longest`; blank pixels do not count."""
    n = max(1, max(image.shape) // longest)
    rows, columns = image.shape[0] // n, image.shape[1] // n
    blocks = image[: rows * n, : columns * n].reshape(rows, n, columns, n)
    good = np.isfinite(blocks)
    total, count = np.where(good, blocks, 0.0).sum((1, 3)), good.sum((1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _show(
    axis: Any, pixels: NDArray[np.float32], rms: float, level: float, extent: tuple[float, float, float, float]
) -> None:
    """Black at -1 rms, white at 30 rms, close to linear up to 2 rms: the noise is dark, and faint objects stand out."""
    from matplotlib import colormaps

    colors = colormaps["gray"].with_extremes(bad="#33415c")
    shown = np.arcsinh((pixels - level) / ((rms or 1.0) * 2.0))
    limits = {"vmin": math.asinh(-0.5), "vmax": math.asinh(15.0)}
    axis.imshow(shown, origin="lower", cmap=colors, extent=extent, interpolation="none", **limits)
    axis.set_xticks([])
    axis.set_yticks([])
