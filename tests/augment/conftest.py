"""A small collection of sources on noise, and a generator that draws what it is asked for."""

import numpy as np
import pytest

from pair_samples import BEAM, Drawer, sky_with
from radiff.augment import RealImages
from radiff.data.collection import CollectionWriter


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """16 train and 4 val cutouts; two compact sources each, every third with an extended one, four without sources."""
    writer = CollectionWriter(tmp_path_factory.mktemp("collection"))
    for k in range(20):
        random = np.random.default_rng((7, k))
        sources = [(16, 14 + k % 5, float(random.uniform(15, 60)), BEAM), (46, 20, float(random.uniform(15, 60)), BEAM)]
        if k % 3 == 0:
            sources.append((30, 46, 30.0, 4 * BEAM))
        cutout, annotation = sky_with([] if k % 5 == 4 else sources, k)
        split = "val" if k >= 16 else "train"
        writer.add("real", f"c{k:02d}", cutout, annotation, split=split, group=str(k), survey="TEST")
    return writer.finish()


@pytest.fixture(scope="session")
def real(collection) -> RealImages:
    """Its train split."""
    return RealImages.read(collection, workers=1)


@pytest.fixture
def drawer():
    """A fresh `Drawer`."""
    return Drawer()
