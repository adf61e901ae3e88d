"""Noise drawn for training has the spectrum that was measured, seen through the crop, and variance 1."""

import numpy as np
import pytest
import torch

from radiff.data.noise import centred_power, noise_like, noise_roots, packed_roots, power_seen, spectrum_side
from radiff.sky import Beam, Cutout, NoiseSpectrum
from tiny_fields import BEAM, SCALE, write_field

MATRICES = {
    "turned": [[0.0, 1.0], [-1.0, 0.0]],
    "zoomed": [[0.6, 0.0], [0.0, 0.6]],
    "squeezed": [[1.3, 0.0], [0.0, 1.3]],
    "stretched": [[0.8, 0.25], [0.25, 1.1]],
    "all": [[0.25, 1.1], [-0.8, -0.25]],
}


def striped(side=128):
    """The noise of an elliptical beam, with a hatch of stripes 6 pixels apart."""
    spectrum = NoiseSpectrum.from_beam(Beam(4.0, 2.5, 40.0), 1.0)
    roots = packed_roots(spectrum, side).astype(float)
    f = np.fft.fftfreq(side)
    for sign in (1, -1):
        roots += 3 * np.exp(-(((f[:, None] - sign * 0.15) ** 2 + (f[None] - sign * 0.07) ** 2) / (2 * 0.012**2)))
    return NoiseSpectrum(roots**2)


def tensors(spectrum, matrix, count=1):
    roots = torch.from_numpy(packed_roots(spectrum, spectrum.side))
    return roots.expand(count, *roots.shape), torch.tensor(matrix).expand(count, 2, 2)


def test_through_no_matrix_a_spectrum_is_what_it_was():
    spectrum = striped()
    roots, eye = tensors(spectrum, np.eye(2, dtype=np.float32))
    seen = power_seen(centred_power(roots), eye, (128, 128))[0].numpy()
    np.testing.assert_allclose(seen, spectrum.power[:, :65], rtol=5e-3, atol=1e-3)


@pytest.mark.parametrize("name", MATRICES)
def test_a_spectrum_through_a_matrix_is_that_of_the_sky_room(name):
    spectrum, matrix = striped(), MATRICES[name]
    roots, m = tensors(spectrum, matrix)
    seen = power_seen(centred_power(roots), m, (160, 160))[0].numpy()
    expected = spectrum.stretched(np.linalg.inv(matrix), side=160).power[:, :81]
    assert np.abs(seen - expected).max() < 0.03 * expected.max()
    assert np.abs(seen - expected).mean() < 0.004 * expected.mean() + 0.002


def test_noise_has_the_variance_and_the_correlation_that_its_spectrum_says():
    spectrum, count = striped(64), 400
    roots, eye = tensors(spectrum, np.eye(2, dtype=np.float32), count)
    fields = noise_like(roots, eye, (64, 64), torch.Generator().manual_seed(1))
    assert fields.shape == (count, 64, 64)
    variance = fields.square().mean((1, 2))
    error = variance.std().item() / count**0.5
    assert variance.mean().item() == pytest.approx(1.0, abs=4 * error) and error < 0.02
    covariance = spectrum.autocovariance
    for dy, dx in ((0, 1), (1, 0), (2, 2), (2, -2), (5, 3), (0, 12)):
        left, right = (slice(0, 64 - dx), slice(dx, 64)) if dx >= 0 else (slice(-dx, 64), slice(0, 64 + dx))
        products = (fields[:, : 64 - dy, left] * fields[:, dy:, right]).mean((1, 2))
        error = products.std().item() / count**0.5
        assert products.mean().item() == pytest.approx(covariance[32 + dy, 32 + dx], abs=4 * error), (dy, dx)


def test_a_stretched_field_has_the_correlation_of_the_field_it_looks_at():
    """What lies at lag d in the crop lay at lag m @ d in the field."""
    spectrum = NoiseSpectrum.from_beam(Beam(5.0, 4.0, 20.0), 1.0)
    matrix = np.array([[0.8, 0.2], [0.2, 1.0]], np.float32)
    roots, m = tensors(spectrum, matrix, 400)
    fields = noise_like(roots, m, (48, 48), torch.Generator().manual_seed(2))
    inverse = np.linalg.inv(spectrum.shape)
    for dx, dy in ((1, 0), (0, 1), (2, 2), (3, 0)):
        u = matrix @ [dx, dy]
        expected = np.exp(-0.5 * u @ inverse @ u)  # natural weights: the correlation is the beam
        products = (fields[:, : 48 - dy, : 48 - dx] * fields[:, dy:, dx:]).mean((1, 2))
        assert products.mean().item() == pytest.approx(expected, abs=4 * products.std().item() / 20), (dx, dy)


def test_opposite_edges_know_nothing_of_each_other():
    roots, eye = tensors(NoiseSpectrum.from_beam(Beam(6.0, 6.0), 1.0), np.eye(2, dtype=np.float32), 300)
    fields = noise_like(roots, eye, (64, 64), torch.Generator().manual_seed(3))
    across = (fields[:, :, 0] * fields[:, :, -1]).mean(1)
    beside = (fields[:, :, 0] * fields[:, :, 1]).mean(1)
    assert beside.mean() > 0.8 and across.mean().item() == pytest.approx(0, abs=4 * across.std().item() / 300**0.5)


@pytest.mark.parametrize("side", [32, 64, 192])
def test_spectra_of_another_side_keep_their_correlation(side):
    spectrum = NoiseSpectrum.from_beam(Beam(3.0, 2.0, 10.0), 1.0)
    power = packed_roots(spectrum, side).astype(float) ** 2
    assert power.mean() == pytest.approx(1.0, rel=1e-3)
    covariance = np.fft.ifft2(power).real
    for dy, dx in ((0, 1), (1, 1), (2, 0)):
        half = spectrum.side // 2
        assert covariance[dy, dx] == pytest.approx(spectrum.autocovariance[half + dy, half + dx], abs=0.02)


def test_sides_of_spectra():
    assert [spectrum_side(s) for s in ((128, 128), (32, 40), (300, 300), (20, 20), (150, 600))] == [64, 16, 128, 16, 74]


def test_where_nothing_can_be_measured_the_beam_says_it_or_nothing(tmp_path):
    cutout = write_field(tmp_path, 0)
    empty = np.zeros(cutout.shape, np.uint8)
    measured, origin = noise_roots(cutout, empty, 64)
    assert origin == "measured" and measured.shape == (64, 64)
    told, origin = noise_roots(cutout, empty + 3, 64)  # all of it is source
    assert origin == "beam"
    np.testing.assert_array_equal(told, packed_roots(NoiseSpectrum.from_beam(BEAM, SCALE), 64))
    flat, origin = noise_roots(Cutout(np.zeros((32, 32), np.float32)), np.zeros((32, 32), np.uint8), 16)
    assert origin == "flat" and (flat == 1).all()
