"""Real and generated images to figures: what a referee would ask for. Knows no networks and no files."""

from radiff.evaluate.generation import check_generation
from radiff.evaluate.reconstruction import check_reconstruction

__all__ = ["check_generation", "check_reconstruction"]
