"""Windows on maps: no extended object is cut, and what is not kept is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiff.data.cut import CutOptions, CutPiece, Region, cut, grid_positions
from radiff.data.extract import peak_inside
from radiff.errors import InputError
from radiff.masks.classes import COMPACT, EXTENDED, SPURIOUS
from radiff.masks.instances import SourceObject
from radiff.masks.rg import Annotation
from radiff.sky.cutout import Cutout


def make_map(ny, nx, objects=(), seed=0):
    """A noise map and objects given as (class, y0, x0, height, width)."""
    image = np.random.default_rng(seed).normal(size=(ny, nx)).astype(np.float32)
    sources = [
        SourceObject(f"S{number}", value, np.ones((height, width), bool), y0, x0)
        for number, (value, y0, x0, height, width) in enumerate(objects, start=1)
    ]
    return Cutout(image), Annotation(sources, (ny, nx))


def whole_or_absent(piece, annotation, margin=1):
    """No extended object has pixels both inside and outside, or on the edge, of the window."""
    y0, y1, x0, x1 = piece.box
    for one in annotation.objects:
        if one.class_value != EXTENDED:
            continue
        pixels = one.pixels(annotation.shape)
        inside = pixels[y0:y1, x0:x1].sum()
        inner = pixels[y0 + margin : y1 - margin, x0 + margin : x1 - margin].sum()
        if inside and inner != pixels.sum():
            return False
    return True


boxes = st.tuples(
    st.sampled_from([SPURIOUS, COMPACT, EXTENDED, EXTENDED]),
    st.integers(0, 70),
    st.integers(0, 90),
    st.integers(1, 45),
    st.integers(1, 45),
)


@st.composite
def annotated_maps(draw):
    ny, nx = draw(st.integers(20, 100)), draw(st.integers(20, 120))
    objects = []
    for value, y0, x0, height, width in draw(st.lists(boxes, max_size=8)):
        y0, x0 = min(y0, ny - 1), min(x0, nx - 1)
        stamp = np.zeros((min(height, ny - y0), min(width, nx - x0)), bool)
        stamp[0, 0] = stamp[-1, -1] = True  # two islands at opposite corners: one object all the same
        stamp[stamp.shape[0] // 2] = True
        objects.append(SourceObject(f"S{len(objects)}", value, stamp, y0, x0))
    image = np.zeros((ny, nx), np.float32)
    if draw(st.booleans()):
        image[: draw(st.integers(1, ny)), : draw(st.integers(1, nx))] = np.nan
    return Cutout(image), Annotation(objects, (ny, nx))


@settings(max_examples=120, deadline=None)
@given(annotated_maps(), st.integers(8, 40), st.integers(5, 60), st.integers(0, 3), st.integers(0, 5))
def test_no_extended_object_is_cut_and_every_one_is_kept_or_reported(case, size, stride, margin, jitter):
    source, annotation = case
    options = CutOptions(margin=margin, jitter=jitter)
    pieces, report = cut(source, annotation, size, stride, options)
    ny, nx = source.shape
    for piece in pieces:
        y0, y1, x0, x1 = piece.box
        assert 0 <= y0 < y1 <= ny and 0 <= x0 < x1 <= nx and y1 - y0 == x1 - x0 == size
        assert whole_or_absent(piece, annotation, margin)
        assert source.valid[y0:y1, x0:x1].all()
    lost = {one.name for one in report.lost if one.what == "object"}
    for one in annotation.objects:
        if one.class_value == EXTENDED:
            held = any(one.window(*piece.box) is not None for piece in pieces)
            assert held == (one.name not in lost)
    assert sum(report.kinds.values()) == len(pieces)


def test_windows_of_an_empty_map_reach_every_edge():
    pieces, report = cut(*make_map(300, 300), size=128)
    assert pieces[0].box == (0, 128, 0, 128)
    assert {(piece.y0, piece.x0) for piece in pieces} == {(y, x) for y in (0, 86, 172) for x in (0, 86, 172)}
    assert report.kinds == {"grid": 9} and not report.lost


@pytest.mark.parametrize(
    ("length", "step", "overlap", "expected"),
    [
        (300, 128, 0.5, [0, 86, 172]),
        (300, 172, 0.5, [0, 172]),
        (150, 128, 0.5, [11]),
        (150, 128, 0.9, [0, 22]),
        (128, 64, 0.5, [0]),
        (127, 64, 0.5, []),
    ],
)
def test_grid_positions(length, step, overlap, expected):
    assert grid_positions(length, 128, step, overlap).tolist() == expected


def test_region_counts_agree_with_counting():
    random = np.random.default_rng(1)
    pixels = random.random((9, 14)) < 0.4
    image = np.zeros((40, 50), bool)
    image[7:16, 20:34] = pixels
    region = Region.of(pixels, 7, 20)
    rows, cols = np.arange(0, 30), np.arange(0, 40)
    counted = [[image[y : y + 10, x : x + 10].sum() for x in cols] for y in rows]
    np.testing.assert_array_equal(region.counts(rows, cols, 10), counted)


def test_a_window_is_shifted_to_the_nearest_place():
    source, annotation = make_map(64, 192, [(EXTENDED, 20, 60, 10, 10)])
    pieces, report = cut(source, annotation, size=64)
    assert pieces[0] == CutPiece(0, 7, 64, "shifted")  # columns 60 to 69 and one free column fit in 7 to 70
    assert any(piece.kind == "grid" for piece in pieces)
    assert not [one for one in report.lost if one.what == "object"]


def test_an_object_between_windows_gets_its_own():
    source, annotation = make_map(200, 200, [(EXTENDED, 80, 80, 40, 40)])
    pieces, report = cut(source, annotation, size=64, options=CutOptions(max_shift=0))
    (centred,) = [piece for piece in pieces if piece.kind == "centred"]
    assert (centred.y0, centred.x0) == (68, 68)
    assert report.kinds["centred"] == 1


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([(EXTENDED, 10, 10, 70, 5)], "its 5 x 70 pixels do not fit into a window of 64; use a larger --size"),
        ([(EXTENDED, 0, 60, 10, 10)], "reaches the edge of the map"),
        (
            [(EXTENDED, 60, 60, 9, 9), (EXTENDED, 40, 40, 1, 90), (EXTENDED, 80, 40, 1, 90), (EXTENDED, 30, 75, 90, 1)],
            "every window around it cuts another extended object",
        ),
    ],
)
def test_what_could_not_be_kept_is_reported_with_its_reason(objects, reason):
    _, report = cut(*make_map(150, 150, objects), size=64)
    (first, *_) = [one for one in report.lost if one.what == "object"]
    assert (first.name, first.reason) == ("S1", reason)


def test_blank_windows_are_reported():
    source, annotation = make_map(64, 256)
    source.image[:, :128] = np.nan
    pieces, report = cut(source, annotation, size=64, options=CutOptions(max_shift=16))
    assert {piece.x0 for piece in pieces} == {128, 192}
    assert [(one.what, one.reason) for one in report.lost] == [("window", "over 0% of it is blank")] * 2


def test_some_blank_pixels_may_be_allowed():
    source, annotation = make_map(64, 64)
    source.image[:6] = np.nan
    assert cut(source, annotation, size=64)[0] == []
    assert len(cut(source, annotation, size=64, options=CutOptions(max_blank=0.1))[0]) == 1


def test_a_map_smaller_than_the_window_is_reported():
    pieces, report = cut(*make_map(90, 100, [(EXTENDED, 40, 40, 5, 5)]), size=128)
    assert pieces == []
    assert report.lost[0].what == "map"
    assert report.lost[0].reason == "its 100 x 90 pixels are fewer than the window's 128 x 128; use a smaller --size"
    assert report.lost[1].name == "S1"


def test_compact_objects_may_be_clipped_and_empty_windows_left_out():
    source, annotation = make_map(128, 256, [(COMPACT, 50, 125, 6, 6)])
    pieces, _ = cut(source, annotation, size=128)
    assert len(pieces) == 2
    parts = [annotation.objects[0].window(*piece.box) for piece in pieces]
    assert [part.npix for part in parts] == [18, 18]
    source, annotation = make_map(128, 256, [(COMPACT, 50, 20, 6, 6)])
    pieces, report = cut(source, annotation, size=128, options=CutOptions(keep_empty=False))
    assert len(pieces) == 1 and report.skipped["no object in it"] == 1


def test_jitter_is_repeatable():
    source, annotation = make_map(300, 300)
    first = cut(source, annotation, 64, options=CutOptions(jitter=9, seed=3))[0]
    assert first == cut(source, annotation, 64, options=CutOptions(jitter=9, seed=3))[0]
    assert first != cut(source, annotation, 64, options=CutOptions(jitter=9, seed=4))[0]


def test_mask_of_another_size():
    source, _ = make_map(64, 64)
    with pytest.raises(
        InputError, match=r"^the mask has 60 x 50 pixels, the image 64 x 64; annotate this image again$"
    ):
        cut(source, Annotation([], (50, 60)), 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 2}, "a window of 2 pixels with a margin of 1 holds nothing"),
        ({"stride": 0}, "a stride of 0 pixels is no step; give 1 or more"),
        ({"max_overlap": 1.5}, "max-overlap is 1.5; give a fraction from 0 to 1"),
        ({"max_blank": -1}, "max-blank is -1; give a fraction from 0 to 1"),
        ({"jitter": -1}, "jitter and max-shift are lengths in pixels; give 0 or more"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError) as caught:
        CutOptions(**options)
    assert str(caught.value) == message


def test_a_peak_that_was_cut_off_is_not_told():
    image = np.zeros((40, 40), np.float32)
    image[10, 8:14] = [3.0, 9.0, 6.0, 4.0, np.nan, 2.0]
    whole = SourceObject("S1", COMPACT, np.ones((1, 6), bool), 10, 8, {"peak_flux": 9.0, "peak_snr": 18.0})
    seen = {
        0: (9.0, 18.0),  # all of it
        9: (9.0, 18.0),  # without the first pixel
        10: (6.0, 12.0),  # without the peak
        12: (2.0, 4.0),  # a blank pixel and the last
    }
    for first, expected in seen.items():
        cutout = Cutout(image).window(0, 40, first, 40)
        found = peak_inside(whole, whole.window(0, 40, first, 40), cutout)
        assert (found.info["peak_flux"], found.info["peak_snr"]) == pytest.approx(expected)
    bare = SourceObject("S2", COMPACT, np.ones((1, 6), bool), 10, 8)
    assert peak_inside(bare, bare.window(0, 40, 10, 40), Cutout(image).window(0, 40, 10, 40)).info == {}
