"""A collection's train split to what synthetic images start from: real objects and skies. Knows no networks."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from radiff.data.collection import Collection, Row
from radiff.data.pack import beam_pixels
from radiff.errors import InputError
from radiff.generate import BackgroundFile, BackgroundImage, ImageSpec, Observation
from radiff.masks import CLASSES, SourceObject, objects_to_mask
from radiff.masks.classes import COMPACT, EXTENDED, SPURIOUS
from radiff.parallel import Failure, run_parallel
from radiff.sky.beam import FWHM_AREA

SOURCES = (SPURIOUS, COMPACT, EXTENDED)
BEAM_STEP = 1.15
"""Beams of one kind differ by less than this factor."""


@dataclass(frozen=True, eq=False)
class RealImage:
    """One real train cutout.

    Attributes
    ----------
    row : Row
    objects : list of SourceObject
        `info` has ``peak_snr``, the peak on the cutout in units of its rms, as a denoiser is told it.
    beam : float
        FWHM, pixels; 0 where it is not known.
    kind : str
        Survey and beam: masks and skies of one kind go together.
    """

    row: Row
    objects: list[SourceObject]
    beam: float
    kind: str

    @property
    def beam_area(self) -> float:
        """Solid angle of the beam, pixels; 1 where it is not known."""
        return FWHM_AREA * self.beam**2 if self.beam > 0 else 1.0


@dataclass
class RealImages:
    """All real cutouts of the train split; nothing of another split is read.

    Attributes
    ----------
    root : Path
    images : list of RealImage
    """

    root: Path
    images: list[RealImage]
    by_kind: dict[str, list[int]] = field(init=False)
    places: dict[Path | None, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        kinds: dict[str, list[int]] = defaultdict(list)
        for index, one in enumerate(self.images):
            kinds[one.kind].append(index)
        self.places = {self.root / one.row.image: index for index, one in enumerate(self.images)}
        self.by_kind = dict(sorted(kinds.items()))

    @classmethod
    def read(
        cls, collection: Collection, samples: Sequence[str] | None = None, workers: int | None = None
    ) -> "RealImages":
        """Read the objects of the train split.

        Parameters
        ----------
        samples : sequence of str, optional
            Only cutouts of these samples.
        workers : int, optional
            Processes.

        Raises
        ------
        InputError
            Where the split is empty, a sample is not there, a file cannot be read or a cutout's noise is not known.
        """
        rows = [row for row in collection.split("train").rows if not row.synthetic]
        known = sorted({row.sample for row in rows})
        unknown = [name for name in samples or () if name not in known]
        if unknown:
            raise InputError(f"{unknown[0]!r} is no sample of the train split; there are: {', '.join(known)}")
        rows = [row for row in rows if samples is None or row.sample in samples]
        if not rows:
            raise InputError("the train split holds no real cutout", collection.root)
        outcome = run_parallel(partial(_read_objects, collection.root), rows, "reading objects", workers)
        for one in outcome:
            if isinstance(one, Failure):
                raise InputError(one.message)
        images = [
            RealImage(row, objects, beam_pixels(row), _kind(row)) for row, objects in zip(rows, outcome, strict=True)
        ]
        return cls(collection.root, images)

    def __len__(self) -> int:
        return len(self.images)

    def spec(self, objects: list[SourceObject], sky: int, background: int, source: str) -> ImageSpec:
        """Objects on the sky of image `sky`, with the background of another; `complete` reads both."""
        one, other = self.images[sky].row, self.images[background].row
        return ImageSpec(
            objects_to_mask(objects, (one.ny, one.nx)),
            objects=objects,
            beam=self.images[sky].beam,
            background=BackgroundFile(self.root / other.image, None, "other"),
            source=source,
            image=self.root / one.image,
        )

    def of(self, spec: ImageSpec) -> RealImage:
        """The image whose sky a specification has."""
        return self.images[self.places[spec.image]]

    def complete(self, spec: ImageSpec, seed: int, background: bool = True) -> ImageSpec:
        """The same with what stands in the files: noise, level, beam and WCS of its sky, and its background."""
        row, file, shown = self.of(spec).row, spec.background, None
        cutout = Collection(self.root, [row]).image(0)
        if background and isinstance(file, BackgroundFile):
            other = self.images[self.places[file.image]]
            given = cutout if file.image == spec.image else Collection(self.root, [other.row]).image(0)
            level = given.background if given.rms is not None else None
            mask = objects_to_mask(other.objects, given.shape)
            shown = BackgroundImage.of(given.image, mask, file.mode, given.rms, level, seed, file.name)
        observation = Observation.like(cutout, row.rms, row.background)
        return replace(spec, seed=seed, observation=observation, background=shown)

    def counts(self) -> dict[int, int]:
        """Objects of each class."""
        return {value: sum(row.row.counts[value - 1] for row in self.images) for value in SOURCES}

    def pool(self, kind: str, classes: Sequence[int]) -> list[SourceObject]:
        """All objects of some classes on images of a kind."""
        return [one for k in self.by_kind[kind] for one in self.images[k].objects if one.class_value in classes]


def _kind(row: Row) -> str:
    beam = beam_pixels(row)
    step = round(math.log(beam) / math.log(BEAM_STEP)) if beam > 0 else 0
    return f"{row.survey or row.sample} {row.nx} x {row.ny} {step}"


def _read_objects(root: Path, row: Row) -> list[SourceObject]:
    """The objects of a cutout, each with its peak."""
    if not row.rms > 0:
        raise InputError("its noise is not known; make the collection again with 'radiff cut'", root / row.image)
    if not row.annotation or not sum(row.counts):
        return []
    one = Collection(root, [row])
    annotation = one.annotation(0)
    image = one.image(0).image
    objects = []
    for item in annotation.objects if annotation else []:
        values = image[item.slices][item.stamp]
        values = values[np.isfinite(values)]
        peak = (float(values.max()) - row.background) / row.rms if values.size else 0.0
        edge = int(bool(item.info.get("border")) or item.touches_edge((image.shape[0], image.shape[1])))
        objects.append(replace(item, info={"peak_snr": max(peak, 0.0), "border": edge}))
    return objects


def class_names(values: Sequence[int]) -> str:
    """Names of classes, for messages."""
    return ", ".join(CLASSES[value].name for value in values)
