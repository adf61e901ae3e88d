"""Noise in place of a map's pixels: blank pixels, the local rms, runs that are interrupted."""

import numpy as np
import pytest
from astropy.io import fits

from populate_samples import BEAM, SCALE, files_of, noise_map
from radiff.masks import COMPACT
from radiff.populate import NoiseOptions, Number, PopulateOptions, populate
from radiff.sky import NoiseSpectrum
from radiff.sky.noise_source import NoiseSource

OPTIONS = PopulateOptions({COMPACT: Number(8)}, seed=3)
NOISE = NoiseOptions(NoiseSource("test", NoiseSpectrum.from_beam(BEAM, SCALE)))


@pytest.fixture
def given(tmp_path):
    """A map whose rms grows four times to the left, with a blank corner and a real source."""
    path = noise_map(tmp_path / "given.fits", (400, 500), simulated=False, gradient=4.0, gradient_pa=90.0)
    with fits.open(path, mode="update") as hdus:
        hdus[0].data[:60, :60] = np.nan
        hdus[0].data[200:206, 300:306] += 1e-2
    return path


def test_the_map_gives_rms_and_blanks(given, tmp_path):
    made = populate(given, tmp_path / "out", OPTIONS, noise=NOISE, pictures=False)
    own, noise, image = (
        fits.getdata(path) for path in (given, made.folder / "background.fits", made.folder / "map.fits")
    )
    np.testing.assert_array_equal(np.isnan(noise), np.isnan(own))
    assert np.nanmax(noise) < 2e-3  # the source is gone
    for part in (np.s_[100:, :80], np.s_[:, 210:290], np.s_[:, -80:]):
        assert noise[part].std() == pytest.approx(own[part].std(), rel=0.12)
    np.testing.assert_array_equal(image, noise + fits.getdata(made.folder / "sources.fits"))
    assert not (made.folder / "real_sources.json").exists()


def test_an_rms_map_in_place_of_the_own(given, tmp_path):
    rms = np.full((400, 500), 3e-4, np.float32)
    fits.PrimaryHDU(rms, fits.Header([("BUNIT", "Jy/beam")])).writeto(tmp_path / "rms.fits")
    noise = NoiseOptions.parse(NOISE.source, str(tmp_path / "rms.fits"))
    made = populate(given, tmp_path / "out", OPTIONS, noise=noise, pictures=False)
    assert np.nanstd(fits.getdata(made.folder / "background.fits")) == pytest.approx(3e-4, rel=0.05)


def test_a_run_that_is_interrupted_goes_on(given, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    whole = populate(given, tmp_path / "whole", OPTIONS, noise=NOISE, pictures=False)
    for step in ("replace_noise", "survey_map", "write_images"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"radiff.populate.run.{step}", stop)
            populate(given, tmp_path / "out", OPTIONS, noise=NOISE, pictures=False)
    made = populate(given, tmp_path / "out", OPTIONS, noise=NOISE, pictures=False, workers=2)
    assert files_of(made.folder) == files_of(whole.folder)
    assert populate(given, tmp_path / "out", OPTIONS, noise=NOISE).seconds == {}
