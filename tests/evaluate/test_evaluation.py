"""A whole evaluation on small synthetic sets: known corruptions are seen by the metric that should see them."""

import json

import numpy as np
import pytest
import torch

import sky_sets
from radiff.errors import InputError
from radiff.evaluate.evaluation import evaluate
from radiff.evaluate.measure import SCALING
from radiff.evaluate.metrics.distances import kid_estimate, standardised
from radiff.evaluate.networks import Networks, describe_set, describe_train, load_networks
from radiff.evaluate.report.page import differs, text_lines
from radiff.paper.corruption import CORRUPTIONS, copied
from radiff.training.features import in_use

COUNT = 48
REAL = sky_sets.pictures(COUNT)
WORSE = {
    "blurred": ["fid", "kid", "precision", "noise_power_4", "ssim", "flux_peak_compact"],
    "noise doubled": ["flux_peak_all", "peak_snr_w1", "ssim"],
    "white noise": ["fid", "noise_power_5", "precision"],
    "shuffled": ["seg_score", "ssim", "flux_scatter_peak_all", "residual_sources"],
    "shifted": ["objects_f1_compact", "ssim", "residual_sources"],
    "sources removed": ["fid", "seg_total_sources", "sources_5", "flux_peak_all"],
    "fluxes halved": ["flux_peak_all", "peak_snr_w1", "seg_total_sources"],
    "few, repeated": ["recall", "coverage"],
}
BLIND = {
    "shuffled": ["fid", "recall", "noise_tv", "peak_flux_w1"],
    "shifted": ["noise_tv", "peak_flux_w1"],
    "few, repeated": ["precision"],
    "fluxes halved": ["noise_power_4", "noise_tv"],
}


def compare(made, **options):
    found = evaluate(
        sky_sets.image_set(REAL), sky_sets.image_set(made), networks=sky_sets.networks(), workers=1, sheets=False,
        **options,
    )  # fmt: skip
    return {m.key: m for m in found.metrics}


@pytest.fixture(scope="module")
def same():
    """What images of the same kind reach: the real ones themselves as pairs, new ones as a set."""
    alone, paired = compare(sky_sets.pictures(COUNT, 500)), compare(REAL, paired=True)
    return {**paired, **{key: alone[key] for key in alone if paired[key].better == "lower" or key in SETS}}


SETS = ("precision", "recall", "density", "coverage")


def worse(corrupted, good):
    """Whether a figure is worse than the uncorrupted one beyond both intervals."""
    value, best = corrupted.value, good.value
    if corrupted.better == "lower":
        return value.low > best.high
    if corrupted.better == "higher":
        return value.high < best.low
    return value.low > best.high or value.high < best.low


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_the_metric_that_should_see_a_corruption_sees_it(corruption, same):
    paired = corruption != "few, repeated"
    found = compare(CORRUPTIONS[corruption](REAL, 0), paired=paired)
    told = {key: (found[key].value, same[key].value) for key in WORSE[corruption]}
    assert all(worse(found[key], same[key]) for key in WORSE[corruption]), told
    told = {key: (found[key].value, same[key].value) for key in BLIND.get(corruption, [])}
    assert not any(worse(found[key], same[key]) for key in BLIND.get(corruption, [])), told


def test_identical_sets(same):
    assert compare(REAL)["fid"].value.value == pytest.approx(0.0, abs=1e-6)
    assert same["ssim"].value.value == pytest.approx(1.0)
    assert same["flux_peak_all"].value.value == pytest.approx(1.0)
    assert same["seg_score"].value == same["seg_score"].real


def test_the_features_in_the_box_have_not_collapsed_and_see_corruptions():
    networks = load_networks("default", "none", "cpu")
    fresh = sky_sets.pictures(COUNT, 500)
    sets = {"real": REAL, "fresh": fresh} | {
        name: CORRUPTIONS[name](fresh, 0) for name in ("blurred", "sources removed")
    }
    features = {name: networks.describe([SCALING.forward(p.snr, 0.0, 1.0) for p in s]) for name, s in sets.items()}
    assert features["real"].shape == (COUNT, 512)
    assert in_use(torch.from_numpy(features["real"]))[1] > 5
    kids = {name: kid_estimate(*standardised(features["real"], f)) for name, f in features.items() if name != "real"}
    assert kids["blurred"].value > kids["fresh"].high and kids["sources removed"].low > kids["fresh"].high, kids


def test_new_images_of_one_kind_are_not_marked(same):
    found = compare(sky_sets.pictures(COUNT, 500))
    marked = [key for key, metric in found.items() if differs(metric)]
    assert len(marked) <= 0.1 * len(found), marked


def test_every_figure_has_its_sample_size_and_interval(same):
    for metric in same.values():
        assert metric.value is None or metric.value.n, metric.key
        if metric.value is not None and np.isfinite(metric.value.value) and metric.value.n != (0,):
            assert np.isfinite(metric.value.low) and np.isfinite(metric.value.high), metric.key


