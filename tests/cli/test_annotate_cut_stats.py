"""From maps to a collection on the command line: what is printed, the exit codes, and every refusal."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import bad_inputs
from conftest import Injected
from radiff.cli.main import app
from radiff.data.collection import Collection
from radiff.masks.rg import read_annotation
from radiff.sky import write_cutout

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, list(map(str, arguments)))


@pytest.fixture
def maps(tmp_path, make_map):
    """Two maps of 150 x 150 pixels with a compact and an extended source each, 3 degrees apart."""
    folder = tmp_path / "survey"
    folder.mkdir()
    for number in range(2):
        sources = [Injected(40, 45, 0.01, 3.2, 3.2), Injected(95, 90, 0.02, 20, 7, 30)]
        cutout = make_map((150, 150), sources, seed=number)
        cutout.wcs.wcs.crval = [100 + 3 * number, 20]
        write_cutout(folder / f"map{number}.fits", cutout)
    return folder


def annotate(maps, out, *more):
    return run("annotate", maps, "-o", out, "--workers", 1, *more)


def test_the_road_from_maps_to_tables(maps, tmp_path):
    result = annotate(maps, tmp_path / "masks")
    assert result.exit_code == 0, result.output
    assert f"annotated 2 maps in {tmp_path / 'masks'}: 0 spurious, 2 compact, 2 extended" in result.stdout
    assert (tmp_path / "masks" / "contact_sheet.png").is_file()
    annotation = read_annotation(tmp_path / "masks" / "survey" / "masks" / "mask_map0.json", maps / "map0.fits")
    assert annotation.mask[45, 40] == 2 and annotation.mask[90, 95] == 3
    assert annotation.meta["img"] == "../../../survey/map0.fits"

    result = run("cut", tmp_path / "masks", "-o", tmp_path / "c", "--size", 64, "--val-fraction", 0.5, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "extended objects: 2 of 2 whole in a cutout" in result.stdout
    collection = Collection.open(tmp_path / "c")
    assert len(collection.split("train")) == len(collection.split("val")) == len(collection) / 2
    assert sum(row.n_extended > 0 for row in collection.rows) >= 2

    result = run("stats", tmp_path / "c", "-o", tmp_path / "stats")
    assert result.exit_code == 0, result.output
    assert "│ TEST      │ SYNTHETIC │" in result.stdout
    assert (tmp_path / "stats" / "figure2_rms.png").is_file()
    assert json.loads((tmp_path / "stats" / "stats.json").read_text())["table1_cutouts"][0]["Cutouts"] == len(
        collection
    )
    assert run("info", tmp_path / "c").exit_code == 0


@pytest.mark.parametrize("verb", ["annotate", "cut", "stats"])
def test_help_teaches_with_an_example(verb):
    text = run(verb, "--help").output
    assert "Example:" in text
    assert f"radiff {verb} " in text


def test_dry_runs_write_nothing(maps, tmp_path):
    annotate(maps, tmp_path / "masks")
    with bad_inputs.nothing_new(tmp_path):
        result = annotate(maps, tmp_path / "other", "--dry-run")
        assert result.stdout == f"would annotate 2 maps into {tmp_path / 'other'}; nothing was written\n"
        result = run("cut", tmp_path / "masks", "-o", tmp_path / "c", "--size", 64, "--dry-run", "--workers", 1)
        assert result.exit_code == 0, result.output
        assert "nothing was written" in result.stdout


def test_masks_are_not_overwritten_unless_asked_for(maps, tmp_path):
    annotate(maps, tmp_path / "masks", "--no-sheet")
    path = tmp_path / "masks" / "survey" / "masks" / "mask_map0.json"
    before = path.read_bytes()
    path.write_text(path.read_text().replace('"S1"', '"edited"'))
    edited = path.read_bytes()
    result = annotate(maps, tmp_path / "masks", "--no-sheet")
    assert result.exit_code == 2
    expected = "2 of 2 maps have an annotation already; --resume leaves them, --overwrite redoes them"
    assert result.stderr == f"radiff: {path}: {expected}\n"
    result = annotate(maps, tmp_path / "masks", "--no-sheet", "--resume")
    assert result.exit_code == 0 and "2 of 2 maps are annotated already" in result.stdout
    assert path.read_bytes() == edited
    assert annotate(maps, tmp_path / "masks", "--no-sheet", "--overwrite").exit_code == 0
    assert path.read_bytes() == before


def test_annotate_writes_other_formats(maps, tmp_path):
    assert annotate(maps, tmp_path / "masks", "--formats", "rg,png,ds9,label", "--no-sheet").exit_code == 0
    found = {
        str(path.relative_to(tmp_path / "masks" / "survey")) for path in (tmp_path / "masks").rglob("*map1.[rpf]*")
    }
    assert {"png/map1.png", "regions/map1.reg", "labels/map1.fits"} <= found
    result = annotate(maps, tmp_path / "masks2", "--formats", "gif")
    assert (result.exit_code, result.stderr) == (
        2,
        "radiff: 'gif' is no mask format; formats are rg (always), png, ds9, label\n",
    )


def test_annotate_is_the_same_for_any_number_of_workers(maps, tmp_path):
    for workers in (1, 2):
        assert run("annotate", maps, "-o", tmp_path / f"w{workers}", "--workers", workers, "--no-sheet").exit_code == 0
    files = [sorted(path for path in (tmp_path / f"w{n}").rglob("*") if path.is_file()) for n in (1, 2)]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("name", bad_inputs.BAD_IMAGES)
def test_annotate_refuses_a_bad_image_in_one_line(name, tmp_path):
    write, part = bad_inputs.BAD_IMAGES[name]
    path = write(tmp_path)
    with bad_inputs.nothing_new(tmp_path):
        result = annotate(path, tmp_path / "masks")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"radiff: {path}: ") and result.stderr.count("\n") == 1
    assert part in result.stderr.lower()


def test_annotate_does_the_good_ones_and_lists_the_bad(tmp_path):
    folder = tmp_path / "survey"
    folder.mkdir()
    left_out = ("missing", "truncated-compressed")  # the second has the name of "truncated"
    bad = [write(folder) for name, (write, _) in bad_inputs.BAD_IMAGES.items() if name not in left_out]
    bad_inputs.good_image(folder)
    result = run("annotate", folder, "-o", tmp_path / "masks", "--workers", 2)
    assert result.exit_code == 1
    assert "annotated 1 maps" in result.stdout
    lines = result.stderr.splitlines()
    assert lines[0] == f"radiff: {len(bad)} of {len(bad) + 1} files could not be used, the others are done:"
    assert len(lines) == 1 + len(bad)
    assert all(any(line.startswith(f"  {path}: ") for line in lines) for path in bad)
    assert [path.name for path in (tmp_path / "masks").rglob("*.json")] == ["mask_good.json"]


@pytest.mark.parametrize("name", bad_inputs.ODD_IMAGES)
def test_odd_images_go_all_the_way(name, tmp_path):
    write, warns = bad_inputs.ODD_IMAGES[name]
    path = write(tmp_path)
    result = annotate(path, tmp_path / "masks", "--no-sheet")
    assert result.exit_code == 0, result.output
    assert ("radiff: warning: " in result.stderr) == warns
    result = run("cut", tmp_path / "masks", "-o", tmp_path / "c", "--size", 40, "--workers", 1)
    assert result.exit_code == 0, result.output
    collection = Collection.open(tmp_path / "c")
    assert all(np.isfinite(collection.image(i).image).all() for i in range(len(collection))) or warns
    assert run("stats", tmp_path / "c", "-o", tmp_path / "s").exit_code == 0


@pytest.mark.parametrize("name", ["missing-mask", "other-size", "broken-json"])
def test_cut_refuses_a_bad_mask_in_one_line(name, tmp_path):
    write, part = bad_inputs.BAD_MASKS[name]
    path = write(tmp_path / "sample") if name != "class-7" else write(tmp_path)
    result = run("cut", path, "-o", tmp_path / "c", "--size", 32, "--workers", 1)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"radiff: {path.parent}") and result.stderr.count("\n") == 1
    assert part.lower() in result.stderr.lower()
    assert not (tmp_path / "c" / "index.csv").exists()


def test_cut_refuses_a_class_that_is_none(tmp_path):
    path = bad_inputs.good_annotation(tmp_path / "sample")
    path.write_text(path.read_text().replace('"compact"', '"quasar"'))
    result = run("cut", path, "-o", tmp_path / "c", "--size", 32, "--workers", 1)
    assert result.exit_code == 2
    classes = "classes are 0 background, 1 spurious, 2 compact, 3 extended"
    assert result.stderr == f"radiff: {path}: objs[1]: 'quasar' is no class; {classes}\n"


def test_cut_refuses_a_mask_of_another_size_than_its_image(tmp_path):
    path = bad_inputs.good_annotation(tmp_path / "sample")
    path.write_text(path.read_text().replace('"nx": 64', '"nx": 60'))
    result = run("cut", path, "-o", tmp_path / "c", "--size", 32, "--workers", 1)
    assert result.exit_code == 2
    assert f"{path}: says 60 x 64 pixels, but {path.parents[1] / 'imgs' / 'good.fits'} has 64 x 64" in result.stderr


def test_cut_does_the_good_ones_and_lists_the_bad(tmp_path):
    bad_inputs.missing_mask(tmp_path / "in" / "a")
    bad_inputs.broken_json(tmp_path / "in" / "b")
    bad_inputs.good_annotation(tmp_path / "in" / "c")
    blank = bad_inputs.good_annotation(tmp_path / "in" / "d")
    (tmp_path / "in" / "d" / "imgs" / "good.fits").unlink()
    bad_inputs.write_fits(tmp_path / "in" / "d" / "imgs" / "good.fits", np.full((64, 64), np.nan, np.float32))
    assert blank.is_file()
    result = run("cut", tmp_path / "in", "-o", tmp_path / "c", "--size", 32, "--workers", 1)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "radiff: 3 of 4 files could not be used, the others are done:"
    assert len(lines) == 4
    for part in ("b/masks/mask_good.json: is not JSON", "mask_good_obj2.fits", "every pixel is NaN"):
        assert any(part in line for line in lines)
    assert {row.sample for row in Collection.open(tmp_path / "c").rows} == {"c"}


def test_maps_smaller_than_the_window_are_told(tmp_path):
    path = bad_inputs.good_annotation(tmp_path / "sample")
    result = run("cut", path, "-o", tmp_path / "c", "--workers", 1)
    assert result.exit_code == 2
    assert "not kept: 1 maps (smaller than the window; use a smaller --size)" in result.stdout
    assert result.stderr == f"radiff: {tmp_path / 'c'}: no cutout of 128 pixels could be kept; see the reasons above\n"


def test_what_could_not_be_kept_is_in_a_file(tmp_path):
    path = bad_inputs.good_annotation(tmp_path / "sample")
    result = run("cut", path, "-o", tmp_path / "c", "--size", 20, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "not kept: 1 extended objects (larger than the window; use a larger --size)" in result.stdout
    lines = (tmp_path / "c" / "not_kept.csv").read_text().splitlines()
    assert lines[0] == "source,what,name,x,y,reason"
    wanted = (
        "sample/imgs/good.fits,object,S3,19,50,its 22 x 12 pixels do not fit into a window of 20; use a larger --size"
    )
    assert wanted in lines


@pytest.mark.parametrize("verb", ["annotate", "cut", "stats"])
def test_outputs_that_cannot_be_written(verb, tmp_path):
    path = bad_inputs.good_annotation(tmp_path / "sample")
    source = {"annotate": path.parents[1] / "imgs", "cut": path, "stats": tmp_path / "sample"}[verb]
    options = ["--size", 32] if verb == "cut" else []
    for output in (bad_inputs.READ_ONLY, bad_inputs.file_in_place(tmp_path)):
        result = run(verb, source, "-o", output, "--workers", 1, *options)
        assert result.exit_code == 2
        last = result.stderr.splitlines()[-1]
        assert last.startswith(f"radiff: {output}") and "cannot write into this folder" in last


@pytest.mark.parametrize("verb", ["annotate", "cut", "stats"])
def test_a_full_disk(verb, tmp_path, monkeypatch):
    path = bad_inputs.good_annotation(tmp_path / "sample")
    source = {"annotate": path.parents[1] / "imgs", "cut": path, "stats": tmp_path / "sample"}[verb]
    options = ["--size", 32] if verb == "cut" else []
    with bad_inputs.no_space(monkeypatch), bad_inputs.nothing_new(tmp_path):
        result = run(verb, source, "-o", tmp_path / "out", "--workers", 1, *options)
    assert result.exit_code == 2
    assert "cannot be written (No space left on device); free some space" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["annotate", "{0}/none", "-o", "{0}/o"], "radiff: {0}/none: no such file or folder\n"),
        (["annotate", "{0}", "-o", "{0}/o"], "radiff: {0}: holds no FITS images (*.fits, *.fits.gz, *.fits.fz)\n"),
        (
            ["cut", "{0}", "-o", "{0}/o"],
            "radiff: {0}: holds no annotated map; run 'radiff annotate' on the maps first\n",
        ),
        (["cut", "{0}", "-o", "{0}/o", "--stride", "0"], "radiff: a stride of 0 pixels is no step; give 1 or more\n"),
        (
            ["cut", "{0}", "-o", "{0}/o", "--splits", "{0}/none.csv"],
            "radiff: {0}/none.csv: cannot be read as a CSV or text file of splits\n",
        ),
        (["stats", "{0}"], "radiff: {0}: no index.csv and no FITS images here; make a collection with 'radiff cut'\n"),
    ],
)
def test_refusals(arguments, message, tmp_path):
    result = run(*(argument.format(tmp_path) for argument in arguments))
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message.format(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_real_fields(real_data, tmp_path):
    """FIRST fields with their catalog: a few sources each, all cutouts from the right fields."""
    folder = real_data / "vla"
    fields = sorted((folder / "first_mirabest").iterdir())[:3]
    out = tmp_path / "masks"
    result = run(
        "annotate", *fields, "--catalog", folder / "first_catalog.csv", "-o", out, "--workers", 1, "--no-sheet"
    )
    assert result.exit_code == 0, result.output
    result = run("cut", out, "-o", tmp_path / "c", "--splits", folder / "manifest.csv", "--workers", 1)
    assert result.exit_code == 0, result.output
    rows = Collection.open(tmp_path / "c").rows
    assert len(rows) >= 12
    assert {row.source for row in rows} == {f"first_mirabest/{path.name}" for path in fields}
    assert all(row.survey == "FIRST" and 1e-4 < row.rms < 3e-4 for row in rows)
    assert sum(row.n_extended for row in rows) >= 3
