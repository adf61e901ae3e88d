"""An evaluation to one HTML page that opens from disk, and to report.json. Measures nothing."""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from radiff import pages
from radiff.errors import InputError
from radiff.estimates import Estimate, Metric
from radiff.evaluate.evaluation import FORMAT, Evaluation
from radiff.evaluate.report.plots import draw_plots, draw_sheet_address
from radiff.files import make_folder, read_json, write_json, write_text
from radiff.pages import Plot, markdown_row, number

STRETCH = "asinh stretch, from -3 rms to the peak."
REPORT, PAGE = "report.json", "report.html"
HEADLINES = (
    "fid", "kid", "precision", "recall", "seg_score", "seg_total_sources", "ssim", "flux_peak_all", "asked_peak",
    "noise_deviation", "sources_5", "peak_snr_w1", "nearer_pixels",
)  # fmt: skip
"""What the summary shows, where it is known."""


def write_report(folder: str | os.PathLike[str], found: Evaluation) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json`` into `folder`.

    Raises
    ------
    InputError
        Where the folder cannot be written.
    """
    folder = make_folder(folder)
    write_json(folder / REPORT, found.to_json())
    write_text(folder / PAGE, render(found))
    return folder / PAGE, folder / REPORT


def render(found: Evaluation) -> str:
    """The page, with all pictures inside."""
    counts = (found.settings["real"]["images"], found.settings["synthetic"]["images"])
    plots = draw_plots(found.curves, counts)
    sheets = [Plot(s.title, f"{s.caption} {STRETCH}", draw_sheet_address(s), s.section) for s in found.sheets]
    sections = [
        {
            "name": name,
            "metrics": lines,
            "plots": [p for p in plots if p.section == name],
            "sheets": [s for s in sheets if s.section == name],
        }
        for name, lines in by_section(found.metrics)
    ]
    return pages.render(
        "radiff.evaluate.report",
        "report.html",
        {"figure": figure, "sizes": sizes, "seconds": lambda s: f"{s:.1f} s", "differs": differs},
        settings=found.settings,
        summary=[m for key in HEADLINES for m in found.metrics if m.key == key and m.value is not None],
        sections=sections,
        sheets=[s for s in sheets if not s.section],
        seconds=found.seconds,
        failures=found.failures,
    )


def by_section(metrics: Sequence[Metric]) -> list[tuple[str, list[Metric]]]:
    """Metrics under their headings, in the order in which the headings first come."""
    names = list(dict.fromkeys(m.section for m in metrics))
    return [(name, [m for m in metrics if m.section == name]) for name in names]


def figure(estimate: Estimate | None) -> str:
    """An estimate as text: ``0.512 [0.498, 0.526]``."""
    if estimate is None or not math.isfinite(estimate.value):
        return "-"
    if not math.isfinite(estimate.low):
        return number(estimate.value)
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def sizes(estimate: Estimate | None) -> str:
    """Sample sizes: ``738 / 1000`` for a comparison of real and synthetic."""
    return "-" if estimate is None else " / ".join(str(n) for n in estimate.n)


def differs(metric: Metric) -> bool:
    """Whether the synthetic images' figure is off that of the real ones, or off its target: intervals do not meet."""
    value, real = metric.value, metric.real
    if real is None and metric.target is not None:
        real = Estimate(metric.target, metric.target, metric.target, ())
    if value is None or real is None or not (math.isfinite(value.low) and math.isfinite(real.low)):
        return False
    if metric.better == "lower":
        return value.low > real.high
    if metric.better == "higher":
        return value.high < real.low
    return value.low > real.high or value.high < real.low


def text_lines(found: Evaluation, keys: Sequence[str] = HEADLINES) -> Iterator[str]:
    """The summary as text."""
    settings = found.settings
    yield f"real       {settings['real']['images']:6d} images  {settings['real']['name']}"
    yield f"synthetic  {settings['synthetic']['images']:6d} images  {settings['synthetic']['name']}"
    yield f"baseline   {settings['floor']}"
    for metric in (m for key in keys for m in found.metrics if m.key == key):
        if metric.value is None:
            yield f"  {metric.title}: not computed: {metric.note}"
            continue
        real = f"   real: {figure(metric.real)}" if metric.real is not None else ""
        real += f"   best: {metric.target:g}" if metric.target is not None else ""
        yield f"  {metric.title}: {figure(metric.value)}, n = {sizes(metric.value)}{real}"


