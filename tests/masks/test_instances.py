"""Objects to masks and instance maps, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mask_samples import some_mask, some_objects
from radiff import InputError
from radiff.masks import SourceObject, labels_to_objects, mask_to_objects, objects_to_labels, objects_to_mask

MASKS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3))


@given(MASKS, st.sampled_from([4, 8]))
@settings(deadline=None, max_examples=50)
def test_mask_to_objects_and_back(mask, connectivity):
    np.testing.assert_array_equal(objects_to_mask(mask_to_objects(mask, connectivity), mask.shape), mask)


def test_connectivity_decides_about_diagonal_pairs():
    assert len(mask_to_objects(some_mask(), 8)) == 5
    assert len(mask_to_objects(some_mask(), 4)) == 6


def test_larger_class_value_wins_where_objects_overlap():
    small = SourceObject("a", 3, np.ones((2, 2), bool), 1, 1)
    large = SourceObject("b", 1, np.ones((4, 4), bool))
    for objects in ([small, large], [large, small]):
        mask = objects_to_mask(objects, (5, 5))
        assert (mask == 3).sum() == 4
        assert (mask == 1).sum() == 12
        assert (objects_to_labels(objects, (5, 5)) == objects.index(small) + 1).sum() == 4


def test_labels_keep_islands_of_one_object_together():
    objects = some_objects()
    labels = objects_to_labels(objects, (40, 50))
    again = labels_to_objects(labels, {n: one.class_value for n, one in enumerate(objects, 1)})
    assert [(one.class_value, one.npix, one.bbox) for one in again] == [
        (one.class_value, one.npix, one.bbox) for one in objects
    ]


def test_label_without_class_is_refused():
    with pytest.raises(InputError, match="label 2 has the class None"):
        labels_to_objects(np.array([[1, 2]]), {1: 3})


def test_object_without_pixels_is_refused():
    with pytest.raises(InputError, match="'S9' has no pixels"):
        SourceObject.from_pixels("S9", 2, np.zeros((3, 3)))


@given(MASKS, st.integers(-3, 8), st.integers(-3, 8), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None, max_examples=50)
def test_window_is_the_slice_of_the_mask(mask, y0, x0, height, width):
    padded = np.pad(mask, 20)[20 + y0 : 20 + y0 + height, 20 + x0 : 20 + x0 + width]
    parts = [one.window(y0, y0 + height, x0, x0 + width) for one in mask_to_objects(mask)]
    np.testing.assert_array_equal(objects_to_mask([one for one in parts if one], (height, width)), padded)


def test_edges():
    inside = SourceObject("a", 2, np.ones((2, 2), bool), 1, 1)
    assert not inside.touches_edge((4, 4))
    assert inside.touches_edge((3, 4))
    assert inside.pixels((4, 4)).sum() == inside.npix == 4
    assert sorted(zip(*inside.coordinates(), strict=True)) == [(1, 1), (1, 2), (2, 1), (2, 2)]
