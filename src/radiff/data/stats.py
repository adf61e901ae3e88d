"""A collection to Tables 1 and 2 and Figures 2 and 3 of the paper (section 3.1). Knows no networks."""

import csv
import io
import math
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import CLASS_COLUMNS, Collection, Row
from radiff.errors import InputError
from radiff.files import atomic_path, make_folder, write_json, write_text
from radiff.masks.classes import CLASSES
from radiff.sky.quicklook import stretch

UNKNOWN = "-"


@dataclass(frozen=True)
class Table:
    """A titled table: column names and rows of texts and numbers (None: not known)."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def to_csv(self) -> str:
        """The table as CSV; empty where not known."""
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return stream.getvalue()

    def to_markdown(self) -> str:
        """The table for a text document."""
        right = [any(isinstance(row[i], int | float) for row in self.rows) for i in range(len(self.columns))]
        lines = ["| " + " | ".join(self.columns) + " |", "|" + "|".join("--:" if one else "---" for one in right) + "|"]
        lines += ["| " + " | ".join(text(value) for value in row) + " |" for row in self.rows]
        return f"{self.title}\n\n" + "\n".join(lines) + "\n"


def text(value: Any) -> str:
    """A cell as it is shown: thousands marked, four digits of a fraction, a dash where not known."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def cutouts_table(rows: Sequence[Row]) -> Table:
    """Table 1: cutouts by telescope, survey and project, with the median beam (arcsec)."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.telescope, row.survey, row.project].append(row)
    lines: list[tuple[Any, ...]] = [
        (*key, _median(row.bmaj for row in some), _median(row.bmin for row in some), len(some))
        for key, some in sorted(groups.items())
    ]
    columns = ("Telescope", "Survey", "Project", "Bmaj", "Bmin", "Cutouts")
    lines.append(("Total", None, None, None, None, len(rows)))
    title = "Table 1: cutouts by telescope and survey; median beam Bmaj and Bmin in arcsec."
    return Table("table1_cutouts", title, columns, lines)


def objects_table(rows: Sequence[Row]) -> Table:
    """Table 2: objects of each class.

    As in the paper the average of a class is over the cutouts that hold one of it (26,368 compact objects at 2.83 are
    9,317 of its 13,602 cutouts), and that of the total over all cutouts. An object that lies in several overlapping
    cutouts counts in each.
    """
    lines: list[tuple[Any, ...]] = []
    for column in (CLASS_COLUMNS[1], CLASS_COLUMNS[2], CLASS_COLUMNS[0]):
        counts = [getattr(row, column) for row in rows]
        holding = sum(count > 0 for count in counts)
        lines.append((column[2:].capitalize(), sum(counts), holding, sum(counts) / holding if holding else None))
    total = sum(sum(row.counts) for row in rows)
    holding = sum(sum(row.counts) > 0 for row in rows)
    lines.append(("Total", total, holding, total / len(rows) if rows else None))
    columns = ("Object class", "# of objects", "cutouts with it", "avg. objects per cutout")
    title = "Table 2: objects; averages over the cutouts that hold the class, for the total over all cutouts."
    return Table("table2_objects", title, columns, lines)


def splits_table(rows: Sequence[Row]) -> Table:
    """Cutouts, groups (patches of sky) and objects by split and sample."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.split, row.sample].append(row)
        groups[row.split, "all"].append(row)
    lines: list[tuple[Any, ...]] = []
    for (split, sample), some in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] == "all", item[0][1])):
        objects = [sum(column) for column in zip(*(row.counts for row in some), strict=True)]
        noise = _median(row.rms * 1e3 for row in some)
        lines.append((split, sample, len(some), len({row.group for row in some}), *objects, noise))
    columns = ("Split", "Sample", "Cutouts", "Groups", "Spurious", "Compact", "Extended", "Median rms (mJy/beam)")
    return Table("table3_splits", "Cutouts and objects by split and sample.", columns, lines)


def tables(collection: Collection) -> list[Table]:
    """All tables of a collection.

    Raises
    ------
    InputError
        Where it holds no cutout.
    """
    if not len(collection):
        raise InputError("holds no cutout; make a collection with 'radiff cut'", collection.root)
    return [make(collection.rows) for make in (cutouts_table, objects_table, splits_table)]


