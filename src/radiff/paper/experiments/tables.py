"""Results of the augmentation experiments to Tables 5 to 8 as Markdown, the paper's figures beside. Trains nothing."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiff.files import make_folder, write_json, write_text
from radiff.pages import markdown_row
from radiff.paper.experiments.pipeline import Experiment
from radiff.paper.experiments.plan import ADDED, COUNTED, RENDERED, TABLES

PAPER_COUNTS = {
    "table5": [
        ("compact", 7851, 26368), ("extended", 2134, 4212), ("spurious", 248, 2310), ("total", 10233, 32890),
    ],
    "table7": [("compact", 23655, 2703), ("extended", 1243, 2969), ("spurious", 2294, 16), ("total", 27192, 5688)],
}  # fmt: skip
"""The paper's Table 5 (augmented, real) and Table 7 (SC_R, SC_A)."""
PAPER_IOU = {
    "table6": {"real (SC)": (71.67, 72.14, 70.72), "+ compact": (72.29, 71.87, 72.87),
               "+ extended": (74.85, 76.40, 71.63), "+ both": (72.89, 74.51, 71.25)},
    "table8": {"SC_R": (63.93, 53.02, 58.25), "SC_R + SC_A": (70.65, 71.64, 69.52), "SC": (71.67, 72.14, 70.72),
               "SC_S": (67.40, 68.68, 58.13)},
}  # fmt: skip
"""The paper's IoU, %: all classes, extended, compact."""
COLUMNS = {
    "total": ("scores", "all classes"),
    "total_extended": ("scores", "extended"),
    "total_compact": ("scores", "compact"),
    "total_spurious": ("scores", "spurious"),
    "total_sources": ("scores", "no background"),
    "score": ("scores", "Eq. 10-11"),
    "score_sources": ("scores", "Eq. 10-11, no background"),
    "f1_extended": ("objects", "F1 extended"),
    "f1_compact": ("objects", "F1 compact"),
    "f1_spurious": ("objects", "F1 spurious"),
}
ORDER = ("compact", "extended", "spurious")
NOTE = (
    "**The paper's figures are of other, private data and are not comparable**: other surveys, labels by hand, "
    "other sizes of everything."
)


@dataclass(frozen=True)
class TaskResult:
    """A task's result, JSON values, and how long it took."""

    result: Any
    seconds: float


def write_tables(tables: Sequence[str], experiment: Experiment, done: Mapping[str, TaskResult]) -> list[Path]:
    """Write ``<table>.md`` and ``<table>.json`` of each table into the run folder.

    Parameters
    ----------
    done : mapping of str to Done
        Results of tasks by their names; rows whose trainings are missing are left out, and so are tables of counts
        whose sets are.
    """
    folder, paths = make_folder(experiment.run), []
    for table in tables:
        if any(f"set {name}" not in done for name in COUNTED.get(table, ())):
            continue
        lines = list(count_lines(table, done) if table in PAPER_COUNTS else iou_lines(table, experiment, done))
        write_text(folder / f"{table}.md", "\n".join(lines) + "\n")
        paths.append(folder / f"{table}.md")
        if table in TABLES:
            write_json(folder / f"{table}.json", {n: summary(table, n, done) for n in experiment.settings.networks})
    return paths


# ---------------------------------------------------------------- IoU


def runs_of(mix: str, network: str, done: Mapping[str, TaskResult]) -> list[dict[str, Any]]:
    """Results of the trainings of a mix with a network."""
    start = f"train {mix} {network} "
    return [one.result for name, one in sorted(done.items()) if name.startswith(start)]


