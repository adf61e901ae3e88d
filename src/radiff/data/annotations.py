"""Map files to annotation files, on all cores and resumable. Finds no islands itself (`radiff.masks`)."""

import functools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astropy.table import Table
from astropy.wcs import WCS

from radiff.data.messages import collected_warnings, stop_if_full
from radiff.errors import InputError
from radiff.files import make_folder
from radiff.masks.annotate import AnnotateOptions, annotate
from radiff.masks.large import WindowFinds, annotate_window, assemble, components_on_map, plan_map
from radiff.masks.layout import image_stem, is_fits_name, walk
from radiff.masks.rg import Annotation, write_annotation
from radiff.parallel import Failure, run_parallel
from radiff.sky import MapReader, read_catalog, read_cutout
from radiff.sky.address import map_file, with_part
from radiff.sky.windows import LARGE_MAP
from radiff.tiling import Tile

EXTRA_FORMATS = ("png", "ds9", "label")  # beside the rg-dataset JSON, which is always written
_WHOLE_FORMATS = ("png", "label")  # not of large maps
_IMAGE_FOLDERS = ("imgs", "images")
_OTHER_FOLDERS = ("masks", "annotations", "regions")


@dataclass(frozen=True)
class AnnotateJob:
    """One map and the annotation to be written for it."""

    image: Path
    annotation: Path


@dataclass
class AnnotateResult:
    """What was marked on one map: objects per class (spurious, compact, extended) and warnings on the way."""

    job: AnnotateJob
    counts: tuple[int, int, int]
    warnings: list[str] = field(default_factory=list)


def find_images(
    inputs: Sequence[str | os.PathLike[str]], hdu: str | None = None, plane: int | None = None
) -> list[Path]:
    """FITS images among files and folders (searched to any depth; mask files left out), sorted within a folder.

    `hdu` and `plane` name the part of each file that is meant (`radiff.sky.address`).

    Raises
    ------
    InputError
        Where an input does not exist, or a folder holds no FITS file.
    """
    found: dict[Path, None] = {}
    for path in map(Path, inputs):
        if not map_file(path).exists():
            raise InputError("no such file or folder", path)
        images = sorted(_images(path)) if path.is_dir() else [path]
        if not images:
            raise InputError("holds no FITS images (*.fits, *.fits.gz, *.fits.fz)", path)
        found.update(dict.fromkeys(with_part(image, hdu, plane) for image in images))
    return list(found)


def annotation_jobs(images: Sequence[Path], out: str | os.PathLike[str]) -> list[AnnotateJob]:
    """Where the annotation of each image goes: ``<out>/<folder of the image>/masks/mask_<image>.json``.

    Raises
    ------
    InputError
        Where two images would get the same annotation file.
    """
    jobs: dict[Path, AnnotateJob] = {}
    for image in images:
        folder = image.resolve().parent
        sample = (folder.parent if folder.name in _IMAGE_FOLDERS else folder).name or "maps"
        target = Path(out) / sample / "masks" / f"mask_{image_stem(image)}.json"
        known = jobs.setdefault(target, AnnotateJob(image, target))
        if known.image.resolve() != image.resolve():
            raise InputError(f"has the same name and folder name as {known.image}; annotate it into another -o", image)
    return list(jobs.values())


