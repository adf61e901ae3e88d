"""Edges held at an isophote: every pixel on its side, the noise's spectrum kept, nothing moved far away."""

import numpy as np
import pytest
from scipy import ndimage

from radiff.generate.edges import EDGE_SNR, REACH, EdgeStrength, hold_edges
from radiff.masks import SourceObject, mask_to_objects
from radiff.sky import Beam, NoiseSpectrum

SPECTRUM = NoiseSpectrum.from_beam(Beam(3.0, 3.0), 1.0)
FULL = EdgeStrength(1.0, 1.0, 0.2)
SHAPE = (96, 96)


def source(y=48.0, x=48.0, peak=12.0, sigma=8.0, shape=SHAPE):
    rows, columns = np.indices(shape)
    return (peak * np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2)).astype(np.float32)


def sky(seed, truth):
    return (truth + SPECTRUM.draw(truth.shape, seed)).astype(np.float32)


def objects_of(truth):
    """Islands of the source alone above the isophote: the noise does not know them."""
    return mask_to_objects(np.where(truth > EDGE_SNR, 2, 0).astype(np.uint8))


def ring_of(own):
    return ndimage.binary_dilation(own, np.ones((3, 3))) & ~own


def sides(image, objects):
    """The lowest pixel of the objects, and the highest of the ring around them."""
    own = np.zeros(image.shape, bool)
    for one in objects:
        own[one.slices] |= one.stamp
    return image[own].min(), image[ring_of(own)].max()


