"""Stamps as run lengths in the JSON: there and back, and every refusal."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mask_samples import some_objects
from radiff import InputError
from radiff.masks import Annotation, SourceObject, read_annotation, write_annotation
from radiff.masks.runs import decode_runs, decode_stamp, encode_runs, encode_stamp

SHAPE = (40, 50)


def test_the_example_of_the_docs():
    stamp, y0, x0 = decode_stamp({"x0": 7, "y0": 3, "nx": 3, "ny": 2, "counts": [1, 4, 1]}, SHAPE)
    one = SourceObject("S1", 3, stamp, y0, x0)
    y, x = one.coordinates()
    assert sorted(zip(x.tolist(), y.tolist(), strict=True)) == [(7, 4), (8, 3), (8, 4), (9, 3)]
    assert encode_stamp(one) == {"x0": 7, "y0": 3, "nx": 3, "ny": 2, "counts": [1, 4, 1]}


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_runs_there_and_back(stamp):
    counts = encode_runs(stamp)
    assert sum(counts) == stamp.size and all(counts[1:])
    np.testing.assert_array_equal(decode_runs(np.array(counts), stamp.shape), stamp)


@given(st.integers(1, 5), st.integers(1, 5))
def test_a_full_stamp_starts_with_no_zeros(ny, nx):
    assert encode_runs(np.ones((ny, nx), bool)) == [0, nx * ny]


def stamped(tmp_path, meta=None):
    """An annotation whose JSON holds its objects."""
    path = tmp_path / "masks" / "mask_a.json"
    annotation = Annotation(some_objects(), SHAPE, meta or {})
    assert write_annotation(path, annotation, "../imgs/a.fits", stamps=True) == [path]
    return path, annotation


def test_an_annotation_of_stamps_round_trips_byte_for_byte(tmp_path):
    path, annotation = stamped(tmp_path)
    assert [one.name for one in path.parent.iterdir()] == ["mask_a.json"]
    text = path.read_text()
    assert len(text.splitlines()) < 8 + len(annotation.objects)
    again = read_annotation(path)
    np.testing.assert_array_equal(again.mask, annotation.mask)
    assert [one.bbox for one in again.objects] == [one.bbox for one in annotation.objects]
    write_annotation(tmp_path / "b" / "mask_a.json", again)
    assert (tmp_path / "b" / "mask_a.json").read_text() == text
    assert len(list((tmp_path / "b").iterdir())) == 1


def test_stamps_become_mask_files_and_back(tmp_path):
    path, annotation = stamped(tmp_path)
    write_annotation(path, read_annotation(path), stamps=False)
    assert len(list(path.parent.glob("mask_a_obj*.fits"))) == len(annotation.objects)
    assert "stamp" not in path.read_text()
    np.testing.assert_array_equal(read_annotation(path).mask, annotation.mask)
    write_annotation(path, read_annotation(path), stamps=True)
    assert [one.name for one in path.parent.iterdir()] == ["mask_a.json"]  # the files are stale and go


def test_objects_clipped_by_a_window_get_files(tmp_path):
    path, _ = stamped(tmp_path)
    objects = [part for one in read_annotation(path).objects if (part := one.window(0, 30, 0, 30))]
    written = write_annotation(tmp_path / "c" / "mask_c.json", Annotation(objects, (30, 30)))
    assert len(written) == len(objects) + 1
    assert len(read_annotation(written[-1]).objects) == len(objects)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"counts": [1, 2]}, r"objs\[0\] \(.*\): the counts of its stamp add up to 3, not to 3 x 2 = 6 pixels"),
        ({"counts": [-1, 7]}, "counts of its stamp holds -1"),
        ({"counts": [1.0, 5]}, "counts of its stamp holds 1.0"),
        ({"counts": "1 5"}, "needs the keys x0, y0, nx, ny and counts"),
        ({"x0": 48}, r"stamp of 3 x 2 pixels at \(48, 3\) is not inside the image of 50 x 40"),
        ({"y0": -1}, "y0 of its stamp holds -1"),
        ({"nx": 0}, "is not inside the image"),
        ({"ny": None}, "ny of its stamp holds None"),
        ({"nx": True}, "nx of its stamp holds True"),
    ],
)
def test_wrong_stamps_are_refused(tmp_path, change, words):
    stamp = {"x0": 7, "y0": 3, "nx": 3, "ny": 2, "counts": [1, 4, 1]} | change
    path = tmp_path / "mask_a.json"
    entry = {"mask": "", "name": "S1", "class": "extended", "stamp": stamp}
    path.write_text(json.dumps({"nx": 50, "ny": 40, "objs": [entry]}))
    with pytest.raises(InputError, match=words):
        read_annotation(path)


def test_a_stamp_without_a_size_a_class_or_a_pixel(tmp_path):
    path = tmp_path / "mask_a.json"
    stamp = {"x0": 7, "y0": 3, "nx": 3, "ny": 2, "counts": [1, 4, 1]}
    path.write_text(json.dumps({"objs": [{"mask": "", "stamp": stamp}]}))
    with pytest.raises(InputError, match="says no size"):
        read_annotation(path)
    path.write_text(json.dumps({"nx": 50, "ny": 40, "objs": [{"mask": "", "class": "star", "stamp": stamp}]}))
    with pytest.raises(InputError, match=r"objs\[0\] \(S1\): .*star"):
        read_annotation(path)
    path.write_text(json.dumps({"nx": 50, "ny": 40, "objs": [{"mask": "", "stamp": stamp | {"counts": [6]}}]}))
    with pytest.warns(UserWarning, match="marks no pixel"):
        assert read_annotation(path).objects == []
    path.write_text(json.dumps({"nx": 50, "ny": 40, "objs": [{"mask": ""}]}))
    with pytest.raises(InputError, match=r"objs\[0\]"):
        read_annotation(path)
