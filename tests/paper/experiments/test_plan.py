"""Plans, settings, the reduced set and the store of results."""

import json

import numpy as np
import pytest

from radiff.data.collection import Row
from radiff.errors import InputError
from radiff.paper.experiments import PRESETS, ExperimentSettings, load_settings, make_plan
from radiff.paper.experiments.plan import MIXES, NAMES, TABLES, Step
from radiff.paper.experiments.reduced import choose_rows, left_out
from radiff.paper.experiments.steps import Store, fingerprints, ready

# ---------------------------------------------------------------- plan


def test_every_step_comes_after_what_it_needs_and_once():
    steps = make_plan(NAMES, ExperimentSettings(seeds=2))
    seen: set[str] = set()
    for step in steps:
        assert set(step.needs) <= seen, step.name
        seen.add(step.name)
    assert len(seen) == len(steps) == 1 + 4 + 7 * 2 * 2
    assert len({step.file for step in steps}) == len(steps)


def test_a_table_needs_no_more_than_its_own():
    names = {step.name for step in make_plan(["table7"], ExperimentSettings())}
    assert names == {"pack", "set rendered"}
    mixes = {s.what[0] for s in make_plan(["table8"], ExperimentSettings()) if s.kind == "train"}
    assert mixes == {"sc", "sc_r", "sc_r+sc_a", "sc_s"} == {row.mix for row in TABLES["table8"]}
    needs = {s.what[0]: s.needs for s in make_plan(["table6"], ExperimentSettings()) if s.kind == "train"}
    assert needs["sc"] == ("pack",) and needs["sc+both"] == ("pack", "set both")
    assert all(row.mix in MIXES for rows in TABLES.values() for row in rows)


def test_a_seed_is_finished_before_the_next():
    seeds = [int(s.what[2]) for s in make_plan(["table6"], ExperimentSettings(seeds=3, first_seed=4)) if s.what[2:]]
    assert seeds == sorted(seeds) and set(seeds) == {4, 5, 6}


def test_a_generator_of_the_reduced_set_alone():
    steps = {s.name: s for s in make_plan(["table6", "table8"], ExperimentSettings(generator_preset="cpu"))}
    assert steps["set rendered"].needs == ("pack", "generator")
    assert steps["set both"].needs == ("pack",)  # Table 6 adds to the whole set, which the generator may know


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_sound(name):
    settings = load_settings(name)
    assert len(settings.networks) >= 1 and settings.loop.steps > 0
    if name in ("gpu", "paper"):
        assert "fc-densenet67" in settings.networks and settings.seeds >= 3


def test_overrides_and_refusals(tmp_path):
    assert load_settings("smoke", ["loop.steps=7", "seeds=4"]).loop.steps == 7
    for overrides, part in [
        (["steps=7"], "steps is no setting; valid here: networks, seeds"),
        (["loop.pace=7"], "loop.pace is no setting; valid here: steps"),
        (["seeds=0"], "seeds: Input should be greater than 0"),
        (["seeds"], "is not of the form key=value or section.key=value; there are: networks, seeds"),
        (["masks=other"], "masks: String should match pattern"),
    ]:
        with pytest.raises(InputError, match=part):
            load_settings("smoke", overrides)
    with pytest.raises(InputError, match="neither a preset"):
        load_settings("huge")
    (tmp_path / "a.yaml").write_text("seeds: [")
    with pytest.raises(InputError, match="is not YAML"):
        load_settings(str(tmp_path / "a.yaml"))


# ---------------------------------------------------------------- rows


def row(number: int, counts: tuple[int, int, int], group: str = "", survey: str = "A") -> Row:
    spurious, compact, extended = counts
    return Row(
        f"s/imgs/{number}.fits", "", "train", survey=survey, group=group or str(number),
        n_spurious=spurious, n_compact=compact, n_extended=extended,
    )  # fmt: skip


def test_some_of_the_empty_cutouts_are_used():
    rows = [row(k, (0, int(k % 4 == 0), 0)) for k in range(80)]
    kept = choose_rows(rows, 0.5)
    assert kept == sorted(kept) and len(kept) == 20 + 30
    assert set(range(0, 80, 4)) <= set(kept)
    assert len(choose_rows(rows, 0.5, 12)) == 12 and choose_rows(rows, 0.5, 12) == choose_rows(rows, 0.5, 12)


def test_most_extended_objects_are_left_out_and_little_else():
    random = np.random.default_rng(0)
    rows = [row(k, (0, 0, 1), survey="AB"[k % 2]) for k in range(60)]  # extended alone
    rows += [row(60 + k, (2, 3, 1), survey="AB"[k % 2]) for k in range(40)]
    rows += [row(100 + k, (int(random.integers(3)), 2, 0)) for k in range(100)]
    out = left_out(rows, 0.4)
    assert sum(rows[k].n_extended for k in out) == pytest.approx(0.6 * 100, abs=2)
    assert all(rows[k].n_compact == 0 for k in out)  # there were enough cutouts of extended ones alone
    for survey in "AB":
        mine = [r for r in rows if r.survey == survey]
        gone = sum(rows[k].n_extended for k in out if rows[k].survey == survey)
        assert gone == pytest.approx(0.6 * sum(r.n_extended for r in mine), abs=1)


def test_a_patch_of_sky_is_left_out_whole():
    rows = [row(k, (0, 0, 1), group=f"g{k // 4}") for k in range(40)]
    out = set(left_out(rows, 0.5))
    for first in range(0, 40, 4):
        assert len(out & set(range(first, first + 4))) in (0, 4)
    assert left_out(rows, 0.5) == sorted(out) and left_out(rows, 0.5, seed=1) != sorted(out)


# ---------------------------------------------------------------- store

STEPS = [Step("pack", "pack"), Step("a", "set", ("pack",), ("a",)), Step("b", "train", ("pack", "a"), ("m", "n", "0"))]


def test_a_step_is_done_once_and_kept(tmp_path):
    store, calls = Store(tmp_path, fingerprints(STEPS, lambda step: 1)), []
    for _ in range(2):
        found = store.do(STEPS[0], lambda step: calls.append(step.name) or {"x": 3})
        assert found is not None and found.result == {"x": 3}
    assert calls == ["pack"]
    assert json.loads((tmp_path / "steps" / "pack.json").read_text())["result"] == {"x": 3}


def test_what_changes_a_step_changes_those_that_need_it():
    before = fingerprints(STEPS, lambda step: 1)
    after = fingerprints(STEPS, lambda step: 2 if step.name == "a" else 1)
    assert [before[s.name] == after[s.name] for s in STEPS] == [True, False, False]


def test_another_process_keeps_its_step(tmp_path):
    store = Store(tmp_path, fingerprints(STEPS, lambda step: 1))
    with store.claimed(STEPS[0]) as free:
        assert free
        assert store.do(STEPS[0], lambda step: 1) is None
    assert store.do(STEPS[0], lambda step: 1) is not None


def test_steps_that_can_begin():
    assert [s.name for s in ready(STEPS, set(), set())] == ["pack"]
    assert [s.name for s in ready(STEPS, {"pack"}, {"a"})] == []
    assert [s.name for s in ready(STEPS, {"pack", "a"}, set())] == ["b"]
