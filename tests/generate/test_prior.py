"""The sky without its sources: noise of a spectrum, what bright sources leave, backgrounds taken apart."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from radiff.generate import BackgroundImage, prior
from radiff.generate.prior import (
    BRIGHT_SNR,
    ISLAND,
    TURN_REACH,
    TURNED,
    background_layers,
    make_layers,
    make_residuals,
    noise_for,
    rays,
    split_background,
    turned,
)
from radiff.masks import SourceObject
from radiff.sky import Beam, FaintSources, NoiseBank, NoiseField, NoiseSpectrum, Residuals

SPECTRUM = NoiseSpectrum.from_beam(Beam(5.4, 5.4), 1.8)
LEFT = Residuals(floor=0.15, level=0.05, power=0.5, scale=16.0, patch=2.0, spread=0.8, turned=0.0)


def square(y, x, side=5):
    return SourceObject("S1", 2, np.ones((side, side), bool), y, x)


# ---------------------------------------------------------------- the noise that is started from


@pytest.mark.parametrize(
    "spectrum",
    [SPECTRUM, replace(SPECTRUM, rms_spread=0.1, faint=FaintSources(0.003, 2.0, 1.5, 3.8), residuals=LEFT)],
    ids=["bare", "full"],
)
def test_both_layers_have_unit_rms(spectrum):
    """To three standard errors of the mean square of 300 fields, far from objects."""
    layers = [make_layers(spectrum, (64, 64), seed) for seed in range(300)]
    for images in ([one.start for one in layers], [one.picture for one in layers]):
        squares = [float((image.astype(float) ** 2).mean()) for image in images]
        error = np.std(squares) / math.sqrt(len(squares))
        assert error < 0.012
        assert np.mean(squares) == pytest.approx(1.0, abs=max(3 * error, 0.01))
    assert layers[0].start.dtype == layers[0].picture.dtype == np.float32


def test_the_start_has_the_spectrum():
    fields = np.stack([make_layers(SPECTRUM, (64, 64), seed).start for seed in range(300)]).astype(float)
    middle = SPECTRUM.side // 2
    for dx, dy in ((1, 0), (2, 2), (0, 4)):
        found = (fields[:, 8 + dy : 56 + dy, 8 + dx : 56 + dx] * fields[:, 8:56, 8:56]).mean()
        assert found == pytest.approx(SPECTRUM.autocovariance[middle + dy, middle + dx], abs=0.015)


def test_of_a_bare_spectrum_the_picture_is_the_start():
    layers = make_layers(SPECTRUM, (64, 96), 3, [square(30, 30)], [500.0])
    assert layers.start.shape == (64, 96)
    np.testing.assert_array_equal(layers.picture, layers.start)
    np.testing.assert_array_equal(layers.start, NoiseField(SPECTRUM, (64, 96), 3).rows(0, 64))
    assert layers.spectrum is SPECTRUM


def test_what_is_not_gaussian_is_in_the_picture_only():
    bare = make_layers(SPECTRUM, (64, 64), 5)
    for more in (
        {"rms_spread": 0.2},
        {"faint": FaintSources(0.01)},
        {"residuals": LEFT},
    ):
        layers = make_layers(replace(SPECTRUM, **more), (64, 64), 5)
        np.testing.assert_array_equal(layers.start, bare.start)
        assert np.abs(layers.picture - layers.start).max() > 0.05
        assert np.corrcoef(layers.picture.ravel(), layers.start.ravel())[0, 1] > 0.9  # the same noise all the same


def test_a_seed_is_a_sky():
    spectrum = replace(SPECTRUM, rms_spread=0.1, residuals=replace(LEFT, turned=1.0))
    one, again, other = (make_layers(spectrum, (64, 64), s, [square(30, 30)], [300.0]) for s in (1, 1, 2))
    assert one.picture.tobytes() == again.picture.tobytes()
    assert abs(np.corrcoef(one.picture.ravel(), other.picture.ravel())[0, 1]) < 0.2


# ---------------------------------------------------------------- which spectrum


def test_a_spectrum_is_brought_to_the_beam_of_the_image():
    spectrum = NoiseSpectrum.from_beam(Beam(6.0, 6.0), 1.0)
    wanted = Beam(4.0, 3.0, 30.0).covariance(1.0)
    np.testing.assert_allclose(noise_for(spectrum, wanted, 0).shape, wanted, atol=1e-9)
    assert noise_for(spectrum, None, 0) is spectrum
    beamless = NoiseSpectrum(spectrum.power)
    assert noise_for(beamless, wanted, 0) is beamless


def test_a_seed_draws_a_spectrum_of_the_bank():
    bank = NoiseBank.open()
    drawn = [noise_for(None, None, seed) for seed in range(30)]
    assert [one.origin for one in drawn] == [bank.draw(seed).origin for seed in range(30)]
    assert len({one.origin for one in drawn}) > 15
    for survey in bank.surveys:
        assert {noise_for(None, None, s, survey.upper()).origin.split()[0].lower() for s in range(20)} == {survey}
    assert noise_for(None, None, 7, "LoTSS").origin == bank.draw(7).origin  # of a survey that the bank does not know


# ---------------------------------------------------------------- what bright sources leave


def ring_rms(residuals, peak, seeds=300, shape=(96, 96)):
    """Rms of what is left, and what the formula says of it, in rings around an object in the middle."""
    one = square(46, 46)
    free = ~one.pixels(shape)
    distance = ndimage.distance_transform_edt(free)
    made = [make_residuals(SPECTRUM, residuals, shape, seed, [one], [peak]) for seed in range(seeds)]
    square_mean = np.mean(np.square(made), axis=0)
    rings = [(distance > low) & (distance <= high) for low, high in ((0, 6), (6, 16), (16, 28), (28, 42))]
    expected = residuals.around(peak, distance / 3.0) ** 2  # beams of three pixels
    return np.array([[math.sqrt(image[ring].mean()) for ring in rings] for image in (square_mean, expected)])


def test_residuals_have_the_rms_of_their_formula():
    """Rays and patches have a mean square of 1: many fields together have the formula's, to the scatter of 300."""
    made, expected = ring_rms(replace(LEFT, floor=0.001), 1000.0)
    np.testing.assert_allclose(made, expected, rtol=0.1)