def write_stats(
    collection: Collection, out: str | os.PathLike[str], samples: int = 12, seed: int = 0, figures: bool = True
) -> list[Path]:
    """Write the tables (CSV each, all in ``stats.md`` and ``stats.json``) and the two figures into folder `out`.

    Parameters
    ----------
    collection : Collection
    out : path
    samples : int
        Cutouts drawn in Figure 3.
    seed : int
        Of their choice.
    figures : bool

    Returns
    -------
    list of Path
        The files written.
    """
    made = tables(collection)
    out = make_folder(out)
    written = []
    for table in made:
        write_text(out / f"{table.name}.csv", table.to_csv())
        written.append(out / f"{table.name}.csv")
    write_text(out / "stats.md", "\n".join(table.to_markdown() for table in made))
    document = {table.name: [dict(zip(table.columns, row, strict=True)) for row in table.rows] for table in made}
    write_json(out / "stats.json", document)
    written += [out / "stats.md", out / "stats.json"]
    if figures:
        drawings: list[tuple[str, Callable[[Path], None]]] = [
            ("figure2_rms.png", lambda path: draw_rms(collection.rows, path)),
            ("figure3_samples.png", lambda path: draw_samples(collection, path, samples, seed)),
        ]
        for name, draw in drawings:
            draw(out / name)
            written.append(out / name)
    return written


def draw_rms(rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Figure 2: histogram of the cutouts' rms (Jy/beam, logarithmic axis), one panel a telescope, one colour a survey.

    Raises
    ------
    InputError
        Where no cutout has a known rms.
    """
    from matplotlib.figure import Figure

    known = [row for row in rows if math.isfinite(row.rms) and row.rms > 0]
    if not known:
        raise InputError("no cutout has a known rms; nothing to draw", path)
    telescopes = sorted({row.telescope for row in known})
    surveys = sorted({row.survey for row in known})
    low, high = (math.log10(pick(row.rms for row in known)) for pick in (min, max))
    bins = np.logspace(math.floor(low * 5) / 5, math.ceil(high * 5 + 1e-9) / 5, 61)
    figure = Figure(figsize=(7, 0.7 + 2.1 * len(telescopes)), layout="constrained")
    axes = figure.subplots(len(telescopes), 1, sharex=True, squeeze=False)[:, 0]
    for axis, telescope in zip(axes, telescopes, strict=True):
        some = [row for row in known if row.telescope == telescope]
        for survey in sorted({row.survey for row in some}):
            values = [row.rms for row in some if row.survey == survey]
            label = f"{survey or 'unknown survey'}: {len(values):,}, median {median(values) * 1e3:.3g} mJy/beam"
            axis.hist(values, bins, label=label, color=f"C{surveys.index(survey) % 10}", alpha=0.75)
        axis.set_title(telescope or "unknown telescope", fontsize=10)
        axis.set_ylabel("cutouts")
        axis.legend(fontsize=8)
    axes[-1].set_xscale("log")
    axes[-1].set_xlabel("rms (Jy/beam)")
    _save(figure, path)


def draw_samples(collection: Collection, path: str | os.PathLike[str], samples: int = 12, seed: int = 0) -> None:
    """Figure 3: images over their masks (spurious red, compact green, extended blue), `samples` of them."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    chosen = choose_samples(collection.rows, samples, seed)
    ncols = min(6, len(chosen))
    nrows = -(-len(chosen) // ncols)
    figure = Figure(figsize=(1.8 * ncols, 3.75 * nrows + 0.3), layout="constrained")
    axes = figure.subplots(2 * nrows, ncols, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for number, index in enumerate(chosen):
        row, column = divmod(number, ncols)
        cutout, mask = collection.image(index), collection.mask(index)
        picture = stretch(cutout.image, cutout.rms)
        axes[2 * row, column].imshow(picture, origin="lower", cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        said = collection.rows[index]
        axes[2 * row, column].set_title(" ".join((said.telescope, said.survey)).strip() or said.sample, fontsize=8)
        axes[2 * row + 1, column].imshow(color_mask(mask), origin="lower", interpolation="nearest")
    handles = [Patch(color=one.color, label=one.name) for one in CLASSES[1:]]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    _save(figure, path)


def choose_samples(rows: Sequence[Row], samples: int, seed: int = 0) -> list[int]:
    """Indices of up to `samples` rows, surveys and classes in turn, so that the rare ones are seen too."""
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    kinds = [(survey, column) for column in CLASS_COLUMNS[::-1] for survey in sorted({row.survey for row in rows})]
    chosen: dict[int, None] = {}
    while len(chosen) < min(samples, len(rows)):
        before = len(chosen)
        for survey, column in kinds:
            fits = (i for i in order if rows[i].survey == survey and getattr(rows[i], column) and i not in chosen)
            index = next(fits, None)
            if index is not None and len(chosen) < samples:
                chosen[index] = None
        if len(chosen) == before:  # only cutouts without objects are left
            chosen.update(dict.fromkeys([i for i in order if i not in chosen][: samples - before]))
    return list(chosen)


def color_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A class mask (ny, nx) in the exact colours of the classes: (ny, nx, 3)."""
    palette = np.array([one.rgb for one in CLASSES], dtype=np.uint8)
    colored: NDArray[np.uint8] = palette[mask]
    return colored


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def _median(values: Any) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return round(median(known), 6) if known else None
