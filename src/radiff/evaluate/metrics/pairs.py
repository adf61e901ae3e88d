"""Real images and synthetic ones of the same masks to SSIM, PSNR, residuals, fluxes of objects. Knows no networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.scaling import Paper, SnrAsinh
from radiff.errors import InputError
from radiff.estimates import Array, Metric, bootstrap_mean, owned_by_halves
from radiff.evaluate.metrics.physics import FLUXES, median_ratio, scatter
from radiff.evaluate.sets import ImageSet, Job, read_picture
from radiff.masks import CLASSES, objects_to_labels
from radiff.parallel import Failure, run_parallel

Image = NDArray[np.floating[Any]]
K1, K2 = 0.01, 0.03
SIGMA, TRUNCATE = 1.5, 3.5
"""Gaussian window of Wang et al. 2004: 11 x 11 pixels."""
_RADIUS = int(TRUNCATE * SIGMA + 0.5)
SCALE = SnrAsinh(softness=2.0)
PAPER = Paper()


def ssim(first: Image, second: Image, data_range: float) -> float:
    """Structural similarity of two images (ny, nx), Eq. 15 with the product in its numerator.

    Local means, variances and covariance under a Gaussian window of 1.5 pixels, averaged over the image less the 5
    pixels at its edge (Wang et al. 2004). 1 for equal images.

    Parameters
    ----------
    data_range : float
        L, the range of values that images may have.

    Raises
    ------
    InputError
        Where the shapes differ, a side is below 11 pixels, or the range is not positive.
    """
    a, b = (np.asarray(i, np.float64) for i in (first, second))
    if a.shape != b.shape or min(a.shape) < 2 * _RADIUS + 1:
        raise InputError(f"SSIM needs two images of one size, 11 pixels or more; here are {a.shape} and {b.shape}")
    if not data_range > 0:
        raise InputError(f"SSIM with a data range of {data_range:g}; it must be positive")
    mean_a, mean_b, square_a, square_b, product = (_window(i) for i in (a, b, a * a, b * b, a * b))
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    covariance = product - mean_a * mean_b
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    bottom = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    inner = np.s_[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    return float((top / bottom)[inner].mean())


def _window(image: Array) -> Array:
    return ndimage.gaussian_filter(image, SIGMA, mode="reflect", truncate=TRUNCATE)


def psnr(truth: Image, other: Image, data_range: float) -> float:
    """Peak signal-to-noise ratio, dB: 10 log10(L^2 / mean squared difference); infinite for equal images."""
    error = float(np.mean((np.asarray(truth, np.float64) - np.asarray(other, np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(data_range**2 / error))


def pair_figures(truth: Image, made: Image, inside: NDArray[np.bool_]) -> dict[str, float]:
    """Figures of one pair.

    Parameters
    ----------
    truth, made : (ny, nx)
        Units of the real image's noise rms, background taken off; NaN is taken as 0 in both.
    inside : bool (ny, nx)
        True on the mask's objects.

    Returns
    -------
    dict
        ``ssim``, ``psnr``: on asinh(snr / 2), the scale with L the range of the real image;
        ``ssim_paper``, ``psnr_paper``: on the paper's scale (z-scale, tanh, 0 to 1), L = 1; ``residual``: rms of the
        difference outside the objects, in noise rms (two independent noises give 1.41), ``residual_sources`` inside
        them over the rms of the real pixels there (NaN without objects).
    """
    usable = np.isfinite(truth) & np.isfinite(made)
    a, b = (np.where(usable, i, 0.0) for i in (truth, made))
    scaled, other = (SCALE.forward(i, 0.0, 1.0) for i in (a, b))
    paper, other_paper = (PAPER.forward(i, 0.0, 1.0) for i in (a, b))
    span = max(float(np.ptp(scaled)), 1e-6)
    difference = b - a
    within = usable & inside
    outside = usable & ~inside
    signal = float(np.sqrt(np.mean(a[within] ** 2))) if within.any() else 0.0
    return {
        "ssim": ssim(scaled, other, span),
        "psnr": psnr(scaled, other, span),
        "ssim_paper": ssim(paper, other_paper, 1.0),
        "psnr_paper": psnr(paper, other_paper, 1.0),
        "residual": float(np.sqrt(np.mean(difference[outside] ** 2))) if outside.any() else float("nan"),
        "residual_sources": float(np.sqrt(np.mean(difference[within] ** 2))) / signal if signal > 0 else float("nan"),
    }


def object_fluxes(truth: Image, made: Image, labels: NDArray[np.integer[Any]], beam_area: float) -> NDArray[np.float64]:
    """Peak and integrated flux of each object of a mask in both images.

    Parameters
    ----------
    truth, made : (ny, nx)
        Background taken off; any one unit per beam.
    labels : (ny, nx)
        0, or the number of the object from 1.
    beam_area : float
        Pixels; NaN where it is not known, and so are the integrated fluxes.

    Returns
    -------
    (objects, 4)
        Peak in `truth` and in `made`, integrated flux in `truth` and in `made`; blank pixels do not count.
    """
    count = int(labels.max(initial=0))
    numbers = np.arange(1, count + 1)
    columns = []
    for image in (truth, made):
        filled = np.where(np.isfinite(image), image, -np.inf)
        columns.append(np.asarray(ndimage.maximum(filled, labels, numbers), np.float64).reshape(count))
    for image in (truth, made):
        totals = ndimage.sum_labels(np.nan_to_num(image), labels, numbers)
        columns.append(np.asarray(totals, np.float64).reshape(count) / beam_area)
    return np.stack(columns, 1)


# ---------------------------------------------------------------- sets


SECTION = "pairs"
BRIGHT = 5.0
"""Objects whose real peak is above this many rms count for the fluxes."""
TITLES = {
    "ssim": ("SSIM, scale asinh(snr / 2)", "higher"),
    "ssim_paper": ("SSIM, the paper's scale", "higher"),
    "psnr": ("PSNR (dB), scale asinh(snr / 2)", "higher"),
    "psnr_paper": ("PSNR (dB), the paper's scale", "higher"),
    "residual": ("residual rms outside objects (noise rms; independent noises give 1.41)", "lower"),
    "residual_sources": ("residual rms on objects over rms of the real pixels there", "lower"),
}


@dataclass(frozen=True, eq=False)
class PairTable:
    """Figures of n pairs.

    Attributes
    ----------
    figures : dict of (n,)
        As of `pair_figures`.
    shuffled : dict of (n,)
        The same of each real image with the synthetic one of another mask.
    fluxes : (m, 4)
        Of all objects, as of `object_fluxes`; peaks in units of the real image's rms, integrated likewise.
    classes, image : (m,)
        Class value of each object, and the pair it is of.
    """

    figures: dict[str, NDArray[np.float64]]
    shuffled: dict[str, NDArray[np.float64]]
    fluxes: NDArray[np.float64]
    classes: NDArray[np.int64]
    image: NDArray[np.int64]


def measure_pairs(
    real: ImageSet, made: ImageSet, pairs: list[tuple[int, int]], workers: int | None = None
) -> tuple[PairTable, list[Failure]]:
    """Measure pairs (real index, synthetic index), and each real image with the synthetic one of another pair."""
    jobs, others = real.jobs(), made.jobs()
    tasks = []
    for k, (a, b) in enumerate(pairs):
        stranger = pairs[(k + len(pairs) // 2) % len(pairs)]
        tasks.append((jobs[a], others[b], others[stranger[1]] if stranger[0] != a else None))
    found = run_parallel(_measure_pair, tasks, "comparing pairs", workers)
    good = [one for one in found if not isinstance(one, Failure)]
    figures = {name: np.array([g[0][name] for g in good]) for name in TITLES}
    shuffled = {name: np.array([g[1].get(name, np.nan) for g in good]) for name in TITLES}
    table = PairTable(
        figures,
        shuffled,
        np.concatenate([g[2] for g in good]) if good else np.zeros((0, 4)),
        np.concatenate([g[3] for g in good]) if good else np.zeros(0, np.int64),
        np.repeat(np.arange(len(good)), [len(g[3]) for g in good]),
    )
    return table, [one for one in found if isinstance(one, Failure)]


def _measure_pair(task: tuple[Job, Job, Job | None]) -> tuple[Any, ...]:
    truth, made = read_picture(task[0]), read_picture(task[1])
    inside = truth.mask > 0
    image = made.snr * np.float32(made.rms / truth.rms)
    figures = pair_figures(truth.snr, image, inside)
    shuffled: dict[str, float] = {}
    if task[2] is not None:
        other = read_picture(task[2], with_mask=False)
        if other.snr.shape == truth.snr.shape:
            shuffled = pair_figures(truth.snr, other.snr * np.float32(other.rms / truth.rms), inside)
    labels = objects_to_labels(truth.objects, (inside.shape[0], inside.shape[1]))
    fluxes = object_fluxes(truth.snr, image, labels, truth.beam_area)
    fluxes = np.concatenate([fluxes, np.full((len(truth.objects) - len(fluxes), 4), np.nan)])  # wholly covered ones
    return figures, shuffled, fluxes, np.array([o.class_value for o in truth.objects], np.int64)


def pair_metrics(table: PairTable, seed: int = 0) -> list[Metric]:
    """Lines of the report; `Metric.real` is that of shuffled pairs: what images of different masks reach."""
    lines = []
    for name, (title, better) in TITLES.items():
        finite = table.shuffled[name][np.isfinite(table.shuffled[name])]
        shuffled = bootstrap_mean(finite, seed=seed) if len(finite) else None
        note = "the figure beside it: the same real images with synthetic ones of other masks"
        lines.append(
            Metric(name, SECTION, title, better, bootstrap_mean(table.figures[name], seed=seed), shuffled, note)
        )
    return lines + flux_metrics(table, seed)


def flux_metrics(table: PairTable, seed: int = 0) -> list[Metric]:
    """Fluxes of the masks' objects, synthetic over real: median and scatter, all and by class."""
    lines = []
    bright = table.fluxes[:, 0] > BRIGHT
    chosen = {"all": bright, **{k.name: bright & (table.classes == k.value) for k in CLASSES[1:]}}
    for kind, (real, made) in {"peak": (0, 1), "integrated": (2, 3)}.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.log10(table.fluxes[:, made] / table.fluxes[:, real])
        for name, kept in chosen.items():
            good = kept & np.isfinite(ratios)
            if good.sum() < 5:
                continue
            title = f"{kind} flux over that of the real object, {name}: "
            image = table.image[good]
            lines += [
                Metric(f"flux_{kind}_{name}", FLUXES, title + "median", "as real",
                       owned_by_halves(ratios[good], image, len(table.figures["ssim"]), median_ratio, seed=seed), None,
                       f"objects with a real peak above {BRIGHT:g} rms", 1.0),
                Metric(f"flux_scatter_{kind}_{name}", FLUXES, title + "scatter (dex, half of 16 to 84 %)", "lower",
                       owned_by_halves(ratios[good], image, len(table.figures["ssim"]), scatter, seed=seed)),
            ]  # fmt: skip
    return lines
