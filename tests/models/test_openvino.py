"""The denoiser compiled by OpenVINO says what torch's says; where it is not installed, the remedy is named."""

import sys
from dataclasses import replace

import pytest
import torch

from conftest import wake
from radiff.errors import InputError
from radiff.models.conditions import Conditions, veiled
from radiff.models.denoiser import Denoiser, DenoiserConfig
from radiff.models.openvino import OpenVinoDenoiser

TINY = DenoiserConfig(
    latent_channels=4, factor=2, channels=(16, 16), layers=1, attention=(False, True), head_width=16, context=8
)


def make(config=TINY):
    torch.manual_seed(0)
    network = Denoiser(config).eval().requires_grad_(False)
    wake(network, 0.2)
    return network


def ask(count, height, width):
    random = torch.Generator().manual_seed(count)
    planes = torch.rand(count, 20, height, width, generator=random).round()
    background = torch.randn(count, 4, height, width, generator=random)
    detail = torch.full((count,), 0.5)
    return Conditions(planes, torch.linspace(2, 5, count), background, veiled(background, -background, detail), detail)


@pytest.mark.parametrize("config", [TINY, replace(TINY, context=0)], ids=["background", "no background"])
def test_it_says_what_torch_says(config):
    """At several shapes, each compiled once."""
    pytest.importorskip("openvino")
    network = make(config)
    compiled = OpenVinoDenoiser(network, "fp32")
    assert compiled.config == config
    for count, height, width in ((1, 8, 8), (2, 8, 12), (1, 8, 8)):
        conditions = ask(count, height, width)
        latents, time = torch.randn(count, 4, height, width), torch.linspace(100, 900, count)
        said = compiled(latents, time, compiled.encode(conditions))
        torch.testing.assert_close(said, network(latents, time, conditions), atol=1e-4, rtol=1e-4)
    assert len(compiled._compiled) == 2


def test_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"'openvino' is not installed; run: pip install 'radiff\[fastcpu\]'"):
        OpenVinoDenoiser(make())
