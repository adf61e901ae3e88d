"""Weights that a command line names: those of the paper's baselines are known as soon as one is given."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radiff.generate import Generator

BASELINE = "rival"
"""Part of a weights folder that `radiff.paper` alone can load."""


def know_parts(folder: Path) -> None:
    """Make the networks in a weights folder known to `radiff.models.io`."""
    if (folder / BASELINE).is_dir():
        import radiff.paper.loading  # noqa: F401


def open_generator(weights: str, device: str = "auto", precision: str = "auto", backend: str = "torch") -> "Generator":
    """The generator of any weights: ours, or a baseline's."""
    from radiff.generate import Generator
    from radiff.models.io import find_weights

    folder = find_weights(weights)
    if (folder / BASELINE).is_dir():
        from radiff.paper.generator import open_generator as opened

        return opened(folder, device, precision, backend)
    return Generator(folder, device, precision, backend)
