"""Image files to mask files: what the segmenter finds, in all formats. Knows no networks (see `masking`)."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from radiff.data.annotations import annotation_jobs, find_images
from radiff.data.collection import INDEX, Collection
from radiff.data.messages import collected_warnings
from radiff.errors import InputError
from radiff.evaluate.metrics.segmentation import confusion
from radiff.evaluate.segment.masking import MapSegmenter, Mask, objects_of
from radiff.files import make_folder, write_json
from radiff.masks import (
    Annotation,
    SourceObject,
    image_stem,
    measure_objects,
    objects_to_mask,
    to_coco,
    write_annotation,
    write_ds9,
    write_mask,
    write_yolo,
)
from radiff.masks.measure import beam_in_pixels, image_meta, object_info
from radiff.parallel import Failure
from radiff.sky import Cutout, MapReader, background_rms, read_cutout
from radiff.sky.noise import sample_rows
from radiff.sky.windows import LARGE_MAP

FORMATS = ("ds9", "png", "yolo", "coco")
"""Beside the JSON of the rg-dataset and the class mask FITS, which are always written.

YOLO labels are for the PNGs where both are asked for (rows from the top), else for the image; COCO names the image.
"""
COCO_FILE = "coco.json"
_PLACES = {"ds9": ("regions", ".reg"), "png": ("png", ".png"), "yolo": ("yolo", ".txt")}


@dataclass(frozen=True)
class SegmentJob:
    """One image, and where its masks go.

    Attributes
    ----------
    image, annotation : Path
        The image, and the JSON to be written.
    noise : (float, float), optional
        Background and rms, Jy/beam, where a collection tells.
    truth : (Collection, int), optional
        The collection and the row of its mask, where there is one.
    """

    image: Path
    annotation: Path
    noise: tuple[float, float] | None = None
    truth: tuple[Collection, int] | None = None

    def place(self, folder: str, suffix: str) -> Path:
        """A file of this image in another folder beside ``masks``."""
        return self.annotation.parent.parent / folder / (image_stem(self.image) + suffix)


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """What was found on one image.

    Attributes
    ----------
    job : SegmentJob
    counts : tuple
        Objects per class: spurious, compact, extended.
    shape : (int, int)
    objects : list of SourceObject
        Kept for COCO only.
    confusion : int64 (4, 4), optional
        Pixels of each class of the mask that there was (row) by the class found.
    warnings : list of str
    """

    job: SegmentJob
    counts: tuple[int, int, int]
    shape: tuple[int, int]
    objects: list[SourceObject]
    confusion: NDArray[np.int64] | None
    warnings: list[str]


def segment_jobs(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    split: str | None = None,
    limit: int | None = None,
    hdu: str | None = None,
    plane: int | None = None,
) -> list[SegmentJob]:
    """What is to be done for FITS files (of each the part that `hdu` and `plane` name), folders of them, collections.

    Parameters
    ----------
    split : str, optional
        Of collections, only this split.
    limit : int, optional
        At most so many images.

    Raises
    ------
    InputError
        Where an input does not exist or holds no image, or two images would get the same masks.
    """
    jobs: list[SegmentJob] = []
    plain: list[Path] = []
    for path in map(Path, inputs):
        if (path / INDEX).is_file():
            jobs += _collection_jobs(Collection.open(path), Path(output), split)
        else:
            plain.append(path)
    if plain:
        jobs += [
            SegmentJob(job.image, job.annotation) for job in annotation_jobs(find_images(plain, hdu, plane), output)
        ]
    taken: dict[Path, Path] = {}
    for job in jobs:
        other = taken.setdefault(job.annotation, job.image)
        if other != job.image:
            raise InputError(f"has the same name and folder name as {other}; segment it into another -o", job.image)
    return jobs[:limit]


def _collection_jobs(collection: Collection, output: Path, split: str | None) -> list[SegmentJob]:
    rows = collection.rows if split is None else collection.split(split).rows
    whole = Collection(collection.root, rows)
    jobs = []
    for number, row in enumerate(rows):
        target = output / row.sample / "masks" / f"mask_{image_stem(row.image)}.json"
        noise = (row.background, row.rms) if row.rms > 0 else None
        truth = (whole, number) if row.annotation else None
        jobs.append(SegmentJob(collection.root / row.image, target, noise, truth))
    return jobs


def segment_files(
    jobs: Sequence[SegmentJob],
    segmenter: MapSegmenter,
    formats: Sequence[str] = (),
    min_pixels: int = 1,
    on_rows: Callable[[int, int], None] | None = None,
) -> Iterator[SegmentResult | Failure]:
    """Segment every image and write its masks; a `Failure` for one that cannot be used.

    Parameters
    ----------
    formats : sequence of str
        Of `FORMATS`.
    min_pixels : int
        Objects of fewer pixels become background.
    on_rows : callable, optional
        Told of large maps: how many more rows are done, rows in all.

    Raises
    ------
    InputError
        For a format that is none.
    """
    check_formats(formats)
    for job in jobs:
        try:
            yield _segment_file(job, segmenter, formats, min_pixels, on_rows)
        except InputError as error:
            yield Failure(str(error))


def check_formats(formats: Sequence[str]) -> None:
    """Refuse a format that is none."""
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"{name!r} is no mask format; formats beside JSON and FITS are {', '.join(FORMATS)}")


def _segment_file(
    job: SegmentJob,
    segmenter: MapSegmenter,
    formats: Sequence[str],
    min_pixels: int,
    on_rows: Callable[[int, int], None] | None,
) -> SegmentResult:
    meta = {"classed_by": f"segmenter {segmenter.folder.name}"}
    with collected_warnings() as messages, MapReader.open(job.image) as reader:
        large = math.prod(reader.shape) > LARGE_MAP
        if large:
            whole = [name for name in formats if name in ("png", "coco")]
            if whole:
                text = f"{reader.shape[1]} x {reader.shape[0]} pixels are too many for the format {whole[0]}"
                raise InputError(f"{text}; leave it out (the JSON holds the objects), or cut the map first", job.image)
            rows = reader.shape[0]
            mask = segmenter.mask(reader, None, None if on_rows is None else lambda done: on_rows(done, rows))
            mask, objects = _without_small(mask, min_pixels)
            annotation = _measure_on_map(reader, mask, objects, meta)
            header = reader.cutout(0, 1, 0, 1).to_header()
        else:
            cutout = read_cutout(job.image)
            mask, objects = _without_small(_mask_of(cutout, job, segmenter), min_pixels)
            annotation = measure_objects(Annotation(objects, cutout.shape, meta), cutout)
            header = cutout.to_header()
        for key in ("BUNIT", "RADIFF"):
            header.remove(key, ignore_missing=True)
        _write(job, annotation, mask, header, reader.wcs, formats, stamps=large)
    table = None if job.truth is None else confusion(job.truth[0].mask(job.truth[1]), mask)
    counts = annotation.count(1), annotation.count(2), annotation.count(3)
    kept = annotation.objects if "coco" in formats else []
    return SegmentResult(job, counts, annotation.shape, kept, table, messages)


def _mask_of(cutout: Cutout, job: SegmentJob, segmenter: MapSegmenter) -> Mask:
    """The mask of an image in memory; noise figures of a large image's header say little of its parts."""
    if job.noise is not None:
        cutout = replace(cutout, background=job.noise[0], rms=job.noise[1])
    elif max(cutout.shape) > 256:
        cutout = replace(cutout, rms=None)
    return segmenter(cutout)


