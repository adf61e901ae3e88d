"""Noise spectra measured on fields of known spectrum: means, errors, masks, leakage, the wandering rms."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from conftest import Injected, add_gaussian
from radiff.errors import InputError
from radiff.sky import Beam, Cutout, NoiseBank, NoiseSpectrum
from radiff.sky.noise_source import open_noise
from radiff.sky.spectrum_files import write_noise_bank

BEAM = Beam(6.0, 6.0)
TRUE = NoiseSpectrum.from_beam(BEAM, 1.5)


def as_map(image, beam=BEAM, scale=1.5):
    return Cutout(image, beam=beam, header=fits.Header([("CDELT1", -scale / 3600), ("CDELT2", scale / 3600)]))


def truth(side, spectrum=TRUE):
    return spectrum.stretched(np.eye(2), side)


@pytest.mark.parametrize(("count", "shape"), [(1, (300, 300)), (8, (300, 300)), (1, (900, 700))])
def test_measured_back_within_the_stated_error(count, shape):
    """Of 6 measurements: the mean is right, and the scatter a mode is what is said."""
    ratios, said = [], []
    for run in range(6):
        maps = [as_map(TRUE.draw(shape, 100 * run + k) * 1e-4) for k in range(count)]
        found = NoiseSpectrum.measure(maps, side=64, empty=True, wander=False)
        ratios.append(found.power / truth(64).power)
        said.append(found.error)
    strong = truth(64).power > 1e-2 * truth(64).power.max()
    ratios = np.array(ratios)[:, strong]
    assert ratios.mean() == pytest.approx(1.0, abs=0.03)
    assert ratios.std() == pytest.approx(said[0], rel=0.35)
    assert found.rms == pytest.approx(1e-4, rel=0.03) and found.beam == BEAM and found.pixel_scale == pytest.approx(1.5)
    assert abs(found.notes["skewness"]) < 0.1 and abs(found.notes["kurtosis"]) < 0.2
    power = found.radial(8)[1]
    np.testing.assert_allclose(power[:4], truth(64).radial(8)[1][:4], rtol=0.12)


@pytest.fixture(scope="module")
def with_sources():
    """Noise, the same with 60 sources of 8 to 300 rms, and their mask: pixels that are lifted by more than 1 rms."""
    noise = TRUE.draw((600, 600), 3).astype(float)
    sources = np.zeros_like(noise)
    random = np.random.default_rng(0)
    for _ in range(60):
        x, y = random.uniform(10, 590, 2)
        add_gaussian(sources, Injected(x, y, float(np.exp(random.uniform(np.log(8), np.log(300)))), 4.0, 4.0))
    return noise, noise + sources, sources > 1.0


@pytest.mark.parametrize("own", [True, False])
def test_sources_are_left_out(with_sources, own):
    """With a mask, and by what is bright, the spectrum is that of the noise alone."""
    noise, image, mask = with_sources
    wanted = NoiseSpectrum.measure(as_map(noise), side=64, empty=True, wander=False)
    found = NoiseSpectrum.measure(as_map(image), mask if own else None, side=64, wander=False)
    strong = wanted.power > 1e-2 * wanted.power.max()
    assert (found.power / wanted.power)[strong].mean() == pytest.approx(1.0, abs=0.03)
    assert np.std((found.power / wanted.power)[strong]) < 2 * wanted.error
    assert found.rms == pytest.approx(wanted.rms, rel=0.03)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad = NoiseSpectrum.measure(as_map(image), side=64, empty=True, wander=False)
    assert (bad.power / wanted.power)[strong].std() > 2 * np.std((found.power / wanted.power)[strong])


def test_blank_corners(with_sources):
    noise = with_sources[0].copy()
    y, x = np.indices(noise.shape) - 300
    noise[np.hypot(x, y) > 300] = np.nan
    wanted = NoiseSpectrum.measure(as_map(with_sources[0]), side=64, empty=True, wander=False)
    found = NoiseSpectrum.measure(as_map(noise), side=64, empty=True, wander=False)
    strong = wanted.power > 1e-2 * wanted.power.max()
    assert (found.power / wanted.power)[strong].mean() == pytest.approx(1.0, abs=0.04)
    assert found.notes["usable_pixels"] == np.isfinite(noise).sum()


def test_weak_modes_of_a_steep_spectrum_are_flagged():
    """FT(beam)^2 with a beam of 6 pixels falls by 1e-17 to .5 cycles: what windows tell there is leakage."""
    steep = NoiseSpectrum.from_beam(Beam(9.0, 9.0), 1.5, exponent=2)
    found = NoiseSpectrum.measure(as_map(steep.draw((400, 400), 1), Beam(9.0, 9.0)), empty=True, wander=False)
    power = truth(found.side, steep).power / steep.power.max()
    assert not found.floor[power > 1e-2].any()
    assert found.floor[power < 1e-12].mean() > 0.9  # scatter passes two of its deviations now and then
    assert found.notes["flagged_modes"] == pytest.approx(found.floor.mean())


def test_diffuse_emission_is_held():
    """Wide waves are neither noise nor source: the modes about 0 keep what those around say, the rms is the rest's."""
    noise = TRUE.draw((512, 512), 2).astype(float)
    y, x = np.indices(noise.shape)
    diffuse = 1.5 * np.sin(2 * np.pi * x / 170) * np.cos(2 * np.pi * y / 210)
    wanted = NoiseSpectrum.measure(as_map(noise), wander=False)
    found = NoiseSpectrum.measure(as_map(noise + diffuse), wander=False)
    assert found.notes["held_variance"] > 0.2 and wanted.notes["held_variance"] < 0.01
    assert found.rms == pytest.approx(wanted.rms, rel=0.08)
    near = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(128, 1 / 128)])) <= 3
    assert found.power[near].max() < 3 * wanted.power[near].max()
    kept = NoiseSpectrum.measure(as_map(noise + diffuse), empty=True, wander=False)  # a difference has no such emission
    assert kept.power[near].max() > 10 * wanted.power[near].max()


