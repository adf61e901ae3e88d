"""The weights in the box: fluxes as asked; crowded, huge and empty masks; seeds at any batch size."""

import numpy as np
import pytest

from radiff.generate import Generator, Observation
from radiff.generate.flux import fluxes
from radiff.masks import mask_to_objects


@pytest.fixture(scope="module")
def generator():
    return Generator("default")


def disc(mask, y, x, radius, value=2):
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    mask[np.hypot(rows - y, columns - x) <= radius] = value


def crowd(side=384, step=26):
    """196 compact sources on a grid, none touching."""
    mask = np.zeros((side, side), np.uint8)
    for y in range(step // 2, step * 14, step):
        for x in range(step // 2, step * 14, step):
            disc(mask, y, x, 4)
    disc(mask, 374, 40, 4), disc(mask, 374, 120, 4), disc(mask, 374, 200, 4), disc(mask, 374, 280, 4)
    return mask


def galaxy():
    """A radio galaxy 100 pixels long: two lobes and a bridge."""
    mask = np.zeros((128, 128), np.uint8)
    rows, columns = np.mgrid[:128, :128]
    for x in (30, 98):
        mask[((rows - 64) / 13) ** 2 + ((columns - x) / 16) ** 2 <= 1] = 3
    mask[58:70, 30:98] = 3
    return mask


@pytest.mark.parametrize(("asked", "radius"), [(5.0, 2.0), (20.0, 3.2), (100.0, 4.5), (1000.0, 5.5)])
def test_peaks_from_5_to_1000_rms(generator, asked, radius):
    mask = np.zeros((128, 128), np.uint8)
    for y, x in ((30, 34), (32, 96), (92, 30), (98, 90)):
        disc(mask, y, x, radius)
    objects = mask_to_objects(mask)
    wanted = [[asked] * 4]
    near, exact = (
        generator.generate([mask], [3], observation=Observation(rms=2e-4), peaks=wanted, rescale_peaks=exact)[0]
        for exact in (False, True)
    )
    ratios = np.array(fluxes(near.image / 2e-4, objects)) / asked
    assert np.median(ratios) == pytest.approx(1.0, abs=0.05)
    assert ratios.min() > 0.8 and ratios.max() < 1.25
    np.testing.assert_allclose(np.array(fluxes(exact.image / 2e-4, objects)) / asked, 1.0, rtol=1e-3)


def test_two_hundred_compact_sources(generator):
    mask = crowd()
    objects = mask_to_objects(mask)
    assert len(objects) == 200
    cutout = generator(mask, seed=1, rms=1e-4, peak_snr=30)
    ratios = np.array(fluxes(cutout.image / 1e-4, objects)) / 30
    assert np.median(ratios) == pytest.approx(1.0, abs=0.03)
    assert np.mean(np.abs(ratios - 1) < 0.2) > 0.95
    assert cutout.image[mask == 0].mean() < 1e-4


def test_one_huge_radio_galaxy(generator):
    mask = galaxy()
    snr = generator(mask, seed=1, rms=1.0, peak_snr=50).image
    assert np.ptp(np.nonzero(mask.any(0))) >= 99
    assert snr[mask == 3].mean() > 3 and snr.max() == pytest.approx(50, rel=0.1)
    assert np.mean(snr[mask == 3] > 2) > 0.6
    assert abs(np.median(snr[mask == 0])) < 0.5


def test_an_empty_mask_is_noise(generator):
    """Many fields together have the rms asked for; one has few beams across its stripes, and scatters by 3 %."""
    made = generator.generate([np.zeros((128, 128), np.uint8)] * 64, range(64), observation=Observation(rms=3e-4))
    rms = np.array([cutout.image.std() for cutout in made]) / 3e-4
    assert np.sqrt((rms**2).mean()) == pytest.approx(1.0, abs=0.02)
    assert np.abs(rms - 1).max() < 0.15
    extremes = np.array([np.abs(cutout.image).max() for cutout in made]) / 3e-4
    assert extremes.max() < 12 and np.mean(extremes > 6) < 0.15  # residuals of calibration are patchy, as in real skies


def test_a_seed_gives_the_same_at_batches_of_1_3_and_8(generator):
    masks = [galaxy(), *[np.zeros((128, 128), np.uint8)] * 2] * 2 + [galaxy()] * 2
    whole, *others = (
        np.stack(
            [c.image for c in generator.generate(masks, range(8), observation=Observation(rms=1.0), batch_size=size)]
        )
        for size in (8, 3, 1)
    )
    again = np.stack(
        [c.image for c in generator.generate(masks, range(8), observation=Observation(rms=1.0), batch_size=8)]
    )
    np.testing.assert_array_equal(again, whole)
    for other in others:
        np.testing.assert_allclose(other, whole, rtol=1e-3, atol=2e-3)
