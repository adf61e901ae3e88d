"""Making a challenge: what is handed out is complete and tells nothing of how the map was made."""

import hashlib
import json
import subprocess

import numpy as np
import pytest
from astropy.io import fits
from regions import Regions

from challenge.simulated import write_package
from radiff import InputError
from radiff.challenge import scoring
from radiff.challenge.answers import read_answer
from radiff.challenge.making import check_files, guessable, make_challenge
from radiff.challenge.submission import read_submission, submission_table
from radiff.sky import MapReader
from radiff.sky.columns import SUBMISSION
from radiff.sky.truth import read_truth, write_truth

SEED = 3  # the package tells of it in its header, its history and its manifest as 42423


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_package(tmp_path_factory.mktemp("package") / "sky", (400, 500), 60, seed=SEED, frame="G", turn=20.0,
                         center=(344.0, 1.5))  # fmt: skip


@pytest.fixture(scope="module")
def made(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("challenges") / "first"
    return make_challenge(package, folder, "First Challenge", training=0.2)


def test_both_halves(made, package):
    public = sorted(
        p.relative_to(made.folder / "public").as_posix() for p in (made.folder / "public").rglob("*") if p.is_file()
    )
    assert public == [
        "README.md", "SHA256SUMS", "example_submission.csv", "map.fits", "training/challenge.json",
        "training/truth.ecsv", "training/truth.fits", "training/truth.reg",
    ]  # fmt: skip
    hidden = {p.name for p in (made.folder / "hidden").iterdir()}
    assert hidden == {p.name for p in package.iterdir()} | {"challenge.json"}
    assert made.sources + made.artefacts + made.training == len(read_truth(package))
    assert made.training > 3


def test_the_map_is_the_same_and_so_is_its_grid(made, package):
    public = made.folder / "public" / "map.fits"
    with fits.open(public) as hdus:
        hdus.verify("exception")
        assert len(hdus) == 1
        assert np.array_equal(hdus[0].data, fits.getdata(package / "map.fits"))
    with MapReader(public) as ours, MapReader(package / "map.fits") as theirs:
        assert ours.beam == theirs.beam
        for x, y in ((0, 0), (499, 0), (250, 399)):
            assert ours.wcs.pixel_to_world(x, y).separation(theirs.wcs.pixel_to_world(x, y)).arcsec < 1e-6


def test_nothing_leaks(made, package):
    """No card but those of grid, beam, unit and name; no draw, seed, path or command in any public file."""
    header = fits.getheader(made.folder / "public" / "map.fits")
    assert set(header) <= {
        "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "WCSAXES", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CUNIT1",
        "CUNIT2", "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "PC1_1", "PC1_2", "PC2_1", "PC2_2", "LONPOLE", "LATPOLE",
        "MJDREF", "RADESYS", "BUNIT", "BMAJ", "BMIN", "BPA", "OBJECT",
    }  # fmt: skip
    truth = read_truth(package)
    answer = read_answer(made.folder)
    kept = ~answer.in_training(answer.columns["ra"], answer.columns["dec"])
    told = [f"{value:.6f}" for value in truth["ra"].value[kept]]
    for path in (made.folder / "public").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for word in (b"4242", b"HISTORY", b"RADIFF", b"populate --seed", b"stamp", str(package).encode()):
                assert word not in content, (path.name, word)
            assert not any(ra.encode() in content for ra in told), path.name


def test_the_training_area(made, package):
    answer = read_answer(made.folder)
    table = read_truth(made.folder / "public" / "training")
    inside = answer.in_training(table["ra"].value, table["dec"].value)
    assert inside.all() and len(table) == made.training
    assert table["id"].tolist() == list(range(1, len(table) + 1))
    assert (table["seed"] == -1).all() and (table["stamp_seed"] == -1).all() and np.isnan(table["k"]).all()
    assert "SEED" not in table.meta
    assert (np.diff(table["peak_flux"].value) <= 0).all()
    regions = Regions.read(made.folder / "public" / "training" / "truth.reg")
    assert len(regions) == made.training


def test_scoring_oneself_and_by_the_organisers(made, package):
    truth = read_truth(package)
    whole = submission_table(
        {n: np.asarray(getattr(truth[n], "value", truth[n])) for n in SUBMISSION if n in truth.colnames}
    )
    organisers = scoring.score(read_answer(made.folder), [("s", whole)]).entries[0].figures
    assert organisers["completeness"]["of"] == made.sources and organisers["completeness"]["value"] == 1.0
    assert organisers["reliability"]["value"] == 1.0
    oneself = scoring.score(read_answer(made.folder / "public" / "training"), [("s", whole)]).entries[0].figures
    trained = read_truth(made.folder / "public" / "training")
    assert oneself["completeness"]["of"] == int((trained["class"] != "spurious").sum())
    assert oneself["completeness"]["value"] == oneself["reliability"]["value"] == 1.0


def test_checksums(made):
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=made.folder / "public", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
    told = json.loads((made.folder / "hidden" / "challenge.json").read_text())
    for half, digests in told["sha256"].items():
        assert check_files(made.folder / half, digests) == []
        for name, digest in digests.items():
            assert hashlib.sha256((made.folder / half / name).read_bytes()).hexdigest() == digest
    assert "README.md" in told["sha256"]["public"] and "truth.fits" in told["sha256"]["hidden"]


def test_the_example_is_a_submission(made):
    table = read_submission(made.folder / "public" / "example_submission.csv")
    assert len(table) == 3 and table.meta["lacks"] == []
    assert not read_answer(made.folder).off_the_map(table["ra"], table["dec"]).any()


def test_the_description(made):
    text = (made.folder / "public" / "README.md").read_text()
    assert text.startswith("# First Challenge\n")
    for part in (
        "500 x 400 pixels of 1.5 arcsec",
        "beam 6 x 4.8 arcsec at 30 deg",
        "| `int_flux` | Jy |",
        "## Training area",
    ):
        assert part in text
    assert f"hold {made.training} objects" in text


def test_no_training_area(package, tmp_path):
    made = make_challenge(package, tmp_path / "c", training=0.0)
    assert made.training == 0 and not (tmp_path / "c" / "public" / "training").exists()
    assert "raining" not in (tmp_path / "c" / "public" / "README.md").read_text()


def test_a_package_with_a_manifest_is_copied_by_it(package, tmp_path):
    """What others put into the folder stays there; an unfinished run's parts too."""
    source = tmp_path / "sky"
    source.mkdir()
    for name in ("map.fits", "truth.fits"):
        (source / name).write_bytes((package / name).read_bytes())
    (source / "manifest.json").write_text(json.dumps({"files": {"map.fits": {}, "truth.fits": {}}}))
    (source / "notes.txt").write_text("mine")
    (source / ".work").mkdir()
    (source / ".work" / "x").write_text("part")
    make_challenge(source, tmp_path / "c")
    assert {p.name for p in (tmp_path / "c" / "hidden").iterdir()} == {
        "map.fits", "truth.fits", "manifest.json", "challenge.json"
    }  # fmt: skip


def test_in_place(package, tmp_path):
    hidden = tmp_path / "c" / "hidden"
    hidden.mkdir(parents=True)
    for name in ("map.fits", "truth.fits"):
        (hidden / name).write_bytes((package / name).read_bytes())
    make_challenge(hidden, tmp_path / "c")
    assert (tmp_path / "c" / "public" / "map.fits").is_file()


def test_what_is_there_stays(made, package):
    before = (made.folder / "public" / "SHA256SUMS").read_bytes()
    with pytest.raises(
        InputError, match=r"public: is there already; choose another -o, or replace it with --overwrite"
    ):
        make_challenge(package, made.folder)
    assert (made.folder / "public" / "SHA256SUMS").read_bytes() == before


def test_overwriting(package, tmp_path):
    make_challenge(package, tmp_path / "c", training=0.0)
    make_challenge(package, tmp_path / "c", training=0.2, overwrite=True)
    assert (tmp_path / "c" / "public" / "training").is_dir()
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["hidden", "public"]


@pytest.mark.filterwarnings("ignore::radiff.HeaderWarning")
def test_bad_packages(package, tmp_path):
    with pytest.raises(InputError, match=r"is no truth package: no map\.fits with truth\.fits"):
        make_challenge(tmp_path, tmp_path / "c")
    with pytest.raises(InputError, match=r"a training area of 0\.7 of the map; give a share from 0 to 0\.5"):
        make_challenge(package, tmp_path / "c", training=0.7)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "truth.fits").write_bytes((package / "truth.fits").read_bytes())
    with fits.open(package / "map.fits") as hdus:
        for key in ("BMAJ", "BMIN", "BPA"):
            del hdus[0].header[key]
        hdus.writeto(tmp_path / "p" / "map.fits")
    with pytest.raises(InputError, match=r"map\.fits: no beam in the header"):
        make_challenge(tmp_path / "p", tmp_path / "c")
    assert not (tmp_path / "c" / "public").exists()


def test_default_seeds_can_be_guessed(package, tmp_path):
    assert guessable(package) is None  # seed 3
    assert guessable(package / "map.fits") is None  # not simulated by us
    with fits.open(package / "map.fits") as hdus:
        for seed in (0, 8):
            hdus[0].header["RADIFF"] = json.dumps({"simulated": "noise", "seed": seed})
            hdus.writeto(tmp_path / f"{seed}.fits")
    assert guessable(tmp_path / "8.fits") is None
    assert "0.fits was simulated with the default seed 0: who guesses the options can take" in guessable(
        tmp_path / "0.fits"
    )
    table = read_truth(package)
    table.meta["SEED"] = 0
    write_truth(tmp_path / "truth.fits", table)
    assert "was populated with the default seed 0: who guesses the options can make the truth" in guessable(tmp_path)
