"""Fluxes brought to what is asked: known answers, the noise around untouched, whatever the object."""

import numpy as np
import pytest
from scipy import ndimage

from conftest import Injected, add_gaussian
from mask_samples import beam_noise
from radiff.errors import InputError
from radiff.generate.flux import fluxes, rescale_fluxes
from radiff.masks import SourceObject, mask_to_objects, objects_to_mask
from radiff.masks.draw import demo_masks

RMS, FWHM = 2e-4, 3.0
AREA = np.pi / (4 * np.log(2)) * FWHM**2
SHAPE = (64, 64)


def disc(x, y, radius, shape=SHAPE):
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def source(peak, x=32.0, y=32.0, fwhm=FWHM, shape=SHAPE):
    image = np.zeros(shape)
    add_gaussian(image, Injected(x, y, peak, fwhm, fwhm))
    return image


def sky(peak, seed=0, **place):
    return (beam_noise(SHAPE, RMS, FWHM, seed) + source(peak * RMS, **place)).astype(np.float32)


COMPACT = SourceObject.from_pixels("S1", 2, disc(32, 32, 3.5))


@pytest.mark.parametrize("kind", ["peak", "integrated"])
@pytest.mark.parametrize("have", [-8.0, 0.0, 5.0, 20.0, 300.0])
@pytest.mark.parametrize("want", [0.5, 5.0, 20.0, 1000.0])
def test_what_is_asked_comes_out_and_the_rest_stays(kind, have, want):
    image = sky(have)
    before = image.copy()
    flux = want * RMS
    result = rescale_fluxes(image, [COMPACT], [flux], kind, AREA)
    assert fluxes(result, [COMPACT], kind, AREA) == pytest.approx([flux], rel=1e-5)
    outside = ~COMPACT.pixels(SHAPE)
    assert result.dtype == np.float32
    assert np.array_equal(result[outside], before[outside])
    assert np.array_equal(image, before)


def test_known_numbers_of_a_small_change():
    """A flat source of three pixels: 2, 4, 2 over no noise; the change is tapered by distance, here 1 everywhere."""
    image = np.zeros((9, 9))
    image[4, 3:6] = 2, 4, 2
    item = SourceObject("S1", 2, np.ones((1, 3), bool), 4, 3)
    assert rescale_fluxes(image, [item], [8.0])[4, 3:6] == pytest.approx([4, 8, 4])
    assert rescale_fluxes(image, [item], [3.0], "integrated", 4.0)[4, 3:6] == pytest.approx([3, 6, 3])
    assert rescale_fluxes(image, [item], [1.0])[4, 3:6] == pytest.approx([0.5, 1, 0.5])


def test_none_nan_and_zero_leave_an_object():
    image = sky(20)
    for nothing in (None, np.nan, 0.0, 0):
        assert np.array_equal(rescale_fluxes(image, [COMPACT], [nothing]), image)
    with pytest.raises(InputError, match="a flux of -1 is asked for"):
        rescale_fluxes(image, [COMPACT], [-1.0])
    with pytest.raises(InputError, match="a flux of inf"):
        rescale_fluxes(image, [COMPACT], [np.inf])
    with pytest.raises(InputError, match="2 fluxes for 1 objects"):
        rescale_fluxes(image, [COMPACT], [1.0, 2.0])
    with pytest.raises(InputError, match="'total' is no kind of flux; there are: peak, integrated"):
        rescale_fluxes(image, [COMPACT], [1.0], "total")
    with pytest.raises(InputError, match="its area must be a positive number"):
        rescale_fluxes(image, [COMPACT], [1.0], "integrated", 0.0)


@pytest.mark.parametrize("pixels", range(1, 10))
def test_objects_of_few_pixels(pixels):
    stamp = np.zeros((3, 3), bool)
    stamp.ravel()[:pixels] = True
    item = SourceObject.from_pixels("S1", 2, stamp)
    item = SourceObject("S1", 2, item.stamp, 20, 30)
    for have in (-3.0, 2.0, 15.0):
        image = sky(have, x=31, y=21)
        for kind in ("peak", "integrated"):
            result = rescale_fluxes(image, [item], [12 * RMS], kind, AREA)
            assert fluxes(result, [item], kind, AREA) == pytest.approx([12 * RMS], rel=1e-5)
            assert np.array_equal(result != image, item.pixels(SHAPE) & (result != image))


