"""Distances between sets of features against closed forms and sets whose answer is known."""

import numpy as np
import pytest
from scipy import linalg

from radiff.errors import InputError
from radiff.evaluate.metrics.distances import (
    fid,
    fid_by_size,
    fid_estimate,
    frechet_distance,
    kid,
    kid_estimate,
    moments,
    prdc,
    prdc_estimates,
    standardised,
)


def covariance(seed, width=6):
    root = np.random.default_rng(seed).normal(size=(width, width))
    return root @ root.T / width


def normal(count, width=8, shift=0.0, scale=1.0, seed=0):
    return np.random.default_rng(seed).normal(shift, scale, (count, width))


def test_frechet_distance_of_diagonal_gaussians_is_the_closed_form():
    means = np.array([1.0, -2.0, 0.5]), np.array([0.0, 1.0, 2.5])
    deviations = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    expected = sum((a - b) @ (a - b) for a, b in (means, deviations))  # per axis (m1 - m2)^2 + (s1 - s2)^2
    found = frechet_distance(means[0], np.diag(deviations[0] ** 2), means[1], np.diag(deviations[1] ** 2))
    assert found == pytest.approx(expected, abs=1e-6)


def test_frechet_distance_of_gaussians_that_do_not_commute():
    first, second = covariance(0), covariance(1)
    shift = np.arange(6) / 3
    expected = shift @ shift + np.trace(first + second - 2 * linalg.sqrtm(first @ second).real)
    assert frechet_distance(shift, first, np.zeros(6), second) == pytest.approx(expected, abs=1e-6)


def test_frechet_distance_of_one_shape_turned():
    """A = diag(a, b) against diag(b, a): 2 (sqrt a - sqrt b)^2."""
    assert frechet_distance(np.zeros(2), np.diag([4.0, 9.0]), np.zeros(2), np.diag([9.0, 4.0])) == pytest.approx(2.0)


def test_the_mean_enters_squared():
    """Eq. 9 as printed lacks the square: a shift of 3 would give 3."""
    assert frechet_distance(np.array([3.0]), np.eye(1), np.zeros(1), np.eye(1)) == pytest.approx(9.0, abs=1e-6)


def test_equal_sets_have_no_distance():
    features = normal(100) @ covariance(2, 8)
    assert fid(features, features) == pytest.approx(0.0, abs=1e-6)
    assert fid(features, features[::-1]) == pytest.approx(0.0, abs=1e-6)


def test_equal_sets_with_a_feature_that_never_changes():
    features = normal(100)
    features[:, 3] = 2.0
    assert fid(features, features) == pytest.approx(0.0, abs=1e-6)


def test_fid_of_samples_comes_near_that_of_their_gaussians():
    found = fid(normal(20000), normal(20000, shift=0.5, scale=2.0, seed=1))
    assert found == pytest.approx(8 * (0.25 + 1.0), rel=0.02)


def test_fid_in_single_precision_features_is_computed_in_double():
    features = (normal(400) * 1e-3 + 100).astype(np.float32)
    others = features[::-1].copy()
    assert fid(features, others) == pytest.approx(0.0, abs=1e-9)
    assert moments(features)[1].dtype == np.float64


def test_too_few_samples_are_refused_with_the_number_needed():
    with pytest.raises(InputError, match="FID on 8 features needs at least 9 images in each set, here are 8 and 50"):
        fid(normal(8), normal(50))
    assert np.isfinite(fid(normal(9), normal(9, seed=1)))


def test_fid_falls_with_the_sample_size_and_its_extrapolation_does_not():
    """Two sets of one distribution: the FID is all bias, near a constant over n."""
    features, others = normal(2000, 32, seed=1), normal(2000, 32, seed=2)
    value = fid_estimate(features, others)
    found = fid_by_size(features, others, value)
    assert found["n"][0] == 500 and found["n"][-1] == 2000
    assert found["fid"][0] > 2.5 * found["fid"][-1] > 0
    infinite = found["infinite"]
    assert abs(infinite["value"]) < 0.2 * value.value
    assert infinite["low"] < 0 < infinite["high"]
    assert found["slope"] > 0


