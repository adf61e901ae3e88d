"""Cutouts and their masks on disk, in the rg-dataset layout with an index. Knows no network and no training.

<root>/index.csv                            one row a cutout, see `Row`
<root>/train.txt, <root>/val.txt            one relative image path a line
<root>/<sample>/imgs/<name>.fits            float32, Jy/beam, with WCS and beam
<root>/<sample>/masks/mask_<name>.json      the objects, and one FITS mask for each beside it
"""

import csv
import dataclasses
import io
import math
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.messages import collected_warnings
from radiff.doors.tables import read_csv
from radiff.doors.text import read_text
from radiff.errors import InputError
from radiff.files import make_folder, write_text
from radiff.masks.instances import objects_to_mask
from radiff.masks.layout import find_pairs
from radiff.masks.measure import measure_objects
from radiff.masks.rg import Annotation, read_annotation, write_annotation
from radiff.parallel import Failure, run_parallel
from radiff.sky import Beam, Cutout, HeaderWarning, background_rms, read_cutout, write_cutout

INDEX = "index.csv"
SPLITS = ("train", "val")
CLASS_COLUMNS = ("n_spurious", "n_compact", "n_extended")


@dataclass(frozen=True)
class Row:
    """One cutout of a collection; numbers that are not known are NaN.

    Attributes
    ----------
    image, annotation : str
        Paths from the collection's root; `annotation` is empty where there is none.
    sample : str
        Folder of the cutout, a set of images of one origin.
    split : str
        ``train``, ``val``, ``unused`` (shares sky with both) or empty.
    group : str
        Cutouts of one patch of sky have one group; a split never divides it.
    telescope, survey, project : str
    ra, dec : float
        Centre, ICRS (deg).
    bmaj, bmin, bpa : float
        Beam FWHM (arcsec) and position angle (deg east of north).
    pixel_scale : float
        Arcsec a pixel.
    nx, ny : int
        Size in pixels.
    rms, background, peak : float
        Noise and level outside of the objects, brightest pixel (Jy/beam).
    n_spurious, n_compact, n_extended : int
        Objects, clipped ones included.
    source : str
        The map it was cut from; x0, y0 its first column and row there. Of a synthetic one: its mask.
    synthetic : int
        1: generated; 0: a real image.
    seed : int
        Of a synthetic image; -1 for a real one.
    """

    image: str
    annotation: str = ""
    sample: str = ""
    split: str = ""
    group: str = ""
    telescope: str = ""
    survey: str = ""
    project: str = ""
    ra: float = math.nan
    dec: float = math.nan
    bmaj: float = math.nan
    bmin: float = math.nan
    bpa: float = math.nan
    pixel_scale: float = math.nan
    nx: int = 0
    ny: int = 0
    rms: float = math.nan
    background: float = math.nan
    peak: float = math.nan
    n_spurious: int = 0
    n_compact: int = 0
    n_extended: int = 0
    source: str = ""
    x0: int = 0
    y0: int = 0
    synthetic: int = 0
    seed: int = -1

    @property
    def counts(self) -> tuple[int, int, int]:
        """Objects per class: spurious, compact, extended."""
        return self.n_spurious, self.n_compact, self.n_extended

    @property
    def beam(self) -> Beam | None:
        """The beam; None where a width is not known."""
        if not (self.bmaj > 0 and self.bmin > 0):
            return None
        return Beam.from_axes(self.bmaj, self.bmin, self.bpa if math.isfinite(self.bpa) else 0.0)


_MISSING = ("", "nan", "na", "n/a", "<na>", "none", "null")  # as pandas and others write
_LIMITS: dict[str, tuple[float, float]] = {  # least and most that a number can be
    **dict.fromkeys((*CLASS_COLUMNS, "rms", "pixel_scale", "bmaj", "bmin"), (0, 2**63)),
    **{"nx": (0, 2**17), "ny": (0, 2**17), "seed": (-1, 2**64), "dec": (-90, 90)},
}
COLUMNS = {field.name: field.type for field in dataclasses.fields(Row)}


