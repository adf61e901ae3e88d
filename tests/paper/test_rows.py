"""Orders handed on to generators: masks that a mask model draws in place of the orders' own."""

from types import SimpleNamespace

import numpy as np

from radiff.evaluate import Order
from radiff.paper.rows import own_masks


class Maker:
    """Item k is a mask of one compact object at row and column k."""

    def iterate(self, number, *, indices):
        for k in indices:
            assert 0 <= k < number
            mask = np.zeros((16, 16), np.uint8)
            mask[k % 16, k % 16] = 2
            yield SimpleNamespace(index=k, mask=mask, objects=[k])


def orders(seeds):
    return [Order(np.full((16, 16), 3, np.uint8), ["real"], seed, 1e-4, [9.0]) for seed in seeds]


def seen(empty_share, seeds, piece):
    asked = []

    def draw(some):
        asked.extend(some)
        yield from (order.mask.astype(float) for order in some)

    drawn = own_masks(draw, Maker(), empty_share)
    images = [image for first in range(0, len(seeds), piece) for image in drawn(orders(seeds[first : first + piece]))]
    return asked, np.array(images)


def test_masks_are_the_makers():
    asked, images = seen(0.0, list(range(20)), 20)
    assert [np.argwhere(order.mask == 2).tolist() for order in asked] == [[[k % 16, k % 16]] for k in range(20)]
    assert [order.objects for order in asked] == [[k] for k in range(20)]
    assert all(order.peaks is None and order.rms == 1e-4 and order.seed == k for k, order in enumerate(asked))
    assert (images == np.array([order.mask for order in asked])).all()


def test_some_are_empty_whatever_they_are_drawn_with():
    seeds = list(range(400))
    asked, images = seen(0.4, seeds, 400)
    empty = np.array([not order.mask.any() for order in asked])
    assert 0.33 < empty.mean() < 0.47
    assert all(bool(order.objects) != one for order, one in zip(asked, empty, strict=True))
    assert (seen(0.4, seeds, 7)[1] == images).all()
    assert not seen(1.0, seeds[:9], 9)[1].any()
