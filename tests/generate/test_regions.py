"""Windows around the objects of a mask: every object in one with its surroundings, and weights that add up."""

import numpy as np
import pytest

from radiff.generate.regions import FULL, MARGIN, MOST_SHARE, REACH, find_regions, whole
from radiff.masks import SourceObject, mask_to_objects


def square(name, y, x, side=5):
    return SourceObject(name, 2, np.ones((side, side), bool), y, x)


def scattered(shape, count, seed, side=(2, 12)):
    """Squares anywhere, at the edges of the image too."""
    random = np.random.default_rng(seed)
    objects = []
    for k in range(count):
        size = int(random.integers(*side))
        objects.append(
            square(f"S{k}", random.integers(shape[0] - size + 1), random.integers(shape[1] - size + 1), size)
        )
    return objects


def pasted(regions, shape, objects):
    """The weights of all windows, added up on the image."""
    total = np.zeros(shape, np.float32)
    for region in regions:
        total[region.slices] += region.weight(objects)
    return total


SHAPES = pytest.mark.parametrize("shape", [(64, 64), (128, 128), (96, 300), (512, 512), (64, 1024)])


@SHAPES
@pytest.mark.parametrize("count", [1, 4, 12])
@pytest.mark.parametrize("seed", range(5))
def test_every_object_lies_in_one_window_with_its_margin(shape, count, seed):
    objects = scattered(shape, count, seed)
    regions = find_regions(shape, objects)
    assert sorted(k for region in regions for k in region.objects) == list(range(count))
    for region in regions:
        assert 0 <= region.y0 < region.y1 <= shape[0] and 0 <= region.x0 < region.x1 <= shape[1]
        for number in region.objects:
            y0, y1, x0, x1 = objects[number].bbox
            assert region.y0 <= max(0, y0 - MARGIN) and region.y1 >= min(shape[0], y1 + MARGIN)
            assert region.x0 <= max(0, x0 - MARGIN) and region.x1 >= min(shape[1], x1 + MARGIN)


@SHAPES
@pytest.mark.parametrize("seed", range(5))
def test_the_weights_of_windows_add_up_to_those_of_the_whole_image(shape, seed):
    """Where windows overlap too: nothing is made twice, and nothing is cut at a window's edge."""
    objects = scattered(shape, 6, seed)
    total = pasted(find_regions(shape, objects), shape, objects)
    np.testing.assert_allclose(total, whole(shape, objects).weight(objects), atol=1e-6)
    assert total.max() <= 1 + 1e-6


def test_sides_are_multiples_of_the_compression():
    """Also of objects larger than any usual window; the networks take no others."""
    for side in (3, 40, 90, 140, 200, 333):
        for region in find_regions((1024, 1024), [square("S1", 300, 420, side)]):
            assert region.shape[0] == region.shape[1] and region.shape[0] % 4 == 0
            assert region.shape[0] >= side + 2 * MARGIN


def test_a_small_object_costs_a_small_window():
    (region,) = find_regions((128, 128), [square("S1", 60, 60)])
    assert region.shape[0] * region.shape[1] < 0.3 * 128**2
    assert (region.y0 + region.y1) / 2 == pytest.approx(62.5, abs=1)
    assert (region.x0 + region.x1) / 2 == pytest.approx(62.5, abs=1)


def test_objects_whose_surroundings_meet_share_a_window():
    near = [square("a", 100, 100), square("b", 100, 105 + 2 * MARGIN - 1)]
    apart = [square("a", 100, 100), square("b", 100, 105 + 2 * MARGIN)]
    assert [region.objects for region in find_regions((512, 512), near)] == [(0, 1)]
    assert [region.objects for region in find_regions((512, 512), apart)] == [(0,), (1,)]


def test_a_third_object_may_join_two_windows():
    """In any order: the middle one comes last, first or between."""
    left, middle, right = square("a", 100, 100), square("b", 100, 130), square("c", 100, 160)
    for objects in ([left, right, middle], [middle, left, right], [left, middle, right]):
        assert [region.objects for region in find_regions((512, 512), objects)] == [(0, 1, 2)]


def test_an_empty_mask_has_no_window():
    assert find_regions((128, 128), []) == []


@pytest.mark.parametrize("shape", [(64, 64), (128, 128), (256, 128)])
def test_a_nearly_full_mask_is_one_window(shape):
    mask = np.zeros(shape, np.uint8)
    mask[4:-4, 4:-4] = 3
    objects = mask_to_objects(mask)
    assert find_regions(shape, objects) == [whole(shape, objects)]
    (region,) = find_regions(shape, objects)
    assert (region.y0, region.y1, region.x0, region.x1) == (0, shape[0], 0, shape[1])


def test_many_objects_all_over_are_one_window():
    objects = [square(f"S{k}", 10 + 40 * (k // 6), 10 + 40 * (k % 6)) for k in range(36)]
    regions = find_regions((256, 256), objects)
    assert [region.shape for region in regions] == [(256, 256)]
    assert regions[0].objects == tuple(range(36))
    far = find_regions((1024, 1024), objects)
    assert sum(region.shape[0] * region.shape[1] for region in far) < MOST_SHARE * 1024**2


def test_the_weight_by_the_distance():
    """1 at the object and near it, 0 beyond the reach, falling in between; whole shapes count, not their boxes."""
    stamp = np.zeros((30, 30), bool)
    stamp[:, :4], stamp[-4:] = True, True  # an L
    objects = [SourceObject("S1", 3, stamp, 50, 60)]
    (region,) = find_regions((512, 512), objects)
    weight = region.weight(objects)
    assert weight.dtype == np.float32 and weight.shape == region.shape
    there = np.argwhere(stamp) + np.array([50 - region.y0, 60 - region.x0])
    y, x = np.indices(region.shape)
    distance = np.sqrt(((y[..., None] - there[:, 0]) ** 2 + (x[..., None] - there[:, 1]) ** 2).min(-1))
    assert (weight[distance <= FULL] == 1).all()
    assert (weight[distance >= REACH] < 1e-12).all() and (distance > REACH).any()
    order = np.argsort(distance, axis=None)
    assert (np.diff(weight.ravel()[order]) <= 1e-6).all()
    middle = (distance > FULL) & (distance < REACH)
    np.testing.assert_allclose(
        weight[middle], np.cos(0.5 * np.pi * (distance[middle] - FULL) / (REACH - FULL)) ** 2, atol=1e-6
    )


def test_a_window_weighs_its_own_objects_only():
    """Of two objects in one picture, the other's surroundings are the other window's."""
    objects = [square("a", 100, 100), square("b", 100, 150)]
    one, two = find_regions((512, 512), objects)
    assert one.x1 > two.x0  # they overlap
    here = one.weight(objects)
    assert here[100 - one.y0, 100 - one.x0] == 1
    assert (here[:, 150 - one.x0 - MARGIN + 5 :] == 0).all()
