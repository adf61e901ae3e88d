"""Text tables to rows of text, whatever wrote them. Knows no columns."""

import csv
import os
from collections.abc import Iterator, Sequence

from radiff.doors.text import OTHERS, read_text
from radiff.errors import InputError

MOST_BYTES = 2**30


def read_csv(
    path: str | os.PathLike[str], encodings: Sequence[str] = OTHERS, comment: str = "\0"
) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Names of the columns and the rows, each with the number of its line, of a table with a line of names.

    Columns are separated by commas, semicolons or tabs, whichever the names are; where by semicolons, as Excel writes
    in many countries, decimal commas become points. Empty lines and those that start with `comment` are no rows;
    missing fields are empty.

    Raises
    ------
    InputError
        Where the file is no text, or a row holds more fields than there are names.
    """
    lines = ["" if line.startswith(comment) else line for line in read_text(path, MOST_BYTES, encodings).split("\n")]
    head = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=head.count)
    if head.lower().startswith("sep=") and len(head) == 5:  # Excel's own word for it
        delimiter = head[4]
        lines[lines.index(head)] = ""
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter)
    names = [name.strip() for name in next((fields for fields in reader if any(fields)), [])]

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        try:
            for fields in reader:
                number = reader.line_num
                if len(fields) > len(names) and any(field.strip() for field in fields[len(names) :]):
                    raise InputError(f"line {number} has {len(fields)} fields, the names are {len(names)}", path)
                if not any(fields):
                    continue
                if delimiter == ";":
                    fields = [_decimal_point(field) for field in fields]
                yield number, dict(zip(names, fields + [""] * (len(names) - len(fields)), strict=False))
        except csv.Error as error:
            raise InputError(f"line {reader.line_num} cannot be read ({error})", path) from error

    return names, rows()


def _decimal_point(field: str) -> str:
    """``0,5`` as ``0.5``; text stays as it is."""
    changed = field.replace(",", ".", 1)
    try:
        float(changed)
    except ValueError:
        return field
    return changed
