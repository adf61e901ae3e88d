"""Pairs made, checked, counted and marked; a run that was killed goes on to the same bytes."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from torch.utils.data import DataLoader, Dataset

from pair_samples import Drawer, files_of, without_val
from radiff.augment import (
    AugmentOptions,
    Composer,
    DrawnMasks,
    GateOptions,
    RealImages,
    RealMasks,
    augment,
    finish_collection,
    write_coco,
)
from radiff.data.collection import Collection
from radiff.data.stats import splits_table
from radiff.errors import InputError
from radiff.generate import EDGE_SNR
from radiff.masks import read_yolo

FREE = GateOptions(0.0, 0.0, 0.0, False, "asked")


def composed(real, classes=(2, 3), seed=0, single=False):
    return DrawnMasks(real, Composer(real, (1, 2)), list(classes), seed, single)


def test_only_the_train_split_is_read(collection, tmp_path, drawer):
    real = RealImages.read(without_val(collection), workers=1)
    assert len(real) == 16
    augment(real, composed(real), drawer, tmp_path, AugmentOptions(4, batch_size=4, gate=FREE))


def test_pairs_are_marked_and_counted(real, collection, tmp_path, drawer):
    report = augment(real, composed(real), drawer, tmp_path, AugmentOptions(6, seed=50, batch_size=4))
    assert len(report.rows) == 6 and report.attempts == 6 + sum(report.dropped.values())
    assert all(row.synthetic == 1 and row.split == "train" and row.seed >= 50 for row in report.rows)
    assert len({row.seed for row in report.rows}) == 6
    assert [row.image for row in report.rows] == [f"synthetic/imgs/synthetic{k:06d}.fits" for k in range(6)]
    rows = finish_collection(tmp_path, report.rows, "synthetic", collection, "link")
    again = Collection.open(tmp_path)
    assert len(again) == len(rows) == 26
    assert sum(row.synthetic for row in again.rows) == 6
    assert all(row.seed == -1 for row in again.rows if not row.synthetic)
    lines = {(line[0], line[1]): line[2] for line in splits_table(again.rows).rows}
    assert lines["train", "synthetic"] == 6 and lines["train", "real"] == 16
    for index in range(len(again)):
        again.image(index), again.mask(index)


def test_peaks_and_noise_are_those_asked_for(real, tmp_path, drawer):
    report = augment(real, composed(real, [2]), drawer, tmp_path, AugmentOptions(6, peak_snr=25.0, batch_size=6))
    opened = Collection(tmp_path, report.rows)
    for index, row in enumerate(report.rows):
        image = opened.image(index)
        assert row.rms == pytest.approx(2e-4, rel=0.1)
        for one in opened.annotation(index).objects:
            if not one.touches_edge(image.shape):
                # the noise of a pair is measured anew, on 64 x 64 pixels
                assert float(image.image[one.slices][one.stamp].max()) / row.rms == pytest.approx(25, rel=0.03)


@pytest.mark.parametrize(("labels", "edge"), [("asked", EDGE_SNR), ("found", 0.0)])
def test_edges_are_held_where_the_labels_are_those_asked_for(real, tmp_path, drawer, labels, edge):
    """Labels that are found follow the image's own edges."""
    gate = GateOptions(0.0, 0.0, 0.0, False, labels)
    augment(real, composed(real), drawer, tmp_path, AugmentOptions(4, batch_size=4, gate=gate))
    assert len(drawer.isophotes) == len(drawer.made) and set(drawer.isophotes) == {edge}


def test_a_killed_run_goes_on_to_the_same_bytes(real, tmp_path):
    options = AugmentOptions(10, batch_size=4)
    whole, part = tmp_path / "whole", tmp_path / "part"
    first = augment(real, composed(real), Drawer(), whole, options)
    finish_collection(whole, first.rows, "synthetic")

    class Killed(Exception):
        pass

    class Dying(Drawer):
        def iterate(self, *args, **more):
            for number, one in enumerate(super().iterate(*args, **more)):
                if len(self.made) > 6 and number == 2:
                    raise Killed
                yield one

    with pytest.raises(Killed):
        augment(real, composed(real), Dying(), part, options)
    journal = part / "synthetic" / "augment.jsonl"
    text = journal.read_bytes()
    assert text.count(b"\n") == 1 + 4
    journal.write_bytes(text + b'{"number": 4, "seed"')  # torn while it was written
    last = Drawer()
    second = augment(real, composed(real), last, part, options)
    finish_collection(part, second.rows, "synthetic")
    assert min(last.made) == 4  # nothing is made twice but the torn batch
    assert second.kept_before > 0
    assert files_of(part) == files_of(whole)
    third = augment(real, composed(real), last, part, options)
    assert third.kept_before == 10 and third.rows == second.rows


def test_a_batch_that_was_cut_off_is_made_again(real, tmp_path):
    options = AugmentOptions(8, batch_size=4)
    report = augment(real, composed(real), Drawer(), tmp_path, options)
    before = files_of(tmp_path)
    journal = tmp_path / "synthetic" / "augment.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-2]))
    (tmp_path / report.rows[-1].image).unlink()
    augment(real, composed(real), Drawer(), tmp_path, options)
    assert files_of(tmp_path) == before


def test_other_settings_are_refused(real, tmp_path, drawer):
    augment(real, composed(real), drawer, tmp_path, AugmentOptions(2, batch_size=2, gate=FREE))
    with pytest.raises(InputError, match=r"other settings: seed \(0 -> 1\)"):
        augment(real, composed(real), drawer, tmp_path, AugmentOptions(2, seed=1, batch_size=2, gate=FREE))


