"""A boolean stamp to run lengths and back: the form in which a JSON itself holds an object. Knows no files.

The stamp of an object is ``{"x0": .., "y0": .., "nx": .., "ny": .., "counts": [..]}``: column and row (0-based) of its
first pixel in the image, its size, and the lengths of the runs of equal pixels, row by row from the lowest row,
starting with the pixels that are not the object's (0 where the first pixel is).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.masks.instances import BoolArray, SourceObject

STAMP = "stamp"  # the key of an entry of `objs`


def encode_runs(stamp: BoolArray) -> list[int]:
    """Run lengths of `stamp` (h, w), row by row, the first one of False."""
    flat = np.asarray(stamp, dtype=bool).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts: list[int] = np.diff(edges).tolist()
    return [0, *counts] if flat.size and flat[0] else counts


def decode_runs(counts: NDArray[np.int64], shape: tuple[int, int]) -> BoolArray:
    """The stamp (h, w) of run lengths that add up to h * w."""
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape)


def encode_stamp(one: SourceObject) -> dict[str, Any]:
    """The value of the key `stamp` of an object."""
    ny, nx = one.stamp.shape
    return {"x0": int(one.x0), "y0": int(one.y0), "nx": nx, "ny": ny, "counts": encode_runs(one.stamp)}


def decode_stamp(value: Any, shape: tuple[int, int]) -> tuple[BoolArray, int, int]:
    """Stamp, first row and first column of the key `stamp` of an object on an image of `shape` (ny, nx).

    Raises
    ------
    InputError
        Where a key is missing or no whole number, the stamp lies off the image, or the lengths do not add up.
    """
    if not isinstance(value, dict) or not isinstance(value.get("counts"), list):
        raise InputError("its stamp needs the keys x0, y0, nx, ny and counts (a list)")
    y0, x0, ny, nx = (_whole(value.get(key), key) for key in ("y0", "x0", "ny", "nx"))
    if nx < 1 or ny < 1 or y0 + ny > shape[0] or x0 + nx > shape[1]:
        raise InputError(
            f"its stamp of {nx} x {ny} pixels at ({x0}, {y0}) is not inside the image of {shape[1]} x {shape[0]}"
        )
    counts = [_whole(count, "counts") for count in value["counts"]]
    if sum(counts) != nx * ny:
        raise InputError(f"the counts of its stamp add up to {sum(counts)}, not to {nx} x {ny} = {nx * ny} pixels")
    return decode_runs(np.array(counts, dtype=np.int64), (ny, nx)), y0, x0


def _whole(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{key} of its stamp holds {value!r}; whole numbers of 0 or more are needed")
    return value