def _without_small(mask: Mask, min_pixels: int) -> tuple[Mask, list[SourceObject]]:
    objects = objects_of(mask, min_pixels)
    return (mask if min_pixels <= 1 else objects_to_mask(objects, mask.shape)), objects  # type: ignore[arg-type]


def _measure_on_map(reader: MapReader, mask: Mask, objects: list[SourceObject], meta: dict[str, str]) -> Annotation:
    """`measure_objects` on a map that is not in memory; its noise is that of evenly spaced bands of rows."""
    rows = sample_rows(reader.shape)
    blocks = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    image = np.concatenate([reader.read(int(b[0]), int(b[-1]) + 1, 0, reader.shape[1]) for b in blocks])
    exclude = mask[rows] > 0
    noise = background_rms(image, exclude if (np.isfinite(image) & ~exclude).any() else None)
    corner = reader.cutout(0, 1, 0, 1)
    beam = beam_in_pixels(corner)
    measured = []
    for one in objects:
        total = float(np.nansum(reader.read(*one.bbox)[one.stamp], dtype=np.float64))
        measured.append(replace(one, info=object_info(one, total, reader.shape, noise, beam)))
    return Annotation(measured, reader.shape, meta | image_meta(corner, reader.shape, noise))


def _write(
    job: SegmentJob,
    annotation: Annotation,
    mask: Mask,
    header: fits.Header,
    wcs: WCS | None,
    formats: Sequence[str],
    stamps: bool,
) -> None:
    """Write the class mask FITS, the further formats, and the JSON last."""
    label = job.place("labels", ".fits")
    make_folder(label.parent)
    write_mask(label, mask, header)
    for name in formats:
        if name not in _PLACES:
            continue
        path = job.place(*_PLACES[name])
        make_folder(path.parent)
        if name == "ds9":
            write_ds9(path, annotation.objects, wcs)
        elif name == "png":
            write_mask(path, mask)
        else:
            write_yolo(path, annotation.objects, annotation.shape, flip="png" in formats)
    folder = make_folder(job.annotation.parent)
    image = os.path.relpath(job.image.resolve(), folder.resolve())
    write_annotation(job.annotation, annotation, image, stamps=stamps or None)


def write_coco(output: str | os.PathLike[str], results: Sequence[SegmentResult]) -> Path:
    """Write one COCO document of all results; file names are relative to the folder `output`."""
    output = Path(output)
    images = [(os.path.relpath(one.job.image, output), one.shape, one.objects) for one in results]
    write_json(output / COCO_FILE, to_coco(images), indent=None)
    return output / COCO_FILE
