"""Figures of the sky between objects, on noise of which the answer is known."""

import numpy as np
import pytest

from radiff.evaluate.joint import noise
from radiff.evaluate.joint.stacks import away, stack_of
from radiff.generate import measure_noise
from radiff.masks import SourceObject


def white(count, seed=0, size=128):
    return np.random.default_rng(seed).standard_normal((count, size, size)).astype(np.float32)


def masks(count, size=128):
    table = np.zeros((count, size, size), np.uint8)
    table[:, 60:70, 60:70] = 3
    return table


def by_title(lines):
    return {line.title: line for line in lines}


def test_pixels_away_from_objects():
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[0, 4, 4] = 2
    assert (~away(mask, 1)).sum() == 5 and (~away(mask, 2)).sum() == 13


def test_the_clipped_rms_is_the_generators_own():
    image, mask = 1.3 * white(1)[0] + 0.2, masks(1)[0]
    image[60:70, 60:70] = 500
    assert noise.own_level_and_rms(image, mask) == measure_noise(image, mask)[:2]
    assert np.isnan(noise.own_level_and_rms(image, np.ones_like(mask))[1])


def test_rms_over_what_was_asked():
    real = stack_of("real", white(6), masks(6))
    made = stack_of("made", white(6, 1), masks(6), scale=np.full(6, 1.1))
    lines = by_title(noise.rms_lines(real, made))
    clipped = lines["noise rms over asked, clipped, median"]
    assert clipped.value.value == pytest.approx(1.1, abs=0.02) and clipped.met is False
    told = stack_of("made", white(6, 1), masks(6), sampled=np.full(6, 0.8))
    lines = by_title(noise.rms_lines(real, told))  # brought to 1 afterwards: the header tells what it was
    assert lines["noise rms over asked, clipped, median"].value.value == pytest.approx(0.8, abs=1e-6)
    assert lines["noise rms over asked, plain, median"].value.value == pytest.approx(0.8, abs=0.01)
    assert lines["noise rms over asked, plain, median"].real == pytest.approx(1.0, abs=0.01)


def test_power_in_bands_is_that_of_the_noise_and_knows_no_objects():
    images = white(8)
    images[:, 60:70, 60:70] = 1000
    made = stack_of("made", images * np.float32(1.2), masks(8))
    lines = noise.band_lines(stack_of("real", white(8, 1), masks(8)), made)
    assert [line.value.value for line in lines] == pytest.approx([1.44] * 8, rel=0.1)
    assert [line.real for line in lines] == pytest.approx([1.0] * 8, rel=0.1)
    assert not any(line.met for line in lines)
    surveys = stack_of("real", white(8, 1), masks(8), surveys=["A"] * 4 + ["B"] * 4)
    assert len(noise.band_lines(surveys, made)) == 24


def test_moments_of_known_distributions():
    random = np.random.default_rng(0)
    real = stack_of("real", white(20), masks(20))
    skewed = (random.gamma(16, 1, (20, 128, 128)) - 16) / 4  # skewness 2 / sqrt(16), kurtosis 6 / 16
    lines = noise.moment_lines(real, stack_of("made", skewed, masks(20)))
    assert [line.value.value for line in lines] == pytest.approx([0.5, 0.375], abs=0.02)
    assert [line.met for line in lines] == [False, False]
    assert [line.met for line in noise.moment_lines(real, real)] == [True, True]


def test_islands_are_counted_by_side_and_height():
    image = np.random.default_rng(0).integers(-1, 2, (1, 128, 128)).astype(float)  # median 0, median of |x| 1
    image[0, 10, 10:13] = 4.2 * 1.4826
    image[0, 11, 13] = 4.2 * 1.4826  # touches by a corner: another island
    image[0, 30, 30] = -9
    image[0, 58, 65] = 50  # two pixels from the object: does not count
    image[0, 56, 65] = 50
    found = noise.islands(stack_of("one", image, masks(1)))[0]
    assert found.tolist() == [[3, 3, 1, 1], [1, 1, 1, 1]]


def test_island_lines_are_of_first_where_there_are_more_surveys():
    real = stack_of("real", white(6), masks(6), surveys=["FIRST"] * 4 + ["NVSS"] * 2)
    lines = noise.island_lines(real, real)
    assert lines[0].value.value == 1.0 and lines[0].met and lines[0].note.endswith("in 4 images")
    quiet = stack_of("quiet", np.clip(white(6), -3.8, 3.8), masks(6), surveys=real.surveys)
    assert noise.island_lines(real, quiet)[1].value.value == 0.0


def test_stacks_choose_and_refuse():
    one = SourceObject("S1", 2, np.ones((1, 1), bool), 3, 5)
    stack = stack_of("s", white(3, size=32), masks(3, 32), ["a", "b", "c"], [[one], [], []], groups=["x", "y", "z"])
    part = stack.chosen([2, 0])
    assert part.names == ["c", "a"] and part.groups == ["z", "x"] and len(part.objects[1]) == 1
    assert (part.snr == stack.snr[[2, 0]]).all()
    with pytest.raises(Exception, match="both must be one stack"):
        stack_of("s", white(3, size=32), masks(2, 32))
