"""Matching by position: pairs that can be seen by eye, a word for every row, at any place on the sky."""

import numpy as np
import pytest

from radiff.challenge.matching import match, reach_of

ARCSEC = 1 / 3600


def matched(truth, found, reach=3.0, spurious=None, truth_aside=None, found_aside=None, at=(150.0, 0.0), **more):
    """Truth and detections as (east, north) in arcsec from a place on the equator."""
    truth, found = (np.array(one, float).reshape(-1, 2) for one in (truth, found))
    sky = [(at[0] + one[:, 0] * ARCSEC, at[1] + one[:, 1] * ARCSEC) for one in (truth, found)]
    reach = np.full(len(truth), reach) if np.isscalar(reach) else np.array(reach, float)
    return match(
        *sky, reach, np.zeros(len(truth), bool) if spurious is None else np.array(spurious),
        np.full(len(truth), "") if truth_aside is None else np.array(truth_aside),
        np.full(len(found), "") if found_aside is None else np.array(found_aside), **more,
    )  # fmt: skip


def test_the_nearest_pairs_first():
    #  a detection between two sources goes to the nearer one, the other source to the next detection
    result = matched([(0, 0), (2, 0)], [(1.2, 0), (3.5, 0)])
    assert result.pairs.tolist() == [[1, 0]]
    assert result.found.tolist() == ["matched", "duplicate"]  # 3.5 is in reach of the source at 2, which is taken
    assert result.truth.tolist() == ["blended", "found"]
    assert result.near.tolist() == [1, 1]
    result = matched([(0, 0), (2, 0)], [(1.2, 0), (-1, 0)])
    assert result.pairs.tolist() == [[0, 1], [1, 0]]
    assert result.separation == pytest.approx([1.0, 0.8], abs=1e-6)


def test_distances_count_in_parts_of_the_reach():
    result = matched([(0, 0), (5, 0)], [(2, 0)], reach=[2.5, 10.0])
    assert result.pairs.tolist() == [[1, 0]]  # 0.3 of a reach, though 3 arcsec; the other: 0.8 of one, 2 arcsec


def test_words():
    result = matched(
        [(0, 0), (20, 0), (40, 0), (60, 0)],
        [(0, 0), (0.5, 0), (20, 0), (30, 0), (60, 0), (60.5, 0)],
        spurious=[False, True, False, False], truth_aside=["", "", "", "training"],
        found_aside=["", "", "", "", "training", ""],
    )  # fmt: skip
    assert result.found.tolist() == ["matched", "duplicate", "spurious", "false", "training", "training"]
    assert result.truth.tolist() == ["found", "artefact", "missed", "training"]
    assert result.near.tolist() == [0, 0, 1, -1, -1, 3]


def test_an_artefact_is_no_excuse_for_a_source():
    result = matched([(0, 0), (1, 0)], [(0.9, 0)], spurious=[False, True])
    assert result.found.tolist() == ["matched"]
    assert result.pairs.tolist() == [[0, 0]]


def test_at_the_border_of_the_training_area():
    """A source on this side may have its detection on the other side, and the other way round."""
    result = matched([(0, 0), (20, 0)], [(1, 0), (19, 0)], truth_aside=["", "training"], found_aside=["training", ""])
    assert result.found.tolist() == ["matched", "training"]
    assert result.truth.tolist() == ["found", "training"]
    result = matched([(0, 0)], [(1, 0), (0.5, 0)], found_aside=["outside", ""])
    assert result.found.tolist() == ["outside", "matched"]
    assert result.near.tolist() == [-1, 0]


def test_no_row_is_in_two_pairs():
    rng = np.random.default_rng(0)
    result = matched(rng.uniform(0, 60, (200, 2)), rng.uniform(0, 60, (300, 2)), at=(0.0, 60.0))
    true, found = result.pairs.T
    assert len(set(true)) == len(true) == (result.truth == "found").sum() > 50
    assert len(set(found)) == len(found) == (result.found == "matched").sum()
    assert (result.separation <= 3.0).all()
    assert ((result.found == "false") == (result.near < 0)).all()


@pytest.mark.parametrize("place", [(0.0, 0.0), (359.9999, -89.9), (180.0, 45.0)])
def test_everywhere_on_the_sky(place):
    """The same step north is as long everywhere, across the origin of right ascension too."""
    result = match(([place[0]], [place[1]]), ([place[0] + 360.0], [place[1] + 2 * ARCSEC]), [2.5], [False], [""], [""])
    assert result.separation == pytest.approx([2.0], abs=1e-6)


def test_nothing_to_match():
    assert matched([], [(0, 0)]).found.tolist() == ["false"]
    assert matched([(0, 0)], []).truth.tolist() == ["missed"]


def test_chance():
    """100 detections on a square degree, one source with a reach of 36 arcsec: 100 pi / 100^2."""
    found = np.stack([np.arange(100) * 1000.0, np.zeros(100)], axis=1)
    result = matched([(-500, 0)], found, reach=36.0, area=1.0)
    assert result.chance == pytest.approx(100 * np.pi * 1e-4)


def test_reach():
    assert reach_of([10.0, 3.0, np.nan], 6.0).tolist() == [5.0, 3.0, 3.0]
    assert reach_of([10.0, 3.0, np.nan], 6.0, radius=2.0).tolist() == [2.0, 2.0, 2.0]
