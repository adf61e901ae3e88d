"""``radiff detect``: what it writes and prints, and what it refuses."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from regions import Regions
from typer.testing import CliRunner

import bad_inputs
from challenge.simulated import write_package
from radiff.challenge.finders import external
from radiff.cli import detect, main


def run(*arguments):
    return CliRunner().invoke(main.app, ["detect", *map(str, arguments)])


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_package(tmp_path_factory.mktemp("package") / "sky", (200, 240), 12, seed=5, spurious=0.0, snr=(20, 99))


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "csv"])
def test_a_catalog_and_regions(package, tmp_path, suffix):
    out = tmp_path / f"found.{suffix}"
    result = run(package / "map.fits", "-o", out, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("12 sources by sep (")
    assert len(Table.read(out, format="ascii.ecsv" if suffix == "ecsv" else None)) == 12
    assert len(Regions.read(tmp_path / "found.reg")) == 12


def test_options(package, tmp_path):
    result = run(package / "map.fits", "-o", tmp_path / "a.fits", "--snr", 50, "--no-regions", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert len(Table.read(tmp_path / "a.fits")) < 12
    assert not (tmp_path / "a.reg").exists()


def test_the_segmenter(package, tmp_path, monkeypatch):
    """A stand-in for the network: pixels above 5 rms are compact."""

    def network(weights, device, min_pixels):
        from radiff.evaluate.segment.masking import objects_of

        assert (weights, device) == ("some", "cpu")
        return lambda path: objects_of(np.where(fits.getdata(path) > 5e-4, 2, 0).astype(np.uint8), min_pixels)

    monkeypatch.setattr(detect, "_segmenter", network)
    result = run(
        package / "map.fits", "-o", tmp_path / "a.fits", "--finder", "segmenter", "--weights", "some", "--device", "cpu"
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith("12 sources by segmenter (12 compact, 0 extended)")


@pytest.mark.parametrize("name", bad_inputs.BAD_IMAGES)
def test_bad_maps(tmp_path, name):
    write, _ = bad_inputs.BAD_IMAGES[name]
    path = write(tmp_path)
    result = run(path, "-o", tmp_path / "found.fits", "--workers", 1)
    assert result.exit_code == 2, result.output
    line = result.output.strip().splitlines()[-1]
    assert line.startswith("radiff: ") and line.count("radiff:") == 1
    assert not (tmp_path / "found.fits").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("BMAJ", None), "no beam in the header; add BMAJ, BMIN and BPA (deg) to it"),
        (("CTYPE1", None), "no celestial WCS in the header; add CTYPE, CRVAL, CRPIX and CDELT to it"),
        (("CDELT1", -1e-3), "arcsec are not square; regrid the map"),
        (("BUNIT", "K"), "BUNIT is 'K'; convert the map to Jy/beam"),
    ],
)
@pytest.mark.parametrize("finder", ["sep", "aegean"])
def test_headers_that_tell_too_little(package, tmp_path, change, message, finder):
    with fits.open(package / "map.fits") as hdus:
        key, value = change
        for one in ("BMAJ", "BMIN", "BPA") if key == "BMAJ" else ("CTYPE1", "CTYPE2") if key == "CTYPE1" else (key,):
            if value is None:
                del hdus[0].header[one]
            else:
                hdus[0].header[one] = value
        hdus.writeto(tmp_path / "m.fits")
    result = run(tmp_path / "m.fits", "-o", tmp_path / "a.fits", "--finder", finder, "--workers", 1)
    assert result.exit_code == 2
    assert f"m.fits: {message}" in result.output or (message in result.output and "m.fits" in result.output)


def test_words(package, tmp_path, monkeypatch):
    path = package / "map.fits"
    for options, message in (
        (
            ("-o", tmp_path / "a.txt"),
            "a.txt: catalogs are written as .fits, .ecsv or .csv; choose one of these suffixes",
        ),
        (
            ("-o", tmp_path / "a.fits", "--finder", "sextractor"),
            "'sextractor' is no finder; finders are sep, pybdsf, aegean",
        ),
        (("-o", tmp_path / "a.fits", "--snr", 2), "a threshold of 2 and 3 to grow to; needed is threshold >= grow > 0"),
    ):
        result = run(path, *options)
        assert result.exit_code == 2
        assert message in result.output
    monkeypatch.setattr(external.importlib.util, "find_spec", lambda module: None)
    for finder, module in (("pybdsf", "bdsf"), ("aegean", "AegeanTools")):
        result = run(path, "-o", tmp_path / "a.fits", "--finder", finder)
        assert result.exit_code == 2
        line = f"the package {module} is not installed; install it with: pip install 'radiff[finders]'"
        assert line in result.output.replace("\n", " ")


def test_a_folder_that_cannot_be_written(package):
    result = run(package / "map.fits", "-o", bad_inputs.READ_ONLY / "a.fits", "--workers", 1)
    assert result.exit_code == 2
    assert "cannot be written" in result.output
