"""Fields of masks: known distances, and the mask back."""

import numpy as np

from mask_samples import some_mask
from radiff.masks.fields import fields_to_mask, mask_to_fields


def test_a_mask_comes_back():
    mask = some_mask()
    fields = mask_to_fields(mask)
    assert fields.shape == (3, *mask.shape) and fields.min() == -1
    assert np.array_equal(fields_to_mask(fields), mask)
    assert np.array_equal(fields_to_mask(np.stack([fields, fields])), np.stack([mask, mask]))


def test_a_field_rises_by_the_distance_from_the_edge():
    mask = np.zeros((20, 40), np.uint8)
    mask[:, 20:] = 3
    row = mask_to_fields(mask, reach=4.0)[2, 10]
    # half a pixel on either side of the edge, and a quarter more a pixel, up to full
    assert np.allclose(row[16:24], [-0.875, -0.625, -0.375, -0.125, 0.125, 0.375, 0.625, 0.875])
    assert (row[:15] == -1).all() and (row[25:] == 1).all()
    assert (mask_to_fields(mask)[:2] == -1).all()


def test_a_mask_full_of_one_class():
    fields = mask_to_fields(np.full((4, 4), 2, np.uint8))
    assert (fields[1] == 1).all() and (fields[[0, 2]] == -1).all()


def test_the_larger_field_wins():
    fields = np.full((3, 1, 3), -0.5)
    fields[:, 0, 0] = 0.2, 0.4, 0.1
    fields[:, 0, 1] = 0.2, 0.1, 0.3
    assert fields_to_mask(fields).tolist() == [[2, 3, 0]]
