"""Weights that a command line names: those of the paper's baselines are known as soon as one is given."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radiff.generate import Generator

BASELINES = ("baseline", "rival")
"""Parts of a weights folder that `radiff.paper` alone can load; the second is of version 0.1.0."""


def know_parts(folder: Path) -> bool:
    """Make the networks in a weights folder known to `radiff.models.io`; whether they are a baseline's."""
    if not any((folder / part).is_dir() for part in BASELINES):
        return False
    import radiff.paper.baselines  # noqa: F401

    return True


def open_generator(weights: str, device: str = "auto", precision: str = "auto", backend: str = "torch") -> "Generator":
    """The generator of any weights: ours, or a baseline's."""
    from radiff.generate import Generator
    from radiff.models.io import find_weights

    folder = find_weights(weights)
    if know_parts(folder):
        from radiff.paper.generator import BaselineGenerator

        return BaselineGenerator(folder, device, precision, backend)
    return Generator(folder, device, precision, backend)