# ---------------------------------------------------------------- several reports side by side


def read_reports(paths: Sequence[str | os.PathLike[str]]) -> list[tuple[str, dict[str, Any]]]:
    """Name and contents of report.json files, or of the folders that they are in; names are what tells them apart.

    Raises
    ------
    InputError
        Where a file is missing, or is no report of this version.
    """
    files = [Path(p) / REPORT if Path(p).is_dir() else Path(p) for p in paths]
    found = []
    for path, name in zip(files, _short_names(files), strict=True):
        content = read_json(path)
        if not isinstance(content, dict) or content.get("kind") != "evaluation":
            raise InputError("is no report of 'radiff evaluate'", path)
        if content.get("format") != FORMAT:
            text = (
                f"is a report of format {content.get('format')!r}, this radiff reads {FORMAT}; run the evaluation again"
            )
            raise InputError(text, path)
        found.append((name, content))
    return found


def _short_names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the folders' paths that differ; numbered where the same file comes twice."""
    parts = [(*p.resolve().parent.parts, *([] if p.name == REPORT else [p.stem])) for p in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{part[-1]} ({k + 1})" for k, part in enumerate(parts)]


def compare_reports(reports: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Reports side by side, as Markdown.

    Parameters
    ----------
    reports : sequence of (name, contents of report.json)
    """
    tables = [{m["key"]: Metric.from_json(m) for m in content["metrics"]} for _, content in reports]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    heads = [name for name, _ in reports]
    lines = ["# Reports side by side", ""]
    for name, content in reports:
        made, real_set = content["settings"]["synthetic"], content["settings"]["real"]
        lines.append(
            f"- **{name}**: {made['images']} synthetic images ({made['name']}) against {real_set['images']} real ones "
            f"({real_set['name']})"
        )
    lines += [f"- Not the same: {text}" for text in _unlike(reports)]
    section = ""
    for key in keys:
        first = next(table[key] for table in tables if key in table)
        if first.section != section:
            section = first.section
            lines += ["", f"## {section[0].upper()}{section[1:]}", ""]
            lines += [markdown_row(["", "best", *heads, "real"]), markdown_row(["---"] * (len(heads) + 3))]
        values = [table[key].value if key in table else None for table in tables]
        real = next((table[key].real for table in tables if key in table and table[key].real), None)
        if real is None and first.target is not None:
            real = Estimate(first.target, math.nan, math.nan, ())
        best = _best(first, values, real)
        cells = [f"**{figure(v)}**" if k == best else figure(v) for k, v in enumerate(values)]
        lines.append(markdown_row([first.title, first.better, *cells, figure(real)]))
    lines += ["", "In brackets 95 % intervals. Bold: best, and its interval does not meet that of any other."]
    return "\n".join(lines) + "\n"


def _unlike(reports: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """What makes figures of the reports hard to compare."""
    settings = [content["settings"] for _, content in reports]
    for what, text in (("networks", "the networks' weights: features and masks were found by others"),
                       ("real", "the real images"), ("paired", "paired and unpaired sets")):  # fmt: skip
        if any(s[what] != settings[0][what] for s in settings):
            yield text
    if len({s["synthetic"]["images"] for s in settings}) > 1:
        yield "the numbers of synthetic images: FID falls with it"


def _best(metric: Metric, values: Sequence[Estimate | None], real: Estimate | None) -> int | None:
    """Which value is best beyond the intervals; None where none is, or it is not known what is best."""
    known = [(k, v) for k, v in enumerate(values) if v is not None and math.isfinite(v.value)]
    if len(known) < 2 or (metric.better == "as real" and real is None):
        return None

    def key(pair: tuple[int, Estimate]) -> float:
        value = pair[1].value
        if metric.better == "as real":
            return abs(value - real.value)  # type: ignore[union-attr]
        return value if metric.better == "lower" else -value

    first = min(known, key=key)
    apart = all(v.low > first[1].high or v.high < first[1].low for k, v in known if k != first[0])
    return first[0] if apart else None
