"""Map files to annotation files, on all cores and resumable. Finds no islands itself (`radiff.masks`)."""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from radiff.data.messages import collected_warnings, stop_if_full
from radiff.errors import InputError
from radiff.files import make_folder
from radiff.masks.annotate import AnnotateOptions, annotate
from radiff.masks.layout import image_stem, is_fits_name
from radiff.masks.rg import Annotation, write_annotation
from radiff.parallel import Failure, run_parallel
from radiff.sky import Cutout, read_catalog, read_cutout

EXTRA_FORMATS = ("png", "ds9", "label")  # beside the rg-dataset JSON, which is always written
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


def find_images(inputs: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """FITS images among files and folders (searched to any depth; mask files left out), sorted within a folder.

    Raises
    ------
    InputError
        Where an input does not exist, or a folder holds no FITS file.
    """
    found: dict[Path, None] = {}
    for path in map(Path, inputs):
        if not path.exists():
            raise InputError("no such file or folder", path)
        images = sorted(_walk(path)) if path.is_dir() else [path]
        if not images:
            raise InputError("holds no FITS images (*.fits, *.fits.gz, *.fits.fz)", path)
        found.update(dict.fromkeys(images))
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
    outcome = run_parallel(one, jobs, "annotating", workers)
    stop_if_full(outcome)
    return outcome


def annotate_map(
    job: AnnotateJob, catalog: Path | None, options: AnnotateOptions, formats: Sequence[str]
) -> AnnotateResult:
    """Annotate one map and write its files, the JSON of the rg-dataset last."""
    with collected_warnings() as messages:
        cutout = read_cutout(job.image)
        table = None if catalog is None else _catalog(catalog)
        annotation = annotate(cutout, table, options)
        _write_extra(job, annotation, cutout, formats)
        folder = job.annotation.parent
        write_annotation(job.annotation, annotation, os.path.relpath(job.image.resolve(), folder.resolve()))
    counts = (annotation.count(1), annotation.count(2), annotation.count(3))
    return AnnotateResult(job, counts, messages)


@functools.lru_cache(maxsize=2)
def _catalog(path: Path):  # type: ignore[no-untyped-def]  # an astropy Table, read once a process
    return read_catalog(path)


def _write_extra(job: AnnotateJob, annotation: Annotation, cutout: Cutout, formats: Sequence[str]) -> None:
    if not formats:
        return
    from radiff.masks import write_ds9, write_mask

    sample, stem = job.annotation.parent.parent, image_stem(job.image)
    places = {"png": ("png", ".png"), "ds9": ("regions", ".reg"), "label": ("labels", ".fits")}
    for name in formats:
        folder, suffix = places[name]
        (sample / folder).mkdir(exist_ok=True)
        path = sample / folder / (stem + suffix)
        if name == "ds9":
            write_ds9(path, annotation.objects, cutout.wcs)
        else:
            write_mask(path, annotation.mask)


def _walk(root: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name not in _OTHER_FOLDERS]
        for name in names:
            if is_fits_name(name) and not name.startswith((".", "mask_")):
                yield Path(folder) / name
