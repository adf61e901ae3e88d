"""Figures of objects, on sources of which the answer is known."""

import numpy as np
import pytest

from radiff.errors import InputError
from radiff.evaluate.joint import sources
from radiff.evaluate.joint.stacks import stack_of
from radiff.masks import SourceObject

Y, X = np.indices((64, 64))


def gaussian(x, y, peak, major=3.0, minor=3.0, pa=0.0):
    """FWHM in pixels, pa in deg east (left) of north (up)."""
    along = np.deg2rad(pa)
    u = -(X - x) * np.sin(along) + (Y - y) * np.cos(along)
    v = (X - x) * np.cos(along) + (Y - y) * np.sin(along)
    return peak * np.exp(-4 * np.log(2) * (u**2 / major**2 + v**2 / minor**2))


def disc(x, y, radius):
    return (X - x) ** 2 + (Y - y) ** 2 <= radius**2


def one_object(kind, pixels, **info):
    return SourceObject.from_pixels("S1", kind, pixels, info)


def stack(image, kind, pixels, name="s", **more):
    item = one_object(kind, pixels, **more.pop("info", {}))
    return stack_of(name, image[None], (kind * pixels)[None].astype(np.uint8), objects=[[item]], **more)


def by_title(lines):
    return {line.title: line for line in lines}


def test_peaks_over_asked_by_annotation_and_by_the_real_image():
    pixels = disc(30, 30, 4)
    real = stack(gaussian(30, 30, 50), 2, pixels)
    made = stack(gaussian(30, 30, 40), 2, pixels, info={"asked_peak_snr": 80.0}, scale=np.array([2.0]))
    assert sources.peaks(real, made).ratio == pytest.approx([1.0])  # 40 measured rms are 80 of the rms asked
    lines = by_title(sources.peak_lines(real, stack(gaussian(30, 30, 40), 2, pixels)))
    assert lines["peak over asked, median"].value.value == pytest.approx(0.8)
    assert lines["peak over asked, median"].met is False
    assert lines["peak over asked, compact, median"].value.n == (1,)


def test_edges_are_counted_ring_by_ring():
    pixels = (np.abs(X - 30) <= 4) & (np.abs(Y - 30) <= 4)  # 9 x 9
    away = np.maximum(np.abs(X - 30), np.abs(Y - 30)) - 4
    image = np.where(away <= 0, 10.0 - away, 5.0 - away).astype(np.float32)  # edge 10, then 4, 3, 2
    image[26, 30], image[26, 31], image[25, 30] = 1.0, 2.5, 2.0
    counts = sources.edge_counts(stack(image, 3, pixels))[0, 2]
    assert counts[:, 0].tolist() == [24, 32, 40, 48, 56]
    assert counts[0, 1] == 24 * 11 and counts[3, 1] == 48 * 3
    assert counts[1, 2:].tolist() == [1, 2] and counts[2, 2:].tolist() == [0, 1]
    lines = by_title(sources.edge_lines(stack(image, 3, pixels), stack(image, 3, pixels)))
    assert lines["edge, extended: outermost ring below 2 rms"].value.value == pytest.approx(1 / 32)
    assert lines["edge, all: first ring outside above 3 rms"].value.value == pytest.approx(39 / 40)
    assert lines["profile, all: mean at -2 pixels, rms"].real == pytest.approx(11.0)


def test_holes_by_loud_sources_and_dips_beside_spurious_objects():
    pixels = disc(30, 30, 3)
    image = gaussian(30, 30, 150)
    image[30, 50:53] = -6
    loud, quiet = stack(image, 2, pixels), stack(gaussian(30, 30, 150), 2, pixels)
    assert sources.loud_sources(loud).tolist() == [1]
    line = sources.hole_lines(loud, quiet)[0]
    assert line.value.value == 0.0 and line.met is False and line.note.startswith("0.00 a source, real 3.00; 1 ")
    spurious = gaussian(30, 30, 8)
    spurious[30, 47] = -5  # 14 pixels from the edge of the disc: within 5 beams of 3 pixels
    assert [t.tolist() for t in sources.dips(stack(spurious, 1, pixels))] == [[1], [1]]
    spurious[30, 47], spurious[30, 49] = 0, -5
    assert [t.tolist() for t in sources.dips(stack(spurious, 1, pixels))] == [[0], [1]]


def test_widths_and_angle_of_a_compact_source():
    beams = np.array([[4.0, 3.0, 30.0]])
    image = gaussian(30, 31, 50, 4.8, 3.0, 40.0)
    shapes, _, which = sources.compact_shapes(stack(image, 2, disc(30, 31, 4), beams=beams))
    assert shapes[0] == pytest.approx([1.2, 1.0, 10.0], abs=1e-3) and which == [(0, 0)]
    faint = stack(image / 10, 2, disc(30, 31, 4), beams=beams)
    assert len(sources.compact_shapes(faint)[0]) == 0
    assert "no bright compact object" in sources.width_lines(faint, faint)[0].note


def test_stacks_of_other_masks_are_refused():
    first, second = (stack(gaussian(30, 30, 50), 2, disc(30, 30, r)) for r in (3, 4))
    with pytest.raises(InputError, match="its masks are not those of s; pair them by name first"):
        sources.check_pairs(first, second)
