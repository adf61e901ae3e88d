"""The tasks of a plan carried out: one by one or on several processes, kept, gone on with where they were.

Any number of processes may work on one run folder, started together or by hand: each task is done once, by one of them.
Knows no task's insides.

<run>/tasks/<task>.json   key, seconds, result; written when the task is done (version 0.1.0: in <run>/steps)
<run>/tasks/<task>.lock   held (flock) by the process that works on it; free again when that process dies
"""

import fcntl
import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from radiff.data.collection import Collection
from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json
from radiff.models.io import find_weights, read_manifest
from radiff.models.precision import choose_precision, find_device
from radiff.models.segmenter import SEGMENTERS
from radiff.paper.experiments.pipeline import Experiment, Pipeline, native_samples
from radiff.paper.experiments.plan import NAMES, ExperimentSettings, PipelineTask, make_plan
from radiff.paper.experiments.tables import TaskResult, write_tables
from radiff.parallel import Failure

Tell = Callable[[str], None]
Note = Callable[[PipelineTask, TaskResult], None]
Results = dict[str, TaskResult]
"""By the names of their tasks."""
BUSY_SECONDS = 2.0
"""Between two looks at a task that another process works on."""


# ---------------------------------------------------------------- what is kept


class KeptResults:
    """Results of a run folder.

    Parameters
    ----------
    run : Path
    keys : mapping of str to str
        Fingerprint of every task (`fingerprints`).
    """

    def __init__(self, run: Path, keys: Mapping[str, str]) -> None:
        self.keys = dict(keys)
        former = run / "steps"
        self.folder = former if former.is_dir() else run / "tasks"

    def get(self, task: PipelineTask) -> TaskResult | None:
        """The result of a task; None where it is still to be done, or was done with other settings."""
        path = self.folder / f"{task.file}.json"
        if not path.is_file():
            return None
        content = read_json(path)
        return TaskResult(content["result"], content["seconds"]) if content.get("key") == self.keys[task.name] else None

    def put(self, task: PipelineTask, result: Any, seconds: float) -> None:
        """Keep a result."""
        content = {"task": task.name, "key": self.keys[task.name], "seconds": round(seconds, 1), "result": result}
        write_json(make_folder(self.folder) / f"{task.file}.json", content)

    @contextmanager
    def claimed(self, task: PipelineTask) -> Iterator[bool]:
        """Whether this process may work on a task inside the block: no other does."""
        with (make_folder(self.folder) / f"{task.file}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True

    def do(self, task: PipelineTask, run: Callable[[PipelineTask], Any]) -> TaskResult | None:
        """Do a task unless it is done; None where another process works on it."""
        with self.claimed(task) as free:
            if not free:
                return None
            if (done := self.get(task)) is not None:
                return done
            start = time.perf_counter()
            result = run(task)
            seconds = time.perf_counter() - start
            self.put(task, result, seconds)
            return TaskResult(result, seconds)


def fingerprints(tasks: Sequence[PipelineTask], own: Callable[[PipelineTask], Any]) -> dict[str, str]:
    """A fingerprint of each task: of what `own` says that it depends on (JSON values), and of the tasks it needs."""
    keys: dict[str, str] = {}
    for task in tasks:
        text = json.dumps([task.name, own(task), [keys[name] for name in task.needs]], sort_keys=True)
        keys[task.name] = hashlib.sha256(text.encode()).hexdigest()[:24]
    return keys


def ready(tasks: Sequence[PipelineTask], done: set[str], running: set[str]) -> list[PipelineTask]:
    """Tasks that can be begun now, in order."""
    return [task for task in tasks if task.name not in done | running and done.issuperset(task.needs)]


# ---------------------------------------------------------------- the run


def prepare(
    collection: str | os.PathLike[str],
    run: str | os.PathLike[str],
    settings: ExperimentSettings,
    weights: str = "default",
    mask_weights: str = "default",
    samples: Sequence[str] = (),
    device: str = "auto",
    threads: int | None = None,
) -> Experiment:
    """What a run needs to know, checked; ``auto`` precision becomes what it is here, and stays that in a run folder.

    Parameters
    ----------
    samples : sequence of str
        Samples of the collection that are used; default: all real ones that were not resampled.

    Raises
    ------
    InputError
        Where the collection, its splits, a sample, a network or the weights are not there.
    """
    for name in settings.networks:
        if name not in SEGMENTERS:
            raise InputError(f"networks: {name!r} is no segmenter; there are: {', '.join(SEGMENTERS)}")
    opened = Collection.open(collection)
    known = native_samples(opened)
    for name in samples:
        if name not in {row.sample for row in opened.rows}:
            raise InputError(f"{name!r} is no sample of the collection; there are: {', '.join(known)}", opened.root)
    for split in ("train", "val"):
        opened.split(split)
    read_manifest(find_weights(weights), check=False)
    run = Path(run)
    precision = settings.loop.precision
    if precision == "auto":
        kept = run / "experiment.json"
        precision = read_json(kept)["precision"] if kept.is_file() else choose_precision("auto", find_device(device))
    settings = settings.model_copy(update={"loop": settings.loop.model_copy(update={"precision": precision})})
    chosen = tuple(samples) or known
    return Experiment(opened.root, run, settings, weights, mask_weights, chosen, str(find_device(device)), threads)


def reproduce_augmentation(
    tables: Sequence[str], experiment: Experiment, jobs: int = 1, dry_run: bool = False, tell: Tell = print
) -> list[Path]:
    """Do all tasks of these tables that are not done yet, and write the tables.

    Parameters
    ----------
    tables : sequence of str
        Of ``table5``, ``table6``, ``table7``, ``table8``.
    jobs : int
        Processes.
    dry_run : bool
        Tell the plan and do nothing.

    Returns
    -------
    list of Path
        The tables' Markdown files.

    Raises
    ------
    InputError
        For a table that is none, or input that a task cannot use.
    """
    for name in tables:
        if name not in NAMES:
            raise InputError(f"{name!r} is no table of section 5.2; there are: {', '.join(NAMES)}")
    tasks = make_plan(tables, experiment.settings)
    pipeline = Pipeline(experiment)
    kept = KeptResults(experiment.run, fingerprints(tasks, pipeline.own))
    done = {task.name: result for task in tasks if (result := kept.get(task)) is not None}
    for line in plan_lines(tasks, done, jobs):
        tell(line)
    if dry_run:
        return []
    make_folder(experiment.run)
    write_json(
        experiment.run / "experiment.json",
        {"precision": experiment.settings.loop.precision, "settings": experiment.settings.model_dump(mode="json")},
    )

    def note(task: PipelineTask, result: TaskResult) -> None:
        done[task.name] = result
        tell(f"{len(done)} of {len(tasks)}: {task.name}, {result.seconds:,.0f} s{_short(task, result.result)}")
        if task.kind == "train":  # a table stands early, with the trainings that are done
            write_tables(tables, experiment, done)

    if jobs == 1:
        _in_turn(tasks, kept, pipeline, done, note)
    else:
        _together(tasks, kept, experiment, done, jobs, note)
    return write_tables(tables, experiment, done)


def plan_lines(tasks: Sequence[PipelineTask], done: Results, jobs: int) -> list[str]:
    """The plan in words: each task, whether it is done and how long it took, and how long the rest may take."""
    lines = [f"{len(tasks)} tasks, {len(done)} done"]
    for task in tasks:
        lines.append(f"  {task.name}: " + (f"done, {done[task.name].seconds:,.0f} s" if task.name in done else "to do"))
    rest = [_guess(task, tasks, done) for task in tasks if task.name not in done]
    if rest and None not in rest:
        lines.append(f"about {sum(filter(None, rest)) / jobs / 60:.0f} minutes left on {jobs} processes")
    return lines


def _guess(task: PipelineTask, tasks: Sequence[PipelineTask], done: Results) -> float | None:
    """Seconds that a task may take: the mean of done ones of its kind (and network)."""
    alike = [t.name for t in tasks if t.name in done and t.kind == task.kind and t.what[1:2] == task.what[1:2]]
    return sum(done[name].seconds for name in alike) / len(alike) if alike else None


def _in_turn(tasks: Sequence[PipelineTask], kept: KeptResults, pipeline: Pipeline, done: Results, note: Note) -> None:
    while len(done) < len(tasks):
        free = ready(tasks, set(done), set())
        for task in free:
            result = kept.do(task, pipeline.run)
            if result is not None:
                note(task, result)
                break
        else:  # other processes work on all of them
            time.sleep(BUSY_SECONDS)
            done |= {task.name: result for task in free if (result := kept.get(task)) is not None}


def _together(
    tasks: Sequence[PipelineTask], kept: KeptResults, experiment: Experiment, done: Results, jobs: int, note: Note
) -> None:
    shared = replace(experiment, threads=experiment.threads or max(1, (os.cpu_count() or 1) // jobs))
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        running: dict[Future[Any], PipelineTask] = {}
        try:
            while len(done) < len(tasks):
                names = {task.name for task in running.values()}
                for task in ready(tasks, set(done), names)[: jobs - len(running)]:
                    running[pool.submit(do_task, shared, task, kept.keys)] = task
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    task, result = running.pop(future), future.result()
                    if isinstance(result, Failure):
                        raise InputError(result.message)
                    if result is not None:
                        note(task, result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise


def do_task(experiment: Experiment, task: PipelineTask, keys: dict[str, str]) -> TaskResult | Failure | None:
    """Do a task in a process of its own; None where another process works on it."""
    if experiment.threads:
        torch.set_num_threads(experiment.threads)
    try:
        result = KeptResults(experiment.run, keys).do(task, Pipeline(experiment).run)
    except InputError as error:
        return Failure(str(error))
    if result is None:
        time.sleep(BUSY_SECONDS)
    return result


def _short(task: PipelineTask, result: Any) -> str:
    if task.kind == "set":
        return f", {result['pairs']} pairs of {result['attempts']} attempts"
    if task.kind == "train":
        scores = result["scores"]
        parts = [f"{name} {100 * (scores[f'total_{name}']['value'] or 0):.1f}" for name in ("compact", "extended")]
        return f", IoU all {100 * scores['total']['value']:.1f}, {', '.join(parts)}"
    return ""
