"""A collection in, a bigger one out: synthetic pairs of images and masks, checked, counted and marked."""

from radiff.augment.files import REAL, check_names, finish_collection, write_coco
from radiff.augment.gate import LABELS, REASONS, GateOptions, Verdict, judge
from radiff.augment.journal import Attempt, Journal
from radiff.augment.pairs import (
    JOURNAL,
    AugmentOptions,
    AugmentReport,
    augment,
    is_done,
    report_of,
    settings_of,
    write_summary,
)
from radiff.augment.peaks import PeakTable
from radiff.augment.real import SOURCES, RealImage, RealImages
from radiff.augment.sources import (
    Composer,
    DrawnMasks,
    MaskFiles,
    MaskSource,
    Modeller,
    RealMasks,
)

__all__ = [
    "JOURNAL",
    "LABELS",
    "REAL",
    "REASONS",
    "SOURCES",
    "Attempt",
    "AugmentOptions",
    "AugmentReport",
    "Composer",
    "DrawnMasks",
    "GateOptions",
    "Journal",
    "MaskFiles",
    "MaskSource",
    "Modeller",
    "PeakTable",
    "RealImage",
    "RealImages",
    "RealMasks",
    "Verdict",
    "augment",
    "check_names",
    "finish_collection",
    "is_done",
    "judge",
    "report_of",
    "settings_of",
    "write_coco",
    "write_summary",
]
