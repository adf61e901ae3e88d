"""Specifications handed on to generators: masks that a mask model draws in place of their own."""

from types import SimpleNamespace

import numpy as np

from radiff.data.observation import Observation
from radiff.data.spec import ImageSpec
from radiff.paper.rows import own_masks


class Maker:
    """Item k is a mask of one compact object at row and column k."""

    def iterate(self, number, *, indices):
        for k in indices:
            assert 0 <= k < number
            mask = np.zeros((16, 16), np.uint8)
            mask[k % 16, k % 16] = 2
            yield SimpleNamespace(index=k, mask=mask, objects=[k])


def specs(seeds):
    sky = Observation(rms=1e-4)
    return [ImageSpec(np.full((16, 16), 3, np.uint8), seed, ["real"], sky, [9.0]) for seed in seeds]


def seen(empty_share, seeds, piece):
    asked = []

    def draw(some):
        asked.extend(some)
        yield from (spec.mask.astype(float) for spec in some)

    drawn = own_masks(draw, Maker(), empty_share)
    images = [image for first in range(0, len(seeds), piece) for image in drawn(specs(seeds[first : first + piece]))]
    return asked, np.array(images)


def test_masks_are_the_makers():
    asked, images = seen(0.0, list(range(20)), 20)
    assert [np.argwhere(spec.mask == 2).tolist() for spec in asked] == [[[k % 16, k % 16]] for k in range(20)]
    assert [spec.objects for spec in asked] == [[k] for k in range(20)]
    assert all(spec.peaks is None and spec.rms == 1e-4 and spec.seed == k for k, spec in enumerate(asked))
    assert (images == np.array([spec.mask for spec in asked])).all()


def test_some_are_empty_whatever_they_are_drawn_with():
    seeds = list(range(400))
    asked, images = seen(0.4, seeds, 400)
    empty = np.array([not spec.mask.any() for spec in asked])
    assert 0.33 < empty.mean() < 0.47
    assert all(bool(spec.objects) != one for spec, one in zip(asked, empty, strict=True))
    assert (seen(0.4, seeds, 7)[1] == images).all()
    assert not seen(1.0, seeds[:9], 9)[1].any()
