"""Pairs of sets to the paired lines of the report. Knows no networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.estimates import Metric, bootstrap_mean
from radiff.evaluate.metrics.paired import object_fluxes, pair_figures
from radiff.evaluate.metrics.physics import FLUXES, by_halves, median_ratio, scatter
from radiff.evaluate.sets import ImageSet, Job, read_picture
from radiff.masks import CLASSES, objects_to_labels
from radiff.parallel import Failure, run_parallel

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
        floor = bootstrap_mean(finite, seed=seed) if len(finite) else None
        note = "the figure beside it: the same real images with synthetic ones of other masks"
        lines.append(Metric(name, SECTION, title, better, bootstrap_mean(table.figures[name], seed=seed), floor, note))
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
                       by_halves(ratios[good], image, len(table.figures["ssim"]), median_ratio, seed), None,
                       f"objects with a real peak above {BRIGHT:g} rms", 1.0),
                Metric(f"flux_scatter_{kind}_{name}", FLUXES, title + "scatter (dex, half of 16 to 84 %)", "lower",
                       by_halves(ratios[good], image, len(table.figures["ssim"]), scatter, seed)),
            ]  # fmt: skip
    return lines
