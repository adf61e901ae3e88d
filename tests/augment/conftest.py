"""A small collection of sources on noise, and a generator that draws what it is asked for."""

import pytest

from pair_samples import Drawer, known_collection
from radiff.augment import RealImages


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """`known_collection`."""
    return known_collection(tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="session")
def real(collection) -> RealImages:
    """Its train split."""
    return RealImages.read(collection, workers=1)


@pytest.fixture
def drawer():
    """A fresh `Drawer`."""
    return Drawer()
