"""Mask files to what is to be generated. Knows no networks."""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import INDEX, Collection
from radiff.errors import InputError
from radiff.generate.backdrop import BackdropFile, others
from radiff.generate.edges import EDGE_SNR
from radiff.generate.sky import DEFAULT_RMS, Sky
from radiff.masks import (
    Annotation,
    SourceObject,
    find_pairs,
    image_of,
    image_stem,
    mask_to_objects,
    objects_to_mask,
    read_annotation,
    read_mask,
)
from radiff.masks.layout import find_masks, is_fits_name
from radiff.sky import Beam, Cutout, HeaderWarning, NoiseSpectrum, read_cutout

DRAWN_BY = ("catalog", "shape")
"""``classed_by`` of the annotations of `radiff annotate`, whose objects are islands."""


@dataclass(frozen=True)
class Request:
    """One image to be made.

    Attributes
    ----------
    name : str
        File stem of what is written.
    mask : uint8 (ny, nx)
        Class values.
    sky : Sky
        Rms, beam, WCS.
    seed : int
    annotation : Annotation, optional
        The mask's objects, where it came with them; else its connected parts.
    peaks : tuple of float, optional
        Peak asked of each of `sources`, in units of the rms; 0: not asked.
    fluxes : tuple of float, optional
        Integrated flux that each of `sources` is brought to, Jy.
    image : Path, optional
        The mask's own image.
    backdrop : BackdropFile, optional
        Background image.
    noise : NoiseSpectrum, optional
        Of the sky it is to be; default: its seed draws one from the bank in the box.
    split, source : str
        Carried into the index.
    path : Path, optional
        Where the mask was read, for messages.
    """

    name: str
    mask: NDArray[np.uint8]
    sky: Sky
    seed: int = 0
    annotation: Annotation | None = None
    peaks: tuple[float, ...] | None = None
    fluxes: tuple[float, ...] | None = None
    image: Path | None = None
    backdrop: BackdropFile | None = None
    noise: NoiseSpectrum | None = None
    split: str = ""
    source: str = ""
    path: Path | None = None

    @property
    def sources(self) -> list[SourceObject]:
        """The objects of the mask."""
        return mask_to_objects(self.mask) if self.annotation is None else list(self.annotation.objects)

    @property
    def edge_snr(self) -> float:
        """Isophote that the mask was drawn at, in units of the rms; 0 where its annotation tells none."""
        return 0.0 if self.annotation is None else isophote(self.annotation)

    def objects(self) -> Annotation:
        """The annotation to be written with the image; what was asked of an object stands in its ``asked_...``."""
        asked = [dict[str, Any]() for _ in self.sources]
        for key, values in (("asked_peak_snr", self.peaks), ("asked_flux_jy", self.fluxes)):
            for info, value in zip(asked, values or (), strict=False):
                if value:
                    info[key] = float(value)
        items = [replace(one, info=info) for one, info in zip(self.sources, asked, strict=True)]
        if self.annotation is not None:
            return replace(self.annotation, objects=items, meta={})
        return Annotation(items, (self.mask.shape[0], self.mask.shape[1]))


def read_requests(
    paths: Sequence[str | os.PathLike[str]], split: str | None = None, limit: int | None = None
) -> tuple[list[Request], list[InputError]]:
    """Read masks: files (.json, .fits, .png, .npy), collections, or folders of any of them.

    A mask that belongs to an image takes that image's WCS, beam, header and noise; one in a FITS file with a WCS or a
    beam takes those; the others get the defaults of `Sky`.

    Parameters
    ----------
    split : str, optional
        Of collections, only this split.
    limit : int, optional
        At most so many.

    Returns
    -------
    (requests, failures)
        What could not be read is in `failures`, with its file.

    Raises
    ------
    InputError
        Where a path does not exist, or nothing is found.
    """
    requests: list[Request] = []
    failures: list[InputError] = []
    for place in _find(paths, split):
        if limit is not None and len(requests) >= limit:
            break
        try:
            requests.append(_read(*place))
        except InputError as error:
            failures.append(error if error.path else InputError(error.message, place[0]))
    if not requests and not failures:
        raise InputError("no masks found; give .json, .fits, .png or .npy files, a folder of them, or a collection")
    return _unique(requests), failures


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


def _read(path: Path, split: str) -> Request:
    if path.suffix.lower() == ".json":
        annotation = read_annotation(path)
        image = image_of(path, annotation.meta.get("img"))
        mask = objects_to_mask(annotation.objects, annotation.shape)
        sky = Sky() if image is None else _sky_of(image)
        name = path.stem.removeprefix("mask_")
        return Request(name, mask, sky, annotation=annotation, image=image, split=split, source=path.name, path=path)
    mask = read_mask(path)
    sky = _mask_sky(path) if is_fits_name(path) else Sky()
    return Request(image_stem(path).removeprefix("mask_"), mask, sky, split=split, source=path.name, path=path)


def empty_requests(number: int, size: int) -> list[Request]:
    """`number` images of size x size pixels without a mask, called sky00000, sky00001, ..."""
    mask = np.zeros((size, size), np.uint8)
    return [Request(f"sky{k:05d}", mask, Sky()) for k in range(number)]


