"""A map above the limit (here: a small one, the limit lowered) from annotate to a collection, read by windows."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import Injected
from radiff.cli.main import app
from radiff.data.collection import Collection
from radiff.masks.rg import read_annotation
from radiff.sky import MapReader, write_cutout

SHAPE = (500, 450)
SOURCES = [
    Injected(60, 70, 0.01, 3.2, 3.2),
    Injected(256, 250, 0.02, 3.2, 3.2),
    Injected(260, 350, 0.02, 20, 7, 30),
    Injected(400, 450, 0.02, 20, 7, 80),
]


@pytest.fixture
def survey(tmp_path, make_map, monkeypatch):
    """A folder with a map of several windows, never read by more than one at a time."""
    for module in ("data.annotations", "data.extract", "masks.review"):
        monkeypatch.setattr(f"radiff.{module}.LARGE_MAP", 400 * 400)
    monkeypatch.setattr("radiff.masks.large.CORE", 256)
    monkeypatch.setattr("radiff.masks.large.OVERLAP", 128)
    monkeypatch.setattr("radiff.masks.review.PART", 128)
    read = MapReader.read

    def watched(self, y0, y1, x0, x1):
        assert (y1 - y0) * (x1 - x0) < 0.8 * SHAPE[0] * SHAPE[1] or (y1 - y0) == 480  # the bands of rows for the noise
        return read(self, y0, y1, x0, x1)

    monkeypatch.setattr(MapReader, "read", watched)
    (tmp_path / "survey").mkdir()
    write_cutout(tmp_path / "survey" / "map.fits", make_map(SHAPE, SOURCES))
    return tmp_path / "survey"


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_from_a_large_map_to_cutouts(survey, tmp_path):
    out = tmp_path / "masks"
    result = run("annotate", survey, "-o", out, "--workers", 1, "--formats", "rg,ds9", "--seed-snr", 6)
    assert result.exit_code == 0, result.output
    assert "0 spurious, 2 compact, 2 extended" in result.stdout
    assert (out / "contact_sheet.png").is_file()
    regions = (out / "survey" / "regions" / "map.reg").read_text()
    assert all(f"text={{S{number}}}" in regions for number in (1, 2, 3, 4))
    folder = out / "survey" / "masks"
    assert [one.name for one in folder.iterdir()] == ["mask_map.json"]
    entry = json.loads((folder / "mask_map.json").read_text())["objs"][0]
    assert entry["mask"] == "" and set(entry["stamp"]) == {"x0", "y0", "nx", "ny", "counts"}
    annotation = read_annotation(folder / "mask_map.json", survey / "map.fits")
    assert [annotation.mask[round(one.y), round(one.x)] for one in SOURCES] == [2, 2, 3, 3]

    result = run("cut", out, "-o", tmp_path / "c", "--size", 64, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "extended objects: 2 of 2 whole in a cutout" in result.stdout
    collection = Collection.open(tmp_path / "c")
    assert sum(row.n_compact for row in collection.rows) >= 2
    for number, row in enumerate(collection.rows):
        window = annotation.mask[row.y0 : row.y0 + 64, row.x0 : row.x0 + 64]
        np.testing.assert_array_equal(collection.mask(number), window)
        assert "stamp" not in (tmp_path / "c" / row.annotation).read_text()


def test_the_same_for_any_number_of_workers(survey, tmp_path):
    for workers in (1, 2):
        result = run("annotate", survey, "-o", tmp_path / str(workers), "--workers", workers, "--no-sheet")
        assert result.exit_code == 0, result.output
    texts = [(tmp_path / n / "survey" / "masks" / "mask_map.json").read_text() for n in ("1", "2")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["png", "label"])
def test_formats_that_need_the_whole_map_are_refused_in_one_line(survey, tmp_path, name, make_map):
    write_cutout(survey / "small.fits", make_map((150, 150), SOURCES[:1]))
    result = run("annotate", survey, "-o", tmp_path / "masks", "--workers", 1, "--formats", name, "--no-sheet")
    assert result.exit_code == 1
    assert f"450 x 500 pixels are too many for the format {name}" in result.stderr
    assert "map.fits" in result.stderr
    assert "annotated 1 maps" in result.stdout


def test_a_broken_stamp_names_the_object(survey, tmp_path):
    run("annotate", survey, "-o", tmp_path / "masks", "--workers", 1, "--no-sheet")
    path = tmp_path / "masks" / "survey" / "masks" / "mask_map.json"
    document = json.loads(path.read_text())
    document["objs"][1]["stamp"]["counts"][0] += 1
    path.write_text(json.dumps(document))
    result = run("cut", tmp_path / "masks", "-o", tmp_path / "c", "--workers", 1)
    assert result.exit_code != 0
    assert "objs[1] (S2): the counts of its stamp add up to" in result.stderr
