"""``radiff generate``: what it prints and writes, its exit codes, and every refusal."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage
from typer.testing import CliRunner

import bad_inputs
from conftest import tiny_weights
from radiff.cli.generate import parse_edges, parse_guidance
from radiff.cli.main import app
from radiff.cli.values import parse_beam, parse_peak
from radiff.data.collection import Collection
from radiff.errors import InputError
from radiff.generate import Guidance, pipeline, read_specs
from radiff.masks import read_annotation, write_mask
from radiff.sky import Beam, NoiseBank, NoiseSpectrum, read_cutout, write_cutout

RUNNER = CliRunner()


@pytest.fixture
def run(weights, tmp_path):
    """``run(masks..., options...)``: generate into `tmp_path`/out by one step of the tiny weights."""

    def call(*arguments, weights=weights, out=tmp_path / "out"):
        options = ["-o", out, "--weights", weights, "--steps", 1, "--device", "cpu", "--precision", "fp32"]
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


def told(path):
    """How an image was made."""
    return json.loads(fits.getheader(path)["RADIFF"])


def test_options_reach_the_image(run, folder, tmp_path):
    guidance = ("--guidance", "mask=2", "--guidance", "peak=1.5")
    result = run(folder / "a.png", "--per-mask", 2, "--sampler", "heun", *guidance, "--peak-snr", 50)
    assert result.exit_code == 0, result.output
    images = sorted((tmp_path / "out" / "generated" / "imgs").iterdir())
    assert [path.name for path in images] == ["a_s0.fits", "a_s1.fits"]
    made = told(images[1])
    assert (made["seed"], made["sampler"], made["num_steps"], made["precision"]) == (1, "heun", 1, "fp32")
    assert made["guidance"] == {"mask": 2.0, "peak": 1.5, "background": 1.0, "beam": 1.0}
    assert (made["background"], made["peaks_rescaled"]) == ("none", False)


# ---------------------------------------------------------------- fluxes


def objects_of(out, name="a", level=0.0):
    """The objects of an image with their brightest pixel and sum above the level that was asked for: Jy/beam."""
    annotation = read_annotation(out / "generated" / "masks" / f"mask_{name}.json")
    cutout = read_cutout(out / "generated" / "imgs" / f"{name}.fits")
    pixels = [(cutout.image - level)[one.slices][one.stamp] for one in annotation.objects]
    return cutout, [
        (one.info, float(values.max()), float(values.sum()))
        for one, values in zip(annotation.objects, pixels, strict=True)
    ]


def test_exact_peaks(run, folder, tmp_path):
    assert run(folder / "a.png", "--peak-snr", 30, "--rescale-peaks", "--rms", 2e-4).exit_code == 0
    _, objects = objects_of(tmp_path / "out")
    assert len(objects) == 3
    for info, peak, _ in objects:
        assert info["asked_peak_snr"] == 30.0
        assert peak == pytest.approx(30 * 2e-4, rel=1e-4)


def test_exact_peaks_from_a_range(run, folder, tmp_path):
    assert run(folder / "a.png", "--peak-snr", "5:100", "--rescale-peaks", "--rms", 2e-4, "--seed", 7).exit_code == 0
    _, objects = objects_of(tmp_path / "out")
    asked = [info["asked_peak_snr"] for info, *_ in objects]
    assert len(set(asked)) == 3 and all(5 <= peak <= 100 for peak in asked)
    assert [peak / 2e-4 for _, peak, _ in objects] == pytest.approx(asked, rel=1e-4)


def test_exact_peaks_of_the_objects_themselves(run, tmp_path):
    """One object's peak is not known: it is not asked, and the network draws it."""
    path = bad_inputs.good_annotation(tmp_path / "in")
    document = json.loads(path.read_text())
    document["objs"][0]["peak_snr"], document["objs"][2]["peak_snr"] = 11.0, 150.0
    path.write_text(json.dumps(document))
    assert run(path, "--peak-snr", "real", "--rescale-peaks", "--rms", 2e-4).exit_code == 0
    level = read_specs([path])[0][0].observation.background  # that of its image
    _, objects = objects_of(tmp_path / "out", "good", level)
    assert [info.get("asked_peak_snr") for info, *_ in objects] == [11.0, None, 150.0]
    assert [objects[k][1] / 2e-4 for k in (0, 2)] == pytest.approx([11.0, 150.0], rel=1e-4)