@pytest.mark.parametrize("spread", [0.1, 0.2])
def test_the_wandering_of_the_rms(spread):
    spectrum = replace(TRUE, rms_spread=spread, rms_scale=12.0)
    maps = [as_map(spectrum.draw((400, 400), seed, wander=True)) for seed in range(12)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = NoiseSpectrum.measure(maps, empty=True)
    assert found.rms_spread == pytest.approx(spread, rel=0.25)
    assert found.rms_scale == pytest.approx(12.0, rel=0.25)


def test_a_constant_rms_does_not_wander():
    found = NoiseSpectrum.measure([as_map(TRUE.draw((400, 400), seed)) for seed in range(8)], empty=True)
    assert found.rms_spread < 0.03


def test_a_large_map_is_measured_by_windows(tmp_path, monkeypatch):
    image = TRUE.draw((700, 900), 4)
    header = fits.Header([("BUNIT", "Jy/beam"), ("BMAJ", 6 / 3600), ("BMIN", 6 / 3600), ("BPA", 0.0)])
    header["CDELT1"], header["CDELT2"] = -1.5 / 3600, 1.5 / 3600
    fits.PrimaryHDU(image, header).writeto(tmp_path / "map.fits")
    monkeypatch.setattr("radiff.sky.spectrum_patch.LARGE_MAP", 400 * 400)
    monkeypatch.setattr("radiff.sky.spectrum_patch.WINDOW", 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = NoiseSpectrum.measure(tmp_path / "map.fits", side=64, empty=True, wander=False)
    assert found.notes["maps"] == 16 and found.origin == "measured on map.fits"
    strong = truth(64).power > 1e-2 * truth(64).power.max()
    assert (found.power / truth(64).power)[strong].mean() == pytest.approx(1.0, abs=0.04)


def residual_map():
    image = TRUE.draw((300, 300), 1).astype(float)
    image[100:140, 100:140] -= 8.0
    return as_map(image)


def test_residuals_are_told():
    with pytest.warns(
        UserWarning, match=r"pixels beyond 5 rms are left outside the mask; the spectrum holds residuals"
    ):
        found = NoiseSpectrum.measure(residual_map(), wander=False)
    assert found.notes["residual_pixels"] > 1000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: NoiseSpectrum.measure(np.zeros((30, 80))),
            "has 80 x 30 pixels; at least 64 x 64 are needed to measure",
        ),
        (
            lambda: NoiseSpectrum.measure(np.zeros(30)),
            r"a map has two axes \(ny, nx\); this array has the shape \(30,\)",
        ),
        (lambda: NoiseSpectrum.measure([]), "no map to measure the noise on"),
        (
            lambda: NoiseSpectrum.measure(TRUE.draw((99, 99)), np.zeros((9, 9))),
            r"the mask has the shape \(9, 9\), the map \(99, 99\)",
        ),
        (
            lambda: NoiseSpectrum.measure([TRUE.draw((99, 99))] * 2, [None]),
            "1 masks for 2 maps; give one a map",
        ),
        (
            lambda: NoiseSpectrum.measure([as_map(TRUE.draw((99, 99))), as_map(TRUE.draw((99, 99)), scale=2.0)]),
            "differ in their pixel scale; measure them apart",
        ),
        (
            lambda: NoiseSpectrum.measure([as_map(TRUE.draw((99, 99))), as_map(TRUE.draw((99, 99)), Beam(9.0, 9.0))]),
            "differ in their beam; measure them apart",
        ),
        (
            lambda: NoiseSpectrum.measure(residual_map(), strict=True),
            "residuals of a bright source, which are no noise",
        ),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_what_noise_may_be(tmp_path, monkeypatch):
    """A spectrum, a bank, a survey of the bank in the box, a map, a beam; one line for anything else."""
    TRUE.write(tmp_path / "noise.fits")
    source = open_noise(tmp_path / "noise.fits")
    assert source.draw(1).side == source.draw(2).side == TRUE.side and source.bank is None
    bank = write_noise_bank(
        tmp_path / "bank.fits", [replace(TRUE, rms=k * 1e-4) for k in (1.0, 2.0)], ["a", "b"], ["first", "nvss"]
    )
    source = open_noise(bank)
    assert {round(source.draw(seed).rms * 1e4) for seed in range(20)} == {1, 2} and source.spectrum is None
    monkeypatch.setattr("radiff.sky.spectrum_files.BANK", bank)
    source = open_noise("NVSS")
    assert (source.name, source.survey) == ("nvss", "nvss") and source.draw(9).rms == pytest.approx(2e-4)
    assert open_noise("beam", beam=BEAM, pixel_scale=1.5).draw(0).autocovariance.max() == pytest.approx(1.0)
    header = fits.Header([("BUNIT", "Jy/beam"), ("BMAJ", 6 / 3600), ("BMIN", 6 / 3600), ("BPA", 0.0)])
    fits.PrimaryHDU(TRUE.draw((300, 300)) * np.float32(1e-4), header).writeto(tmp_path / "map.fits")
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert open_noise(tmp_path / "map.fits", said.append).draw(0).rms == pytest.approx(1e-4, rel=0.03)
    assert len(said) == 1 and said[0].startswith("noise measured on map.fits: ")
    choices = "a spectrum or a bank of 'radiff noise measure', a FITS map to measure it on, or one of: first, nvss"
    for name in ("vlass", "beam", str(tmp_path / "none.fits")):
        with pytest.raises(InputError, match="is no file and no survey; give " + choices):
            open_noise(name)
    (tmp_path / "text.txt").write_text("no FITS")
    with pytest.raises(InputError, match=r"text.txt: no noise can be measured on it: is not a FITS file.*" + choices):
        open_noise(tmp_path / "text.txt")
    write_noise_bank(tmp_path / "one.fits", [TRUE], ["a"], ["first"])
    monkeypatch.setattr("radiff.sky.spectrum_files.BANK", tmp_path / "one.fits")
    with pytest.raises(InputError, match="the noise bank has no survey 'nvss'; it has first"):
        open_noise("nvss")
    assert len(NoiseBank.open()) == 1
