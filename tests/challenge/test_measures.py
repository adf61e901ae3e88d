"""Shares, spreads and bins against values from tables and by hand."""

import numpy as np
import pytest
from scipy import stats

from radiff.challenge.measures import (
    bin_numbers,
    log_edges,
    median_values,
    percentile_curve,
    share_curve,
    share_values,
)
from radiff.estimates import share


def test_share():
    assert share(8, 10).value == 0.8
    assert stats.beta(8.5, 2.5).cdf([share(8, 10).low, share(8, 10).high]) == pytest.approx([0.025, 0.975])  # Jeffreys
    assert share(0, 20).low == 0.0
    assert share(20, 20).high == 1.0
    assert share_values(0, 0) == {"value": None, "low": None, "high": None, "n": 0, "of": 0}


def test_intervals_hold_the_true_share():
    """Of samples of a share of 0.8, 95 % of the intervals hold it, to the discreteness of counts."""
    counts = np.random.default_rng(0).binomial(100, 0.8, 2000)
    ends = {n: share(int(n), 100) for n in np.unique(counts)}
    assert np.mean([ends[n].low <= 0.8 <= ends[n].high for n in counts]) == pytest.approx(0.95, abs=0.02)


def test_median_and_scatter():
    told = median_values([1.0, 2.0, 3.0, 4.0, 100.0, np.nan, np.inf])
    assert (told["n"], told["median"]) == (5, 3.0)
    assert told["scatter"] == pytest.approx(1.482602218505602)
    assert told["low"] is None  # too few for an interval
    sample = np.random.default_rng(1).normal(5.0, 2.0, 10_000)
    told = median_values(sample)
    assert told["scatter"] == pytest.approx(2.0, rel=0.02)
    half = 1.96 * 1.2533 * 2.0 / 100  # of the median of a Gaussian sample
    assert (told["low"], told["high"]) == pytest.approx((told["median"] - half, told["median"] + half), abs=0.01)
    assert median_values([])["median"] is None


def test_edges():
    edges = log_edges([np.geomspace(1, 100, 200), np.array([np.nan, -1.0, 0.0])])
    assert len(edges) == 13
    assert edges[1:] / edges[:-1] == pytest.approx(edges[1] / edges[0])
    assert log_edges([np.array([np.nan])]).tolist() == [0.5, 2.0]
    one = log_edges([np.full(50, 3.0)])
    assert one[0] < 3.0 < one[-1]


def test_bins():
    edges = np.array([1.0, 10.0, 100.0])
    assert bin_numbers(np.array([0.1, 1, 9.9, 10, 1e5, np.nan]), edges).tolist() == [0, 0, 0, 1, 1, -1]
    curve = share_curve(np.array([2.0, 3, 20, 30, 40]), np.array([True, False, True, True, True]), edges)
    assert (curve["n"], curve["of"], curve["value"]) == ([1, 3], [2, 3], [0.5, 1.0])
    curve = percentile_curve(np.array([2.0, 3, 4, 50]), np.array([1.0, 2, 3, np.nan]), edges)
    assert (curve["n"], curve["median"]) == ([3, 0], [2.0, None])