def test_residuals_grow_with_the_peak_and_fall_with_the_distance():
    near = replace(LEFT, scale=4.0)
    some, more = (ring_rms(near, peak, 150)[0] for peak in (200.0, 5000.0))
    assert (more[:2] > 2 * some[:2]).all()
    for rms in (some, more):
        assert (np.diff(rms) < 0).all()
    assert near.floor <= some[-1] < 1.3 * near.floor


def test_faint_sources_leave_nothing():
    for peaks in ([0.9 * BRIGHT_SNR], [0.0], None):
        here = make_residuals(SPECTRUM, LEFT, (64, 64), 1, [square(30, 30)], peaks)
        np.testing.assert_array_equal(here, make_residuals(SPECTRUM, LEFT, (64, 64), 1, [], None))
    even = replace(LEFT, spread=0.3)
    rms = np.std([make_residuals(SPECTRUM, even, (64, 64), seed, [], None) for seed in range(200)])
    assert rms == pytest.approx(even.floor, rel=0.03)


@pytest.mark.parametrize(("y", "x"), [(40, 40), (3, 70)])
def test_rays_are_the_same_to_both_sides(y, x):
    one = square(y - 2, x - 2)
    factor = rays((96, 96), one, 0.8, (1, 2, 3))
    for dy, dx in ((0, 3), (2, 1), (-3, 2), (3, -20), (1, 25)):
        assert factor[y + dy, x + dx] == pytest.approx(factor[y - dy, x - dx], rel=1e-6)
    assert factor.max() > 2 * factor.min() > 0
    # along a ray it is the same at every distance
    assert factor[y, x + 4] == pytest.approx(factor[y, x + 20], rel=1e-6)


def test_rays_have_a_mean_square_of_one():
    spread = 0.5  # a lognormal's square scatters by sqrt(exp(4 s^2) - 1) = 1.3
    fields = [rays((65, 65), square(30, 30), spread, (seed,)) for seed in range(300)]
    y, x = np.indices((65, 65))
    disc = (np.hypot(y - 32, x - 32) < 32) & (np.hypot(y - 32, x - 32) > 8)
    assert np.mean([(one[disc] ** 2).mean() for one in fields]) == pytest.approx(1.0, abs=0.05)
    np.testing.assert_array_equal(rays((65, 65), square(30, 30), 0.0, (1,)), np.ones((65, 65)))


# ---------------------------------------------------------------- islands that a finder would see


def blob(y, x, peak, shape=(64, 64), sigma=1.5):
    rows, columns = np.indices(shape)
    return peak * np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2)


def test_islands_above_the_range_become_holes():
    """All of it is residual here: the picture less what is taken off is its mirror image at the island."""
    left = blob(20, 20, TURNED[1] + 1)
    off = turned(left, left, [], 0)
    island = left > ISLAND
    np.testing.assert_allclose((left - off)[island], -left[island], rtol=1e-9)
    far = ndimage.distance_transform_edt(~island) > TURN_REACH
    assert np.abs(off[far]).max() < 1e-12 and far.any()


