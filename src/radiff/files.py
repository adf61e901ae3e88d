"""Writing files so that a crash leaves either the old file, the new file or nothing. Knows no format."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radiff.errors import InputError


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make `path` (and its parents) and check that files can be written in it.

    Raises
    ------
    InputError
        Where the folder cannot be made or written (read-only, a file of that name, no permission).
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write into this folder ({reason}); choose another output with -o", folder) from error
    return folder


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside `path`; move it to `path` when the block ends well, else remove it.

    The temporary name keeps the suffixes of `path`, for writers that choose a format by them.

    Raises
    ------
    InputError
        Where the disk is full or the folder cannot be written; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot be written ({reason}); free some space or choose another folder", path) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = 2) -> None:
    """Write `value` as JSON to `path` atomically."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON from `path`.

    Raises
    ------
    InputError
        Where the file is missing or is not JSON; the message names line and column.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError("no such file", path) from error
    except UnicodeDecodeError as error:
        raise InputError("is not a JSON text file", path) from error
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", path) from error
