"""What was asked of a generator against what came: noise, spectrum, fluxes, beam, placement. Knows no networks.

The generator comes in as a function (`radiff.data.spec.ImageGenerator`), and so does what brings sources to fluxes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from radiff.data.spec import ImageGenerator
from radiff.evaluate.checks.beams import beam_figures
from radiff.evaluate.checks.generation import check_generation, own_pixels
from radiff.evaluate.checks.reconstruction import Image, spread
from radiff.evaluate.checks.samples import Figures, Samples, at
from radiff.evaluate.checks.specs import Rescale, background_sources, sample_specs
from radiff.masks import CLASSES
from radiff.sky.beam import FWHM_AREA

BINS = (3.0, 5.0, 10.0, 30.0, 100.0, 300.0, math.inf)
"""Edges of the bins of peaks, in units of the rms."""
FAINT_SHARE = 1e-3
"""Bands with less of the strongest band's power than this carry almost nothing, and are not judged."""
FEWEST = 5
"""Medians of fewer objects than this are not judged."""


@dataclass(frozen=True)
class Tolerance:
    """How near a figure is to come to its target."""

    rms: float = 0.03
    band: float = 0.05
    flux: float = 0.02
    exact: float = 1e-3
    beam: float = 0.05
    outside: float = 0.1
    drawn: float = 0.05


TOLERANCE = Tolerance()


@dataclass(frozen=True)
class Verdict:
    """One figure against its target; `tolerance` in the unit of the figure."""

    group: str
    what: str
    value: float
    target: float
    tolerance: float

    @property
    def met(self) -> bool:
        """Whether it is within the tolerance."""
        return abs(self.value - self.target) <= self.tolerance


@dataclass(frozen=True)
class Flux:
    """One object: class, peak asked (rms), and what came over what was asked: as sampled, and in exact mode."""

    class_value: int
    asked: float
    raw: float
    exact: float
    integrated: float | None


def control(
    samples: Samples,
    reference: Samples,
    generate: ImageGenerator,
    rescale: Rescale,
    background: str = "none",
    seed: int = 0,
) -> tuple[Figures, list[Image]]:
    """Ask for every cutout again, with the real peak of each object, and measure what comes.

    Parameters
    ----------
    samples : Samples
    reference : Samples
        Real cutouts of all beams, for the widths of their sources (`beam_figures`).
    generate : callable
        The generator.
    rescale : callable
        What brings sources to fluxes.
    background : str
        ``none``, ``self``, ``self-masked`` or ``other``.
    seed : int

    Returns
    -------
    (figures, images)
        ``background``; ``groups``: `check_generation` and `flux_figures` of all cutouts and of each survey;
        ``beams``: `beam_figures`; ``verdicts``. Images (ny, nx) in Jy/beam, one a cutout.
    """
    made = list(generate(sample_specs(samples, background, seed)))
    sources = background_sources(samples, background, seed)
    shown = [k if source is None else source for k, source in enumerate(sources)]
    backgrounds = list(zip(at(samples.snr, shown), at(samples.objects, shown), strict=True))
    measured = [measure_flux(samples, k, image, rescale) for k, image in enumerate(made)]
    groups: Figures = {}
    for name, kept in samples.groups():
        columns = (samples.snr, made, samples.objects, samples.rms, backgrounds)
        figures = check_generation(*(at(column, kept) for column in columns))  # type: ignore[arg-type]
        fluxes = [one for k in kept for one in measured[k][0]]
        touched = sum(measured[k][1] for k in kept)
        groups[name] = figures | {"flux": flux_figures(fluxes) | {"exact_changed_outside": touched}}
    rms = float(np.median(samples.rms))
    told: Figures = {
        "background": background,
        "groups": groups,
        "beams": beam_figures(reference, generate, rescale, rms, seed),
    }
    return told | {"verdicts": [vars(v) | {"met": v.met} for v in verdicts(told)]}, made


