"""``radiff segment``: the files it writes, what it prints and what it refuses."""

import json
import warnings

import numpy as np
import pytest
import torch
from astropy.io import fits
from typer.testing import CliRunner

import bad_inputs
from radiff.cli import main
from radiff.evaluate.segment import mask_files
from radiff.masks import read_annotation, read_ds9, read_mask, read_yolo
from radiff.models.io import Part, save_weights
from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config
from radiff.sky import HeaderWarning, read_cutout
from tiny_collection import tiny_collection


def run(*arguments):
    return CliRunner().invoke(main.app, ["segment", *map(str, arguments)])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network that calls pixels above about 5 rms compact: a step on the image itself, which its last layers see."""
    network = build_segmenter(LightUNetConfig((8, 16), 4))
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        network.mix.weight[0, -1, 1, 1] = 1.0
        network.mix.bias[0] = -1.65  # asinh(5 / 2)
        network.last.weight[2, 0, 1, 1] = 100.0
        network.last.bias[:] = torch.tensor([0.0, -9.0, 0.0, -9.0])
    info = {"scaling": {"name": "snr-asinh", "softness": 2.0}}
    parts = {"segmenter": Part(network, segmenter_config(network))}
    return save_weights(tmp_path_factory.mktemp("weights") / "w", parts, info)


def options(weights, output, *more):
    return "-o", output, "--weights", weights, "--device", "cpu", "--precision", "fp32", *more


def check_source(mask, image):
    """The three sources of `bad_inputs.sky_image` and nothing else worth the name."""
    ny, nx = image.shape
    for part in (0.25, 0.5, 0.75):
        assert mask[round(part * ny), round(part * nx)] == 2
    assert np.mean(mask > 0) < 0.03


def test_one_image_in_all_formats(weights, tmp_path):
    (tmp_path / "maps").mkdir()
    path = bad_inputs.good_image(tmp_path / "maps", "x.fits", shape=(80, 100))
    out = tmp_path / "out"
    result = run(path, *options(weights, out, "--formats", "ds9,png,yolo,coco", "--min-pixels", 3))
    assert result.exit_code == 0, result.output
    image = read_cutout(path)
    mask = read_mask(out / "maps" / "labels" / "x.fits")
    check_source(mask, image.image)
    header = fits.getheader(out / "maps" / "labels" / "x.fits")
    assert header["CRVAL1"] == pytest.approx(image.wcs.wcs.crval[0]) and "BUNIT" not in header
    annotation = read_annotation(out / "maps" / "masks" / "mask_x.json", path)
    np.testing.assert_array_equal(annotation.mask, mask)
    assert annotation.meta["classed_by"] == "segmenter w"
    assert annotation.meta["rms"] == pytest.approx(bad_inputs.RMS, rel=0.1)
    assert all(one.npix >= 3 and one.info["snr"] > 5 for one in annotation.objects)
    np.testing.assert_array_equal(read_mask(out / "maps" / "png" / "x.png"), mask)
    shapes = read_ds9(out / "maps" / "regions" / "x.reg", (80, 100), image.wcs)
    assert sum(one.npix for one in shapes) == (mask > 0).sum()
    assert len(read_yolo(out / "maps" / "yolo" / "x.txt", (80, 100))) == len(annotation.objects)
    coco = json.loads((out / "coco.json").read_text())
    assert len(coco["annotations"]) == len(annotation.objects)
    assert (out / coco["images"][0]["file_name"]).resolve() == path.resolve()
    assert f"segmented 1 images in {out}: 0 spurious, {len(annotation.objects)} compact, 0 extended" in result.stdout
    assert "IoU" not in result.stdout


def test_a_collection_is_compared_with_its_masks(weights, tmp_path):
    collection = tiny_collection(tmp_path / "c", 3, 2, empty=1)
    result = run(collection.root, *options(weights, tmp_path / "out", "--split", "train"))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("segmented 3 images in")
    # one pixel is compact; the eleven of the extended object are found as compact too: 1 / 12
    said = "background 1.000, spurious nan, compact 0.083, extended 0.000"
    assert lines[1] == f"IoU with the masks of 3 images, accumulated: {said}"
    assert lines[2].startswith("  mean of the classes 0.") and lines[3].startswith("  mean over images 0.")
    assert (tmp_path / "out" / "first" / "labels" / "c2.fits").is_file()
    mask = read_mask(tmp_path / "out" / "first" / "masks" / "mask_c2.json")
    assert mask[3, 5] == 2 and mask[12, 8] == 2
    assert not (tmp_path / "out" / "first" / "labels" / "c3.fits").exists()


def test_masks_that_are_there_stay_unless_asked_otherwise(weights, tmp_path):
    path = bad_inputs.good_image(tmp_path, "x.fits")
    arguments = (path, *options(weights, tmp_path / "out"))
    assert run(*arguments, "--dry-run").stdout.startswith("would segment 1 images into")
    assert not (tmp_path / "out").exists()
    assert run(*arguments).exit_code == 0
    (label,) = (tmp_path / "out").rglob("labels/x.fits")
    label.write_text("edited")
    result = run(*arguments)
    assert result.exit_code == 2 and "1 of 1 images have masks already; --resume leaves them" in result.stderr
    assert "1 of 1 images have masks already" in run(*arguments, "--resume").stdout
    assert label.read_text() == "edited"
    assert run(*arguments, "--overwrite").exit_code == 0
    assert label.stat().st_size > 1000


def test_a_map_that_is_not_held_in_memory(weights, tmp_path, monkeypatch):
    """As a small one, but that the JSON holds the objects, and their noise is that of rows of the map."""
    path = bad_inputs.good_image(tmp_path, "x.fits", shape=(300, 280))
    assert run(path, *options(weights, tmp_path / "small")).exit_code == 0
    monkeypatch.setattr(mask_files, "LARGE_MAP", 1000)
    result = run(path, *options(weights, tmp_path / "large", "--formats", "ds9,yolo"))
    assert result.exit_code == 0, result.output
    (small,), (large,) = ((tmp_path / name).rglob("mask_x.json") for name in ("small", "large"))
    one, two = read_annotation(small), read_annotation(large)
    np.testing.assert_array_equal(one.mask, two.mask)
    check_source(two.mask, read_cutout(path).image)
    assert [p.name for p in large.parent.iterdir()] == ["mask_x.json"]
    for a, b in zip(one.objects, two.objects, strict=True):
        assert a.info["Stot"] == pytest.approx(b.info["Stot"]) and a.info["snr"] == pytest.approx(
            b.info["snr"], rel=0.02
        )
    result = run(path, *options(weights, tmp_path / "no", "--formats", "png"))
    assert result.exit_code == 2 and "280 x 300 pixels are too many for the format png" in result.stderr


def test_bad_images_are_listed_and_the_others_done(weights, tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    bad_inputs.good_image(folder, "a.fits")
    bad_inputs.truncated(folder)
    bad_inputs.all_nan(folder)
    result = run(folder, *options(weights, tmp_path / "out"))
    assert result.exit_code == 1, result.output
    assert "2 of 3 files could not be used" in result.stderr
    assert "truncated.fits: is truncated" in result.stderr and "blank.fits: every pixel is NaN" in result.stderr
    assert len(list((tmp_path / "out").rglob("labels/*.fits"))) == 1


@pytest.mark.parametrize("name", bad_inputs.ODD_IMAGES)
def test_odd_images_are_segmented(weights, tmp_path, name):
    path = bad_inputs.ODD_IMAGES[name][0](tmp_path)
    result = run(path, *options(weights, tmp_path / "out"))
    assert result.exit_code == 0, result.output
    (label,) = (tmp_path / "out").rglob("labels/*.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        image = read_cutout(path).image
    check_source(read_mask(label), image)
    assert result.stderr.count("radiff: warning: ") == len(set(result.stderr.splitlines()))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--formats", "jpg"), "'jpg' is no mask format; formats beside JSON and FITS are ds9, png, yolo, coco"),
        (("--weights", "nowhere"), "nowhere: no such weights folder"),
        (("--precision", "fp8"), "'fp8' is no precision"),
        (("--device", "cuda"), "no CUDA GPU"),
    ],
)
def test_bad_options_are_one_line(weights, tmp_path, more, message):
    if more == ("--device", "cuda") and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    path = bad_inputs.good_image(tmp_path, "x.fits")
    result = run(path, *options(weights, tmp_path / "out"), *more)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


def test_weights_of_another_network_are_refused(weights, tmp_path):
    from radiff.models.autoencoder import Autoencoder, AutoencoderConfig

    network = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    info = {"scaling": {"name": "snr-asinh"}}
    other = save_weights(tmp_path / "other", {"autoencoder": Part(network, network.config_dict())}, info)
    path = bad_inputs.good_image(tmp_path, "x.fits")
    result = run(path, *options(other, tmp_path / "out"))
    assert result.exit_code == 2
    assert "other: has no segmenter; run 'radiff train segmenter'" in result.stderr


def test_two_images_of_one_name_are_refused(weights, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "maps").mkdir(parents=True)
        bad_inputs.good_image(tmp_path / name / "maps", "x.fits")
    result = run(tmp_path / "a", tmp_path / "b", *options(weights, tmp_path / "out"))
    assert result.exit_code == 2 and "has the same name and folder name as" in result.stderr
