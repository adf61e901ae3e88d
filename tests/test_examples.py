"""Every example runs as it stands, without any data, in the order of their numbers, and writes what it says."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NUMBERED = sorted(path.name for path in EXAMPLES.glob("[0-9]*.py"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


@pytest.fixture
def run(place, monkeypatch, capsys):
    """Run an example in the folder that all of them share; what it printed."""

    def call(name, *arguments):
        monkeypatch.chdir(place)
        monkeypatch.syspath_prepend(str(EXAMPLES))
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_01_read_and_look(run, place):
    told = run("01_read_and_look.py")
    assert "384 x 384 pixels of 1.80 arcsec" in told
    assert re.search(r"noise 1[45]\d uJy/beam", told)
    assert (place / "look.png").is_file()


def test_02_annotate_a_map(run, place):
    told = run("02_annotate_a_map.py")
    assert "'compact': " in told and "'extended': " in told
    assert (place / "marked.png").is_file()
    assert (place / "annotated" / "field0" / "masks" / "mask_field0.json").is_file()


def test_03_cut_a_collection(run, place):
    told = run("03_cut_a_collection.py")
    assert re.search(r"\d+ cutouts for training, \d+ for validation", told)
    assert (place / "collection" / "index.csv").is_file()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_04_train_smoke(run, place):
    if not (place / "collection").is_dir():
        run("03_cut_a_collection.py")
    told = run("04_train_smoke.py")
    assert "autoencoder: step 8" in told and "denoiser: step 8" in told
    assert (place / "runs" / "denoiser" / "weights" / "radiff.json").is_file()


def test_05_generate(run, place, weights):
    told = run("05_generate.py", weights)
    assert "(96, 128), rms 0.0002 Jy/beam, made by 2 steps" in told
    assert (place / "generated.fits").is_file()
    assert (place / "generated.png").is_file()


def test_06_measure(run, place, weights):
    if not (place / "collection").is_dir():
        run("03_cut_a_collection.py")
    told = run("06_measure.py", weights)
    assert "reconstructed: 8 cutouts" in told
    assert "noise power spectrum, generated over asked" in told


def test_07_populate_a_map(run, place):
    told = run("07_populate_a_map.py")
    assert "placed {'compact': 60, 'extended': 5} on noise.fits" in told
    assert (place / "sky" / "manifest.json").is_file() and (place / "sky" / "overview_1x.png").is_file()


def test_08_run_a_challenge(run, place):
    told = run("08_run_a_challenge.py")
    assert "56 sources to be found" in told and "SDC1 score: " in told
    assert re.search(r"completeness: 0\.\d\d \[0\.\d\d, 0\.\d\d\], \d+ of 56", told)
    assert (place / "challenge" / "public" / "SHA256SUMS").is_file() and (place / "scores" / "report.html").is_file()


@pytest.mark.parametrize("name", NUMBERED)
def test_examples_say_what_is_new(name):
    text = (EXAMPLES / name).read_text()
    assert f"python examples/{name}" in text.splitlines()[0]
    assert "New here: " in text.split('"""')[1]
    assert sum(line.strip() != "" for line in text.splitlines()) < 50


def test_every_example_is_run():
    mine = Path(__file__).read_text()
    assert [name for name in NUMBERED if f'run("{name}"' not in mine] == []
