"""``radiff populate``, ``background`` and ``stamps``: what is printed, exit codes, what stands in the files."""

import json

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from populate_samples import library
from radiff.cli.main import app
from radiff.masks import EXTENDED, write_mask
from radiff.populate import StampLibrary
from radiff.sky import read_cutout
from radiff.sky.truth import read_truth


def call(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    library(folder / "stamps.fits", 4, 2)
    told = call(
        "background", "-o", folder / "noise.fits", "--size", "300x200", "--beam", "6,4.8,30", "--center", "150,-30",
        "--rms", "2e-4", "--workers", "1",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "300 x 200 pixels, 0.01042 square degrees, rms 0.0002 Jy/beam" in told.output
    return folder


def test_background(place):
    cutout = read_cutout(place / "noise.fits")
    assert cutout.image.shape == (200, 300) and cutout.image.std() == pytest.approx(2e-4, rel=0.05)
    assert (cutout.beam.maj, cutout.beam.min, cutout.beam.pa) == (6.0, 4.8, 30.0)
    told = call("background", "-o", place / "noise.fits")
    assert told.exit_code == 2
    assert "exists already; choose another name or replace it with --overwrite" in told.output


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--size", "300", "--size '300': give columns x rows, e.g. 2000x1500"),
        ("--center", "12h", "--center '12h': give ra,dec in deg, e.g. 150.1,-30"),
        (
            "--beam",
            "6,5,4,3",
            "--beam: '6,5,4,3' is no beam; give the FWHM in arcsec, or maj,min,pa (arcsec, arcsec, deg)",
        ),
        ("--beam", "3,6,0", "--beam: a beam of 3 x 6 arcsec has its minor axis above its major one; give 6,3"),
    ],
)
def test_background_refuses(tmp_path, option, value, message):
    told = call("background", "-o", tmp_path / "noise.fits", option, value)
    assert told.exit_code == 2 and message in told.output and not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [["--generator"], ["--weights", "default"], ["--steps", "4"], ["--device", "cpu"]])
def test_background_of_the_network_is_gone(tmp_path, more):
    told = call("background", "-o", tmp_path / "noise.fits", *more)
    assert told.exit_code == 2 and not list(tmp_path.iterdir())
    assert "the network draws no tiles any more: noise has a measured spectrum" in told.output
    assert "use 'radiff noise draw --noise first'" in told.output


