"""The segmenters: published sizes and structure, any image size, configuration round trip, IoU by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from radiff.models.segmenter import (
    SEGMENTERS,
    LightUNet,
    LightUNetConfig,
    build_segmenter,
    confusions,
    iou,
    segmenter_config,
    segmenter_from,
)
from radiff.models.tiramisu import TIRAMISU, Tiramisu, TiramisuConfig

TINY = TiramisuConfig((1, 1, 2), 2, 4, 0.0)


def published(name):
    """Parameters as the authors' code counts them: running statistics too; three channels, 11 classes."""
    network = Tiramisu(replace(TIRAMISU[name], in_channels=3, classes=11))
    statistics = sum(b.numel() for key, b in network.named_buffers() if "running" in key)
    return sum(p.numel() for p in network.parameters()) + statistics


@pytest.mark.parametrize(
    ("name", "parameters", "convolutions"),
    [("fc-densenet56", 1_397_963, 56), ("fc-densenet67", 3_502_923, 67), ("fc-densenet103", 9_425_163, 103)],
)
def test_tiramisu_sizes_are_the_papers(name, parameters, convolutions):
    """Table 2: 3.5 and 9.4 million; its 1.5 for 56 layers is 1.40 by its own structure. Layers are convolutions."""
    assert published(name) == parameters
    modules = Tiramisu(TIRAMISU[name]).modules()
    assert sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in modules) == convolutions


def test_feature_maps_of_fc_densenet103_are_those_of_the_papers_table():
    """Its Table 2, m: what goes into each level's end, down and up; 256 before the last convolution."""
    network = Tiramisu(TIRAMISU["fc-densenet103"])
    assert [block[0][2].in_channels for block in network.shrink] == [112, 192, 304, 464, 656]
    assert [grow.in_channels for grow in network.grow] == [240, 192, 160, 112, 80]
    assert network.last.in_channels == 256


@pytest.mark.parametrize("config", [TINY, LightUNetConfig((8, 16), 4)])
@pytest.mark.parametrize("shape", [(32, 32), (37, 50), (3, 5)])
def test_any_size_gives_scores_of_every_pixel(config, shape):
    network = build_segmenter(config).eval()
    with torch.no_grad():
        scores = network(torch.randn(2, 1, *shape))
    assert scores.shape == (2, 4, *shape) and scores.isfinite().all()


@pytest.mark.parametrize("config", [TINY, LightUNetConfig((8, 16), 4)])
def test_every_weight_is_used(config):
    network = build_segmenter(config)
    for p in network.parameters():  # residual branches start at zero
        nn.init.normal_(p, std=0.1)
    network(torch.randn(2, 1, 16, 16)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("config", [TINY, LightUNetConfig((8, 16), 4)])
def test_config_round_trip(config):
    network = segmenter_from(segmenter_config(build_segmenter(config)) | {"classes": 3})
    assert network.config == replace(config, classes=3)
    assert isinstance(network, Tiramisu if isinstance(config, TiramisuConfig) else LightUNet)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'vgg' is no kind of segmenter; there are: tiramisu, light-unet"):
        segmenter_from({"kind": "vgg"})


def test_names():
    assert list(SEGMENTERS) == ["light-unet", "fc-densenet56", "fc-densenet67", "fc-densenet103", "fc-densenet31"]


def test_iou_by_hand():
    truth = torch.tensor([[[0, 0, 2], [2, 3, 3]], [[0, 0, 0], [0, 0, 0]]])
    found = torch.tensor([[[0, 2, 2], [2, 3, 0]], [[0, 0, 0], [0, 0, 0]]])
    tables = confusions(truth, found)
    assert tables.tolist()[0] == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 2, 0], [1, 0, 0, 1]]
    single = iou(tables)
    torch.testing.assert_close(
        single[0], torch.tensor([1 / 3, torch.nan, 2 / 3, 1 / 2], dtype=torch.float64), equal_nan=True
    )
    assert single[1, 0] == 1 and single[1, 1:].isnan().all()
    torch.testing.assert_close(iou(tables.sum(0))[0], torch.tensor(7 / 9, dtype=torch.float64))