def test_islands_below_the_range_stay():
    for peak in (0.5 * (ISLAND + TURNED[0]), TURNED[0] - 0.01):
        left = blob(20, 20, peak)
        assert not any(turned(left, left, [], seed).any() for seed in range(50))


def test_within_the_range_chance_decides():
    left = blob(20, 20, 0.5 * sum(TURNED))
    share = np.mean([turned(left, left, [], seed).any() for seed in range(400)])
    assert share == pytest.approx(0.5, abs=0.1)
    share = np.mean([turned(left, left, [], seed, 0.4).any() for seed in range(400)])
    assert share == pytest.approx(0.2, abs=0.08)
    bright = blob(20, 20, 20.0)
    assert not any(turned(bright, bright, [], seed, 0.0).any() for seed in range(50))


def test_what_is_noise_is_not_turned():
    """Only what is left of sources changes its sign."""
    picture = blob(20, 20, 10.0)
    assert not turned(picture, np.zeros(picture.shape), [], 0).any()
    off = turned(picture, 0.25 * picture, [], 0)
    assert (picture - off)[20, 20] == pytest.approx(0.5 * picture[20, 20])


def test_objects_keep_their_own_pixels():
    picture = blob(20, 20, 50.0)
    one = [SourceObject.from_pixels("S1", 2, picture > 1.0)]
    assert not turned(picture, picture, one, 0).any()
    both = picture + blob(45, 50, 10.0)
    off = turned(both, both, one, 0)
    assert off[45, 50] == pytest.approx(2 * both[45, 50]) and off[one[0].slices].max() < 1e-12


def test_few_islands_are_left_to_a_finder():
    """Around a source of 1,000 rms, half of what a finder would see is gone, and the holes are still there."""
    visible = replace(SPECTRUM, residuals=LEFT)
    hidden = replace(SPECTRUM, residuals=replace(LEFT, turned=1.0))
    one = square(46, 46)
    free = ~one.pixels((96, 96))
    before, after = (
        np.concatenate([make_layers(s, (96, 96), k, [one], [1000.0]).picture[free] for k in range(40)])
        for s in (visible, hidden)
    )
    high = TURNED[1]
    assert (before > high).sum() > 500 and (after > high).sum() < 0.5 * (before > high).sum()
    assert (before < -high).sum() == pytest.approx((before > high).sum(), rel=0.5)
    assert (after < -high).sum() > 0.8 * (before < -high).sum()


# ---------------------------------------------------------------- backgrounds


def wide_and_small(shape=(256, 256), width=40.0, seed=0):
    return blob(128, 128, 3.0, shape, width), SPECTRUM.draw(shape, seed).astype(float)


def test_emission_wider_than_ten_beams_is_kept():
    """A Gaussian of sigma S smoothed by s has its peak times S^2 / (S^2 + s^2)."""
    wide, _ = wide_and_small()
    diffuse, noise = split_background(BackgroundImage(wide.astype(np.float32)), 3.0)
    sigma = prior.DIFFUSE_BEAMS * 3.0 / math.sqrt(8 * math.log(2))
    assert diffuse[128, 128] == pytest.approx(3.0 * 40.0**2 / (40.0**2 + sigma**2), rel=0.01)
    assert diffuse.dtype == noise.dtype == np.float32
    np.testing.assert_allclose(diffuse + noise, wide, atol=1e-5)


def test_small_noise_is_given_up():
    wide, small = wide_and_small()
    diffuse, noise = split_background(BackgroundImage((wide + small).astype(np.float32)), 3.0)
    alone, _ = split_background(BackgroundImage(wide.astype(np.float32)), 3.0)
    assert np.std(diffuse - alone) < 0.12
    assert np.corrcoef(noise.ravel(), small.ravel())[0, 1] > 0.98
    assert noise.std() == pytest.approx(1.0, rel=0.05)


def test_sources_of_a_background_are_no_emission():
    _, small = wide_and_small()
    mask = np.zeros(small.shape, np.uint8)
    mask[100:140, 100:140] = 3
    bright = small + 100.0 * (mask > 0)
    told, _ = split_background(BackgroundImage(bright.astype(np.float32), mask=mask), 3.0)
    untold, _ = split_background(BackgroundImage(bright.astype(np.float32)), 3.0)
    assert np.abs(told).max() < 1.0 < 3.0 < untold.max()
    full, _ = split_background(BackgroundImage(bright.astype(np.float32), mask=np.ones_like(mask)), 3.0)
    np.testing.assert_array_equal(full, untold)  # nothing else to go by


