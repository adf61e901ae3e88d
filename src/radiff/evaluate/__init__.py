"""Real and generated images to figures: what a referee would ask for. Knows no networks."""

from radiff.evaluate.generation import check_generation
from radiff.evaluate.reconstruction import check_reconstruction
from radiff.evaluate.report import draw_comparison, generation_lines, reconstruction_lines
from radiff.evaluate.samples import Samples, generation_figures, reconstruction_figures

__all__ = [
    "Samples",
    "check_generation",
    "check_reconstruction",
    "draw_comparison",
    "generation_figures",
    "generation_lines",
    "reconstruction_figures",
    "reconstruction_lines",
]
