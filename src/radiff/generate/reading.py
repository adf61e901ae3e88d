"""Mask files to image specifications. Knows no networks."""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radiff.data.background import BackgroundFile, others
from radiff.data.collection import INDEX, Collection
from radiff.data.observation import DEFAULT_RMS, Observation
from radiff.data.spec import ImageSpec
from radiff.errors import InputError
from radiff.generate.edges import EDGE_SNR
from radiff.masks import (
    Annotation,
    SourceObject,
    find_pairs,
    image_of,
    image_stem,
    objects_to_mask,
    read_annotation,
    read_mask,
)
from radiff.masks.layout import find_masks, is_fits_name
from radiff.sky import Beam, Cutout, HeaderWarning, read_cutout

DRAWN_BY = ("catalog", "shape")
"""``classed_by`` of the annotations of `radiff annotate`, whose objects are islands."""


def read_specs(
    paths: Sequence[str | os.PathLike[str]], split: str | None = None, limit: int | None = None
) -> tuple[list[ImageSpec], list[InputError]]:
    """Read masks: files (.json, .fits, .png, .npy), collections, or folders of any of them.

    A mask that belongs to an image takes that image's WCS, beam, header and noise; one in a FITS file with a WCS or a
    beam takes those; the others get the defaults of `Observation`.

    Parameters
    ----------
    split : str, optional
        Of collections, only this split.
    limit : int, optional
        At most so many.

    Returns
    -------
    (specs, failures)
        What could not be read is in `failures`, with its file.

    Raises
    ------
    InputError
        Where a path does not exist, or nothing is found.
    """
    specs: list[ImageSpec] = []
    failures: list[InputError] = []
    for place in _find(paths, split):
        if limit is not None and len(specs) >= limit:
            break
        try:
            specs.append(_read(*place))
        except InputError as error:
            failures.append(error if error.path else InputError(error.message, place[0]))
    if not specs and not failures:
        raise InputError("no masks found; give .json, .fits, .png or .npy files, a folder of them, or a collection")
    return _unique(specs), failures


def _find(paths: Sequence[str | os.PathLike[str]], split: str | None) -> Iterator[tuple[Path, str]]:
    """(mask file, split) of everything that `paths` name."""
    for path in map(Path, paths):
        if path.is_dir() and (path / INDEX).is_file():
            collection = Collection.open(path)
            chosen = collection.split(split) if split else collection
            yield from ((path / row.annotation, row.split) for row in chosen.rows if row.annotation)
        elif path.is_dir():
            yield from ((found, "") for found in find_masks(path))
        elif path.is_file():
            yield path, ""
        else:
            raise InputError("no such file or folder; give a mask, a folder of masks or a collection", path)


def _read(path: Path, split: str) -> ImageSpec:
    if path.suffix.lower() == ".json":
        annotation = read_annotation(path)
        image = image_of(path, annotation.meta.get("img"))
        mask = objects_to_mask(annotation.objects, annotation.shape)
        name, objects = path.stem.removeprefix("mask_"), annotation.objects
        own = Observation() if image is None else _observation_of(image)
        spec = ImageSpec(mask, 0, objects, own, isophote=isophote(annotation), image=image)
    else:
        own = _observation_of_mask(path) if is_fits_name(path) else Observation()
        name, spec = image_stem(path).removeprefix("mask_"), ImageSpec(read_mask(path), observation=own)
    return replace(spec, name=name, split=split, source=path.name, path=path)


def empty_specs(number: int, size: int) -> list[ImageSpec]:
    """`number` images of size x size pixels without a mask, called sky00000, sky00001, ..."""
    mask = np.zeros((size, size), np.uint8)
    return [ImageSpec(mask, name=f"sky{k:05d}") for k in range(number)]


def fitting(
    specs: Sequence[ImageSpec], check: Callable[[NDArray[np.uint8]], object]
) -> tuple[list[ImageSpec], list[InputError]]:
    """The specs whose mask `check` accepts (`Generator.check_mask`), and what it says of the other files.

    Raises
    ------
    InputError
        What `check` says of a mask that comes from no file.
    """
    good, failures = [], []
    for spec in specs:
        try:
            check(spec.mask)
            good.append(spec)
        except InputError as error:
            if spec.path is None:
                raise
            failures.append(InputError(error.message, spec.path))
    return good, failures


def prepare_specs(
    specs: Sequence[ImageSpec],
    seed: int = 0,
    per_mask: int = 1,
    observation: Observation | None = None,
    rms: float | None = None,
    beam: Beam | None = None,
    peak_snr: float | tuple[float, float] | str | None = None,
    flux: float | None = None,
) -> list[ImageSpec]:
    """The same with seeds (`seed`, `seed` + 1, ...), `per_mask` copies of each, and what is asked of all.

    Parameters
    ----------
    observation : Observation, optional
        In place of each one's own.
    rms : float, optional
        Jy/beam, in place of that of the observation; so is `beam`.
    peak_snr : optional
        Peak asked of every object, in units of the rms: see `draw_peaks`.
    flux : float, optional
        Integrated flux that every object is brought to, Jy.

    Raises
    ------
    InputError
        Where the flux is not a positive number, or the rms or the beam is none.
    """
    if flux is not None and not 0 < flux < math.inf:
        raise InputError(f"a flux of {flux:g} Jy for every object; it must be a positive number")
    changes = {name: value for name, value in (("rms", rms), ("beam", beam)) if value is not None}
    prepared: list[ImageSpec] = []
    for spec in specs:
        chosen = replace(observation or spec.observation, **changes)  # type: ignore[arg-type]
        for copy in range(per_mask):
            name = f"{spec.name}_s{copy}" if per_mask > 1 else spec.name
            number = seed + len(prepared)
            peaks = None if peak_snr is None else draw_peaks(spec.objects, peak_snr, number)
            fluxes = None if flux is None else (flux,) * len(spec.objects)
            one = replace(spec, name=name, seed=number, observation=chosen)
            prepared.append(replace(one, peaks=peaks, fluxes=fluxes))
    return prepared


