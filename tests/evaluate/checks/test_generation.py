"""Figures of generated images, and their text and picture, against images whose answer is known."""

import numpy as np
import pytest
from scipy import ndimage

from radiff.data.collection import Collection, CollectionWriter
from radiff.errors import InputError
from radiff.evaluate import (
    Samples,
    check_generation,
    draw_comparison,
    generation_figures,
    generation_lines,
    reconstruction_figures,
    reconstruction_lines,
)
from radiff.masks import Annotation, SourceObject
from radiff.sky import Beam, Cutout

SHAPE, COUNT, RMS = (128, 128), 10, 2e-4
BOXES = {2: (slice(20, 28), slice(30, 38)), 3: (slice(60, 90), slice(50, 100))}  # class: rows, columns
LEVELS = {2: 12.0, 3: 5.0}  # flat boxes, in rms


def boxes(level=1.0):
    image = np.zeros(SHAPE)
    for value, place in BOXES.items():
        image[place] = LEVELS[value] * level
    return image


@pytest.fixture(scope="module")
def objects():
    items = []
    for value, (rows, columns) in BOXES.items():
        stamp = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
        items.append(SourceObject(f"S{value}", value, stamp, rows.start, columns.start))
    return [items] * COUNT


def noise(seed):
    return [np.random.default_rng((seed, k)).normal(0, 1, SHAPE) for k in range(COUNT)]


@pytest.fixture(scope="module")
def real():
    return [image + boxes() for image in noise(0)]


def figures(real, made, objects):
    return check_generation(real, [RMS * image for image in made], objects, [RMS] * len(made))


def test_another_noise_of_the_same_sky(real, objects):
    told = figures(real, [image + boxes() for image in noise(1)], objects)
    for kind in ("real", "made"):
        inside = (8 * 8 * 12 + 30 * 50 * 5) / (8 * 8 + 30 * 50)
        assert told[kind]["inside"]["median"] == pytest.approx(inside, abs=0.05)
        assert told[kind]["outside"]["median"] == pytest.approx(0, abs=0.02)
        assert told[kind]["classes"]["compact"]["mean_snr"]["median"] == pytest.approx(12, abs=0.2)
        assert told[kind]["classes"]["extended"]["mean_snr"]["median"] == pytest.approx(5, abs=0.05)
        assert told[kind]["classes"]["extended"]["drawn"] == 1.0
        assert told[kind]["classes"]["spurious"] == {"mean_snr": {"n": 0}, "peak_snr": {"n": 0}, "drawn": None}
    assert told["rms_ratio"]["median"] == pytest.approx(1.0, rel=0.02)
    np.testing.assert_allclose(told["spectrum"]["ratio"], 1.0, atol=0.15)


def test_sources_in_the_wrong_place(real, objects):
    told = figures(real, [np.roll(image, 64, axis=1) for image in real], objects)
    assert told["made"]["inside"]["median"] < 1
    assert told["made"]["outside"]["median"] > 0.2
    assert told["made"]["classes"]["compact"]["drawn"] == 0.0
    assert told["real"]["classes"]["compact"]["drawn"] == 1.0


def test_faint_sources(real, objects):
    told = figures(real, [image + boxes(0.5) for image in noise(1)], objects)
    assert told["made"]["classes"]["compact"]["mean_snr"]["median"] == pytest.approx(6, abs=0.2)
    assert told["made"]["classes"]["compact"]["drawn"] == 1.0
    assert told["made"]["classes"]["extended"]["drawn"] == 0.0
    assert told["rms_ratio"]["median"] == pytest.approx(1.0, rel=0.02)


def test_too_quiet_noise(real, objects):
    told = figures(real, [0.8 * image + boxes() for image in noise(1)], objects)
    assert told["rms_ratio"]["median"] == pytest.approx(0.8, rel=0.02)
    np.testing.assert_allclose(told["spectrum"]["ratio"], 0.64, atol=0.1)
    assert told["made"]["classes"]["compact"]["mean_snr"]["median"] == pytest.approx(12, abs=0.2)


