"""Plans, settings, the reduced set and what is kept."""

import json

import numpy as np
import pytest

from radiff.data.collection import Row
from radiff.errors import InputError
from radiff.paper.experiments import ExperimentSettings, load_settings, make_plan
from radiff.paper.experiments.plan import MIXES, NAMES, TABLES, PipelineTask, choose_rows, left_out
from radiff.paper.experiments.run import KeptResults, fingerprints, ready
from radiff.training.reading import PRESETS

# ---------------------------------------------------------------- plan


def test_every_task_comes_after_what_it_needs_and_once():
    tasks = make_plan(NAMES, ExperimentSettings(seeds=2))
    seen: set[str] = set()
    for task in tasks:
        assert set(task.needs) <= seen, task.name
        seen.add(task.name)
    assert len(seen) == len(tasks) == 1 + 4 + 7 * 2 * 2
    assert len({task.file for task in tasks}) == len(tasks)


def test_a_table_needs_no_more_than_its_own():
    names = {task.name for task in make_plan(["table7"], ExperimentSettings())}
    assert names == {"pack", "set rendered"}
    mixes = {s.what[0] for s in make_plan(["table8"], ExperimentSettings()) if s.kind == "train"}
    assert mixes == {"sc", "sc_r", "sc_r+sc_a", "sc_s"} == set(TABLES["table8"].values())
    needs = {s.what[0]: s.needs for s in make_plan(["table6"], ExperimentSettings()) if s.kind == "train"}
    assert needs["sc"] == ("pack",) and needs["sc+both"] == ("pack", "set both")
    assert all(mix in MIXES for rows in TABLES.values() for mix in rows.values())


def test_a_seed_is_finished_before_the_next():
    seeds = [int(s.what[2]) for s in make_plan(["table6"], ExperimentSettings(seeds=3, first_seed=4)) if s.what[2:]]
    assert seeds == sorted(seeds) and set(seeds) == {4, 5, 6}


def test_a_generator_of_the_reduced_set_alone():
    tasks = {s.name: s for s in make_plan(["table6", "table8"], ExperimentSettings(generator_preset="cpu"))}
    assert tasks["set rendered"].needs == ("pack", "generator")
    assert tasks["set both"].needs == ("pack",)  # Table 6 adds to the whole set, which the generator may know


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


# ---------------------------------------------------------------- what is kept

TASKS = [
    PipelineTask("pack", "pack"),
    PipelineTask("a", "set", ("pack",), ("a",)),
    PipelineTask("b", "train", ("pack", "a"), ("m", "n", "0")),
]


def test_a_task_is_done_once_and_kept(tmp_path):
    kept, calls = KeptResults(tmp_path, fingerprints(TASKS, lambda task: 1)), []
    for _ in range(2):
        found = kept.do(TASKS[0], lambda task: calls.append(task.name) or {"x": 3})
        assert found is not None and found.result == {"x": 3}
    assert calls == ["pack"]
    assert json.loads((tmp_path / "tasks" / "pack.json").read_text())["result"] == {"x": 3}


def test_results_of_version_0_1_0_are_kept(tmp_path):
    """They lie in a folder ``steps``."""
    first = KeptResults(tmp_path, fingerprints(TASKS, lambda task: 1))
    first.put(TASKS[0], {"x": 3}, 1.0)
    (tmp_path / "tasks").rename(tmp_path / "steps")
    again = KeptResults(tmp_path, first.keys)
    assert again.get(TASKS[0]).result == {"x": 3}
    again.put(TASKS[1], {"y": 4}, 1.0)
    assert not (tmp_path / "tasks").exists()


def test_what_changes_a_task_changes_those_that_need_it():
    before = fingerprints(TASKS, lambda task: 1)
    after = fingerprints(TASKS, lambda task: 2 if task.name == "a" else 1)
    assert [before[s.name] == after[s.name] for s in TASKS] == [True, False, False]


def test_another_process_keeps_its_task(tmp_path):
    kept = KeptResults(tmp_path, fingerprints(TASKS, lambda task: 1))
    with kept.claimed(TASKS[0]) as free:
        assert free
        assert kept.do(TASKS[0], lambda task: 1) is None
    assert kept.do(TASKS[0], lambda task: 1) is not None


def test_tasks_that_can_begin():
    assert [s.name for s in ready(TASKS, set(), set())] == ["pack"]
    assert [s.name for s in ready(TASKS, {"pack"}, {"a"})] == []
    assert [s.name for s in ready(TASKS, {"pack", "a"}, set())] == ["b"]
