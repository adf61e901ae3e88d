"""A tiny collection with its pack, and short runs on it."""

from pathlib import Path

import pytest

from radiff.data.collection import Collection
from radiff.training.config import load_preset
from radiff.training.run import RunOptions, train_autoencoder, train_denoiser
from tiny_collection import tiny_collection


@pytest.fixture(scope="session")
def collection(tmp_path_factory) -> Collection:
    """Six train and two val cutouts of 32 x 32 pixels."""
    return tiny_collection(tmp_path_factory.mktemp("training") / "collection")


@pytest.fixture(scope="session")
def pack(tmp_path_factory) -> Path:
    """Folder that the runs share for their packs."""
    return tmp_path_factory.mktemp("training") / "pack"


@pytest.fixture
def train(collection, pack):
    """``train(network, run, *overrides, preset="smoke", **options)`` -> `State`; the denoiser needs `autoencoder`."""

    def start(network, run, *overrides, preset="smoke", autoencoder=None, init=None, **options):
        settings = load_preset(preset, [f"{network}.{text}" for text in overrides])
        where = pack if settings.scaling.name == "snr-asinh" else pack / settings.scaling.name
        choices = RunOptions(run, where, workers=1, device="cpu", **options)
        if network == "autoencoder":
            return train_autoencoder(collection, settings, choices)
        return train_denoiser(collection, settings, choices, autoencoder, init)

    return start


@pytest.fixture(scope="session")
def autoencoder(collection, pack, tmp_path_factory) -> Path:
    """Weights of an autoencoder trained for the steps of the preset ``smoke``."""
    run = tmp_path_factory.mktemp("training") / "autoencoder"
    train_autoencoder(collection, load_preset("smoke"), RunOptions(run, pack, workers=1, device="cpu"))
    return run / "weights"
