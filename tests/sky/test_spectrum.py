"""Noise spectra against what is known in closed form: Gaussian beams, stretched lags, files that come back."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from radiff.errors import InputError
from radiff.sky import Beam, FaintSources, NoiseBank, NoiseSpectrum, Residuals
from radiff.sky.spectrum import faint_power
from radiff.sky.spectrum_files import is_noise_bank, is_noise_spectrum, write_noise_bank

BEAM = Beam(9.0, 6.0, 30.0)


def at_lag(spectrum, dx, dy):
    middle = spectrum.side // 2
    return spectrum.autocovariance[middle + dy, middle + dx]


def covariance(spectrum):
    """Covariance (x, y) of a Gaussian autocovariance, of its fall at lags of 2 pixels."""
    logs = {lag: np.log(at_lag(spectrum, *lag)) for lag in ((2, 0), (0, 2), (2, 2), (2, -2))}
    inverse = np.array([[-0.5 * logs[2, 0], 0.0], [0.0, -0.5 * logs[0, 2]]])
    inverse[0, 1] = inverse[1, 0] = (logs[2, -2] - logs[2, 2]) / 8
    return np.linalg.inv(inverse)


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_from_a_beam(exponent):
    """The autocovariance is the Gaussian of the beam's covariance, times the exponent."""
    spectrum = NoiseSpectrum.from_beam(BEAM, 1.5, exponent)
    shape = exponent * BEAM.covariance(1.5)
    assert spectrum.power.mean() == pytest.approx(1.0) and spectrum.autocovariance.max() == pytest.approx(1.0)
    for lag in ((3, 0), (0, 5), (4, 2), (-4, 2), (6, -6)):
        wanted = np.exp(-0.5 * np.array(lag) @ np.linalg.solve(shape, lag))
        assert at_lag(spectrum, *lag) == pytest.approx(wanted, abs=1e-6)
    assert at_lag(spectrum, -2, 4) > at_lag(spectrum, 2, 4)  # 30 deg from north to east: up, to the left
    assert spectrum.beam == BEAM and spectrum.error == 0 and spectrum.floor is None


def test_the_kernel_has_the_spectrum():
    spectrum = NoiseSpectrum.from_beam(BEAM, 1.5)
    assert (spectrum.kernel**2).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(np.abs(np.fft.fft2(spectrum.kernel)) ** 2, spectrum.power, atol=1e-9)
    frequency, power = spectrum.radial(8)
    assert len(frequency) == 8 and (np.diff(power) < 0).all() and frequency[-1] < 0.5


@pytest.mark.parametrize("pa", [30.0, 170.0])
def test_beam_shapes_come_back(pa):
    found = Beam.from_covariance(Beam(9.0, 6.0, pa).covariance(1.5), 1.5)
    assert (found.maj, found.min, found.pa) == pytest.approx((9.0, 6.0, pa))


def test_a_dirty_beam_is_its_own_autocovariance():
    y, x = np.indices((96, 100)) - np.array([48, 40])[:, None, None]
    spectrum = NoiseSpectrum.from_dirty_beam(np.exp(-0.5 * (x**2 + y**2) / 9.0), 1.5)
    window = np.cos(0.5 * np.pi * 3 / 40) ** 2  # lags fall to 0 at the nearest edge, 40 pixels away
    assert at_lag(spectrum, 3, 0) == pytest.approx(np.exp(-0.5) * window, abs=2e-3)
    assert spectrum.side == 80 and spectrum.pixel_scale == 1.5


def test_stretched_by_two():
    """Every lag is twice as long, whatever the shape; and back again."""
    spectrum = NoiseSpectrum.from_beam(BEAM, 1.5)
    wide = spectrum.stretched(np.eye(2) * 2)
    np.testing.assert_allclose(covariance(wide), 4 * covariance(spectrum), rtol=0.03, atol=0.3)
    assert wide.rms_scale == 2 * spectrum.rms_scale
    back = wide.stretched(np.eye(2) / 2)
    np.testing.assert_allclose(covariance(back), covariance(spectrum), rtol=0.03, atol=0.1)


