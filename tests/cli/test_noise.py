"""``radiff noise``: what is printed, what stands in the files, one line for what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from radiff.cli.main import app
from radiff.masks import Annotation, SourceObject, write_annotation
from radiff.sky import Beam, NoiseBank, NoiseSpectrum, read_cutout

TRUE = NoiseSpectrum.from_beam(Beam(6.0, 6.0), 1.5)


def call(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def write_map(path, shape=(300, 300), seed=1, source=False, rms=1e-4, **cards):
    image = TRUE.draw(shape, seed) * np.float32(rms)
    if source:
        image[140:160, 140:160] += 300 * np.float32(rms)
        image[100:120, 100:120] -= 20 * np.float32(rms)
    header = fits.Header([("BUNIT", "Jy/beam"), ("CTYPE1", "RA---SIN"), ("CTYPE2", "DEC--SIN")])
    more = {"CRVAL1": 150.0, "CRVAL2": -30.0, "CRPIX1": 1.0, "CRPIX2": 1.0}
    more |= {"CDELT1": -1.5 / 3600, "CDELT2": 1.5 / 3600, "BMAJ": 6 / 3600, "BMIN": 6 / 3600, "BPA": 0.0}
    header.update(more | cards)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(image, header).writeto(path)
    return path


def test_measure_and_show(tmp_path):
    path = write_map(tmp_path / "map.fits")
    told = call("noise", "measure", path, "-o", tmp_path / "noise.fits", "--side", "64")
    assert told.exit_code == 0, told.output
    for text in ("measured on map.fits", "beam: 6 x 6 arcsec at 0 deg; pixels: 1.5 arcsec", "error of a mode: "):
        assert text in told.output
    assert "residuals above 5 rms: " in told.output and "skewness" in told.output and "64 x 64 modes" in told.output
    spectrum = NoiseSpectrum.read(tmp_path / "noise.fits")
    assert spectrum.rms == pytest.approx(1e-4, rel=0.05) and spectrum.beam == Beam(6.0, 6.0)
    assert (tmp_path / "noise.png").stat().st_size > 10000
    told = call("noise", "show", tmp_path / "noise.fits", "-o", tmp_path / "other.png")
    assert told.exit_code == 0 and "rms: " in told.output and (tmp_path / "other.png").is_file()
    told = call("noise", "measure", path, "-o", tmp_path / "noise.fits")
    assert told.exit_code == 2 and "exists already; choose another name or replace it with --overwrite" in told.output


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_annotations_are_masks(tmp_path):
    """Beside the map, in another folder, or left aside; a mask leaves out what is dark too."""
    image = write_map(tmp_path / "sample" / "imgs" / "x.fits", source=True)
    mask = np.zeros((300, 300), np.uint8)
    mask[95:165, 95:165] = 3
    write_annotation(tmp_path / "other" / "masks" / "mask_x.json", annotation(mask), image)
    counts = {}
    for name, more in {"auto": [], "none": ["--masks", "none"], "other": ["--masks", tmp_path / "other"]}.items():
        told = call("noise", "measure", image, "-o", tmp_path / f"{name}.fits", "--no-picture", *more)
        assert told.exit_code == 0, told.output
        counts[name] = NoiseSpectrum.read(tmp_path / f"{name}.fits").notes["residual_pixels"]
    assert counts["auto"] == counts["none"] > 100 and counts["other"] == 0
    write_annotation(tmp_path / "sample" / "masks" / "mask_x.json", annotation(mask), image)
    told = call("noise", "measure", tmp_path / "sample", "-o", tmp_path / "beside.fits", "--no-picture", "--strict")
    assert told.exit_code == 0 and NoiseSpectrum.read(tmp_path / "beside.fits").notes["residual_pixels"] == 0
    told = call("noise", "measure", image, "--masks", "none", "-o", tmp_path / "n.fits", "--strict")
    assert told.exit_code == 2 and "residuals of a bright source, which are no noise; leave this map out" in told.output


def annotation(mask):
    return Annotation([SourceObject.from_pixels("S1", 3, mask)], mask.shape)


@pytest.mark.filterwarnings("ignore::radiff.sky.HeaderWarning")
def test_without_a_map(tmp_path):
    more = ["-o", tmp_path / "beam.fits", "--no-picture"]
    told = call("noise", "measure", "--from-beam", "9,6,30", "--pixel-scale", "1.5", "--exponent", "2", *more)
    assert told.exit_code == 0 and "beam: 9 x 6 arcsec at 30 deg" in told.output
    wanted = NoiseSpectrum.from_beam(Beam(9.0, 6.0, 30.0), 1.5, 2)
    np.testing.assert_allclose(NoiseSpectrum.read(tmp_path / "beam.fits").power, wanted.power, atol=1e-5)
    y, x = np.indices((64, 64)) - 32
    header = fits.Header([("BUNIT", "Jy/beam"), ("CDELT1", -1.5 / 3600), ("CDELT2", 1.5 / 3600)])
    fits.PrimaryHDU(np.exp(-(x**2 + y**2) / 9.0).astype(np.float32), header).writeto(tmp_path / "psf.fits")
    told = call("noise", "measure", "--from-dirty-beam", tmp_path / "psf.fits", "-o", tmp_path / "p.fits")
    assert told.exit_code == 0, told.output
    assert NoiseSpectrum.read(tmp_path / "p.fits").pixel_scale == pytest.approx(1.5)


def test_at_another_beam_and_pixel_scale(tmp_path):
    path = write_map(tmp_path / "map.fits")
    more = ["-o", tmp_path / "n.fits", "--at-beam", "12,12,0", "--at-pixel-scale", "3", "--no-picture"]
    assert call("noise", "measure", path, *more).exit_code == 0
    read = NoiseSpectrum.read(tmp_path / "n.fits")
    assert (read.beam, read.pixel_scale) == (Beam(12.0, 12.0), 3.0)  # as many pixels wide: the same modes
    plain = NoiseSpectrum.measure(path)
    np.testing.assert_allclose(read.power, plain.power, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_bank(tmp_path):
    """A spectrum a field; residuals and what is too small stay out, and are told."""
    for k in range(3):
        write_map(tmp_path / "first_x" / f"a{k}.fits", seed=k)
    write_map(tmp_path / "nvss" / "b.fits", seed=7, SURVEY="NVSS")
    write_map(tmp_path / "nvss" / "bad.fits", seed=8, source=True)
    folders = [tmp_path / "first_x", tmp_path / "nvss"]
    more = ["-o", tmp_path / "bank.fits", "--bank", "--side", "64", "--workers", "1"]
    told = call("noise", "measure", *folders, *more)
    assert told.exit_code == 0, told.output
    assert "first: 3 fields, median rms 0.0001" in told.output and "nvss: 1 fields" in told.output
    assert "1 maps have residuals above 5 rms outside their masks and stay out of the bank" in told.output
    bank = NoiseBank.open(tmp_path / "bank.fits")
    assert bank.names == ["a0", "a1", "a2", "b"] and bank.surveys == ["first", "nvss"]
    assert call("noise", "show", tmp_path / "bank.fits").exit_code == 0 and (tmp_path / "bank.png").is_file()
    write_map(tmp_path / "first_x" / "small.fits", (80, 80))
    told = call("noise", "measure", *folders, *more, "--overwrite", "--survey", "mine", "--no-picture")
    assert told.exit_code == 1 and "80 x 80 pixels are too few for a spectrum of side 64; give --side 40" in told.output
    assert NoiseBank.open(tmp_path / "bank.fits").surveys == ["mine"]


def test_draw(tmp_path):
    """Beam, pixels and rms are the spectrum's own, where nothing else is said."""
    replace(TRUE, rms=3e-4, rms_spread=0.3, rms_scale=16.0).write(tmp_path / "noise.fits")
    draw = ["noise", "draw", "--noise", tmp_path / "noise.fits", "--size", "400x300"]
    told = call(*draw, "-o", tmp_path / "map.fits")
    assert told.exit_code == 0, told.output
    cutout = read_cutout(tmp_path / "map.fits")
    assert cutout.beam == Beam(6.0, 6.0) and cutout.pixel_scale == pytest.approx(1.5)
    assert cutout.image.std() == pytest.approx(3e-4, rel=0.05)
    assert call(*draw, "-o", tmp_path / "wander.fits", "--wander", "--rms", "1e-3").exit_code == 0
    wander = read_cutout(tmp_path / "wander.fits").image.astype(float)
    kurtosis = ((wander / wander.std()) ** 4).mean() - 3
    assert kurtosis == pytest.approx(3 * (np.exp(4 * 0.3**2) - 1), rel=0.4)  # of a lognormal rms
    assert json.loads(fits.getheader(tmp_path / "wander.fits")["RADIFF"])["wander"] is True
    more = ["--noise", "beam", "--tiles", "2x1", "-o", tmp_path / "tiles.fits"]
    assert call(*draw, *more).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure"], "give MAPS, or --from-beam, or --from-dirty-beam: one of them"),
        (["measure", "--from-beam", "6,6,0"], "--from-beam needs --pixel-scale (arcsec)"),
        (["measure", "--from-beam", "6"], "--from-beam needs --pixel-scale"),
        (["measure", "none.fits"], "none.fits: no such file or folder"),
        (["show", "none.fits"], "none.fits: "),
        (["draw", "--noise", "vlass"], "--noise 'vlass' is no file and no survey; give a spectrum or a bank of"),
        (
            ["draw", "--noise", "beam", "--noise", "beam"],
            "2 times --noise; say with --tiles columns x rows how they lie",
        ),
        (["draw", "--noise", "beam", "--tiles", "2x2"], "--tiles '2x2' for 1 times --noise; give --noise once a tile"),
        (["draw", "--noise", "beam", "--tiles", "two"], "--tiles 'two': give columns x rows, e.g. 2x1"),
        (["draw", "--size", "300"], "--size '300': give columns x rows, e.g. 2000x1500"),
    ],
)
def test_refusals(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    told = call("noise", *arguments, *(["-o", "x.fits"] if arguments[0] != "show" else []))
    assert told.exit_code == 2 and message in told.output and not list(tmp_path.iterdir())


def test_masks_that_are_not_there(tmp_path):
    path = write_map(tmp_path / "map.fits")
    told = call("noise", "measure", path, "-o", tmp_path / "n.fits", "--masks", tmp_path / "none")
    assert (
        told.exit_code == 2 and "no such file or folder; --masks takes auto, none, a mask, or a folder" in told.output
    )


def test_a_spectrum_is_not_overwritten_by_its_picture(tmp_path):
    path = tmp_path / "noise.fits"
    TRUE.write(path)
    before = path.read_bytes()
    told = call("noise", "show", path, "-o", path)
    assert told.exit_code == 2 and "noise.fits: is no name for a picture; choose one that ends in .png" in told.output
    assert path.read_bytes() == before


def test_names_outside_ascii(tmp_path):
    path = write_map(tmp_path / "Étoile ü.fits")
    told = call("noise", "measure", path, "-o", tmp_path / "n.fits", "--no-picture")
    assert told.exit_code == 0, told.output
    assert NoiseSpectrum.read(tmp_path / "n.fits").origin == "measured on ?toile ?.fits"


def test_an_odd_number_of_modes_is_one_less(tmp_path):
    path = write_map(tmp_path / "map.fits")
    told = call("noise", "measure", path, "-o", tmp_path / "n.fits", "--no-picture", "--side", "33")
    assert told.exit_code == 0 and NoiseSpectrum.read(tmp_path / "n.fits").side == 32


@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_impossible_pixel_scales(tmp_path, value):
    path = write_map(tmp_path / "map.fits")
    told = call("noise", "measure", path, "-o", tmp_path / "n.fits", "--pixel-scale", value)
    assert told.exit_code == 2 and "give a positive number of arcsec" in told.output
    assert not (tmp_path / "n.fits").exists()