def test_too_smooth_noise(real, objects):
    smooth = [ndimage.gaussian_filter(image, 0.8, mode="wrap") for image in noise(1)]
    told = figures(real, [image / image.std() + boxes() for image in smooth], objects)
    assert told["rms_ratio"]["median"] == pytest.approx(1.0, rel=0.05)  # the rms alone does not tell
    ratio = told["spectrum"]["ratio"]
    assert ratio[0] > 2 and ratio[-1] < 0.3


def test_blank_pixels_count_nowhere(real, objects):
    blank = [image.copy() for image in real]
    for image in blank:
        image[:15] = image[60:70] = np.nan
    told = figures(blank, [image + boxes() for image in noise(1)], objects)
    assert told["real"]["classes"]["extended"]["mean_snr"]["median"] == pytest.approx(5, abs=0.05)
    assert told["real"]["outside"]["median"] == pytest.approx(0, abs=0.02)


@pytest.fixture
def collection(tmp_path, objects):
    """Four val cutouts of two surveys, one train cutout."""
    writer = CollectionWriter(tmp_path / "collection")
    for k in range(5):
        cutout = Cutout(RMS * (noise(0)[k] + boxes()) + 1e-3, beam=Beam(5.4, 5.4))
        cutout.header["SURVEY"] = "FIRST" if k % 2 else "NVSS"
        writer.add("s", f"c{k}", cutout, Annotation(objects[k], SHAPE), split="train" if k == 4 else "val")
    return writer.finish()


def test_samples_of_a_collection(collection):
    samples = Samples.read(collection, "val")
    assert len(samples) == 4
    assert dict(samples.groups()) == {"all": [0, 1, 2, 3], "FIRST": [1, 3], "NVSS": [0, 2]}
    assert samples.rms == pytest.approx([RMS] * 4, rel=0.03)
    assert [float(np.median(image)) for image in samples.snr] == pytest.approx([0] * 4, abs=0.15)
    assert samples.beams == [0.0] * 4  # the pixel scale is not known
    peaks = samples.peaks()[0]
    assert peaks == pytest.approx([float(samples.snr[0][place].max()) for place in BOXES.values()])
    assert len(Samples.read(collection, "val", limit=2)) == 2
    with pytest.raises(InputError, match="no cutout is in the split 'test'"):
        Samples.read(collection, "test")


def test_samples_without_noise_are_refused(collection, tmp_path):
    index = tmp_path / "collection" / "index.csv"
    lines = index.read_text().splitlines()
    column = lines[0].split(",").index("rms")
    cells = lines[1].split(",")
    cells[column] = ""
    index.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(InputError, match=r"s/imgs/c0.fits: its noise is not known"):
        Samples.read(Collection.open(tmp_path / "collection"), "val")


def test_figures_by_survey_and_their_text(collection):
    samples = Samples.read(collection, "val")
    told = reconstruction_figures(samples, lambda image, level, rms: level + 0.9 * (image - level))
    assert list(told) == ["all", "FIRST", "NVSS"]
    assert told["all"]["peak_ratio"]["median"] == pytest.approx(0.9)
    text = list(reconstruction_lines("all", told["all"]))
    assert text[0] == "all: 4 cutouts (median [16 %, 84 %])"
    assert text[2] == "  peak flux of sources above 10 rms       0.900   [0.900, 0.900]   n = 4"
    made = [image - 1e-3 for image in samples.images]
    told = generation_figures(samples, made)
    assert told["FIRST"]["images"] == 2
    text = "\n".join(generation_lines("FIRST", told["FIRST"]))
    assert "generated mean snr of compact" in text
    assert "mean above 3: 100 %" in text
    assert "spurious" not in text
    assert "    ratio    " in text
    assert "noise power spectrum, generated over asked, 2 cutouts (95 % interval)" in text


def test_comparison_sheet(collection, tmp_path):
    samples = Samples.read(collection, "val")
    path = draw_comparison(tmp_path / "sheet.png", samples, samples.images, count=3)
    assert path.read_bytes().startswith(b"\x89PNG")
