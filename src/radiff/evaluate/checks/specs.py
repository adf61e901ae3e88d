"""Real cutouts to what is asked of a generator: mask, peaks, beam, background image. Knows no generator."""

from collections.abc import Callable, Sequence

import numpy as np
from astropy.io import fits

from radiff.data.background import BackgroundImage
from radiff.data.observation import Observation
from radiff.data.spec import ImageSpec
from radiff.errors import InputError
from radiff.evaluate.checks.reconstruction import Image
from radiff.evaluate.checks.samples import Samples, beam_of, peaks_of
from radiff.masks import AnnotateOptions, SourceObject

BACKGROUNDS = ("none", "self", "self-masked", "other")


Rescale = Callable[[Image, Sequence[SourceObject], Sequence[float], str, float], Image]
"""``rescale(image, objects, wanted, kind, beam_area) -> image``: `radiff.generate.rescale_fluxes`."""


def sample_specs(samples: Samples, background: str = "none", seed: int = 0) -> list[ImageSpec]:
    """Ask for each cutout again: its mask, rms, beam, the real peaks of its objects, and a background.

    Parameters
    ----------
    background : str
        One of `BACKGROUNDS`.
    seed : int
        Of the first image; the next has the next number.
    """
    sources = background_sources(samples, background, seed)
    return [spec_of(samples, k, seed + k, source, background) for k, source in enumerate(sources)]


def spec_of(samples: Samples, index: int, seed: int, source: int | None = None, mode: str = "self") -> ImageSpec:
    """Ask for cutout `index` again, on the background of cutout `source`."""
    item = samples.items[index]
    return ImageSpec(
        item.mask,
        seed,
        list(item.objects),
        Observation(rms=item.rms, header=fits.Header([("SURVEY", item.survey)])),
        peaks_of(item),
        background=None if source is None else background_of(samples, source, mode, seed),
        beam=beam_of(item),
        isophote=AnnotateOptions().grow_snr,
    )


def background_of(samples: Samples, index: int, mode: str, seed: int = 0) -> BackgroundImage:
    """Cutout `index` as a background image."""
    item = samples.items[index]
    return BackgroundImage.of(np.asarray(item.image), item.mask, mode, item.rms, item.level, seed, item.name)


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
