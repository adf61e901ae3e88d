"""Each rule is broken by a mask made to break it, and by no sound one."""

import numpy as np
import pytest

from radiff.masks import mask_to_objects
from radiff.masks.rules import RULES, MaskRules, touching

LIMITS = MaskRules((4, 4, 20), (40, 60, 500), (True, True, False))


def sound() -> np.ndarray:
    mask = np.zeros((40, 40), np.uint8)
    mask[2:5, 2:5] = 1
    mask[20:24, 0:4] = 2  # cut by the edge: compact ones may be
    mask[10:20, 10:20] = 3
    return mask


def broken(mask: np.ndarray, **asked) -> str | None:
    return LIMITS.broken(mask, mask_to_objects(mask), **asked)


def paint(*pixels) -> np.ndarray:
    mask = sound()
    for rows, columns, value in pixels:
        mask[rows, columns] = value
    return mask


def test_a_sound_mask_breaks_none():
    assert broken(sound()) is None
    assert broken(sound(), asked=(1, 1, 1), per_image=(3, 3)) is None


@pytest.mark.parametrize(
    ("rule", "mask", "asked"),
    [
        ("empty", np.zeros((40, 40), np.uint8), {}),
        ("speck", paint((30, slice(30, 32), 2)), {}),
        ("too large", paint((slice(24, 40), slice(20, 30), 1)), {}),
        ("touching", paint((slice(20, 23), slice(20, 23), 2)), {}),  # by a diagonal
        ("cut", paint((slice(30, 40), slice(30, 38), 3)), {}),
        ("class", sound(), {"classes": (2, 3)}),
        ("number", sound(), {"per_image": (4, 6)}),
        ("number", sound(), {"asked": (0, 2, 1)}),
    ],
)
def test_each_rule_is_broken_by_its_own_mask(rule, mask, asked):
    assert rule in RULES
    assert broken(mask, **asked) == rule


def test_specks_at_the_edge_are_let_pass():
    assert broken(paint((39, slice(30, 32), 2))) is None


def test_one_in_five_may_be_missed():
    mask = np.zeros((40, 40), np.uint8)
    for k in range(6):
        mask[2:5, 6 * k : 6 * k + 3] = 1
    assert broken(mask, asked=(5, 0, 0)) is None
    assert broken(mask, asked=(4, 0, 0)) == "number"


def test_limits_are_those_of_real_masks():
    rules = MaskRules.of([mask_to_objects(sound())], 40)
    assert rules.smallest == (9, 16, 100) and rules.largest == (9, 16, 100)
    assert rules.at_edge == (False, True, False)
    assert MaskRules.from_json(rules.to_json()) == rules
    assert MaskRules.of([], 40) == MaskRules()


def test_touching_sees_diagonals_between_classes_alone():
    mask = np.zeros((6, 6), np.uint8)
    mask[0, 0] = mask[1, 1] = 2
    assert not touching(mask)
    mask[2, 2] = 3
    assert touching(mask)
