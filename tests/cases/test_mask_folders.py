"""Folders of masks as labelling tools, Jupyter, macOS and Windows leave them: each mask once, by a name of its own."""

import os

import numpy as np
import pytest

from radiff.generate.reading import read_specs
from radiff.masks import Annotation, SourceObject, find_pairs, write_annotation, write_mask


def mask(row: int = 10) -> np.ndarray:
    values = np.zeros((32, 32), np.uint8)
    values[row : row + 6, 8:14] = 2
    return values


def names(*paths) -> list[str]:
    found, failures = read_specs(list(paths))
    assert not failures
    return [one.name for one in found]


def write(folder, *files: str) -> None:
    for k, name in enumerate(files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_mask(folder / name, mask(2 + k))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["x/a.png", "y/a.png", "y/a_1.png"], ["a", "a_2", "a_1"]),
        (["x/a.png", "y/a.png", "z/a.png"], ["a", "a_1", "a_2"]),
        (["x/a_1.png", "x/a_2.npy", "y/a.png", "z/a.png"], ["a_1", "a_2", "a", "a_3"]),
        (["x/a.png", "y/A.png"], ["a", "A_1"]),  # one file on Windows and macOS
        (["x/mask_a.png", "x/a.fits"], ["a", "a_1"]),
    ],
)
def test_names_are_taken_once(tmp_path, files, expected):
    write(tmp_path, *files)
    assert sorted(names(tmp_path)) == sorted(expected)


LEFT = {
    "a tool's settings": lambda d: (d / "meta.json").write_text('{"classes": ["compact"]}'),
    "a document of COCO": lambda d: (d / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}'),
    "a list": lambda d: (d / "names.json").write_text('["compact"]'),
    "Jupyter's copy": lambda d: write(d, ".ipynb_checkpoints/f-checkpoint.png"),
    "what macOS packs": lambda d: ((d / "__MACOSX").mkdir(), (d / "__MACOSX" / "._f.png").write_bytes(b"\0\5\x16\7")),
    "what macOS copies": lambda d: ((d / "._f.png").write_bytes(b"\0\5\x16\7"), (d / ".DS_Store").touch()),
    "what Windows leaves": lambda d: ((d / "Thumbs.db").touch(), (d / "desktop.ini").touch()),
    "a pipe": lambda d: os.mkfifo(d / "g.png"),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_tools_leave_is_no_mask(tmp_path, what):
    write(tmp_path, "f.png")
    LEFT[what](tmp_path)
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("name", ["F.PNG", "F.FITS", "F.Fits.GZ", "F.NPY"])
def test_capitals_of_windows(tmp_path, name):
    write(tmp_path, "f.fits.gz" if "GZ" in name else name.lower())
    next(tmp_path.iterdir()).rename(tmp_path / name)
    assert names(tmp_path) == names(tmp_path / name) == ["F"]


def test_annotations_count_over_what_lies_beside_them(tmp_path):
    one = SourceObject.from_pixels("S1", 2, mask() > 0)
    write_annotation(tmp_path / "mask_m.json", Annotation([one], (32, 32)), "")
    write(tmp_path, "preview.png")
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "mask_m.json").rename(tmp_path / "mask_m.JSON")
    assert names(tmp_path) == names(tmp_path / "mask_m.JSON") == ["m"]
    assert find_pairs(tmp_path / "mask_m.JSON") == []


def test_a_torn_annotation_is_named_and_the_pictures_read(tmp_path):
    write(tmp_path, "f.png")
    (tmp_path / "mask_g.json").write_text('{"objs": [')
    found, failures = read_specs([tmp_path])
    assert [one.name for one in found] == ["f"]
    assert "mask_g.json: is not JSON" in str(failures[0])
