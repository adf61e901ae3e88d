"""Sources out of an image: the rest untouched, and in their place noise that cannot be told from that around it."""

import numpy as np
import pytest
from scipy import ndimage

from conftest import Injected, add_gaussian
from mask_samples import beam_noise
from radiff.sky import remove_sources
from radiff.sky.removal import CLEAR, FEATHER, MIN_CLEAR

RMS = 2e-4  # Jy/beam
SIZE = 256
STRIPE = (0.09, 0.12)  # cycles per pixel along y and x


def noise(seed, stripes=0.7):
    """Noise of a beam of 3 pixels FWHM and `stripes` (rms, in units of the noise) of one frequency; Jy/beam."""
    y, x = np.indices((SIZE, SIZE))
    phase = 2 * np.pi * (STRIPE[0] * y + STRIPE[1] * x) + seed
    return beam_noise((SIZE, SIZE), RMS, 3.0, seed) + RMS * stripes * np.sqrt(2) * np.sin(phase)


def sources(seed, count=30):
    """Gaussians of 10 to 1000 rms, and the mask of what of them is above one rms."""
    random = np.random.default_rng((seed, 9))
    image = np.zeros((SIZE, SIZE))
    for peak in np.geomspace(10, 1000, count):
        x, y = random.uniform(15, SIZE - 15, 2)
        add_gaussian(image, Injected(x, y, peak * RMS, random.uniform(3, 6), 3.0, random.uniform(0, 180)))
    return image, np.where(image > RMS, 2, 0).astype(np.uint8)


def near(mask):
    """Pixels that may change."""
    return ndimage.distance_transform_edt(~ndimage.binary_dilation(mask > 0, iterations=CLEAR)) < FEATHER


def radial(image):
    """Power spectrum of a tapered image in 16 rings from 0 to 0.5 cycles per pixel."""
    window = np.outer(*(np.hanning(n) for n in image.shape))
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2 / (window**2).sum()
    distance = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in image.shape), indexing="ij"))
    ring = np.minimum((distance * 32).astype(int), 16)
    return (np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel()))[:16]


@pytest.fixture(scope="module")
def fields():
    """Six fields: noise, sources, mask and what is left; a fill never has the seed of the noise that it is to match."""
    made = []
    for seed in range(6):
        (flux, mask), clean = sources(seed), noise(seed)
        made.append((clean, flux, mask, remove_sources(clean + flux, mask, seed + 100)))
    return made


def test_pixels_away_from_the_mask_are_untouched(fields):
    for clean, flux, mask, left in fields:
        assert left.dtype == np.float32 and left.shape == mask.shape
        far = ~near(mask)
        assert 0.5 < far.mean() < 0.9
        np.testing.assert_array_equal(left[far], (clean + flux).astype(np.float32)[far])
        assert (left[mask > 0] != (clean + flux).astype(np.float32)[mask > 0]).all()


def test_no_flux_is_left(fields):
    """1000 times the noise in, nothing out: no bright pixel, and no mean level under the sources."""
    levels = []
    for clean, flux, mask, left in fields:
        filled = mask > 0
        assert np.abs(left[filled]).max() < 6 * 1.25 * RMS
        assert (clean + flux)[filled].mean() > 20 * RMS
        levels.append(left[filled].mean() / RMS)
    assert np.mean(levels) == pytest.approx(0, abs=0.1)
    assert np.abs(levels).max() < 0.25


def test_filled_pixels_have_the_rms_of_the_noise(fields):
    rms = np.sqrt(1 + 0.7**2) * RMS
    inside = [left[mask > 0].std() for *_, mask, left in fields]
    assert np.sqrt(np.mean(np.square(inside))) == pytest.approx(rms, rel=0.05)
    border = [left[near(mask) & (mask == 0)].std() for *_, mask, left in fields]  # where the two are mixed
    assert np.sqrt(np.mean(np.square(border))) == pytest.approx(rms, rel=0.05)


def test_power_spectrum_of_the_whole_is_that_of_the_noise(fields):
    """To 15 % down to a hundredth of its highest power; stripes have new phases in each hole and spill a little."""
    left = np.mean([radial(left) for *_, left in fields], axis=0)
    expected = np.mean([radial(clean) for clean, *_ in fields], axis=0)
    assert expected.argmax() == 4 and left.argmax() == 4  # the stripes, at 0.15 cycles per pixel
    assert left.sum() == pytest.approx(expected.sum(), rel=0.03)
    np.testing.assert_allclose(left[:5], expected[:5], rtol=0.1)
    np.testing.assert_allclose(left[5:9], expected[5:9], rtol=0.3)
    plain = []
    for seed in range(6):
        (flux, mask), clean = sources(seed), noise(seed, stripes=0.0)
        plain.append((radial(remove_sources(clean + flux, mask, seed + 100)), radial(clean)))
    left, expected = np.mean(plain, axis=0)
    strong = expected > 1e-2 * expected.max()
    assert strong.sum() == 9
    np.testing.assert_allclose(left[strong], expected[strong], rtol=0.15)


