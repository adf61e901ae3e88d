"""Masks drawn by rule: shapes of known size and place, and demonstrations that always fit."""

import numpy as np
import pytest

from radiff.masks import mask_to_objects
from radiff.masks.draw import demo_masks, draw_compact, draw_galaxy, draw_spurious, ellipse


def test_ellipse_has_its_axes_place_and_angle():
    inside = ellipse((100, 120), 70, 30, 40, 20, 0.0)
    assert inside.sum() == pytest.approx(np.pi / 4 * 40 * 20, rel=0.02)
    y, x = np.nonzero(inside)
    assert (x.mean(), y.mean()) == pytest.approx((70, 30))
    assert (np.ptp(x), np.ptp(y)) == (40, 20)
    y, x = np.nonzero(ellipse((100, 120), 70, 50, 40, 10, np.pi / 4))  # from x towards y
    assert np.corrcoef(x, y)[0, 1] > 0.8


@pytest.mark.parametrize(("draw", "value"), [(draw_compact, 2), (draw_galaxy, 3), (draw_spurious, 1)])
def test_a_drawing_is_one_object_of_its_class(draw, value):
    for seed in range(20):
        mask = np.zeros((96, 96), np.uint8)
        draw(mask, 48, 48, np.random.default_rng(seed))
        assert set(np.unique(mask)) == {0, value}
        if draw is not draw_galaxy or seed < 5:
            y, x = np.nonzero(mask)
            assert (x.mean(), y.mean()) == pytest.approx((48, 48), abs=10)
        if draw is not draw_galaxy:
            assert len(mask_to_objects(mask)) == 1


def test_a_galaxy_holds_together_and_has_its_length():
    whole = 0
    for seed in range(20):
        mask = np.zeros((128, 128), np.uint8)
        draw_galaxy(mask, 64, 64, np.random.default_rng(seed), length=40)
        whole += len(mask_to_objects(mask)) == 1
        y, x = np.nonzero(mask)
        assert 30 <= np.hypot(np.ptp(x), np.ptp(y)) <= 90
    assert whole == 20


@pytest.mark.parametrize("size", [64, 128, 256])
def test_demo_masks(size):
    masks = demo_masks(8, size, seed=3)
    assert all(mask.shape == (size, size) and mask.dtype == np.uint8 for mask in masks)
    assert [sorted(np.unique(mask)) for mask in masks[:4]] == [[0, 2, 3], [0, 2], [0, 1, 2, 3], [0, 1, 2, 3]]
    again = demo_masks(5, size, seed=3)
    assert all((a == b).all() for a, b in zip(masks[:5], again, strict=True))
    assert not all((a == b).all() for a, b in zip(masks, demo_masks(8, size, seed=4), strict=True))