@pytest.mark.parametrize("edge", [EDGE_SNR, 5.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_pixel_of_an_object_is_left_below_the_isophote(seed, edge):
    truth = source()
    objects = mask_to_objects(np.where(truth > edge, 2, 0).astype(np.uint8))
    image = sky(seed, truth)
    low, high = sides(image, objects)
    assert low < edge - 0.5 and high > edge + 0.5  # there is something to do
    held = hold_edges(image, objects, SPECTRUM.autocovariance, seed, edge, EdgeStrength(1.0, 0.0, 0.2))
    assert sides(held, objects)[0] >= edge


@pytest.mark.parametrize("edge", [EDGE_SNR, 5.0])
def test_both_sides_are_held_at_once(edge):
    """Smooth noise has to jump there: a few pixels stay on the wrong side, by little."""
    truth = source()
    objects = mask_to_objects(np.where(truth > edge, 2, 0).astype(np.uint8))
    own = objects[0].pixels(SHAPE)
    rim, ring = own & ~ndimage.binary_erosion(own, np.ones((3, 3))), ring_of(own)
    images = [sky(seed, truth) for seed in range(12)]
    held = [hold_edges(one, objects, SPECTRUM.autocovariance, k, edge, FULL) for k, one in enumerate(images)]
    before, after = (
        np.mean([np.r_[one[rim] < edge, one[ring] > edge].mean() for one in each]) for each in (images, held)
    )
    assert before > 0.25 and after < 0.3 * before
    low, high = (f([sides(one, objects)[k] for one in held]) for k, f in ((0, min), (1, max)))
    assert low > edge - 0.6 and high < edge + 0.6


def test_pixels_are_moved_by_no_more_than_the_margin_beyond():
    """A pixel alone: noise that knows no neighbours is moved to the isophote and the margin, no farther."""
    white = np.zeros((64, 64))
    white[32, 32] = 1.0
    one = [SourceObject("S1", 2, np.ones((1, 1), bool), 30, 30)]
    image = np.zeros(SHAPE, np.float32)
    for seed in range(20):
        held = hold_edges(image, one, white, seed, EDGE_SNR, EdgeStrength(1.0, 1.0, 0.5))
        assert EDGE_SNR - 0.05 < held[30, 30] < EDGE_SNR + 0.5
        held[30, 30] = 0
        assert np.abs(held).max() < 1e-6
    assert hold_edges(image, one, white, 0, EDGE_SNR, EdgeStrength(0.0, 1.0))[30, 30] == 0


def test_what_is_right_already_stays():
    truth = source()
    image = np.where(truth > EDGE_SNR, truth + 1, truth - 1).astype(np.float32)
    np.testing.assert_array_equal(hold_edges(image, objects_of(truth), SPECTRUM.autocovariance, 1), image)


def test_nothing_changes_beyond_the_reach():
    truth = source()
    objects, image = objects_of(truth), sky(1, truth)
    held = hold_edges(image, objects, SPECTRUM.autocovariance, 1, EDGE_SNR, FULL)
    far = ~ndimage.binary_dilation(objects[0].pixels(SHAPE), np.ones((2 * REACH + 3, 2 * REACH + 3)))
    assert far.mean() > 0.2
    np.testing.assert_array_equal(held[far], image[far])
    assert (held != image)[~far].mean() > 0.2


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_so_many_pixels_of_the_ring_are_moved(share):
    """Each by a chance of its own: of many fields, the share asked stays on the wrong side."""
    white = np.zeros((64, 64))
    white[32, 32] = 1.0
    stamp = np.ones((20, 20), bool)
    held = [
        hold_edges(np.full(SHAPE, 4.0, np.float32), [SourceObject("S1", 2, stamp, 38, 38)], white, seed, 3.0,
                   EdgeStrength(1.0, share))
        for seed in range(40)
    ]  # fmt: skip
    ring = np.zeros(SHAPE, bool)
    ring[37:59, 37:59], ring[38:58, 38:58] = True, False
    above = np.mean([(one[ring] > 3.05).mean() for one in held])
    assert above == pytest.approx(1 - share, abs=0.03)  # 40 fields of 84 pixels: an error of 0.009
    assert all((one[~ring] == 4.0).all() for one in held)


def bands(images):
    """Mean power in rings of frequency, tapered: the strongest mode would leak into all others."""
    window = np.hanning(images[0].shape[0] + 2)[1:-1]
    power = np.mean([np.abs(np.fft.fft2(one * window[:, None] * window)) ** 2 for one in images], axis=0)
    f = np.fft.fftfreq(power.shape[0])
    ring = (np.hypot(f[:, None], f[None, :]) * 16).astype(int)
    return np.array([power[ring == k].mean() for k in range(8)])


def test_the_spectrum_of_the_noise_is_kept():
    """A correction has the noise's own correlation; pixels moved alone give power where smooth noise has none."""
    smooth = NoiseSpectrum.from_beam(Beam(5.0, 5.0), 1.0)
    shape = (160, 160)
    truth = source(30, 48, peak=20.0, sigma=4.0, shape=shape)
    objects = objects_of(truth)
    own = objects[0].pixels(shape)
    before, after, alone = [], [], []
    for seed in range(100):
        image = truth + smooth.draw(shape, seed)
        held = hold_edges(image, objects, smooth.autocovariance, seed, EDGE_SNR, FULL)
        moved = np.where(own, np.maximum(image, EDGE_SNR), np.where(ring_of(own), np.minimum(image, EDGE_SNR), image))
        before.append(image - truth), after.append(held - truth), alone.append(moved - truth)
    real, kept, naive = bands(before), bands(after), bands(alone)
    np.testing.assert_allclose(kept[:4] / real[:4], 1.0, atol=0.02)
    assert real[:4].sum() > 0.999 * real.sum()
    assert ((naive - real)[5:] > 5 * np.abs(kept - real)[5:]).all()


def test_the_same_seed_gives_the_same():
    truth = source()
    objects, image = objects_of(truth), sky(2, truth)
    one, again, other = (hold_edges(image, objects, SPECTRUM.autocovariance, seed) for seed in (5, 5, 6))
    assert one.tobytes() == again.tobytes() and one.dtype == np.float32
    assert (one != other).any()


def test_without_objects_the_image_itself():
    image = sky(0, np.zeros(SHAPE, np.float32))
    assert hold_edges(image, [], SPECTRUM.autocovariance) is image


def test_the_image_given_is_not_changed():
    truth = source()
    image = sky(2, truth)
    kept = image.copy()
    hold_edges(image, objects_of(truth), SPECTRUM.autocovariance)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("place", [(0, 48), (95, 0), (95, 95), (48, 95)])
def test_an_object_at_the_edge_of_the_image(place):
    truth = source(*place)
    objects, image = objects_of(truth), sky(3, truth)
    assert objects[0].touches_edge(SHAPE)
    held = hold_edges(image, objects, SPECTRUM.autocovariance, 3, EDGE_SNR, EdgeStrength(1.0, 0.0, 0.2))
    assert sides(held, objects)[0] >= EDGE_SNR and sides(image, objects)[0] < EDGE_SNR - 0.5
    y, x = ((place[0] + 48) % 96, (place[1] + 48) % 96)  # as far as can be
    np.testing.assert_array_equal(held[y - 5 : y + 5, x - 5 : x + 5], image[y - 5 : y + 5, x - 5 : x + 5])


def test_two_objects_side_by_side():
    """What is one object's ring and the other's own belongs to the other."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[40:50, 40:50], mask[40:50, 50:60] = 2, 3
    objects = mask_to_objects(mask)
    assert len(objects) == 2
    image = SPECTRUM.draw(SHAPE, 4)
    held = hold_edges(image, objects, SPECTRUM.autocovariance, 4, 2.0, EdgeStrength(1.0, 0.0, 0.2))
    assert sides(held, objects)[0] >= 2.0
    # each alone: the ring on the other's pixels is held down, so those are pulled to both sides
    apart = hold_edges(image, objects[:1], SPECTRUM.autocovariance, 4, 2.0, FULL)
    assert apart[objects[1].slices].min() < 0


def test_a_large_object_is_corrected_in_parts():
    """An extended source of thousands of pixels, most of them too low: passes take them bit by bit."""
    truth = source(peak=5.0, sigma=30.0, shape=(192, 192), y=96, x=96)
    objects = mask_to_objects(np.where(truth > 4.9, 3, 0).astype(np.uint8))
    image = np.asarray(sky(6, truth) - 3.0, np.float32)
    held = hold_edges(image, objects, SPECTRUM.autocovariance, 6, EDGE_SNR, FULL)
    own = objects[0].pixels(image.shape)
    assert (image[own] < EDGE_SNR).mean() > 0.5
    assert (held[own] < EDGE_SNR - 0.05).mean() < 0.2 * (image[own] < EDGE_SNR - 0.05).mean()
    assert np.isfinite(held).all()
