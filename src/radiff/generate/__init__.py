"""Masks in, calibrated cutouts out: the pipeline, what is asked of it, and its files."""

from radiff.generate.backdrop import MODES, Backdrop, BackdropFile, others
from radiff.generate.denoising import Guidance
from radiff.generate.edges import EDGE_SNR
from radiff.generate.flux import bring_to_flux
from radiff.generate.noise import with_noise
from radiff.generate.pictures import draw_quicklook
from radiff.generate.pipeline import Generator, Sampling
from radiff.generate.requests import (
    Request,
    add_backdrops,
    arguments,
    draw_peaks,
    empty_requests,
    find_backdrops,
    fitting,
    prepare_requests,
    read_requests,
)
from radiff.generate.results import already_made, write_generated
from radiff.generate.sky import Sky, measure_noise, peaks_image

__all__ = [
    "EDGE_SNR",
    "MODES",
    "Backdrop",
    "BackdropFile",
    "Generator",
    "Guidance",
    "Request",
    "Sampling",
    "Sky",
    "add_backdrops",
    "already_made",
    "arguments",
    "bring_to_flux",
    "draw_peaks",
    "draw_quicklook",
    "empty_requests",
    "find_backdrops",
    "fitting",
    "measure_noise",
    "others",
    "peaks_image",
    "prepare_requests",
    "read_requests",
    "with_noise",
    "write_generated",
]
