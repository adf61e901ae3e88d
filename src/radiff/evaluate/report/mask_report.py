"""Synthetic and real masks to a judgement: table, figures, sheets, nearest training masks. Knows no networks."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from radiff.data.mask_set import MaskSet
from radiff.errors import InputError
from radiff.estimates import Estimate, Metric, finite
from radiff.evaluate.metrics.mask_statistics import (
    COLUMNS,
    MaskTable,
    Nearest,
    copy_metrics,
    large_shapes,
    like_asked,
    mask_metrics,
    means,
    measure_masks,
    nearest_masks,
)
from radiff.evaluate.metrics.memorisation import turned
from radiff.evaluate.report.plots import MADE, REAL
from radiff.files import atomic_path, make_folder, write_json, write_text
from radiff.masks import CLASSES, class_name
from radiff.masks.review import LABELS, REVIEW_COLORS
from radiff.masks.rules import RULES, MaskRules

OTHER = "#9a9a9a"
SHOWN = ("npix", "length", "axis_ratio", "fill", "centre", "gap")
SHEET = (8, 5)
"""Masks of each kind on a sheet: columns, rows."""
PAIRS = 12
_STYLE: Any = {"font.size": 7, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
Mask = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Judgement:
    """What was found of a set of synthetic masks.

    Attributes
    ----------
    lines : list of Metric
    middles : dict
        Means and medians of the sets ``train``, ``val``, ``synthetic``, by the key of the line.
    sizes : dict
        Masks of each set.
    broken : dict
        Of each set the share of masks that break each rule; of the synthetic ones those that were kept.
    rejected : dict
        Masks thrown away while making the synthetic ones, by rule.
    tables : dict
        `MaskTable` of each set.
    nearest : (Nearest, MaskSet, MaskSet)
        Of the synthetic masks in the training ones.
    """

    lines: list[Metric]
    middles: dict[str, dict[str, float]]
    sizes: dict[str, int]
    broken: dict[str, dict[str, float]]
    rejected: dict[str, int]
    tables: dict[str, MaskTable]
    nearest: tuple[Nearest, MaskSet, MaskSet]


def judge_masks(
    made: MaskSet,
    real: MaskSet,
    classes: Sequence[int] = (1, 2, 3),
    per_image: tuple[int, int] | None = None,
    rejected: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Judgement:
    """Compare synthetic masks with real ones of the same classes and numbers of objects.

    Parameters
    ----------
    made : MaskSet
    real : MaskSet
        With the splits ``train``, which the source of the masks may know, and ``val``, which gives the baseline.
    classes, per_image
        What was asked for: objects of other classes are taken out of the real masks, and masks with other numbers of
        objects left out.
    rejected : mapping, optional
        Masks thrown away before, by rule.
    seed : int
        Of the random halves.

    Raises
    ------
    InputError
        Where the masks differ in size, or a split has none left.
    """
    if made.labels.shape[1:] != real.labels.shape[1:]:
        sizes = " and ".join(f"{m.labels.shape[2]} x {m.labels.shape[1]}" for m in (made, real))
        raise InputError(f"masks of {sizes} pixels cannot be compared; make them of one size")
    train = real.split("train")
    rules = MaskRules.of([train.objects(k) for k in range(len(train))], real.labels.shape[1])
    sets = {"train": like_asked(train, classes, per_image)}
    sets |= {"val": like_asked(real.split("val"), classes, per_image), "synthetic": made}
    for name, masks in sets.items():
        if not len(masks):
            raise InputError(f"no {name} mask holds what was asked for; ask for other --classes or --per-image")
    tables = {name: measure_masks(masks) for name, masks in sets.items()}
    lines = mask_metrics(tables["train"], tables["synthetic"], tables["val"], seed)
    known = sets["train"].masks()
    near = {name: nearest_masks(sets[name].masks(), known) for name in ("synthetic", "val")}
    lines += copy_metrics("masks", near["synthetic"], near["val"], seed)
    shapes = {name: large_shapes(masks)[0] for name, masks in sets.items()}
    if min(map(len, shapes.values())) > 10:
        close = [nearest_masks(shapes[name], shapes["train"]) for name in ("synthetic", "val")]
        lines += copy_metrics("large extended objects", close[0], close[1], seed)
    return Judgement(
        lines,
        {name: means(table) for name, table in tables.items()},
        {name: len(masks) for name, masks in sets.items()},
        {name: broken_shares(masks, rules) for name, masks in sets.items()},
        dict(rejected or {}),
        tables,
        (near["synthetic"], made, sets["train"]),
    )


def broken_shares(masks: MaskSet, rules: MaskRules) -> dict[str, float]:
    """Share of the masks that break each rule which needs no knowledge of what was asked."""
    found = [rules.broken(mask, masks.objects(k)) for k, mask in enumerate(masks.masks())]
    return {rule: found.count(rule) / max(len(found), 1) for rule in ("empty", "speck", "too large", "touching", "cut")}


# ---------------------------------------------------------------- text


def judgement_table(judgement: Judgement) -> list[tuple[str, str, str, str, str, str]]:
    """Rows: what; middle of train, val, synthetic; distance synthetic to train, val to train; each as text."""
    rows = []
    for line in judgement.lines:
        middles = [_number(judgement.middles[name].get(line.key)) for name in ("train", "val", "synthetic")]
        rows.append((line.title, middles[0], middles[1], middles[2], _estimate(line.value), _estimate(line.real)))
    return rows


HEAD = ("what", "train", "val", "synthetic", "distance synthetic - train", "distance val - train")


def judgement_text(judgement: Judgement) -> str:
    """The judgement in Markdown."""
    sizes = ", ".join(f"{count:,} {name}" for name, count in judgement.sizes.items())
    head = [
        f"# Synthetic masks beside real ones\n\nMasks: {sizes}. Numbers of objects, islands and cuts are means, the "
    ]
    head.append(
        "others medians. Distances are the largest difference of the cumulative distributions (Kolmogorov-Smirnov), "
        "for the classes held half the summed difference of the shares: 0 equal, 1 apart; in brackets 95 % intervals "
        "by halves of the masks. The last column is the baseline: real masks against real ones. For copies the columns "
        "are the figure of synthetic and of val masks.\n\n"
    )
    lines = ["| " + " | ".join(HEAD) + " |", "|---|" + "--:|" * (len(HEAD) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in judgement_table(judgement)]
    rules = ["\n\n| rule | thrown away | kept, synthetic | train | val |", "|---|--:|--:|--:|--:|"]
    for rule, told in RULES.items():
        shares = [judgement.broken[name].get(rule) for name in ("synthetic", "train", "val")]
        texts = ["" if share is None else f"{100 * share:.1f} %" for share in shares]
        rules.append(f"| {rule}: {told} | {judgement.rejected.get(rule, 0):,} | " + " | ".join(texts) + " |")
    return "".join(head) + "\n".join(lines) + "\n".join(rules) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.3g}"


def _estimate(value: Estimate | None) -> str:
    if value is None or not np.isfinite(value.value):
        return ""
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def write_judgement(folder: str | os.PathLike[str], judgement: Judgement, real: MaskSet, seed: int = 0) -> list[Path]:
    """Write statistics.md and .json, figures.png, sheet.png and nearest.png into `folder`.

    `real` are the real masks of the sheet.
    """
    folder = make_folder(folder)
    write_text(folder / "statistics.md", judgement_text(judgement))
    content = {
        "masks": judgement.sizes,
        "middles": {name: {k: finite(v) for k, v in row.items()} for name, row in judgement.middles.items()},
        "lines": [line.to_json() for line in judgement.lines],
        "broken": judgement.broken,
        "rejected": judgement.rejected,
    }
    write_json(folder / "statistics.json", content)
    draw_statistics(folder / "figures.png", judgement)
    near, made, train = judgement.nearest
    draw_sheets(folder / "sheet.png", real, made, seed)
    draw_nearest(folder / "nearest.png", made, train, near)
    return [folder / name for name in ("statistics.md", "statistics.json", "figures.png", "sheet.png", "nearest.png")]


# ---------------------------------------------------------------- pictures


def draw_statistics(path: str | os.PathLike[str], judgement: Judgement) -> None:
    """Histograms of every class: objects a mask, sizes, shapes, places; train, val and synthetic."""
    tables = judgement.tables
    kinds = [one for one in CLASSES[1:] if (tables["synthetic"].kind == one.value).any()]
    with rc_context(_STYLE):
        figure = Figure(figsize=(2.1 * (1 + len(SHOWN)), 1.7 * len(kinds) + 0.4), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(kinds), 1 + len(SHOWN), squeeze=False)
        for row, kind in zip(grid, kinds, strict=True):
            _numbers(row[0], tables, kind.value)
            for axes, name in zip(row[1:], SHOWN, strict=True):
                _histogram(axes, tables, name, kind.value)
        handles = [Patch(color=color, label=name) for name, color in _colors()]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png")


def _colors() -> list[tuple[str, str]]:
    return [("train", REAL), ("val", OTHER), ("synthetic", MADE)]


def _numbers(axes: Axes, tables: Mapping[str, MaskTable], kind: int) -> None:
    most = max(int(table.counts[:, kind - 1].max()) for table in tables.values())
    edges = np.arange(min(most, 20) + 2) - 0.5
    for name, color in _colors():
        counts = np.histogram(np.minimum(tables[name].counts[:, kind - 1], 20), edges)[0]
        axes.stairs(counts / max(counts.sum(), 1), edges, color=color)
    axes.set(xlabel=f"{class_name(kind)} objects a mask", ylabel="share", yscale="log")


def _histogram(axes: Axes, tables: Mapping[str, MaskTable], name: str, kind: int) -> None:
    columns = {key: tables[key].column(name, kind) for key, _ in _colors()}
    every = np.concatenate(list(columns.values()))
    if not len(every):
        axes.set_axis_off()
        return
    low, high = float(every.min()), float(np.percentile(every, 99.8))
    wide = name in ("npix", "length", "gap")
    edges = np.geomspace(max(low, 1), max(high, 2), 25) if wide else np.linspace(low, max(high, low + 1e-3), 25)
    for key, color in _colors():
        counts = np.histogram(columns[key], edges)[0]
        axes.stairs(counts / max(counts.sum(), 1), edges, color=color)
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())  # of a short range, the labels of tenths run into each other
    text = COLUMNS[name].replace(" to the nearest other object", "").replace(" from the image's centre", " to centre")
    axes.set(xlabel=f"{class_name(kind)}:\n{text}")


def mosaic(masks: Sequence[Mask], columns: int, border: int = 2) -> NDArray[np.uint8]:
    """Masks (size, size) side by side, `columns` a row, grey between them; first row of each at the bottom."""
    size, rows = masks[0].shape[0], -(-len(masks) // columns)
    step = size + border
    page = np.full((rows * step + border, columns * step + border), 4, np.uint8)
    for k, mask in enumerate(masks):
        y, x = border + (k // columns) * step, border + (k % columns) * step
        page[y : y + size, x : x + size] = mask[::-1]
    return page


def draw_sheets(path: str | os.PathLike[str], real: MaskSet, made: MaskSet, seed: int = 0) -> None:
    """Forty real masks on the left, as many synthetic ones on the right."""
    number = SHEET[0] * SHEET[1]
    random = np.random.default_rng((seed, 21))
    chosen = np.sort(random.permutation(len(real))[:number])
    keep = np.zeros(len(real), bool)
    keep[chosen] = True
    first = np.zeros(len(made), bool)
    first[:number] = True
    pages = [mosaic(list(one.masks()), SHEET[0]) for one in (real.subset(keep), made.subset(first))]
    _draw(path, pages, ["real", "synthetic"])


def draw_nearest(path: str | os.PathLike[str], made: MaskSet, train: MaskSet, near: Nearest) -> None:
    """The synthetic masks most like a training mask, each beside it; those of three objects or more if any."""
    many = np.flatnonzero(made.counts.sum(1) >= min(3, int(made.counts.sum(1).max())))
    order = many[np.argsort(-near.iou[many], kind="stable")][:PAIRS]
    masks, known = made.masks(), train.masks()
    # `symmetry` turns the synthetic mask
    first = [np.ascontiguousarray(turned(masks[k], int(near.symmetry[k]))) for k in order]
    second = [known[near.index[k]] for k in order]
    ious = ", ".join(f"{near.iou[k]:.2f}" for k in order)
    _draw(path, [mosaic(first, 4), mosaic(second, 4)], [f"synthetic, turned; IoU {ious}", "nearest training mask"])


def _draw(path: str | os.PathLike[str], pages: Sequence[NDArray[np.uint8]], titles: Sequence[str]) -> None:
    colors = ListedColormap(["#000000", *(REVIEW_COLORS[value] for value in sorted(REVIEW_COLORS)), "#555555"])
    height, width = pages[0].shape
    inches = 9.0
    figure = Figure(figsize=(2 * inches + 0.1, inches * height / width + 0.6), dpi=110)
    FigureCanvasAgg(figure)
    total = figure.get_figheight()
    for k, (page, title) in enumerate(zip(pages, titles, strict=True)):
        side = figure.add_axes((k * 0.5025, 0.3 / total, 0.4975, 1 - 0.6 / total))
        side.imshow(page, cmap=colors, vmin=0, vmax=4, interpolation="nearest")
        side.set_axis_off()
        side.set_title(title, fontsize=8, pad=3)
    handles = [Patch(color=REVIEW_COLORS[value], label=LABELS[value]) for value in LABELS]
    figure.legend(handles=handles, loc="lower center", ncols=3, fontsize=8, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
