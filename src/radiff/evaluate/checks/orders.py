"""Real cutouts to what is asked of a generator: mask, peaks, beam, background image. Knows no generator."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.evaluate.checks.reconstruction import Image
from radiff.evaluate.checks.samples import Samples
from radiff.masks import AnnotateOptions, SourceObject

BACKGROUNDS = ("none", "self", "self-masked", "other")


@dataclass(frozen=True)
class Field:
    """An image to take the background from.

    Attributes
    ----------
    image : (ny, nx)
        Jy/beam.
    mask : integer (ny, nx)
        Nonzero on its sources.
    rms, level : float
        Jy/beam.
    mode : str
        ``self`` (with its sources), ``self-masked`` or ``other`` (without).
    """

    image: Image
    mask: NDArray[np.integer]
    rms: float
    level: float
    mode: str


@dataclass(frozen=True)
class Order:
    """One image to be generated.

    Attributes
    ----------
    mask : integer (ny, nx)
    objects : sequence of SourceObject
    seed : int
    rms : float
        Jy/beam.
    peaks : sequence of float, optional
        Peak asked of each object, in units of the rms; 0: not asked.
    beam : float
        FWHM, pixels; 0: not asked.
    field : Field, optional
    survey : str
        Whose noise it is to have; empty: any.
    edge_snr : float
        Isophote that the mask was drawn at, in units of the rms; 0: its edges mean none.
    """

    mask: NDArray[np.integer]
    objects: Sequence[SourceObject]
    seed: int
    rms: float
    peaks: Sequence[float] | None = None
    beam: float = 0.0
    field: Field | None = None
    survey: str = ""
    edge_snr: float = 0.0


Draw = Callable[[Sequence[Order]], Iterable[Image]]
"""What generates: images (ny, nx) in Jy/beam about the level 0, one an order, in order."""
Bring = Callable[[Image, Sequence[SourceObject], Sequence[float], str, float], Image]
"""Exact fluxes: ``bring(image, objects, wanted, kind, beam_area) -> image``, `radiff.generate.rescale_fluxes`."""


def sample_orders(samples: Samples, background: str = "none", seed: int = 0) -> list[Order]:
    """Ask for each cutout again: its mask, rms, beam, the real peaks of its objects, and a background.

    Parameters
    ----------
    background : str
        One of `BACKGROUNDS`.
    seed : int
        Of the first image; the next has the next number.
    """
    sources = background_sources(samples, background, seed)
    asked = samples.peaks()
    return [
        Order(
            samples.masks[k],
            samples.objects[k],
            seed + k,
            samples.rms[k],
            asked[k],
            samples.beams[k],
            None if source is None else field_of(samples, source, background),
            samples.surveys[k],
            AnnotateOptions().grow_snr,
        )
        for k, source in enumerate(sources)
    ]


def field_of(samples: Samples, index: int, mode: str) -> Field:
    """Cutout `index` as a background image."""
    return Field(samples.images[index], samples.masks[index], samples.rms[index], samples.backgrounds[index], mode)


def background_sources(samples: Samples, background: str, seed: int = 0) -> list[int | None]:
    """Of which cutout each one's background is taken: none, its own, or another of its survey, beam and size.

    Raises
    ------
    InputError
        Where the kind is not known, or a cutout has no other like it.
    """
    if background not in BACKGROUNDS:
        raise InputError(f"{background!r} is no kind of background; there are: {', '.join(BACKGROUNDS)}")
    if background == "none":
        return [None] * len(samples)
    if background != "other":
        return list(range(len(samples)))
    drawn: list[int | None] = []
    for k in range(len(samples)):
        alike = [
            other
            for other in range(len(samples))
            if other != k
            and samples.surveys[other] == samples.surveys[k]
            and samples.images[other].shape == samples.images[k].shape
            and abs(samples.beams[other] - samples.beams[k]) <= 0.15 * samples.beams[k]
        ]
        if not alike:
            text = f"no other cutout of {samples.surveys[k]} with a beam near {samples.beams[k]:.3g} pixels"
            raise InputError(f"{text} to take a background from; raise --limit")
        drawn.append(int(np.random.default_rng((seed, k)).choice(alike)))
    return drawn
