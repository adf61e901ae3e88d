"""Whole runs of the preset smoke: what is made, counted and told; stopped and gone on with; several processes."""

import json

import numpy as np
import pytest

from radiff.errors import InputError
from radiff.paper.experiments import load_settings, prepare, reproduce_augmentation
from radiff.paper.experiments import run as room
from radiff.paper.experiments.pipeline import Pipeline
from radiff.paper.experiments.plan import PipelineTask
from radiff.paper.experiments.tables import TaskResult, iou_lines, summary
from radiff.paper.experiments.training import Pairs, mixed

TABLES = ("table5", "table6", "table7", "table8")


def tasks_of(run) -> dict[str, dict]:
    return {p.stem: json.loads(p.read_text()) for p in sorted((run / "tasks").glob("*.json"))}


def test_all_tasks_are_done_and_told(whole):
    run, told = whole
    assert told[0] == "12 tasks, 0 done"
    assert sum(" of 12: " in line for line in told) == 12
    assert any("set compact" in line and "2 pairs of" in line for line in told)
    assert sorted(p.name for p in run.glob("table*.md")) == [f"{name}.md" for name in TABLES]


def test_counts_are_those_of_the_sets(whole):
    run, _ = whole
    pack = tasks_of(run)["pack"]["result"]
    real = Pairs.open(run / "packs" / "real")
    assert pack["train"] == len(real) == 12 and pack["objects"] == real.counts.sum(0).tolist()
    assert np.add(pack["objects_reduced"], pack["objects_left_out"]).tolist() == pack["objects"]
    assert pack["objects_reduced"][2] < pack["objects"][2]
    text = (run / "table5.md").read_text()
    compact = tasks_of(run)["set-compact"]["result"]
    assert f"| compact | {compact['objects'][1]} |" in text
    assert "| total | 10,233 | 32,890 |" in text  # the paper's
    assert "SC_R" in (run / "table7.md").read_text()


def test_mixes_are_what_their_names_say(whole, experiment):
    run, _ = whole
    pipeline, done = Pipeline(experiment(run)), tasks_of(run)
    pairs = {name: task["result"]["train_pairs"] for name, task in done.items() if name.startswith("train-")}
    pack, rendered = done["pack"]["result"], done["set-rendered"]["result"]
    assert pairs["train-sc-light-unet-0"] == 12
    assert pairs["train-sc_and_both-light-unet-0"] == 12 + done["set-both"]["result"]["pairs"]
    assert pairs["train-sc_r-light-unet-0"] == pack["reduced"] == 12 - len(pipeline.outside)
    assert pairs["train-sc_r_and_sc_a-light-unet-0"] == pack["reduced"] + rendered["left_pairs"]
    assert pairs["train-sc_s-light-unet-0"] == rendered["pairs"]
    outside = {pipeline.train_rows[k].image for k in pipeline.outside}
    sources = Pairs.open(run / "packs" / "rendered").sources
    assert rendered["left_pairs"] == sum(source in outside for source in sources)


def test_a_run_that_was_stopped_goes_on(whole, experiment, tmp_path, monkeypatch):
    own, count = Pipeline.run, 0

    def dying(self, task):
        nonlocal count
        count += 1
        if count > 5:
            raise KeyboardInterrupt
        return own(self, task)

    monkeypatch.setattr(Pipeline, "run", dying)
    with pytest.raises(KeyboardInterrupt):
        reproduce_augmentation(["table6"], experiment(tmp_path), tell=lambda text: None)
    monkeypatch.setattr(Pipeline, "run", own)
    assert len(tasks_of(tmp_path)) == 5
    early = (tmp_path / "table6.md").read_text()
    assert "| real (SC) | 12 | 1 |" in early and "| + both |" not in early.split("The paper")[0].split("the paper")[0]
    told: list[str] = []
    reproduce_augmentation(["table6"], experiment(tmp_path), tell=told.append)
    assert told[0] == "8 tasks, 5 done"
    first, second = tasks_of(whole[0]), tasks_of(tmp_path)
    for name, task in second.items():
        assert task["key"] == first[name]["key"] and task["result"] == first[name]["result"], name