def test_no_extrapolation_from_too_few():
    found = fid_by_size(normal(10), normal(10, seed=1), fid_estimate(normal(10), normal(10, seed=1)))
    assert found == {"reason": "needs 12 images in each set, here are 10"}


def test_the_interval_of_the_fid_covers_new_draws():
    """Over new sets of 200, the FID lies within the interval of one of them about as often as it should."""
    truth = [fid(normal(200, seed=k), normal(200, shift=0.7, seed=1000 + k)) for k in range(60)]
    spread = 1.96 * np.std(truth)
    widths = []
    for k in range(8):
        told = fid_estimate(normal(200, seed=k), normal(200, shift=0.7, seed=1000 + k), seed=k)
        assert told.low < told.value < told.high
        widths.append(0.5 * (told.high - told.low))
    assert np.mean(widths) == pytest.approx(spread, rel=0.3)


def test_kid_is_unbiased():
    same = [kid(normal(40, seed=k), normal(40, seed=500 + k)) for k in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(200)
    assert kid(normal(200), normal(200, shift=0.5, seed=1)) > 5 * np.std(same)


def test_kid_is_the_mean_over_pairs():
    features, others = normal(6, 3), normal(5, 3, seed=1)

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    within = np.mean([kernel(features[i], features[j]) for i in range(6) for j in range(6) if i != j])
    beyond = np.mean([kernel(others[i], others[j]) for i in range(5) for j in range(5) if i != j])
    across = np.mean([kernel(a, b) for a in features for b in others])
    assert kid(features, others) == pytest.approx(within + beyond - 2 * across, abs=1e-12)


def test_standardised_features_have_no_scale():
    features, others = normal(50), normal(60, shift=0.3, seed=1)
    first = kid(*standardised(features, others))
    assert kid(*standardised(7 + 50 * features, 7 + 50 * others)) == pytest.approx(first, rel=1e-9)
    table, _ = standardised(features, others)
    assert table.mean(0) == pytest.approx(np.zeros(8), abs=1e-12)
    assert (table**2).mean() == pytest.approx(1.0)


def test_the_interval_of_kid_holds_zero_for_one_distribution():
    inside = [
        (told := kid_estimate(normal(100, seed=k), normal(100, seed=500 + k), seed=k)).low < 0 < told.high
        for k in range(20)
    ]
    assert np.mean(inside) >= 0.8


def test_precision_and_recall_by_hand():
    """Three real points on a line and synthetic ones at known places, one neighbour."""
    real = np.array([[0.0], [1.0], [3.0]])  # reaches 1, 1, 2
    made = np.array([[0.5], [1.5], [10.0]])  # reaches 1, 1, 8.5
    found = prdc(real, made, neighbours=1)
    assert found["precision"] == pytest.approx(2 / 3)  # 10 is in no reach
    assert found["recall"] == pytest.approx(1.0)  # 0 and 1 by 0.5, 3 by 10
    assert found["density"] == pytest.approx((2 + 2 + 0) / 3)  # 0.5: 0, 1; 1.5: 1, 3
    assert found["coverage"] == pytest.approx(1.0)


def test_precision_and_recall_of_one_distribution_and_of_strangers():
    same = prdc(normal(500), normal(500, seed=1))
    assert same["density"] == pytest.approx(1.0, abs=0.1)
    assert same["coverage"] > 0.9
    far = prdc(normal(100), normal(100, shift=50.0, seed=1))
    assert far == {"precision": 0.0, "recall": 0.0, "density": 0.0, "coverage": 0.0}


def test_a_narrow_set_is_precise_and_recalls_little():
    found = prdc(normal(400), normal(400, scale=0.3, seed=1))
    assert found["precision"] > 0.95
    assert found["recall"] < 0.3


def test_intervals_of_precision_and_its_like():
    told = prdc_estimates(normal(300), normal(300, shift=0.5, seed=1))
    for name, one in told.items():
        assert one.low <= one.value <= one.high, name
        assert one.n == (300, 300)
    assert told["precision"].high <= 1.0


def test_too_few_for_neighbours():
    with pytest.raises(InputError, match="need more than 5 images in each set, here are 5 and 20"):
        prdc(normal(5), normal(20))
    with pytest.raises(InputError, match="KID needs at least 4 images"):
        kid(normal(3), normal(20))
