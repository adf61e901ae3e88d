"""Masks in, calibrated cutouts out: the pipeline, what is asked of it, and its files."""

from radiff.generate.pictures import draw_quicklook
from radiff.generate.pipeline import Generator, Sampling
from radiff.generate.requests import (
    Request,
    already_made,
    arguments,
    empty_requests,
    fitting,
    prepare_requests,
    read_requests,
    write_generated,
)
from radiff.generate.sky import Sky, measure_noise, peaks_image

__all__ = [
    "Generator",
    "Request",
    "Sampling",
    "Sky",
    "already_made",
    "arguments",
    "draw_quicklook",
    "empty_requests",
    "fitting",
    "measure_noise",
    "peaks_image",
    "prepare_requests",
    "read_requests",
    "write_generated",
]
