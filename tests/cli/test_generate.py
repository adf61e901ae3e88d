"""``radiff generate``: what it prints and writes, its exit codes, and every refusal."""

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

import bad_inputs
from conftest import tiny_weights
from radiff.cli.generate import parse_beam
from radiff.cli.main import app
from radiff.data.collection import Collection
from radiff.errors import InputError
from radiff.generate import pipeline
from radiff.masks import write_mask
from radiff.sky import Beam, read_cutout

RUNNER = CliRunner()


@pytest.fixture
def run(weights, tmp_path):
    """``run(masks..., options...)``: generate into `tmp_path`/out by one step of the tiny weights."""

    def call(*arguments, weights=weights, out=tmp_path / "out"):
        options = ["-o", out, "--weights", weights, "--steps", 1, "--device", "cpu"]
        return RUNNER.invoke(app, ["generate", *map(str, [*options, *arguments])])

    return call


@pytest.fixture
def folder(tmp_path):
    """Three masks of 64 x 64 pixels."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.fits", "c.npy"):
        write_mask(folder / name, bad_inputs.class_mask())
    return folder


def refused(result, path, part):
    """One line that names `path`, exit code 2."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"radiff: {path}")
    assert result.stderr.count("\n") == 1
    assert part in result.stderr
    return True


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_masks_becomes_a_collection(run, folder, tmp_path):
    out = tmp_path / "out"
    result = run(folder, "--rms", 3e-4, "--beam", "6,5,30", "--seed", 4)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [f"3 images in {out}", str(out / "index.csv"), str(out / "quicklook.png")]
    collection = Collection.open(out)
    assert [collection.image(k).provenance["seed"] for k in range(3)] == [4, 5, 6]
    for k in range(3):
        np.testing.assert_array_equal(collection.mask(k), bad_inputs.class_mask())
        assert collection.image(k).beam == Beam(6, 5, 30)
        assert collection.rows[k].rms == pytest.approx(3e-4, rel=0.01)
    assert (out / "quicklook.png").read_bytes().startswith(b"\x89PNG")


def test_like_a_real_image(run, folder, tmp_path):
    like = bad_inputs.good_image(tmp_path)
    assert run(folder / "a.png", "--like", like).exit_code == 0
    made, real = read_cutout(tmp_path / "out" / "generated" / "imgs" / "a.fits"), read_cutout(like)
    assert made.wcs.wcs.compare(real.wcs.wcs, tolerance=1e-9)
    assert (made.beam, made.survey) == (real.beam, "FIRST")
    assert made.rms == pytest.approx(bad_inputs.RMS, rel=0.05)


def test_options_reach_the_image(run, folder, tmp_path):
    result = run(folder / "a.png", "--per-mask", 2, "--sampler", "heun", "--guidance", 2, "--peak-snr", 50)
    assert result.exit_code == 0, result.output
    images = sorted((tmp_path / "out" / "generated" / "imgs").iterdir())
    assert [path.name for path in images] == ["a_s0.fits", "a_s1.fits"]
    told = json.loads(fits.getheader(images[1])["RADIFF"])
    assert (told["seed"], told["sampler"], told["num_steps"], told["guidance_scale"]) == (1, "heun", 1, 2.0)


def test_unconditional(run, tmp_path):
    result = run("--unconditional", 2, "--size", 68)
    assert result.exit_code == 0, result.output
    collection = Collection.open(tmp_path / "out")
    assert [(row.nx, row.ny, row.counts) for row in collection.rows] == [(68, 68, (0, 0, 0))] * 2
    assert collection.image(0).provenance["unconditional"] is True


def test_limit_and_split(run, folder, tmp_path):
    assert run(folder, "--limit", 2).exit_code == 0
    result = run(tmp_path / "out", "--split", "val", out=tmp_path / "again")
    assert refused(result, tmp_path / "out", "no cutout is in the split 'val'")


