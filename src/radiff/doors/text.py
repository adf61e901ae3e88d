"""Files to bytes and text, bounded. Knows no format."""

import codecs
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from radiff.errors import InputError

MOST_BYTES = 64 * 2**20
"""Of a text file: settings, annotations, labels. Tables may be larger, see `radiff.doors.tables`."""
OTHERS = ("utf-16", "cp1252")
"""Encodings besides UTF-8; UTF-16 only where its mark stands first."""


def check_file(path: str | os.PathLike[str], most: int | None = None) -> int:
    """Size of an ordinary file in bytes; refuses all others before they are opened, and files above `most` bytes.

    Raises
    ------
    InputError
    """
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("no such file", path) from error
    except (OSError, ValueError) as error:  # a name that no file can have
        raise InputError(f"cannot be read ({error})", path) from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError("is a folder; name a file in it", path)
    if not stat.S_ISREG(found.st_mode):
        raise InputError("is no ordinary file (a pipe or a device); copy it into one", path)
    if most is not None and found.st_size > most:
        raise InputError(f"has {found.st_size:,} bytes; files of its kind may have {most:,}", path)
    return found.st_size


def read_bytes(path: str | os.PathLike[str], most: int = MOST_BYTES) -> bytes:
    """Content of an ordinary file of at most `most` bytes.

    Raises
    ------
    InputError
    """
    check_file(path, most)
    try:
        return Path(path).read_bytes()
    except PermissionError as error:
        raise InputError("may not be read (no permission)", path) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path) from error


def read_text(path: str | os.PathLike[str], most: int = MOST_BYTES, encodings: Sequence[str] = OTHERS) -> str:
    """Text of a file: UTF-8, with or without its mark, else the first of `encodings` that fits.

    Raises
    ------
    InputError
    """
    return decode(read_bytes(path, most), path, encodings)


def decode(data: bytes, path: object = None, encodings: Sequence[str] = OTHERS) -> str:
    """Bytes to text, as `read_text`; line ends of any system become a single line feed."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for name in ("utf-8-sig", *encodings):
        if (name == "utf-16") != marked:
            continue
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise InputError("is no text file; save it as UTF-8 text", path)
