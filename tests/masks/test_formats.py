"""DS9 regions, COCO and YOLO: round trips and what is refused."""

import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from mask_samples import some_mask, some_objects
from radiff import InputError
from radiff.masks import (
    from_coco,
    mask_to_objects,
    objects_to_mask,
    read_ds9,
    read_yolo,
    to_coco,
    write_ds9,
    write_yolo,
    yolo_lines,
)
from radiff.masks.formats import decode_rle, encode_rle
from radiff.masks.outlines import fill, signed_area, trace

SHAPE = (40, 50)
PIXELS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=10))


def described(objects):
    """Name, class and pixels of objects, in order of names."""
    return sorted((one.name, one.class_value, one.bbox, one.stamp.tobytes()) for one in objects)


@given(PIXELS)
@settings(deadline=None)
def test_outlines_lose_nothing(pixels):
    polygons = trace(pixels)
    np.testing.assert_array_equal(fill(polygons, pixels.shape), pixels)
    assert sum(signed_area(one) for one in polygons) == pytest.approx(pixels.sum())


def sky(frame: str = "RA") -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"] if frame == "RA" else ["GLON-SIN", "GLAT-SIN"]
    wcs.wcs.crval = [187.7, 12.4]
    wcs.wcs.crpix = [25, 20]
    wcs.wcs.cdelt = [-0.0005, 0.0005]
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize("wcs", [None, sky(), sky("G")], ids=["pixels", "fk5", "galactic"])
@pytest.mark.parametrize("objects", [some_objects(), mask_to_objects(some_mask())], ids=["islands", "holes"])
def test_ds9_round_trip(tmp_path, wcs, objects):
    path = write_ds9(tmp_path / "m.reg", objects, wcs)
    text = path.read_text()
    assert ("fk5" if wcs is not None else "image") in text
    assert "tag={extended}" in text
    assert described(read_ds9(path, SHAPE, wcs)) == described(objects)


def test_ds9_of_others(tmp_path):
    (tmp_path / "m.reg").write_text(
        "# Region file format: DS9\nimage\n"
        "circle(11,11,3) # text={S1} tag={sidelobe-near} tag={galaxy}\n"
        "box(21,11,4,4,0) # text={S1} tag={galaxy}\n"
        "circle(31,31,2) # color=green\n"
        "circle(500,500,2) # color=red\n"
    )
    objects = read_ds9(tmp_path / "m.reg", SHAPE)
    assert [(one.name, one.class_value) for one in objects] == [("S1", 3), ("R3", 2)]
    assert objects[0].bbox[2:] == (8, 22)
    assert objects[0].pixels(SHAPE)[10, 10]
    assert objects[1].pixels(SHAPE)[30, 30]


def test_ds9_refusals(tmp_path):
    path = tmp_path / "m.reg"
    path.write_text("image\ncircle(11,11,3) # text={S1}\n")
    with pytest.raises(InputError, match="region 1 has no class; give it a tag"):
        read_ds9(path, SHAPE)
    write_ds9(path, some_objects(), sky())
    with pytest.raises(InputError, match="holds sky coordinates; give the image's WCS"):
        read_ds9(path, SHAPE)
    with pytest.raises(InputError, match="no such file"):
        read_ds9(tmp_path / "none.reg", SHAPE)


def test_ds9_without_objects(tmp_path):
    assert read_ds9(write_ds9(tmp_path / "m.reg", []), SHAPE) == []


@given(PIXELS)
@settings(deadline=None)
def test_run_lengths(pixels):
    np.testing.assert_array_equal(decode_rle(encode_rle(pixels)), pixels)


@pytest.mark.parametrize("flip", [False, True])
def test_coco_round_trip(flip):
    document = to_coco([("imgs/a.fits", SHAPE, some_objects()), ("imgs/b.fits", (8, 8), [])], flip)
    assert document["annotations"][1]["bbox"] == [6, 40 - 33 if flip else 30, 3, 3]
    (file, shape, objects), (other, _, none) = from_coco(document, flip)
    assert (file, shape, other, none) == ("imgs/a.fits", SHAPE, "imgs/b.fits", [])
    assert described(objects) == described(some_objects())


def test_coco_polygons():
    document = to_coco([("a.fits", SHAPE, some_objects()[1:2])])
    document["annotations"][0]["segmentation"] = [[6, 30, 9, 30, 9, 33, 6, 33]]
    assert described(from_coco(document)[0][2]) == described(some_objects()[1:2])


def test_pycocotools_reads_it(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    tool = coco.COCO()
    tool.dataset = to_coco([("a.fits", SHAPE, some_objects())])
    tool.createIndex()
    capsys.readouterr()
    for one, entry in zip(some_objects(), tool.loadAnns(tool.getAnnIds(imgIds=[1])), strict=True):
        np.testing.assert_array_equal(tool.annToMask(entry).astype(bool), one.pixels(SHAPE))
        compressed = tool.annToRLE(entry)
        np.testing.assert_array_equal(decode_rle(compressed), one.pixels(SHAPE))
    assert [cat["name"] for cat in tool.loadCats(tool.getCatIds())] == ["spurious", "compact", "extended"]


def test_coco_refusals():
    document = to_coco([("a.fits", SHAPE, some_objects())])
    document["categories"][2]["name"] = "quasar"
    with pytest.raises(InputError, match="annotation 1: 'quasar' is no class"):
        from_coco(document)
    with pytest.raises(InputError, match="is no COCO document"):
        from_coco({"images": []})


def test_yolo_lines():
    objects = some_objects()
    objects[0].info["nislands"] = 2
    objects[2].info["sidelobe-mixed"] = 1
    assert yolo_lines(objects, SHAPE)[1] == "1 0.15000000 0.78750000 0.06000000 0.07500000"
    assert yolo_lines(objects, SHAPE, flip=True)[1] == "1 0.15000000 0.21250000 0.06000000 0.07500000"
    assert [line[0] for line in yolo_lines(objects, SHAPE)] == ["2", "1", "0"]
    assert [line[0] for line in yolo_lines(objects, SHAPE, multi_island=True)] == ["3", "1", "4"]


@pytest.mark.parametrize("flip", [False, True])
def test_yolo_round_trip_of_boxes(tmp_path, flip):
    path = write_yolo(tmp_path / "m.txt", some_objects(), SHAPE, multi_island=True, flip=flip)
    again = read_yolo(path, SHAPE, flip)
    assert [(one.class_value, one.bbox) for one in again] == [(one.class_value, one.bbox) for one in some_objects()]
    assert all(one.stamp.all() for one in again)


def test_yolo_polygons_and_refusals(tmp_path):
    path = tmp_path / "m.txt"
    path.write_text("2 0.2 0.25 0.4 0.25 0.4 0.5 0.2 0.5\n")
    assert objects_to_mask(read_yolo(path, SHAPE), SHAPE)[10:20, 10:20].sum() == 300
    for text in ("9 0.5 0.5 0.1 0.1", "1 0.5 0.5", "compact 0.5 0.5 0.1 0.1"):
        path.write_text(f"0 0.5 0.5 0.1 0.1\n{text}\n")
        with pytest.raises(InputError, match="line 2 is no label"):
            read_yolo(path, SHAPE)
