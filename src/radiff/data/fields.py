"""Annotated maps to one memory-mapped pack of whole fields: images, skies, objects, noise spectra. Knows no networks.

<pack>/images.npy   (n, ny, nx) float16, in units of the field's rms, level 0; padded at the ends to the largest field
<pack>/skies.npy    (n, ny, nx) float16, the same with the sources removed
<pack>/labels.npy   (n, ny, nx) int16, number of the object that a pixel belongs to, 0 outside of all
<pack>/roots.npy    (n, 128, 128) float16, root of the noise's power spectrum (`radiff.data.noise`)
<pack>/beams.npy    (n, 2, 2) float32, covariance of the beam, pixels squared, axes (x, y); 0 where not known
<pack>/objects.npy  (k, 6) float32, one row an object: field, number, x, y, class, peak (rms)
<pack>/fields.json  one row a field; written last, so a pack with it is complete
"""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from radiff.data.collection import INDEX, SPLITS, Row, describe
from radiff.data.extract import MapJob, find_maps
from radiff.data.messages import collected_warnings
from radiff.data.noise import noise_roots
from radiff.data.pack import beam_covariance, stamp
from radiff.data.split import GivenSplits, assign_splits
from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json
from radiff.masks.rg import image_shape, read_annotation
from radiff.parallel import Failure, run_parallel
from radiff.sky import read_cutout, remove_sources

FORMAT = 1
"""Counted up when what a pack holds changes, so that an old one is made again."""
LARGEST = 4096
"""Pixels a side of the largest map that is trained on whole."""
SIDE = 128
"""Modes a side of a field's noise spectrum."""
MOST_OBJECTS = 32767
LARGEST_SNR = 6e4  # float16 ends at 65504
ARRAYS = {"images": np.float16, "skies": np.float16, "labels": np.int16, "roots": np.float16, "beams": np.float32}
OBJECT = ("field", "number", "x", "y", "class", "peak")


@dataclass(frozen=True)
class AnnotatedMaps:
    """A folder of maps with their annotations, as 'radiff annotate' writes it, and files that divide them.

    Attributes
    ----------
    root : Path
    splits : tuple of Path
        As 'radiff cut --splits' takes them; empty: by position on the sky.
    """

    root: Path
    splits: tuple[Path, ...] = ()

    @staticmethod
    def is_collection(root: str | os.PathLike[str]) -> bool:
        """Whether a folder holds cutouts with an index or split files of their own, not annotated maps."""
        return any((Path(root) / name).is_file() for name in (INDEX, *(f"{split}.txt" for split in SPLITS)))


@dataclass(frozen=True)
class FieldPack:
    """An opened pack of fields; the arrays are memory maps, see the module's docstring.

    Attributes
    ----------
    rows : list of Row
        Of each field, with its split.
    """

    folder: Path
    images: NDArray[np.float16]
    skies: NDArray[np.float16]
    labels: NDArray[np.int16]
    roots: NDArray[np.float16]
    beams: NDArray[np.float32]
    objects: NDArray[np.float32]
    rows: list[Row]
    origins: dict[str, int]

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "FieldPack":
        """Open a pack.

        Raises
        ------
        InputError
            Where there is none, or it is incomplete.
        """
        folder = Path(folder)
        if not (folder / "fields.json").is_file():
            raise InputError("holds no complete pack of fields (fields.json is missing); make it again", folder)
        info = read_json(folder / "fields.json")
        try:  # copy on write: torch takes no read-only arrays
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in ARRAYS}
            objects = np.load(folder / "objects.npy")
        except OSError as error:
            raise InputError(
                "this pack of fields is of another version; remove it, it will be made again", folder
            ) from error
        rows = [_row(values) for values in info["rows"]]
        return cls(folder, **arrays, objects=objects, rows=rows, origins=info["origins"])

    def __len__(self) -> int:
        return len(self.images)

    def of_split(self, split: str) -> NDArray[np.int64]:
        """Numbers of the fields of a split.

        Raises
        ------
        InputError
            Where there is none; the message lists the splits that there are.
        """
        chosen = np.flatnonzero([row.split == split for row in self.rows])
        if not len(chosen):
            known = sorted({row.split for row in self.rows if row.split}) or ["(none)"]
            raise InputError(f"no field is in the split {split!r}; splits here: {', '.join(known)}", self.folder)
        return chosen


def build_fields(maps: AnnotatedMaps, folder: str | os.PathLike[str], workers: int | None = None) -> FieldPack:
    """Pack every annotated map of a folder, on all cores; an up-to-date pack in `folder` is used as it is.

    The fields get their splits from the files given, else from their positions on the sky (a fifth for val).

    Raises
    ------
    InputError
        Where a map is too large, cannot be read or is in no split, or all of them do not fit into memory.
    """
    jobs, broken = find_maps([maps.root])
    if broken:
        raise InputError(broken[0])
    given = GivenSplits.read(list(maps.splits)) if maps.splits else None
    for job in jobs if given is not None else ():
        given.find(job.source)  # type: ignore[union-attr]
    pack = _packed(jobs, Path(folder), workers)
    rows = given.apply(pack.rows) if given is not None else assign_splits(pack.rows)
    return replace(pack, rows=rows)