def test_integrated_flux(run, folder, tmp_path):
    assert run(folder / "a.png", "--flux", 0.25, "--beam", "7,6").exit_code == 0
    cutout, objects = objects_of(tmp_path / "out")
    for info, _, total in objects:
        assert info["asked_flux_jy"] == 0.25
        assert total / cutout.beam.area_pixels(cutout.pixel_scale) == pytest.approx(0.25, rel=1e-3)


# ---------------------------------------------------------------- backgrounds


@pytest.fixture
def annotated(tmp_path):
    """Three images with their annotations."""
    for k in range(3):
        bad_inputs.good_annotation(tmp_path / "annotated", f"i{k}.fits")
    return tmp_path / "annotated"


@pytest.mark.parametrize("mode", ["self", "self-masked"])
def test_the_mask_s_own_background(run, annotated, tmp_path, mode):
    result = run(annotated, "--background", mode, "--background-strength", 0.6)
    assert result.exit_code == 0, result.output
    for k in range(3):
        made = told(tmp_path / "out" / "generated" / "imgs" / f"i{k}.fits")
        assert (made["background"], made["background_image"], made["background_strength"]) == (mode, f"i{k}.fits", 0.6)


def test_other_backgrounds(run, annotated, tmp_path):
    assert run(annotated, "--background", "other").exit_code == 0
    names = {k: told(tmp_path / "out" / "generated" / "imgs" / f"i{k}.fits")["background_image"] for k in range(3)}
    assert all(name != f"i{k}.fits" and name in {"i0.fits", "i1.fits", "i2.fits"} for k, name in names.items())


@pytest.mark.parametrize("more", [(), ("--background", "other")])
def test_backgrounds_from_elsewhere(run, folder, annotated, tmp_path, more):
    plain = bad_inputs.good_image(tmp_path, "plain.fits", seed=5)
    result = run(folder, "--per-mask", 4, *more, "--background-from", annotated, "--background-from", plain)
    assert result.exit_code == 0, result.output
    made = [told(path) for path in (tmp_path / "out" / "generated" / "imgs").iterdir()]
    assert {one["background"] for one in made} == {"other"}
    assert len({one["background_image"] for one in made}) == 4


def test_backgrounds_from_a_collection(run, folder, annotated, tmp_path):
    assert run(annotated, out=tmp_path / "first").exit_code == 0
    assert run(folder, "--background-from", tmp_path / "first").exit_code == 0
    assert told(tmp_path / "out" / "generated" / "imgs" / "a.fits")["background_image"] in {
        "i0.fits",
        "i1.fits",
        "i2.fits",
    }


def test_a_background_that_cannot_be_read(run, folder, tmp_path):
    path = bad_inputs.truncated(tmp_path)
    assert refused(run(folder / "a.png", "--background-from", path), path, "truncated")


def test_backgrounds_that_there_are_not(run, folder, annotated, tmp_path):
    path = folder / "a.png"
    for mode in ("self", "self-masked", "other"):
        assert refused(run(path, "--background", mode), path, "has no image of its own for the background mode")
    own = annotated / "masks" / "mask_i0.json"
    assert refused(run(own, "--background", "other"), "the background mode 'other' needs at least two images", "")
    (tmp_path / "empty").mkdir()
    assert refused(run(path, "--background-from", tmp_path / "empty"), tmp_path / "empty", "no background images found")
    assert refused(run(path, "--background-from", tmp_path / "none"), tmp_path / "none", "no such file or folder")
    both = ("--background", "self", "--background-from", annotated)
    assert refused(run(annotated, *both), "--background self takes the mask's own image", "leave out --background-from")
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- noise


@pytest.fixture
def sky(run, sky_weights):
    """``sky(masks..., options...)``: as `run`, with weights that know the noise of the sky."""
    return lambda *arguments, **more: run(*arguments, weights=sky_weights, **more)


@pytest.fixture
def spectrum(tmp_path):
    """A file of a spectrum that no survey has, of the default beam."""
    spectrum = NoiseSpectrum.from_beam(Beam(5.4, 5.4), 1.8, 2.0, origin="of a test")
    return spectrum.write(tmp_path / "spectrum.fits")


def images_of(out):
    return {path.name: fits.getdata(path) for path in sorted((out / "generated" / "imgs").iterdir())}


def noises_of(out):
    return [told(path)["noise"] for path in sorted((out / "generated" / "imgs").iterdir())]


def test_noise_of_the_bank_by_default(sky, folder, tmp_path):
    assert sky(folder, "--seed", 3).exit_code == 0
    assert noises_of(tmp_path / "out") == [NoiseBank.open().draw(seed).origin for seed in (3, 4, 5)]
    made = told(tmp_path / "out" / "generated" / "imgs" / "a.fits")
    assert (made["prior"], made["keep_noise"], made["edge_snr"]) == ("sky", False, None)


