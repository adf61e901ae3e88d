"""Arrays of other packages to plain ones in Jy/beam. Knows no files."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt

from radiff.errors import InputError


def plain_image(values: Any, what: str = "image", any_unit: bool = False) -> npt.NDArray[Any]:
    """An image as numpy's own array: masked pixels become NaN, a `Quantity` is brought to Jy/beam.

    Parameters
    ----------
    values : array_like
        Also a masked array of numpy or astropy, a `Quantity`, or an `NDData` with its mask and unit.
    what : str
        Named in the error.
    any_unit : bool
        Leave the numbers of a `Quantity` as they are.

    Raises
    ------
    InputError
        For a unit that is no flux density per beam, and for values that are no real numbers.
    """
    if type(values) is np.ndarray and values.dtype.kind in "fiub":
        return values
    unit, mask = getattr(values, "unit", None), getattr(values, "mask", None)
    values = getattr(values, "unmasked", values)  # astropy's Masked
    if not isinstance(values, np.ndarray) and isinstance(getattr(values, "data", None), np.ndarray):
        values = values.data  # NDData
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InputError(f"the {what} holds {array.dtype}; it must hold real numbers")
    if unit is not None and not any_unit:
        try:
            factor = u.Unit(unit).to(u.Jy / u.beam)
        except (u.UnitsError, ValueError, TypeError):
            raise InputError(f"the {what} is in {unit}; convert it to Jy/beam (mJy/beam is read too)") from None
        array = array * factor if factor != 1.0 else array
    if mask is not None and np.any(mask):
        array = np.where(mask, np.nan, array)
    return array