def annotate_maps(
    jobs: Sequence[AnnotateJob],
    catalog: str | os.PathLike[str] | None = None,
    options: AnnotateOptions | None = None,
    formats: Sequence[str] = (),
    workers: int | None = None,
) -> list[AnnotateResult | Failure]:
    """Annotate every map and write its files; the same files for any number of workers.

    Maps above `LARGE_MAP` pixels are worked on one after the other, the windows of each on all workers; their JSON
    holds the objects itself.

    Parameters
    ----------
    jobs : sequence of AnnotateJob
    catalog : path, optional
        Catalog of the sources in these maps, see `radiff.sky.read_catalog`.
    options : AnnotateOptions, optional
    formats : sequence of str
        Of `EXTRA_FORMATS`: colour PNG, DS9 regions, class mask FITS.
    workers : int, optional

    Returns
    -------
    list of AnnotateResult or Failure
        In the order of the jobs; a `Failure` for a map that cannot be used.

    Raises
    ------
    InputError
        Where the catalog cannot be read or the output not be written.
    """
    unknown = [one for one in formats if one not in EXTRA_FORMATS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is no mask format; formats are rg (always), {', '.join(EXTRA_FORMATS)}")
    if catalog is not None:
        _catalog(Path(catalog))
    for folder in sorted({job.annotation.parent for job in jobs}):
        make_folder(folder)
    one = functools.partial(
        annotate_map,
        catalog=None if catalog is None else Path(catalog),
        options=options or AnnotateOptions(),
        formats=tuple(formats),
    )
    large = [job for job in jobs if _is_large(job.image)]
    small = [job for job in jobs if job not in large] if large else list(jobs)
    results = dict(zip(small, run_parallel(one, small, "annotating", workers), strict=True))
    for job in large:
        results[job] = _large_or_failure(job, one.keywords, workers)
    outcome = [results[job] for job in jobs]
    stop_if_full(outcome)
    return outcome


def _is_large(image: Path) -> bool:
    if (
        map_file(image).stat().st_size < LARGE_MAP // 16
    ):  # bytes; no compression is that good, and most maps need no look
        return False
    try:
        with collected_warnings(), MapReader.open(image) as reader:
            return math.prod(reader.shape) > LARGE_MAP
    except InputError:
        return False  # said in full when the map is read


def _large_or_failure(job: AnnotateJob, settings: dict[str, Any], workers: int | None) -> AnnotateResult | Failure:
    try:
        return annotate_large_map(job, workers=workers, **settings)
    except InputError as error:
        return Failure(str(error))


def annotate_map(
    job: AnnotateJob, catalog: Path | None, options: AnnotateOptions, formats: Sequence[str]
) -> AnnotateResult:
    """Annotate one map and write its files, the JSON of the rg-dataset last."""
    with collected_warnings() as messages:
        cutout = read_cutout(job.image)
        table = None if catalog is None else _catalog(catalog)
        annotation = annotate(cutout, table, options)
        _write(job, annotation, cutout.wcs, formats)
    return AnnotateResult(job, _counts(annotation), messages)


def annotate_large_map(
    job: AnnotateJob, catalog: Path | None, options: AnnotateOptions, formats: Sequence[str], workers: int | None = None
) -> AnnotateResult:
    """Annotate one map window by window, on all workers, and write its files.

    Raises
    ------
    InputError
        Where the map cannot be used, or a format is asked for that needs it as a whole.
    """
    whole = [name for name in formats if name in _WHOLE_FORMATS]
    with collected_warnings() as messages, MapReader.open(job.image) as reader:
        if whole:
            text = f"{reader.shape[1]} x {reader.shape[0]} pixels are too many for the format {whole[0]}"
            raise InputError(f"{text}; leave it out (the JSON holds the objects), or cut the map first", job.image)
        table = components_on_map(reader, None if catalog is None else _catalog(catalog), options)
        one = functools.partial(_window_finds, job.image, catalog=table, options=options)
        outcome = run_parallel(one, plan_map(reader, options), f"annotating {job.image.name}", workers)
        finds = []
        for result in outcome:
            if isinstance(result, Failure):
                raise InputError(result.message)
            finds.append(result[0])
            messages.extend(result[1])
        annotation = assemble(reader, finds, options, catalog=table is not None)
        _write(job, annotation, reader.wcs, formats, stamps=True)
    return AnnotateResult(job, _counts(annotation), list(dict.fromkeys(messages)))


def _window_finds(
    image: Path, window: Tile, catalog: Table | None, options: AnnotateOptions
) -> tuple[WindowFinds, list[str]]:
    with collected_warnings() as messages, MapReader.open(image) as reader:
        finds = annotate_window(reader, window, catalog, options)
    return finds, messages


def _counts(annotation: Annotation) -> tuple[int, int, int]:
    return annotation.count(1), annotation.count(2), annotation.count(3)


@functools.lru_cache(maxsize=2)
def _catalog(path: Path) -> Table:
    """The catalog, read once a process."""
    return read_catalog(path)


def _write(
    job: AnnotateJob, annotation: Annotation, wcs: WCS | None, formats: Sequence[str], stamps: bool | None = None
) -> None:
    """Write the further formats, then the JSON."""
    if formats:
        _write_extra(job, annotation, wcs, formats)
    folder = job.annotation.parent
    image = os.path.relpath(job.image.resolve(), folder.resolve())
    write_annotation(job.annotation, annotation, image, stamps=stamps)


def _write_extra(job: AnnotateJob, annotation: Annotation, wcs: WCS | None, formats: Sequence[str]) -> None:
    from radiff.masks import write_ds9, write_mask

    sample, stem = job.annotation.parent.parent, image_stem(job.image)
    places = {"png": ("png", ".png"), "ds9": ("regions", ".reg"), "label": ("labels", ".fits")}
    for name in formats:
        folder, suffix = places[name]
        (sample / folder).mkdir(exist_ok=True)
        path = sample / folder / (stem + suffix)
        if name == "ds9":
            write_ds9(path, annotation.objects, wcs)
        else:
            write_mask(path, annotation.mask)


def _images(root: Path) -> Iterator[Path]:
    for folder, names in walk(root, skip=_OTHER_FOLDERS):
        yield from (folder / name for name in names if is_fits_name(name) and not name.startswith("mask_"))
