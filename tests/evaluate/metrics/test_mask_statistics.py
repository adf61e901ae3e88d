"""Statistics of masks on shapes of known size, distances of known sets, copies that are found."""

import math

import numpy as np
import pytest

from radiff.data.mask_set import MaskSet, join_masks
from radiff.evaluate.metrics.mask_statistics import (
    STAMP,
    copy_metrics,
    large_shapes,
    like_asked,
    mask_metrics,
    means,
    measure_masks,
    nearest_masks,
    overlap,
)
from radiff.masks import mask_to_objects, objects_to_labels


def mask_set(masks, split="") -> MaskSet:
    objects = [mask_to_objects(one) for one in masks]
    labels = [objects_to_labels(o, m.shape) for o, m in zip(objects, masks, strict=True)]
    classes = [[one.class_value for one in o] for o in objects]
    return join_masks(labels, classes, [f"m{k}" for k in range(len(masks))], [split] * len(masks))


def boxes(*places, size=64) -> np.ndarray:
    """Boxes (y0, x0, height, width, class)."""
    mask = np.zeros((size, size), np.uint8)
    for y, x, h, w, value in places:
        mask[y : y + h, x : x + w] = value
    return mask


def many(number: int, seed: int, extended: int = 1, length: int = 12) -> MaskSet:
    """Masks with a compact box and so many extended ones at random places of their own quarter."""
    random = np.random.default_rng(seed)
    masks = []
    for _ in range(number):
        dx, dy = random.integers(0, 16, 2)
        places = [(4 + dy, 4 + dx, 3, 3, 2)]
        places += [(34 + 8 * k, 4 + int(random.integers(0, 30)), 4, length, 3) for k in range(extended)]
        masks.append(boxes(*places))
    return mask_set(masks)


def test_a_box_has_its_size_shape_and_place():
    table = measure_masks(mask_set([boxes((10, 20, 6, 24, 3), (40, 0, 4, 4, 2))]))
    assert table.counts.tolist() == [[0, 1, 1]] and sorted(table.kind) == [2, 3]
    # a box of h x w pixels has second moments h^2 / 12 and w^2 / 12: the ellipse's axes are 4 / sqrt(12) of the sides
    assert table.column("npix", 3).tolist() == [144] and table.column("npix", 2).tolist() == [16]
    assert table.column("length", 3)[0] == pytest.approx(24 * 4 / math.sqrt(12))
    assert table.column("axis_ratio", 3)[0] == pytest.approx(6 / 24)
    assert table.column("axis_ratio", 2)[0] == pytest.approx(1.0)
    assert table.column("fill", 3)[0] == pytest.approx(3 / math.pi)
    assert table.column("centre", 3)[0] == pytest.approx(math.hypot(31.5 - 31.5, 31.5 - 12.5))
    assert table.column("edge", 2).tolist() == [1] and table.column("edge", 3).tolist() == [0]
    assert table.column("gap", 2)[0] == table.column("gap", 3)[0] == pytest.approx(math.hypot(40 - 15, 20 - 3))
    assert means(table)["total"] == 2 and means(table)["n_spurious"] == 0


def test_objects_of_two_islands_and_lonely_ones():
    labels = np.zeros((32, 32), np.uint16)
    labels[4:8, 4:8] = labels[4:8, 12:16] = 1
    table = measure_masks(join_masks([labels], [[3]], ["a"], [""]))
    assert table.values["islands"].tolist() == [2] and np.isnan(table.values["gap"]).all()


def test_sets_of_the_same_masks_are_no_distance_apart():
    masks = many(60, 0)
    table = measure_masks(masks)
    for line in mask_metrics(table, table, table):
        assert line.value.value == line.real.value == 0 or math.isnan(line.value.value), line.key


def test_what_differs_shows_where_it_differs():
    real, other = measure_masks(many(80, 0)), measure_masks(many(80, 1))
    wrong = measure_masks(many(80, 2, extended=2, length=20))
    lines = {line.key: line for line in mask_metrics(real, wrong, other)}
    assert lines["n_extended"].value.value == lines["total"].value.value == 1.0
    assert lines["extended_npix"].value.value == lines["extended_length"].value.value == 1.0
    assert lines["n_compact"].value.value == lines["compact_npix"].value.value == 0.0
    assert lines["mix"].value.value == 0.0  # a compact and an extended one in each of both sets
    for key in ("n_extended", "extended_npix", "compact_centre"):
        assert lines[key].real.value < 0.3 and lines[key].real.low <= lines[key].real.value <= lines[key].real.high
    alone = measure_masks(mask_set([boxes((4, 4, 3, 3, 2))] * 80))
    lines = {line.key: line for line in mask_metrics(real, alone, other)}
    assert lines["mix"].value.value == 1.0


def test_real_masks_are_brought_to_what_was_asked():
    masks = mask_set([boxes((4, 4, 3, 3, 2), (30, 30, 6, 6, 3)), boxes((4, 4, 3, 3, 2)), boxes((9, 9, 3, 3, 1))])
    found = like_asked(masks, [3, 1])
    assert found.images == ["m0", "m2"] and found.counts.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert set(np.unique(found.masks()[0])) == {0, 3}
    assert like_asked(masks, [1, 2, 3], (2, 4)).images == ["m0"]
    assert len(like_asked(masks, [1], (2, 3))) == 0


def test_overlap_by_hand():
    one, two = boxes((0, 0, 4, 4, 2)), boxes((0, 2, 4, 4, 2))
    assert overlap(one, two) == pytest.approx(8 / 24)
    assert overlap(one, np.where(two == 2, 3, 0).astype(np.uint8)) == 0
    assert overlap(one * 0, one * 0) == 0


def test_a_copy_is_found_turned_flipped_and_among_many():
    train = many(40, 3, extended=2)
    known = train.masks()
    queries = np.stack([np.rot90(known[7]), known[21][:, ::-1], boxes((50, 50, 5, 5, 1))])
    near = nearest_masks(queries, known)
    assert near.index[:2].tolist() == [7, 21] and near.iou[:2].tolist() == [1.0, 1.0] and near.iou[2] == 0
    val = nearest_masks(many(40, 4, extended=2).masks(), known)
    copied = {line.key: line for line in copy_metrics("masks", near, val)}
    assert copied["copies_masks"].value.value == pytest.approx(2 / 3)
    fresh = {line.key: line for line in copy_metrics("masks", val, val)}
    assert fresh["copies_masks"].value.value <= 0.05
    assert copied["near_masks"].value.value == pytest.approx(2 / 3)


def test_large_objects_are_centred_windows():
    masks = mask_set([boxes((10, 20, 6, 24, 3), (40, 30, 4, 4, 3)), boxes((58, 10, 6, 24, 3)), boxes((20, 4, 9, 9, 2))])
    windows, source = large_shapes(masks)
    assert source.tolist() == [0] and windows.shape == (1, STAMP, STAMP)
    y, x = np.nonzero(windows[0])
    assert len(y) == 144 and abs(y.mean() - STAMP / 2) <= 0.5 and abs(x.mean() - STAMP / 2) <= 0.5