def test_with_the_shape_of_another_beam():
    """A round beam becomes elliptical: with FT(beam) to the first power, the autocovariance is the new beam."""
    spectrum = NoiseSpectrum.from_beam(Beam(6.0, 6.0), 1.5)
    wanted = BEAM.covariance(1.5)
    np.testing.assert_allclose(covariance(spectrum.with_shape(wanted)), wanted, rtol=0.03, atol=0.05)
    assert spectrum.with_shape(spectrum.shape) is spectrum
    other = spectrum.at(Beam(8.0, 8.0), 2.0)  # as many pixels wide
    np.testing.assert_allclose(covariance(other), covariance(spectrum), rtol=1e-6, atol=1e-9)
    assert (other.beam, other.pixel_scale) == (Beam(8.0, 8.0), 2.0)
    unknown = NoiseSpectrum(spectrum.power, pixel_scale=1.5)
    np.testing.assert_allclose(covariance(unknown.at(BEAM, 0.75)), 4 * covariance(spectrum), rtol=0.03, atol=0.3)


@pytest.mark.parametrize("slope", [1.0, 1.7, 2.5, 3.0])
def test_moments_of_faint_sources(slope):
    """Against a numerical integral, and against peaks that are drawn."""
    faint = FaintSources(0.1, slope, 0.5, 6.0)
    grid = np.geomspace(0.5, 6.0, 20001)
    density = grid**-slope
    for order in (1, 2, 3):
        wanted = np.trapezoid(density * grid**order, grid) / np.trapezoid(density, grid)
        assert faint.moment(order) == pytest.approx(wanted, rel=1e-5)
    peaks = faint.peaks((np.arange(100000) + 0.5) / 100000)
    assert (peaks**2).mean() == pytest.approx(faint.moment(2), rel=1e-3)


def test_the_share_of_faint_sources():
    """Half the density a beam times the mean square peak: the square of a Gaussian beam fills half its area."""
    faint = FaintSources(0.05, 2.0, 1.0, 4.0)
    spectrum = NoiseSpectrum.from_beam(BEAM, 1.5, faint=faint)
    share, _ = faint_power(spectrum)
    assert share == pytest.approx(0.5 * 0.05 * faint.moment(2))
    assert spectrum.gaussian_part().power.mean() == pytest.approx(1 - share)


def full(**given):
    about = {
        "rms": 1.5e-4, "frequency": 1.4e9, "rms_spread": 0.05, "rms_scale": 12.0, "error": 0.1,
        "faint": FaintSources(0.01, 2.0, 1.5, 4.0), "residuals": Residuals(level=0.02), "origin": "a test",
        "notes": {"windows": 9},
    }  # fmt: skip
    spectrum = NoiseSpectrum.from_beam(BEAM, 1.5, **(about | given))
    return replace(spectrum, floor=spectrum.power < 1e-3)


