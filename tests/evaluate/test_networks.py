"""Weights of the evaluation's networks: loaded, named and refused."""

import json

import numpy as np
import pytest
import torch

import sky_sets
from radiff.errors import InputError
from radiff.evaluate.networks import Clock, load_networks
from radiff.models.io import Part, save_weights
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config

SCALING = {"name": "snr-asinh", "softness": 2.0}


def small_networks(folder, scaling=None):
    """Weights folders ``features`` (12 features) and ``segmenter`` of random networks."""
    torch.manual_seed(0)
    features = ResNet18(ResNetConfig(widths=(4, 6, 8, 12)))
    segmenter = build_segmenter(LightUNetConfig((8, 16), 4))
    info = {"scaling": scaling or SCALING}
    save_weights(folder / "features", {"features": Part(features, features.config.to_dict())}, info)
    save_weights(folder / "segmenter", {"segmenter": Part(segmenter, segmenter_config(segmenter))}, info)
    return folder / "features", folder / "segmenter"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return small_networks(tmp_path_factory.mktemp("weights"))


def test_weights_are_loaded_and_named(folders):
    found = load_networks(*map(str, folders), device="cpu")
    images = [np.random.default_rng(k).normal(size=(64, 64)).astype(np.float32) for k in range(5)]
    assert found.describe(images).shape == (5, 12)
    masks = found.segment(images)
    assert len(masks) == 5 and masks[0].shape == (64, 64) and masks[0].dtype == np.uint8
    assert found.names["features"].startswith("features (")
    assert found.names["segmenter"] != found.names["features"]
    assert set(found.clock.seconds) == {"features", "segmentation"}


def test_order_and_batches_do_not_matter(folders):
    found = load_networks(*map(str, folders), device="cpu")
    images = [sky_sets.noise(k, size).astype(np.float32) for k, size in enumerate((64, 48, 64, 96, 48))]
    together = found.describe(images)
    found.batch_size = 1
    alone = np.concatenate([found.describe([image]) for image in images])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_either_may_be_left_out(folders):
    found = load_networks("none", str(folders[1]), "cpu")
    assert found.describe([]) is None and found.names.keys() == {"segmenter"}
    assert load_networks(None, None, "cpu").segment([]) is None


def test_refusals(folders, tmp_path):
    with pytest.raises(InputError, match="no such weights folder"):
        load_networks(str(tmp_path / "none"), "none", "cpu")
    with pytest.raises(InputError, match="has no features"):
        load_networks(str(folders[1]), "none", "cpu")
    other, _ = small_networks(tmp_path, {"name": "paper"})
    with pytest.raises(InputError, match="were trained on images of the scaling 'paper'"):
        load_networks(str(other), "none", "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="shows no CUDA GPU"):
            load_networks("none", "none", "cuda")


def test_networks_see_the_scaling_that_they_were_trained_on(tmp_path):
    """The same network, said to be of another softness, gets asinh(snr / 5)."""
    (tmp_path / "a").mkdir()
    two = load_networks(str(small_networks(tmp_path / "a")[0]), "none", "cpu")
    five = load_networks(str(small_networks(tmp_path / "b", {"name": "snr-asinh", "softness": 5.0})[0]), "none", "cpu")
    snr = 10 * sky_sets.noise(1)
    seen = [np.arcsinh(snr / s).astype(np.float32) for s in (2, 5)]
    np.testing.assert_allclose(five.describe(seen[:1]), two.describe(seen[1:]), rtol=1e-4, atol=1e-5)
    assert np.abs(five.describe(seen[:1]) - two.describe(seen[:1])).max() > 1e-2


def test_altered_weights_are_refused(tmp_path):
    features, _ = small_networks(tmp_path)
    manifest = json.loads((features / "radiff.json").read_text())
    name = next(iter(manifest["files"]))
    (features / name).write_bytes(b"x" + (features / name).read_bytes())
    with pytest.raises(InputError, match="was altered"):
        load_networks(str(features), "none", "cpu")


def test_a_part_within_another_counts_once(monkeypatch):
    now = iter([0.0, 10.0, 13.0, 14.0, 15.0, 20.0])  # outer, inner, its end, inner, its end, outer's end
    monkeypatch.setattr("radiff.evaluate.networks.time.perf_counter", lambda: next(now))
    clock = Clock()
    with clock.part("outer"):
        for _ in range(2):
            with clock.part("inner"):
                pass
    assert dict(clock.seconds) == {"inner": 4.0, "outer": 16.0}
