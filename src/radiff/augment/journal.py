"""What was made so far, line by line, so that a run that was killed goes on. Knows no images.

The first line holds the settings. One line follows for every attempt, written batch by batch once its images are on
the disk: a line that is there tells the truth, and what is missing is made again, the same.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from radiff.data.collection import COLUMNS, Row
from radiff.errors import InputError

VERSION = 2
"""Counted up when the same settings make other pairs."""


@dataclass(frozen=True)
class Attempt:
    """One image that was tried.

    Attributes
    ----------
    number : int
        Counted from 0.
    seed : int
    reason : str
        Why it was dropped; empty where it was kept; ``surplus`` where enough were kept before it.
    row : Row, optional
        Of the index, where it was kept.
    iou, segmenter_iou : list of float
        Of its objects, see `radiff.augment.gate`.
    """

    number: int
    seed: int
    reason: str
    row: Row | None = None
    iou: list[float] = field(default_factory=list)
    segmenter_iou: list[float] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether it is part of the result."""
        return self.row is not None

    def to_json(self) -> dict[str, Any]:
        """JSON values; numbers that are not known are null."""
        row = None if self.row is None else {k: _or_null(v) for k, v in asdict(self.row).items()}
        return {**asdict(self), "row": row}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Attempt":
        """The other way."""
        row = values["row"]
        known = None
        if row is not None:
            content: dict[str, Any] = {k: math.nan if v is None else v for k, v in row.items() if k in COLUMNS}
            known = Row(**content)
        return cls(**{**values, "row": known})


class Journal:
    """The file and what stands in it.

    Parameters
    ----------
    path : Path
    settings : dict
        JSON values; a file that was started with others is refused.
    batch_size : int
        Attempts come in batches of so many; a torn batch is made again.
    """

    def __init__(self, path: Path, settings: dict[str, Any], batch_size: int) -> None:
        self.path, self.settings, self.batch_size = path, settings, batch_size
        self.attempts: list[Attempt] = []
        if path.is_file():
            self._read()

    @classmethod
    def settings_of(cls, path: Path) -> dict[str, Any] | None:
        """The settings that a file was started with; None where there is no file or it holds none."""
        try:
            with path.open(encoding="utf-8") as stream:
                first = json.loads(stream.readline())
            settings = first["settings"] if isinstance(first["settings"], dict) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if settings is not None and "detail" in settings:  # its name in 0.1
            settings["background_strength"] = settings.pop("detail")
        return settings

    def _read(self) -> None:
        old = self.settings_of(self.path)
        if old is None:  # killed before its first line was whole
            return
        changed = [k for k in {*old, *self.settings} if old.get(k) != self.settings.get(k)]
        if changed:
            named = ", ".join(f"{k} ({old.get(k)} -> {self.settings.get(k)})" for k in sorted(changed))
            text = f"was started with other settings: {named}; use the old ones, another -o or --sample, or remove it"
            raise InputError(text, self.path.parent)
        for line in self.path.read_bytes().split(b"\n")[1:-1]:
            try:
                self.attempts.append(Attempt.from_json(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                break
        whole = len(self.attempts) // self.batch_size * self.batch_size
        del self.attempts[whole:]

    def start(self) -> None:
        """Bring the file to what was read: without a torn end."""
        lines = [json.dumps({"version": VERSION, "settings": self.settings})]
        lines += [json.dumps(one.to_json()) for one in self.attempts]
        temporary = self.path.with_name(f".tmp-{self.path.name}")
        temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        temporary.replace(self.path)

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Add a batch, and wait until it is on the disk."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(json.dumps(one.to_json()) + "\n" for one in attempts))
            stream.flush()
            os.fsync(stream.fileno())
        self.attempts += attempts

    @property
    def rows(self) -> list[Row]:
        """Of what was kept, in order."""
        return [one.row for one in self.attempts if one.row is not None]


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
