"""What may be a seed. Draws nothing."""

import operator
from typing import Any

from radiff.errors import InputError

HIGHEST = 2**64 - 1


def check_seed(value: Any) -> int:
    """`value` as a seed, a whole number from 0 to 2**64 - 1: every one of them is another image.

    Raises
    ------
    InputError
        For all else: 1.9 is no seed, and -1 is not "any".
    """
    try:
        seed = operator.index(value)
    except TypeError:
        raise InputError(f"seed is {value!r}; it must be a whole number") from None
    if seed < 0:
        raise InputError(f"seed is {seed}; it must be 0 or more")
    if seed > HIGHEST:
        raise InputError(f"seed is {seed}; it must be 2**64 - 1 or less")
    return seed
