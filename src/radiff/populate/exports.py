"""A truth table and its objects to the files that other programs read. Measures nothing and places nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable

from radiff.files import write_json
from radiff.masks import Annotation, SourceObject, to_coco, write_annotation, write_ds9, write_yolo
from radiff.masks.measure import beam_in_pixels, image_meta, object_info
from radiff.populate.maps import Background
from radiff.sky.sdc1 import truth_sdc1, write_sdc1
from radiff.sky.truth import write_truth

FILES = ("truth.fits", "truth.ecsv", "sdc1.txt", "regions.reg", "coco.json", "yolo/map.txt", "rg/masks/mask_map.json")
MASK_FILES = 2e8
"""An rg-dataset has a mask file an object where all of them have fewer pixels than this; else the JSON holds them."""


def export(
    folder: Path, table: QTable, objects: Sequence[SourceObject], background: Background, noise: tuple[float, float]
) -> None:
    """Write the truth as tables, DS9 regions, COCO, YOLO and rg-dataset.

    Parameters
    ----------
    folder : Path
        Of the package.
    table : QTable
    objects : sequence of SourceObject
        Masks of its rows; ``Stot`` (Jy/beam) in their info.
    background : Background
    noise : (float, float)
        Level and rms of the map, Jy/beam.
    """
    shape = background.grid.shape
    for name in ("truth.fits", "truth.ecsv"):
        write_truth(folder / name, table)
    write_sdc1(folder / "sdc1.txt", truth_sdc1(table))
    write_ds9(folder / "regions.reg", objects, background.grid.wcs)
    write_json(folder / "coco.json", to_coco([("map.fits", shape, objects)]), indent=None)
    (folder / "yolo").mkdir(exist_ok=True)
    write_yolo(folder / "yolo" / "map.txt", objects, shape)
    write_rg(folder, objects, background, noise)


def write_rg(folder: Path, objects: Sequence[SourceObject], background: Background, noise: tuple[float, float]) -> None:
    """``rg/imgs/map.fits``, a link to the map, and ``rg/masks/mask_map.json``."""
    shape = background.grid.shape
    images = folder / "rg" / "imgs"
    images.mkdir(parents=True, exist_ok=True)
    if not (images / "map.fits").is_symlink():
        (images / "map.fits").symlink_to(Path("..") / ".." / "map.fits")
    with background.reader() as reader:
        corner = reader.cutout(0, 1, 0, 1)
    beam = beam_in_pixels(corner)
    described = []
    for one in objects:
        info: dict[str, Any] = object_info(one, float(one.info["Stot"]), shape, noise, beam)
        described.append(SourceObject(one.name, one.class_value, one.stamp, one.y0, one.x0, info))
    annotation = Annotation(described, shape, image_meta(corner, shape, noise))
    many = len(objects) * float(np.prod(shape)) > MASK_FILES
    write_annotation(folder / "rg" / "masks" / "mask_map.json", annotation, "../imgs/map.fits", stamps=many)
