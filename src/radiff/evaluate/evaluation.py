"""Two sets of images to everything that is said about them: metrics, curves, sheets. Knows no weights and no HTML."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from radiff.errors import InputError
from radiff.estimates import Estimate, Metric
from radiff.evaluate.measure import SetTable
from radiff.evaluate.metrics import memorisation
from radiff.evaluate.metrics.distances import (
    check_samples,
    fid_by_size,
    fid_estimate,
    kid_estimate,
    prdc_estimates,
    standardised,
)
from radiff.evaluate.metrics.pairs import measure_pairs, pair_metrics
from radiff.evaluate.metrics.physics import Baseline, physics_curves, physics_metrics
from radiff.evaluate.metrics.segmentation import segmentation_metrics
from radiff.evaluate.networks import Networks, TrainVectors, describe_set, describe_train
from radiff.evaluate.report.sheets import Sheet, closest_sheet, sample_sheet, segmentation_sheet
from radiff.evaluate.sets import ImageSet, pair_up

FORMAT = 1
DISTANCES = "distances between the sets"
SHOWN = 24
KID_TITLE = "KID, kernel distance of standardised features"
PRDC_TITLES = {
    "precision": "precision: share of synthetic images that look real",
    "recall": "recall: share of real images that the synthetic ones could be",
    "density": "density: how densely real images lie around synthetic ones",
    "coverage": "coverage: share of real images with a synthetic one near",
}


@dataclass
class Evaluation:
    """What was found.

    Attributes
    ----------
    settings : dict
        What was compared and how, JSON values.
    metrics : list of Metric
    curves : dict
        What the plots show, JSON values.
    sheets : list of Sheet
        Pictures to look at.
    seconds : dict
        Time of each part.
    failures : list of str
        Images that could not be used.
    """

    settings: dict[str, Any]
    metrics: list[Metric] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)
    sheets: list[Sheet] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The contents of report.json."""
        return {
            "format": FORMAT,
            "kind": "evaluation",
            "settings": self.settings,
            "metrics": [m.to_json() for m in self.metrics],
            "curves": self.curves,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "failures": self.failures,
        }

    def metric(self, key: str) -> Metric:
        """The metric called `key`."""
        return next(m for m in self.metrics if m.key == key)


def evaluate(
    real: ImageSet,
    made: ImageSet,
    train: ImageSet | None = None,
    networks: Networks | None = None,
    paired: bool = False,
    seed: int = 0,
    workers: int | None = None,
    cache: Path | None = None,
    sheets: bool = True,
) -> Evaluation:
    """Compare synthetic images with real ones.

    Parameters
    ----------
    real, made : ImageSet
        Real images that the generator was not trained on, and synthetic ones.
    train : ImageSet, optional
        Real images that the generator was trained on: for the baseline (real against real), and where copies are looked
        for. Without, the baseline is one half of `real` against the other.
    networks : Networks, optional
        Without its networks, no distances by features and no Segmentation Score.
    paired : bool
        The synthetic images were made from the masks of real ones: both sets are cut down to those of equal masks.
    workers : int, optional
        Processes; default all cores.
    cache : Path, optional
        Folder in which the vectors of the training set are kept.
    sheets : bool
        Also choose pictures to look at.

    Raises
    ------
    InputError
        Where a set holds no usable image, or nothing matches in a paired comparison.
    """
    networks = networks or Networks()
    clock = networks.clock
    first, real, failures = describe_set(real, networks, workers)
    second, made, failed = describe_set(made, networks, workers)
    found = Evaluation({}, failures=failures + failed)
    pairs = _pairs(first, second) if paired else None
    if pairs is not None:
        kept, partners = np.unique([p[0] for p in pairs], return_inverse=True)  # several images may have one mask
        made_kept = [p[1] for p in pairs]
        first, real = first.chosen(kept), real.chosen(kept)
        second, made = second.chosen(made_kept), made.chosen(made_kept)
        pairs = [(int(partner), k) for k, partner in enumerate(partners)]
    baseline = _real_baseline(first, len(second), train, networks, workers, seed)
    with clock.part("distances"):
        found.metrics += distance_metrics(first, second, baseline, found.curves, seed)
    found.metrics += _segmentation(first, second, seed)
    if pairs is not None:
        with clock.part("pairs"):
            table, failed_pairs = measure_pairs(real, made, pairs, workers)
            found.failures += [one.message for one in failed_pairs]
            found.metrics += pair_metrics(table, seed)
            found.curves["fluxes"] = np.round(table.fluxes[:2000], 6).tolist()
            found.curves["flux_classes"] = table.classes[:2000].tolist()
    with clock.part("noise, pixels and sources"):
        found.metrics += physics_metrics(first, second, baseline, seed)
        found.curves |= physics_curves(first, second)
    neighbours = {}
    if train is not None:
        vectors = describe_train(train, networks, workers, cache)
        with clock.part("memorisation"):
            neighbours = _memorisation(first, second, vectors, found, seed)
    if sheets:
        with clock.part("sheets"):
            found.sheets = _sheets(real, made, train, networks, neighbours, pairs, seed)
    found.settings = {
        "real": {"name": real.name, "images": len(first)},
        "synthetic": {"name": made.name, "images": len(second)},
        "train": None if train is None else {"name": train.name, "images": len(train)},
        "floor": _baseline_text(baseline, train),
        "paired": paired,
        "networks": networks.names,
        "seed": seed,
    }
    found.seconds = dict(clock.seconds)
    return found


