"""Tables and figures of a collection made by hand, with known counts."""

import csv
import json

import numpy as np
import pytest
from matplotlib.image import imread

import bad_inputs
from radiff.data.collection import Collection, CollectionWriter, Row
from radiff.data.stats import (
    choose_samples,
    color_mask,
    cutouts_table,
    draw_rms,
    objects_table,
    splits_table,
    tables,
    write_stats,
)
from radiff.errors import InputError
from radiff.masks.instances import SourceObject
from radiff.masks.rg import Annotation

ROWS = [
    Row("a/1.fits", "", "a", "train", "1", "ATCA", "SCORPIO", "S15", bmaj=9.8, bmin=5.8, rms=3e-5, n_compact=3),
    Row("a/2.fits", "", "a", "val", "2", "ATCA", "SCORPIO", "S15", bmaj=9.8, bmin=5.8, rms=5e-5),
    Row("b/3.fits", "", "b", "train", "3", "VLA", "FIRST", "", bmaj=5.4, bmin=5.4, rms=1e-4, n_extended=2, n_compact=1),
    Row("b/4.fits", "", "b", "train", "3", "VLA", "FIRST", "", bmaj=5.6, bmin=5.2, rms=2e-4, n_spurious=5),
    Row("b/5.fits", "", "b", "train", "4", "VLA", "FIRST", "", rms=3e-4, n_extended=1, n_spurious=1),
]


def test_table_1_counts_cutouts_with_the_median_beam():
    assert cutouts_table(ROWS).rows == [
        ("ATCA", "SCORPIO", "S15", 9.8, 5.8, 2),
        ("VLA", "FIRST", "", 5.5, 5.3, 3),
        ("Total", None, None, None, None, 5),
    ]


def test_table_2_counts_objects_and_averages_as_the_paper():
    assert objects_table(ROWS).rows == [
        ("Compact", 4, 2, 2.0),
        ("Extended", 3, 2, 1.5),
        ("Spurious", 6, 2, 3.0),
        ("Total", 13, 4, 2.6),
    ]


def test_splits_are_counted_by_sample():
    assert splits_table(ROWS).rows == [
        ("train", "a", 1, 1, 0, 3, 0, 0.03),
        ("train", "b", 3, 2, 6, 1, 3, 0.2),
        ("train", "all", 4, 3, 6, 4, 3, 0.15),
        ("val", "a", 1, 1, 0, 0, 0, 0.05),
        ("val", "all", 1, 1, 0, 0, 0, 0.05),
    ]


def test_markdown_and_csv():
    table = cutouts_table(ROWS)
    assert table.to_markdown().splitlines()[2:5] == [
        "| Telescope | Survey | Project | Bmaj | Bmin | Cutouts |",
        "|---|---|---|--:|--:|--:|",
        "| ATCA | SCORPIO | S15 | 9.8 | 5.8 | 2 |",
    ]
    assert list(csv.reader(table.to_csv().splitlines()))[-1] == ["Total", "", "", "", "", "5"]


@pytest.fixture
def collection(tmp_path, make_map):
    writer = CollectionWriter(tmp_path / "c")
    for number in range(4):
        stamp = np.ones((4, 5), bool)
        objects = [SourceObject(f"S{n}", 1 + (number + n) % 3, stamp, 10 * n, 8) for n in range(number)]
        writer.add("s", f"image{number}", make_map((64, 64), seed=number), Annotation(objects, (64, 64)), split="train")
    return writer.finish()


def test_files_of_a_collection(collection, tmp_path):
    written = write_stats(collection, tmp_path / "out")
    names = ["table1_cutouts.csv", "table2_objects.csv", "table3_splits.csv", "stats.md", "stats.json"]
    assert [path.name for path in written] == [*names, "figure2_rms.png", "figure3_samples.png"]
    document = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert document["table2_objects"][-1] == {
        "Object class": "Total",
        "# of objects": 6,
        "cutouts with it": 3,
        "avg. objects per cutout": 1.5,
    }
    figure = imread(tmp_path / "out" / "figure3_samples.png")[..., :3]
    for color in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        assert (figure == np.array(color)).all(axis=-1).any()
    assert not list((tmp_path / "out").glob(".tmp*"))


def test_samples_show_every_survey_and_class_first():
    rows = [Row(f"{n}.fits", survey="A") for n in range(50)] + [Row("x.fits", survey="B", n_spurious=1)]
    rows += [Row("y.fits", survey="A", n_extended=1)]
    assert set(choose_samples(rows, 2)) == {50, 51}
    assert len(set(choose_samples(rows, 12))) == 12
    assert len(choose_samples(rows[:3], 12)) == 3
    assert choose_samples(rows, 12, seed=1) == choose_samples(rows, 12, seed=1)


def test_color_mask_is_exact():
    assert color_mask(np.array([[0, 1, 2, 3]], np.uint8)).tolist() == [
        [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
    ]


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="holds no cutout; make a collection with 'radiff cut'"):
        tables(Collection(tmp_path, []))
    with pytest.raises(InputError, match="no cutout has a known rms; nothing to draw"):
        draw_rms([Row("a.fits")], tmp_path / "x.png")
    with pytest.raises(InputError, match="cannot write into this folder"):
        write_stats(Collection(tmp_path, ROWS), bad_inputs.READ_ONLY)
    assert not list(tmp_path.iterdir())
