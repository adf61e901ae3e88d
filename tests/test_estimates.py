"""Intervals against the spread of new draws, and their way to JSON and back."""

import json
import math

import numpy as np
import pytest

from radiff.estimates import (
    Estimate,
    Metric,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_sums,
    half_indices,
    half_sampled,
    interval,
)


def test_the_mean_and_its_interval():
    values = np.random.default_rng(0).normal(5, 2, 400)
    told = bootstrap_mean(values)
    assert told.value == pytest.approx(values.mean())
    assert told.n == (400,)
    assert told.high - told.low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)


def test_values_that_are_not_finite_do_not_count():
    told = bootstrap_mean([1.0, math.nan, 3.0, math.inf])
    assert (told.value, told.n) == (2.0, (2,))
    assert math.isnan(bootstrap_mean([math.nan]).value)


def test_a_ratio_of_sums_is_no_mean_of_ratios():
    told = bootstrap_sums([[1, 1], [0, 9]], lambda s: s[:, 0] / s[:, 1])
    assert told.value == pytest.approx(0.1)


def test_a_ratio_of_two_sets():
    random = np.random.default_rng(1)
    told = bootstrap_ratio(random.normal(6, 1, 300), random.normal(3, 1, 200))
    assert told.value == pytest.approx(2.0, rel=0.05)
    assert told.n == (200, 300)
    expected = 2.0 * math.hypot(1 / 6 / math.sqrt(300), 1 / 3 / math.sqrt(200))
    assert told.high - told.low == pytest.approx(2 * 1.96 * expected, rel=0.2)


def test_one_image_has_no_interval():
    told = bootstrap_mean([4.0])
    assert told.value == 4.0 and math.isnan(told.low)


def test_halves_are_halves_without_repetition():
    for first, second in half_indices((10, 7), 20):
        assert len(set(first)) == 5 and len(set(second)) == 3
        assert max(first) < 10 and max(second) < 7


def test_the_spread_of_halves_is_that_of_new_sets():
    """The mean of n values has the deviation 1 / sqrt(n)."""
    widths = []
    for seed in range(30):
        values = np.random.default_rng(seed).normal(size=200)
        halves = [values[half].mean() for (half,) in half_indices((200,), 40, seed)]
        told = half_sampled(values.mean(), halves, (200,))
        widths.append(0.5 * (told.high - told.low) / 1.96)
    assert np.mean(widths) == pytest.approx(1 / math.sqrt(200), rel=0.1)


def test_limits_of_a_half_sampled_interval():
    told = half_sampled(0.01, [0.0, 0.1], (4, 4), least=0.0, most=0.05)
    assert (told.low, told.high) == (0.0, 0.05)


def test_intervals_of_nothing():
    assert all(map(math.isnan, interval([math.nan, 1.0])))


def test_json_and_back():
    metric = Metric("fid", "distances", "FID", "lower", Estimate(1.0, math.nan, 2.0, (3, 4)), None, "a note")
    text = json.dumps(metric.to_json(), allow_nan=False)
    back = Metric.from_json(json.loads(text))
    assert back.value is not None and math.isnan(back.value.low)
    assert (back.key, back.value.value, back.value.n, back.real, back.note) == ("fid", 1.0, (3, 4), None, "a note")