def _pairs(first: SetTable, second: SetTable) -> list[tuple[int, int]]:
    keys = [t.mask_keys.tolist() for t in (first, second)]
    pairs = pair_up(first.names.tolist(), keys[0], second.names.tolist(), keys[1])
    left = len(second) - len(pairs)
    if left:
        warnings.warn(
            f"{left} of {len(second)} synthetic images have no real one of their mask; left out", stacklevel=3
        )
    return pairs


# ---------------------------------------------------------------- the baseline: real against real


def _real_baseline(
    real: SetTable, count: int, train: ImageSet | None, networks: Networks, workers: int | None, seed: int
) -> Baseline:
    """Two sets of real images: `real` and as many training images as there are synthetic ones; or halves of `real`."""
    if train is not None:
        sample, _, _ = describe_set(train.drawn(count, seed), networks, workers, segment=False)
        return real, sample
    if len(real) < 4:
        return None
    order = np.random.default_rng((seed, 5)).permutation(len(real))
    middle = len(real) // 2
    return real.chosen(np.sort(order[:middle])), real.chosen(np.sort(order[middle:]))


def _baseline_text(baseline: Baseline, train: ImageSet | None) -> str:
    if baseline is None:
        return "none: too few real images"
    sizes = f"{len(baseline[0])} real images against {len(baseline[1])}"
    return f"{sizes} training images" if train is not None else f"{sizes} of the same set: two random halves"


# ---------------------------------------------------------------- sections


def distance_metrics(
    real: SetTable,
    made: SetTable,
    baseline: Baseline,
    curves: dict[str, Any],
    seed: int = 0,
) -> list[Metric]:
    """FID, KID, precision, recall, density and coverage, with the baseline; FID by sample size goes into `curves`."""
    if real.features is None or made.features is None:
        return []
    lines = _fid_lines(real, made, baseline, curves, seed)
    others: list[Metric] = []
    try:
        value = kid_estimate(*standardised(real.features, made.features), seed=seed)
        least = _of_baseline(baseline, lambda a, b: kid_estimate(*standardised(a, b), seed=seed))
        others.append(Metric("kid", DISTANCES, KID_TITLE, "lower", value, least))
        shown = prdc_estimates(real.features, made.features, seed=seed)
        reached = _of_baseline(baseline, lambda a, b: prdc_estimates(a, b, seed=seed)) or {}
        for name, title in PRDC_TITLES.items():
            better = "as real" if name == "density" else "higher"
            others.append(Metric(name, DISTANCES, title, better, shown[name], reached.get(name)))
    except InputError as error:
        if not others:
            others.append(
                Metric("kid", DISTANCES, "KID, kernel distance of features", "lower", None, None, error.message)
            )
    return lines + others


