"""One function over many items on all cores, with a progress bar and a list of what failed. Knows no format."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from radiff.errors import InputError

Item = TypeVar("Item")


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


def _guarded(call: tuple[Callable[[Any], Any], Any]) -> Any:
    function, item = call
    try:
        return function(item)
    except InputError as error:
        return Failure(str(error))


def run_parallel(
    function: Callable[[Item], Any], items: Sequence[Item], description: str, workers: int | None = None
) -> list[Any]:
    """Apply a picklable `function` to every item on `workers` processes; results in the order of `items`.

    Parameters
    ----------
    function : callable
        Top-level function (or functools.partial of one) of one item.
    items : sequence
    description : str
        Shown beside the progress bar.
    workers : int, optional
        Default: all cores. With 1, everything runs in this process.

    Returns
    -------
    list
        One result an item; a `Failure` where the function raised `InputError`. Other exceptions propagate.
    """
    workers = min(workers or os.cpu_count() or 1, max(len(items), 1))
    calls = [(function, item) for item in items]
    if workers == 1:
        return [_guarded(call) for call in track(calls, description, len(calls))]
    chunk = max(1, min(16, len(items) // (4 * workers)))
    context = multiprocessing.get_context("forkserver")  # fork is unsafe beside threads
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(track(pool.map(_guarded, calls, chunksize=chunk), description, len(calls)))
