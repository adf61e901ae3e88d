"""Power by direction: exact under windows, and no generator passes that does not draw what was asked."""

import numpy as np
import pytest

from radiff.evaluate.joint import angles
from radiff.evaluate.joint.stacks import stack_of
from radiff.sky import Beam
from radiff.sky.spectrum import NoiseSpectrum

COUNT, SIDE = 40, 64


def striped(angle):
    """A beam's spectrum with stripes along one direction."""
    base = NoiseSpectrum.from_beam(Beam(5.4, 4.5, 30), 1.8).power
    f = np.fft.fftfreq(len(base))
    fy, fx = np.meshgrid(f, f, indexing="ij")
    off = np.abs(fx * np.sin(angle) - fy * np.cos(angle))
    return NoiseSpectrum(base * (1 + 8 * np.exp(-((off / 0.04) ** 2))))


@pytest.fixture(scope="module")
def spectra():
    return [striped(angle) for angle in np.random.default_rng(0).uniform(0, np.pi, COUNT)]


def drawn(spectra, seed):
    images = np.stack([s.draw((SIDE, SIDE), seed=seed + k) for k, s in enumerate(spectra)])
    mask = np.zeros(images.shape, np.uint8)
    mask[:, 20:26, 30:38] = 2
    return stack_of("drawn", images, mask, groups=[str(k // 4) for k in range(len(spectra))])


def test_cells_are_rings_and_angles_without_the_lowest_modes():
    cells = angles.cell_numbers((SIDE, SIDE))
    assert cells[0, 0] == cells[1, 1] == cells[-1, 1] == -1 and cells[0, 2] == 0
    assert cells[2, 0] == 4  # along y: a quarter of a turn
    assert cells[0, 30] == -1 and cells.max() == 55
    assert (cells[2, 3], cells[-2, -3]) == (cells[2, 3], cells[2, 3])


def test_the_power_expected_under_a_window_is_the_mean_of_what_is_measured(spectra):
    stack = drawn(spectra[:1], 0)
    window = angles.window_of(stack.clear[0])
    fields = [spectra[0].draw((SIDE, SIDE), seed=100 + k) for k in range(300)]
    measured = np.mean([angles.windowed_power(f, window) for f in fields], 0)
    cells = angles.cell_numbers((SIDE, SIDE))
    ratio = angles.cell_sums(measured, cells) / angles.cell_sums(angles.expected_power(spectra[0].power, window), cells)
    assert np.abs(np.log(ratio)).max() < 0.2 and np.median(np.abs(np.log(ratio))) < 0.035


def test_white_noise_is_expected_to_be_one():
    window = angles.window_of(np.random.default_rng(0).random((SIDE, SIDE)) > 0.3)
    assert angles.expected_power(np.ones((SIDE, SIDE)), window) == pytest.approx(1.0)


def test_right_fields_pass_and_the_mean_spectrum_does_not(spectra):
    powers = np.stack([s.power for s in spectra])
    real, right = drawn(spectra, 0), drawn(spectra, 1000)
    deviation, slope = angles.angle_lines(real, right, powers, drawn(spectra, 2000))
    assert deviation.met and deviation.value.value < 0.12 and deviation.real < 0.12
    assert slope.value.value == pytest.approx(1.0, abs=0.07)
    wrong = drawn([NoiseSpectrum(powers.mean(0))] * COUNT, 3000)
    deviation, slope = angles.angle_lines(real, wrong, powers)
    assert deviation.met is False and deviation.value.value > 0.3 and slope.value.value < 0.4


def test_without_spectra_the_real_images_own_power_is_asked(spectra):
    real = drawn(spectra, 0)
    deviation, slope = angles.angle_lines(real, real)
    assert deviation.value.value == 0.0 and slope.value.value == pytest.approx(1.0)
    assert deviation.note == "asked: each real image's own power"


def test_the_key_of_an_image_is_of_the_others_of_its_field():
    own = np.random.default_rng(0).uniform(1, 2, (5, 56))
    key = angles.field_key(own, ["a", "a", "a", "b", "c"])
    assert (key[3:] == 1).all()
    assert key[0] == pytest.approx(angles.contrast(own)[1:3].mean(0))
