"""Synthetic masks to files, and what of them stands already. Knows no networks.

<folder>/masks/mask_000000.json   the objects in the rg-dataset format, and one FITS mask for each beside it
<folder>/masks.npz                all masks as arrays (`radiff.data.mask_set.MaskSet`), with their seeds
<folder>/masks.csv                one row a mask: seed, objects, what was asked for, what was thrown away before
<folder>/labels, png, yolo, ...   other formats, where asked for

COCO and YOLO label the pictures written beside them: the rows of a PNG count from the top, those of FITS and npy from
the bottom of the sky.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from radiff.data.mask_set import MaskSet, join_masks
from radiff.errors import InputError
from radiff.files import make_folder, write_json, write_text
from radiff.masks import (
    Annotation,
    class_name,
    objects_to_labels,
    objects_to_mask,
    read_annotation,
    to_coco,
    write_annotation,
    write_mask,
    write_yolo,
)
from radiff.masks.compose import ComposedMask, compose_masks, parse_classes
from radiff.masks.measure import measure_object

FORMATS = ("fits", "png", "npy", "yolo", "coco")
RECORD = "radiff"
"""Key of an annotation under which stands how its mask was made."""
FIELDS = ("npix", "nislands", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "bbox_angle", "border")
"""Of the fields of an rg-dataset object those that need no image."""
STEM = "mask_{:06d}"


@dataclass(frozen=True, eq=False)
class Stored:
    """A mask on disk with the objects it holds and its record: index, seed, asked, rejected and the settings."""

    objects: list[Any]
    shape: tuple[int, int]
    record: dict[str, Any]


def collection_masks(
    masks: MaskSet,
    number: int,
    *,
    classes: Sequence[int | str] | None = None,
    per_image: tuple[int, int] | None = None,
    seed: int = 0,
    counts: str = "real",
    size: int | None = None,
    indices: Iterable[int] | None = None,
) -> Iterator[ComposedMask]:
    """Masks of the objects of real ones (`radiff.masks.compose.compose_masks`).

    Parameters
    ----------
    masks : MaskSet
    counts : str
        ``real`` or ``even``, as of `radiff.generate.masks.MaskMaker.iterate`.
    size : int, optional
        Side of the masks, pixels; default: that of `masks`.

    Raises
    ------
    InputError
        Where a class is not among the objects, or an argument is none.
    """
    if counts not in ("real", "even"):
        raise InputError(f"--counts {counts}: real objects are placed by numbers that are real or even")
    objects = [one for index in range(len(masks)) for one in masks.objects(index)]
    held = {one.class_value for one in objects if not one.info["border"]}
    wanted = tuple(sorted(held)) if classes is None else parse_classes(classes)
    missing = [class_name(value) for value in wanted if value not in held]
    if missing or not held:
        raise InputError(f"these masks hold no whole {' and no '.join(missing) or 'object'} to place; see --classes")
    table = masks.counts if counts == "real" else None
    side = size or min(masks.labels.shape[1:])
    return compose_masks(
        objects, number, size=side, classes=wanted, per_image=per_image, seed=seed, counts=table, indices=indices
    )


def check_formats(formats: Sequence[str]) -> None:
    """Refuse formats that are not known.

    Raises
    ------
    InputError
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"--formats {','.join(unknown)}: besides rg-dataset and npz there are {', '.join(FORMATS)}")


def mask_path(folder: str | os.PathLike[str], index: int) -> Path:
    """Annotation of mask `index`."""
    return Path(folder) / "masks" / (STEM.format(index) + ".json")


def write_one(
    folder: str | os.PathLike[str], one: ComposedMask, settings: dict[str, Any], formats: Sequence[str] = ()
) -> Stored:
    """Write a mask and its other formats; the annotation, which a resumed run looks for, comes last."""
    folder, shape = Path(folder), (one.mask.shape[0], one.mask.shape[1])
    name = STEM.format(one.index)
    for kind in formats:
        if kind == "yolo":
            write_yolo(
                make_folder_once(folder / kind) / f"{name}.txt", one.objects, shape, flip=_labelled(formats) == "png"
            )
        elif kind != "coco":
            write_mask(make_folder_once(folder / kind) / f"{name}.{kind}", one.mask)
    measured = []
    for item in one.objects:
        info = measure_object(item, 0.0, shape, (0.0, 0.0), None)
        measured.append(replace(item, info={"class": class_name(item.class_value)} | {k: info[k] for k in FIELDS}))
    record = {
        "index": one.index,
        "seed": one.seed,
        "asked": None if one.asked is None else list(one.asked),
        "rejected": one.rejected,
        "specks": one.specks,
        "settings": settings,
    }
    write_annotation(mask_path(folder, one.index), Annotation(measured, shape, {RECORD: record}), "")
    return Stored(measured, shape, record)


