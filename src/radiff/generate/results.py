"""Generated cutouts to a collection on disk, and what of it stands there already. Knows no networks."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from radiff.data.collection import INDEX, Row, describe, read_index, write_index, write_pair
from radiff.errors import InputError
from radiff.files import make_folder
from radiff.generate.jobs import make_jobs
from radiff.generate.requests import Request, arguments
from radiff.masks import read_annotation
from radiff.sky import Cutout, read_cutout


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
    root: str | os.PathLike[str],
    requests: Sequence[Request],
    made_with: Mapping[str, Any] | None = None,
    sample: str = "generated",
) -> tuple[list[Request], list[Row]]:
    """What of `requests` is still to be made, and the rows of what stands in `root`, made of the same in the same way.

    Parameters
    ----------
    made_with : mapping, optional
        `Generator.made_with` of the options: an image made with others is made again.
    """
    root = Path(root)
    left, rows = [], []
    expected = dict(made_with or {})
    for request in requests:
        job = make_jobs(**arguments([request]))[0]
        image = Path(sample) / "imgs" / f"{request.name}.fits"
        json_path = Path(sample) / "masks" / f"mask_{request.name}.json"
        try:
            cutout = read_cutout(root / image)
            annotation = read_annotation(root / json_path)
            known = {name: cutout.provenance.get(name) for name in (*expected, "asked")}
            if known != {**expected, "asked": job.digest()}:
                raise InputError("made of something else, or in another way", image)
        except InputError:
            left.append(request)
            continue
        row = describe(cutout, annotation, (cutout.background, float(cutout.rms or 0.0)))
        row = replace(row, image=image.as_posix(), annotation=json_path.as_posix(), sample=sample)
        rows.append(replace(row, split=request.split, source=request.source, group=request.source))
    return left, rows