def summary(table: str, network: str, done: Mapping[str, TaskResult]) -> dict[str, dict[str, dict[str, Any]]]:
    """Mean and spread of each figure of each row: ``{row: {figure: {mean, spread, values}}}``."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row, mix in TABLES[table].items():
        runs = runs_of(mix, network, done)
        if not runs:
            continue
        found[row] = {}
        for key, (section, _) in COLUMNS.items():
            values = [v for run in runs if (v := run[section][key]["value"]) is not None]
            if values:
                spread = statistics.stdev(values) if len(values) > 1 else None
                found[row][key] = {"mean": statistics.fmean(values), "spread": spread, "values": values}
        found[row]["train_pairs"] = {"mean": runs[0]["train_pairs"], "spread": None, "values": []}
        found[row]["trainings"] = {"mean": len(runs), "spread": None, "values": []}
    return found


def iou_lines(table: str, experiment: Experiment, done: Mapping[str, TaskResult]) -> Iterator[str]:
    """Table 6 or 8 as Markdown, one part a network."""
    settings = experiment.settings
    for network in settings.networks:
        found = summary(table, network, done)
        if not found:
            continue
        yield f"**{network}**, IoU and F1 in %: mean ± standard deviation over trainings of other seeds"
        yield ""
        yield markdown_row(["trained on", "pairs", "trainings", *(title for _, title in COLUMNS.values())])
        yield markdown_row(["---", *("--:" for _ in range(len(COLUMNS) + 2))])
        for name, figures in found.items():
            cells = [_figure(figures.get(key)) for key in COLUMNS]
            yield markdown_row([name, f"{figures['train_pairs']['mean']:,}", str(figures["trainings"]["mean"]), *cells])
        yield ""
        yield from verdict_lines(table, found)
        yield ""
    yield (
        f"All rows: {settings.loop.steps:,} steps of {settings.loop.batch_size} cutouts"
        + (f" ({settings.segmenter.crop} pixels)" if settings.segmenter.crop else "")
        + ", the last weights, measured on the real val split. *All classes*, *extended*, ...: accumulated over the "
        "set; *Eq. 10-11*: mean over images. F1: objects at IoU 0.5."
    )
    yield ""
    yield NOTE
    yield ""
    yield markdown_row(["the paper's row", "all classes", "extended", "compact"])
    yield markdown_row(["---", "--:", "--:", "--:"])
    for name, values in PAPER_IOU[table].items():
        yield markdown_row([name, *(f"{v:.2f}" for v in values)])


def verdict_lines(table: str, found: Mapping[str, Any]) -> Iterator[str]:
    """What the rows say: of Table 8 how much of SC's IoU is reached, of Table 6 what is gained."""
    base_name = "SC" if table == "table8" else "real (SC)"
    base = found.get(base_name)
    if base is None:
        return
    for name, figures in found.items():
        if name == base_name:
            continue
        parts = []
        for key in ("total", "total_extended", "total_compact", "total_spurious"):
            if key in figures and key in base and base[key]["mean"] > 0:
                title, mean, reference = COLUMNS[key][1], figures[key]["mean"], base[key]["mean"]
                ratio = f"{100 * mean / reference:.1f} %" if table == "table8" else f"{100 * (mean - reference):+.1f}"
                parts.append(f"{title} {ratio}")
        yield f"- {name}, {'of SC' if table == 'table8' else 'points'}: {', '.join(parts)}"


# ---------------------------------------------------------------- counts


def count_lines(table: str, done: Mapping[str, TaskResult]) -> Iterator[str]:
    """Table 5 or 7 as Markdown."""
    pack = done["pack"].result
    columns: dict[str, list[int]] = {}
    if table == "table5":
        sets = {name: done[f"set {name}"].result for name in ADDED if f"set {name}" in done}
        yield "Objects of the synthetic pairs of each set of Table 6, and of the real train cutouts (SC)"
        columns = {f"+ {name}" + f" ({one['pairs']:,} pairs)": one["objects"] for name, one in sets.items()}
        columns[f"SC ({pack['train']:,} cutouts)"] = pack["objects"]
    else:
        one = done[f"set {RENDERED}"].result
        yield "Objects of SC_R, of the real cutouts that it leaves out, and of the images made of their masks (SC_A)"
        columns[f"SC_R ({pack['reduced']:,} cutouts)"] = pack["objects_reduced"]
        columns[f"left out ({pack['train'] - pack['reduced']:,} cutouts)"] = pack["objects_left_out"]
        columns[f"SC_A ({one['left_pairs']:,} pairs)"] = one["left_objects"]
        columns[f"SC_S ({one['pairs']:,} pairs)"] = one["objects"]
    yield ""
    yield markdown_row(["Class", *columns])
    yield markdown_row(["---", *("--:" for _ in columns)])
    for name in (*ORDER, "total"):
        value = {"spurious": 0, "compact": 1, "extended": 2}.get(name)
        counts = [sum(each) if value is None else each[value] for each in columns.values()]
        yield markdown_row([name, *(f"{count:,}" for count in counts)])
    yield ""
    yield from dropped_lines({name: done[f"set {name}"] for name in COUNTED[table] if f"set {name}" in done})
    yield ""
    yield NOTE
    yield ""
    first, second = ("augmented", "real") if table == "table5" else ("SC_R", "SC_A")
    yield markdown_row(["the paper's", first, second])
    yield markdown_row(["---", "--:", "--:"])
    for name, a, b in PAPER_COUNTS[table]:
        yield markdown_row([name, f"{a:,}", f"{b:,}"])


def dropped_lines(sets: Mapping[str, TaskResult]) -> Iterator[str]:
    """What the gate dropped of each set, by its name."""
    for name, one in sets.items():
        if one.result["attempts"]:
            reasons = [f"{count} dropped ({reason})" for reason, count in one.result["dropped"].items()]
            told = ", ".join(reasons) or "none dropped"
            yield f"- {name}: {one.result['attempts']:,} images made; {told}"


def _figure(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "-"
    spread = "" if value["spread"] is None else f" ± {100 * value['spread']:.1f}"
    return f"{100 * value['mean']:.1f}{spread}"
