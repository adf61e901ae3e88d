"""Where the masks of synthetic images come from: real masks, files, ones made anew. Knows no generator of images.

A source gives the mask of attempt k as a function of (seed, k) and of the classes wanted, whatever was asked before:
a run that was stopped goes on with the masks that it would have had.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radiff.augment.real import SOURCES, RealImages, class_names
from radiff.data.spec import ImageSpec
from radiff.errors import InputError
from radiff.generate import read_specs
from radiff.generate.masks import MaskMaker
from radiff.masks import SourceObject
from radiff.masks.compose import compose_masks

Need = Mapping[int, float]
"""How much objects of each class are wanted; adds up to 1."""


class MaskSource(Protocol):
    """What gives masks."""

    def draw(self, attempts: Sequence[int], need: Need) -> list[ImageSpec]:
        """What `RealImages.spec` makes of the masks of these attempts (counted from 0)."""
        ...


def random_of(seed: int, attempt: int, use: int) -> np.random.Generator:
    """The random numbers of one use (mask, peaks, ...) of one attempt."""
    return np.random.default_rng((seed, use, attempt))


def other_sky(real: RealImages, index: int, random: np.random.Generator) -> int:
    """Another real image of the same kind; the same where there is no other."""
    alike = real.by_kind[real.images[index].kind]
    if len(alike) < 2:
        return index
    place = int(random.integers(len(alike) - 1))
    return alike[place] if alike[place] < index else alike[place + 1]


class RealMasks:
    """The masks of the train cutouts themselves, in a shuffled order, or chosen by the classes wanted.

    Parameters
    ----------
    real : RealImages
    classes : sequence of int
        Only cutouts that hold one of these classes.
    seed : int
    background : str
        ``other``: the background of another cutout of the same kind; ``self-masked``: their own, sources removed.
    chosen : bool
        Draw cutouts with replacement, likelier the more they hold of the classes wanted; else each once a round.
    empty : bool
        Also cutouts without objects.
    """

    def __init__(
        self,
        real: RealImages,
        classes: Sequence[int] = SOURCES,
        seed: int = 0,
        background: str = "other",
        chosen: bool = False,
        empty: bool = False,
    ) -> None:
        self.real, self.seed, self.background, self.chosen = real, seed, background, chosen
        counts = [one.row.counts for one in real.images]
        kept = [k for k, n in enumerate(counts) if any(n[c - 1] for c in classes) or (empty and not sum(n))]
        if not kept:
            raise InputError(f"no train cutout holds {class_names(classes)}", real.root)
        self.order = np.random.default_rng((seed, 1)).permutation(kept)
        self.counts = np.array([counts[k] for k in self.order], float)

    def __len__(self) -> int:
        return len(self.order)

    def draw(self, attempts: Sequence[int], need: Need) -> list[ImageSpec]:
        """See `MaskSource.draw`."""
        return [self._one(attempt, need) for attempt in attempts]

    def _one(self, attempt: int, need: Need) -> ImageSpec:
        random = random_of(self.seed, attempt, 2)
        index = int(self.order[self._place(attempt, need, random)])
        image = self.real.images[index]
        background = index if self.background == "self-masked" else other_sky(self.real, index, random)
        return self.real.spec(image.objects, index, background, image.row.image)

    def _place(self, attempt: int, need: Need, random: np.random.Generator) -> int:
        if not self.chosen:
            return attempt % len(self.order)
        totals = self.counts.sum(0)
        scale = np.array([need.get(c, 0.0) / totals[c - 1] if totals[c - 1] else 0.0 for c in SOURCES])
        weights = self.counts @ scale
        return int(random.choice(len(weights), p=weights / weights.sum()))


class DrawnMasks:
    """Masks that are made anew, each on the sky of a train cutout.

    Parameters
    ----------
    real : RealImages
    maker : Maker
        What makes them: `Composer` or `Modeller`.
    classes : sequence of int
    seed : int
    single : bool
        One class a mask; else all of `classes` together.
    """

    def __init__(
        self,
        real: RealImages,
        maker: "Maker",
        classes: Sequence[int] = SOURCES,
        seed: int = 0,
        single: bool = False,
    ) -> None:
        self.real, self.maker, self.seed, self.single = real, maker, seed, single
        there = [sum(one.row.counts[c - 1] for one in real.images) for c in classes]
        self.classes = [c for c, count in zip(classes, there, strict=True) if count]
        if not self.classes:
            raise InputError(f"the train split holds no {class_names(classes)} objects", real.root)
        self.kinds = list(real.by_kind)
        self.shares: dict[tuple[int, ...], NDArray[np.float64]] = {}

    def draw(self, attempts: Sequence[int], need: Need) -> list[ImageSpec]:
        """See `MaskSource.draw`."""
        chosen = []
        for attempt in attempts:
            random = random_of(self.seed, attempt, 2)
            classes = self._classes(need, random)
            shares = self._shares(classes)
            kind = self.kinds[int(random.choice(len(shares), p=shares / shares.sum()))]
            chosen.append((attempt, classes, kind, int(random.choice(self.real.by_kind[kind]))))
        made = self.maker.make([one[:3] for one in chosen], self.seed)
        return [
            self.real.spec(objects, sky, sky, f"{self.maker.name} {attempt}")
            for (attempt, _, _, sky), objects in zip(chosen, made, strict=True)
        ]

    def _shares(self, classes: tuple[int, ...]) -> NDArray[np.float64]:
        """How likely each kind is: as many of its cutouts hold one of these classes, so crowds are as rare as real."""
        if classes not in self.shares:
            holding = [
                sum(any(self.real.images[k].row.counts[c - 1] for c in classes) for k in self.real.by_kind[kind])
                for kind in self.kinds
            ]
            fits = [self.maker.fits(kind, classes) for kind in self.kinds]
            self.shares[classes] = np.array([float(n) * ok for n, ok in zip(holding, fits, strict=True)])
            if not self.shares[classes].any():
                text = f"no train cutout can have {self.maker.name} masks of {class_names(classes)} objects"
                raise InputError(f"{text}; see the sizes of both", self.real.root)
        return self.shares[classes]

    def _classes(self, need: Need, random: np.random.Generator) -> tuple[int, ...]:
        if not self.single:
            return tuple(self.classes)
        weights = np.array([need.get(c, 0.0) for c in self.classes])
        weights = weights if weights.sum() > 0 else np.ones(len(self.classes))
        return (self.classes[int(random.choice(len(self.classes), p=weights / weights.sum()))],)


Wish = tuple[int, tuple[int, ...], str]
"""Number of the mask in its series, classes, and the kind of real image that it is put on."""


class Maker(Protocol):
    """What makes masks."""

    name: str

    def make(self, wishes: Sequence[Wish], seed: int) -> list[list[SourceObject]]:
        """The objects of each mask."""
        ...

    def fits(self, kind: str, classes: tuple[int, ...]) -> bool:
        """Whether masks of these classes can be made for images of a kind."""
        ...


class Composer:
    """Masks of real objects of images of the same kind: turned, flipped, scaled, placed (`radiff.masks.compose`)."""

    name = "composed"

    def __init__(self, real: RealImages, per_image: tuple[int, int] | None = None) -> None:
        self.real, self.per_image = real, per_image
        self.pools: dict[str, list[SourceObject]] = {}

    def make(self, wishes: Sequence[Wish], seed: int) -> list[list[SourceObject]]:
        """See `Maker.make`."""
        return [self._one(number, classes, kind, seed) for number, classes, kind in wishes]

    def _one(self, number: int, classes: tuple[int, ...], kind: str, seed: int) -> list[SourceObject]:
        here = tuple(c for c in classes if self.fits(kind, (c,)))
        images = [self.real.images[k] for k in self.real.by_kind[kind]]
        side = min(images[0].row.ny, images[0].row.nx)
        counts = [one.row.counts for one in images]
        made = compose_masks(
            self._pool(kind), 1, size=side, classes=here, per_image=self.per_image, seed=seed, counts=counts,
            indices=[number],
        )  # fmt: skip
        return next(made).objects

    def _pool(self, kind: str) -> list[SourceObject]:
        if kind not in self.pools:
            self.pools[kind] = [one for k in self.real.by_kind[kind] for one in self.real.images[k].objects]
        return self.pools[kind]

    def fits(self, kind: str, classes: tuple[int, ...]) -> bool:
        """See `Maker.fits`."""
        return any(one.class_value in classes and not one.info["border"] for one in self._pool(kind))


class Modeller:
    """Masks of a mask model (`radiff.generate.masks`)."""

    name = "mask model"

    def __init__(self, real: RealImages, maker: MaskMaker, per_image: tuple[int, int] | None = None) -> None:
        self.real, self.maker, self.per_image = real, maker, per_image

    def make(self, wishes: Sequence[Wish], seed: int) -> list[list[SourceObject]]:
        """See `Maker.make`; masks of the same classes are made together."""
        made: dict[int, list[SourceObject]] = {}
        for classes in sorted({one[1] for one in wishes}):
            numbers = [one[0] for one in wishes if one[1] == classes]
            series = self.maker.iterate(
                0, classes=classes, per_image=self.per_image, seed=seed, indices=numbers, batch_size=len(numbers)
            )
            made |= {number: one.objects for number, one in zip(numbers, series, strict=True)}
        return [made[one[0]] for one in wishes]

    def fits(self, kind: str, classes: tuple[int, ...]) -> bool:
        """See `Maker.fits`."""
        row = self.real.images[self.real.by_kind[kind][0]].row
        return row.ny == row.nx == self.maker.size


class MaskFiles:
    """Masks from files, in turn, each on the sky of a train cutout of its size.

    Parameters
    ----------
    paths : sequence of path
        As of `radiff.generate.read_specs`.
    """

    def __init__(
        self, real: RealImages, paths: Sequence[str | os.PathLike[str]], classes: Sequence[int], seed: int = 0
    ) -> None:
        found, failures = read_specs(paths)
        if failures:
            raise failures[0]
        kept = [(one, [o for o in one.objects if o.class_value in classes]) for one in found]
        self.masks = [(one, objects) for one, objects in kept if objects]
        if not self.masks:
            raise InputError(f"no mask holds {class_names(classes)}", Path(paths[0]))
        self.real, self.seed = real, seed
        self.skies: dict[tuple[int, int], list[int]] = {}
        for spec, _ in self.masks:
            ny, nx = spec.shape
            alike = [k for k, one in enumerate(real.images) if (one.row.ny, one.row.nx) == (ny, nx)]
            if not alike:
                text = f"is of {nx} x {ny} pixels; no train cutout is, whose background it could have"
                raise InputError(text, spec.path or spec.name)
            self.skies[ny, nx] = alike

    def __len__(self) -> int:
        return len(self.masks)

    def draw(self, attempts: Sequence[int], need: Need) -> list[ImageSpec]:
        """See `MaskSource.draw`."""
        return [self._one(attempt) for attempt in attempts]

    def _one(self, attempt: int) -> ImageSpec:
        spec, objects = self.masks[attempt % len(self.masks)]
        index = int(random_of(self.seed, attempt, 2).choice(self.skies[spec.shape]))
        clean = [replace(one, info={}) for one in objects]
        return self.real.spec(clean, index, index, spec.source or spec.name)
