"""Class masks to smooth fields and back: how far each pixel is inside each class. Knows no files and no networks.

A hard mask jumps at every edge; a field rises evenly over a few pixels, so it is easier to learn, and an error of it
moves an edge by a fraction of a pixel. Each class has a field of its own, so none lies between two others.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from radiff.masks.classes import NUM_CLASSES

REACH = 4.0
"""Pixels from an edge at which a field is full."""


def mask_to_fields(mask: NDArray[np.uint8], reach: float = REACH) -> NDArray[np.float32]:
    """Fields (3, ny, nx) of a class mask (ny, nx): -1 far outside the class, 1 deep inside, 0 on its edge.

    The distance from a pixel's centre to the nearest pixel on the other side, less half a pixel, over `reach`.
    """
    fields = np.full((NUM_CLASSES - 1, *mask.shape), -1.0, np.float32)
    for value in range(1, NUM_CLASSES):
        inside = mask == value
        if inside.all():
            fields[value - 1] = 1.0
        elif inside.any():
            distance = np.where(
                inside, ndimage.distance_transform_edt(inside) - 0.5, 0.5 - ndimage.distance_transform_edt(~inside)
            )
            fields[value - 1] = np.clip(distance / reach, -1.0, 1.0)
    return fields


def fields_to_mask(fields: ArrayLike) -> NDArray[np.uint8]:
    """Class mask (..., ny, nx) of fields (..., 3, ny, nx): the class with the largest field, where it is above 0."""
    values = np.asarray(fields)
    best = values.argmax(-3)
    return np.where(values.max(-3) > 0, best + 1, 0).astype(np.uint8)
