"""A small collection, and a whole run of all four tables with the preset ``smoke``."""

import pytest

from pair_samples import known_collection
from radiff.paper.experiments import load_settings, prepare, reproduce_augmentation

SETTINGS = ["limit=12", "pairs=2", "per_image=[1, 2]", "loop.steps=2"]
TABLES = ("table5", "table6", "table7", "table8")


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """16 train and 4 val cutouts of 64 x 64 pixels."""
    return known_collection(tmp_path_factory.mktemp("experiments"))


@pytest.fixture(scope="session")
def experiment(collection, weights):
    """``experiment(run, *overrides)``: what a run in that folder needs."""

    def make(run, *overrides):
        settings = load_settings("smoke", [*SETTINGS, *overrides])
        return prepare(collection.root, run, settings, str(weights), device="cpu")

    return make


@pytest.fixture(scope="session")
def whole(experiment, tmp_path_factory):
    """(folder, what was told) of a run that was not stopped."""
    run, told = tmp_path_factory.mktemp("run"), []
    reproduce_augmentation(TABLES, experiment(run), tell=told.append)
    return run, told
