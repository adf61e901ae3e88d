"""Masks of a collection as arrays: what the files say, kept in one file as long as they do not change."""

import json

import numpy as np
import pytest

from radiff.data.collection import Collection
from radiff.data.mask_set import join_masks, load_masks, read_mask_set
from radiff.errors import InputError
from tiny_collection import tiny_collection


def test_masks_counts_and_objects_are_those_of_the_collection(tmp_path):
    collection = tiny_collection(tmp_path / "c")
    found = read_mask_set(collection, workers=1)
    assert len(found) == 8 and len(found.split("train")) == 6
    assert found.counts.tolist() == [[*row.counts] for row in collection.rows]
    for index, mask in enumerate(found.masks()):
        assert np.array_equal(mask, collection.mask(index))
    compact, extended = found.objects(3)
    assert (compact.class_value, compact.npix, extended.class_value, extended.npix) == (2, 1, 3, 11)
    assert compact.info["border"] == extended.info["border"] == 0


def test_the_kept_file_is_read_until_the_masks_change(tmp_path):
    collection = tiny_collection(tmp_path / "c")
    kept = tmp_path / "kept" / "masks.npz"
    first = read_mask_set(collection, kept, workers=1)
    stamp = kept.stat().st_mtime_ns
    again = read_mask_set(collection, kept, workers=1)
    assert kept.stat().st_mtime_ns == stamp
    assert np.array_equal(again.labels, first.labels) and again.images == first.images
    annotation = collection.root / collection.rows[3].annotation
    content = json.loads(annotation.read_text())
    content["objs"] = content["objs"][:1]
    annotation.write_text(json.dumps(content))
    assert len(read_mask_set(collection, kept, workers=1).objects(3)) == 1
    kept.write_bytes(b"no npz")
    assert len(read_mask_set(collection, kept, workers=1)) == 8


def test_masks_of_several_sizes_are_refused(tmp_path):
    one, two = tiny_collection(tmp_path / "a"), tiny_collection(tmp_path / "b", shape=(40, 40))
    rows = [*one.rows, *two.rows]
    with pytest.raises(InputError, match="masks of one size are needed, here are 32 x 32, 40 x 40; run 'radiff cut'"):
        read_mask_set(Collection(one.root, rows), workers=1)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_masks(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"no npz")
    with pytest.raises(InputError, match="is no file of masks as 'radiff masks' writes them"):
        load_masks(tmp_path / "b.npz")


def test_sets_of_maps(tmp_path):
    labels = np.zeros((4, 6), np.uint16)
    labels[0, :2], labels[2:, 3] = 1, 2
    made = join_masks([labels, np.zeros_like(labels)], [[3, 1], []], ["a", "b"], ["train", "val"])
    assert made.counts.tolist() == [[1, 0, 1], [0, 0, 0]]
    made.save(tmp_path / "m.npz")
    assert np.array_equal(load_masks(tmp_path / "m.npz").masks(), made.masks())
    assert made.masks()[0, 0].tolist() == [3, 3, 0, 0, 0, 0]
