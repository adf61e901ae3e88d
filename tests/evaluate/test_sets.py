"""Collections and folders as sets of pictures, and pairs of equal masks."""

from dataclasses import replace

import numpy as np
import pytest

import sky_sets
from radiff.data.collection import CollectionWriter
from radiff.errors import InputError
from radiff.evaluate.sets import ImageSet, pair_up, read_picture
from radiff.masks import Annotation, mask_to_objects
from radiff.sky import Beam, Cutout

RMS = 2e-4


@pytest.fixture
def folder(tmp_path):
    """Ten cutouts, two of them train, on a level of 1e-3 Jy/beam."""
    writer = CollectionWriter(tmp_path / "collection")
    for k in range(10):
        mask = np.zeros((64, 64), np.uint8)
        if k:
            mask[20:24, 10 : 10 + k] = 3
        image = np.random.default_rng(k).normal(1e-3, RMS, (64, 64)) + 20 * RMS * (mask > 0)
        cutout = Cutout(image, sky_sets_wcs(), Beam(5.4, 5.4))
        split = "train" if k < 2 else "val"
        sample = "resampled" if k == 9 else "s"
        writer.add(sample, f"c{k}", cutout, Annotation(mask_to_objects(mask), (64, 64)), split=split)
    writer.finish()
    return tmp_path / "collection"


def sky_sets_wcs():
    from conftest import celestial_wcs

    return celestial_wcs((64, 64), 1.8)


def test_pictures_are_in_units_of_their_noise(folder):
    found = ImageSet.open(folder, "val")
    assert len(found) == 7  # without the resampled one
    one = found.picture(0)
    assert one.name == "c2"
    assert one.rms == pytest.approx(RMS, rel=0.05)
    assert float(np.median(one.snr[one.mask == 0])) == pytest.approx(0.0, abs=0.1)
    assert float(one.snr[one.mask > 0].mean()) == pytest.approx(20.0, rel=0.1)
    assert one.beam_width == pytest.approx(3.0)
    assert one.beam_area == pytest.approx(np.pi / (4 * np.log(2)) * 9)
    assert [o.class_value for o in one.objects] == [3]


def test_resampled_cutouts_are_left_out_unless_asked_for(folder):
    assert len(ImageSet.open(folder)) == 9
    assert len(ImageSet.open(folder, resampled=True)) == 10


def test_a_limit_is_evenly_spread(folder):
    assert ImageSet.open(folder, "val", 3).names == ["c2", "c5", "c8"]
    assert len(ImageSet.open(folder, "val", 99)) == 7
    drawn = ImageSet.open(folder, "val").drawn(3, seed=1)
    assert len(set(drawn.names)) == 3


def test_a_folder_without_index(folder):
    (folder / "index.csv").unlink()
    assert len(ImageSet.open(folder, "train")) == 2


def test_refusals(folder, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        ImageSet.open(tmp_path / "none")
    with pytest.raises(InputError, match="no cutout is in the split 'test'"):
        ImageSet.open(folder, "test")
    found = ImageSet.open(folder)
    with pytest.raises(InputError, match=r"c0\.fits: its noise is not known"):
        read_picture((found.root, replace(found.items[0], rms=float("nan"))))


def test_pairs_have_the_name_and_the_mask():
    names, keys = ["a", "b", "c"], ["1", "2", "3"]
    assert pair_up(names, keys, ["c", "a"], ["3", "1"]) == [(2, 0), (0, 1)]
    assert pair_up(names, keys, ["a_s0", "a_s1", "b_1"], ["1", "1", "2"]) == [(0, 0), (0, 1), (1, 2)]
    assert pair_up(names, keys, ["a", "b"], ["1", "9"]) == [(0, 0)]  # another mask
    with pytest.raises(InputError, match="no synthetic image has the name and the mask of a real one"):
        pair_up(names, keys, ["x"], ["1"])


def test_equal_masks_have_equal_keys():
    one, other = sky_sets.picture(1), sky_sets.picture(2)
    assert one.mask_key == replace(other, mask=one.mask.copy()).mask_key
    assert one.mask_key != other.mask_key
    flat = np.zeros((4, 8), np.uint8)
    assert replace(one, mask=flat).mask_key != replace(one, mask=flat.T.copy()).mask_key
