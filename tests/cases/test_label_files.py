"""Masks and labels as other tools write them: rows, bits, shapes, frames and encodings mean what their makers mean."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from radiff.errors import InputError
from radiff.evaluate.segment.mask_files import SegmentJob, _write
from radiff.generate import mask_files
from radiff.masks import (
    CLASSES,
    Annotation,
    SourceObject,
    from_coco,
    objects_to_mask,
    read_ds9,
    read_mask,
    read_yolo,
    write_annotation,
    write_mask,
)
from radiff.masks.compose import ComposedMask
from radiff.masks.layout import find_pairs
from radiff.masks.rg import read_annotation

SHAPE = (48, 64)


def class_map() -> np.ndarray:
    """All classes, alike in no direction."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[4:9, 5:8], mask[20:23, 30:50], mask[40:46, 58:61] = 1, 2, 3
    return mask


def objects() -> list[SourceObject]:
    return [SourceObject.from_pixels(f"S{value}", value, class_map() == value) for value in (1, 2, 3)]


# ---------------------------------------------------------------- labels fit the picture that they name


def picture_rows(path) -> np.ndarray:
    """Where a file marks something, row 0 first as the readers of its format give it."""
    if path.suffix == ".png":
        return np.asarray(Image.open(path).convert("RGB")).sum(2) > 0
    return (np.load(path) if path.suffix == ".npy" else read_mask(path)) > 0  # FITS row 0 is astropy's row 0


@pytest.mark.parametrize(
    ("formats", "named"),
    [
        (["png", "yolo", "coco"], "png"),
        (["coco", "yolo", "fits"], "fits"),
        (["npy", "yolo", "coco"], "npy"),
        (["fits", "npy", "png", "coco", "yolo"], "png"),
    ],
)
def test_coco_and_yolo_fit_the_picture_that_they_name(tmp_path, formats, named):
    made = ComposedMask(0, 7, class_map(), np.zeros(SHAPE, np.int32), objects(), None)
    stored = mask_files.write_one(tmp_path, made, {}, formats)
    mask_files.finish_masks(tmp_path, [stored], formats)
    picture = picture_rows(tmp_path / named / f"mask_000000.{named}")
    document = json.loads((tmp_path / "coco" / "coco.json").read_text())
    [(name, shape, found)] = from_coco(document)
    assert name == f"mask_000000.{named}"
    assert np.array_equal(objects_to_mask(found, shape) > 0, picture)
    boxes = objects_to_mask(read_yolo(tmp_path / "yolo" / "mask_000000.txt", SHAPE), SHAPE) > 0
    assert np.array_equal(boxes, picture)


@pytest.mark.parametrize("formats", [["yolo", "png"], ["yolo"]])
def test_segments_labels_fit_its_picture(tmp_path, formats):
    annotation, job = Annotation(objects(), SHAPE), SegmentJob(tmp_path / "a.fits", tmp_path / "s" / "masks" / "a.json")
    from astropy.io import fits

    _write(job, annotation, class_map(), fits.Header(), None, formats, stamps=False)
    kind, suffix = ("png", ".png") if "png" in formats else ("labels", ".fits")
    boxes = objects_to_mask(read_yolo(job.place("yolo", ".txt"), SHAPE), SHAPE) > 0
    assert np.array_equal(boxes, picture_rows(job.place(kind, suffix)))


# ---------------------------------------------------------------- pictures of few bits


def grey_png(path, levels: np.ndarray, depth: int):
    """A grey PNG of `depth` bits, which Pillow does not write."""
    bits = np.unpackbits(levels[..., None].astype(np.uint8), axis=-1)[..., -depth:].reshape(len(levels), -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))
    head = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], depth, 0, 0, 0, 0)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    text = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + text)


def palette_png(path, mask: np.ndarray):
    """As segmentation tools write: numbers into a list of colours."""
    picture = Image.fromarray(mask[::-1].copy()).convert("P")
    picture.putpalette([channel for one in CLASSES for channel in one.rgb])
    picture.save(path)


GOOD_PICTURES = {
    "grey of 2 bits": lambda path: grey_png(path, class_map()[::-1], 2),
    "grey of 4 bits": lambda path: grey_png(path, class_map()[::-1], 4),
    "grey of 8 bits": lambda path: Image.fromarray(class_map()[::-1].copy()).save(path),
    "grey of 16 bits": lambda path: Image.fromarray(class_map()[::-1].astype(np.uint16)).save(path),
    "grey in three channels": lambda path: Image.fromarray(np.repeat(class_map()[::-1, :, None], 3, 2)).save(path),
    "grey with alpha": lambda path: Image.fromarray(class_map()[::-1].copy()).convert("LA").save(path),
    "palette": lambda path: palette_png(path, class_map()),
    "palette of 2 bits": lambda path: (palette_png(path, class_map()), Image.open(path).save(path, bits=2)),
}


@pytest.mark.parametrize("kind", GOOD_PICTURES)
def test_levels_of_any_depth_are_classes(tmp_path, kind):
    GOOD_PICTURES[kind](tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png"), class_map())


ONE_BIT = "holds one bit a pixel, source or not, which says no class; multiply it by the class"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: Image.fromarray(class_map() > 0).save(path.with_suffix(".png")), ONE_BIT),
        (lambda path: np.save(path.with_suffix(".npy"), class_map() > 0), ONE_BIT),
        (lambda path: grey_png(path.with_suffix(".png"), (class_map()[::-1] > 0), 1), ONE_BIT),
        (lambda path: Image.fromarray((class_map() > 0).astype(np.uint8) * 255).save(path.with_suffix(".png")), "255"),
        (lambda path: grey_png(path.with_suffix(".png"), class_map()[::-1] * 5, 4), "value 5 at"),
    ],
)
def test_source_or_not_is_no_class(tmp_path, write, message):
    write(tmp_path / "m")
    [file] = tmp_path.iterdir()
    with pytest.raises(InputError, match=message):
        read_mask(file)