def _packed(jobs: Sequence[MapJob], folder: Path, workers: int | None) -> FieldPack:
    key = _fingerprint(jobs)
    if (folder / "fields.json").is_file() and read_json(folder / "fields.json").get("key") == key:
        return FieldPack.open(folder)
    shapes = _or_failure(run_parallel(_shape, jobs, "looking at maps", workers))
    shape = (max(s[0] for s in shapes), max(s[1] for s in shapes))
    _check_size(jobs, shapes, shape, folder)
    make_folder(folder)
    (folder / "fields.json").unlink(missing_ok=True)
    sizes = {"roots": (SIDE, SIDE), "beams": (2, 2)}
    for name, dtype in ARRAYS.items():
        (folder / f"{name}.npy").unlink(missing_ok=True)  # a run that still reads the old pack keeps it
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (len(jobs), *sizes.get(name, shape)))
    done = _or_failure(
        run_parallel(partial(_pack_one, folder=folder), list(enumerate(jobs)), "packing fields", workers)
    )
    objects = [one for _, found, _ in done for one in found]
    np.save(folder / "objects.npy", np.array(objects, np.float32).reshape(-1, len(OBJECT)))
    rows = [{k: None if v != v else v for k, v in vars(row).items()} for row, _, _ in done]
    origins = Counter(origin for _, _, origin in done)
    write_json(folder / "fields.json", {"key": key, "shape": shape, "rows": rows, "origins": origins}, indent=None)
    return FieldPack.open(folder)


def _row(values: dict[str, Any]) -> Row:
    known: dict[str, Any] = {key: math.nan if value is None else value for key, value in values.items()}
    return Row(**known)


def _or_failure(outcome: list[Any]) -> list[Any]:
    failures = [one for one in outcome if isinstance(one, Failure)]
    if failures:
        raise InputError(failures[0].message)
    return outcome


def _fingerprint(jobs: Sequence[MapJob]) -> str:
    files = [(job.source, stamp(job.image), stamp(job.annotation)) for job in jobs]
    return hashlib.sha256(json.dumps([FORMAT, files]).encode()).hexdigest()


def _shape(job: MapJob) -> tuple[int, int]:
    with collected_warnings():
        return image_shape(job.image)


def _check_size(
    jobs: Sequence[MapJob], shapes: Sequence[tuple[int, int]], shape: tuple[int, int], folder: Path
) -> None:
    """Refuse maps, and packs, that are too large."""
    largest = jobs[int(np.argmax([max(s) for s in shapes]))].image
    if max(shape) > LARGEST:
        raise InputError(
            f"a map of {max(shape)} pixels a side; whole fields are trained on up to {LARGEST}: cut it with "
            "'radiff cut' and train on the collection, or leave it out",
            largest,
        )
    needed, free = len(jobs) * math.prod(shape) * 6, psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"{len(jobs)} fields, each as large as the largest ({shape[1]} x {shape[0]} pixels, {largest}), need "
            f"{needed / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free; cut the large maps with "
            "'radiff cut' and train on the collection",
            folder,
        )


def _pack_one(job: tuple[int, MapJob], folder: Path) -> tuple[Row, list[tuple[float, ...]], str]:
    """Write one field to its place in the arrays; its row, its objects, and where its spectrum comes from."""
    index, one = job
    with collected_warnings():
        cutout = read_cutout(one.image)
        annotation = read_annotation(one.annotation, one.image)
    if len(annotation.objects) > MOST_OBJECTS:
        raise InputError(
            f"marks {len(annotation.objects)} objects, at most {MOST_OBJECTS} a field; cut it", one.annotation
        )
    mask, labels = annotation.mask, annotation.labels
    row = replace(describe(cutout, annotation), image=one.source, source=one.source, sample=one.sample)
    if not row.rms > 0:
        raise InputError("has no noise: its rms is 0; leave this map out", one.image)
    snr = (cutout.image.astype(np.float64) - row.background) / row.rms
    sky = remove_sources(snr, mask, index)
    snr = np.where(np.isfinite(snr), snr, sky)
    roots, origin = noise_roots(cutout, mask, SIDE)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in ARRAYS}
    ny, nx = arrays["images"].shape[1:]
    ends = ((0, ny - row.ny), (0, nx - row.nx))
    for name, value in (("images", snr), ("skies", sky)):  # beyond the edge, for interpolation beside it
        arrays[name][index] = np.pad(np.clip(value, -LARGEST_SNR, LARGEST_SNR), ends, mode="edge")
    arrays["labels"][index] = np.pad(labels, ends)
    arrays["roots"][index], arrays["beams"][index] = roots, beam_covariance(row)
    return row, _objects(index, labels, [o.class_value for o in annotation.objects], snr), origin


def _objects(
    index: int, labels: NDArray[np.int32], classes: Sequence[int], snr: NDArray[np.float64]
) -> list[tuple[float, ...]]:
    """Rows of ``objects.npy``: of each object that has pixels of its own, the middle of these and their peak."""
    found: list[tuple[float, ...]] = []
    for number, value in enumerate(classes, start=1):
        y, x = np.nonzero(labels == number)
        if len(y):
            found.append((index, number, float(x.mean()), float(y.mean()), value, float(snr[y, x].max())))
    return found