def draw_peaks(
    objects: Sequence[SourceObject], peak_snr: float | tuple[float, float] | str, seed: int = 0
) -> tuple[float, ...]:
    """A peak for each object, in units of the rms.

    Parameters
    ----------
    peak_snr : float, (low, high) or ``"real"``
        The same for all; drawn evenly in its logarithm; or that of the object itself (``peak_snr`` of its annotation;
        0, not asked, where it has none).
    seed : int
        Of the draw.
    """
    if isinstance(peak_snr, str):
        return tuple(float(one.info.get("peak_snr", 0.0) or 0.0) for one in objects)
    if isinstance(peak_snr, tuple):
        low, high = np.log(peak_snr)
        return tuple(np.exp(np.random.default_rng((seed, 3)).uniform(low, high, len(objects))).tolist())
    return (float(peak_snr),) * len(objects)


def add_backgrounds(
    specs: Sequence[ImageSpec], mode: str, files: Sequence[BackgroundFile] | None = None
) -> list[ImageSpec]:
    """The same with background images.

    Parameters
    ----------
    mode : str
        ``self`` and ``self-masked``: each mask's own image; ``other``: another of the specs' images, or one of
        `files`, drawn by the spec's seed.
    files : sequence of BackgroundFile, optional

    Raises
    ------
    InputError
        Where a mask has no image, with its file; or there is no other image.
    """
    if files:
        numbers = [int(np.random.default_rng((spec.seed, 7)).integers(len(files))) for spec in specs]
        drawn = [replace(files[k], seed=r.seed) for k, r in zip(numbers, specs, strict=True)]
        return [replace(spec, background=one) for spec, one in zip(specs, drawn, strict=True)]
    own = []
    for spec in specs:
        if spec.image is None:
            text = f"the mask has no image of its own for the background mode {mode!r}; use --background-from IMAGES"
            raise InputError(text, spec.path or spec.name)
        own.append(BackgroundFile(spec.image, spec.path, mode, spec.seed))
    chosen = others(own, [spec.seed for spec in specs]) if mode == "other" else own
    return [replace(spec, background=one) for spec, one in zip(specs, chosen, strict=True)]


def find_backgrounds(paths: Sequence[str | os.PathLike[str]], split: str | None = None) -> list[BackgroundFile]:
    """Background images: FITS files, folders of them, collections; sources that have an annotation are removed.

    Parameters
    ----------
    split : str, optional
        Of collections, only this split.

    Raises
    ------
    InputError
        Where a path does not exist, or nothing is found.
    """
    pairs: list[tuple[Path, Path | None]] = []
    for path in map(Path, paths):
        if path.is_dir() and (path / INDEX).is_file():
            collection = Collection.open(path)
            rows = (collection.split(split) if split else collection).rows
            pairs += [(path / row.image, path / row.annotation if row.annotation else None) for row in rows]
        else:
            pairs += find_pairs(path)
    if not pairs:
        raise InputError("no background images found; give FITS images or a collection", ", ".join(map(str, paths)))
    return [BackgroundFile(image, annotation, "other") for image, annotation in pairs]


def isophote(annotation: Annotation) -> float:
    """Isophote that an annotation's objects were drawn at, in units of the rms; 0 where it tells none.

    Annotations of `radiff annotate` say it (``edge_snr``); those written before it did were drawn at the default.
    """
    told = annotation.meta.get("edge_snr", EDGE_SNR if annotation.meta.get("classed_by") in DRAWN_BY else 0.0)
    return float(told) if isinstance(told, int | float) and 0 <= told < 100 else 0.0


def _observation_of(image: Path) -> Observation:
    cutout = _quiet_cutout(image)
    if cutout.rms is None:
        return Observation.like(cutout)
    return Observation.like(cutout, cutout.rms, cutout.background)


def _observation_of_mask(path: Path) -> Observation:
    """WCS and beam of a mask's own header, where it has them."""
    cutout = _quiet_cutout(path)
    return Observation.like(cutout, DEFAULT_RMS, 0.0)


def _quiet_cutout(path: Path) -> Cutout:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        return read_cutout(path, check=False)


def _unique(specs: list[ImageSpec]) -> list[ImageSpec]:
    """The same, with names that are taken already made new by a number.

    Names that differ by capitals alone are one file on some systems. Names that come first as they are stay.
    """
    own = {spec.name.casefold() for spec in specs}
    taken: set[str] = set()
    named = []
    for spec in specs:
        name, number = spec.name, 0
        while name.casefold() in taken or (number and name.casefold() in own):
            number += 1
            name = f"{spec.name}_{number}"
        taken.add(name.casefold())
        named.append(replace(spec, name=name) if number else spec)
    return named