def test_a_file_comes_back(tmp_path):
    spectrum = full()
    assert spectrum.write(tmp_path / "noise.fits") == tmp_path / "noise.fits"
    read = NoiseSpectrum.read(tmp_path / "noise.fits")
    np.testing.assert_allclose(read.power, spectrum.power, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(read.floor, spectrum.floor)
    for name in ("rms", "pixel_scale", "frequency", "rms_spread", "rms_scale", "error", "origin", "notes"):
        assert getattr(read, name) == getattr(spectrum, name), name
    assert read.faint == spectrum.faint and read.residuals == spectrum.residuals
    assert (read.beam.maj, read.beam.min, read.beam.pa) == pytest.approx((9.0, 6.0, 30.0))
    assert is_noise_spectrum(tmp_path / "noise.fits") and not is_noise_bank(tmp_path / "noise.fits")
    with fits.open(tmp_path / "noise.fits") as hdus:  # as docs/formats.md says: mode 0 in the middle
        header = hdus[0].header
        peak = np.unravel_index(hdus[0].data.argmax(), hdus[0].data.shape)
        assert [at + 1 for at in peak] == [header["CRPIX2"], header["CRPIX1"]] and header["CUNIT1"] == "1/pixel"
    NoiseSpectrum(spectrum.power).write(tmp_path / "bare.fits")
    bare = NoiseSpectrum.read(tmp_path / "bare.fits")
    assert bare.beam is None and bare.rms is None and bare.faint is None


def test_a_bank_comes_back(tmp_path):
    """Steps of log power in 8 bits cost less than 4 % a mode; all else comes back."""
    spectra = [full(rms=1e-4 * (k + 1)) for k in range(3)]
    path = write_noise_bank(tmp_path / "bank.fits", spectra, ["a", "bb", "c"], ["one", "two", "two"])
    assert is_noise_bank(path) and not is_noise_spectrum(path)
    bank = NoiseBank.open(path)
    assert len(bank) == 3 and bank.surveys == ["one", "two"] and bank.names == ["a", "bb", "c"]
    assert bank.of_survey("TWO").tolist() == [1, 2] and bank.of_survey(None).tolist() == [0, 1, 2]
    read = bank.spectrum(1)
    strong = spectra[1].power > 1e-6 * spectra[1].power.max()
    assert np.abs(read.power[strong] / spectra[1].power[strong] - 1).max() < 0.04
    assert read.rms == pytest.approx(2e-4) and read.origin == "two field bb" and read.rms_spread == pytest.approx(0.05)
    assert read.beam.maj == pytest.approx(9.0) and read.faint.high == pytest.approx(4.0)
    assert {bank.draw(seed, "two").rms for seed in range(40)} == {bank.spectrum(1).rms, bank.spectrum(2).rms}
    assert bank.draw(5).rms == bank.draw(5).rms


FLAT = np.ones((16, 16))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoiseSpectrum(np.ones((16, 18))), r"of shape \(16, 18\); it must be square, of an even side from 16"),
        (lambda: NoiseSpectrum(np.ones((17, 17))), "of an even side from 16 to 1024"),
        (lambda: NoiseSpectrum(-FLAT), "must be finite, 0 or more, and somewhere above 0"),
        (lambda: NoiseSpectrum(FLAT, rms=-1.0), "rms is -1; it must be a positive number"),
        (lambda: NoiseSpectrum(FLAT, rms_spread=-0.1), "rms_spread is -0.1; it must be a number of 0 or more"),
        (lambda: NoiseSpectrum.from_beam(Beam(1, 1), 1.5), "widths from 1 to 128 pixels can be told: check the beam"),
        (lambda: NoiseSpectrum.from_dirty_beam(np.zeros((32, 32))), "a finite picture .* of at least 16 x 16 pixels"),
        (lambda: NoiseSpectrum.from_dirty_beam(np.eye(32)), "the peak of the dirty beam lies at its edge"),
        (lambda: NoiseSpectrum(FLAT).at(BEAM, 1.5), "does not say its pixel scale; measure it on a map whose header"),
        (lambda: NoiseSpectrum(FLAT).with_shape(np.eye(2)), "does not say its beam and pixel scale; it can be used"),
        (lambda: FaintSources(0.1, 1.7, 5.0, 1.0), "from 5 to 1 rms; needed are a number of 0 or more, a finite slope"),
        (
            lambda: NoiseSpectrum.from_beam(BEAM, 1.5, faint=FaintSources(9.0)).gaussian_part(),
            "9 faint sources a beam would make all of the noise; give fewer or fainter ones",
        ),
        (lambda: write_noise_bank("x.fits", [], [], []), "a bank needs spectra of one side, with a name and a survey"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_files_that_are_refused(tmp_path):
    fits.PrimaryHDU(FLAT).writeto(tmp_path / "map.fits")
    with pytest.raises(InputError, match=r"map.fits: is no noise spectrum; make one with 'radiff noise measure'"):
        NoiseSpectrum.read(tmp_path / "map.fits")
    with pytest.raises(InputError, match=r"map.fits: is no noise bank; make one with 'radiff noise measure --bank'"):
        NoiseBank.open(tmp_path / "map.fits")
    with pytest.raises(InputError, match=r"none.fits: no such noise bank"):
        NoiseBank.open(tmp_path / "none.fits")
    write_noise_bank(tmp_path / "bank.fits", [full()], ["a"], ["one"])
    with pytest.raises(InputError, match=r"bank.fits: the noise bank has no survey 'two'; it has one"):
        NoiseBank.open(tmp_path / "bank.fits").draw(0, "two")
    full().write(tmp_path / "bad.fits")
    with fits.open(tmp_path / "bad.fits", mode="update") as hdus:
        hdus[0].data[3, 3] = -1
    with pytest.raises(InputError, match=r"bad.fits: a noise spectrum must be finite, 0 or more"):
        NoiseSpectrum.read(tmp_path / "bad.fits")
    assert not is_noise_spectrum(tmp_path / "none.fits")
