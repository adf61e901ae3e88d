"""Images of compact sources to their widths, against the beam asked for. Knows no networks, no files."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from radiff.data.observation import Observation
from radiff.data.spec import ImageGenerator, ImageSpec
from radiff.evaluate.checks.generation import own_pixels
from radiff.evaluate.checks.reconstruction import Image, spread
from radiff.evaluate.checks.samples import Samples
from radiff.evaluate.checks.specs import Rescale
from radiff.masks import COMPACT, AnnotateOptions, SourceObject, objects_to_mask
from radiff.sky.beam import FWHM, FWHM_AREA, mean_width

BEAMS = (2.0, 3.0, 4.0, 6.0, 8.0)
"""FWHM asked for, pixels."""
BRIGHT = 15.0
"""Peaks below this many rms are too noisy to be fitted one by one."""
PEAKS = (20.0, 200.0)
"""Peaks of the made sources, in units of the rms, evenly spread in their logarithm."""
SOURCES, MOST_IN_ONE = 24, 6
"""Made sources a beam, and in one image."""
APART = 2.5
"""Beams between the edges of two objects, and between an object and the image's edge (one)."""
Made = tuple[float, list[SourceObject], list[float]]
"""Beam, objects, peaks (rms) of an image of made sources."""


def fit_width(image: Image, x: float, y: float, beam: float) -> float | None:
    """Width of the source near (x, y): geometric mean FWHM, pixels, of a two-dimensional Gaussian about the level 0.

    Parameters
    ----------
    image : (ny, nx)
        Any unit.
    x, y : float
        Its brightest pixel.
    beam : float
        FWHM of the beam, pixels: pixels within one of it (but at least 2.5) are fitted.

    Returns
    -------
    float or None
        None where the source is not whole on the image or no Gaussian fits.
    """
    shape = fit_shape(image, x, y, beam)
    return None if shape is None else mean_width(shape)