def test_power_spectrum_within_what_was_filled():
    """A hole of 112 pixels: the spectrum of what fills it, stripes and all, against that of the noise."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[72:184, 72:184] = 3
    filled, expected, stripes = [], [], []
    for seed in range(8):
        clean = noise(seed)
        left = remove_sources(clean + 500 * RMS * (mask > 0), mask, seed + 100)
        box = np.s_[72:184, 72:184]
        filled.append(radial(left[box]))
        expected.append(radial(clean[box]))
        y, x = np.indices((112, 112))
        wave = np.exp(-2j * np.pi * (STRIPE[0] * y + STRIPE[1] * x)) * np.outer(np.hanning(112), np.hanning(112))
        stripes.append(np.abs([(left[box] * wave).sum(), (clean[box] * wave).sum()]) ** 2)
    ratio = np.mean(filled, axis=0) / np.mean(expected, axis=0)
    assert np.abs(np.log(ratio[:9])).max() < 0.35  # up to 0.28 cycles per pixel, where the beam leaves a hundredth
    there, before = np.mean(stripes, axis=0)
    assert 0.3 < there / before < 2.0  # one frequency: its phase is new, its strength is not


def test_diffuse_emission_goes_on_under_the_sources():
    y, x = np.indices((SIZE, SIZE))
    broad = 6 * RMS * np.exp(-0.5 * (((x - 128) / 60) ** 2 + ((y - 120) / 50) ** 2))
    flux, mask = sources(3)
    left = remove_sources(noise(3) + flux + broad, mask, 100)
    filled = mask > 0
    assert (left[filled] - broad[filled]).mean() == pytest.approx(0, abs=0.3 * RMS)
    assert np.corrcoef(ndimage.gaussian_filter(left, 8)[filled], broad[filled])[0, 1] > 0.9


def test_the_seed_decides_and_only_within_the_hole(fields):
    clean, flux, mask, left = fields[0]
    image = (clean + flux).astype(np.float32)
    before = image.copy()
    np.testing.assert_array_equal(remove_sources(image, mask, 0), remove_sources(image, mask, 0))
    np.testing.assert_array_equal(image, before)
    other = remove_sources(image, mask, (0, 1))
    assert (other[mask > 0] != remove_sources(image, mask, 0)[mask > 0]).mean() > 0.99
    np.testing.assert_array_equal(other[~near(mask)], left[~near(mask)])


def test_what_lies_under_the_mask_does_not_matter():
    """Neither its brightness nor its shape can be seen in what is left."""
    mask = sources(1)[1]
    one, two = (noise(1) + factor * RMS * (mask > 0) for factor in (5, 5000))
    np.testing.assert_array_equal(remove_sources(one, mask, 4), remove_sources(two, mask, 4))


def test_no_mask_no_change():
    image = noise(0)
    np.testing.assert_array_equal(remove_sources(image, np.zeros((SIZE, SIZE), int)), image.astype(np.float32))


def test_blank_pixels_are_filled():
    image, mask = noise(2), np.zeros((SIZE, SIZE), np.uint8)
    image[:20], image[100:110, 60:80] = np.nan, np.inf
    left = remove_sources(image, mask, 1)
    blank = ~np.isfinite(image)
    assert np.isfinite(left).all()
    assert left[blank].std() == pytest.approx(np.sqrt(1 + 0.7**2) * RMS, rel=0.1)
    far = ~near(blank)
    np.testing.assert_array_equal(left[far], image.astype(np.float32)[far])
    np.testing.assert_array_equal(remove_sources(np.where(blank, -np.inf, image), mask, 1), left)


@pytest.mark.parametrize("level", [0.0, 0.05])
def test_nearly_all_masked(level):
    """Fewer than 200 pixels say nothing of the noise; the image's faintest half gives its spread, about its median."""
    image = noise(4)[:64, :64] + level
    mask = np.ones((64, 64), np.uint8)
    mask[:10, :10] = 0
    assert (~ndimage.binary_dilation(mask > 0, iterations=CLEAR)).sum() < MIN_CLEAR
    left = remove_sources(image, mask, 2)
    assert left.mean() == pytest.approx(level, abs=0.2 * RMS)
    assert left.std() == pytest.approx(image.std(), rel=0.2)
    np.testing.assert_array_equal(left, remove_sources(image, mask, 2))


def test_a_bright_source_over_half_of_the_image_is_gone_all_the_same():
    image = noise(5)[:64, :64]
    image[:, 40:] += 300 * RMS
    left = remove_sources(image, np.ones((64, 64), np.uint8), 0)
    assert np.abs(left).max() < 10 * RMS


def test_blank_images_and_images_without_noise():
    nothing = np.full((32, 32), np.nan)
    np.testing.assert_array_equal(remove_sources(nothing, np.zeros((32, 32), int)), np.zeros((32, 32)))
    flat, mask = np.full((64, 64), 3.5), np.zeros((64, 64), int)
    mask[20:30, 20:30] = 1
    np.testing.assert_allclose(remove_sources(flat, mask), flat, rtol=1e-5)
