"""The paper's tables with models whose figures are known: the images themselves, noise, nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest

import sky_sets
from radiff.data.collection import Collection, CollectionWriter
from radiff.data.observation import Observation
from radiff.errors import InputError
from radiff.evaluate import Samples
from radiff.evaluate.sets import ImageSet
from radiff.masks import Annotation
from radiff.paper.image_tables import PAPER, Comparison, TableRow, draw_row, reproduce, row_specs
from radiff.sky import Beam, Cutout

COUNT, RMS = 24, 2e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 val and 24 train cutouts of 64 x 64 pixels."""
    root = tmp_path_factory.mktemp("collection")
    writer = CollectionWriter(root)
    for k, one in enumerate(sky_sets.pictures(2 * COUNT)):
        cutout = Cutout(RMS * one.snr, beam=Beam(5.4, 5.4))
        annotation = Annotation(list(one.objects), one.mask.shape)
        writer.add("s", one.name, cutout, annotation, split="val" if k < COUNT else "train")
    writer.finish()
    return root


@pytest.fixture(scope="module")
def samples(folder):
    return Samples.read(Collection.open(folder), "val")


def same(specs):
    """What knows the answer: the background image itself."""
    for spec in specs:
        yield spec.rms * spec.background.snr


def noise(specs):
    """What knows nothing."""
    for spec in specs:
        yield spec.rms * sky_sets.noise((5, spec.seed), spec.mask.shape[0])


ROWS = [TableRow("the truth", same, "self", "knows the answer"), TableRow("noise / only", noise)]


def run(which, samples, folder, rows=ROWS, **options):
    return reproduce(which, Comparison(samples, sky_sets.networks(), workers=1, **options), rows, folder)


def test_table_4(samples, folder, tmp_path):
    path = run("table4", samples, tmp_path, train=ImageSet.open(folder, "train"))
    lines = {line["name"]: line["figures"] for line in json.loads((tmp_path / "table4.json").read_text())["lines"]}
    truth, only = lines["the truth"], lines["noise / only"]
    assert truth["fid"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert truth["ssim"]["value"] == pytest.approx(1.0, abs=1e-4)
    for key in ("score", "score_sources", "total", "total_sources"):
        assert truth[key]["value"] == pytest.approx(lines["real images"][key]["value"], abs=1e-3)
        assert only[key]["value"] < truth[key]["value"]
    assert only["fid"]["low"] > lines["real images"]["fid"]["high"]
    assert only["ssim"]["high"] < 0.8
    text = path.read_text()
    assert "| the truth | 24 | " in text
    assert "The truth: knows the answer." in text
    assert "not comparable" in text
    assert "| RADiff (background: the image itself) | 13.17 | 39.04 | 60.96 |" in text
    head = "| model | images | FID | KID | coverage % | spread, real = 1 | SSIM %, paper's scale |"
    assert text.splitlines()[0].startswith(head)


def test_table_3_needs_no_masks(samples, tmp_path):
    text = run("table3", samples, tmp_path, ROWS[1:]).read_text()
    assert "SSIM" not in text and "SegScore" not in text
    assert "| PG-GAN | 79.33 |" in text
    assert len([line for line in text.splitlines() if line.startswith("| noise / only | 24 |")]) == 1


def test_the_papers_figures():
    assert dict(PAPER["table3"])["RADiff"] == "33.69"
    assert [row[0] for row in PAPER["table4"]] == [
        "real images", "SPADE", "INADE", "RADiff, no-bg", "RADiff (background: the image itself)",
    ]  # fmt: skip


def test_every_row_has_the_same_masks_and_its_own_background(samples):
    plain, masked = (row_specs(samples, TableRow("x", same, b), 3, False) for b in ("none", "self-masked"))
    for k, (one, other) in enumerate(zip(plain, masked, strict=True)):
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.seed == other.seed == 3 + k
        assert one.background is None and other.background.mode == "self-masked"
        assert one.peaks is None
    assert row_specs(samples, TableRow("x", same), 0, True)[0].peaks is not None


def test_a_stopped_row_goes_on_where_it_was(samples, tmp_path):
    specs = row_specs(samples, ROWS[1], 0, False) * 2
    seen = []

    def counted(part):
        seen.extend(order.seed for order in part)
        if len(seen) > 40:
            raise KeyboardInterrupt
        return list(noise(part))

    row = TableRow("slow", counted, key="1")
    with pytest.raises(KeyboardInterrupt):
        draw_row(row, specs, tmp_path)
    seen.clear()
    images, seconds = draw_row(row, specs, tmp_path)
    assert len(seen) == 48 - 32 and seconds > 0
    expected = np.stack([image / RMS for image in noise([replace(o, observation=Observation(rms=RMS)) for o in specs])])
    np.testing.assert_allclose(images, expected, rtol=1e-5)
    seen.clear()
    draw_row(replace(row, key="2"), specs[:32], tmp_path)  # other weights: drawn again
    assert len(seen) == 32


def test_refusals(samples, tmp_path):
    with pytest.raises(InputError, match="'table5' is no table"):
        run("table5", samples, tmp_path)
    with pytest.raises(InputError, match="gave 1 images for 24 masks"):
        run("table3", samples, tmp_path, [TableRow("one", lambda specs: [np.zeros((64, 64))])])
    networks = sky_sets.networks()
    networks.segmenter = None
    with pytest.raises(InputError, match="table4 needs a feature network and a segmenter"):
        reproduce("table4", Comparison(samples, networks), ROWS, tmp_path)
    few = samples.chosen(range(10))
    drawn = []
    with pytest.raises(InputError, match="FID on 16 features needs at least 17 images in each set, here are 10"):
        run("table3", few, tmp_path, [TableRow("x", drawn.append)])
    assert not drawn  # before anything is drawn


def test_images_without_noise_are_refused(samples, tmp_path):
    def flat(specs):
        return [np.ones(order.mask.shape) for order in specs]

    with pytest.raises(InputError, match="has no noise"):
        run("table3", samples, tmp_path, [TableRow("flat", flat)])


def test_real_cutouts_as_a_set(samples):
    found = samples.picture(2)
    assert found.beam_width == samples.beams[2] or np.isnan(found.beam_width)
    assert found.snr.std() > 0.5 and found.mask_key == sky_sets.pictures(COUNT)[2].mask_key


def test_a_measured_row_is_not_measured_again(samples, tmp_path, monkeypatch):
    first = run("table3", samples, tmp_path, ROWS[1:]).read_text()

    def never(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr("radiff.paper.image_tables.measure_row", never)
    row = replace(ROWS[1], parameters=5_000_000)
    again = run("table3", samples, tmp_path, [row]).read_text()
    lines = [[line for line in text.splitlines() if line.startswith("| noise")] for text in (first, again)]
    assert lines[1] == [lines[0][0].replace("| - | - | ", "| 5.00 M | - | ")]
    with pytest.raises(AssertionError, match="measured again"):
        run("table3", samples, tmp_path, [replace(row, key="other weights")])
