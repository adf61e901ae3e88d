"""A truth package to a data challenge: what everybody gets, and what the organisers keep. Places nothing.

``public/`` is written anew, pixel by pixel and card by card, so that nothing of how the map was made comes with it;
``hidden/`` is the truth package itself.
"""

import hashlib
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import QTable, Table

from radiff.challenge.answers import HIDDEN, SETTINGS, read_answer
from radiff.challenge.submission import submission_table, write_regions, write_submission
from radiff.errors import InputError
from radiff.files import atomic_path, make_folder, read_json, write_json, write_text
from radiff.pages import render
from radiff.parallel import track
from radiff.sky import MapReader
from radiff.sky.columns import COLUMNS, SUBMISSION, TRUTH, plain_columns
from radiff.sky.fits import open_image
from radiff.sky.grid import SkyGrid
from radiff.sky.header import build_header, quiet_astropy, read_provenance
from radiff.sky.truth import TRUTH_FILES, read_truth, truth_table, write_truth
from radiff.tiling import Box, spans

FORMAT = "radiff challenge 1"
PUBLIC, MAP, SUMS = "public", "map.fits", "SHA256SUMS"
_KEPT = ("FREQ", "RESTFRQ", "RESTFREQ")  # cards of the map that everybody gets, beside its grid, beam and unit
_DRAWS = ("k", "stamp", "stamp_seed", "turn", "dx", "dy", "seed", "scale", "attempt", "cluster")  # that stay hidden
_BLOCK, _ROWS = 2880, 512
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Challenge:
    """What was made.

    Attributes
    ----------
    folder : Path
    sources, artefacts : int
        To be found outside of the training area, and not to be found.
    training : int
        Objects of the training area, whose truth is public.
    """

    folder: Path
    sources: int
    artefacts: int
    training: int


def guessable(path: str | os.PathLike[str]) -> str | None:
    """Why participants might make a background or a truth themselves, as one line; None where they could not.

    Parameters
    ----------
    path : path-like
        A map, or a truth package.
    """
    path = Path(path)
    if path.is_dir():
        if read_truth(path).meta.get("SEED") == 0:
            return f"{path} was populated with the default seed 0: who guesses the options can make the truth"
        return None
    with open_image(path) as opened:
        told = read_provenance(opened.header, path)
    if "simulated" in told and told.get("seed") == 0:
        return f"{path} was simulated with the default seed 0: who guesses the options can take the noise off the map"
    return None