def test_copies_of_the_training_set_are_seen(tmp_path):
    train = sky_sets.pictures(COUNT, 900)
    options = {"train": sky_sets.image_set(train, "train"), "cache": tmp_path}
    new, old = (compare(made, **options) for made in (sky_sets.pictures(COUNT, 500), copied(train)))
    assert old["nearer_pixels"].value.low > 0.8
    assert old["copies_pixels"].value.low > 0.3
    assert new["nearer_pixels"].value.low < 0.5 < new["nearer_pixels"].value.high
    assert not differs(old["peak_flux_w1"]) and not differs(old["pixels_tv"])  # the images as such are good


def test_the_training_set_is_read_once(tmp_path, monkeypatch):
    train, networks = sky_sets.image_set(sky_sets.pictures(10)), sky_sets.networks()
    first = describe_train(train, networks, 1, tmp_path)
    monkeypatch.setattr("radiff.evaluate.networks.scale_set", None)
    again = describe_train(train, networks, 1, tmp_path)
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.small, again.small)
    with pytest.raises(TypeError):  # other weights: read again
        describe_train(train, Networks(networks.features, names={"features": "others"}), 1, tmp_path)


def test_without_networks():
    found = evaluate(sky_sets.image_set(REAL[:12]), sky_sets.image_set(REAL[:12]), workers=1)
    keys = {m.key for m in found.metrics}
    assert "noise_deviation" in keys
    assert not {"fid", "kid", "seg_score"} & keys
    assert [sheet.title for sheet in found.sheets] == ["Samples"]


def test_too_few_for_an_fid_is_said_and_the_rest_is_measured():
    found = evaluate(
        sky_sets.image_set(REAL[:12]), sky_sets.image_set(REAL[12:24]), networks=sky_sets.networks(), workers=1,
        sheets=False,
    )  # fmt: skip
    assert found.metric("fid").value is None
    assert "needs at least 17 images in each set, here are 12 and 12" in found.metric("fid").note
    assert found.metric("kid").value is not None
    assert any("not computed: FID on 16 features needs at least 17" in line for line in text_lines(found))


def test_the_baseline_is_that_of_halves_without_a_training_set():
    found = evaluate(
        sky_sets.image_set(REAL), sky_sets.image_set(REAL), networks=sky_sets.networks(), workers=1, sheets=False
    )
    assert found.settings["floor"] == "24 real images against 24 of the same set: two random halves"
    assert found.metric("fid").real.n == (24, 24)


def test_images_of_several_sizes():
    mixed = sky_sets.pictures(8) + [sky_sets.picture(100 + k, size=96) for k in range(8)]
    table, _, failures = describe_set(sky_sets.image_set(mixed), sky_sets.networks(), 1)
    assert table.features.shape == (16, 16) and not failures
    alone, _, _ = describe_set(sky_sets.image_set(mixed[8:]), sky_sets.networks(), 1)
    np.testing.assert_allclose(table.features[8:], alone.features, rtol=1e-4)
    np.testing.assert_array_equal(table.confusions[8:], alone.confusions)


def test_synthetic_images_without_masks():
    bare = [sky_sets.picture_of(p.name, p.snr, np.zeros_like(p.mask), p) for p in REAL[:16]]
    found = compare(bare)
    assert found["seg_score"].value is None
    assert found["seg_score"].note == "the synthetic images come without masks"


def test_no_pairs():
    with pytest.raises(InputError, match="no synthetic image has the name and the mask"):
        compare(sky_sets.pictures(8, 700), paired=True)


def test_synthetic_images_without_a_partner_are_told():
    with pytest.warns(UserWarning, match="2 of 10 synthetic images have no real one of their mask; left out"):
        found = compare(REAL[:8] + sky_sets.pictures(2, 700), paired=True)
    assert found["ssim"].value.n == (8,)


def test_several_images_of_one_mask():
    real = REAL[:8]
    made = [sky_sets.picture_of(f"{p.name}_s{k}", p.snr, p.mask, p) for p in real for k in range(3)]
    found = evaluate(sky_sets.image_set(real), sky_sets.image_set(made), paired=True, workers=1)
    assert (found.settings["real"]["images"], found.settings["synthetic"]["images"]) == (8, 24)
    assert found.metric("ssim").value.value == pytest.approx(1.0)
    assert found.metric("ssim").value.n == (24,)
    assert found.metric("sources_5").value.value == pytest.approx(found.metric("sources_5").real.value)
    real_line, mask_line, made_line = found.sheets[0].lines[:3]
    for truth, mask, image in zip(real_line, mask_line, made_line, strict=True):
        np.testing.assert_array_equal(truth.image, image.image)
        np.testing.assert_array_equal(mask.image, image.image)


def test_json(same):
    found = evaluate(
        sky_sets.image_set(REAL[:20]), sky_sets.image_set(REAL[:20]), networks=sky_sets.networks(), paired=True,
        workers=1, sheets=False,
    )  # fmt: skip
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["kind"] == "evaluation"
    assert content["settings"]["synthetic"]["images"] == 20
    assert {"reading and measuring", "features", "segmentation", "distances", "pairs"} <= set(content["seconds"])
