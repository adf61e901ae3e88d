"""Specifications to signal-to-noise images by weights that know the sky's noise: sky + what the network adds to it.

    picture = sky + w (network(start) - nothing(start))

`nothing` is what the sampler makes of the start where the network says nothing: few, large steps shrink noise (the
four of `flow-euler` to 0.72), and what they leave of it is no part of what was asked. `start` is the Gaussian noise
the network starts from, `sky` the same noise with all that makes it a sky (`prior`), and w is 1 at the objects and 0 a
few beams away (`regions`): away from what is asked the picture is the sky itself, so that an empty field costs no
network, and windows have no borders.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from radiff.data.background import BackgroundImage
from radiff.data.spec import ImageSpec
from radiff.generate.edges import EDGE_SNR, EdgeStrength, hold_edges
from radiff.generate.flux import rescale_fluxes
from radiff.generate.options import GenerateOptions
from radiff.generate.prior import SkyLayers, background_layers, make_layers, noise_for
from radiff.generate.regions import Region, find_regions, whole
from radiff.generate.windows import Window
from radiff.masks.classes import SPURIOUS

if TYPE_CHECKING:
    from radiff.generate.networks import Networks

EXCURSION_SNR = 10.0
"""Spurious objects up to this peak, in units of the rms, are made of the noise itself.

They are excursions of noise and sidelobes that a finder took for a source, and that is how they are made: the sky's
own noise is held above the isophote on the mask's pixels. The network draws small faint sources there, which are
believed to be spurious half as often."""
USUAL = 128 * 128
"""Pixels of a cutout: a batch of smaller windows holds more of them."""
STRENGTH = EdgeStrength()


@dataclass(frozen=True, eq=False)
class _Piece:
    """A window that is to be denoised: of which image, where, and what is asked."""

    image: int
    region: Region
    window: Window


def draw_sky(
    networks: "Networks",
    specs: Sequence[ImageSpec],
    options: GenerateOptions,
    on_step: Callable[[], None] | None = None,
) -> NDArray[np.float32]:
    """Signal-to-noise images (batch, ny, nx) of one size."""
    skies = [layers_of(spec, options) for spec in specs]
    images = [np.array(sky.picture) for sky in skies]
    pieces = [
        _Piece(k, region, replace(networks.window_of(spec, region, options), start=sky.start[region.slices]))
        for k, (spec, sky) in enumerate(zip(specs, skies, strict=True))
        for region in _regions(spec, options)
    ]
    for batch in _batches(pieces, options.batch_size):
        made = networks.denoise([p.window for p in batch], options, on_step)
        for piece, image in zip(batch, made, strict=True):
            nothing = networks.nothing(skies[piece.image].start[piece.region.slices], options)
            share = 1.0 if options.unconditional else piece.region.weight(specs[piece.image].objects)
            images[piece.image][piece.region.slices] += share * (image - nothing)
    if not options.unconditional:
        images = [_held(image, spec, sky, options) for image, spec, sky in zip(images, specs, skies, strict=True)]
    return np.stack(images)


def is_excursion(spec: ImageSpec, number: int) -> bool:
    """Whether an object is made of the noise itself, without the network: see `EXCURSION_SNR`."""
    peak = 0.0 if spec.peaks is None else spec.peaks[number]
    return spec.objects[number].class_value == SPURIOUS and peak <= EXCURSION_SNR


def layers_of(spec: ImageSpec, options: GenerateOptions) -> SkyLayers:
    """The sky of an image without its sources."""
    if isinstance(spec.background, BackgroundImage):
        return background_layers(spec.background, spec.seed, spec.beam_pixels, options.keep_noise)
    spectrum = noise_for(spec.noise, spec.beam_shape, spec.seed, spec.survey)
    return make_layers(spectrum, spec.shape, spec.seed, spec.objects, spec.peaks)


def _regions(spec: ImageSpec, options: GenerateOptions) -> list[Region]:
    """Where the network has work."""
    drawn = [k for k in range(len(spec.objects)) if not is_excursion(spec, k)]
    if options.unconditional or (drawn and not options.windows):
        return [whole(spec.shape, spec.objects, drawn)]
    return find_regions(spec.shape, spec.objects, drawn)


def _batches(pieces: Sequence[_Piece], batch_size: int) -> Iterator[list[_Piece]]:
    """Windows of one shape together, as many as `batch_size` cutouts have pixels."""
    groups: dict[tuple[int, int], list[_Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.region.shape, []).append(piece)
    for (height, width), group in groups.items():
        count = max(1, batch_size * max(1, USUAL // (height * width)))
        for first in range(0, len(group), count):
            yield group[first : first + count]


def _held(image: NDArray[np.float32], spec: ImageSpec, sky: SkyLayers, options: GenerateOptions) -> NDArray[np.float32]:
    """Edges brought to the isophote of the mask, then peaks to what is asked, where the sampler left them off it."""
    edge, held = spec.isophote if options.edge_snr is None else options.edge_snr, spec.objects
    if edge <= 0:  # a mask whose edges mean no isophote says still that something is there
        held, edge = [one for k, one in enumerate(spec.objects) if is_excursion(spec, k)], EDGE_SNR
    projected = options.peak_projection and spec.peaks is not None and any(spec.peaks)
    for _ in range(2 if projected else 1):  # a peak brought to what is asked moves its edge, and an edge its peak
        image = hold_edges(image, held, sky.spectrum.autocovariance, spec.seed, edge, STRENGTH)
        if projected and spec.peaks is not None:
            image = np.asarray(rescale_fluxes(image, spec.objects, spec.peaks, "peak"), np.float32)
    return image
