"""Distances of distributions against known answers, and lines of the report."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import sky_sets
from radiff.evaluate.measure import SetTable, measure_picture
from radiff.evaluate.metrics.physics import (
    asked_metrics,
    counts_above,
    histogram_distance,
    kolmogorov,
    physics_curves,
    physics_metrics,
)


def table(pictures, name="x"):
    return SetTable.join([measure_picture(p) for p in pictures])


@pytest.fixture(scope="module")
def real():
    return table(sky_sets.pictures(48))


def lines(real, made, baseline=None):
    return {m.key: m for m in physics_metrics(real, made, baseline)}


def test_kolmogorov_is_that_of_scipy():
    random = np.random.default_rng(0)
    first, second = random.normal(size=80).round(1), random.normal(0.3, 1, size=55).round(1)  # with ties
    assert kolmogorov(first, second) == pytest.approx(stats.ks_2samp(first, second).statistic)
    assert kolmogorov(first, first) == 0.0
    assert kolmogorov(np.zeros(3), np.ones(4)) == 1.0


def test_histogram_distance():
    assert histogram_distance(np.array([5, 5]), np.array([10, 0])) == pytest.approx(0.5)
    assert histogram_distance(np.array([1, 3]), np.array([2, 6])) == 0.0


def test_another_set_of_the_same_kind_is_within_the_baseline(real):
    other, third = table(sky_sets.pictures(48, 100)), table(sky_sets.pictures(48, 200))
    found = lines(real, other, (real, third))
    for key in ("peak_flux_w1", "size_ks", "pixels_tv", "noise_tv", "compactness_w1"):
        metric = found[key]
        assert metric.value.low <= metric.real.high, key
        assert metric.value.low >= 0.0
    assert found["noise_power_0"].value.low < 1 < found["noise_power_0"].value.high
    assert found["sources_5"].value.value == pytest.approx(found["sources_5"].real.value, rel=0.3)
    assert found["peak_flux_w1"].value.n == (len(real.source("peak_flux")[0]), len(other.source("peak_flux")[0]))


def test_equal_sets_have_no_distance(real):
    found = lines(real, real)
    for key, metric in found.items():
        if key.endswith(("_ks", "_w1", "_tv")):
            assert metric.value.value == pytest.approx(0.0, abs=1e-12), key
        if key.startswith("noise_power"):
            assert metric.value.value == pytest.approx(1.0)
    assert all(m.value is not None for m in found.values())


def test_fluxes_twice_as_large_shift_by_log_two(real):
    """Twice the rms at equal snr: all fluxes move by 0.301 dex, the rest stays."""
    louder = [measure_picture(p) for p in sky_sets.pictures(48)]
    for one in louder:
        one.sources[:, 1:3] *= 2
    found = lines(real, SetTable.join(louder))
    assert found["peak_flux_w1"].value.value == pytest.approx(np.log10(2), abs=1e-6)
    assert found["int_flux_w1"].value.value == pytest.approx(np.log10(2), abs=1e-6)
    assert found["peak_flux_median"].value.value == pytest.approx(2 * found["peak_flux_median"].real.value)
    assert found["compactness_w1"].value.value == 0.0


def test_fewer_sources_are_seen(real):
    empty = table([sky_sets.picture(k, empty=True) for k in range(24)])
    found = lines(real, empty)
    assert found["sources_5"].value.high < found["sources_5"].real.low
    assert found["peak_flux_median"].value is None
    assert "needs 10 sources in each set, here are" in found["peak_flux_median"].note
    assert "peak_flux_w1" not in found


def test_sources_above_a_level():
    pictures = [sky_sets.picture_of(f"{k}", sky_sets.gaussian(30, 30, peak, 4), np.zeros((64, 64), np.uint8))
                for k, peak in enumerate((8.0, 50.0))]  # fmt: skip
    found = table(pictures)
    assert counts_above(found, 5).tolist() == [1, 1]
    assert counts_above(found, 10).tolist() == [0, 1]


def test_flux_measured_over_asked_for(real):
    assert asked_metrics(real) == []
    measures = [measure_picture(p) for p in sky_sets.pictures(20)]
    changed = []
    for one in measures:
        rows = np.array([[10.0, 12.0, np.nan, 5.0], [30.0, 36.0, np.nan, 5.0]])
        changed.append(replace(one, asked=rows, asked_image=np.zeros(2, int)))
    found = {m.key: m for m in asked_metrics(SetTable.join(changed))}
    assert set(found) == {"asked_peak", "asked_scatter_peak"}
    assert found["asked_peak"].value.value == pytest.approx(1.2)
    assert found["asked_peak"].value.n == (40,)
    assert found["asked_scatter_peak"].value.value == pytest.approx(0.0, abs=1e-9)


def test_curves_hold_every_source(real):
    curves = physics_curves(real, real)
    count = len(real.source("size")[0])
    assert sum(curves["sources"]["size"]["real"]) == sum(curves["sources"]["size"]["made"]) == count
    assert curves["counts"]["real"][0] == pytest.approx(counts_above(real, 5).mean())
    assert len(curves["real"]["power"]) == len(curves["frequency"]) == 8
