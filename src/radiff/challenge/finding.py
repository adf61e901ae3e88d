"""A map to a catalog of its sources, by one of several finders. Writes no files, and knows no network.

A network comes in as a function that gives the objects of a map.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astropy.table import Table

from radiff.challenge.finders.external import find_by_program
from radiff.challenge.finders.islands import FindOptions, find_by_sep, measure_objects
from radiff.challenge.submission import submission_table
from radiff.errors import InputError
from radiff.masks import SPURIOUS, SourceObject
from radiff.sky import HeaderWarning, MapReader
from radiff.sky.grid import SkyGrid

FINDERS = ("sep", "pybdsf", "aegean", "segmenter")
Segment = Callable[[Path], Sequence[SourceObject]]


@dataclass(frozen=True)
class DetectOptions:
    """What `detect` is told besides the map.

    Attributes
    ----------
    find : FindOptions
    workers : int, optional
        Processes; default: all cores.
    spurious : bool
        Keep what the segmenter calls spurious, under that class; a score sets such rows aside.
    """

    find: FindOptions = field(default_factory=FindOptions)
    workers: int | None = 1
    spurious: bool = False


def detect(
    path: str | Path,
    finder: str = "sep",
    options: DetectOptions | None = None,
    segment: Segment | None = None,
) -> Table:
    """Find the sources of a map.

    Parameters
    ----------
    path : path-like
        FITS map in Jy/beam (mJy/beam and uJy/beam too) with beam, celestial WCS and square pixels.
    finder : str
        ``sep``; ``pybdsf`` and ``aegean`` where they are installed; ``segmenter``, which needs `segment`.
    segment : callable, optional
        The objects of the map at a path, as of a network.

    Returns
    -------
    Table
        `SUBMISSION` of `radiff.sky.columns`, the brightest first; meta: FINDER, MAP, SEEDSNR, GROWSNR, BMAJ, BMIN,
        BPA (deg).

    Raises
    ------
    InputError
        For a map that cannot be used.
    ModuleNotFoundError
        Where the finder is not installed.
    """
    options = options or DetectOptions()
    path = Path(path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with MapReader(path) as reader:
            beam = SkyGrid.of(reader).beam  # before a finder works for minutes
    for one in told:  # what an error would have said is not said twice
        warnings.warn(str(one.message), one.category, stacklevel=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        columns = _columns(path, finder, options, segment)
    meta = {
        "FINDER": finder, "MAP": path.name, "SEEDSNR": options.find.seed_snr, "GROWSNR": options.find.grow_snr,
        "BMAJ": beam.maj / 3600.0, "BMIN": beam.min / 3600.0, "BPA": beam.pa,
    }  # fmt: skip
    return submission_table(columns, meta)


def _columns(path: Path, finder: str, options: DetectOptions, segment: Segment | None) -> dict[str, Any]:
    if finder == "sep":
        return find_by_sep(path, options.find, options.workers)
    if finder in ("pybdsf", "aegean"):
        return find_by_program(path, finder, options.find, options.workers)
    if finder == "segmenter" and segment is not None:
        objects = [one for one in segment(path) if options.spurious or one.class_value != SPURIOUS]
        return measure_objects(path, objects, options.find)
    raise InputError(f"{finder!r} is no finder; finders are {', '.join(FINDERS)}")
