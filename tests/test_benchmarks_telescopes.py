"""The benchmark of telescopes measures what was put in: power, widths, roads around refused beams; and it runs."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radiff.sky import Beam, NoiseField, NoiseSpectrum

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SIDE = 128


@pytest.fixture(scope="module")
def scripts():
    """(telescopes, telescope_list, telescope_beams), imported as the script itself does."""
    sys.path.insert(0, str(FOLDER))
    try:
        return [importlib.import_module(name) for name in ("telescopes", "telescope_list", "telescope_beams")]
    finally:
        sys.path.remove(str(FOLDER))


def fields(spectrum, count, seed=0):
    return [np.asarray(NoiseField(spectrum, (SIDE, SIDE), seed + k).rows(0, SIDE), float) for k in range(count)]


def test_fields_of_the_spectrum_have_its_power_and_louder_ones_more(scripts):
    telescopes, listed, _ = scripts
    spectrum = listed.said(4.0, 4.0)
    clear = [np.ones((SIDE, SIDE), bool)] * 12
    pure = telescopes.powers(fields(spectrum, 12 * telescopes.FIELDS, 100), clear * telescopes.FIELDS)
    held = telescopes.held_bands(spectrum)
    same = telescopes.compared(telescopes.powers(fields(spectrum, 12), clear), pure, held)
    assert same["met"] and same["ratio"] == pytest.approx([1.0] * 8, abs=0.1)
    assert all(low < ratio < high for ratio, (low, high) in zip(same["ratio"], same["interval"], strict=True))
    louder = [1.3**0.5 * one for one in fields(spectrum, 12)]
    loud = telescopes.compared(telescopes.powers(louder, clear), pure, held)
    assert not loud["met"]
    assert loud["ratio"] == pytest.approx([1.3 * ratio for ratio in same["ratio"]], rel=1e-6)


def test_bands_that_hold_the_power(scripts):
    """Of white noise all rings count but what lies in the corners; of a wide beam the first few."""
    telescopes, listed, _ = scripts
    assert telescopes.held_bands(NoiseSpectrum(np.ones((64, 64)))) == list(range(8))
    radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(64)]))
    assert telescopes.held_bands(NoiseSpectrum(np.where(radius < 0.12, 1.0, 0.0))) == [0, 1]
    assert telescopes.held_bands(listed.said(6.0, 6.0)) == [0, 1, 2, 3]


@pytest.mark.parametrize("road", ["wide", "narrow", "long"])
def test_roads_around_a_refusal_lead_to_the_noise_asked_for(scripts, road):
    telescopes, listed, _ = scripts
    one = getattr(listed, road)()
    started = [one.road.finish(field) for field in fields(one.road.spectrum, 48)]
    assert np.std(started) == pytest.approx(1.0, abs=0.03)
    shape = started[0].shape
    pure = [NoiseField(one.spectrum, shape, 50 + k).rows(0, shape[0]) for k in range(48 * telescopes.FIELDS)]
    clear = [telescopes.inner(np.ones(shape, bool), one.road.border)] * 48
    held = telescopes.held_bands(one.spectrum)
    told = telescopes.compared(telescopes.powers(started, clear), telescopes.powers(pure, clear * 4), held)
    assert np.array(told["ratio"])[held] == pytest.approx(1.0, abs=0.1)
    assert one.road.finish(np.ones((SIDE, SIDE), bool)).shape == shape


def test_a_dirty_beam_has_the_width_asked_for(scripts):
    _, listed, _ = scripts
    spectrum = listed.dirty(width=3.5).spectrum
    major, minor = Beam.from_covariance(spectrum.shape, 1.0).fwhm_pixels(1.0)
    assert np.sqrt(major * minor) == pytest.approx(3.5, rel=0.02)
    assert spectrum.origin == "dirty beam" and (spectrum.power > 1e-3).mean() < 0.9


def test_true_sources_have_the_widths_asked_for(scripts):
    """Gaussians on noise, one field of which is turned: the fit finds both widths, and the angle."""
    _, _, beams = scripts
    for widths, pa in (((5.0, 2.5), 30.0), ((4.0, 4.0), 0.0)):
        beam = Beam(widths[0] * 1.8, widths[1] * 1.8, pa)
        noise = NoiseSpectrum.from_beam(beam, 1.8)
        made = beams.make_fields(beam, 24, seed=1)
        assert sum(len(field.peaks) for field in made) == 24
        images = [beams.gaussians(field, beam, noise, k) for k, field in enumerate(made)]
        told = beams.figures(beams.fitted(images, made, beam), beam)
        assert told["met"] and told["fitted"] == 24 and told["mean"] == pytest.approx(1.0, abs=0.02)
        wrong = beams.figures(beams.fitted(images, made, beam), Beam(beam.maj * 1.2, beam.min, pa + 10.0))
        assert not wrong["met"]


def test_it_runs(tmp_path):
    """Two telescopes, one of them refused and drawn by another road; some widths; a picture."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    arguments = ["--smoke", "--maps", tmp_path, "--json", tmp_path / "t.json", "--pictures", tmp_path / "p"]
    command = [sys.executable, FOLDER / "telescopes.py", *arguments]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"no real maps in {tmp_path}" in result.stdout
    found = json.loads((tmp_path / "t.json").read_text())
    first, second = found["telescopes"]
    assert first["beam"] == [4.0, 4.0, 0.0] and "refused" not in first and len(first["ratio"]) == 8
    assert "beams of 2 to 8 pixels" in second["refused"] and second["ratio"][0] == pytest.approx(1.0, abs=0.4)
    assert {row["guidance"] for row in found["widths"]} == {"truth", "auto"}
    assert (tmp_path / "p" / "telescope_others.png").is_file()


def test_a_telescope_that_is_not_known_is_refused(scripts, tmp_path):
    telescopes, _, _ = scripts
    with pytest.raises(SystemExit, match=r"there is no 'Arecibo'; there are FIRST 5 x 2\.5 px at 30, beam 2\.5 px"):
        telescopes.main(["--only", "Arecibo", "--maps", str(tmp_path)])
