"""A plan carried out: step by step, on several processes, going on where it was. Knows no step's insides.

Any number of processes may work on one run folder, started together or by hand: each step is done by one of them.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from radiff.data.collection import Collection
from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json
from radiff.models.io import find_weights, read_manifest
from radiff.models.precision import choose_precision
from radiff.models.segmenter import SEGMENTERS
from radiff.paper.experiments.plan import NAMES, Step, make_plan
from radiff.paper.experiments.settings import ExperimentSettings
from radiff.paper.experiments.steps import BUSY_SECONDS, Done, Store, fingerprints, ready
from radiff.paper.experiments.tables import write_tables
from radiff.paper.experiments.work import Setting, Work, native_samples
from radiff.parallel import Failure

Tell = Callable[[str], None]
Note = Callable[[Step, Done], None]


def prepare(
    collection: str | os.PathLike[str],
    run: str | os.PathLike[str],
    settings: ExperimentSettings,
    weights: str = "default",
    mask_weights: str = "default",
    samples: Sequence[str] = (),
    device: str = "auto",
    threads: int | None = None,
) -> Setting:
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
        precision = read_json(kept)["precision"] if kept.is_file() else _precision(device)
    settings = settings.model_copy(update={"loop": settings.loop.model_copy(update={"precision": precision})})
    return Setting(opened.root, run, settings, weights, mask_weights, tuple(samples) or known, _device(device), threads)


def _device(device: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _precision(device: str) -> str:
    return choose_precision("auto", torch.device("cuda" if _device(device) == "cuda" else "cpu"))


def reproduce_augmentation(
    tables: Sequence[str], setting: Setting, jobs: int = 1, dry_run: bool = False, tell: Tell = print
) -> list[Path]:
    """Do all steps of these tables that are not done yet, and write the tables.

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
        For a table that is none, or input that a step cannot use.
    """
    for name in tables:
        if name not in NAMES:
            raise InputError(f"{name!r} is no table of section 5.2; there are: {', '.join(NAMES)}")
    steps = make_plan(tables, setting.settings)
    work = Work(setting)
    store = Store(setting.run, fingerprints(steps, work.own))
    done = {step.name: one for step in steps if (one := store.get(step)) is not None}
    for line in plan_lines(steps, done, jobs):
        tell(line)
    if dry_run:
        return []
    make_folder(setting.run)
    write_json(
        setting.run / "experiment.json",
        {"precision": setting.settings.loop.precision, "settings": setting.settings.model_dump(mode="json")},
    )

    def note(step: Step, result: Done) -> None:
        done[step.name] = result
        tell(f"{len(done)} of {len(steps)}: {step.name}, {result.seconds:,.0f} s{_short(step, result.result)}")
        if step.kind == "train":  # a table stands early, with the trainings that are done
            write_tables(tables, setting, done)

    if jobs == 1:
        _in_turn(steps, store, work, done, note)
    else:
        _together(steps, store, setting, done, jobs, note)
    return write_tables(tables, setting, done)


def plan_lines(steps: Sequence[Step], done: dict[str, Done], jobs: int) -> list[str]:
    """The plan in words: each step, whether it is done and how long it took, and how long the rest may take."""
    lines = [f"{len(steps)} steps, {len(done)} done"]
    for step in steps:
        lines.append(f"  {step.name}: " + (f"done, {done[step.name].seconds:,.0f} s" if step.name in done else "to do"))
    rest = [_guess(step, steps, done) for step in steps if step.name not in done]
    if rest and None not in rest:
        lines.append(f"about {sum(filter(None, rest)) / jobs / 60:.0f} minutes left on {jobs} processes")
    return lines


def _guess(step: Step, steps: Sequence[Step], done: dict[str, Done]) -> float | None:
    """Seconds that a step may take: the mean of done ones of its kind (and network)."""
    alike = [one for one in steps if one.name in done and one.kind == step.kind and one.what[1:2] == step.what[1:2]]
    return sum(done[one.name].seconds for one in alike) / len(alike) if alike else None


def _in_turn(steps: Sequence[Step], store: Store, work: Work, done: dict[str, Done], note: Note) -> None:
    while len(done) < len(steps):
        free = ready(steps, set(done), set())
        for step in free:
            result = store.do(step, work.do)
            if result is not None:
                note(step, result)
                break
        else:  # other processes work on all of them
            time.sleep(BUSY_SECONDS)
            done |= {s.name: one for s in free if (one := store.get(s)) is not None}


def _together(
    steps: Sequence[Step], store: Store, setting: Setting, done: dict[str, Done], jobs: int, note: Note
) -> None:
    one = replace(setting, threads=setting.threads or max(1, (os.cpu_count() or 1) // jobs))
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        running: dict[Future[Any], Step] = {}
        try:
            while len(done) < len(steps):
                names = {step.name for step in running.values()}
                for step in ready(steps, set(done), names)[: jobs - len(running)]:
                    running[pool.submit(do_step, one, step, store.keys)] = step
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    step, result = running.pop(future), future.result()
                    if isinstance(result, Failure):
                        raise InputError(result.message)
                    if result is not None:
                        note(step, result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise


def do_step(setting: Setting, step: Step, keys: dict[str, str]) -> Done | Failure | None:
    """Do a step in a process of its own; None where another process works on it."""
    if setting.threads:
        torch.set_num_threads(setting.threads)
    try:
        found = Store(setting.run, keys).do(step, Work(setting).do)
    except InputError as error:
        return Failure(str(error))
    if found is None:
        time.sleep(BUSY_SECONDS)
    return found


def _short(step: Step, result: Any) -> str:
    if step.kind == "set":
        return f", {result['pairs']} pairs of {result['attempts']} attempts"
    if step.kind == "train":
        scores = result["scores"]
        parts = [f"{name} {100 * (scores[f'total_{name}']['value'] or 0):.1f}" for name in ("compact", "extended")]
        return f", IoU all {100 * scores['total']['value']:.1f}, {', '.join(parts)}"
    return ""