def make_folder_once(folder: Path) -> Path:
    """`folder`, made where it is missing."""
    return folder if folder.is_dir() else make_folder(folder)


def read_one(folder: str | os.PathLike[str], index: int) -> Stored | None:
    """The mask that an earlier run wrote; None where there is none, or it is not complete."""
    path = mask_path(folder, index)
    if not path.is_file():
        return None
    try:
        found = read_annotation(path)
    except InputError:
        return None
    record = found.meta.get(RECORD)
    if not isinstance(record, dict) or record.get("index") != index:
        return None
    return Stored(found.objects, found.shape, record)


def already_made(folder: str | os.PathLike[str], number: int, settings: dict[str, Any]) -> dict[int, Stored]:
    """The masks of an earlier run with the same settings, by index.

    Raises
    ------
    InputError
        Where masks of other settings stand in `folder`.
    """
    stored = {index: one for index in range(number) if (one := read_one(folder, index)) is not None}
    for index, one in stored.items():
        old = one.record["settings"]
        changed = sorted(k for k in {*old, *settings} if old.get(k) != settings.get(k))
        if changed:
            told = ", ".join(f"{k} ({old.get(k)} -> {settings.get(k)})" for k in changed)
            raise InputError(f"was made with other settings: {told}; choose another -o", mask_path(folder, index))
    return stored


def finish_masks(folder: str | os.PathLike[str], stored: Sequence[Stored], formats: Sequence[str] = ()) -> MaskSet:
    """Write what holds all masks together: masks.npz, masks.csv, and coco.json where asked for."""
    folder = Path(folder)
    names = [STEM.format(one.record["index"]) for one in stored]
    made = join_masks(
        [objects_to_labels(one.objects, one.shape) for one in stored],
        [[item.class_value for item in one.objects] for one in stored],
        names,
        [""] * len(stored),
    )
    seeds = np.array([one.record["seed"] for one in stored], np.int64)
    made.save(folder / "masks.npz", seeds=seeds, masks=made.masks())
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    kinds = ("spurious", "compact", "extended")
    writer.writerow(["mask", "seed", *kinds, *(f"asked_{kind}" for kind in kinds), "rejected", "specks"])
    for name, one, counts in zip(names, stored, made.counts.tolist(), strict=True):
        asked = one.record["asked"] or ["", "", ""]
        rejected = "; ".join(f"{rule} {count}" for rule, count in sorted(one.record["rejected"].items()))
        writer.writerow([f"masks/{name}.json", one.record["seed"], *counts, *asked, rejected, one.record["specks"]])
    write_text(folder / "masks.csv", stream.getvalue())
    if "coco" in formats:
        kind = _labelled(formats)
        images = ((f"{name}.{kind}", one.shape, one.objects) for name, one in zip(names, stored, strict=True))
        document = to_coco(images, flip=kind == "png")
        write_json(make_folder_once(folder / "coco") / "coco.json", document, indent=None)
    return made


def _labelled(formats: Sequence[str]) -> str:
    """Suffix of the pictures that labels are for: PNG where there are any, or where no other picture is written."""
    return next((kind for kind in ("png", "fits", "npy") if kind in formats), "png")


def rejections(stored: Sequence[Stored]) -> Counter[str]:
    """How many masks were thrown away, by the rule that they broke."""
    total: Counter[str] = Counter()
    for one in stored:
        total.update(one.record["rejected"])
    return total


def as_asked(stored: Sequence[Stored]) -> float | None:
    """Share of the masks that hold exactly as many objects of each class as were asked for; None where none was."""
    pairs = [
        (one.record["asked"], [sum(o.class_value == k for o in one.objects) for k in (1, 2, 3)])
        for one in stored
        if one.record["asked"] is not None
    ]
    return sum(asked == found for asked, found in pairs) / len(pairs) if pairs else None


def sound_mask(one: Stored) -> Any:
    """Class mask (ny, nx) of a stored mask."""
    return objects_to_mask(one.objects, one.shape)
