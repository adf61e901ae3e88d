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


def source(y=48.0, x=48.0, peak=30.0, sigma=3.0, shape=SHAPE):
    rows, columns = np.indices(shape)
    return (peak * np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2)).astype(np.float32)


def sky(seed, truth):
    return (truth + SPECTRUM.draw(truth.shape, seed)).astype(np.float32)


def objects_of(truth):
    """Islands of the source alone above the isophote: the noise does not know them."""
    return mask_to_objects(np.where(truth > EDGE_SNR, 2, 0).astype(np.uint8))


def sides(image, objects):
    """The lowest pixel of the objects, and the highest of the ring around them."""
    own = np.zeros(image.shape, bool)
    for one in objects:
        own[one.slices] |= one.stamp
    ring = ndimage.binary_dilation(own, np.ones((3, 3))) & ~own
    return image[own].min(), image[ring].max()


@pytest.mark.parametrize("edge", [EDGE_SNR, 5.0])
@pytest.mark.parametrize("seed", range(4))
def test_at_full_strength_every_pixel_is_on_its_side(seed, edge):
    """To a twentieth of the rms: a correction moves neighbours too, and there are few passes."""
    truth = source()
    objects = mask_to_objects(np.where(truth > edge, 2, 0).astype(np.uint8))
    image = sky(seed, truth)
    low, high = sides(image, objects)
    assert low < edge - 0.5 and high > edge + 0.5  # there is something to do
    low, high = sides(hold_edges(image, objects, SPECTRUM.autocovariance, seed, edge, FULL), objects)
    assert low > edge - 0.05 and high < edge + 0.05


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
        assert not held.any()
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
    """Mean power in rings of frequency."""
    power = np.mean([np.abs(np.fft.fft2(one)) ** 2 for one in images], axis=0)
    f = np.fft.fftfreq(power.shape[0])
    ring = (np.hypot(f[:, None], f[None, :]) * 16).astype(int)
    return np.array([power[ring == k].mean() for k in range(8)])


def test_the_spectrum_of_the_noise_is_kept():
    """A correction has the noise's own correlation; pixels moved alone would give power where noise has none.

    Cut-outs of 32 pixels around the source, so that the corrected pixels are a good part of them.
    """
    truth = source()
    objects, box = objects_of(truth), np.s_[32:64, 32:64]
    before, after, alone = [], [], []
    own = objects[0].pixels(SHAPE)
    ring = ndimage.binary_dilation(own, np.ones((3, 3))) & ~own
    for seed in range(300):
        image = sky(seed, truth)
        held = hold_edges(image, objects, SPECTRUM.autocovariance, seed, EDGE_SNR, FULL)
        moved = np.where(own, np.maximum(image, EDGE_SNR), np.where(ring, np.minimum(image, EDGE_SNR), image))
        for images, one in ((before, image), (after, held), (alone, moved)):
            window = np.hanning(34)[1:-1]
            images.append((one - truth)[box] * window[:, None] * window)
    real, kept, naive = bands(before), bands(after), bands(alone)
    strong = real > 1e-3 * real.max()
    print(kept / real, naive / real, real / real.max())
    np.testing.assert_allclose(kept[strong] / real[strong], 1.0, atol=0.15)
    assert (naive / real)[~strong].min() > 5 * (kept / real)[~strong].max()


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
    held = hold_edges(image, objects, SPECTRUM.autocovariance, 3, EDGE_SNR, FULL)
    low, high = sides(held, objects)
    assert low > EDGE_SNR - 0.05 and high < EDGE_SNR + 0.05
    middle = held[40:56, 40:56] if place[0] not in (48,) and place[1] != 48 else held[:4, :4]
    np.testing.assert_array_equal(middle, image[40:56, 40:56] if middle.shape[0] == 16 else image[:4, :4])


def test_two_objects_side_by_side():
    """What is one object's ring and the other's own belongs to the other."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[40:50, 40:50], mask[40:50, 50:60] = 2, 3
    objects = mask_to_objects(mask)
    assert len(objects) == 2
    held = hold_edges(SPECTRUM.draw(SHAPE, 4), objects, SPECTRUM.autocovariance, 4, 2.0, FULL)
    low, high = sides(held, objects)
    assert low > 1.95 and high < 2.05


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
