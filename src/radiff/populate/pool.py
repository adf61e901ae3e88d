"""One function over many items: in this process, in several, on a local dask cluster, on a running one. Knows no maps.

Tasks write what is large to files and return what is small, and give the same whoever runs them, so that a task whose
worker was killed is simply run again.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from radiff.errors import InputError
from radiff.parallel import Failure, run_parallel, track

Item = TypeVar("Item")
LIVES = 10
"""How many workers a task may lose before it is taken for the cause."""


class Pool(Protocol):
    """``pool(function, items, description)``: results in the order of the items; exceptions propagate."""

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any], description: str) -> list[Any]: ...


def serial(function: Callable[[Any], Any], items: Sequence[Any], description: str) -> list[Any]:
    """A `Pool` that runs everything in this process."""
    return [function(item) for item in track(items, description, len(items))]


def processes(count: int) -> Pool:
    """A `Pool` of `count` processes, for where dask is not installed; a killed one ends the run, which resumes."""

    def run(function: Callable[[Any], Any], items: Sequence[Any], description: str) -> list[Any]:
        results = run_parallel(function, items, description, count)
        for result in results:
            if isinstance(result, Failure):
                raise InputError(result.message)
        return results

    return run


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
