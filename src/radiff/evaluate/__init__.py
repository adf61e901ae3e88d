"""Real and generated images to figures: what a referee would ask for. Knows no networks."""

from radiff.evaluate.checks.control import control
from radiff.evaluate.checks.generation import check_generation
from radiff.evaluate.checks.reconstruction import check_reconstruction
from radiff.evaluate.checks.report import control_lines, draw_comparison, generation_lines, reconstruction_lines
from radiff.evaluate.checks.samples import Samples, generation_figures, reconstruction_figures
from radiff.evaluate.checks.specs import BACKGROUNDS, background_sources, sample_specs

__all__ = [
    "BACKGROUNDS",
    "Samples",
    "background_sources",
    "check_generation",
    "check_reconstruction",
    "control",
    "control_lines",
    "draw_comparison",
    "generation_figures",
    "generation_lines",
    "reconstruction_figures",
    "reconstruction_lines",
    "sample_specs",
]
