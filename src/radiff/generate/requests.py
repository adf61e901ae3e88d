"""Mask files to what is to be generated, and generated cutouts to a collection on disk. Knows no networks."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import INDEX, Collection, Row, describe, read_index, write_index, write_pair
from radiff.errors import InputError
from radiff.files import make_folder
from radiff.generate.sky import DEFAULT_RMS, Sky, peaks_image
from radiff.masks import Annotation, image_of, image_stem, mask_to_objects, objects_to_mask, read_annotation, read_mask
from radiff.masks.layout import is_fits_name
from radiff.sky import Beam, Cutout, HeaderWarning, read_cutout

SUFFIXES = (".json", ".png", ".npy")


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
    peaks : (ny, nx), optional
        Peak asked of the object at each pixel, in units of the rms.
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
    peaks: NDArray[np.float32] | None = None
    split: str = ""
    source: str = ""
    path: Path | None = None

    def objects(self) -> Annotation:
        """The annotation to be written with the image."""
        if self.annotation is not None:
            return replace(self.annotation, objects=[replace(o, info={}) for o in self.annotation.objects], meta={})
        return Annotation(mask_to_objects(self.mask), (self.mask.shape[0], self.mask.shape[1]))


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
            files = sorted(p for p in path.rglob("*") if p.is_file())
            documents = [p for p in files if p.suffix == ".json"]
            yield from ((p, "") for p in documents or files if p.suffix in SUFFIXES or is_fits_name(p))
        elif path.is_file():
            yield path, ""
        else:
            raise InputError("no such file or folder; give a mask, a folder of masks or a collection", path)


def _read(path: Path, split: str) -> Request:
    if path.suffix == ".json":
        annotation = read_annotation(path)
        image = image_of(path, annotation.meta.get("img"))
        mask = objects_to_mask(annotation.objects, annotation.shape)
        sky = Sky() if image is None else _sky_of(image)
        name = path.stem.removeprefix("mask_")
        return Request(name, mask, sky, annotation=annotation, split=split, source=path.name, path=path)
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
    peak_snr: float | None = None,
) -> list[Request]:
    """The same with seeds (`seed`, `seed` + 1, ...), `per_mask` copies of each, and what is asked of all.

    Parameters
    ----------
    sky : Sky, optional
        In place of each request's own.
    rms : float, optional
        Jy/beam, in place of that of the sky; so is `beam`.
    peak_snr : float, optional
        Peak asked of every object, in units of the rms.
    """
    changes = {name: value for name, value in (("rms", rms), ("beam", beam)) if value is not None}
    prepared: list[Request] = []
    for request in requests:
        peaks = None if peak_snr is None else peaks_image(request.mask, peak_snr)
        chosen = replace(sky or request.sky, **changes)  # type: ignore[arg-type]
        for copy in range(per_mask):
            name = f"{request.name}_s{copy}" if per_mask > 1 else request.name
            prepared.append(replace(request, name=name, seed=seed + len(prepared), sky=chosen, peaks=peaks))
    return prepared


class Arguments(TypedDict):
    """What `Generator.iterate` is given for some requests."""

    masks: list[NDArray[np.uint8]]
    seeds: list[int]
    sky: list[Sky]
    peaks: list[NDArray[np.float32] | None]


def arguments(requests: Sequence[Request]) -> Arguments:
    """What `Generator.iterate` is to be given for `requests`."""
    return {
        "masks": [request.mask for request in requests],
        "seeds": [request.seed for request in requests],
        "sky": [request.sky for request in requests],
        "peaks": [request.peaks for request in requests],
    }


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
    """The same, with names that are taken already made new by a number."""
    seen: dict[str, int] = {}
    named = []
    for request in requests:
        count = seen.get(request.name, 0)
        seen[request.name] = count + 1
        named.append(replace(request, name=f"{request.name}_{count}") if count else request)
    return named


def write_generated(
    root: str | os.PathLike[str],
    made: Iterable[tuple[Request, Cutout]],
    sample: str = "generated",
    kept: Sequence[Row] = (),
) -> list[Row]:
    """Write generated cutouts with their masks as a collection; the index is written also where generation stops.

    What an index in `root` already lists stays listed, but for images of the same name, which are replaced.

    Parameters
    ----------
    root : path-like
    made : iterable of (Request, Cutout)
        Consumed one by one: what is made is written at once.
    sample : str
        Folder under `root`.
    kept : sequence of Row
        Rows of an earlier run, of images that are not made again.

    Returns
    -------
    list of Row
        Of the images kept and made, in the order of their names.
    """
    folder = make_folder(root)
    old = read_index(folder / INDEX) if (folder / INDEX).is_file() else []
    rows = list(kept)
    try:
        for request, cutout in made:
            columns: dict[str, Any] = {"split": request.split, "source": request.source, "group": request.source}
            rows.append(write_pair(folder, sample, request.name, cutout, request.objects(), **columns))
    finally:
        if rows:
            listed = {row.image: row for row in [*old, *rows]}
            write_index(folder, [listed[image] for image in sorted(listed)])
    return sorted(rows, key=lambda row: row.image)


def already_made(
    root: str | os.PathLike[str], requests: Sequence[Request], sample: str = "generated"
) -> tuple[list[Request], list[Row]]:
    """What of `requests` is still to be made, and the rows of what stands in `root` with the same name and seed."""
    root = Path(root)
    left, rows = [], []
    for request in requests:
        image = Path(sample) / "imgs" / f"{request.name}.fits"
        json_path = Path(sample) / "masks" / f"mask_{request.name}.json"
        try:
            cutout = read_cutout(root / image)
            annotation = read_annotation(root / json_path)
            if cutout.provenance.get("seed") != request.seed:
                raise InputError("made with another seed", image)
        except InputError:
            left.append(request)
            continue
        row = describe(cutout, annotation, (cutout.background, float(cutout.rms or 0.0)))
        row = replace(row, image=image.as_posix(), annotation=json_path.as_posix(), sample=sample)
        rows.append(replace(row, split=request.split, source=request.source, group=request.source))
    return left, rows
