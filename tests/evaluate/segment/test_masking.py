"""The segmenter on images of any size: windows, noise, blank pixels, objects across strips; with a stand-in network."""

import numpy as np
import pytest
import torch

from radiff.errors import InputError
from radiff.evaluate.segment.masking import CutoutPixels, MapSegmenter, objects_of
from radiff.masks import mask_to_objects
from radiff.models.io import Part, save_weights
from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config
from radiff.sky import Cutout, MapReader, write_cutout

RMS = 2e-4


class Threshold(torch.nn.Module):
    """Class 2 above 5 rms, class 3 above 50; keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        self.seen.append(images)
        snr = 2 * torch.sinh(images[:, 0])
        return torch.stack([torch.zeros_like(snr), snr * 0 - 9, snr - 5, 2 * snr - 55], 1)


@pytest.fixture
def weights(tmp_path):
    network = build_segmenter(LightUNetConfig((8, 16)))
    info = {"scaling": {"name": "snr-asinh", "softness": 2.0}}
    return save_weights(tmp_path / "weights", {"segmenter": Part(network, segmenter_config(network))}, info)


@pytest.fixture
def segmenter(weights):
    one = MapSegmenter(weights, device="cpu", precision="fp32")
    one.network = Threshold()
    return one


def sky(shape, seed=0, rms=RMS):
    """Noise with a faint and a bright square (12 and 200 rms)."""
    image = np.random.default_rng(seed).normal(0, rms, shape).astype(np.float32)
    image[5:8, 6:9] += 12 * rms
    image[shape[0] // 2 : shape[0] // 2 + 6, shape[1] // 2 : shape[1] // 2 + 9] += 200 * rms
    return image


def wanted(shape):
    mask = np.zeros(shape, np.uint8)
    mask[5:8, 6:9] = 2
    mask[shape[0] // 2 : shape[0] // 2 + 6, shape[1] // 2 : shape[1] // 2 + 9] = 3
    return mask


@pytest.mark.parametrize("shape", [(40, 40), (128, 128), (150, 70), (300, 211), (129, 500)])
def test_the_mask_does_not_depend_on_the_size(segmenter, shape):
    mask = segmenter(Cutout(sky(shape)))
    assert mask.dtype == np.uint8
    assert np.mean(mask != wanted(shape)) < 1e-4


def test_noise_that_is_known_is_used_and_small_images_are_one_window(segmenter):
    segmenter(Cutout(sky((150, 100)), rms=3 * RMS, background=RMS))
    (seen,) = segmenter.network.seen
    assert seen.shape == (1, 1, 150, 100)
    np.testing.assert_allclose(
        2 * np.sinh(seen[0, 0].numpy()), (sky((150, 100)) - RMS) / (3 * RMS), rtol=1e-4, atol=1e-4
    )


def test_the_noise_is_measured_about_each_window(segmenter):
    image = np.concatenate([sky((256, 256)), sky((256, 256), 1, 10 * RMS)], 1)
    mask = segmenter(Cutout(image))
    for half in (mask[:, :256], mask[:, 256:]):
        sure = np.ones((256, 256), bool)
        sure[:, :100] = sure[:, -100:] = False  # not beside the step, which windows see from both sides
        assert np.mean((half != wanted((256, 256)))[sure]) < 1e-3


def test_probabilities_are_averaged_over_windows(segmenter, monkeypatch):
    """Each window says class 1 with p = 0.9 on its left half, class 0 with p = 0.8 on its right."""
    found = np.zeros((4, 64, 64), np.float32)
    found[1, :, :32], found[0, :, :32], found[0, :, 32:], found[1, :, 32:] = 0.9, 0.1, 0.8, 0.2
    monkeypatch.setattr(segmenter, "probabilities", lambda scaled: np.stack([found] * len(scaled)))
    pixels = CutoutPixels(Cutout(np.random.default_rng(0).normal(size=(64, 112)).astype(np.float32)))
    mask = segmenter.mask(pixels, (0.0, 1.0), window=64, overlap=16)  # windows at 0 and 48
    expected = np.zeros(112)
    for x in range(112):
        votes = np.zeros(2)
        for start in (0, 48):
            if start <= x < start + 64:
                k = x - start
                votes += min((min(k, 63 - k) + 0.5) / 16, 1) * (
                    np.array([0.1, 0.9]) if k < 32 else np.array([0.8, 0.2])
                )
        expected[x] = votes.argmax()
    np.testing.assert_array_equal(mask, np.tile(expected, (64, 1)))
    assert expected[50] == 0 and expected[60] == 1


@pytest.mark.parametrize("shape", [(100, 230), (300, 300), (260, 129)])
def test_every_row_is_told_once_and_memory_is_a_band(segmenter, shape):
    told, largest = [], []
    pixels = CutoutPixels(Cutout(sky(shape)))
    read = pixels.read

    def spy(*box):
        largest.append(box[1] - box[0])
        return read(*box)

    pixels.read = spy
    segmenter.mask(pixels, None, told.append)
    assert sum(told) == shape[0]
    assert max(largest) <= 128 + 2 * 64


def test_blank_pixels_are_background(segmenter):
    image = sky((300, 300))
    image[:, 140:] = np.nan
    image[250:] = 0.0
    mask = segmenter(Cutout(image))
    assert not mask[:, 140:].any() and not mask[250:].any()
    np.testing.assert_array_equal(mask[:20, :20], wanted((300, 300))[:20, :20])


def test_a_map_on_disk_gives_what_it_gives_in_memory(segmenter, make_map, tmp_path):
    cutout = make_map((300, 260))
    cutout.image[:] = sky((300, 260))
    write_cutout(tmp_path / "map.fits", cutout)
    with MapReader.open(tmp_path / "map.fits") as reader:
        np.testing.assert_array_equal(segmenter.mask(reader), segmenter(cutout))


def test_a_real_network_is_read_and_run(weights):
    segmenter = MapSegmenter(weights, device="cpu", precision="fp32")
    found = segmenter.probabilities(np.zeros((3, 20, 37), np.float32))
    assert found.shape == (3, 4, 20, 37)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


def test_weights_and_precision_are_checked(weights):
    with pytest.raises(InputError, match="'fp8' is no precision; there are: auto, fp32, bf16"):
        MapSegmenter(weights, device="cpu", precision="fp8")
    (weights / "segmenter").rename(weights / "other")
    with pytest.raises(InputError, match="missing; copy the weights folder again"):
        MapSegmenter(weights)


@pytest.mark.parametrize("strip", [1, 3, 7, 64])
def test_objects_across_strips_are_whole(strip):
    mask = (np.random.default_rng(5).random((40, 40)) < 0.3).astype(np.uint8) * 2
    mask[np.random.default_rng(6).random((40, 40)) < 0.1] = 3
    whole, parts = mask_to_objects(mask), objects_of(mask, strip=strip)
    assert [(o.name, o.class_value, o.bbox, o.npix) for o in parts] == [
        (o.name, o.class_value, o.bbox, o.npix) for o in whole
    ]
    assert all(np.array_equal(a.stamp, b.stamp) for a, b in zip(parts, whole, strict=True))


def test_small_objects_are_left_out():
    mask = np.zeros((10, 10), np.uint8)
    mask[1, 1], mask[4:6, 4:6] = 2, 3
    assert [o.npix for o in objects_of(mask, 2)] == [4]
