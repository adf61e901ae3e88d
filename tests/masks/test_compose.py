"""Real objects placed anew: what was asked for, whole, apart, and the same whichever part of a series is made."""

import numpy as np
import pytest
from scipy import ndimage

from mask_samples import some_objects
from radiff.errors import InputError
from radiff.masks import SourceObject, mask_to_objects
from radiff.masks.compose import (
    chosen_counts,
    compose_masks,
    count_classes,
    draw_counts,
    item_seed,
    parse_classes,
    turned_stamp,
)
from radiff.masks.rules import touching


def disc(radius: float) -> np.ndarray:
    side = int(2 * radius) + 3
    y, x = np.indices((side, side)) - side // 2
    return np.asarray(y**2 + x**2 <= radius**2)


def library() -> list[SourceObject]:
    """Discs of each class: spurious radius 2, compact 3, extended 8."""
    return [SourceObject(f"S{value}", value, disc(radius)) for value, radius in ((1, 2), (2, 3), (3, 8))]


def test_masks_hold_what_was_asked_for_apart_and_whole():
    for one in compose_masks(library(), 12, size=96, per_image=(3, 6), seed=4):
        assert one.counts == one.asked == count_classes(one.objects)
        assert 3 <= sum(one.counts) <= 6
        assert not touching(one.mask)
        assert len(mask_to_objects(one.mask)) == len(one.objects)  # nothing runs together
        for n, item in enumerate(one.objects, 1):
            assert np.array_equal(one.labels == n, item.pixels(one.mask.shape))
            if item.class_value == 3:
                assert not item.touches_edge(one.mask.shape)


def test_objects_keep_their_area_up_to_the_scale():
    made = list(compose_masks(library(), 20, size=96, classes=["extended"], per_image=(1, 1), seed=1))
    areas = np.array([one.objects[0].npix for one in made]) / disc(8).sum()
    assert areas.min() >= 0.8**2 - 0.02 and areas.max() <= 1.25**2 + 0.02
    assert areas.std() > 0.1
    same = list(compose_masks(library(), 5, size=96, classes=[3], per_image=(1, 1), seed=1, scales=(1.0, 1.0)))
    assert {one.objects[0].npix for one in same} == {int(disc(8).sum())}


def test_an_item_depends_on_seed_and_number_alone():
    whole = list(compose_masks(library(), 6, size=64, seed=9))
    part = list(compose_masks(library(), 0, size=64, seed=9, indices=[4, 2]))
    assert [one.index for one in part] == [4, 2]
    for one in part:
        assert np.array_equal(one.mask, whole[one.index].mask) and one.seed == whole[one.index].seed
    other = next(compose_masks(library(), 1, size=64, seed=10))
    assert not np.array_equal(other.mask, whole[0].mask)
    assert item_seed(9, 4) != item_seed(9, 5) != item_seed(10, 4)


@pytest.mark.parametrize(("angle", "mirrored"), [(0, False), (30, False), (90, False), (135, True)])
def test_a_stamp_is_turned_from_x_towards_y(angle, mirrored):
    y, x = np.indices((61, 61)) - 30
    tilt = np.radians(20)
    along, across = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    found = turned_stamp((along / 25) ** 2 + (across / 5) ** 2 <= 1, angle, mirrored)
    covariance = np.cov(np.argwhere(found)[:, ::-1].T)
    axis = np.linalg.eigh(covariance)[1][:, -1]
    wanted = np.radians((180 - 20 if mirrored else 20) + angle)
    assert abs(axis @ [np.cos(wanted), np.sin(wanted)]) > np.cos(np.radians(1.5))


@pytest.mark.parametrize("angle", [10, 33, 77, 200])
def test_a_turned_stamp_keeps_area_and_islands(angle):
    stamp = some_objects()[0].stamp
    found = turned_stamp(stamp, angle)
    assert found.sum() == stamp.sum()
    assert ndimage.label(found, np.ones((3, 3)))[1] == ndimage.label(stamp, np.ones((3, 3)))[1] == 2


def test_numbers_are_those_of_real_masks():
    table = [(2, 1, 0), (0, 0, 3), (5, 0, 0), (0, 0, 0)]
    assert chosen_counts(table, (2, 3), None).tolist() == [[0, 1, 0], [0, 0, 3]]
    assert chosen_counts(table, (1, 2, 3), (3, 3)).tolist() == [[2, 1, 0], [0, 0, 3]]
    random = np.random.default_rng(0)
    drawn = {draw_counts(random, (2, 3), None, table) for _ in range(40)}
    assert drawn == {(0, 1, 0), (0, 0, 3)}
    free = [draw_counts(random, (2,), (1, 4)) for _ in range(40)]
    assert {sum(one) for one in free} == {1, 2, 3, 4} and all(one[0] == one[2] == 0 for one in free)


def test_objects_cut_by_an_edge_are_not_placed():
    cut = SourceObject("S1", 3, disc(8), info={"border": 1})
    with pytest.raises(InputError, match="no whole extended to place in masks of 64 pixels; choose other --classes"):
        compose_masks([cut], 1, size=64)
    with pytest.raises(InputError, match="no whole extended"):  # wider than the mask
        compose_masks([SourceObject("S1", 3, disc(40))], 1, size=64)


def test_errors_name_the_remedy():
    with pytest.raises(InputError, match="6 to 2 objects a mask; give a range such as 1 to 6"):
        compose_masks(library(), 1, per_image=(6, 2))
    with pytest.raises(InputError, match="name one or more of spurious, compact, extended"):
        parse_classes(["background"])
    with pytest.raises(InputError, match="give two positive factors, smaller first"):
        compose_masks(library(), 1, scales=(2.0, 1.0))
    with pytest.raises(InputError, match=r"40 extended do not fit into 64 x 64 pixels; ask for fewer"):
        next(compose_masks(library(), 1, size=64, classes=["extended"], per_image=(40, 40)))