def test_noise_of_a_spectrum(sky, folder, spectrum, tmp_path):
    assert sky(folder, "--noise", spectrum).exit_code == 0
    assert noises_of(tmp_path / "out") == ["of a test"] * 3
    assert sky(folder, out=tmp_path / "other").exit_code == 0
    here, there = images_of(tmp_path / "out"), images_of(tmp_path / "other")
    assert all((here[name] != there[name]).mean() > 0.9 for name in here)


@pytest.mark.parametrize("survey", ["first", "nvss"])
def test_noise_of_a_survey(sky, folder, survey, tmp_path):
    """Each image draws a field by its seed."""
    assert sky(folder, "--noise", survey, "--seed", 5).exit_code == 0
    bank = NoiseBank.open()
    assert noises_of(tmp_path / "out") == [bank.draw(seed, survey).origin for seed in (5, 6, 7)]


def test_noise_of_a_beam(sky, folder, tmp_path):
    assert sky(folder, "--noise", "beam", "--beam", "7,6,20").exit_code == 0
    assert noises_of(tmp_path / "out") == ["FT(beam)^1"] * 3


def test_noise_measured_on_a_map(sky, folder, make_map, tmp_path):
    write_cutout(tmp_path / "map.fits", make_map((300, 300)))
    result = sky(folder, "--noise", tmp_path / "map.fits")
    assert result.exit_code == 0, result.output
    assert "noise measured on map.fits: " in result.stderr and "'radiff noise measure' keeps it" in result.stderr
    assert noises_of(tmp_path / "out") == ["measured on map.fits"] * 3


def test_two_answers_to_what_the_noise_is_like(sky, annotated, spectrum, tmp_path):
    for more in (("--background", "self-masked"), ("--background-from", annotated)):
        result = sky(annotated, "--noise", spectrum, *more)
        assert refused(result, "", "--noise and a background image both say what the noise is like; leave one of them")
    assert not (tmp_path / "out").exists()


def test_noise_that_cannot_be_had(sky, folder, run, spectrum, tmp_path):
    result = sky(folder, "--noise", tmp_path / "none.fits")
    assert refused(
        result, f"--noise '{tmp_path / 'none.fits'}' is no file and no survey; give a spectrum", "first, nvss"
    )
    assert refused(sky(folder, "--noise", "vlass"), "--noise 'vlass' is no file and no survey", "")
    path = bad_inputs.constant(tmp_path)
    assert refused(sky(folder, "--noise", path), path, "")
    path = bad_inputs.not_fits(tmp_path)
    assert refused(sky(folder, "--noise", path), path, "")
    white = run(folder, "--noise", spectrum)
    assert refused(white, "", "start from white noise and know no noise spectrum; leave out --noise")
    assert not (tmp_path / "out").exists()


def test_kept_noise(sky, annotated, tmp_path):
    """Far from objects the pixels are those of the background; else they are new."""
    for path in (annotated / "imgs").iterdir():  # else its rms is measured twice, with its sources and without
        write_cutout(path, replace(read_cutout(path), rms=bad_inputs.RMS, background=0.0))
    assert sky(annotated, "--background", "self-masked", "--keep-noise").exit_code == 0
    assert sky(annotated, "--background", "self-masked", out=tmp_path / "anew").exit_code == 0
    far = ndimage.distance_transform_edt(bad_inputs.class_mask() == 0) > 20
    for k in range(3):
        real = fits.getdata(annotated / "imgs" / f"i{k}.fits")
        kept, anew = (
            fits.getdata(out / "generated" / "imgs" / f"i{k}.fits") for out in (tmp_path / "out", tmp_path / "anew")
        )
        np.testing.assert_allclose(kept[far], real[far], atol=1e-3 * bad_inputs.RMS)
        assert (anew - real)[far].std() > bad_inputs.RMS
    made = told(tmp_path / "out" / "generated" / "imgs" / "i0.fits")
    assert (made["keep_noise"], made["noise"]) == (True, "background i0.fits")
    refusal = "--keep-noise is of a background image, and there is none: add --background or leave it out"
    assert refused(sky(annotated, "--keep-noise", out=tmp_path / "none"), refusal, "")


# ---------------------------------------------------------------- edges


def lowest(out, name="a"):
    """The lowest pixel of the compact and the extended object, in units of the rms."""
    path = out / "generated" / "imgs" / f"{name}.fits"
    image = fits.getdata(path) - read_cutout(path).background
    return float(image[bad_inputs.class_mask() > 1].min() / told(path)["rms_asked"])


