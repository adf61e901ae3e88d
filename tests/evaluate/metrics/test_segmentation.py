"""Segmentation Scores of masks drawn by hand, among them absent classes."""

import math

import numpy as np
import pytest

from radiff.evaluate.metrics.segmentation import (
    confusion,
    image_means,
    iou,
    match_objects,
    object_estimates,
    score_estimates,
    segmentation_metrics,
)


def mask(*rows):
    return np.array([[int(value) for value in row] for row in rows], np.uint8)


def test_confusion_counts_pixels_by_class_asked_and_found():
    table = confusion(mask("0123", "0000"), mask("0122", "3000"))
    assert table.sum() == 8
    assert table[0, 0] == 4 and table[0, 3] == 1
    assert table[1, 1] == table[2, 2] == 1
    assert table[3, 2] == 1 and table[3, 3] == 0


def test_iou_by_hand():
    """Compact: 2 of 4 pixels shared, 2 more found: 2 / 6. Background: 8 in both, 12 in one of them."""
    table = confusion(mask("2222", "0000", "0000"), mask("2200", "2200", "0000"))
    found = iou(table)
    assert found[2] == pytest.approx(2 / 6)
    assert found[0] == pytest.approx(6 / 10)
    assert math.isnan(found[1]) and math.isnan(found[3])


def test_absent_classes_do_not_count_in_an_image():
    """Eq. 11 with 0 / 0 left out: the mean is over background and compact alone."""
    table = confusion(mask("2200", "0000"), mask("2000", "0000"))
    assert image_means(iou(table[None]))[0] == pytest.approx(0.5 * (1 / 2 + 6 / 7))


def test_a_class_found_where_none_was_asked_counts_as_nothing():
    table = confusion(mask("0000"), mask("0300"))
    assert iou(table)[3] == 0.0
    assert image_means(iou(table[None])[:, 1:])[0] == 0.0


def test_an_empty_image_found_empty():
    table = confusion(mask("0000"), mask("0000"))[None]
    assert image_means(iou(table))[0] == 1.0
    assert math.isnan(image_means(iou(table)[:, 1:])[0])  # no source, none found: says nothing


def test_both_definitions_by_hand():
    """Image 1: extended 8 of 8. Image 2: extended 0 of 2, all the rest background, 4 pixels each row of 4 x 4."""
    first = confusion(mask("3333", "3333", "0000", "0000"), mask("3333", "3333", "0000", "0000"))
    second = confusion(mask("3300", "0000", "0000", "0000"), mask("0000", "0000", "0000", "0000"))
    told = score_estimates(np.stack([first, second]))
    assert told["score"].value == pytest.approx(0.5 * (1.0 + 0.5 * (14 / 16 + 0)))
    assert told["score_sources"].value == pytest.approx(0.5 * (1.0 + 0.0))
    assert told["total_extended"].value == pytest.approx(8 / 10)
    assert told["total_background"].value == pytest.approx((8 + 14) / (8 + 16))
    assert told["total"].value == pytest.approx(0.5 * (22 / 24 + 8 / 10))
    assert told["total_sources"].value == pytest.approx(8 / 10)
    assert told["image_extended"].value == pytest.approx(0.5)
    assert told["image_extended"].n == (2,)
    assert math.isnan(told["total_compact"].value) and told["image_compact"].n == (0,)


def test_equal_masks_score_one():
    table = np.stack([confusion(m, m) for m in (mask("0123", "0000"), mask("0022", "0000"))])
    told = score_estimates(table)
    assert told["score"].value == told["total"].value == told["total_spurious"].value == 1.0
    assert (told["score"].low, told["score"].high) == (1.0, 1.0)


def test_objects_match_from_half_overlap_on():
    truth = mask("2200022", "2200022", "0000000", "3330000")
    found = mask("2200020", "2200000", "0000000", "3333330")
    compact, extended = match_objects(truth, found)[1:]
    assert compact.tolist() == [1, 1, 1]  # one matched; one found 1 of 4 pixels: another object
    assert extended.tolist() == [1, 0, 0]  # 3 of 6 pixels: exactly half


def test_objects_of_other_classes_do_not_match():
    spurious, compact, extended = match_objects(mask("2200"), mask("3300"))
    assert spurious.tolist() == [0, 0, 0]
    assert compact.tolist() == [0, 0, 1]
    assert extended.tolist() == [0, 1, 0]


def test_pixels_that_touch_at_a_corner_are_one_object():
    assert match_objects(mask("200", "020"), mask("200", "020"))[1].tolist() == [1, 0, 0]


def test_two_halves_of_an_object_match_once():
    """Two found objects of IoU 1/2 each with one asked for."""
    truth, found = mask("2222"), mask("2222")
    found[0, 2:] = 3
    assert match_objects(truth, found)[1].tolist() == [1, 0, 0]
    assert match_objects(mask("22222"), mask("22022"))[1].tolist() == [0, 2, 1]  # 2 of 5 each


def test_precision_recall_and_f1():
    matches = np.array([[[0, 0, 0], [3, 1, 0], [1, 0, 1]], [[0, 0, 0], [1, 1, 2], [0, 0, 0]]])
    told = object_estimates(matches)
    assert told["precision_compact"].value == pytest.approx(4 / 6)
    assert told["recall_compact"].value == pytest.approx(4 / 6)
    assert told["f1_compact"].value == pytest.approx(8 / 12)
    assert told["recall_extended"].value == pytest.approx(0.5)
    assert told["recall_compact"].n == (6,)
    assert math.isnan(told["precision_spurious"].value)


def test_lines_of_the_report_have_the_ceiling_beside():
    good = confusion(mask("2200", "0000"), mask("2200", "0000"))[None]
    bad = confusion(mask("2200", "0000"), mask("0000", "0000"))[None]
    matches = np.zeros((1, 3, 3), int)
    lines = {m.key: m for m in segmentation_metrics((good, matches), (bad, matches))}
    assert lines["seg_score"].real.value == 1.0
    assert lines["seg_score"].value.value == pytest.approx(0.5 * (6 / 8))
    assert "Eq. 10-11" in lines["seg_score"].title
    assert len(lines) == 4 + 8 + 9
