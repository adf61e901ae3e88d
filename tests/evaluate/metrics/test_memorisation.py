"""Copies of training images are found, turned or not; new images are not taken for copies."""

import numpy as np
import pytest

import sky_sets
from radiff.evaluate.measure import measure_picture, small_image
from radiff.evaluate.metrics.memorisation import (
    SYMMETRIES,
    Neighbours,
    closest,
    copies_share,
    memorisation_metrics,
    nearer_chance,
    nearest,
    nearest_by_features,
    nearest_by_pixels,
    turned,
)
from radiff.evaluate.report.page import differs
from radiff.evaluate.report.sheets import closest_sheet


def small(pictures):
    return np.concatenate([measure_picture(p).small for p in pictures])


@pytest.fixture(scope="module")
def train():
    return sky_sets.pictures(60)


def test_the_eight_symmetries_are_eight():
    image = np.arange(9).reshape(3, 3)
    assert len({turned(image, s).tobytes() for s in range(SYMMETRIES)}) == 8
    np.testing.assert_array_equal(turned(np.stack([image, image]), 5)[1], turned(image, 5))


def test_nearest_by_hand():
    index, distance = nearest(np.array([[2.0, 0.1], [0.0, -3.0]]), np.array([[0.0, 1.0], [5.0, 0.0], [1.0, -1.0]]))
    assert index.tolist() == [1, 2]
    assert distance[1] == pytest.approx(1 - np.sqrt(0.5), abs=1e-6)


@pytest.mark.parametrize("symmetry", range(SYMMETRIES))
def test_a_turned_copy_is_found(train, symmetry):
    copies = [turned(train[k].snr, symmetry) for k in (4, 17)]
    queries = np.stack([small_image(np.arcsinh(c / 2)) for c in copies])
    found = nearest_by_pixels(queries, small(train))
    assert found.index.tolist() == [4, 17]
    assert found.distance.max() < 1e-3


def test_the_neighbour_is_shown_as_it_lies_on_the_copy(train):
    made = [sky_sets.picture_of(f"c{s}", turned(train[s].snr, s), train[s].mask) for s in range(SYMMETRIES)]
    found = nearest_by_pixels(small(made), small(train))
    sheet = closest_sheet("pixels", sky_sets.image_set(made), sky_sets.image_set(train), found)
    for made_panel, train_panel in zip(*sheet.lines, strict=True):
        np.testing.assert_allclose(made_panel.image, train_panel.image, atol=1e-6)


def test_new_images_are_not_taken_for_copies(train):
    near = [nearest_by_pixels(small(sky_sets.pictures(60, start)), small(train)) for start in (200, 400)]
    metrics = {m.key: m for m in memorisation_metrics("pixels", *near)}
    assert metrics["nearer_pixels"].value.low < 0.5 < metrics["nearer_pixels"].value.high
    assert metrics["copies_pixels"].value.value < 0.1


def test_copies_are_seen(train):
    noisy = [sky_sets.picture_of(p.name, p.snr + 0.3 * sky_sets.noise((3, k)), p.mask) for k, p in enumerate(train)]
    near = [nearest_by_pixels(small(p), small(train)) for p in (noisy, sky_sets.pictures(60, 200))]
    metrics = {m.key: m for m in memorisation_metrics("pixels", *near)}
    assert metrics["nearer_pixels"].value.low > 0.9 and differs(metrics["nearer_pixels"])
    assert metrics["copies_pixels"].value.low > 0.5
    assert metrics["near_pixels"].value.high < metrics["near_pixels"].real.low


def test_farther_from_the_training_set_than_real_images_is_no_fault():
    far, near = (Neighbours(np.zeros(40, np.int64), np.full(40, d), np.zeros(40, np.int64)) for d in (0.8, 0.4))
    assert not any(differs(m) for m in memorisation_metrics("pixels", far, near) if m.target is not None)
    assert all(differs(m) for m in memorisation_metrics("pixels", near, far) if m.target is not None)


def test_features_less_their_mean():
    """What all images share does not make them near."""
    random = np.random.default_rng(0)
    train = random.normal(size=(50, 6)) + 100.0
    found = nearest_by_features(np.concatenate([train[7:8], random.normal(size=(1, 6)) + 100.0]), train)
    assert found.index[0] == 7 and found.distance[0] == pytest.approx(0.0, abs=1e-5)
    assert found.distance[1] > 0.01


def test_chances_by_hand():
    assert nearer_chance(np.array([0.1, 0.2]), np.array([0.3, 0.4, 0.2])) == pytest.approx((3 + 2.5) / 6)
    assert nearer_chance(np.array([1.0]), np.array([1.0, 1.0])) == 0.5
    assert copies_share(np.zeros(4), np.arange(1.0, 101.0)) == 1.0


def test_the_closest_come_first():
    found = Neighbours(np.zeros(3, int), np.array([0.3, 0.1, 0.2]), np.zeros(3, int))
    assert closest(found, 2).tolist() == [1, 2]
