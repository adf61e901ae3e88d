"""The judgement of masks: its numbers, what stands in the files, what cannot be judged."""

import json

import numpy as np
import pytest
from PIL import Image

from radiff.data.mask_set import MaskSet, join_masks
from radiff.errors import InputError
from radiff.evaluate.report.mask_report import judge_masks, judgement_table, write_judgement
from radiff.masks.compose import compose_masks
from radiff.masks.instances import SourceObject


def masks_of(number: int, seed: int, split: str = "", sizes: tuple[int, ...] = (3, 4, 12), side: int = 64) -> MaskSet:
    library = [SourceObject(f"S{v}", v, np.ones((s, s + v), bool)) for v, s in enumerate(sizes, 1)]
    made = list(compose_masks(library, number, size=side, seed=seed, per_image=(1, 4)))
    names, splits = [f"{split}{one.index}" for one in made], [split] * number
    return join_masks([m.labels for m in made], [[o.class_value for o in m.objects] for m in made], names, splits)


def together(*parts: MaskSet) -> MaskSet:
    classes = [[v for v in row.tolist() if v] for p in parts for row in p.classes]
    labels = [one for p in parts for one in p.labels]
    return join_masks(labels, classes, [n for p in parts for n in p.images], [n for p in parts for n in p.splits])


@pytest.fixture(scope="module")
def real() -> MaskSet:
    return together(masks_of(60, 0, "train"), masks_of(40, 1, "val"))


def test_masks_like_the_real_ones_are_as_near_as_val(real):
    judgement = judge_masks(masks_of(60, 2), real, rejected={"speck": 3})
    lines = {line.key: line for line in judgement.lines}
    assert lines["extended_npix"].value.value < 0.35
    assert judgement.sizes == {"train": 60, "val": 40, "synthetic": 60}
    assert judgement.rejected == {"speck": 3}
    assert all(share == 0 for share in judgement.broken["train"].values())


def test_masks_of_other_sizes_are_far(real):
    judgement = judge_masks(masks_of(60, 2, sizes=(3, 4, 18)), real)
    lines = {line.key: line for line in judgement.lines}
    assert lines["extended_npix"].value.value > 0.8 > 0.3 > lines["compact_npix"].value.value
    assert judgement.broken["synthetic"]["too large"] > 0.3 and judgement.broken["val"]["too large"] < 0.2
    named = {row[0]: row for row in judgement_table(judgement)}
    assert float(named["extended: pixels"][3]) > 1.5 * float(named["extended: pixels"][1])


def test_what_is_written(real, tmp_path):
    judgement = judge_masks(masks_of(50, 2), real, rejected={"touching": 7})
    paths = write_judgement(tmp_path, judgement, real.split("train"))
    assert [p.name for p in paths] == ["statistics.md", "statistics.json", "figures.png", "sheet.png", "nearest.png"]
    text = (tmp_path / "statistics.md").read_text()
    assert "60 train, 40 val, 50 synthetic" in text
    assert "| touching: pixels of two classes side by side, diagonals too | 7 |" in text
    content = json.loads((tmp_path / "statistics.json").read_text())
    assert content["masks"]["synthetic"] == 50 and content["rejected"] == {"touching": 7}
    assert {"total", "extended_npix", "copies_masks"} <= {line["key"] for line in content["lines"]}
    for path in paths[2:]:
        with Image.open(path) as image:
            assert np.ptp(np.asarray(image.convert("L"))) > 100


def test_what_cannot_be_judged_is_refused(real):
    with pytest.raises(InputError, match="masks of 96 x 96 and 64 x 64 pixels cannot be compared; make them of one"):
        judge_masks(masks_of(4, 0, side=96), real)
    with pytest.raises(InputError, match="no train mask holds what was asked for; ask for other --classes"):
        judge_masks(masks_of(4, 0), real, per_image=(30, 40))
    with pytest.raises(InputError, match="no val mask holds what was asked for"):
        judge_masks(masks_of(4, 0), real.split("train"))