def test_nothing_is_done_twice_and_a_dry_run_does_nothing(whole, experiment, tmp_path):
    run, _ = whole
    stamps = {p: p.stat().st_mtime_ns for p in (run / "tasks").glob("*.json")}
    told: list[str] = []
    reproduce_augmentation(TABLES, experiment(run), tell=told.append)
    assert told[0] == "12 tasks, 12 done" and not any(" of 12: " in line for line in told)
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    changed: list[str] = []
    reproduce_augmentation(TABLES, experiment(run, "pairs=3"), dry_run=True, tell=changed.append)
    assert changed[0] == "12 tasks, 6 done"  # three sets, and the three trainings that have them
    assert reproduce_augmentation(TABLES, experiment(tmp_path / "no"), dry_run=True, tell=changed.append) == []
    assert not (tmp_path / "no").exists()


def test_pairs_of_other_settings_are_not_taken(experiment, tmp_path):
    """The same folder, other objects a mask: the pairs of the first run are no use to the second."""
    sources = []
    for per_image in ("[1, 1]", "[2, 2]"):
        change = ("per_image=" + per_image, "gate=false", "labels=asked")
        reproduce_augmentation(["table5"], experiment(tmp_path, *change), tell=lambda text: None)
        sources.append(Pairs.open(tmp_path / "packs" / "extended").counts.sum(1).tolist())
    assert sources == [[1, 1], [2, 2]]


def test_processes_share_the_tasks(whole, experiment, tmp_path):
    reproduce_augmentation(["table7"], experiment(tmp_path), jobs=2, tell=lambda text: None)
    first, second = tasks_of(whole[0]), tasks_of(tmp_path)
    assert sorted(second) == ["pack", "set-rendered"]
    assert all(second[name]["result"] == first[name]["result"] for name in second)


def test_what_cannot_be_run_is_refused(experiment, collection, weights, tmp_path):
    with pytest.raises(InputError, match=r"'table9' is no table of section 5\.2; there are: table5"):
        reproduce_augmentation(["table9"], experiment(tmp_path))
    with pytest.raises(InputError, match="'nvss' is no sample of the collection; there are: real"):
        prepare(collection.root, tmp_path, load_settings("smoke"), str(weights), samples=["nvss"])
    with pytest.raises(InputError, match="networks: 'vgg' is no segmenter; there are: light-unet"):
        experiment(tmp_path, "networks=[vgg]")


# ---------------------------------------------------------------- mixes and tables by hand


def test_a_mix_holds_what_was_chosen(tmp_path):
    images = np.arange(4, dtype=np.float16)[:, None, None] * np.ones((1, 4, 4), np.float16)
    pairs = Pairs(images, np.zeros((4, 4, 4), np.uint8), list("abcd"), [""] * 4, np.zeros((4, 3), int))
    pack = mixed([(pairs, [2, 0]), (pairs, np.arange(2))], tmp_path)
    assert pack.images[:, 0, 0].tolist() == [2, 0, 0, 1]


def test_tables_have_means_spreads_and_shares(experiment, tmp_path):
    def run(value: float) -> TaskResult:
        names = ("total", "total_extended", "total_compact", "total_spurious", "total_sources", "score")
        scores = {name: {"value": value} for name in (*names, "score_sources")}
        objects = {name: {"value": None} for name in ("f1_extended", "f1_compact", "f1_spurious")}
        return TaskResult({"scores": scores, "objects": objects, "train_pairs": 1234}, 1.0)

    values = {"sc": (0.7, 0.8), "sc_r": (0.5, 0.6), "sc_r+sc_a": (0.72, 0.74)}
    done = {f"train {m} light-unet {seed}": run(v) for m, pair in values.items() for seed, v in enumerate(pair)}
    found = summary("table8", "light-unet", done)
    assert list(found) == ["SC_R", "SC_R + SC_A", "SC"]  # SC_S is not there yet
    assert found["SC"]["total"]["mean"] == pytest.approx(0.75)
    assert found["SC"]["total"]["spread"] == pytest.approx(0.1 / np.sqrt(2))
    assert "f1_extended" not in found["SC"]
    text = "\n".join(iou_lines("table8", experiment(tmp_path, "seeds=2"), done))
    assert "| SC_R + SC_A | 1,234 | 2 | 73.0 ± 1.4 |" in text
    assert "- SC_R + SC_A, of SC: all classes 97.3 %" in text
    assert "| SC_R + SC_A | 70.65 | 71.64 | 69.52 |" in text and "not comparable" in text


def test_the_time_left_is_that_of_like_tasks():
    tasks = [PipelineTask(f"train m light-unet {k}", "train", (), ("m", "light-unet", str(k))) for k in range(3)]
    lines = room.plan_lines(tasks, {tasks[0].name: TaskResult({}, 120.0)}, 2)
    assert lines[0] == "3 tasks, 1 done" and lines[-1] == "about 2 minutes left on 2 processes"
