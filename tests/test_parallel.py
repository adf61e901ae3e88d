"""One function over many items: the same results, in their order, whoever runs them."""

from functools import partial

import numpy as np
import pytest

from radiff.errors import InputError
from radiff.parallel import Failure, open_pool, processes, run_parallel, serial


def draw(seed, item):
    return np.random.default_rng((seed, item)).normal(size=3).tobytes()


def fail(item):
    if item % 2:
        raise InputError(f"item {item} is bad", "map.fits")
    return item


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same(workers, tmp_path):
    expected = [draw(7, item) for item in range(20)]
    assert processes(workers)(partial(draw, 7), range(20), "drawing") == expected
    assert run_parallel(partial(draw, 7), range(20), "drawing", workers) == expected
    assert serial(partial(draw, 7), range(20), "drawing") == expected


def test_dask_gives_the_same(tmp_path):
    pytest.importorskip("distributed", reason="dask is not installed (pip install 'radiff[cluster]')")
    with open_pool(2, None, tmp_path) as pool:
        assert pool(partial(draw, 7), range(5), "drawing") == [draw(7, item) for item in range(5)]


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_are_handed_on_or_collected(workers):
    with pytest.raises(InputError, match=r"map\.fits: item 1 is bad") as error:
        processes(workers)(fail, range(4), "failing")
    assert str(error.value.path) == "map.fits"
    assert run_parallel(fail, range(4), "failing", workers) == [
        0,
        Failure("map.fits: item 1 is bad"),
        2,
        Failure("map.fits: item 3 is bad"),
    ]
    assert run_parallel(fail, [], "failing", workers) == []
