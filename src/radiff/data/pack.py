"""A collection to one memory-mapped training pack: scaled images, masks and peaks as arrays. Knows no networks.

<pack>/images.npy   (n, ny, nx) float32, scaled intensities
<pack>/masks.npy    (n, ny, nx) uint8, class values
<pack>/peaks.npy    (n, ny, nx) float16, log10(1 + peak snr) of the object that a pixel belongs to, 0 elsewhere
<pack>/skies.npy    (n, ny, nx) float16, scaled intensities with the sources removed
<pack>/beams.npy    (n, 2, 2) float32, covariance of the beam, pixels squared, axes (x, y); 0 where it is not known
<pack>/roots.npy    (n, s, s) float16, root of the noise's power spectrum (`radiff.data.noise`)
<pack>/pack.json    scaling, split, one row a cutout; written last, so a pack with it is complete
"""

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import Collection, Row
from radiff.data.noise import noise_roots, spectrum_side
from radiff.data.scaling import Paper, SnrAsinh, scaling_config
from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json
from radiff.masks import SourceObject, objects_to_mask
from radiff.parallel import Failure, run_parallel
from radiff.sky import remove_sources

ARRAYS = {
    "images": np.float32,
    "masks": np.uint8,
    "peaks": np.float16,
    "skies": np.float16,
    "beams": np.float32,
    "roots": np.float16,
}
FORMAT = 3
"""Counted up when what a pack holds changes, so that an old one is made again."""


def peak_code(peak_snr: float | NDArray[np.floating]) -> Any:
    """The number a denoiser is given for an object's peak: log10(1 + peak / rms); 0 means not asked."""
    return np.log10(1.0 + np.maximum(peak_snr, 0.0))


@dataclass(frozen=True)
class Pack:
    """An opened pack; the arrays are memory maps, see the module's docstring. Made in memory it may have no spectra."""

    folder: Path
    images: NDArray[np.float32]
    masks: NDArray[np.uint8]
    peaks: NDArray[np.float16]
    skies: NDArray[np.float16]
    beams: NDArray[np.float32]
    info: dict[str, Any]
    roots: NDArray[np.float16] | None = None

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "Pack":
        """Open a pack.

        Raises
        ------
        InputError
            Where there is none, or it is incomplete.
        """
        folder = Path(folder)
        if not (folder / "pack.json").is_file():
            raise InputError("holds no complete training pack (pack.json is missing); make it again", folder)
        info = read_json(folder / "pack.json")
        try:
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        except OSError as error:
            raise InputError(
                "this training pack is of another version; remove it, it will be made again", folder
            ) from error
        return cls(folder, **arrays, info=info)

    def __len__(self) -> int:
        return len(self.images)


def build_pack(
    collection: Collection, folder: str | os.PathLike[str], scaling: SnrAsinh | Paper, workers: int | None = None
) -> Pack:
    """Scale every cutout of `collection` and write the pack; an up-to-date pack in `folder` is used as it is.

    Raises
    ------
    InputError
        Where the cutouts have different sizes, or one cannot be read.
    """
    folder = Path(folder)
    key = _fingerprint(collection, scaling)
    if (folder / "pack.json").is_file() and read_json(folder / "pack.json").get("key") == key:
        return Pack.open(folder)
    sizes = sorted({(row.ny, row.nx) for row in collection.rows})
    if len(sizes) != 1:
        listed = ", ".join(f"{nx} x {ny}" for ny, nx in sizes[:5])
        raise InputError(f"training needs cutouts of one size, here are {listed}; run 'radiff cut'", collection.root)
    make_folder(folder)
    (folder / "pack.json").unlink(missing_ok=True)
    shape = (len(collection), *sizes[0])
    for name in ARRAYS:  # a run that still reads the old pack keeps it
        (folder / f"{name}.npy").unlink(missing_ok=True)
    side = spectrum_side(sizes[0])
    sizes_of = {"beams": (2, 2), "roots": (side, side)}
    maps = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", dtype, (len(collection), *sizes_of.get(name, sizes[0]))
        )
        for name, dtype in ARRAYS.items()
    }
    rows = run_parallel(
        partial(_pack_one, root=collection.root, folder=folder, scaling=scaling),
        list(enumerate(collection.rows)),
        "packing",
        workers,
    )
    failures = [row for row in rows if isinstance(row, Failure)]
    if failures:
        raise InputError(failures[0].message)
    for array in maps.values():
        array.flush()
    spectra = Counter(row.pop("spectrum") for row in rows)
    info = {"key": key, "scaling": scaling_config(scaling), "shape": shape, "spectra": spectra, "rows": rows}
    write_json(folder / "pack.json", info, indent=None)
    return Pack.open(folder)


