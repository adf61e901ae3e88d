"""Texts of the command line to beams and ranges: one form of each in every verb."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.sky import Beam

Number = TypeVar("Number", int, float)

BeamText = Annotated[
    str | None,
    typer.Option("--beam", help="FWHM in arcsec, or maj,min,pa (arcsec, arcsec, deg); default: the header's."),
]
HduText = Annotated[
    str | None,
    typer.Option("--hdu", help="HDU of a FITS file, number or name; default: its first image. Or FILE[HDU]."),
]
PlaneNumber = Annotated[int | None, typer.Option("--plane", min=0, help="Plane of a cube, counted from 0.")]
BeamLike = Annotated[Path | None, typer.Option("--like", help="FITS image whose beam to take.")]


def parse_beam(text: str, option: str = "--beam") -> "Beam":
    """A beam from ``6.5`` (arcsec) or ``6.5,5.2,30`` (arcsec, arcsec, deg).

    Raises
    ------
    InputError
        Where it is neither, not positive, or its minor axis is above its major one.
    """
    from radiff.sky import Beam

    try:
        return Beam.of(text)
    except InputError as error:
        raise InputError(f"{option}: {error.message}") from error


def asked_beam(text: str | None, like: Path | None) -> "Beam | None":
    """The beam of ``--beam``, else that of the image of ``--like``; None where neither is given.

    Raises
    ------
    InputError
        As `parse_beam`; where the image has none.
    """
    from radiff.sky import MapReader

    if text is not None or like is None:
        return None if text is None else parse_beam(text)
    with MapReader(like) as reader:
        if reader.beam is None:
            raise InputError("no beam in the header; give it with --beam in place of --like", like)
        return reader.beam


def parse_range(
    text: str, option: str, kind: type[Number], example: str, single: bool = False
) -> tuple[Number, Number]:
    """``low:high``; where a `single` number may stand, it is a range of its own.

    Read too are the signs that stood between them once: a comma, and a dash between whole numbers.

    Raises
    ------
    InputError
        Where it is no range.
    """
    sign = next((sign for sign in ":," if sign in text), "-" if kind is int else ":")
    try:
        numbers = [kind(part) for part in text.split(sign)]
    except ValueError:
        numbers = []
    if single and len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2 or not numbers[0] <= numbers[1] or not all(map(math.isfinite, numbers)):
        raise InputError(f"{option} {text!r}: give {'a number or ' if single else ''}a range low:high, e.g. {example}")
    return numbers[0], numbers[1]


def parse_per_image(text: str | None) -> tuple[int, int] | None:
    """What ``--per-image 1:6`` says; None for no text.

    Raises
    ------
    InputError
        Where it is no range of whole numbers from 1.
    """
    from radiff.masks.compose import check_range

    return check_range(parse_range(text, "--per-image", int, "1:6", single=True)) if text else None


def parse_peak(text: str) -> "float | tuple[float, float] | str":
    """What ``--peak-snr`` says: a number, ``low:high`` or ``real``.

    Raises
    ------
    InputError
        Where it is none of these, or not positive.
    """
    if text == "real":
        return text
    try:
        low, high = parse_range(text, "--peak-snr", float, "5:100", single=True)
    except InputError:
        low = high = 0.0
    if low <= 0:
        raise InputError(f"--peak-snr {text!r}: give a positive number such as 20, a range such as 5:100, or real")
    return (low, high) if ":" in text or "," in text else low
