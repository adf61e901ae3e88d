"""What checks, figures and tables ask of a generator (`radiff.evaluate.Order`), handed on to one. Reads no files."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from astropy.io import fits

from radiff.generate.backdrop import Backdrop
from radiff.generate.pipeline import Generator
from radiff.generate.sky import Sky
from radiff.parallel import track

if TYPE_CHECKING:
    from radiff.evaluate import Draw, Order
    from radiff.evaluate.checks.reconstruction import Image


def drawer(generator: Generator, **options: Any) -> "Draw":
    """What draws `radiff.evaluate.Order`s with `generator`; `options` as of `Generator.iterate`."""

    def backdrop(order: "Order") -> Backdrop | None:
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