def fit_shape(image: Image, x: float, y: float, beam: float) -> NDArray[np.float64] | None:
    """Covariance (2, 2) of the Gaussian of `fit_width`, pixels squared, axes (x, y); None as there."""
    radius = max(beam, 2.5)
    reach = math.ceil(radius)
    top, left = round(y) - reach, round(x) - reach
    if min(top, left) < 0 or top + 2 * reach >= image.shape[0] or left + 2 * reach >= image.shape[1]:
        return None
    window = np.asarray(image[top : top + 2 * reach + 1, left : left + 2 * reach + 1], dtype=np.float64)
    rows, columns = np.mgrid[: window.shape[0], : window.shape[1]]
    near = (rows + top - y) ** 2 + (columns + left - x) ** 2 <= (radius + 0.5) ** 2
    values, rows, columns = window[near], rows[near] + top - y, columns[near] + left - x
    scale = float(values.max())
    if not np.isfinite(values).all() or scale <= 0:
        return None

    def misfit(p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of peak, centre, and the inverse covariance by its Cholesky factor (always positive definite)."""
        u, v = columns - p[1], rows - p[2]
        return np.asarray(p[0] * np.exp(-0.5 * ((p[3] * u + p[4] * v) ** 2 + (p[5] * v) ** 2)) - values / scale)

    start = FWHM / beam
    fit = optimize.least_squares(misfit, [1.0, 0.0, 0.0, start, 0.0, start], method="lm", max_nfev=400)
    width = FWHM / math.sqrt(abs(fit.x[3] * fit.x[5])) if fit.x[3] * fit.x[5] else math.inf
    found = fit.success and fit.x[0] > 0.3 and math.hypot(fit.x[1], fit.x[2]) < beam
    if not (found and beam / 4 < width < 4 * beam):
        return None
    root = np.array([[fit.x[3], fit.x[4]], [0.0, fit.x[5]]])
    return np.asarray(np.linalg.inv(root.T @ root))


def widths_of(image: Image, objects: Sequence[SourceObject], beam: float) -> list[tuple[float, int, float]]:
    """(peak, pixels, width over `beam`) of the bright compact objects that stand alone on an image.

    Parameters
    ----------
    image : (ny, nx)
        In units of the rms.
    beam : float
        FWHM, pixels.
    """
    found = []
    for number, (item, values) in enumerate(zip(objects, own_pixels(image, objects), strict=True)):
        if item.class_value != COMPACT or not values.size or values.max() < BRIGHT:
            continue
        y, x = item.coordinates()
        brightest = int(np.nanargmax(image[y, x]))
        px, py = int(x[brightest]), int(y[brightest])
        others = [one for k, one in enumerate(objects) if k != number]
        if any(_distance(one, px, py) < 2 * beam for one in others):
            continue
        width = fit_width(image, px, py, beam)
        if width is not None:
            found.append((float(values.max()), item.npix, width / beam))
    return found


def _distance(item: SourceObject, x: int, y: int) -> float:
    """Pixels from (x, y) to the nearest pixel of an object."""
    rows, columns = item.coordinates()
    return float(np.hypot(rows - y, columns - x).min())


def point_area(peak: float, beam: float) -> float:
    """Pixels of the mask of a point source: those above the threshold of `radiff annotate`.

    A Gaussian of FWHM `beam` (pixels) is above a threshold on ln(peak / threshold) beam areas; `peak` in rms.
    """
    threshold = AnnotateOptions().grow_snr
    return FWHM_AREA * beam**2 * math.log(max(peak / threshold, 1.1))


def made_sources(
    beam: float, growth: float = 1.0, count: int = SOURCES, size: int = 128, seed: int = 0
) -> list[tuple[list[SourceObject], list[float]]]:
    """Images of compact sources alone: the objects and the peak of each, in units of the rms.

    Parameters
    ----------
    beam : float
        FWHM, pixels.
    growth : float
        Area of the objects over that of point sources.
    count : int
        Sources in all.
    size : int
        Side of the images, pixels.
    """
    random = np.random.default_rng((seed, round(100 * beam)))
    peaks = random.permutation(np.geomspace(*PEAKS, count)).tolist()
    images: list[tuple[list[SourceObject], list[float]]] = []
    while peaks:
        objects: list[SourceObject] = []
        asked: list[float] = []
        for _ in range(400):
            if not peaks or len(objects) == MOST_IN_ONE:
                break
            pixels = max(round(growth * point_area(peaks[-1], beam)), 5)
            margin = math.sqrt(pixels / math.pi) + beam
            x, y = random.uniform(margin, size - 1 - margin, 2)
            if all(_distance(one, round(x), round(y)) > margin + APART * beam for one in objects):
                objects.append(SourceObject.from_pixels(f"S{len(objects) + 1}", COMPACT, _disc(x, y, pixels, size)))
                asked.append(peaks.pop())
        images.append((objects, asked))
    return images


def _disc(x: float, y: float, pixels: int, size: int) -> NDArray[np.bool_]:
    """(size, size): the `pixels` pixels nearest to (x, y)."""
    rows, columns = np.indices((size, size))
    order = np.argsort(((rows - y) ** 2 + (columns - x) ** 2).ravel(), kind="stable")
    disc = np.zeros(size * size, bool)
    disc[order[:pixels]] = True
    return disc.reshape(size, size)


def real_widths(samples: Samples) -> dict[str, Any]:
    """Widths of real compact sources over their beam, by beam; and how much larger their masks are than of points.

    Returns
    -------
    dict
        ``growth``: median area over `point_area` of bright compact objects, 1 where there are none; ``beams``: for each
        of `BEAMS` the spread of width over beam of the cutouts whose beam is nearest to it (in the logarithm).
    """
    growths: list[float] = []
    widths: dict[float, list[float]] = {beam: [] for beam in BEAMS}
    for image, objects, beam in zip(samples.snr, samples.objects, samples.beams, strict=True):
        if not BEAMS[0] / 1.25 < beam < BEAMS[-1] * 1.25:
            continue
        nearest = min(BEAMS, key=lambda one: abs(math.log(one / beam)))
        for peak, pixels, width in widths_of(image, objects, beam):
            growths.append(pixels / point_area(peak, beam))
            widths[nearest].append(width)
    growth = float(np.median(growths)) if growths else 1.0
    return {"growth": growth, "beams": {f"{beam:g}": spread(values) for beam, values in widths.items()}}


def beam_figures(
    samples: Samples, generate: ImageGenerator, rescale: Rescale, rms: float, seed: int = 0
) -> dict[str, Any]:
    """Generate compact sources alone, without a background, for each of `BEAMS`, and fit their widths.

    Parameters
    ----------
    samples : Samples
        Real cutouts to compare with: of all beams that there are.
    generate, rescale : callable
        The generator; what brings sources to fluxes.
    rms : float
        Noise asked for, Jy/beam.

    Returns
    -------
    dict
        ``real``: see `real_widths`; ``point``: for each beam the spread of the measured width over the beam asked for,
        of sources with masks of point sources; ``exact``: the same sources in exact mode; ``as_real``: others, with
        masks as large as real ones of that peak.
    """
    real = real_widths(samples)
    figures: dict[str, Any] = {"real": real, "bright": BRIGHT}
    for name, growth in (("point", 1.0), ("as_real", real["growth"])):
        fields = [(beam, *each) for beam in BEAMS for each in made_sources(beam, growth, seed=seed)]
        specs = [
            ImageSpec(objects_to_mask(objects, (128, 128)), seed + k, objects, Observation(rms=rms), peaks, beam=beam)
            for k, (beam, objects, peaks) in enumerate(fields)
        ]
        images = [image / rms for image in generate(specs)]
        figures[name] = _widths(fields, images)
        if name == "point":
            area = FWHM_AREA
            brought = [
                rescale(image, objects, peaks, "peak", area * beam**2)
                for (beam, objects, peaks), image in zip(fields, images, strict=True)
            ]
            figures["exact"] = _widths(fields, brought)
    return figures


def _widths(fields: Sequence[Made], images: Sequence[Image]) -> dict[str, Any]:
    """Spread of width over beam by beam; images in units of the rms."""
    widths: dict[float, list[float]] = {beam: [] for beam in BEAMS}
    for (beam, objects, _), image in zip(fields, images, strict=True):
        widths[beam] += [width for _, _, width in widths_of(image, objects, beam)]
    return {f"{beam:g}": spread(values) for beam, values in widths.items()}
