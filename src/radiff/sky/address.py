"""Which image of a FITS file is meant: ``map.fits[SCI]``, ``map.fits[1][0]``. Opens no file."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from radiff.errors import InputError

PathLike = str | os.PathLike[str]
_BRACKETS = re.compile(r"^(?P<file>.+?\.[^\[\]/]*)(?P<told>(?:\[[^\[\]]*\])+)$", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """A file, and what of it is meant.

    Attributes
    ----------
    file : Path
    hdu : int, str or (str, int), optional
        Number or name of the HDU, or name and version; default: the first image.
    plane : int, optional
        Plane of a cube, 0-based.
    one : int, optional
        A number alone, ``cube.fits[2]``: the HDU, as everywhere in the field; in a file of one HDU, the plane of it.
    """

    file: Path
    hdu: int | str | tuple[str, int] | None = None
    plane: int | None = None
    one: int | None = None


def parse_address(path: PathLike) -> Address:
    """The address that a path stands for: itself where a file has that name, else by the brackets at its end.

    Raises
    ------
    InputError
        Where the brackets hold no HDU and no plane.
    """
    path = Path(path)
    match = _BRACKETS.match(str(path))
    if match is None or path.exists():
        return Address(path)
    told = [one.strip() for one in match["told"][1:-1].split("][")]
    file = Path(match["file"])
    if len(told) == 1 and told[0].isdigit():
        return Address(file, one=int(told[0]))
    plane_told = len(told) == 1 or not told[1] or told[1].isdigit()
    if len(told) > 2 or ":" in told[0] or not any(told) or not plane_told:
        raise InputError(
            f"{match['told']} is no part of a file; write [HDU] or [HDU][plane], e.g. [SCI] or [1][0]", file
        )
    name, comma, version = told[0].partition(",")
    hdu: int | str | tuple[str, int] | None = int(name) if name.isdigit() else name.strip() or None
    if comma:
        if not version.strip().isdigit():
            raise InputError(f"[{told[0]}] is no HDU; write its number, its name, or name,version", file)
        hdu = (str(hdu), int(version))
    return Address(file, hdu, int(told[1]) if len(told) == 2 and told[1] else None)


def map_file(path: PathLike) -> Path:
    """The file of an address."""
    return parse_address(path).file


def with_part(path: PathLike, hdu: str | int | None, plane: int | None) -> Path:
    """`path` with the HDU and the plane that options name; its own brackets stay where they name none.

    Raises
    ------
    InputError
        Where path and options name different ones.
    """
    if hdu is None and plane is None:
        return Path(path)
    address = parse_address(path)
    if address.hdu is not None or address.one is not None or address.plane is not None:
        raise InputError("names a part of the file, and so do --hdu and --plane; leave one of them out", path)
    # the second pair of brackets says that the first holds an HDU, also in a file of one
    return Path(f"{address.file}[{'' if hdu is None else hdu}][{'' if plane is None else plane}]")


def plain_name(path: PathLike) -> str:
    """Name of the file with the part of it that is meant, in letters that every system allows: ``map_SCI_0.fits``."""
    match = _BRACKETS.match(Path(path).name)
    if match is None or Path(path).exists():
        return Path(path).name
    file = Path(match["file"])
    parts = [re.sub(r"\W+", "-", one).strip("-") for one in match["told"][1:-1].split("][")]
    stem, dot, suffix = file.name.partition(".")
    return "_".join([stem, *(one for one in parts if one)]) + dot + suffix
