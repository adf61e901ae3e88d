"""Whole runs of a few steps on crops of whole fields: weights, exact resume, the gpu preset, what is refused."""

import pytest
import torch

from radiff.data.fields import AnnotatedMaps
from radiff.data.scaling import Paper, scaling_config
from radiff.errors import InputError
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from radiff.models.io import Part, load_denoiser, read_manifest, save_weights
from radiff.training.config import load_preset
from radiff.training.run import RunOptions, train_denoiser
from run_files import log, weights_bytes
from tiny_fields import tiny_fields

LOSSES = ("step", "loss", "gradient", "rate")
CROPS = ("crops.size=32",)
SHRUNK = (
    "loop.steps=3", "loop.batch_size=4", "loop.validate_every=3", "loop.validation_batches=1", "loop.sheet_every=3",
    "loop.log_every=1", "network.channels=[32, 32]", "network.layers=1", "network.attention=[false, true]",
    "network.head_width=16", "network.context=16",
)  # fmt: skip


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    root = tiny_fields(tmp_path_factory.mktemp("maps"), 3, 1)
    return AnnotatedMaps(root, (root / "splits.csv",))


@pytest.fixture
def train(maps, autoencoder, tmp_path_factory):
    """``train(run, *overrides, preset="smoke", init=None, **options)`` -> `State`"""

    def start(run, *overrides, preset="smoke", init=None, **options):
        settings = load_preset(preset, [f"denoiser.{text}" for text in (*CROPS, *overrides)])
        choices = RunOptions(run, maps.root / "pack", workers=1, device="cpu", **options)
        return train_denoiser(maps, settings, choices, autoencoder, init)

    return start


def test_a_denoiser_learns_from_whole_fields(train, tmp_path):
    assert train(tmp_path).step == 8
    manifest = read_manifest(tmp_path / "weights")
    assert manifest["prior"] == {"name": "sky"} and manifest["training"]["denoiser"]["step"] == 8
    network = load_denoiser(tmp_path / "weights")
    assert network.config.beam_numbers == 3
    assert all(value.isfinite().all() for value in network.state_dict().values())
    assert [step for step, _ in log(tmp_path, "step", "val/loss")] == [4, 8]
    assert (tmp_path / "sheets" / "0000008.png").is_file()


def test_a_resumed_run_takes_the_same_path_bit_for_bit(train, tmp_path):
    train(tmp_path / "whole")
    for step in (1, 2):
        assert train(tmp_path / "parts", max_minutes=0.0).step == step
    assert train(tmp_path / "parts").step == 8
    assert log(tmp_path / "parts", *LOSSES) == log(tmp_path / "whole", *LOSSES)
    assert log(tmp_path / "parts", "step", "val/loss") == log(tmp_path / "whole", "step", "val/loss")
    assert weights_bytes(tmp_path / "parts") == weights_bytes(tmp_path / "whole")


def test_a_run_does_not_go_on_with_other_crops(train, tmp_path):
    train(tmp_path, max_minutes=0.0)
    with pytest.raises(InputError, match=r"was started with other settings: zoomed \(0\.2 -> 0\.1\)"):
        train(tmp_path, "crops.zoomed=0.1")


def test_gpu_preset_on_a_cpu(train, tmp_path):
    """Its precision and its fields kept on the device, without the compiler, from weights that know round beams."""
    train(tmp_path / "white", *SHRUNK, "network.beam_numbers=1", "network.prior=white")
    more = ("loop.compile=false", "loop.warmup_steps=1")
    train(tmp_path / "sky", *SHRUNK, *more, preset="gpu", init=tmp_path / "white" / "weights")
    content = torch.load(tmp_path / "sky" / "checkpoint.pt", weights_only=True)
    assert content["precision"] == "bf16" and content["settings"]["resident"] and content["state"]["left_out"] == 0
    assert content["data"]["source"] == "fields"
    assert load_denoiser(tmp_path / "sky" / "weights").config.beam_numbers == 3


def test_white_noise_on_whole_fields(train, tmp_path):
    train(tmp_path, "network.prior=white", "loop.steps=2")
    assert read_manifest(tmp_path / "weights")["prior"] == {"name": "white"}


def test_a_run_of_minutes_ends(train, tmp_path):
    state = train(tmp_path, "loop.minutes=0.002")
    assert state.spent >= 0.12 and state.step >= 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("crops.size=152", "no field of the split 'train' is as large as a crop, 152 pixels"),
        ("crops.size=30", "crops.size is 30; it must be a multiple of 4"),
    ],
)
def test_crops_that_do_not_fit_are_refused(train, tmp_path, override, message):
    with pytest.raises(InputError) as caught:
        train(tmp_path, override)
    assert message in str(caught.value)


def test_a_scaling_without_noise_is_refused(maps, tmp_path):
    network = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    info = {"scaling": scaling_config(Paper())}
    save_weights(tmp_path / "w", {"autoencoder": Part(network, network.config_dict())}, info)
    settings = load_preset("smoke", ["denoiser.network.prior=white"])
    with pytest.raises(InputError, match="trained with the scaling 'paper', which has no noise level; cut the maps"):
        train_denoiser(maps, settings, RunOptions(tmp_path / "run", workers=1, device="cpu"), tmp_path / "w")