def test_background_is_the_former_name_of_noise_draw(place, tmp_path):
    told = call(
        "noise", "draw", "-o", tmp_path / "noise.fits", "--size", "300x200", "--beam", "6,4.8,30",
        "--center", "150,-30", "--rms", "2e-4", "--workers", "1",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert (tmp_path / "noise.fits").read_bytes() == (place / "noise.fits").read_bytes()
    assert "background" not in call("--help").output


def test_populate(place):
    arguments = ["populate", place / "noise.fits", "-o", place / "sky", "--compact", "20", "--extended", "4"]
    arguments += [
        "--spurious",
        "2",
        "--stamps",
        place / "stamps.fits",
        "--seed",
        "3",
        "--k-reading",
        "rate",
        "--no-pictures",
    ]
    told = call(*arguments, "--dry-run")
    assert told.exit_code == 0, told.output
    assert "map: 300 x 200 pixels of 1.5 arcsec, 0.01042 square degrees" in told.output
    assert "beam: 6 x 4.8 arcsec, 4 x 3.2 pixels" in told.output
    assert "objects: 2 spurious, 20 compact, 4 extended" in told.output
    assert "nothing was written" in told.output and not (place / "sky").exists()
    told = call(*arguments)
    assert told.exit_code == 0, told.output
    assert "placed 2 spurious, 20 compact, 4 extended in " in told.output
    truth = read_truth(place / "sky")
    assert len(truth) == 26 and truth["k"].max() < 3 and truth.meta["SEED"] == 3
    manifest = json.loads((place / "sky" / "manifest.json").read_text())
    assert manifest["settings"]["options"]["flux"]["reading"] == "rate"
    again = call(*arguments)
    assert again.exit_code == 0 and "is complete already, with the same settings" in again.output


def test_populate_with_other_noise(place, tmp_path):
    """The map's own noise goes; what is drawn has its rms and the spectrum's correlation; map = noise + sources."""
    told = call(
        "noise", "measure", "--from-beam", "6,4.8,30", "--pixel-scale", "1.5", "--exponent", "2",
        "-o", tmp_path / "square.fits", "--no-picture",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    more = ["--noise", tmp_path / "square.fits", "--compact", "12", "--seed", "4", "--no-pictures"]
    told = call("populate", place / "noise.fits", "-o", tmp_path / "sky", *more)
    assert told.exit_code == 0, told.output
    noise, sources, image = (
        fits.getdata(tmp_path / "sky" / f"{name}.fits") for name in ("background", "sources", "map")
    )
    np.testing.assert_array_equal(image, (noise + sources).astype(np.float32))
    own = fits.getdata(place / "noise.fits")
    assert abs(np.corrcoef(noise.ravel(), own.ravel())[0, 1]) < 0.03
    assert noise.std() == pytest.approx(2e-4, rel=0.05)

    def neighbours(field):
        return np.corrcoef(field[:, 2:].ravel(), field[:, :-2].ravel())[0, 1]

    assert neighbours(noise) == pytest.approx(neighbours(own) ** 0.5, abs=0.04)  # the square has lags 1.4 times as long
    header = fits.getheader(tmp_path / "sky" / "background.fits")
    assert json.loads(header["RADIFF"])["simulated"] == "noise" and header["CRVAL1"] == 150.0
    manifest = json.loads((tmp_path / "sky" / "manifest.json").read_text())
    assert manifest["settings"]["noise"]["said"].endswith("square.fits") and "background.fits" in manifest["files"]
    two = call("populate", place / "noise.fits", "-o", tmp_path / "two", *more, "--workers", "2", "--window", "64")
    assert two.exit_code == 0, two.output
    for name in ("background.fits", "map.fits", "truth.fits"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "sky" / name).read_bytes()


def test_populate_with_noise_of_a_given_rms(place, tmp_path):
    more = ["--noise", "beam", "--compact", "5", "--no-pictures"]
    told = call("populate", place / "noise.fits", "-o", tmp_path / "sky", *more, "--rms", "5e-4")
    assert told.exit_code == 0, told.output
    assert fits.getdata(tmp_path / "sky" / "background.fits").std() == pytest.approx(5e-4, rel=0.05)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--rms", "1e-4"], "--rms, --wander and --faint are for the noise that --noise draws; give it too"),
        (["--noise", "beam", "--rms", "x"], "--rms 'x': give a number in Jy/beam, or a FITS map of the local rms"),
        (["--noise", "beam", "--rms", "0"], "rms is 0; it must be a positive number, Jy/beam"),
        (["--noise", "lofar"], "--noise 'lofar' is no file and no survey; give a spectrum or a bank of 'radiff noise"),
    ],
)
def test_populate_refuses_noise(place, tmp_path, more, message):
    told = call("populate", place / "noise.fits", "-o", tmp_path / "sky", "--compact", "5", *more)
    assert told.exit_code == 2 and message in told.output and not (tmp_path / "sky").exists()


def test_populate_with_less_than_was_asked_for(place):
    told = call("populate", place / "noise.fits", "-o", place / "full", "--compact", "3000", "--no-pictures")
    assert told.exit_code == 1
    assert "objects were not placed (no room " in told.output and "not_placed.ecsv" in told.output
    assert (place / "full" / "manifest.json").is_file()


