"""Masks in, calibrated cutouts out: what is to be made, the generator, and its files."""

from radiff.data.background import MODES, BackgroundFile, BackgroundImage, others
from radiff.data.observation import Observation
from radiff.data.spec import ImageSpec, make_specs
from radiff.generate.denoising import Guidance
from radiff.generate.edges import EDGE_SNR
from radiff.generate.flux import rescale_fluxes
from radiff.generate.noise import measure_noise, with_noise
from radiff.generate.options import GenerateOptions
from radiff.generate.pictures import draw_quicklook
from radiff.generate.pipeline import Generator
from radiff.generate.reading import (
    add_backgrounds,
    draw_peaks,
    empty_specs,
    find_backgrounds,
    fitting,
    prepare_specs,
    read_specs,
)
from radiff.generate.results import already_made, write_generated
from radiff.generate.windows import peaks_image

Sky, Backdrop, bring_to_flux = Observation, BackgroundImage, rescale_fluxes  # their names in 0.1

__all__ = [
    "EDGE_SNR",
    "MODES",
    "Backdrop",
    "BackgroundFile",
    "BackgroundImage",
    "GenerateOptions",
    "Generator",
    "Guidance",
    "ImageSpec",
    "Observation",
    "Sky",
    "add_backgrounds",
    "already_made",
    "bring_to_flux",
    "draw_peaks",
    "draw_quicklook",
    "empty_specs",
    "find_backgrounds",
    "fitting",
    "make_specs",
    "measure_noise",
    "others",
    "peaks_image",
    "prepare_specs",
    "read_specs",
    "rescale_fluxes",
    "with_noise",
    "write_generated",
]
