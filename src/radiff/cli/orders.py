"""What checks and figures ask of a generator, handed on to one. Parses nothing and prints nothing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radiff.evaluate import Draw, Order
    from radiff.evaluate.checks.reconstruction import Image
    from radiff.generate import Generator


def drawer(generator: "Generator", **options: Any) -> "Draw":
    """What draws `radiff.evaluate.Order`s with `generator`; `options` as of `Generator.iterate`."""
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
            sky=[Sky(rms=order.rms) for order in orders],
            peaks=[order.peaks for order in orders],
            objects=[order.objects for order in orders],
            backdrops=[backdrop(order) for order in orders],
            beams=[order.beam for order in orders],
            **options,
        )
        for cutout in track(cutouts, "generating", len(orders)):
            yield cutout.image - cutout.background

    return draw