def make_challenge(
    package: str | os.PathLike[str],
    output: str | os.PathLike[str],
    name: str | None = None,
    training: float = 0.05,
    overwrite: bool = False,
) -> Challenge:
    """Split a truth package into a public and a hidden half.

    Parameters
    ----------
    package : path-like
        Folder of `radiff populate`. Where it is ``output/hidden``, it stays where it is; else it is copied there.
    output : path-like
        Folder of the challenge.
    name : str, optional
        Title; default: the folder's name.
    training : float
        Share of the map whose truth is public, in the corner with most objects; 0: none.
    overwrite : bool
        Replace what is there.

    Raises
    ------
    InputError
        Where the package is none, its map has no beam, WCS or square pixels, or the folder is not empty.
    """
    package, output = Path(package), Path(output)
    if not 0 <= training <= 0.5:
        raise InputError(f"a training area of {training:g} of the map; give a share from 0 to 0.5")
    if not (package.is_dir() and any((package / one).is_file() for one in TRUTH_FILES) and (package / MAP).is_file()):
        raise InputError(f"is no truth package: no {MAP} with truth.fits; make one with 'radiff populate'", package)
    in_place = package.resolve() == (output / HIDDEN).resolve()
    taken = [output / one for one in (PUBLIC, *(() if in_place else (HIDDEN,))) if (output / one).exists()]
    if taken and not overwrite:
        raise InputError("is there already; choose another -o, or replace it with --overwrite", taken[0])
    make_folder(output)
    name = name or output.resolve().name
    table = read_truth(package)
    with MapReader(package / MAP) as reader:
        grid = SkyGrid.of(reader)
    window = _corner(table, grid, training) if training else None
    hidden = output / HIDDEN
    if not in_place:
        with atomic_path(hidden) as temporary:
            _copy_package(package, temporary)
            shutil.rmtree(hidden, ignore_errors=True)
    write_json(hidden / SETTINGS, {"name": name, "training": window})
    answer = read_answer(hidden)
    trained = answer.in_training(answer.columns["ra"], answer.columns["dec"])
    made = Challenge(
        output, int((~trained & ~answer.spurious).sum()), int((~trained & answer.spurious).sum()), int(trained.sum())
    )
    if not made.sources:
        raise InputError("has no source outside of the training area; make that smaller with --training", package)
    with atomic_path(output / PUBLIC) as temporary:
        _write_public(temporary, hidden / MAP, name, table, trained, window, made)
        shutil.rmtree(output / PUBLIC, ignore_errors=True)
    files = {folder: _digests(output / folder) for folder in (PUBLIC, HIDDEN)}
    files[HIDDEN].pop(SETTINGS)
    settings = {
        "format": FORMAT, "name": name, "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version("radiff"), "training": window, "sources": made.sources, "artefacts": made.artefacts,
        "training_objects": made.training, "sha256": files,
    }  # fmt: skip
    write_json(hidden / SETTINGS, settings)
    return made


def _copy_package(package: Path, to: Path) -> None:
    """Copy a truth package: what its manifest names, and links; all files where it names none."""
    told = read_json(package / _MANIFEST) if (package / _MANIFEST).is_file() else {}
    named = {*told.get("files", {}), _MANIFEST}
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package).as_posix()
        if (
            path.is_dir()
            or name.startswith(".work")
            or not (path.is_symlink() or not told.get("files") or name in named)
        ):
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to / name, follow_symlinks=False)


def _write_public(
    folder: Path,
    source: Path,
    name: str,
    table: QTable,
    trained: np.ndarray,
    window: Box | None,
    made: Challenge,
) -> None:
    folder.mkdir(parents=True)
    with MapReader(source) as reader:
        grid = SkyGrid.of(reader)
        write_plain_map(folder / MAP, reader, name)
    if window is not None:
        _write_training(folder / "training", table[trained], window, name)
    write_submission(folder / "example_submission.csv", example_submission(grid))
    write_text(folder / "README.md", _readme(name, grid, window, made))
    sums = [f"{digest}  {path}" for path, digest in _digests(folder).items()]
    write_text(folder / SUMS, "\n".join(sums) + "\n")


def write_plain_map(path: Path, reader: MapReader, name: str) -> None:
    """Copy a map as float32 in Jy/beam with its grid, beam, unit and frequency, and no other card; rows at a time."""
    ny, nx = reader.shape
    cards = fits.Header([card for card in reader.header.cards if card.keyword in _KEPT])
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", nx), ("NAXIS2", ny)])
    with quiet_astropy():
        header.extend(build_header(cards, reader.wcs, reader.beam), unique=True)
        header["OBJECT"] = name
    for key in ("DATE-OBS", "MJD-OBS", "DATE", "HISTORY", "COMMENT"):
        header.remove(key, ignore_missing=True, remove_all=True)
    with path.open("wb") as file:
        file.write(header.tostring(padding=True).encode("ascii"))
        for y0, y1 in track(spans(ny, _ROWS), "writing the public map"):
            file.write(reader.read(y0, y1, 0, nx).astype(">f4").tobytes())
        file.write(b"\0" * (-4 * ny * nx % _BLOCK))