def fitting(
    requests: Sequence[Request], check: Callable[[NDArray[np.uint8]], object]
) -> tuple[list[Request], list[InputError]]:
    """The requests whose mask `check` accepts (`Generator.check_mask`), and what it says of the other files.

    Raises
    ------
    InputError
        What `check` says of a mask that comes from no file.
    """
    good, failures = [], []
    for request in requests:
        try:
            check(request.mask)
            good.append(request)
        except InputError as error:
            if request.path is None:
                raise
            failures.append(InputError(error.message, request.path))
    return good, failures


def prepare_requests(
    requests: Sequence[Request],
    seed: int = 0,
    per_mask: int = 1,
    sky: Sky | None = None,
    rms: float | None = None,
    beam: Beam | None = None,
    peak_snr: float | tuple[float, float] | str | None = None,
    flux: float | None = None,
) -> list[Request]:
    """The same with seeds (`seed`, `seed` + 1, ...), `per_mask` copies of each, and what is asked of all.

    Parameters
    ----------
    sky : Sky, optional
        In place of each request's own.
    rms : float, optional
        Jy/beam, in place of that of the sky; so is `beam`.
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
    prepared: list[Request] = []
    for request in requests:
        chosen = replace(sky or request.sky, **changes)  # type: ignore[arg-type]
        for copy in range(per_mask):
            name = f"{request.name}_s{copy}" if per_mask > 1 else request.name
            number = seed + len(prepared)
            peaks = None if peak_snr is None else draw_peaks(request.sources, peak_snr, number)
            fluxes = None if flux is None else (flux,) * len(request.sources)
            prepared.append(replace(request, name=name, seed=number, sky=chosen, peaks=peaks, fluxes=fluxes))
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


def add_backdrops(requests: Sequence[Request], mode: str, files: Sequence[BackdropFile] | None = None) -> list[Request]:
    """The same with background images.

    Parameters
    ----------
    mode : str
        ``self`` and ``self-masked``: each mask's own image; ``other``: another of the requests' images, or one of
        `files`, drawn by the request's seed.
    files : sequence of BackdropFile, optional

    Raises
    ------
    InputError
        Where a mask has no image, with its file; or there is no other image.
    """
    if files:
        numbers = [int(np.random.default_rng((request.seed, 7)).integers(len(files))) for request in requests]
        drawn = [replace(files[k], seed=r.seed) for k, r in zip(numbers, requests, strict=True)]
        return [replace(request, backdrop=one) for request, one in zip(requests, drawn, strict=True)]
    own = []
    for request in requests:
        if request.image is None:
            text = f"the mask has no image of its own for the background mode {mode!r}; use --background-from IMAGES"
            raise InputError(text, request.path or request.name)
        own.append(BackdropFile(request.image, request.path, mode, request.seed))
    chosen = others(own, [request.seed for request in requests]) if mode == "other" else own
    return [replace(request, backdrop=one) for request, one in zip(requests, chosen, strict=True)]


def find_backdrops(paths: Sequence[str | os.PathLike[str]], split: str | None = None) -> list[BackdropFile]:
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
    return [BackdropFile(image, annotation, "other") for image, annotation in pairs]


class Arguments(TypedDict):
    """What `Generator.iterate` is given for some requests."""

    masks: list[NDArray[np.uint8]]
    seeds: list[int]
    sky: list[Sky]
    peaks: list[tuple[float, ...] | None]
    fluxes: list[tuple[float, ...] | None]
    backdrops: list[BackdropFile | None]
    objects: list[list[SourceObject]]
    noise: list[NoiseSpectrum | None]
    edges: list[float]


def arguments(requests: Sequence[Request]) -> Arguments:
    """What `Generator.iterate` is to be given for `requests`."""
    return {
        "masks": [request.mask for request in requests],
        "seeds": [request.seed for request in requests],
        "sky": [request.sky for request in requests],
        "peaks": [request.peaks for request in requests],
        "fluxes": [request.fluxes for request in requests],
        "backdrops": [request.backdrop for request in requests],
        "objects": [request.sources for request in requests],
        "noise": [request.noise for request in requests],
        "edges": [request.edge_snr for request in requests],
    }


def isophote(annotation: Annotation) -> float:
    """Isophote that an annotation's objects were drawn at, in units of the rms; 0 where it tells none.

    Annotations of `radiff annotate` say it (``edge_snr``); those written before it did were drawn at the default.
    """
    told = annotation.meta.get("edge_snr", EDGE_SNR if annotation.meta.get("classed_by") in DRAWN_BY else 0.0)
    return float(told) if isinstance(told, int | float) and 0 <= told < 100 else 0.0


def _sky_of(image: Path) -> Sky:
    cutout = _quiet_cutout(image)
    if cutout.rms is None:
        return Sky.like(cutout)
    return Sky.like(cutout, cutout.rms, cutout.background)


def _mask_sky(path: Path) -> Sky:
    """WCS and beam of a mask's own header, where it has them."""
    cutout = _quiet_cutout(path)
    return Sky.like(cutout, DEFAULT_RMS, 0.0)


def _quiet_cutout(path: Path) -> Cutout:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        return read_cutout(path, check=False)


def _unique(requests: list[Request]) -> list[Request]:
    """The same, with names that are taken already made new by a number.

    Names that differ by capitals alone are one file on some systems. Names that come first as they are stay.
    """
    own = {request.name.casefold() for request in requests}
    taken: set[str] = set()
    named = []
    for request in requests:
        name, number = request.name, 0
        while name.casefold() in taken or (number and name.casefold() in own):
            number += 1
            name = f"{request.name}_{number}"
        taken.add(name.casefold())
        named.append(replace(request, name=name) if number else request)
    return named