def test_touching_overlapping_and_clipped_objects_each_get_theirs():
    left, right = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    left[20:30, 20:30], right[20:30, 30:36] = True, True
    items = [
        SourceObject.from_pixels("S1", 3, left),
        SourceObject.from_pixels("S2", 2, right),
        SourceObject.from_pixels("S3", 2, disc(20, 20, 3.0)),  # its corner lies under S1
        SourceObject.from_pixels("S4", 2, disc(0, 50, 4.0)),  # cut by the left edge
        SourceObject.from_pixels("S5", 3, disc(63, 63, 9.0)),  # cut by a corner
    ]
    image = sky(8, x=25, y=25) + source(30 * RMS, 0, 50).astype(np.float32)
    wanted = [RMS * snr for snr in (40, 7, 12, 100, 25)]
    for kind in ("peak", "integrated"):
        result = rescale_fluxes(image, items, wanted, kind, AREA)
        assert fluxes(result, items, kind, AREA) == pytest.approx(wanted, rel=1e-5)
        outside = objects_to_mask(items, SHAPE) == 0
        assert np.array_equal(result[outside], image[outside])


def test_a_covered_object_and_blank_pixels_stay():
    under = SourceObject.from_pixels("S1", 2, disc(32, 32, 2.0))
    over = SourceObject.from_pixels("S2", 3, disc(32, 32, 6.0))
    image = sky(10)
    image[32, 32] = np.nan
    result = rescale_fluxes(image, [under, over], [5 * RMS, 50 * RMS])
    assert np.isnan(fluxes(result, [under, over])[0])
    assert fluxes(result, [under, over])[1] == pytest.approx(50 * RMS, rel=1e-5)
    assert np.isnan(result[32, 32])
    blank = np.full(SHAPE, np.nan, np.float32)
    assert np.isnan(rescale_fluxes(blank, [over], [1.0])).all()


def test_a_source_of_the_beam_keeps_its_shape():
    """Twice the peak: the profile grows by the same factor within the half-power width, to a few per cent."""
    image = source(20.0).astype(np.float32)
    result = rescale_fluxes(image, [COMPACT], [40.0], "peak", AREA)
    middle = disc(32, 32, 1.6)
    np.testing.assert_allclose(result[middle] / image[middle], 2.0, rtol=0.12)


def test_no_ring_at_the_edge():
    """The change at the outermost pixels is below a quarter of what a step would be, and below the noise."""
    image = sky(15)
    item = COMPACT
    for want in (10.0, 25.0, 45.0):
        change = (rescale_fluxes(image, [item], [want * RMS], "peak", AREA) - image) / RMS
        pixels = item.pixels(SHAPE)
        rim = pixels & ~ndimage.binary_erosion(pixels)
        assert np.abs(change[rim]).max() < 0.25 * abs(want - 15)
        assert np.abs(change[rim]).mean() < 1.0


def test_what_is_not_there_is_drawn_with_the_beam():
    """Nothing but noise: the new source lies in the middle of the mask, and is as wide as the beam."""
    image = (1e-3 * sky(0)).astype(np.float32)
    item = SourceObject.from_pixels("S1", 2, disc(32, 32, 6.0))
    result = rescale_fluxes(image, [item], [30 * RMS], "peak", AREA)
    assert np.unravel_index(result.argmax(), SHAPE) == (32, 32)
    assert result[32, 33] / result[32, 32] == pytest.approx(2 ** (-4 / FWHM**2), rel=0.02)
    faint = sky(6, x=34, y=31)  # a faint one, three pixels off: that is where it grows
    result = rescale_fluxes(faint, [item], [60 * RMS], "peak", AREA)
    assert np.unravel_index(result.argmax(), SHAPE) == (31, 34)


def test_an_extended_object_keeps_its_structure():
    mask = demo_masks(1, 128)[0]
    items = [one for one in mask_to_objects(mask) if one.class_value == 3]
    lobes = 8.0 * RMS * ndimage.gaussian_filter((mask == 3) * np.linspace(0.2, 1.0, 128), 2.0)
    image = (lobes + beam_noise(mask.shape, RMS, FWHM, 1)).astype(np.float32)
    bright = rescale_fluxes(image, items, [80 * RMS] * len(items), "peak", AREA)
    pixels = items[0].pixels(mask.shape)
    assert fluxes(bright, items) == pytest.approx([80 * RMS] * len(items), rel=1e-5)
    assert np.corrcoef(bright[pixels], lobes[pixels])[0, 1] > 0.9


def test_random_masks_are_exact_everywhere():
    for seed, mask in enumerate(demo_masks(4, 128, seed=3)):
        items = mask_to_objects(mask)
        random = np.random.default_rng(seed)
        image = (RMS * random.normal(0, 1, mask.shape) + RMS * random.uniform(-2, 30) * (mask > 0)).astype(np.float32)
        wanted = RMS * 10 ** random.uniform(0, 3, len(items))
        for kind in ("peak", "integrated"):
            result = rescale_fluxes(image, items, wanted, kind, AREA)
            np.testing.assert_allclose(fluxes(result, items, kind, AREA), wanted, rtol=1e-5)
            assert np.array_equal(result[mask == 0], image[mask == 0])
