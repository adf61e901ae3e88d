"""The page opens from disk with all that it shows inside; reports are put side by side."""

import json
import math
import re

import pytest

import sky_sets
from radiff.errors import InputError
from radiff.estimates import Estimate, Metric
from radiff.evaluate.evaluation import evaluate
from radiff.evaluate.report.page import (
    PAGE,
    REPORT,
    compare_reports,
    differs,
    figure,
    number,
    read_reports,
    sizes,
    text_lines,
    write_report,
)


@pytest.fixture(scope="module")
def found():
    real, made = sky_sets.pictures(24), sky_sets.pictures(24)
    train = sky_sets.image_set(sky_sets.pictures(24, 300), "train <set>")
    return evaluate(
        sky_sets.image_set(real, "real"), sky_sets.image_set(made, "made"), train, sky_sets.networks(), paired=True,
        workers=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "first"
    write_report(folder, found)
    return folder


def test_the_page_needs_no_network(folder):
    page = (folder / PAGE).read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "http" not in re.sub(r'"data:[^"]*"', "", page)
    assert page.count("<img ") == page.count('src="data:image/')
    assert page.count("data:image/png;base64,") == 4  # samples, masks, closest by features and by pixels
    assert page.count("data:image/svg+xml;base64,") >= 12
    assert "train &lt;set&gt;" in page and "<set>" not in page


def test_every_metric_stands_in_the_page_with_its_size(folder, found):
    page = (folder / PAGE).read_text()
    for metric in found.metrics:
        assert metric.title.replace("'", "&#39;") in page
        if metric.value is not None:
            assert f">{figure(metric.value)}<" in page, metric.key
            assert f">{sizes(metric.value)}<" in page, metric.key


def test_the_report_holds_the_same(folder, found):
    content = json.loads((folder / REPORT).read_text())
    assert [m["key"] for m in content["metrics"]] == [m.key for m in found.metrics]
    assert content["settings"]["train"] == {"name": "train <set>", "images": 24}
    assert content["settings"]["networks"] == {"features": "fixed", "segmenter": "threshold"}


def test_the_text_names_sets_and_intervals(found):
    lines = list(text_lines(found))
    assert lines[0].startswith("real           24 images  real")
    assert any(re.search(r"FID.*: \S+ \[\S+, \S+\], n = 24 / 24   real: ", line) for line in lines)


def test_figures_as_text():
    assert figure(Estimate(0.512345, 0.498, 0.526, (3,))) == "0.512 [0.498, 0.526]"
    assert figure(Estimate(12.34, math.nan, math.nan, (3,))) == "12.3"
    assert figure(None) == figure(Estimate(math.nan, 0, 0, (0,))) == "-"
    assert [number(v) for v in (0, 0.01234, 123.45, 1234.5, 2e-5, 3e6)] == [
        "0.0000", "0.0123", "123.5", "1234", "2.00e-05", "3.00e+06",
    ]  # fmt: skip


def estimate(value, half=0.1):
    return Estimate(value, value - half, value + half, (10,))


@pytest.mark.parametrize(
    ("better", "value", "real", "expected"),
    [
        ("lower", 2.0, 1.0, True),
        ("lower", 0.5, 1.0, False),
        ("lower", 1.1, 1.0, False),
        ("higher", 0.5, 1.0, True),
        ("higher", 2.0, 1.0, False),
        ("as real", 2.0, 1.0, True),
        ("as real", 0.5, 1.0, True),
        ("as real", 1.1, 1.0, False),
    ],
)
def test_what_differs_is_marked(better, value, real, expected):
    assert differs(Metric("k", "s", "t", better, estimate(value), estimate(real))) is expected


def test_nothing_to_compare_with_is_not_marked():
    assert not differs(Metric("k", "s", "t", "lower", estimate(2.0), None))
    assert not differs(Metric("k", "s", "t", "lower", None, estimate(2.0)))


def test_what_is_off_a_known_best_value_is_marked():
    line = Metric("k", "s", "t", "as real", estimate(1.2), None, "", 1.0)
    assert differs(line) and not differs(Metric("k", "s", "t", "as real", estimate(1.05), None, "", 1.0))
    assert Metric.from_json(line.to_json()) == line


def test_what_is_best_and_what_stands_beside_is_said(folder, found):
    page = (folder / PAGE).read_text()
    ratio = found.metric("flux_peak_all")
    assert ratio.target == 1.0 and f'<td class="v">1.0</td>\n<td class="v">{figure(ratio.value)}</td>' in page
    assert page.count("<th>shuffled pairs</th>") == 1 and page.count("<th>real</th>") > 3
    assert any(line.endswith("best: 1") for line in text_lines(found))


def report(images=10, networks="a", **values):
    metrics = [Metric(key, "one", key, better, one, estimate(1.0)).to_json() for key, (better, one) in values.items()]
    settings = {
        "real": {"name": "r", "images": 10}, "synthetic": {"name": "s", "images": images}, "train": None,
        "floor": "", "paired": False, "networks": {"features": networks}, "seed": 0,
    }  # fmt: skip
    return {"format": 1, "kind": "evaluation", "settings": settings, "metrics": metrics, "curves": {}}


def test_reports_side_by_side():
    table = compare_reports(
        [
            (
                "a",
                report(low=("lower", estimate(3.0)), high=("higher", estimate(0.5)), near=("as real", estimate(1.2))),
            ),
            ("b", report(low=("lower", estimate(1.0)), high=("higher", estimate(0.55)), near=("as real", estimate(3)))),
        ]
    )
    rows = {line.split(" | ")[0].strip("| "): line for line in table.splitlines() if line.startswith("|")}
    assert rows["low"] == "| low | lower | 3.000 [2.900, 3.100] | **1.000 [0.900, 1.100]** | 1.000 [0.900, 1.100] |"
    assert "**" not in rows["high"]  # the intervals meet
    assert "**1.200 [1.100, 1.300]**" in rows["near"]
    assert "Not the same" not in table


def test_what_makes_reports_hard_to_compare_is_said():
    table = compare_reports([("a", report(fid=("lower", estimate(1)))), ("b", report(20, "other"))])
    assert "Not the same: the networks' weights" in table
    assert "Not the same: the numbers of synthetic images" in table
    assert "| fid | lower | 1.000 [0.900, 1.100] | - | 1.000 [0.900, 1.100] |" in table


def test_reports_are_read_and_named(folder, tmp_path):
    other = tmp_path / "second"
    other.mkdir()
    (other / REPORT).write_text((folder / REPORT).read_text())
    assert [name for name, _ in read_reports([folder, other / REPORT])] == ["first", "second"]
    assert [name for name, _ in read_reports([folder, folder])] == ["first (1)", "first (2)"]


def test_what_is_no_report_is_refused(tmp_path):
    path = tmp_path / REPORT
    with pytest.raises(InputError, match="no such file"):
        read_reports([tmp_path])
    for content, part in (([], "is no report"), ({"kind": "evaluation", "format": 9}, "is a report of format 9")):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=part):
            read_reports([tmp_path])


def test_a_folder_that_cannot_be_written(found):
    import bad_inputs

    with pytest.raises(InputError, match="cannot write into this folder"):
        write_report(bad_inputs.READ_ONLY, found)
