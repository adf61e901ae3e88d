"""Where an image's annotation lies: the folder conventions of the rg-dataset. Opens JSON files only to ask for `img`.

Known layouts: ``imgs/x.fits`` with ``masks/mask_x.json``, ``images/x.fits`` with ``annotations/mask_x.json``, and flat
folders with ``x.fits`` beside ``mask_x.json``; the prefix ``mask_`` may be missing.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from radiff.doors.text import read_text
from radiff.errors import InputError
from radiff.files import read_json
from radiff.sky.address import map_file, plain_name

FITS_SUFFIXES = (".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz", ".fit.fz")
_ANNOTATION_FOLDER = {"imgs": "masks", "images": "annotations"}
_ANNOTATION_FOLDERS = ("masks", "annotations")
_OTHER_FOLDERS = ("regions",)


def is_fits_name(path: str | os.PathLike[str]) -> bool:
    """Whether the file name ends like a FITS file, compressed ones included."""
    return Path(path).name.lower().endswith(FITS_SUFFIXES)


def image_stem(path: str | os.PathLike[str]) -> str:
    """File name without its FITS suffixes: ``a/b.c.fits.fz`` gives ``b.c``; other suffixes go as in Path.stem.

    A part of a file has a name of its own: ``b.fits[SCI][2]`` gives ``b_SCI_2``.
    """
    name = plain_name(path)
    for suffix in sorted(FITS_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def _candidates(image: Path) -> list[Path]:
    """Places of an annotation, the conventional one first."""
    folder = _ANNOTATION_FOLDER.get(image.parent.name)
    names = [f"mask_{image_stem(image)}.json", f"{image_stem(image)}.json"]
    if folder is None:
        return [image.parent / name for name in names]
    order = [folder, *(other for other in _ANNOTATION_FOLDERS if other != folder)]
    folders = [image.parent.parent / name for name in order]
    return [place / name for place in (*folders, image.parent) for name in names]


def annotation_path(image_path: str | os.PathLike[str]) -> Path:
    """Path of an image's annotation: the existing one of the known places, else where it belongs by convention.

    ``imgs/x.fits`` gives ``masks/mask_x.json``, ``images/x.fits`` gives ``annotations/mask_x.json``, ``x.fits`` in any
    other folder gives ``mask_x.json`` beside it.
    """
    candidates = _candidates(Path(image_path))
    return next((path for path in candidates if path.is_file()), candidates[0])


def image_of(json_path: str | os.PathLike[str], img: str | None) -> Path | None:
    """The image that an annotation's `img` names, relative to the JSON; None where no such file exists.

    Where `img` leads nowhere, a file of that name in ``imgs`` or ``images`` beside the JSON's folder, or beside the
    JSON itself, is taken.
    """
    if not img:
        return None
    folder, img = Path(json_path).parent, img.replace("\\", "/")
    name = Path(img).name
    places = [folder / img, folder.parent / "imgs" / name, folder.parent / "images" / name, folder / name]
    found = next((path for path in places if map_file(path).is_file()), None)
    return None if found is None else Path(os.path.normpath(found))


def walk(root: Path, skip: Sequence[str] = ()) -> Iterator[tuple[Path, list[str]]]:
    """Folders under `root` and the names of the files in each; leaves out what tools and systems hide, and `skip`."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith((".", "__MACOSX")) and s not in skip)
        yield Path(folder), sorted(name for name in names if not name.startswith("."))


def find_masks(root: Path) -> list[Path]:
    """The masks in a folder: annotations where there are any, else pictures, arrays and FITS files.

    Other JSON files that labelling tools leave there are left out; torn ones are among the masks, to be refused.
    """
    files = [path for folder, names in walk(root) for name in names if (path := folder / name).is_file()]
    documents = [path for path in files if path.suffix.lower() == ".json"]
    pictures = [path for path in files if path.suffix.lower() in (".png", ".npy") or is_fits_name(path)]
    kinds = {path: _is_annotation(path) for path in documents}
    torn = [path for path in documents if kinds[path] is None]
    return sorted([path for path in documents if kinds[path]] or pictures) + torn


def _is_annotation(path: Path) -> bool | None:
    """Whether a JSON file is an annotation; None where it is no JSON."""
    try:
        document = read_json(path)
    except InputError:
        return None
    return isinstance(document, dict) and "objs" in document


def _pair(image: Path) -> tuple[Path, Path | None]:
    path = annotation_path(image)
    return image, path if path.is_file() else None


def _listed(path: Path) -> list[tuple[Path, Path | None]]:
    """Pairs of a split file: one image path a line, relative to the file."""
    lines = [line.strip() for line in read_text(path).splitlines()]
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        image = path.parent / line.replace("\\", "/")
        if not map_file(image).is_file():
            raise InputError(f"line {number} names {line!r}, which does not exist", path)
        pairs.append(_pair(image))
    return pairs


def find_pairs(root: str | os.PathLike[str]) -> list[tuple[Path, Path | None]]:
    """Find the images under `root` and the annotation of each.

    Parameters
    ----------
    root : path
        A folder in any layout (searched to any depth), one image, one annotation JSON, or a split file (``.txt``).

    Returns
    -------
    list of (Path, Path or None)
        (image, JSON) sorted by image path; None where an image has no annotation. Annotations whose `img` points
        somewhere else, even outside `root`, count too. Mask FITS files are no images.

    Raises
    ------
    InputError
        Where `root` does not exist, or a split file names a missing image.
    """
    root = Path(root)
    if root.is_file():
        if root.suffix.lower() == ".txt":
            return _listed(root)
        if root.suffix.lower() == ".json":
            return _pairs_by_json([root])
        return [_pair(root)]
    if map_file(root).is_file():
        return [_pair(root)]
    if not root.is_dir():
        raise InputError("no such file or folder", root)
    pairs: list[tuple[Path, Path | None]] = []
    jsons: list[Path] = []
    for folder, names in walk(root):
        holds_images = folder.name not in (*_ANNOTATION_FOLDERS, *_OTHER_FOLDERS)
        for name in names:
            if holds_images and is_fits_name(name) and not name.startswith("mask_"):
                pairs.append(_pair(folder / name))
            elif name.lower().endswith(".json") and (name.startswith("mask_") or not holds_images):
                jsons.append(folder / name)
    known = {path for _, path in pairs}
    pairs += _pairs_by_json([path for path in jsons if path not in known])
    return sorted(pairs, key=lambda pair: str(pair[0]))


def _pairs_by_json(paths: list[Path]) -> list[tuple[Path, Path | None]]:
    """Pairs of annotations, found by their `img`; JSON files of other kinds and lost images are left out."""
    pairs: list[tuple[Path, Path | None]] = []
    for path in paths:
        document = read_json(path)
        if not isinstance(document, dict) or "objs" not in document:
            continue
        image = image_of(path, document.get("img"))
        if image is not None:
            pairs.append((image, path))
    return pairs
