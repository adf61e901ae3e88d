"""What checks, figures and tables ask of a generator (`radiff.evaluate.Order`), handed on to one. Reads no files."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from radiff.data.background import BackgroundImage
from radiff.data.observation import Observation
from radiff.data.spec import ImageSpec
from radiff.generate.pipeline import Generator
from radiff.parallel import track

if TYPE_CHECKING:
    from radiff.evaluate import Draw, Order
    from radiff.evaluate.checks.reconstruction import Image


def drawer(generator: Generator, **options: Any) -> "Draw":
    """What draws `radiff.evaluate.Order`s with `generator`; `options` as of `GenerateOptions`."""
    chosen = generator.options(**options)

    def spec(order: "Order") -> ImageSpec:
        field, background = order.field, None
        if field is not None:
            background = BackgroundImage.of(field.image, field.mask, field.mode, field.rms, field.level, order.seed)
        return ImageSpec(
            order.mask.astype(np.uint8),
            order.seed,
            order.objects,
            Observation(rms=order.rms, header=fits.Header([("SURVEY", order.survey)])),
            order.peaks,
            background=background,
            beam=order.beam,
            isophote=order.edge_snr,
        )

    def draw(orders: Sequence["Order"]) -> Iterator["Image"]:
        cutouts = generator.iterate([spec(order) for order in orders], chosen)
        for cutout in track(cutouts, "generating", len(orders)):
            yield cutout.image - cutout.background

    return draw
