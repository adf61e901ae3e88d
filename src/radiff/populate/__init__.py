"""Placing objects on large maps, with the complete truth: stamps, backgrounds, placing, truth packages. No torch."""

from radiff.populate.fluxes import FluxRule, read_counts
from radiff.populate.making import drawn_specs, make_stamps, object_specs
from radiff.populate.options import Number, PopulateOptions
from radiff.populate.pictures import draw_stamp_sheet
from radiff.populate.replacing import NoiseOptions
from radiff.populate.run import Populated, populate
from radiff.populate.stamps import Stamp, StampLibrary, write_stamps

__all__ = [
    "FluxRule",
    "NoiseOptions",
    "Number",
    "PopulateOptions",
    "Populated",
    "Stamp",
    "StampLibrary",
    "draw_stamp_sheet",
    "drawn_specs",
    "make_stamps",
    "object_specs",
    "populate",
    "read_counts",
    "write_stamps",
]