class Collection:
    """Cutouts with masks: an index over a folder. Opened by `Collection.open`; images are read when asked for."""

    def __init__(self, root: str | os.PathLike[str], rows: Sequence[Row]) -> None:
        self.root = Path(root)
        self.rows = list(rows)

    @classmethod
    def open(cls, root: str | os.PathLike[str], workers: int | None = None) -> "Collection":
        """Open the collection in folder `root`: by its index, else by looking for images with annotations.

        Any folder in the rg-dataset layout works; where it has no index, all its files are read once (on `workers`
        processes), and its ``train.txt`` and ``val.txt`` give the split. Nothing is written.

        Raises
        ------
        InputError
            Where there is no such folder, no image in it, or one of its files cannot be used.
        """
        root = Path(root)
        if not root.is_dir():
            raise InputError("no such folder; give a collection made by 'radiff cut' or an rg-dataset folder", root)
        if (root / INDEX).is_file():
            return cls(root, read_index(root / INDEX))
        pairs = find_pairs(root)
        if not pairs:
            raise InputError(f"no {INDEX} and no FITS images here; make a collection with 'radiff cut'", root)
        jobs = [(root, Path(image), None if mask is None else Path(mask)) for image, mask in pairs]
        rows = run_parallel(_describe_files, jobs, "reading images", workers)
        failures = [row for row in rows if isinstance(row, Failure)]
        if failures:
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise InputError(failures[0].message + more)
        _tell_unknown(root, rows)
        return cls(root, _with_split_files(root, rows))

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, index: int) -> Cutout:
        """The cutout of row `index`; what its header leaves out was told when the collection was made or opened."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HeaderWarning)
            return read_cutout(self.root / self.rows[index].image)

    def annotation(self, index: int) -> Annotation | None:
        """The objects of row `index`; None where it has no annotation."""
        row = self.rows[index]
        return read_annotation(self.root / row.annotation) if row.annotation else None

    def mask(self, index: int) -> NDArray[np.uint8]:
        """The class mask (ny, nx) of row `index`; all background where it has no annotation."""
        annotation = self.annotation(index)
        if annotation is None:
            return np.zeros((self.rows[index].ny, self.rows[index].nx), dtype=np.uint8)
        return objects_to_mask(annotation.objects, annotation.shape)

    def where(self, keep: Callable[[Row], bool]) -> "Collection":
        """The cutouts whose row `keep` accepts."""
        return Collection(self.root, [row for row in self.rows if keep(row)])

    def split(self, name: str) -> "Collection":
        """The cutouts of split `name` (``train``, ``val``).

        Raises
        ------
        InputError
            Where no cutout is in that split.
        """
        found = self.where(lambda row: row.split == name)
        if not len(found):
            names = sorted({row.split or "(none)" for row in self.rows})
            raise InputError(f"no cutout is in the split {name!r}; splits here: {', '.join(names)}", self.root)
        return found


def read_index(path: str | os.PathLike[str]) -> list[Row]:
    """Read the rows of an ``index.csv``; columns that `Row` does not know are left aside.

    Raises
    ------
    InputError
        Where there is no column ``image``, or a number cannot be (naming line and column).
    """
    names, rows = read_csv(path, encodings=())
    if "image" not in names:
        raise InputError("has no column 'image'; it is not the index of a collection", path)
    return [_parse_row(values, path, line) for line, values in rows]


def write_index(root: str | os.PathLike[str], rows: Iterable[Row]) -> None:
    """Write ``index.csv``, ``train.txt`` and ``val.txt`` of the collection in folder `root`; the index comes last."""
    root, rows = Path(root), list(rows)
    for split in SPLITS:
        write_text(root / f"{split}.txt", "".join(row.image + "\n" for row in rows if row.split == split))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(["" if _is_nan(value) else value for value in dataclasses.astuple(row)])
    write_text(root / INDEX, stream.getvalue())


class CollectionWriter:
    """Adds cutouts to the folder `root` and writes the index at the end.

    >>> writer = CollectionWriter("collection")                                     # doctest: +SKIP
    >>> writer.add("first", "field1_0_0", cutout, annotation, source="field1.fits") # doctest: +SKIP
    >>> writer.finish()                                                             # doctest: +SKIP
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = make_folder(root)
        self.rows: list[Row] = []

    def add(self, sample: str, name: str, cutout: Cutout, annotation: Annotation, **columns: Any) -> Row:
        """Write one cutout and its mask; `columns` (split, group, source, x0, y0, project) go into the index."""
        row = write_pair(self.root, sample, name, cutout, annotation, **columns)
        self.rows.append(row)
        return row

    def finish(self) -> Collection:
        """Write the index and the split files."""
        write_index(self.root, self.rows)
        return Collection(self.root, self.rows)


def write_pair(root: Path, sample: str, name: str, cutout: Cutout, annotation: Annotation, **columns: Any) -> Row:
    """Write ``<sample>/imgs/<name>.fits`` and its annotation under `root`.

    The noise and the background are measured outside of the objects and go with the image.

    Returns
    -------
    Row
        What the index says about it.
    """
    for folder in ("imgs", "masks"):
        (root / sample / folder).mkdir(parents=True, exist_ok=True)
    annotation = measure_objects(annotation, cutout)
    row = describe(cutout, annotation, (annotation.meta["bkg"], annotation.meta["rms"]))
    cutout = replace(cutout, rms=row.rms, background=row.background)
    image = Path(sample) / "imgs" / f"{name}.fits"
    json_path = Path(sample) / "masks" / f"mask_{name}.json"
    write_cutout(root / image, cutout)
    write_annotation(root / json_path, annotation, f"../imgs/{name}.fits")
    return replace(row, image=image.as_posix(), annotation=json_path.as_posix(), sample=sample, **columns)