def test_edges_are_held_where_asked(sky, folder, tmp_path):
    """A random network draws no sources: only their edges are told to stand out."""
    for said, edge in (("4", 4.0), ("off", 0.0), ("auto", None)):
        out = tmp_path / said
        assert sky(folder / "a.png", "--edges", said, out=out).exit_code == 0
        assert told(out / "generated" / "imgs" / "a.fits")["edge_snr"] == edge
    assert lowest(tmp_path / "4") > 3
    assert lowest(tmp_path / "off") < 0
    assert lowest(tmp_path / "auto") == lowest(tmp_path / "off")  # a picture says of no isophote


def test_edges_are_held_as_the_annotation_says(sky, tmp_path):
    path = bad_inputs.good_annotation(tmp_path / "in")
    document = json.loads(path.read_text())
    for classed_by, edge, held in (
        ("", None, False),
        ("catalog", None, True),
        ("", 3.0, True),
        ("catalog", 0.0, False),
    ):
        document |= {"classed_by": classed_by, "edge_snr": edge}
        path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
        out = tmp_path / f"{classed_by}{edge}"
        assert sky(path, out=out).exit_code == 0
        assert (lowest(out, "good") > 2) is held, (classed_by, edge)
    assert sky(path, "--edges", 3, out=tmp_path / "asked").exit_code == 0
    assert lowest(tmp_path / "asked", "good") > 2


@pytest.mark.parametrize("text", ["on", "0", "-3", "nan", "100", "3:5"])
def test_edges_that_make_no_sense(sky, folder, text, tmp_path):
    result = sky(folder, f"--edges={text}")
    assert refused(result, f"--edges '{text}': give an isophote in units of the rms such as 3, off or auto", "")
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- other things


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


def test_what_was_made_of_other_noise_is_made_again(sky, folder, spectrum, annotated, tmp_path):
    """Of another spectrum, another isophote, another way with a background's noise."""
    other = NoiseSpectrum.from_beam(Beam(5.4, 5.4), 1.8, 1.0, origin="of a test").write(tmp_path / "other.fits")
    assert sky(folder, "--noise", spectrum).exit_code == 0
    for more, left in (
        (("--noise", spectrum), 0),
        (("--noise", other), 3),
        ((), 3),
        (("--noise", spectrum, "--edges", 3), 3),
        (("--noise", spectrum, "--edges", "off"), 3),
    ):
        result = sky(folder, *more, "--resume", "--dry-run")
        assert result.stdout.startswith(f"would make {left} images ({3 - left} are made already)"), more
    before = images_of(tmp_path / "out")
    assert sky(folder, "--noise", other, "--resume").exit_code == 0
    after = images_of(tmp_path / "out")
    assert all((before[name] != after[name]).any() for name in before)
    shown = ("--background", "self-masked")
    assert sky(annotated, *shown, out=tmp_path / "shown").exit_code == 0
    result = sky(annotated, *shown, "--keep-noise", "--resume", "--dry-run", out=tmp_path / "shown")
    assert result.stdout.startswith("would make 3 images")
    result = sky(annotated, *shown, "--resume", "--dry-run", out=tmp_path / "shown")
    assert result.stdout.startswith("would make 0 images")


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


