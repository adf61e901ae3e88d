"""Warnings of a worker process as texts, to be told once in the parent. Knows no images."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Gather the warnings of the block as texts, to be told together at the end of a run over many files."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    known = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    messages.extend(str(one.message) for one in caught if not issubclass(one.category, known))
