"""Jobs to signal-to-noise images by weights that know the sky's noise: sky + what the network adds to it.

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

from radiff.generate.backdrop import Backdrop
from radiff.generate.edges import EDGE_SNR, EdgeStrength, hold_edges
from radiff.generate.flux import bring_to_flux
from radiff.generate.jobs import Job, Sampling, survey_of
from radiff.generate.prior import SkyLayers, backdrop_layers, make_layers, noise_for
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
    """A window that is to be denoised: of which job, where, and what is asked."""

    job: int
    region: Region
    window: Window


def draw_sky(
    networks: "Networks",
    jobs: Sequence[Job],
    sampling: Sampling,
    batch_size: int,
    unconditional: bool,
    on_step: Callable[[], None] | None,
) -> NDArray[np.float32]:
    """Signal-to-noise images (batch, ny, nx) of jobs of one size."""
    skies = [layers_of(job, sampling) for job in jobs]
    images = [np.array(sky.picture) for sky in skies]
    pieces = [
        piece
        for number in range(len(jobs))
        for piece in _pieces(networks, jobs, skies, number, sampling, unconditional)
    ]
    for batch in _batches(pieces, batch_size):
        made = networks.denoise([p.window for p in batch], sampling, batch_size, not unconditional, on_step)
        for piece, image in zip(batch, made, strict=True):
            nothing = networks.nothing(skies[piece.job].start[piece.region.slices], sampling)
            share = 1.0 if unconditional else piece.region.weight(jobs[piece.job].objects)
            images[piece.job][piece.region.slices] += share * (image - nothing)
    if not unconditional:
        images = [_held(image, job, sky, sampling) for image, job, sky in zip(images, jobs, skies, strict=True)]
    return np.stack(images)


def is_excursion(job: Job, number: int) -> bool:
    """Whether an object is made of the noise itself, without the network: see `EXCURSION_SNR`."""
    peak = 0.0 if job.peaks is None else job.peaks[number]
    return job.objects[number].class_value == SPURIOUS and peak <= EXCURSION_SNR


def layers_of(job: Job, sampling: Sampling) -> SkyLayers:
    """The sky of a job without its sources."""
    shape = (job.mask.shape[0], job.mask.shape[1])
    if isinstance(job.backdrop, Backdrop):
        return backdrop_layers(job.backdrop, job.seed, job.beam, sampling.keep_noise)
    spectrum = noise_for(job.noise, job.shape, job.seed, survey_of(job))
    return make_layers(spectrum, shape, job.seed, job.objects, job.peaks)


def _pieces(
    networks: "Networks",
    jobs: Sequence[Job],
    skies: Sequence[SkyLayers],
    number: int,
    sampling: Sampling,
    unconditional: bool,
) -> Iterator[_Piece]:
    job = jobs[number]
    shape = (job.mask.shape[0], job.mask.shape[1])
    drawn = [k for k in range(len(job.objects)) if not is_excursion(job, k)]
    if unconditional or (drawn and not sampling.windows):
        regions = [whole(shape, job.objects, drawn)]
    else:
        regions = find_regions(shape, job.objects, drawn)
    for region in regions:
        window = networks.window_of(job, region, sampling, not unconditional)
        yield _Piece(number, region, replace(window, start=skies[number].start[region.slices]))


def _batches(pieces: Sequence[_Piece], batch_size: int) -> Iterator[list[_Piece]]:
    """Windows of one shape together, as many as `batch_size` cutouts have pixels."""
    groups: dict[tuple[int, int], list[_Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.region.shape, []).append(piece)
    for (height, width), group in groups.items():
        count = max(1, batch_size * max(1, USUAL // (height * width)))
        for first in range(0, len(group), count):
            yield group[first : first + count]


def _held(image: NDArray[np.float32], job: Job, sky: SkyLayers, sampling: Sampling) -> NDArray[np.float32]:
    """Edges brought to the isophote of the mask, then peaks to what is asked, where the sampler left them off it."""
    edge = job.edge_snr if sampling.edge_snr is None else sampling.edge_snr
    held = job.objects
    if edge <= 0:  # a mask whose edges mean no isophote says still that something is there
        held, edge = [one for k, one in enumerate(job.objects) if is_excursion(job, k)], EDGE_SNR
    steered = sampling.steer_peaks and job.peaks is not None and any(job.peaks)
    for _ in range(2 if steered else 1):  # a peak brought to what is asked moves its edge, and an edge its peak
        image = hold_edges(image, held, sky.spectrum.autocovariance, job.seed, edge, STRENGTH)
        if steered and job.peaks is not None:
            image = np.asarray(bring_to_flux(image, job.objects, job.peaks, "peak"), np.float32)
    return image
