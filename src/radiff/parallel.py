"""One function over many items: in this process, in several, on dask; a progress bar, a list of what failed.

Tasks of a `Pool` give the same whoever runs them, write what is large to files and return what is small, so that one
whose worker was killed is simply run again. Knows no format and no maps.
"""

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from radiff.errors import InputError

Item = TypeVar("Item")
LIVES = 10
"""How many of dask's workers a task may lose before it is taken for the cause."""


@dataclass(frozen=True)
class Failure:
    """What stands in the place of a result where an item's input could not be used."""

    message: str


def progress_bar() -> Progress:
    """A progress bar on stderr: description, count, elapsed and remaining time; silent where stderr is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    )


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` under a progress bar."""
    with progress_bar() as progress:
        yield from progress.track(items, total=total, description=description)


class Pool(Protocol):
    """``pool(function, items, description)``: results in the order of the items; exceptions propagate."""

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any], description: str) -> list[Any]: ...


def serial(function: Callable[[Any], Any], items: Sequence[Any], description: str) -> list[Any]:
    """A `Pool` that runs everything in this process."""
    return [function(item) for item in track(items, description, len(items))]


def processes(count: int | None = None) -> Pool:
    """A `Pool` of `count` processes (default: all cores); with 1 of them, or one item, it is this process.

    Functions are top-level ones, or functools.partial of one. A killed process ends the run.
    """

    def run(function: Callable[[Any], Any], items: Sequence[Any], description: str) -> list[Any]:
        workers = min(count or os.cpu_count() or 1, len(items))
        if workers <= 1:
            return serial(function, items, description)
        chunk = max(1, min(16, len(items) // (4 * workers)))
        context = multiprocessing.get_context("forkserver")  # fork is unsafe beside threads
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            return list(track(pool.map(function, items, chunksize=chunk), description, len(items)))

    return run


def run_parallel(
    function: Callable[[Item], Any], items: Sequence[Item], description: str, workers: int | None = None
) -> list[Any]:
    """Apply `function` to every item on `workers` processes; results in the order of `items`, see `processes`.

    Returns
    -------
    list
        One result an item; a `Failure` where the function raised `InputError`. Other exceptions propagate.
    """
    return processes(workers)(partial(_guarded, function), items, description)


def _guarded(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except InputError as error:
        return Failure(str(error))


@contextmanager
def open_pool(workers: int | None, scheduler: str | None, folder: Path) -> Iterator[Pool]:
    """A pool of `workers` processes (a local dask cluster where dask is installed), or that of a running scheduler.

    Parameters
    ----------
    workers : int, optional
        Default: all cores. With 1, and no `scheduler`, everything runs in this process.
    scheduler : str, optional
        Address such as ``tcp://node1:8786``, or a scheduler file. Its workers must see the same folders.
    folder : path
        For what dask's workers put on disk.

    Raises
    ------
    InputError
        Where no scheduler answers.
    """
    count = workers or os.cpu_count() or 1
    if scheduler is None and count == 1:
        yield serial
        return
    if scheduler is None and find_spec("distributed") is None:
        yield processes(count)
        return
    from dask import config
    from distributed import Client, LocalCluster

    config.set({"distributed.scheduler.allowed-failures": LIVES, "distributed.admin.system-monitor.gil.enabled": False})
    if scheduler is not None:
        try:
            named = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
            client = Client(**named, timeout=30)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(f"no dask scheduler answers at {scheduler!r} ({type(error).__name__})") from error
        with client:
            yield _Dask(client)
        return
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": None, "local_directory": str(folder)}
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, processes=True, memory_limit=0, **quiet) as cluster,
        Client(cluster) as client,
    ):
        yield _Dask(client)


class _Dask:
    """A `Pool` over a dask client."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any], description: str) -> list[Any]:
        from distributed import as_completed

        futures = [self.client.submit(function, item, pure=False) for item in items]
        places = {future.key: place for place, future in enumerate(futures)}
        results: list[Any] = [None] * len(futures)
        try:
            for future in track(as_completed(futures), description, len(futures)):
                results[places[future.key]] = future.result()
        finally:
            self.client.cancel([future for future in futures if not future.done()])
        return results