@pytest.mark.parametrize("shape", [(128, 128), (64, 64), (96, 200)])
def test_noise_may_be_copied(shape):
    snr = (1.7 * SPECTRUM.draw(shape, 3)).astype(np.float32)
    layers = background_layers(BackgroundImage(snr), 5, 3.0, True)
    np.testing.assert_allclose(layers.picture, snr, atol=1e-5)
    assert np.corrcoef(layers.start.ravel(), snr.ravel())[0, 1] > 0.98
    again = background_layers(BackgroundImage(snr), 6, 3.0, True)
    np.testing.assert_array_equal(layers.picture, again.picture)


def test_copied_noise_is_held_within_what_networks_know():
    snr = SPECTRUM.draw((128, 128), 3)
    snr[60, 60] = 400.0
    layers = background_layers(BackgroundImage(snr), 5, 3.0, True)
    assert layers.picture[60, 60] == pytest.approx(400.0, rel=1e-3)
    assert layers.start.max() == prior.LIMIT


def test_noise_drawn_anew_is_as_strong():
    """By the background's own rms, in units of that of the header; and another of every seed."""
    snr = (1.7 * SPECTRUM.draw((128, 128), 3)).astype(np.float32)
    diffuse, noise = split_background(BackgroundImage(snr), 3.0)
    drawn = [background_layers(BackgroundImage(snr), seed, 3.0, False) for seed in range(60)]
    pictures = np.stack([one.picture - diffuse for one in drawn]).astype(float)
    assert math.sqrt((pictures**2).mean()) == pytest.approx(noise.std(), rel=0.02)
    starts = np.stack([one.start for one in drawn]).astype(float)
    assert math.sqrt((starts**2).mean()) == pytest.approx(1.0, rel=0.02)
    assert abs(np.corrcoef(pictures[0].ravel(), pictures[1].ravel())[0, 1]) < 0.1
    assert abs(np.corrcoef(pictures[0].ravel(), noise.ravel())[0, 1]) < 0.1


def test_noise_drawn_anew_has_the_background_s_spectrum():
    """Stripes along y: their mean power stands in the same modes, and there is little elsewhere."""
    shape = (128, 128)
    stripes = NoiseSpectrum.from_beam(Beam(24.0, 3.0, 0.0), 1.0)
    snr = stripes.draw(shape, 1)
    spectrum = background_layers(BackgroundImage(snr), 0, 3.0, False).spectrum
    lag = spectrum.side // 2
    assert spectrum.autocovariance[lag + 6, lag] > 0.4 > 0.25 > abs(spectrum.autocovariance[lag, lag + 6])
    drawn = np.stack([background_layers(BackgroundImage(snr), seed, 3.0, False).start for seed in range(30)]).astype(
        float
    )
    for dy, dx in ((6, 0), (0, 6), (3, 1)):
        found = (drawn[:, 8 + dy : 110 + dy, 8 + dx : 110 + dx] * drawn[:, 8:110, 8:110]).mean()
        assert found == pytest.approx(spectrum.autocovariance[lag + dy, lag + dx], abs=0.05)


def test_the_emission_of_a_background_stays_under_new_noise():
    wide, small = wide_and_small()
    snr = (wide + small).astype(np.float32)
    mean = np.mean([background_layers(BackgroundImage(snr), seed, 3.0, False).picture for seed in range(40)], axis=0)
    diffuse, _ = split_background(BackgroundImage(snr), 3.0)
    np.testing.assert_allclose(mean[::16, ::16], diffuse[::16, ::16], atol=1.0)  # 40 fields: 0.16 rms a pixel
    assert np.std(mean - diffuse) < 0.25


def test_sources_of_a_background_are_not_taken_for_its_noise():
    """They were removed, or are there (mode self): the spectrum is measured elsewhere."""
    snr = SPECTRUM.draw((128, 128), 4)
    mask = np.zeros(snr.shape, np.uint8)
    mask[40:60, 40:60] = 3
    bright = snr + np.float32(200.0) * (mask > 0)
    layers = background_layers(BackgroundImage(bright, mask=mask), 2, 3.0, False)
    assert layers.picture.std() == pytest.approx(1.0, rel=0.1) and layers.picture.max() < 8


def test_sources_that_nobody_marked_are_found_in_a_background():
    """A plain map as a background: its sources are neither emission nor noise."""
    noise = NoiseSpectrum.from_beam(Beam(5.4, 5.4), 1.8).draw((128, 128), 3)
    image = noise.copy()
    image[60:66, 60:66] += 200.0
    plain, with_source = (
        background_layers(BackgroundImage(one, rms=1.0), seed=5, beam=3.0, keep_noise=False) for one in (noise, image)
    )
    assert with_source.picture.std() == pytest.approx(plain.picture.std(), rel=0.05)
    assert np.abs(with_source.picture - plain.picture).max() < 2.0
