"""Masks on disk: what stands there is what was made, is found again, and is told in one table."""

import csv
import json

import numpy as np
import pytest

from radiff.data.mask_set import load_masks
from radiff.errors import InputError
from radiff.generate import mask_files
from radiff.masks import SourceObject, read_annotation, read_mask, read_yolo
from radiff.masks.compose import compose_masks
from tiny_collection import tiny_collection

SETTINGS = {"seed": 3, "made_by": "objects"}


def library() -> list[SourceObject]:
    return [SourceObject(f"S{v}", v, np.ones((s, s), bool)) for v, s in ((1, 3), (2, 4), (3, 9))]


@pytest.fixture(scope="module")
def made():
    return list(compose_masks(library(), 4, size=48, seed=3))


def test_every_format_says_the_same(made, tmp_path):
    formats = ["fits", "png", "npy", "yolo", "coco"]
    stored = [mask_files.write_one(tmp_path, one, SETTINGS, formats) for one in made]
    found = mask_files.finish_masks(tmp_path, stored, formats)
    assert np.array_equal(found.masks(), np.stack([one.mask for one in made]))
    assert np.array_equal(load_masks(tmp_path / "masks.npz").labels, found.labels)
    for k, one in enumerate(made):
        annotation = read_annotation(mask_files.mask_path(tmp_path, k))
        assert sorted(o.npix for o in annotation.objects) == sorted(o.npix for o in one.objects)
        for kind in ("fits", "png", "npy"):
            assert np.array_equal(read_mask(tmp_path / kind / f"mask_{k:06d}.{kind}"), one.mask)
        assert len(read_yolo(tmp_path / "yolo" / f"mask_{k:06d}.txt", one.mask.shape)) == len(one.objects)
    coco = json.loads((tmp_path / "coco" / "coco.json").read_text())
    assert len(coco["annotations"]) == sum(len(one.objects) for one in made)


def test_the_table_has_seeds_and_numbers(made, tmp_path):
    stored = [mask_files.write_one(tmp_path, one, SETTINGS) for one in made]
    mask_files.finish_masks(tmp_path, stored)
    with (tmp_path / "masks.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["seed"]) for row in rows] == [one.seed for one in made]
    for row, one in zip(rows, made, strict=True):
        assert [int(row[k]) for k in ("spurious", "compact", "extended")] == list(one.counts)
        assert [int(row[f"asked_{k}"]) for k in ("spurious", "compact", "extended")] == list(one.asked)
    assert mask_files.as_asked(stored) == 1.0


def test_a_run_finds_what_it_has_made(made, tmp_path):
    for one in made[:3]:
        mask_files.write_one(tmp_path, one, SETTINGS)
    mask_files.mask_path(tmp_path, 1).write_text("{")  # torn
    found = mask_files.already_made(tmp_path, 4, SETTINGS)
    assert sorted(found) == [0, 2]
    assert found[2].record["seed"] == made[2].seed
    with pytest.raises(InputError, match=r"was made with other settings: seed \(3 -> 4\); choose another -o"):
        mask_files.already_made(tmp_path, 4, {**SETTINGS, "seed": 4})


def test_rejections_are_added_up(made, tmp_path):
    one = mask_files.write_one(tmp_path, made[0], SETTINGS)
    two = mask_files.write_one(tmp_path, made[1], SETTINGS)
    one.record["rejected"], two.record["rejected"] = {"speck": 2}, {"speck": 1, "cut": 4}
    assert mask_files.rejections([one, two]) == {"speck": 3, "cut": 4}
    two.record["asked"] = [9, 9, 9]
    assert mask_files.as_asked([one, two]) == 0.5


def test_real_objects_of_a_collection(tmp_path):
    from radiff.data.mask_set import read_mask_set

    masks = read_mask_set(tiny_collection(tmp_path / "c", shape=(48, 48)), workers=1)
    made = list(mask_files.collection_masks(masks, 3, seed=1))
    assert all(one.mask.shape == (48, 48) and one.counts == (0, 1, 1) for one in made)
    even = list(mask_files.collection_masks(masks, 20, counts="even", per_image=(1, 2), classes=["extended"], size=64))
    assert {one.counts[2] for one in even} == {1, 2} and even[0].mask.shape == (64, 64)
    with pytest.raises(InputError, match="these masks hold no whole spurious to place; see --classes"):
        mask_files.collection_masks(masks, 1, classes=["spurious"])
    with pytest.raises(InputError, match="--counts any: real objects are placed by numbers that are real or even"):
        mask_files.collection_masks(masks, 1, counts="any")


def test_unknown_formats_are_refused():
    with pytest.raises(InputError, match="--formats gif: besides rg-dataset and npz there are fits, png, npy, yolo"):
        mask_files.check_formats(["png", "gif"])