def _write_training(folder: Path, table: QTable, window: Box, name: str) -> None:
    """A truth package of the training area, in an order and with numbers that tell nothing of the rest."""
    folder.mkdir()
    order = np.argsort(-np.nan_to_num(np.asarray(table["peak_flux"].value), nan=-np.inf), kind="stable")
    rows = table[order]
    columns: dict[str, Any] = {
        column: values for column, values in plain_columns(rows).items()
        if column in TRUTH and column not in (*_DRAWS, "id", "name")
    }  # fmt: skip
    number = np.arange(1, len(rows) + 1)
    columns |= {"id": number, "name": [f"T{k}" for k in number]}
    meta = {key: table.meta[key] for key in ("BMAJ", "BMIN", "BPA", "PIXSCALE", "AREADEG2") if key in table.meta}
    plain = truth_table(columns, meta)
    plain.remove_columns([column for column in _DRAWS if column in plain.colnames])
    write_truth(folder / "truth.fits", plain)
    write_truth(folder / "truth.ecsv", plain)
    write_regions(
        folder / "truth.reg", Table({c: columns[c] for c in ("id", "ra", "dec", "maj", "min", "pa", "class")})
    )
    write_json(folder / SETTINGS, {"name": f"{name}, training area", "map": f"../{MAP}", "window": list(window)})


def example_submission(grid: SkyGrid) -> Table:
    """Three rows that show the form of a submission: places and numbers are made up, by the map's size alone."""
    ny, nx = grid.shape
    x, y = np.array([0.25, 0.5, 0.75]) * nx, np.array([0.25, 0.5, 0.75]) * ny
    ra, dec = grid.to_sky(x, y)
    snr, rms = np.array([50.0, 12.0, 6.0]), np.full(3, 1e-4)
    wide = np.array([1.0, 2.0, 1.0])
    return submission_table(
        {
            "id": [1, 2, 3], "ra": ra, "dec": dec, "int_flux": snr * rms * wide**2, "peak_flux": snr * rms,
            "local_rms": rms,
            "snr": snr, "maj": wide * grid.beam.maj, "min": wide * grid.beam.min, "pa": np.full(3, grid.beam.pa),
            "maj_deconvolved": np.sqrt(wide**2 - 1) * grid.beam.maj,
            "min_deconvolved": np.sqrt(wide**2 - 1) * grid.beam.min, "ra_peak": ra, "dec_peak": dec,
            "class": ["compact", "extended", "compact"], "x": x, "y": y,
        }
    )  # fmt: skip


def _corner(table: QTable, grid: SkyGrid, share: float) -> Box:
    """The corner of the map, of its shape and that share of its pixels, that holds most objects."""
    ny, nx = grid.shape
    height, width = (max(1, round(length * math.sqrt(share))) for length in (ny, nx))
    x, y = grid.to_pixel(table["ra"].value, table["dec"].value)
    best: tuple[int, Box] | None = None
    for y0 in (0, ny - height):
        for x0 in (0, nx - width):
            box = (y0, y0 + height, x0, x0 + width)
            with np.errstate(invalid="ignore"):
                count = int(((y >= y0) & (y < y0 + height) & (x >= x0) & (x < x0 + width)).sum())
            if best is None or count > best[0]:
                best = (count, box)
    assert best is not None
    return best[1]


def _readme(name: str, grid: SkyGrid, window: Box | None, made: Challenge) -> str:
    columns = {column: COLUMNS[column] for column in SUBMISSION if column not in ("x", "y", "n_pixels", "fit")}
    unit = {column: "" if told.unit is None else str(told.unit) for column, told in columns.items()}
    return render(
        "radiff.challenge.report", "public.md", {}, name=name, grid=grid, window=window, training=made.training,
        columns=columns, unit=unit, map=MAP, sums=SUMS,
    )  # fmt: skip


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a folder, by their path in it."""
    result = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            with path.open("rb") as file:
                result[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return result


def check_files(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """Files of a folder that are no longer what they were, or are missing."""
    found: dict[str, Any] = _digests(folder)
    return [name for name, digest in digests.items() if found.get(name) != digest]