def test_bad_images_are_dropped_by_reason_and_made_up_for(real, tmp_path):
    wrong = Drawer(wrong=[0, 3])
    report = augment(real, composed(real), wrong, tmp_path, AugmentOptions(6, batch_size=4))
    assert len(report.rows) == 6
    assert report.dropped["peak is not as asked"] == 2
    assert {0, 3}.isdisjoint({row.seed for row in report.rows})


def test_a_generator_that_draws_nothing_ends(real, tmp_path):
    report = augment(real, composed(real), Drawer(wrong=range(999)), tmp_path, AugmentOptions(4, batch_size=4))
    assert not report.rows and report.attempts == 12


def test_balance_asks_for_what_is_rare(real, tmp_path, drawer):
    before = real.counts()
    assert before[3] < before[2] / 3
    options = AugmentOptions(12, balance=True, batch_size=4)
    report = augment(real, composed(real, single=True), drawer, tmp_path, options)
    after = {c: before[c] + sum(row.counts[c - 1] for row in report.rows) for c in (2, 3)}
    assert after[3] / after[2] > 2 * before[3] / before[2]


def test_real_masks_are_each_rendered_once(real, tmp_path, drawer):
    masks = RealMasks(real, empty=True)
    assert len(masks) == 16
    report = augment(real, masks, drawer, tmp_path, AugmentOptions(16, batch_size=4, most=1.0, gate=FREE))
    assert sorted(row.source for row in report.rows) == sorted(one.row.image for one in real.images)
    by_source = {one.row.image: one for one in real.images}
    assert all(row.counts == by_source[row.source].row.counts for row in report.rows)
    assert all(row.group == by_source[row.source].row.group for row in report.rows)


def test_a_torch_loader_reads_the_result(real, collection, tmp_path, drawer):
    report = augment(real, composed(real), drawer, tmp_path, AugmentOptions(4, batch_size=4, gate=FREE))
    finish_collection(tmp_path, report.rows, "synthetic", collection, "copy")

    class Cutouts(Dataset):
        def __init__(self):
            self.collection = Collection.open(tmp_path).split("train")

        def __len__(self):
            return len(self.collection)

        def __getitem__(self, index):
            return torch.from_numpy(self.collection.image(index).image), torch.from_numpy(self.collection.mask(index))

    batches = list(DataLoader(Cutouts(), batch_size=5))
    assert [len(images) for images, _ in batches] == [5, 5, 5, 5]
    assert all(torch.isfinite(images).all() and int(masks.max()) <= 3 for images, masks in batches)
    assert not (tmp_path / "real").is_symlink()


def test_coco_and_yolo_say_what_the_masks_say(real, tmp_path, drawer):
    report = augment(real, composed(real), drawer, tmp_path, AugmentOptions(5, batch_size=4, gate=FREE))
    coco = COCO(str(write_coco(tmp_path, report.rows, workers=1)))
    opened = Collection(tmp_path, report.rows)
    assert len(coco.imgs) == 5
    for image in coco.loadImgs(coco.getImgIds()):
        index = [row.image for row in report.rows].index(image["file_name"])
        objects = opened.annotation(index).objects
        found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        names = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
        assert sorted(names[one["category_id"]] for one in found) == sorted(
            {2: "compact", 3: "extended"}[one.class_value] for one in objects
        )
        drawn = sum(coco.annToMask(one).astype(int) for one in found) if found else 0
        assert np.array_equal(np.asarray(drawn) > 0, opened.mask(index) > 0) or not found
        name = report.rows[index].image.split("/")[-1].removesuffix(".fits")
        boxes = read_yolo(tmp_path / "synthetic" / "yolo" / f"{name}.txt", opened.mask(index).shape)
        assert sorted(box.bbox for box in boxes) == sorted(one.bbox for one in objects)


def test_links_are_made_once_and_not_over_files(real, collection, tmp_path):
    finish_collection(tmp_path, [], "synthetic", collection, "link")
    finish_collection(tmp_path, [], "synthetic", collection, "link")
    assert (tmp_path / "real").is_symlink()
    with pytest.raises(InputError, match="has a sample 'real' already"):
        finish_collection(tmp_path / "b", [], "real", collection, "link")
    (tmp_path / "c" / "real").mkdir(parents=True)
    with pytest.raises(InputError, match="stands where"):
        finish_collection(tmp_path / "c", [], "synthetic", collection, "link")


def test_the_collection_itself_can_grow(collection, tmp_path, drawer):
    shutil.copytree(collection.root, tmp_path / "own")
    own = Collection.open(tmp_path / "own")
    real = RealImages.read(own, workers=1)
    report = augment(real, composed(real), drawer, own.root, AugmentOptions(3, batch_size=4, gate=FREE))
    finish_collection(own.root, report.rows, "synthetic", own)
    grown = Collection.open(own.root)
    assert len(grown) == 23
    assert len(RealImages.read(grown, workers=1)) == 16  # synthetic ones are no source of others


def test_the_journal_keeps_every_number(real, tmp_path, drawer):
    report = augment(real, composed(real), drawer, tmp_path, AugmentOptions(3, batch_size=4, gate=FREE))
    lines = [json.loads(line) for line in (tmp_path / "synthetic" / "augment.jsonl").read_text().splitlines()[1:]]
    assert [line["reason"] for line in lines] == ["", "", "", "surplus"]
    assert lines[0]["row"]["rms"] == report.rows[0].rms
    assert lines[0]["row"]["ra"] is None or not math.isnan(lines[0]["row"]["ra"])