def _fid_lines(real: SetTable, made: SetTable, baseline: Baseline, curves: dict[str, Any], seed: int) -> list[Metric]:
    assert real.features is not None and made.features is not None
    titles = {
        "fid": "FID, Frechet distance of features, Eq. 9",
        "fid_infinite": "FID extrapolated to infinitely many images",
    }
    try:
        check_samples(real.features, made.features)
    except InputError as error:
        return [Metric(key, DISTANCES, title, "lower", None, None, error.message) for key, title in titles.items()]
    value = fid_estimate(real.features, made.features, seed=seed)
    sizes = {"made": fid_by_size(real.features, made.features, value, seed)}
    least = _of_baseline(baseline, lambda a, b: fid_estimate(a, b, seed=seed))
    if least is not None and baseline is not None:
        sizes["real"] = fid_by_size(baseline[0].features, baseline[1].features, least, seed)  # type: ignore[arg-type]
    curves["fid_by_size"] = sizes
    limits = {k: Estimate.from_json(s["infinite"]) if "infinite" in s else None for k, s in sizes.items()}
    note = "falls with the number of images: compare only at equal numbers, or by the line below"
    return [
        Metric("fid", DISTANCES, titles["fid"], "lower", value, least, note),
        Metric("fid_infinite", DISTANCES, titles["fid_infinite"], "lower", limits["made"], limits.get("real"),
               sizes["made"].get("reason", "straight line in one over the number of images")),
    ]  # fmt: skip


def _of_baseline(baseline: Baseline, figure: Any) -> Any:
    """`figure` of the features of the baseline's two sets; None where there are none, or too few."""
    if baseline is None or baseline[0].features is None or baseline[1].features is None:
        return None
    try:
        return figure(baseline[0].features, baseline[1].features)
    except InputError:
        return None


def _segmentation(real: SetTable, made: SetTable, seed: int) -> list[Metric]:
    if real.confusions is None or made.confusions is None or real.matches is None or made.matches is None:
        return []
    if not made.objects.sum():
        note = "the synthetic images come without masks"
        return [Metric("seg_score", "segmentation", "Segmentation Score", "higher", None, None, note)]
    return segmentation_metrics((real.confusions, real.matches), (made.confusions, made.matches), seed)


def _memorisation(
    real: SetTable, made: SetTable, train: TrainVectors, found: Evaluation, seed: int
) -> dict[str, memorisation.Neighbours]:
    """Add the lines and curves on the nearest training images; the neighbours of the synthetic images."""
    near: dict[str, tuple[memorisation.Neighbours, memorisation.Neighbours]] = {}
    if train.features is not None and made.features is not None and real.features is not None:
        near["features"] = (
            memorisation.nearest_by_features(made.features, train.features),
            memorisation.nearest_by_features(real.features, train.features),
        )
    near["pixels"] = tuple(memorisation.nearest_by_pixels(t.small, train.small) for t in (made, real))  # type: ignore[assignment]
    found.curves["memorisation"] = {}
    for space, (of_made, of_real) in near.items():
        found.metrics += memorisation.memorisation_metrics(space, of_made, of_real, seed)
        top = 1e-9 + max(of_made.distance.max(), of_real.distance.max())
        edges = np.linspace(0.0, float(top), 41)
        found.curves["memorisation"][space] = {
            "edges": edges.tolist(),
            "made": np.histogram(of_made.distance, edges)[0].tolist(),
            "real": np.histogram(of_real.distance, edges)[0].tolist(),
        }
    return {space: of_made for space, (of_made, _) in near.items()}


def _sheets(
    real: ImageSet,
    made: ImageSet,
    train: ImageSet | None,
    networks: Networks,
    neighbours: dict[str, memorisation.Neighbours],
    pairs: list[tuple[int, int]] | None,
    seed: int,
) -> list[Sheet]:
    shown: list[Sheet | None] = [
        sample_sheet(real, made, pairs, SHOWN, seed),
        segmentation_sheet(made, networks, seed),
    ]
    for space, near in neighbours.items():
        assert train is not None
        shown.append(closest_sheet(space, made, train, near))
    return [sheet for sheet in shown if sheet is not None]
