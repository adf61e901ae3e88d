"""How well a small network tells made images from real ones of other fields: an area under the curve. Knows no files.

It is trained on some fields and tested on the others; a made image and the real one of its mask are always on the same
side, so that nothing can be learned from the masks. 0.5: they cannot be told apart.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from radiff.errors import InputError
from radiff.estimates import Estimate
from radiff.evaluate.joint.lines import Line, missing
from radiff.evaluate.joint.stacks import Floats, Stack, away
from radiff.evaluate.measure import SCALING
from radiff.parallel import track

if TYPE_CHECKING:
    import torch
    from torch import nn

SEEDS = 3
EPOCHS = 14
BATCH = 32
RATE = 2e-3
WIDTHS = (16, 32, 48, 64)
WINDOW, FAR, EACH = 64, 12, 4
"""Side of the windows of noise, pixels from any object, and windows of an image at most."""
FEWEST_GROUPS = 4
WITHIN = 0.05

Pictures = NDArray[np.float32]


def auc(scores: NDArray[Any], truth: NDArray[Any]) -> float:
    """Chance that one of the class 1 has a higher score than one of the class 0 (Mann-Whitney); ties count half."""
    ranks = stats.rankdata(scores)
    ones = np.asarray(truth, bool)
    count, rest = int(ones.sum()), int((~ones).sum())
    if not count or not rest:
        return math.nan
    return float((ranks[ones].sum() - count * (count + 1) / 2) / (count * rest))


def split_fields(groups: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """(n,): True for the images of the half of the fields that is trained on.

    Raises
    ------
    InputError
        Where there are fewer than four fields.
    """
    names = sorted(set(groups))
    if len(names) < FEWEST_GROUPS:
        raise InputError(f"a classifier needs images of {FEWEST_GROUPS} fields or more; here are {len(names)}")
    order = np.random.default_rng((seed, 11)).permutation(len(names))
    trained = {names[k] for k in order[: (len(names) + 1) // 2]}
    return np.array([name in trained for name in groups])


def noise_windows(masks: NDArray[Any]) -> list[tuple[int, int, int]]:
    """(image, y, x) of the corners of windows of 64 pixels with no object within 12 pixels, that do not overlap."""
    free = away(masks, FAR)
    found = []
    for k, usable in enumerate(free):
        left = usable.copy()
        corners = 0
        for y in range(0, usable.shape[0] - WINDOW + 1, 8):
            for x in range(0, usable.shape[1] - WINDOW + 1, 8):
                part = np.s_[y : y + WINDOW, x : x + WINDOW]
                if corners < EACH and left[part].all():
                    left[part] = False
                    found.append((k, y, x))
                    corners += 1
    return found


def cut(stack: Stack, windows: Sequence[tuple[int, int, int]]) -> Pictures:
    """(m, 64, 64): windows of the scaled images."""
    return np.stack([SCALING.forward(stack.snr[k, y : y + WINDOW, x : x + WINDOW], 0.0, 1.0) for k, y, x in windows])


def build_network(side: int) -> "nn.Module":
    """Four convolutions that halve the image, then mean and maximum of each channel to one number."""
    import torch
    from torch import nn

    class Pool(nn.Module):
        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)

    layers: list[nn.Module] = []
    before = 1
    for k, width in enumerate(WIDTHS):
        size, stride = (5, 2 if side > WINDOW else 1) if k == 0 else (3, 2)
        layers += [nn.Conv2d(before, width, size, stride, size // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, Pool(), nn.Dropout(0.3), nn.Linear(2 * before, 1))


def train_and_score(
    pictures: Pictures, truth: NDArray[Any], trained: NDArray[np.bool_], seed: int, epochs: int = EPOCHS
) -> float:
    """Train on some of the pictures (m, side, side), and the area under the curve on the others."""
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    random = np.random.default_rng((seed, 12))
    network = build_network(pictures.shape[-1])
    images = torch.from_numpy(pictures)[:, None]
    labels = torch.from_numpy(np.asarray(truth, np.float32))
    index = np.flatnonzero(trained)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
    steps = epochs * math.ceil(len(index) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
    network.train()
    for _ in range(epochs):
        order = random.permutation(index)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            if len(part) < 2:  # a batch norm needs two
                continue
            batch = turned(images[part], int(random.integers(8)))
            loss = functional.binary_cross_entropy_with_logits(network(batch)[:, 0], labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return auc(scores_of(network, images[~trained]), np.asarray(truth)[~trained])


def scores_of(network: "nn.Module", images: "torch.Tensor") -> Floats:
    """(m,): what the network says of each image."""
    import torch

    network.eval()
    with torch.inference_mode():
        parts = [network(images[k : k + 128])[:, 0] for k in range(0, len(images), 128)]
    return np.asarray(torch.cat(parts).numpy(), float)


def turned(images: "torch.Tensor", symmetry: int) -> "torch.Tensor":
    """One of the eight symmetries of a square, for the whole batch."""
    if symmetry & 1:
        images = images.flip(-1)
    if symmetry & 2:
        images = images.flip(-2)
    return images.transpose(-1, -2) if symmetry & 4 else images


def auc_estimate(
    first: Pictures, second: Pictures, groups: tuple[Sequence[str], Sequence[str]], seeds: int = SEEDS,
    epochs: int = EPOCHS, what: str = "classifier",
) -> Estimate:  # fmt: skip
    """Mean area under the curve of `seeds` networks, each with its own split of the fields.

    Parameters
    ----------
    first, second : (m, side, side)
        Pictures of the classes 0 and 1.
    groups : two sequences of str
        Field of each picture.

    Returns
    -------
    Estimate
        Its interval is that of a mean of so few (Student's t); ``n`` the pictures of each class.
    """
    pictures = np.concatenate([first, second])
    truth = np.repeat([0, 1], [len(first), len(second)])
    names = [*groups[0], *groups[1]]
    values = [
        train_and_score(pictures, truth, split_fields(names, seed), seed, epochs)
        for seed in track(range(seeds), what, seeds)
    ]
    mean = float(np.mean(values))
    side = float(stats.t.ppf(0.975, seeds - 1) * np.std(values, ddof=1) / math.sqrt(seeds)) if seeds > 1 else math.nan
    return Estimate(mean, mean - side, mean + side, (len(first), len(second)))


def classifier_lines(
    real: Stack, made: Stack, baselines: dict[str, float] | None = None, epochs: int = EPOCHS, sources: bool = True
) -> list[Line]:
    """Area under the curve, made against real, on whole cutouts and on windows of noise.

    Parameters
    ----------
    baselines : dict, optional
        What `baseline_aucs` gave.
    sources : bool
        False for fields without sources: no whole cutouts.
    """
    told = baselines or {}
    lines = []
    for key, title in (("whole", "classifier AUC, whole cutouts"), ("noise", "classifier AUC, windows of noise")):
        if key == "whole" and not sources:
            continue
        baseline = told.get(key)
        try:
            value = _auc_of(key, real, made, epochs)
        except InputError as error:
            lines.append(missing("classifier", title, error.message))
            continue
        target = None if baseline is None else (-math.inf, baseline + WITHIN)
        note = "" if baseline is None else "real: against real images of other fields"
        lines.append(Line("classifier", title, value, baseline, target, note))
    return lines


def baseline_aucs(real: Stack, other: Stack, epochs: int = EPOCHS) -> dict[str, float]:
    """The same areas of real images against real images of other fields; left out where they are too few."""
    found = {}
    for key in ("whole", "noise"):
        with suppress(InputError):
            found[key] = _auc_of(key, real, other, epochs, paired=False).value
    return found


def _auc_of(key: str, first: Stack, second: Stack, epochs: int, paired: bool = True) -> Estimate:
    if key == "whole":
        pictures = [np.stack([SCALING.forward(i, 0.0, 1.0) for i in s.snr]) for s in (first, second)]
        return auc_estimate(pictures[0], pictures[1], (first.groups, second.groups), epochs=epochs, what="classifier")
    places = [noise_windows(first.masks)] * 2 if paired else [noise_windows(s.masks) for s in (first, second)]
    if min(map(len, places)) < 8:
        raise InputError(f"only {min(map(len, places))} windows of {WINDOW} pixels are free of objects")
    pictures = [cut(stack, windows) for stack, windows in zip((first, second), places, strict=True)]
    groups = tuple([s.groups[k] for k, _, _ in w] for s, w in zip((first, second), places, strict=True))
    return auc_estimate(pictures[0], pictures[1], groups, epochs=epochs, what="classifier of noise")  # type: ignore[arg-type]