@pytest.mark.parametrize("shape", [(66, 64), (60, 64), (64, 2052)])
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
        (["--beam", "wide"], "--beam: 'wide' is no beam; give the FWHM in arcsec"),
        (["--beam", "5,nan"], "both widths must be positive"),
        (["--beam", "3"], "a beam of 1.67 pixels is asked for; the weights know beams of 2 to 8 pixels"),
        (["--beam", "18"], "choose larger pixels, or regrid the mask"),
        (["--beam", "10,4"], "a beam of 5.56 x 2.22 pixels is asked for; the weights know axis ratios from 0.45"),
        (["--sampler", "nonsense"], "'nonsense' is no sampler; there are: euler, heun, adams"),
        (["--device", "tpu"], "'tpu' is no device"),
        (["--precision", "fp8"], "'fp8' is no precision; there are: auto, fp32, bf16"),
        (["--backend", "jax"], "'jax' is no backend; there are: auto, torch, openvino"),
        (["--steps", 1001], "num_steps is 1001; it must be from 1 to 1000"),
        (["--background", "mine"], "--background mine: there are none, self, self-masked, other"),
        (
            ["--peak-snr", "bright"],
            "--peak-snr 'bright': give a positive number such as 20, a range such as 5:100, or real",
        ),
        (["--peak-snr", "0"], "--peak-snr '0': give a positive number"),
        (["--peak-snr", "-5"], "--peak-snr '-5': give a positive number"),
        (["--peak-snr", "nan"], "--peak-snr 'nan': give a positive number"),
        (["--peak-snr", "100:5"], "--peak-snr '100:5': give a positive number"),
        (["--peak-snr", "5:"], "--peak-snr '5:': give a positive number"),
        (["--peak-snr", "1:2:3"], "--peak-snr '1:2:3': give a positive number"),
        (["--rescale-peaks"], "--rescale-peaks brings peaks to what is asked, and none is: add --peak-snr"),
        (
            ["--background-strength", "0.5"],
            "--background-strength is of a background image, and there is none: add --background",
        ),
        (["--flux", 0], "a flux of 0 Jy for every object; it must be a positive number"),
        (["--flux", -0.1], "a flux of -0.1 Jy for every object; it must be a positive number"),
        (["--flux", "nan"], "a flux of nan Jy"),
        (["--flux", "inf"], "a flux of inf Jy"),
        (["--guidance", "2"], "--guidance '2': give NAME=NUMBER; the names are mask, peak, background, beam"),
        (["--guidance", "flux=2"], "--guidance 'flux=2': give NAME=NUMBER"),
        (["--guidance", "mask"], "--guidance 'mask': give NAME=NUMBER"),
        (["--guidance", "mask=much"], "--guidance 'mask=much': give NAME=NUMBER"),
        (["--guidance", "mask=-1"], "--guidance: the guidance of the mask is -1.0; it must be 0 or more"),
        (["--guidance", "beam=nan"], "--guidance: the guidance of the beam is nan"),
    ],
)
def test_options_that_make_no_sense(run, folder, tmp_path, options, part):
    assert refused(run(folder, *options), "", part)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options", [("--background-strength", 1.5), ("--background-strength", -0.1), ("--flux", "much"), ("--size", 2052)]
)
def test_numbers_out_of_range_are_usage_errors(run, folder, tmp_path, options):
    result = run(folder, *options)
    assert result.exit_code == 2
    assert options[0] in result.stderr and "Invalid value" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_background_strength_that_is_no_number(run, folder, tmp_path):
    result = run(folder, "--background-strength", "nan")
    assert result.exit_code == 2 and "strength" in result.stderr
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
    for text in ("", "a", "1,2,3,4"):
        with pytest.raises(InputError, match=r"--beam: .* is no beam; give the FWHM in arcsec"):
            parse_beam(text)
    for text in ("-1", "0"):
        with pytest.raises(InputError, match=r"--beam: .* both widths must be positive numbers"):
            parse_beam(text)
    with pytest.raises(InputError, match="--at-beam: a beam of 3 x 6 arcsec has its minor axis above its major one"):
        parse_beam("3,6,0", "--at-beam")


def test_peaks():
    assert parse_peak("20") == 20.0
    assert parse_peak("5:100") == (5.0, 100.0)
    assert parse_peak("7:7") == (7.0, 7.0)
    assert parse_peak("real") == "real"


def test_edges():
    assert parse_edges("auto") is None and parse_edges("off") == 0.0
    assert parse_edges("3") == 3.0 and parse_edges("4.5") == 4.5


def test_guidances():
    assert parse_guidance(None) is None and parse_guidance([]) is None
    assert parse_guidance(["mask=1.5"]) == Guidance(mask=1.5)
    assert parse_guidance(["background=0", "beam=3", "beam=2"]) == Guidance(background=0.0, beam=2.0)


def test_former_names_of_options_work_and_stand_in_no_help(run, folder, tmp_path):
    """`--detail`, `--exact` and `--no-steer` of 0.1 are `--background-strength`, `--rescale-peaks`, ..."""
    asked = [folder / "a.png", "--peak-snr", 30]
    new, old = ["--rescale-peaks", "--no-peak-projection"], ["--exact", "--no-steer"]
    assert run(*asked, *new, out=tmp_path / "new").exit_code == run(*asked, *old, out=tmp_path / "old").exit_code == 0
    one, two = (told(tmp_path / name / "generated" / "imgs" / "a.fits") for name in ("new", "old"))
    assert one == two and one["rescale_peaks"] and not one["peak_projection"]
    assert "--background-strength" in run(folder, "--detail=nan").stderr
    shown = RUNNER.invoke(app, ["generate", "--help"]).output
    assert "--rescale-peaks" in shown and not any(name in shown for name in ("--exact", "--steer", "--detail"))