def measure_flux(samples: Samples, index: int, image: Image, rescale: Rescale) -> tuple[list[Flux], int]:
    """Fluxes of the objects of cutout `index` in the image (Jy/beam) that was made of it, sampled and exact.

    The number says how many pixels outside of the objects the exact mode changed: it is to change none.
    """
    objects, rms, level = samples.objects[index], samples.rms[index], samples.backgrounds[index]
    area = FWHM_AREA * (samples.beams[index] or 1.0) ** 2
    real = own_pixels(samples.images[index] - level, objects)
    peaks = [float(v.max()) if v.size and v.max() > 0 else 0.0 for v in real]
    sums = [max(float(v.sum(dtype=np.float64)) / area, 0.0) for v in real]
    brought = [rescale(image, objects, *each, area) for each in ((peaks, "peak"), (sums, "integrated"))]
    touched = sum(int(np.count_nonzero((one != image) & (samples.masks[index] == 0))) for one in brought)
    by_peak, by_sum = (own_pixels(one, objects) for one in brought)
    fluxes = [
        Flux(
            item.class_value,
            peak / rms,
            float(raw.max()) / peak,
            float(exact.max()) / peak,
            float(integrated.sum(dtype=np.float64)) / area / total if total > 0 else None,
        )
        for item, peak, total, raw, exact, integrated in zip(
            objects, peaks, sums, own_pixels(image, objects), by_peak, by_sum, strict=True
        )
        if peak > 0 and raw.size
    ]
    return fluxes, touched


def flux_figures(fluxes: Sequence[Flux]) -> Figures:
    """Flux that came over flux asked: spreads of all objects, by class and by peak; the worst errors of exact mode."""
    kinds = {kind.name: [one for one in fluxes if one.class_value == kind.value] for kind in CLASSES[1:]}
    return {
        "objects": len(fluxes),
        "raw": _raw(fluxes),
        "classes": {name: _raw(chosen) for name, chosen in kinds.items()},
        "peaks": {
            f"{low:g} to {high:g}" if math.isfinite(high) else f"above {low:g}": _raw(
                [one for one in fluxes if low <= one.asked < high]
            )
            for low, high in pairwise(BINS)
        },
        "exact_peak_error": max((abs(one.exact - 1) for one in fluxes), default=None),
        "exact_integrated_error": max(
            (abs(o.integrated - 1) for o in fluxes if o.integrated is not None), default=None
        ),
    }


def _raw(fluxes: Sequence[Flux]) -> dict[str, float]:
    return spread([one.raw for one in fluxes])


# ---------------------------------------------------------------- verdicts


def verdicts(figures: Figures) -> Iterator[Verdict]:
    """The figures of `control` that have a target, each against it."""
    for name, values in figures["groups"].items():
        yield from _of_group(name, values)
    for beam, one in figures["beams"]["point"].items():
        if one["n"] >= FEWEST:
            yield Verdict(
                "beam", f"width of compact sources, beam of {beam} pixels", one["median"], 1.0, TOLERANCE.beam
            )


def _of_group(name: str, figures: Figures) -> Iterator[Verdict]:
    for key, what in (("rms_ratio", "noise rms, clipped"), ("deviation_of_real", "noise rms, plain, over real")):
        if figures[key]["n"]:
            yield Verdict(name, what, figures[key]["median"], 1.0, TOLERANCE.rms)
    spectrum = figures["spectrum"]
    if spectrum is not None:
        for frequency, ratio, share in zip(spectrum["frequency"], spectrum["ratio"], spectrum["share"], strict=True):
            if share >= FAINT_SHARE:
                yield Verdict(name, f"noise power about {frequency:.3f} cycles per pixel", ratio, 1.0, TOLERANCE.band)
    flux = figures["flux"]
    for title, one in (("all", flux["raw"]), *flux["classes"].items()):
        if one["n"] >= FEWEST:
            yield Verdict(name, f"peak flux as sampled, {title}", one["median"], 1.0, TOLERANCE.flux)
    for kind in ("peak", "integrated"):
        error = flux[f"exact_{kind}_error"]
        if error is not None:
            yield Verdict(name, f"{kind} flux, exact mode, largest error", error, 0.0, TOLERANCE.exact)
    yield Verdict(name, "pixels changed outside, exact mode", flux["exact_changed_outside"], 0.0, 0.0)
    if figures["made"]["outside"]["n"]:
        yield Verdict(name, "mean snr outside", figures["made"]["outside"]["median"], 0.0, TOLERANCE.outside)
    for kind, one in figures["made"]["classes"].items():
        real = figures["real"]["classes"][kind]
        if one["mean_snr"]["n"] >= FEWEST:
            yield Verdict(name, f"{kind} drawn (mean snr above 3)", one["drawn"], real["drawn"], TOLERANCE.drawn)