def describe(cutout: Cutout, annotation: Annotation | None, noise: tuple[float, float] | None = None) -> Row:
    """Measure what the index says about a cutout; paths, sample, split, group and source are left empty.

    `noise` is the background and the rms outside of the objects (Jy/beam), where they are known already.
    """
    ny, nx = cutout.shape
    objects = annotation.objects if annotation else []
    valid = cutout.image[cutout.valid]
    if noise is None:
        exclude = objects_to_mask(objects, (ny, nx)) > 0
        noise = background_rms(cutout.image, exclude if (cutout.valid & ~exclude).any() else None)
    background, rms = noise
    ra, dec = _centre(cutout)
    scale = cutout.pixel_scale
    beam = cutout.beam
    counts = [sum(one.class_value == value for one in objects) for value in (1, 2, 3)]
    return Row(
        image="",
        telescope=_text(cutout.telescope),
        survey=_text(cutout.survey),
        project=_text(cutout.header.get("PROJECT", "")),
        ra=ra,
        dec=dec,
        bmaj=math.nan if beam is None else float(beam.maj),
        bmin=math.nan if beam is None else float(beam.min),
        bpa=math.nan if beam is None else float(beam.pa),
        pixel_scale=math.nan if scale is None else round(scale, _digits(scale)),
        nx=nx,
        ny=ny,
        rms=float(np.float32(rms)),
        background=float(np.float32(background)),
        peak=float(valid.max()) if valid.size else math.nan,
        n_spurious=counts[0],
        n_compact=counts[1],
        n_extended=counts[2],
        synthetic=int("seed" in cutout.provenance),
        seed=int(cutout.provenance.get("seed", -1)),
    )


def _centre(cutout: Cutout) -> tuple[float, float]:
    """ICRS (ra, dec) in deg of the middle of the image; NaN without a WCS."""
    if cutout.wcs is None:
        return math.nan, math.nan
    ny, nx = cutout.image.shape
    sky = cutout.wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2).icrs
    digits = 1 + _digits(cutout.pixel_scale or 1.0)
    return round(float(sky.ra.deg), digits), round(float(sky.dec.deg), digits)


def _digits(scale: float) -> int:
    """Decimals that tell a pixel of `scale` arcsec: 6, more for those of VLBI."""
    return 6 if scale >= 0.1 else min(15, 5 - math.floor(math.log10(scale)))


def _describe_files(job: tuple[Path, Path, Path | None]) -> Row:
    """Row of an image found in a plain folder."""
    root, image, json_path = job
    with collected_warnings():  # told together by `_tell_unknown`
        cutout = read_cutout(image)
    annotation = None if json_path is None else read_annotation(json_path, image)
    meta = annotation.meta if annotation else {}
    row = describe(cutout, annotation)
    relative = image.relative_to(root)
    folders = [part for part in relative.parts[:-1] if part not in ("imgs", "images")]
    return replace(
        row,
        image=relative.as_posix(),
        annotation="" if json_path is None else Path(os.path.relpath(json_path, root)).as_posix(),
        sample="/".join(folders),
        source=relative.as_posix(),
        telescope=row.telescope or _text(meta.get("telescope", "")),
    )


def _tell_unknown(root: Path, rows: Sequence[Row]) -> None:
    """Warn of images whose header lacks the beam or the WCS."""
    for what, count in (
        ("beam", sum(math.isnan(row.bmaj) for row in rows)),
        ("celestial WCS", sum(math.isnan(row.ra) for row in rows)),
    ):
        if count:
            warnings.warn(f"{root}: {count} of {len(rows)} images have no {what}", HeaderWarning, stacklevel=3)


def _with_split_files(root: Path, rows: list[Row]) -> list[Row]:
    split_of: dict[str, str] = {}
    for split, path in ((name, root / f"{name}.txt") for name in SPLITS):
        if path.is_file():
            split_of.update(dict.fromkeys(read_text(path).split("\n"), split))
    return [replace(row, split=split_of.get(row.image, row.split)) for row in rows]


def _parse_row(values: dict[str, str], path: str | os.PathLike[str], line: int) -> Row:
    row: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        text = values.get(name)
        if text is None or (kind is not str and text.strip().lower() in _MISSING):
            continue
        try:
            row[name] = text if kind is str else _whole(text) if kind is int else float(text)
        except ValueError as error:
            raise InputError(f"line {line}, column {name}: {text!r} is no number", path) from error
        lowest, highest = _LIMITS.get(name, (-1e300, 1e300))
        if kind is not str and not lowest <= row[name] <= highest:
            raise InputError(f"line {line}, column {name}: {text} cannot be; mend the index or cut it again", path)
    if not row["image"]:
        raise InputError(f"line {line} names no image", path)
    return Row(**row)


def _whole(text: str) -> int:
    """A whole number, which other programs write as 64.0 where some row has none."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer() or abs(number) > 2**53:  # rounded: another number than was meant
            raise ValueError(text) from None
        return int(number)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
