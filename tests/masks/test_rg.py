"""The rg-dataset format: round trips, folder conventions, numbers, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits

from mask_samples import beam_noise, legacy_sample, some_objects
from radiff import InputError
from radiff.masks import (
    Annotation,
    annotation_path,
    find_pairs,
    image_of,
    image_stem,
    measure_objects,
    read_annotation,
    write_annotation,
)
from radiff.masks.measure import min_area_rectangle


def test_legacy_names_fractions_and_unknown_keys_are_read(tmp_path):
    path = legacy_sample(tmp_path)
    annotation = read_annotation(path, tmp_path / "imgs" / "galaxy0001.fits")
    assert annotation.shape == (32, 36)
    assert [one.class_value for one in annotation.objects] == [3, 2, 1, 3]
    assert [one.npix for one in annotation.objects] == [64] * 4
    assert annotation.meta["z_unknown"] == {"b": 1, "a": None}
    assert sorted(np.unique(annotation.mask)) == [0, 1, 2, 3]


@pytest.mark.parametrize("ending", ["", "\n"])
def test_json_comes_back_byte_for_byte(tmp_path, ending):
    path = legacy_sample(tmp_path / "a")
    path.write_text(path.read_text() + ending)
    copy = tmp_path / "b" / "masks" / path.name
    files = write_annotation(copy, read_annotation(path))
    assert copy.read_bytes() == path.read_bytes()
    assert [file.name for file in files] == [f"mask_galaxy0001_obj{n}.fits" for n in (1, 2, 3, 4)] + [path.name]
    np.testing.assert_array_equal(read_annotation(copy).mask, read_annotation(path).mask)


def test_own_files_come_back_byte_for_byte(tmp_path):
    first, second = tmp_path / "a" / "mask_x.json", tmp_path / "b" / "mask_x.json"
    write_annotation(
        first, Annotation(some_objects(), (40, 50), {"rms": np.float32(0.5), "bkg": np.nan}), "../imgs/x.fits"
    )
    write_annotation(second, read_annotation(first))
    for name in ("mask_x.json", "mask_x_obj1.fits", "mask_x_obj2.fits", "mask_x_obj3.fits"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    document = json.loads(first.read_text())
    assert document["img"] == "../imgs/x.fits"
    assert (document["nx"], document["ny"], document["bkg"], document["rms"]) == (50, 40, None, 0.5)
    assert document["objs"][1]["note"] == "kept"
    assert fits.getdata(tmp_path / "a" / "mask_x_obj1.fits").dtype == np.uint8
    assert fits.getdata(tmp_path / "a" / "mask_x_obj1.fits").max() == 3


def test_a_changed_annotation_keeps_order_and_other_values(tmp_path):
    path = legacy_sample(tmp_path)
    annotation = read_annotation(path)
    before = path.read_text().splitlines()
    annotation.meta["telescope"] = "ATCA"
    write_annotation(path, annotation)
    changed = [(a, b) for a, b in zip(before, path.read_text().splitlines(), strict=True) if a != b]
    assert changed == [('  "telescope": "VLA",', '  "telescope": "ATCA",')]


def test_fewer_objects_leave_no_old_mask_files(tmp_path):
    path = tmp_path / "mask_x.json"
    write_annotation(path, Annotation(some_objects(), (40, 50)))
    write_annotation(tmp_path / "mask_x_obj.json", Annotation(some_objects(), (40, 50)))
    write_annotation(path, Annotation(some_objects()[:1], (40, 50)))
    assert sorted(p.name for p in tmp_path.glob("mask_x_obj[0-9]*")) == ["mask_x_obj1.fits"]
    assert len(read_annotation(tmp_path / "mask_x_obj.json").objects) == 3


@pytest.mark.parametrize(("images", "masks"), [("imgs", "masks"), ("images", "annotations"), ("", "")])
def test_every_layout_is_found(tmp_path, images, masks):
    path = legacy_sample(tmp_path / "sample", images, masks)
    image = tmp_path / "sample" / images / "galaxy0001.fits"
    assert annotation_path(image) == path
    assert find_pairs(tmp_path) == [(image, path)]
    assert find_pairs(image) == find_pairs(path) == [(image, path)]


def test_conventional_places():
    assert str(annotation_path("s/imgs/a.b.fits.fz")) == "s/masks/mask_a.b.json"
    assert str(annotation_path("s/images/x.FITS")) == "s/annotations/mask_x.json"
    assert str(annotation_path("s/x.fits.gz")) == "s/mask_x.json"
    assert image_stem("a/200_184.6+1.2.fits.fz") == "200_184.6+1.2"


def test_images_without_annotation_split_files_and_images_elsewhere(tmp_path):
    path = legacy_sample(tmp_path / "a")
    image = tmp_path / "a" / "imgs" / "galaxy0001.fits"
    shutil.copy(image, tmp_path / "a" / "imgs" / "lonely.fits")
    assert find_pairs(tmp_path) == [(image, path), (image.with_name("lonely.fits"), None)]
    (tmp_path / "train.txt").write_text("a/imgs/lonely.fits\n\na/imgs/galaxy0001.fits\n")
    assert [pair[0].name for pair in find_pairs(tmp_path / "train.txt")] == ["lonely.fits", "galaxy0001.fits"]
    (tmp_path / "val.txt").write_text("a/imgs/none.fits\n")
    with pytest.raises(InputError, match=r"line 1 names 'a/imgs/none\.fits'"):
        find_pairs(tmp_path / "val.txt")
    elsewhere = tmp_path / "out" / "masks" / "mask_galaxy0001.json"
    write_annotation(elsewhere, read_annotation(path), "../../a/imgs/galaxy0001.fits")
    assert find_pairs(tmp_path / "out") == [(image, elsewhere)]
    assert image_of(elsewhere, "nowhere.fits") is None
    with pytest.raises(InputError, match="no such file or folder"):
        find_pairs(tmp_path / "none")


def test_missing_mask_file_is_named(tmp_path):
    path = legacy_sample(tmp_path)
    (path.parent / "mask_galaxy0001_obj2.fits").unlink()
    with pytest.raises(InputError) as error:
        read_annotation(path)
    assert str(error.value) == (
        f"{path}: objs[1] names the mask file 'mask_galaxy0001_obj2.fits', which is missing beside the JSON"
    )


def test_mask_of_another_size_is_refused(tmp_path):
    path = legacy_sample(tmp_path)
    wrong = path.parent / "mask_galaxy0001_obj3.fits"
    fits.PrimaryHDU(np.ones((16, 16))).writeto(wrong, overwrite=True)
    with pytest.raises(InputError) as error:
        read_annotation(path)
    assert str(error.value) == f"{wrong}: the mask is 16 x 16 pixels, its image 36 x 32"


def test_image_of_another_size_is_refused(tmp_path):
    path = legacy_sample(tmp_path)
    fits.PrimaryHDU(np.ones((1, 1, 20, 30), np.float32)).writeto(tmp_path / "other.fits")
    with pytest.raises(InputError, match=r"says 36 x 32 pixels, but .*other\.fits has 30 x 20"):
        read_annotation(path, tmp_path / "other.fits")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is no annotation: there is no list 'objs'"),
        ('{"objs": [1]}', r"objs\[0\] is no JSON object"),
        ('{"objs": [{}]}', r"objs\[0\] names no mask file"),
        ('{"objs": []}', "says no size"),
        ('{"objs": [], "nx": "a", "ny": 2}', "nx and ny are no numbers"),
        ('{"objs": [{"mask": "a.fits"}]}', "cannot be read as FITS"),
        ('{"objs": [{"mask": "cube.fits"}]}', "no two-dimensional mask"),
        ('{"objs": [{"mask": "good.fits", "class": "quasar"}]}', r"objs\[0\]: 'quasar' is no class"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    (tmp_path / "a.fits").write_text("not FITS")
    fits.PrimaryHDU(np.ones((2, 4, 4))).writeto(tmp_path / "cube.fits")
    fits.PrimaryHDU(np.ones((4, 4))).writeto(tmp_path / "good.fits")
    (tmp_path / "mask_a.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_annotation(tmp_path / "mask_a.json")


def test_empty_object_is_said_and_left_out(tmp_path):
    path = legacy_sample(tmp_path)
    fits.PrimaryHDU(np.zeros((32, 36))).writeto(path.parent / "mask_galaxy0001_obj1.fits", overwrite=True)
    with pytest.warns(UserWarning, match="obj1.fits: no pixel is marked"):
        assert len(read_annotation(path).objects) == 3


def test_measured_fields(make_map):
    cutout = make_map((40, 50), rms=1e-4)
    cutout.image[:] = beam_noise((40, 50), 1e-4, 3.0, 1)
    objects = some_objects()
    for one in objects:
        cutout.image[one.slices][one.stamp] += 0.01
    measured = measure_objects(Annotation(objects, (40, 50), {"img": "a", "own": 1}), cutout)
    meta = measured.meta
    assert (meta["nx"], meta["ny"], meta["bmaj"], meta["own"], meta["telescope"]) == (50, 40, 5.4, 1, "TEST")
    assert meta["dx"] == pytest.approx(-1.8)
    assert meta["dy"] == pytest.approx(1.8)
    assert meta["rms"] == pytest.approx(1e-4, rel=0.1)
    galaxy, star, ghost = (one.info for one in measured.objects)
    assert (galaxy["npix"], galaxy["nislands"], galaxy["class"], galaxy["border"]) == (80, 2, "extended", 0)
    assert galaxy["Stot"] == pytest.approx(0.8, rel=0.01)
    assert galaxy["snr"] == pytest.approx(0.8 / (meta["rms"] * np.sqrt(80)), rel=0.01)
    assert galaxy["nbeams"] == pytest.approx(80 / (np.pi * 9 / (4 * np.log(2))))
    assert (star["bbox_x"], star["bbox_y"], star["bbox_w"], star["bbox_h"]) == (7, 31, 2, 2)
    assert star["maxsize_beam"] == pytest.approx(2 / 3)
    assert star["maxsize_img_fract"] == pytest.approx(3 / 40)
    assert (ghost["border"], ghost["class"], ghost["sidelobe-near"], star["note"]) == (1, "spurious", 0, "kept")


def test_minimum_area_rectangle_of_a_diagonal_bar():
    y, x = np.indices((60, 60))
    angle = np.radians(30)
    u = (x - 30) * np.cos(angle) + (y - 28) * np.sin(angle)
    v = -(x - 30) * np.sin(angle) + (y - 28) * np.cos(angle)
    cx, cy, w, h, turned = min_area_rectangle((abs(u) <= 20) & (abs(v) <= 5))
    assert (cx, cy) == pytest.approx((30, 28), abs=0.5)
    assert (w, h) == pytest.approx((40, 10), abs=1.2)
    assert turned == pytest.approx(30, abs=2)
    assert min_area_rectangle(np.ones((1, 1), bool)) == (0, 0, 0, 0, 90)
    assert min_area_rectangle(np.ones((1, 5), bool))[:2] == pytest.approx((2, 0))
    assert sorted(min_area_rectangle(np.ones((3, 5), bool))[2:4]) == pytest.approx([2, 4])
