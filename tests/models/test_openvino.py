"""The denoiser compiled by OpenVINO says what torch's says; where it is not installed, the remedy is named."""

import sys
from dataclasses import replace

import pytest
import torch

from conftest import wake
from radiff.errors import InputError
from radiff.models.conditions import Conditions, noise_augmented
from radiff.models.denoiser import Denoiser, DenoiserConfig
from radiff.models.openvino import OpenVinoDenoiser, choose_backend

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
    strength = torch.full((count,), 0.5)
    return Conditions(
        planes, torch.linspace(2, 5, count), background, noise_augmented(background, -background, strength), strength
    )


@pytest.fixture
def openvino():
    return pytest.importorskip("openvino")


@pytest.mark.parametrize("config", [TINY, replace(TINY, context=0)], ids=["background", "no background"])
def test_it_says_what_torch_says(openvino, config, monkeypatch):
    """At several batches and windows, odd sides and more tokens than it was compiled with; compiled once."""
    network = make(config)
    compiled = OpenVinoDenoiser(network, "fp32")
    assert compiled.config == config
    times, convert = [], openvino.convert_model
    monkeypatch.setattr(openvino, "convert_model", lambda *given, **more: times.append(1) or convert(*given, **more))
    for count, height, width in ((1, 8, 8), (2, 8, 12), (3, 7, 9), (1, 16, 24), (1, 8, 8)):
        conditions = ask(count, height, width)
        latents, time = torch.randn(count, 4, height, width), torch.linspace(100, 900, count)
        said = compiled(latents, time, compiled.encode(conditions))
        torch.testing.assert_close(said, network(latents, time, conditions), atol=1e-4, rtol=1e-4)
    assert len(times) == 1


def test_a_beam_of_three_numbers(openvino):
    """Its angle is heard, and as torch hears it."""
    network = make(replace(TINY, beam_numbers=3))
    compiled = OpenVinoDenoiser(network, "fp32")
    latents, time = torch.randn(2, 4, 8, 8), torch.tensor([300.0, 300.0])
    said = []
    for turned in (0.4, -0.4):
        conditions = replace(ask(2, 8, 8), beam=torch.tensor([[3.0, turned, 0.1], [4.0, 0.0, turned]]))
        said.append(compiled(latents, time, compiled.encode(conditions)))
        torch.testing.assert_close(said[-1], network(latents, time, conditions), atol=1e-4, rtol=1e-4)
    assert (said[0] - said[1]).abs().amax() > 1e-3


def test_an_image_does_not_depend_on_its_batch(openvino):
    compiled = OpenVinoDenoiser(make(), "fp32")
    latents, time, encoded = torch.randn(5, 4, 8, 8), torch.linspace(100, 900, 5), compiled.encode(ask(5, 8, 8))
    whole = compiled(latents, time, encoded)
    assert torch.equal(compiled(latents[1:3], time[1:3], encoded[1:3]), whole[1:3])
    assert torch.equal(compiled(latents, time, encoded), whole)


def test_which_backend():
    """The same whatever is installed."""
    for device in (torch.device("cpu"), torch.device("cuda")):
        assert choose_backend("auto", device) == choose_backend("torch", device) == "torch"
    assert choose_backend("openvino", torch.device("cpu")) == "openvino"
    with pytest.raises(InputError, match="'openvino' runs on the device 'cpu' only"):
        choose_backend("openvino", torch.device("cuda"))
    with pytest.raises(InputError, match="'onnx' is no backend; there are: auto, torch, openvino"):
        choose_backend("onnx", torch.device("cpu"))


def test_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"'openvino' is not installed; run: pip install 'radiff\[fastcpu\]'"):
        OpenVinoDenoiser(make())
