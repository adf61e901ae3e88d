"""Masks in, calibrated cutouts out: the pipeline, what is asked of it, and its files."""

from radiff.generate.pipeline import Generator, Sampling
from radiff.generate.requests import Request, read_requests, write_generated
from radiff.generate.sky import Sky, measure_noise, peaks_image

__all__ = [
    "Generator",
    "Request",
    "Sampling",
    "Sky",
    "measure_noise",
    "peaks_image",
    "read_requests",
    "write_generated",
]
