"""Steps to results on disk: each is done once, by one process, and kept under a fingerprint. Knows no step's insides.

<run>/steps/<step>.json   key, seconds, result; written when the step is done
<run>/steps/<step>.lock   held (flock) by the process that works on it; free again when that process dies
"""

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiff.files import make_folder, read_json, write_json
from radiff.paper.experiments.plan import Step

BUSY_SECONDS = 2.0
"""Between two looks at a step that another process works on."""


@dataclass(frozen=True)
class Done:
    """A step's result, JSON values, and how long it took."""

    result: Any
    seconds: float


class Store:
    """Results of a run folder.

    Parameters
    ----------
    run : Path
    keys : mapping of str to str
        Fingerprint of every step (`fingerprints`).
    """

    def __init__(self, run: Path, keys: Mapping[str, str]) -> None:
        self.run, self.keys = run, dict(keys)

    def get(self, step: Step) -> Done | None:
        """The result of a step; None where it is still to be done, or was done with other settings."""
        path = self.run / "steps" / f"{step.file}.json"
        if not path.is_file():
            return None
        content = read_json(path)
        return Done(content["result"], content["seconds"]) if content.get("key") == self.keys[step.name] else None

    def put(self, step: Step, result: Any, seconds: float) -> None:
        """Keep a result."""
        folder = make_folder(self.run / "steps")
        content = {"step": step.name, "key": self.keys[step.name], "seconds": round(seconds, 1), "result": result}
        write_json(folder / f"{step.file}.json", content)

    @contextmanager
    def claimed(self, step: Step) -> Iterator[bool]:
        """Whether this process may work on a step inside the block: no other does."""
        folder = make_folder(self.run / "steps")
        with (folder / f"{step.file}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True

    def do(self, step: Step, work: Callable[[Step], Any]) -> Done | None:
        """Do a step unless it is done; None where another process works on it."""
        with self.claimed(step) as free:
            if not free:
                return None
            if (done := self.get(step)) is not None:
                return done
            start = time.perf_counter()
            result = work(step)
            seconds = time.perf_counter() - start
            self.put(step, result, seconds)
            return Done(result, seconds)


def fingerprints(steps: Sequence[Step], own: Callable[[Step], Any]) -> dict[str, str]:
    """A fingerprint of each step: of what `own` says that it depends on (JSON values), and of the steps it needs."""
    keys: dict[str, str] = {}
    for step in steps:
        text = json.dumps([step.name, own(step), [keys[name] for name in step.needs]], sort_keys=True)
        keys[step.name] = hashlib.sha256(text.encode()).hexdigest()[:24]
    return keys


def ready(steps: Sequence[Step], done: set[str], running: set[str]) -> list[Step]:
    """Steps that can be begun now, in order."""
    return [s for s in steps if s.name not in done | running and all(name in done for name in s.needs)]
