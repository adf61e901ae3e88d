"""What worker processes have to say, to be told once in the parent. Knows no images."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from radiff.errors import InputError
from radiff.parallel import Failure


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Gather the warnings of the block as texts, to be told together at the end of a run over many files."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    known = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    messages.extend(str(one.message) for one in caught if not issubclass(one.category, known))


def stop_if_full(outcome: Sequence[Any]) -> None:
    """Raise an `InputError` where a result says that its output could not be written: that is no fault of one file."""
    for result in outcome:
        if isinstance(result, Failure) and ": cannot be written (" in result.message:
            raise InputError(result.message)
