"""What is measured on one picture, against what was put in."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import sky_sets
from radiff.evaluate.measure import (
    EDGES,
    SOURCE_COLUMNS,
    SetTable,
    asked_fluxes,
    band_frequencies,
    find_sources,
    measure_picture,
    small_image,
)
from radiff.evaluate.sets import picture_of
from radiff.masks import mask_to_objects


def of(image, mask=None):
    like = sky_sets.picture(0)
    return picture_of("x", image, np.zeros(image.shape, np.uint8) if mask is None else mask, like)


def test_sources_come_out_as_they_went_in():
    """A point source: integrated flux is its peak, round, one beam wide at half its peak."""
    image = sky_sets.gaussian(30, 34, 200.0, sky_sets.WIDTH)
    found = dict(zip(SOURCE_COLUMNS, measure_picture(of(image)).sources[0], strict=True))
    assert found["peak_snr"] == pytest.approx(200.0, rel=1e-3)
    assert found["peak_flux"] == pytest.approx(200.0 * 2e-4, rel=1e-3)
    assert found["int_flux"] == pytest.approx(200.0 * 2e-4, rel=0.03)  # what lies above 3 rms
    assert found["compactness"] == pytest.approx(1.0, rel=0.03)
    above = 2 * sky_sets.WIDTH * np.sqrt(np.log(200 / 3) / (4 * np.log(2)))  # diameter at 3 rms
    assert found["size"] == pytest.approx(above / sky_sets.WIDTH, rel=0.06)
    assert found["axis_ratio"] == pytest.approx(1.0, abs=0.05)


def test_an_ellipse_has_its_axis_ratio():
    y, x = np.indices((64, 64))
    image = 100.0 * np.exp(-4 * np.log(2) * (((x - 32) / 15) ** 2 + ((y - 30) / 6) ** 2))
    ratio = measure_picture(of(image)).sources[0][SOURCE_COLUMNS.index("axis_ratio")]
    assert ratio == pytest.approx(6 / 15, abs=0.04)


def test_the_finder_needs_five_rms_and_five_pixels():
    image = np.zeros((64, 64), np.float32)
    image[10:13, 10:13] = 4.9
    image[30, 30:34] = 50.0
    image[50:53, 50:53] = 5.1
    image[0, 0] = np.nan
    labels, islands = find_sources(image)
    assert len(islands) == 1
    assert islands[0][1] == (slice(50, 53), slice(50, 53))
    assert labels.shape == image.shape


def test_noise_figures_leave_sources_out():
    noise = sky_sets.noise(1, 128)
    quiet, loud = measure_picture(of(noise)), measure_picture(of(noise + sky_sets.gaussian(64, 64, 500, 6, 128)))
    assert quiet.deviation == pytest.approx(1.0, rel=0.03)
    assert loud.deviation == pytest.approx(1.0, rel=0.03)
    assert loud.spectrum[0, :5] == pytest.approx(quiet.spectrum[0, :5], rel=0.25)  # beyond, the hole's edge leaks
    assert abs(loud.skewness) < 0.2
    assert loud.noise.sum() < quiet.noise.sum() == quiet.pixels.sum() == 128**2
    assert loud.pixels.sum() == 128**2


def test_white_noise_has_power_one_everywhere():
    measures = [measure_picture(of(np.random.default_rng(k).normal(size=(128, 128)))) for k in range(8)]
    np.testing.assert_allclose(np.mean([m.spectrum[0] for m in measures], 0), 1.0, atol=0.1)
    assert len(band_frequencies()) == 8


def test_smoothed_noise_lacks_power_at_high_frequencies():
    image = sky_sets.noise(1, 128)
    smooth = ndimage.gaussian_filter(image, 1.0)
    before, after = (measure_picture(of(i / i.std())).spectrum[0] for i in (image, smooth))
    assert after[0] > 1.5 * before[0]
    assert after[4] < 0.2 * before[4]


def test_histograms_hold_every_pixel():
    image = np.zeros((40, 40))
    image[0, :20], image[1, :10], image[2, 0] = 1e6, -1e6, np.nan
    found = measure_picture(of(image))
    assert found.pixels.sum() == 1599
    assert found.pixels[0, -1] == 20 and found.pixels[0, 0] == 10
    assert found.pixels.shape[1] == len(EDGES) - 1


def test_small_images_have_unit_length_and_no_mean():
    image = small_image(np.random.default_rng(0).normal(3.0, 1.0, (128, 96)))
    assert image.shape == (1024,)
    assert float((image**2).sum()) == pytest.approx(1.0, rel=1e-5)
    assert float(image.sum()) == pytest.approx(0.0, abs=1e-4)
    assert not small_image(np.full((64, 64), 7.0)).any()
    assert small_image(np.random.default_rng(0).normal(size=(20, 50))).shape == (1024,)


def test_small_images_are_means_of_cells():
    image = np.zeros((64, 64))
    image[10:12, 20:22] = 4.0
    found = small_image(image).reshape(32, 32)
    assert np.unravel_index(found.argmax(), (32, 32)) == (5, 10)


def test_a_blank_image_is_measured_without_figures():
    found = measure_picture(of(np.full((64, 64), np.nan)))
    assert np.isnan(found.deviation) and np.isnan(found.spectrum).all()
    assert len(found.sources) == 0 and found.pixels.sum() == 0


def test_fluxes_asked_for_are_measured_on_the_objects():
    mask = np.zeros((64, 64), np.uint8)
    source = sky_sets.gaussian(20, 20, 60.0, sky_sets.WIDTH)
    mask[source > 1] = 2
    mask[40:44, 40:44] = 3
    picture = of(source, mask)
    first, second = mask_to_objects(mask)
    asked = replace(first, info={"asked_peak_snr": 50.0, "asked_flux_jy": 0.02})
    rows = asked_fluxes(replace(picture, objects=(asked, second)))
    assert rows.shape == (1, 4)
    assert rows[0].tolist() == pytest.approx([50.0, 60.0, 0.02, 60 * 2e-4], rel=0.03)
    assert asked_fluxes(picture).shape == (0, 4)


def test_a_table_keeps_sources_with_their_images():
    measures = [measure_picture(p) for p in sky_sets.pictures(12)]
    table = SetTable.join(measures)
    parts = SetTable.join([SetTable.join(measures[:5]), SetTable.join(measures[5:])])
    for name in ("names", "sources", "source_image", "pixels", "small"):
        np.testing.assert_array_equal(getattr(table, name), getattr(parts, name))
    chosen = table.chosen([9, 2])
    assert chosen.names.tolist() == ["p0009", "p0002"]
    values, image = chosen.source("peak_snr")
    np.testing.assert_array_equal(np.sort(values[image == 1]), np.sort(measures[2].sources[:, 0]))
    assert len(values) == len(measures[2].sources) + len(measures[9].sources)


def test_objects_of_the_mask_are_counted_by_class():
    mask = np.zeros((64, 64), np.uint8)
    mask[1, 1], mask[10, 10], mask[20, 20], mask[30, 30] = 1, 2, 2, 3
    assert measure_picture(of(np.zeros((64, 64)), mask)).objects.tolist() == [[1, 2, 1]]
