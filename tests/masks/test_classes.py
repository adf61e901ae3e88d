"""Class names, values and the check of masks."""

import numpy as np
import pytest

from radiff import InputError
from radiff.masks import CLASSES, NUM_CLASSES, check_mask, class_name, parse_class


def test_values_names_and_colours():
    assert [(one.value, one.name, one.color) for one in CLASSES] == [
        (0, "background", "#000000"),
        (1, "spurious", "#ff0000"),
        (2, "compact", "#00ff00"),
        (3, "extended", "#0000ff"),
    ]
    assert NUM_CLASSES == 4
    assert CLASSES[3].rgb == (0, 0, 255)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sidelobe", 1),
        ("Spurious", 1),
        ("source", 2),
        (2, 2),
        ("galaxy", 3),
        ("extended-multicomp", 3),
        ("extended_multicomp", 3),
        (4, 3),
        ("0", 0),
    ],
)
def test_aliases(name, value):
    assert parse_class(name) == value
    assert class_name(value) == CLASSES[value].name


def test_unknown_class_lists_the_classes():
    with pytest.raises(InputError) as error:
        parse_class("quasar")
    assert str(error.value) == "'quasar' is no class; classes are 0 background, 1 spurious, 2 compact, 3 extended"


def test_illegal_value_is_named_with_its_place():
    mask = np.zeros((64, 64), np.int16)
    mask[40, 12] = 7
    with pytest.raises(InputError) as error:
        check_mask(mask, "mask.fits")
    assert (
        str(error.value) == "mask.fits: value 7 at (12, 40) is no class; "
        "classes are 0 background, 1 spurious, 2 compact, 3 extended"
    )


@pytest.mark.parametrize("value", [-1, 4, 255, 256, 0.5, np.nan, np.inf])
def test_values_that_are_no_class(value):
    mask = np.zeros((4, 5))
    mask[3, 1] = value
    with pytest.raises(InputError, match=r"at \(1, 3\) is no class"):
        check_mask(mask)


@pytest.mark.parametrize("mask", [np.zeros(4), np.zeros((1, 4, 4)), np.array([["a"]])])
def test_masks_of_another_kind(mask):
    with pytest.raises(InputError, match="a mask h"):
        check_mask(mask)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, ">i2"])
def test_any_number_type_becomes_uint8(kind):
    mask = check_mask(np.array([[0, 1], [1, 0]], dtype=kind))
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0, 1], [1, 0]]
