"""Tiles divide an image and windows cover it, whatever their sizes; weights sum to one; boxes that meet are found."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiff.tiling import BoxIndex, even_starts, iter_windows, ramp, shared_pixels, spans, split_tiles

lengths = st.integers(1, 400)


@settings(deadline=None, max_examples=60)
@given(lengths, lengths, st.integers(5, 150), st.integers(0, 40), st.integers(0, 60))
def test_cores_divide_an_image(ny, nx, core, margin, rest):
    seen = np.zeros((ny, nx), int)
    image = np.arange(ny * nx).reshape(ny, nx)
    for tile in split_tiles((ny, nx), core, margin, rest):
        y0, y1, x0, x1 = tile.core
        seen[y0:y1, x0:x1] += 1
        top, bottom, left, right = tile.box
        assert top == max(y0 - margin, 0) and right == min(x1 + margin, nx) and tile.margin == margin
        assert np.array_equal(image[top:bottom, left:right][tile.inner], image[y0:y1, x0:x1])
        assert max(y1 - y0, x1 - x0) <= core + rest
    assert (seen == 1).all()


@settings(deadline=None, max_examples=60)
@given(lengths, st.integers(1, 100), st.integers(0, 50))
def test_spans(length, size, rest):
    parts = spans(length, size, rest)
    assert parts[0][0] == 0 and parts[-1][1] == length
    assert all(a[1] == b[0] for a, b in pairwise(parts))
    assert all(b - a == size for a, b in parts[:-1])
    assert len(parts) == 1 or parts[-1][1] - parts[-1][0] > min(rest, size - 1)


def test_bands_of_whole_rows():
    tiles = split_tiles((100, 30), (40, 30), 8, rest=25)
    assert [tile.core for tile in tiles] == [(0, 40, 0, 30), (40, 100, 0, 30)]
    assert [tile.box for tile in tiles] == [(0, 48, 0, 30), (32, 100, 0, 30)]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 500), st.sampled_from([(32, 8), (64, 32), (16, 1), (128, 64)]), st.sampled_from([1, 2]))
def test_even_windows_cover_an_axis(length, window, step):
    size, overlap = window
    starts = even_starts(length, size, overlap, step)
    assert starts[0] == 0 and starts[-1] == max(length - size, 0)
    assert all(start % step == 0 for start in starts[:-1])
    assert all(b - a <= size - overlap + step for a, b in pairwise(starts))
    if len(starts) > 2:  # evenly spread
        steps = np.diff(starts)
        assert steps.max() - steps.min() <= 2 * step


def test_ramp():
    np.testing.assert_allclose(ramp(6, 2), [0.25, 0.75, 1, 1, 0.75, 0.25])
    np.testing.assert_allclose(ramp(3, 0), 1)
    np.testing.assert_allclose(ramp(6, 2, low=False), [1, 1, 1, 1, 0.75, 0.25])
    np.testing.assert_allclose(ramp(5, 3, first=1.0), [0.25, 0.5, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(ramp(6, 3, high=False, first=1.0), [0.25, 0.5, 0.75, 0.75, 0.75, 0.75])


@settings(deadline=None, max_examples=60)
@given(st.integers(20, 300), st.sampled_from([(16, 4), (24, 8), (64, 16)]))
def test_weights_of_windows_sum_to_one(length, window):
    """Where windows share just their overlap, blending is an average: no border is seen."""
    size, overlap = window
    total, shared = np.zeros(length), np.zeros(length, int)
    for _, _, x0, x1 in iter_windows((1, length), size, overlap):
        total[x0:x1] += ramp(x1 - x0, overlap, x0 > 0, x1 < length)
        shared[x0:x1] += 1
    if (length - size) % (size - overlap) == 0 and length >= size and size >= 2 * overlap:
        assert total == pytest.approx(np.ones(length))
    assert (total > 0).all() and (shared > 0).all()


boxes = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 120), st.integers(0, 300), st.integers(1, 120)).map(
        lambda b: (b[0], b[0] + b[1], b[2], b[2] + b[3])
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(boxes, st.sampled_from([7, 64, 512]))
def test_boxes_that_meet(items, side):
    *others, mine = items
    index = BoxIndex(others, side)
    y0, y1, x0, x1 = mine
    wanted = [k for k, (a, b, c, d) in enumerate(others) if a < y1 and y0 < b and c < x1 and x0 < d]
    assert index.meeting(mine) == wanted


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1000), st.integers(-6, 6), st.integers(-6, 6))
def test_shared_pixels(seed, dy, dx):
    random = np.random.default_rng(seed)
    a, b = random.random((5, 7)) > 0.5, random.random((4, 3)) > 0.5
    canvas = np.zeros((2, 30, 30), bool)
    canvas[0, 10:15, 10:17], canvas[1, 10 + dy : 14 + dy, 10 + dx : 13 + dx] = a, b
    assert shared_pixels(a, (10, 10), b, (10 + dy, 10 + dx)) == int(canvas.all(0).sum())
