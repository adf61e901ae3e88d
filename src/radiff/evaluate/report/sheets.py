"""Sets of images to sheets for the eye: samples, found masks, closest training images. Measures nothing."""

from dataclasses import dataclass

import numpy as np

from radiff.evaluate.measure import SCALING
from radiff.evaluate.metrics.memorisation import Neighbours, closest
from radiff.evaluate.networks import Networks
from radiff.evaluate.sets import ImageSet, Picture
from radiff.masks.review import Panel

COLUMNS = 8
ENOUGH = 400
"""Images that are looked through for some with objects."""


@dataclass(frozen=True)
class Sheet:
    """Pictures line by line, with a title, what there is to see, and the heading they belong to (none: on top)."""

    title: str
    caption: str
    lines: list[list[Panel]]
    section: str = ""


def _panel(picture: Picture, title: str, mask: bool = False) -> Panel:
    return Panel(picture.snr, title, picture.mask if mask else None, 1.0)


def _filled(images: ImageSet, count: int, seed: int) -> list[int]:
    """Indices of `count` images, evenly spread over a random sample, those with objects first."""
    order = np.random.default_rng((seed, 11)).permutation(len(images))[:ENOUGH]
    chosen: list[int] = []
    rest: list[int] = []
    for index in order:
        if len(chosen) == count:
            break
        (chosen if images.picture(int(index)).mask.any() else rest).append(int(index))
    return sorted((chosen + rest)[:count])


def sample_sheet(
    real: ImageSet, made: ImageSet, pairs: list[tuple[int, int]] | None, count: int, seed: int = 0
) -> Sheet:
    """Real and synthetic images, line below line; of `pairs` (real, synthetic) above each other, with the mask."""
    chosen = _filled(made, min(count, len(made)), seed)
    partner = {b: a for a, b in pairs or []}
    others = [partner[k] for k in chosen] if pairs else _filled(real, min(count, len(real)), seed)
    lines: list[list[Panel]] = []
    for start in range(0, max(len(chosen), len(others)), COLUMNS):
        truth = [real.picture(k) for k in others[start : start + COLUMNS]]
        found = [made.picture(k) for k in chosen[start : start + COLUMNS]]
        lines.append([_panel(p, "real") for p in truth])
        lines.append([_panel(p, "mask asked for", mask=True) for p in found])
        if pairs:
            lines[-1] = [Panel(p.snr, "its mask", p.mask, 1.0) for p in truth]
        lines.append([_panel(p, "synthetic") for p in found])
    text = "Paired: one column is one mask." if pairs else "Not paired: the columns have nothing in common."
    return Sheet("Samples", f"{len(chosen)} synthetic and {len(others)} real images, drawn at random. {text}", lines)


def segmentation_sheet(made: ImageSet, networks: Networks, seed: int = 0, count: int = 16) -> Sheet | None:
    """Synthetic images with the mask asked for and the one that the segmenter finds."""
    pictures = [made.picture(k) for k in _filled(made, min(count, len(made)), seed + 1)]
    found = networks.segment([SCALING.forward(p.snr, 0.0, 1.0) for p in pictures])
    if found is None:
        return None
    lines = []
    for start in range(0, len(pictures), COLUMNS):
        part = slice(start, start + COLUMNS)
        lines.append([_panel(p, "asked for", mask=True) for p in pictures[part]])
        lines.append([Panel(p.snr, "found", m, 1.0) for p, m in zip(pictures[part], found[part], strict=True)])
    return Sheet(
        "Masks asked for and found", f"{len(pictures)} synthetic images, drawn at random.", lines, "segmentation"
    )


def closest_sheet(space: str, made: ImageSet, train: ImageSet, near: Neighbours, count: int = 16) -> Sheet:
    """The synthetic images nearest to a training image, each above it."""
    chosen = closest(near, count)
    lines = []
    for start in range(0, len(chosen), COLUMNS):
        part = chosen[start : start + COLUMNS]
        lines.append([Panel(made.picture(int(k)).snr, f"synthetic, {near.distance[k]:.3f}", None, 1.0) for k in part])
        lines.append([_neighbour(train, near, int(k)) for k in part])
    text = (
        f"The {len(chosen)} of {len(near.index)} synthetic images nearest to a training image by {space}, with their "
        "distance (0 equal, 1 unrelated); below each the training image, turned as it is nearest."
    )
    return Sheet(f"Closest training images by {space}", text, lines, "memorisation")


def _neighbour(train: ImageSet, near: Neighbours, index: int) -> Panel:
    """The training image as it lies on synthetic image `index`: the query was turned, so it is turned back."""
    picture = train.picture(int(near.index[index]))
    symmetry = int(near.symmetry[index])
    image = np.rot90(picture.snr, -(symmetry % 4))
    return Panel(image[:, ::-1] if symmetry >= 4 else image, "training image", None, 1.0)