def _fingerprint(collection: Collection, scaling: SnrAsinh | Paper) -> str:
    rows = [(row.image, row.rms, row.background, row.counts, row.peak) for row in collection.rows]
    files = [stamp(collection.root / name) for row in collection.rows for name in (row.image, row.annotation) if name]
    text = json.dumps([FORMAT, str(collection.root.resolve()), scaling_config(scaling), rows, files])
    return hashlib.sha256(text.encode()).hexdigest()


def stamp(file: Path) -> tuple[int, int] | None:
    """Size and time of change: a mask drawn again makes the pack out of date."""
    try:
        status = file.stat()
    except OSError:
        return None  # reading it will say what is wrong
    return status.st_size, status.st_mtime_ns


def peak_map(
    image: NDArray[np.floating], objects: list[SourceObject], rms: float, background: float
) -> NDArray[np.float16]:
    """(ny, nx): on each object's pixels `peak_code` of its brightest pixel; larger classes win overlaps."""
    codes = np.zeros(image.shape, np.float16)
    for item in sorted(objects, key=lambda o: o.class_value):
        box, codes_box = image[item.slices], codes[item.slices]
        values = box[item.stamp & np.isfinite(box)]
        if values.size:
            codes_box[item.stamp] = peak_code((float(values.max()) - background) / rms)
    return codes


def beam_pixels(row: Row) -> float:
    """Geometric mean of the beam's two widths (FWHM), in pixels; 0 where beam or pixel scale is not known."""
    return 0.0 if row.beam is None or not row.pixel_scale > 0 else row.beam.width_pixels(row.pixel_scale)


def beam_covariance(row: Row) -> NDArray[np.float32]:
    """Covariance (2, 2) of the beam, pixels squared, axes (x, y); 0 where beam or pixel scale is not known."""
    if row.beam is None or not row.pixel_scale > 0:
        return np.zeros((2, 2), np.float32)
    return row.beam.covariance(row.pixel_scale).astype(np.float32)


def _pack_one(job: tuple[int, Row], root: Path, folder: Path, scaling: SnrAsinh | Paper) -> dict[str, Any]:
    """Scale the cutout of one row and write it to its place in the arrays."""
    index, row = job
    one = Collection(root, [row])
    cutout, annotation = one.image(0), one.annotation(0)
    image = cutout.image
    objects = list(annotation.objects) if annotation is not None else []
    try:
        scaled = scaling.forward(image, row.background, row.rms)
    except InputError as error:
        raise InputError(error.message, root / row.image) from error
    mask = objects_to_mask(objects, (image.shape[0], image.shape[1]))
    roots, origin = noise_roots(cutout, mask, spectrum_side((image.shape[0], image.shape[1])))
    parts = {
        "images": scaled,
        "masks": mask,
        "peaks": peak_map(image, objects, row.rms, row.background),
        "skies": scaling.forward(remove_sources(image, mask, index), row.background, row.rms),
        "beams": beam_covariance(row),
        "roots": roots,
    }
    for name, value in parts.items():
        np.load(folder / f"{name}.npy", mmap_mode="r+")[index] = value
    about = {"image": row.image, "rms": row.rms, "background": row.background, "survey": row.survey}
    return about | {"spectrum": origin}
