"""The gate on images of known content: what is good passes, each fault is named."""

from dataclasses import replace

import numpy as np
import pytest

from pair_samples import BEAM, RMS, sky_with
from radiff.augment import GateOptions, judge
from radiff.masks import SourceObject, objects_to_mask

SOURCES = [(16, 16, 40.0, BEAM), (46, 20, 30.0, BEAM), (30, 46, 30.0, 4 * BEAM)]
ALL = GateOptions()


@pytest.fixture(scope="module")
def sky():
    """A cutout, its objects (as an annotator marks them) and their peaks."""
    cutout, annotation = sky_with(SOURCES, 1)
    assert len(annotation.objects) == 3
    peaks = [float(cutout.image[o.slices][o.stamp].max()) / RMS for o in annotation.objects]
    return cutout, annotation.objects, peaks


def reason(sky, options=ALL, segment=None, **changed):
    cutout, objects, peaks = sky
    return judge(
        changed.get("cutout", cutout),
        changed.get("objects", objects),
        changed.get("peaks", peaks),
        options,
        segment,
        BEAM,
        changed.get("background"),
    ).reason


def moved(one: SourceObject, dy: int) -> SourceObject:
    return replace(one, y0=one.y0 + dy)


def test_what_is_as_asked_passes(sky):
    cutout, objects, peaks = sky
    verdict = judge(cutout, objects, peaks, ALL, None, BEAM)
    assert verdict.reason == "" and min(verdict.iou) > 0.9 and verdict.segmenter_iou == []
    assert sorted(one.class_value for one in verdict.objects) == sorted(one.class_value for one in objects)


def test_a_wrong_peak_is_named(sky):
    wrong = [sky[2][0] * 1.4, *sky[2][1:]]
    assert reason(sky, peaks=wrong) == "peak is not as asked"
    assert reason(sky, replace(ALL, peak_tolerance=0.35), peaks=wrong) == ""
    assert reason(sky, replace(ALL, peak_tolerance=0.0), peaks=wrong) == ""
    assert reason(sky, peaks=[0.0, *sky[2][1:]]) == ""  # not asked


def test_an_object_that_is_elsewhere_is_named(sky):
    objects = [moved(sky[1][0], 12), *sky[1][1:]]
    free = replace(ALL, peak_tolerance=0.0)
    assert reason(sky, free, objects=objects) == "an object is not where the mask says"
    assert reason(sky, replace(free, least_iou=0.0), objects=objects) == "a source was not asked for"
    faint = [5.0, *sky[2][1:]]  # may be lost in the noise
    assert reason(sky, replace(free, extra=False), objects=objects, peaks=faint) == ""


def test_a_source_that_was_not_asked_for_is_named(sky):
    assert reason(sky, objects=sky[1][1:], peaks=sky[2][1:]) == "a source was not asked for"
    shown = sky[0].image / RMS  # it was there before
    assert reason(sky, objects=sky[1][1:], peaks=sky[2][1:], background=shown) == ""
    assert reason(sky, replace(ALL, extra=False), objects=sky[1][1:], peaks=sky[2][1:]) == ""


def test_what_the_segmenter_does_not_see_is_named(sky):
    shape = sky[0].image.shape
    full = objects_to_mask(sky[1], shape)
    assert reason(sky, segment=lambda cutout: full) == ""
    blind = objects_to_mask(sky[1][1:], shape)
    assert reason(sky, segment=lambda cutout: blind) == "the segmenter does not see an object"
    assert reason(sky, replace(ALL, segmenter_iou=0.0), segment=lambda cutout: blind) == ""
    other = np.where(full > 0, 1, 0).astype(np.uint8)  # of another class: seen all the same
    assert reason(sky, segment=lambda cutout: other) == ""


def test_labels_are_what_stands_on_the_image(sky):
    cutout, objects, peaks = sky
    smaller = [replace(o, stamp=o.stamp & (np.indices(o.stamp.shape).sum(0) % 2 == 0)) for o in objects]
    found = judge(cutout, smaller, peaks, GateOptions(0, 0, 0, False, "found"), None, BEAM).objects
    assert sorted(o.npix for o in found) == sorted(o.npix for o in objects)
    asked = judge(cutout, smaller, peaks, GateOptions(0, 0, 0, False, "asked"), None, BEAM).objects
    assert [o.npix for o in asked] == [o.npix for o in smaller]


def test_two_sources_that_run_together_are_extended():
    cutout, annotation = sky_with([(30, 30, 40.0, BEAM), (35, 30, 40.0, BEAM)], 2)
    (island,) = annotation.objects
    half = island.stamp.shape[1] // 2
    pair = [
        SourceObject("S1", 2, island.stamp[:, :half], island.y0, island.x0),
        SourceObject("S2", 2, island.stamp[:, half:], island.y0, island.x0 + half),
    ]
    (found,) = judge(cutout, pair, None, GateOptions(0, 0, 0, False, "found"), None, BEAM).objects
    assert found.class_value == 3 and found.npix == island.npix
    (single,) = judge(cutout, pair[:1], None, GateOptions(0, 0, 0, False, "found"), None, BEAM).objects
    assert single.class_value == 3  # one source was asked for, but what stands there is longer than a point source


@pytest.mark.parametrize(("asked", "found"), [(1, 1), (2, 2), (3, 2)])
def test_what_looks_like_a_point_source_is_no_extended_one(asked, found):
    cutout, annotation = sky_with([(30, 30, 40.0, BEAM)], 2)
    objects = [replace(one, class_value=asked) for one in annotation.objects]
    (label,) = judge(cutout, objects, None, GateOptions(0, 0, 0, False, "found"), None, BEAM).objects
    assert label.class_value == found
    (kept,) = judge(cutout, objects, None, GateOptions(0, 0, 0, False, "asked"), None, BEAM).objects
    assert kept.class_value == asked


def test_a_source_cut_by_the_edge_keeps_its_class():
    cutout, annotation = sky_with([(30, 1, 40.0, BEAM)], 2)
    objects = [replace(one, class_value=3) for one in annotation.objects]
    (label,) = judge(cutout, objects, None, GateOptions(0, 0, 0, False, "found"), None, BEAM).objects
    assert label.class_value == 3
