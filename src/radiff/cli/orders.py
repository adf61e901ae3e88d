"""What checks and figures ask of a generator, handed on to one. Parses nothing and prints nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from radiff.evaluate import Draw, Order
    from radiff.evaluate.checks.reconstruction import Image
    from radiff.generate import Generator
    from radiff.generate.masks import MaskMaker


def drawer(generator: "Generator", **options: Any) -> "Draw":
    """What draws `radiff.evaluate.Order`s with `generator`; `options` as of `Generator.iterate`."""
    from astropy.io import fits

    from radiff.generate import Backdrop, Sky
    from radiff.parallel import track

    def backdrop(order: "Order") -> "Backdrop | None":
        field = order.field
        if field is None:
            return None
        return Backdrop.of(field.image, field.mask, field.mode, field.rms, field.level, order.seed)

    def draw(orders: Sequence["Order"]) -> Iterator["Image"]:
        cutouts = generator.iterate(
            [order.mask for order in orders],
            [order.seed for order in orders],
            sky=[Sky(rms=order.rms, header=fits.Header([("SURVEY", order.survey)])) for order in orders],
            peaks=[order.peaks for order in orders],
            objects=[order.objects for order in orders],
            backdrops=[backdrop(order) for order in orders],
            beams=[order.beam for order in orders],
            edges=[order.edge_snr for order in orders],
            **options,
        )
        for cutout in track(cutouts, "generating", len(orders)):
            yield cutout.image - cutout.background

    return draw


def own_masks(draw: "Draw", maker: "MaskMaker", empty_share: float) -> "Draw":
    """What draws orders with masks of `maker` in place of theirs: images out of nothing.

    The mask of an order follows from its seed alone; a part `empty_share` of them hold no object, as `maker` makes none
    of these.
    """

    def drawn(orders: Sequence["Order"]) -> Iterator["Image"]:
        wanted = [one.seed for one in orders if np.random.default_rng((one.seed, 3)).random() >= empty_share]
        made = {one.index: one for one in maker.iterate(max(wanted, default=0) + 1, indices=wanted)}
        masked = []
        for order in orders:
            mask = made[order.seed].mask if order.seed in made else np.zeros_like(order.mask)
            objects = made[order.seed].objects if order.seed in made else []
            masked.append(replace(order, mask=mask, objects=objects, peaks=None, edge_snr=0.0))
        yield from draw(masked)

    return drawn
