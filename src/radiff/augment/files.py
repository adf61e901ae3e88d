"""Synthetic pairs beside real ones: the index, links to the real cutouts, COCO. Makes no images."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from radiff.data.collection import INDEX, Collection, Row, read_index, write_index
from radiff.errors import InputError
from radiff.files import write_json
from radiff.masks import to_coco
from radiff.parallel import Failure, run_parallel

REAL = ("link", "copy", "none")
COCO_FILE = "coco_train.json"


def finish_collection(
    root: str | os.PathLike[str],
    rows: Sequence[Row],
    sample: str,
    collection: Collection | None = None,
    real: str = "link",
) -> list[Row]:
    """Write the index of `root`: the pairs `rows` of `sample`, the real cutouts, and what was there of other samples.

    Parameters
    ----------
    collection : Collection, optional
        The real cutouts, all splits; they are listed as they are.
    real : str
        ``link``: their samples' folders are linked into `root`; ``copy``: copied; ``none``: left out. Where `root` is
        the collection's own folder, nothing is to be done.

    Returns
    -------
    list of Row
        The whole index.
    """
    root = Path(root)
    old = read_index(root / INDEX) if (root / INDEX).is_file() else []
    listed = {row.image: row for row in old if row.sample != sample}
    if collection is not None and real != "none":
        if root.resolve() != collection.root.resolve():
            bring(collection, root, real, sample)
        listed |= {row.image: row for row in collection.rows if row.sample != sample}
    listed |= {row.image: row for row in rows}
    write_index(root, listed.values())
    return list(listed.values())


def check_names(collection: Collection, root: str | os.PathLike[str], mode: str, sample: str) -> None:
    """Refuse a `sample` or output folder that `finish_collection` could not use: before anything is made.

    Raises
    ------
    InputError
        Where the collection has a sample of that name, or something stands where a folder is to be linked.
    """
    root = Path(root)
    if mode == "none" or root.resolve() == collection.root.resolve():
        return
    for name in sample_folders(collection):
        source, target = (collection.root / name).resolve(), root / name
        if name == sample:
            raise InputError(f"the collection has a sample {name!r} already; choose another --sample", source)
        linked = target.is_symlink() and target.resolve() == source
        if mode == "link" and not linked and (target.exists() or target.is_symlink()):
            raise InputError(f"stands where {source} is to be linked; choose another -o, or --real none", target)


def sample_folders(collection: Collection) -> list[str]:
    """Folders of a collection's samples."""
    return sorted({Path(row.image).parts[0] for row in collection.rows})


def bring(collection: Collection, root: Path, mode: str, sample: str) -> None:
    """Link or copy the folders of a collection's samples into `root`.

    Raises
    ------
    InputError
        As `check_names`; where links cannot be made here.
    """
    check_names(collection, root, mode, sample)
    for name in sample_folders(collection):
        source, target = (collection.root / name).resolve(), root / name
        if target.is_symlink():
            continue
        if mode == "copy":
            shutil.copytree(source, target, dirs_exist_ok=True)
            continue
        try:
            target.symlink_to(source, target_is_directory=True)
        except OSError as error:
            text = f"cannot be linked to {source} ({error.strerror}); use --real copy or --real none"
            raise InputError(text, target) from error


def write_coco(root: str | os.PathLike[str], rows: Sequence[Row], workers: int | None = None) -> Path:
    """Write ``coco_train.json`` of these rows; file names are relative to `root`.

    Raises
    ------
    InputError
        Where an annotation cannot be read.
    """
    root = Path(root)
    rows = [row for row in rows if row.annotation]
    read = run_parallel(_annotation, [(root, row) for row in rows], "writing COCO", workers)
    for one in read:
        if isinstance(one, Failure):
            raise InputError(one.message)
    images = [(row.image, (row.ny, row.nx), objects) for row, objects in zip(rows, read, strict=True)]
    write_json(root / COCO_FILE, to_coco(images), indent=None)
    return root / COCO_FILE


def _annotation(job: tuple[Path, Row]) -> list[object]:
    root, row = job
    annotation = Collection(root, [row]).annotation(0)
    return [] if annotation is None else list(annotation.objects)
