"""A map, a library of stamps and one truth package, made once."""

import pytest

from populate_samples import library, noise_map
from radiff.masks import COMPACT, EXTENDED, SPURIOUS
from radiff.populate import Number, PopulateOptions, populate


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("populate")


@pytest.fixture(scope="session")
def background(place):
    return noise_map(place / "noise.fits")


@pytest.fixture(scope="session")
def stamps(place):
    return library(place / "stamps.fits").path


@pytest.fixture(scope="session")
def options():
    return PopulateOptions({COMPACT: Number(60), EXTENDED: Number(20), SPURIOUS: Number(5)}, seed=7)


@pytest.fixture(scope="session")
def package(place, background, stamps, options):
    made = populate(background, place / "package", options, stamps=stamps, command="radiff populate", pictures=False)
    assert made.complete
    return made.folder
