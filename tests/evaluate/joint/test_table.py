"""Lines, targets, what is kept of an interrupted run, networks' lines and the classifier."""

import json
import math

import numpy as np
import pytest
from scipy import ndimage

from radiff.errors import InputError
from radiff.estimates import Estimate
from radiff.evaluate.joint import classifier, networks, table
from radiff.evaluate.joint.lines import Line, format_table, quantile, ratio_line
from radiff.evaluate.joint.stacks import stack_of

SURE = Estimate(1.0, 0.9, 1.1, (10,))


def test_a_line_says_whether_its_target_is_met():
    assert Line("a", "t", SURE, target=(0.97, 1.0)).met is True
    assert Line("a", "t", SURE, target=(-math.inf, 0.9)).met is False
    assert Line("a", "t", SURE).met is None
    assert Line("a", "t", Estimate(math.nan, math.nan, math.nan, (0,)), target=(0, 1)).met is None
    line = Line("a", "t", SURE, 0.5, (-math.inf, 0.9), "note")
    assert Line.from_json(json.loads(json.dumps(line.to_json()))) == line
    assert format_table([line])[0] == ["t", "1.000", "0.900 to 1.100", "10", "0.500", "<= 0.900", "NOT met", "note"]


def test_ratios_and_quantiles():
    line = ratio_line("a", "t", np.arange(1, 101), 2 * np.arange(1, 101))
    assert line.value.value == line.value.low == line.value.high == 0.5  # paired: no scatter
    values = np.random.default_rng(0).normal(size=2000)
    told = quantile(values, np.arange(2000) // 2)
    assert told.low < 0 < told.high and told.high - told.low == pytest.approx(
        2 * 1.96 * 1.25 / math.sqrt(2000), rel=0.3
    )
    assert quantile(values, np.arange(2000), 84.0).value == pytest.approx(1.0, abs=0.1)


def stacks(count=16, size=64):
    images = np.random.default_rng(0).standard_normal((2, count, size, size))
    masks = np.zeros((count, size, size), np.uint8)
    return [stack_of(name, one, masks) for name, one in zip(("real", "made"), images, strict=True)]


def test_what_was_done_is_not_done_again(tmp_path, monkeypatch):
    real, made = stacks()
    case = table.Case(table.Reference(real, lambda: None, lambda: None, lambda: None), real, made)
    key = table.key_of(case, {})
    first = list(table.figures_of(case, ["rms", "moments"], table.Kept(tmp_path / "k.json", key)))
    assert [name for name, _, _ in first] == ["rms", "moments"]
    monkeypatch.setitem(table.FIGURES, "rms", lambda _: pytest.fail("computed again"))
    again = next(iter(table.figures_of(case, ["rms"], table.Kept(tmp_path / "k.json", key))))
    assert again[1] == first[0][1]
    assert table.Kept(tmp_path / "k.json", "other").get("rms") is None
    (tmp_path / "k.json").write_text('{"key": ')  # killed while writing elsewhere
    assert table.Kept(tmp_path / "k.json", key).get("rms") is None
    changed = table.Case(case.reference, real, made.chosen(np.arange(16)[::-1]))
    assert table.key_of(changed, {}) != key and table.key_of(case, {"epochs": 1}) != key


def test_fields_have_no_figures_of_sources():
    real, made = stacks()
    case = table.Case(table.Reference(real, lambda: None, lambda: None, lambda: None), real, made, fields=True)
    assert [name for name, _, _ in table.figures_of(case, ["rms", "peaks", "mask"])] == ["rms"]


def test_figures_are_named_or_refused():
    assert table.chosen_figures("islands, rms") == ["rms", "islands"]
    with pytest.raises(InputError, match="--only colour: there is no such figure; there are rms, bands"):
        table.chosen_figures("rms,colour")


def test_mask_score_over_the_real_images():
    real = np.zeros((20, 4, 4), int)
    real[:, 0, 0], real[:, 2, 2], real[:, 2, 0] = 900, 80, 20  # IoU of compact .8
    made = real.copy()
    made[:, 2, 2], made[:, 2, 0] = 60, 40
    lines = {line.title: line for line in networks.mask_lines(real, made)}
    assert lines["mask score, made over real"].value.value == pytest.approx(0.75)
    assert lines["mask score, made over real"].real == pytest.approx(0.8)
    assert lines["mask score, made over real"].met is False
    assert math.isnan(lines["mask score, extended, made over real"].value.value)


def test_distances_have_their_baseline_and_say_when_images_are_too_few():
    random = np.random.default_rng(0)
    real, made, other = (random.normal(size=(60, 8)).astype(np.float32) for _ in range(3))
    lines = {line.title: line for line in networks.feature_lines(real, made + 1, other)}
    fid = lines["FID of the project's features"]
    assert fid.value.value == pytest.approx(8, rel=0.2) and fid.met is False and fid.real < 2
    assert networks.feature_lines(real, other, other)[0].met is True
    assert "needs at least" in networks.feature_lines(real[:5], made[:5], None)[0].note


def test_auc_and_splits():
    assert classifier.auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])) == 0.75
    assert classifier.auc(np.ones(4), np.array([0, 1, 0, 1])) == 0.5
    groups = [str(k // 3) for k in range(30)]
    trained = classifier.split_fields(groups, 1)
    assert trained.sum() == 15
    assert all(len(set(trained[3 * k : 3 * k + 3])) == 1 for k in range(10))
    with pytest.raises(InputError, match="needs images of 4 fields or more; here are 1"):
        classifier.split_fields(["a"] * 9, 0)


def test_windows_are_far_from_objects_and_apart():
    masks = np.zeros((2, 128, 128), np.uint8)
    masks[1, 100, 100] = 2
    windows = classifier.noise_windows(masks)
    assert [w for w in windows if w[0] == 0] == [(0, 0, 0), (0, 0, 64), (0, 64, 0), (0, 64, 64)]
    assert (1, 64, 64) not in windows and (1, 0, 0) in windows


def test_a_classifier_sees_other_noise_and_nothing_in_the_same():
    random = np.random.default_rng(1)
    groups = [str(k // 2) for k in range(96)]
    real, same = random.standard_normal((2, 96, 32, 32)).astype(np.float32)
    smooth = 3 * ndimage.uniform_filter(same, (0, 3, 3), mode="wrap")
    seen = classifier.auc_estimate(real, smooth, (groups, groups), seeds=1, epochs=5)
    assert seen.value > 0.9
    unseen = classifier.auc_estimate(real, same, (groups, groups), seeds=2, epochs=2)
    assert 0.3 < unseen.value < 0.7 and unseen.low < unseen.value < unseen.high and unseen.n == (96, 96)
