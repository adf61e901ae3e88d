"""How a command ends: what is printed on stderr and the exit code. Knows no verb.

Exit codes: 0 all done; 1 some files of several could not be used, the others are done; 2 bad input or usage, nothing
done; 130 interrupted.
"""

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import typer

from radiff.errors import InputError
from radiff.parallel import Failure

SOME_FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

# Packages of the extras: module -> the extra that installs it.
EXTRAS = {
    "accelerate": "train",
    "tensorboard": "train",
    "torchmetrics": "eval",
    "gradio": "web",
    "dask": "cluster",
    "distributed": "cluster",
    "bdsf": "finders",
    "AegeanTools": "finders",
}


def say(message: object) -> None:
    """Print ``radiff: message`` on stderr as one line."""
    print("radiff:", " ".join(str(message).split()), file=sys.stderr, flush=True)


class FolderErrors:
    """The bad files of a run over many: collected on the way, listed at its end.

    Parameters
    ----------
    total : int, optional
        How many files the run was over. With one, its failure is an `InputError` (exit code 2).
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self.messages: list[str] = []

    def add(self, failure: Failure | InputError | str) -> None:
        """Note a file that could not be used; the message names it."""
        self.messages.append(failure.message if isinstance(failure, Failure) else str(failure))

    def finish(self) -> None:
        """List what failed on stderr and leave with exit code 1; return where nothing failed.

        Raises
        ------
        InputError
            Where the run was over a single file and it failed.
        typer.Exit
        """
        if not self.messages:
            return
        if self.total == 1 and len(self.messages) == 1:
            raise InputError(self.messages[0])
        of = "" if self.total is None else f" of {self.total}"
        say(f"{len(self.messages)}{of} files could not be used, the others are done:")
        for message in self.messages:
            print("  " + " ".join(message.split()), file=sys.stderr)
        sys.stderr.flush()
        raise typer.Exit(SOME_FAILED)


def finish(failures: Iterable[Failure | InputError | str], total: int | None = None) -> None:
    """End a run over many files: see `FolderErrors`. Items that are no failure may not be in `failures`."""
    errors = FolderErrors(total)
    for failure in failures:
        errors.add(failure)
    errors.finish()


def explain(error: Exception) -> str | None:
    """One line for an error that is the user's to mend; None where it is a fault of the program."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        return extra and f"the package {error.name} is not installed; install it with: pip install 'radiff[{extra}]'"
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename is not None else ""
        return f"{place}{error.strerror}"
    return None


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as ``radiff: warning: ...``, in place of Python's two lines with source code."""
    say(f"warning: {message}")


def plain_warnings() -> None:
    """Show each of the package's own warnings once as one line; silence those that users can do nothing about."""
    warnings.showwarning = show_warning
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", category)


def short(path: str | Path) -> str:
    """`path` from the current folder where it lies in it, else as it is."""
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
