"""Generated cutouts to a collection on disk, and what of it stands there already. Knows no networks."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from radiff.data.collection import INDEX, Row, describe, read_index, write_index, write_pair
from radiff.data.spec import ImageSpec
from radiff.errors import InputError
from radiff.files import make_folder
from radiff.masks import read_annotation
from radiff.sky import Cutout, read_cutout


def write_generated(
    root: str | os.PathLike[str],
    made: Iterable[tuple[ImageSpec, Cutout]],
    sample: str = "generated",
    kept: Sequence[Row] = (),
) -> list[Row]:
    """Write generated cutouts with their masks as a collection; the index is written also where generation stops.

    What an index in `root` already lists stays listed, but for images of the same name, which are replaced.

    Parameters
    ----------
    root : path-like
    made : iterable of (ImageSpec, Cutout)
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
        for spec, cutout in made:
            columns: dict[str, Any] = {"split": spec.split, "source": spec.source, "group": spec.source}
            rows.append(write_pair(folder, sample, spec.name, cutout, spec.annotation(), **columns))
    finally:
        if rows:
            listed = {row.image: row for row in [*old, *rows]}
            write_index(folder, [listed[image] for image in sorted(listed)])
    return sorted(rows, key=lambda row: row.image)


def already_made(
    root: str | os.PathLike[str],
    specs: Sequence[ImageSpec],
    made_with: Mapping[str, Any] | None = None,
    sample: str = "generated",
) -> tuple[list[ImageSpec], list[Row]]:
    """What of `specs` is still to be made, and the rows of what stands in `root`, made of the same in the same way.

    Parameters
    ----------
    made_with : mapping, optional
        `Generator.made_with` of the options: an image made with others is made again.
    """
    root = Path(root)
    left, rows = [], []
    expected = dict(made_with or {})
    for spec in specs:
        image = Path(sample) / "imgs" / f"{spec.name}.fits"
        json_path = Path(sample) / "masks" / f"mask_{spec.name}.json"
        try:
            cutout = read_cutout(root / image)
            annotation = read_annotation(root / json_path)
            known = {name: cutout.provenance.get(name) for name in (*expected, "asked")}
            if known != {**expected, "asked": spec.digest()}:
                raise InputError("made of something else, or in another way", image)
        except InputError:
            left.append(spec)
            continue
        row = describe(cutout, annotation, (cutout.background, float(cutout.rms or 0.0)))
        row = replace(row, image=image.as_posix(), annotation=json_path.as_posix(), sample=sample)
        rows.append(replace(row, split=spec.split, source=spec.source, group=spec.source))
    return left, rows