def test_a_stopped_run_goes_on(run, folder, tmp_path, monkeypatch):
    run(folder, "--batch-size", 1, out=tmp_path / "whole")
    finish, count = pipeline.Generator._finish, []

    def stopping(self, *arguments):
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt
        return finish(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.Generator, "_finish", stopping)
        assert run(folder, "--batch-size", 1).exit_code == 130
    assert len(Collection.open(tmp_path / "out")) == 2
    result = run(folder, "--batch-size", 1, "--resume", "--dry-run")
    assert result.stdout.startswith("would make 1 images (2 are made already)")
    assert run(folder, "--batch-size", 1, "--resume").exit_code == 0
    assert len(count) == 3  # the first two were not made again
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert run(folder, "--batch-size", 1, "--resume").exit_code == 0  # nothing is left to do
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_dry_run_writes_nothing(run, folder, tmp_path):
    with bad_inputs.nothing_new(tmp_path):
        result = run(folder, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout == f"would make 3 images (0 are made already) into {tmp_path / 'out'}; nothing was written\n"
    assert not (tmp_path / "out").exists()


def test_good_masks_are_made_and_bad_ones_listed(run, folder, tmp_path):
    bad_inputs.class_seven(folder)
    write_mask(folder / "odd.png", np.zeros((70, 62), np.uint8))
    result = run(folder, "--per-mask", 2)
    assert result.exit_code == 1
    assert "6 images in" in result.stdout
    first, *listed = result.stderr.splitlines()
    assert first == "radiff: 2 of 5 files could not be used, the others are done:"
    assert listed[0].startswith(f"  {folder / 'seven.fits'}: value 7 at (12, 40) is no class; classes are")
    assert listed[1].startswith(f"  {folder / 'odd.png'}: the mask has 62 x 70 pixels; sides must be multiples of 4")
    assert len(Collection.open(tmp_path / "out")) == 6


@pytest.mark.parametrize("shape", [(66, 64), (60, 64), (64, 516)])
def test_a_mask_of_a_size_that_does_not_fit(run, tmp_path, shape):
    path = tmp_path / "m.png"
    write_mask(path, np.zeros(shape, np.uint8))
    assert refused(run(path), path, f"the mask has {shape[1]} x {shape[0]} pixels; sides must be multiples of 4")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", bad_inputs.BAD_MASKS)
def test_a_bad_mask(run, tmp_path, name):
    write, part = bad_inputs.BAD_MASKS[name]
    path = write(tmp_path)
    result = run(path)
    assert refused(result, tmp_path, "")
    assert part.lower() in result.stderr.lower()
    assert not (tmp_path / "out").exists()


def test_nothing_to_make(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused(run(tmp_path / "empty"), "no masks found", "give .json, .fits, .png or .npy")
    assert refused(run(), "no masks found", "")
    assert refused(run(tmp_path / "none.png"), tmp_path / "none.png", "no such file or folder")
    assert refused(run("--unconditional", 2, "--size", 66), "the mask has 66 x 66 pixels", "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["missing", "not-fits", "all-nan", "constant", "kelvin"])
def test_a_bad_image_to_be_like(run, folder, tmp_path, name):
    write, _ = bad_inputs.BAD_IMAGES[name]
    path = write(tmp_path)
    assert refused(run(folder, "--like", path), path, "")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--rms", 0], "a noise rms of 0 Jy/beam"),
        (["--rms", -1], "a noise rms of -1 Jy/beam"),
        (["--beam", "wide"], "--beam 'wide': give the FWHM in arcsec"),
        (["--beam", "5,nan"], "both widths must be positive"),
        (["--sampler", "ddim"], "'ddim' is no sampler of these weights"),
        (["--device", "tpu"], "'tpu' is no device"),
    ],
)
def test_options_that_make_no_sense(run, folder, tmp_path, options, part):
    assert refused(run(folder, *options), "", part)
    assert not (tmp_path / "out").exists()


def test_weights_that_cannot_be_used(run, folder, weights, tmp_path):
    altered = bad_inputs.altered_weights(weights, tmp_path)
    assert refused(run(folder, weights=altered), altered, "was altered")
    incomplete = bad_inputs.incomplete_weights(weights, tmp_path)
    assert refused(run(folder, weights=incomplete), incomplete, "is missing")
    assert refused(run(folder, weights=tmp_path / "none"), tmp_path / "none", "no such weights folder")
    assert refused(run(folder, weights=folder), folder, "is no weights folder")
    alone = shutil.copytree(weights, tmp_path / "alone")
    shutil.rmtree(alone / "denoiser")
    manifest = json.loads((alone / "radiff.json").read_text())
    manifest["files"] = {k: v for k, v in manifest["files"].items() if k.startswith("autoencoder")}
    (alone / "radiff.json").write_text(json.dumps(manifest))
    assert refused(run(folder, weights=alone), alone, "has no denoiser")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(run, folder, tmp_path):
    result = run(folder, out=bad_inputs.READ_ONLY)
    assert refused(result, bad_inputs.READ_ONLY, "cannot write into this folder")
    result = run(folder, out=bad_inputs.file_in_place(tmp_path))
    assert refused(result, tmp_path / "output", "cannot write into this folder")


def test_a_full_disk(run, folder, tmp_path, monkeypatch):
    with bad_inputs.nothing_new(tmp_path), bad_inputs.no_space(monkeypatch):
        result = run(folder)
    assert refused(result, tmp_path / "out" / "generated" / "imgs" / "a.fits", "No space left on device")


def test_weights_without_a_flux_scale_warn(run, folder, tmp_path):
    weights = tiny_weights(tmp_path / "paper", scaling="paper")
    with pytest.warns(UserWarning, match="the scaling 'paper' of these weights has no inverse"):
        assert run(folder / "a.png", weights=weights).exit_code == 0


def test_beams():
    assert parse_beam("5.4") == Beam(5.4, 5.4, 0.0)
    assert parse_beam("6,5") == Beam(6, 5, 0)
    assert parse_beam("6,5,30") == Beam(6, 5, 30)
    for text in ("", "a", "1,2,3,4", "-1", "0"):
        with pytest.raises(InputError, match="give the FWHM in arcsec"):
            parse_beam(text)