# ---------------------------------------------------------------- DS9

ALL = [("A", 3, 940)]
REGIONS = {
    "excluded": ("image\ncircle(101,121,20) # tag={extended} text={A}\n-circle(101,121,10) # text={A}\n", ALL),
    "excluded first": ("image\n-circle(101,121,10)\ncircle(101,121,20) # tag={extended} text={A}\n", ALL),
    "excluded by a word": (
        "image\ncircle(101,121,20) # tag={extended} text={A}\ncircle(101,121,10) # include=0 background\n",
        ALL,
    ),
    "of another name": (
        "image\ncircle(101,121,20) # tag={extended} text={A}\n-box(201,121,9,9) # text={B} tag={compact}\n"
        "box(201,121,21,21) # text={B} tag={compact}\n",
        [("A", 3, 1245), ("B", 2, 441 - 81)],
    ),
    "physical": ("physical\ncircle(101,121,10) # tag={compact}\n", [("R1", 2, 305)]),
    "no frame": ("circle(101,121,10) # tag={compact}\n", [("R1", 2, 305)]),
    "on one line": ("physical;circle(101,121,10) # tag={compact}\n", [("R1", 2, 305)]),
    "annulus": ("image\nannulus(101,121,10,20) # tag={extended} text={A}\n", ALL),
}  # fmt: skip


@pytest.mark.parametrize("kind", REGIONS)
def test_regions_of_ds9(tmp_path, kind):
    text, expected = REGIONS[kind]
    (tmp_path / "r.reg").write_text("# Region file format: DS9 version 4.1\n" + text)
    found = read_ds9(tmp_path / "r.reg", (300, 300))
    assert [(one.name, one.class_value, int(one.npix)) for one in found] == expected


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("panda(101,121,0,360,4,5,10,1) # tag={compact}", "panda"),
        ("point(101,121) # point=cross tag={compact}", "a point"),
        ("line(101,121,110,130) # line=0 0 tag={compact}", "a line"),
        ("# text(101,121) text={NGC 1}", "a text"),
        ("# vector(101,121,10,0) vector=1", "vector"),
        ("linear;circle(1,1,1) # tag={compact}", "linear"),
        ("image;circle(101p,121p,10p) # tag={compact}", "Cannot parse"),
    ],
)
def test_what_is_no_mask_is_named(tmp_path, line, named):
    (tmp_path / "r.reg").write_text(f"image\n{line}\nimage\ncircle(201,121,10) # tag={{extended}}\n")
    if "vector" in line:
        (tmp_path / "r.reg").write_text(f"image\n{line[2:]}\ncircle(201,121,10) # tag={{extended}}\n")
    with pytest.warns(UserWarning, match=f"r.reg: left out, as no mask can be drawn of it: .*{named}"):
        found = read_ds9(tmp_path / "r.reg", (300, 300))
    assert [(one.class_value, int(one.npix)) for one in found] == [(3, 305)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_names_of_regions_in_any_encoding(tmp_path, encoding):
    (tmp_path / "r.reg").write_bytes("image\r\ncircle(101,121,10) # tag={compact} text={Sø1}\r\n".encode(encoding))
    assert [one.name for one in read_ds9(tmp_path / "r.reg", (300, 300))] == ["Sø1"]


# ---------------------------------------------------------------- text written elsewhere


def test_an_annotation_written_on_windows(tmp_path):
    write_mask(tmp_path / "map.fits", class_map())
    write_annotation(tmp_path / "mask_map.json", Annotation(objects(), SHAPE), "map.fits")
    text = (tmp_path / "mask_map.json").read_text()
    text = text.replace('"mask_map_obj', '".\\\\mask_map_obj').replace('"img": "', '"img": ".\\\\')
    (tmp_path / "mask_map.json").write_bytes(text.encode("utf-8-sig"))
    assert np.array_equal(read_annotation(tmp_path / "mask_map.json").mask, class_map())
    assert [image.name for image, _ in find_pairs(tmp_path / "mask_map.json")] == ["map.fits"]


@pytest.mark.parametrize("line", ["a\\x.fits\r\n", "a/x.fits\n", "# kept\n\na/x.fits"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_of_images(tmp_path, line, encoding):
    (tmp_path / "a").mkdir()
    write_mask(tmp_path / "a" / "x.fits", class_map())
    (tmp_path / "train.txt").write_bytes(line.encode(encoding))
    assert find_pairs(tmp_path / "train.txt") == [(tmp_path / "a" / "x.fits", None)]


@pytest.mark.parametrize(
    "line", ["1 0.5 0.5 0.25 0.25\r\n", "\ufeff1 0.5 0.5 0.25 0.25", "1\t0.5\t0.5\t0.25\t0.25", "1 .5 .5 .25 .25 0.93"]
)
def test_labels_of_yolo(tmp_path, line):
    (tmp_path / "m.txt").write_bytes(line.encode())
    [box] = read_yolo(tmp_path / "m.txt", SHAPE)
    assert (box.class_value, box.bbox) == (2, (18, 30, 24, 40))