def test_populate_by_a_catalog(place):
    header = fits.getheader(place / "noise.fits")
    assert header["CRVAL1"] == 150.0
    (place / "c.csv").write_text("ra,dec,s1.4,maj\n150.0,-30.0,12,0\n150.01,-30.01,3,20\n10,10,1,0\n")
    told = call("populate", place / "noise.fits", "-o", place / "by", "--catalog", place / "c.csv", "--dry-run")
    assert told.exit_code == 0 and "1 rows of the catalog lie off the map" in told.output
    told = call("populate", place / "noise.fits", "-o", place / "by", "--catalog", place / "c.csv", "--no-pictures")
    assert told.exit_code == 0, told.output
    assert "placed 1 compact, 1 extended" in told.output and "1 rows of the catalog lie off the map" in told.output
    assert sorted(read_truth(place / "by")["int_flux"].value) == pytest.approx([0.003, 0.012], rel=1e-4)
    told = call(
        "populate", place / "noise.fits", "-o", place / "k", "--catalog", place / "c.csv", "--flux", "k",
        "--beam", "9,9,0", "--no-pictures",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    truth = read_truth(place / "k")
    assert (truth["k"] > 0).all() and truth.meta["BMAJ"] * 3600 == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compact", "x"], "--compact 'x': give a number such as 200, a density such as 50/deg2, or counts"),
        (
            ["--compact", "3", "--flux", "power", "--flux-range", "2:1"],
            "--flux-range '2:1': give a range low:high, e.g. 1e-4:0.1",
        ),
        (
            ["--compact", "3", "--flux", "power", "--flux-range", "1"],
            "--flux-range '1': give a range low:high, e.g. 1e-4:0.1",
        ),
        (
            ["--compact", "3", "--beam", "wide"],
            "--beam: 'wide' is no beam; give the FWHM in arcsec, or maj,min,pa (arcsec, arcsec, deg), e.g. 6.5,5.2,30",
        ),
        (["--extended", "3"], "extended objects need stamps of that class"),
        (["--compact", "3", "--hdu", "4"], "has no HDU 4"),
        ([], "no object is asked for; give --compact, --extended or --spurious, or a --catalog"),
    ],
)
def test_populate_refuses(place, arguments, message):
    told = call("populate", place / "noise.fits", "-o", place / "refused", *arguments)
    assert told.exit_code == 2 and message in told.output
    assert not (place / "refused").exists() and "Traceback" not in told.output


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_stamps(tmp_path, weights, monkeypatch):
    """A generator stands for the network, which makes nothing of one mask: library, sheet and counts."""
    told = call(
        "stamps", "-o", tmp_path / "none.fits", "-n", "1", "--weights", weights, "--steps", "1", "--batch-size", "1"
    )
    assert told.exit_code in (0, 2)

    def images(generator, options):
        def generate(specs):
            for spec in specs:
                noise = np.random.default_rng(spec.seed).normal(size=spec.mask.shape)
                yield noise + spec.peaks[0] * (spec.mask > 0) * (spec.seed != 1)

        return generate

    monkeypatch.setattr("radiff.generate.Generator.images", images)
    more = ["--weights", weights, "-n", "3", "--classes", "extended,spurious"]
    told = call("stamps", "-o", tmp_path / "stamps.fits", *more)
    assert told.exit_code == 0, told.output
    assert "3 spurious, 2 extended in" in told.output
    assert "1 of 6 images showed no object and gave no stamp" in told.output
    made = StampLibrary.open(tmp_path / "stamps.fits")
    assert len(made) == 5 and made.meta["WEIGHTS"] == weights.name and made.meta["BEAM"] == 4.0
    assert (tmp_path / "stamps.png").is_file()
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:44] = EXTENDED
    write_mask(tmp_path / "mask.fits", mask)
    told = call("stamps", tmp_path / "mask.fits", "-o", tmp_path / "own.fits", "--weights", weights, "--no-sheet")
    assert told.exit_code == 0 and "1 extended in" in told.output
    assert StampLibrary.open(tmp_path / "own.fits").index["source"][0] == "mask S1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "background"], "--classes 'background': name some of extended, spurious, compact"),
        (["--beam", "20"], "--beam-pixels 20: stamps have beams of 2 to 8 pixels"),
    ],
)
def test_stamps_refuses(tmp_path, arguments, message):
    told = call("stamps", "-o", tmp_path / "stamps.fits", *arguments)
    assert told.exit_code == 2 and message in told.output


def test_stamps_of_masks_without_such_objects(tmp_path, weights):
    write_mask(tmp_path / "mask.fits", np.zeros((64, 64), np.uint8))
    told = call("stamps", tmp_path / "mask.fits", "-o", tmp_path / "stamps.fits", "--weights", weights)
    assert told.exit_code == 2 and "no object of these classes in the masks" in told.output
