"""A map to a catalog by PyBDSF or Aegean, each in processes of its own. Finds nothing itself.

Both get a plain copy of the map on a grid that every program knows: right ascension and declination, SIN, north up.
Their positions, sizes and angles are brought from that grid to the map's own, so that any projection and any frame of
the map is right.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table

from radiff.challenge.finders.islands import FindOptions
from radiff.errors import InputError
from radiff.sky import Beam, MapReader, read_catalog
from radiff.sky.beam import covariance
from radiff.sky.grid import SkyGrid, in_pixels
from radiff.tiling import spans

_ROWS = 512  # of the map that are copied at a time
_FREQUENCY = 1.4e9  # Hz, where the header tells none; no flux depends on it
_CENTER = (180.0, 0.0)
_MODULES = {"pybdsf": "bdsf", "aegean": "AegeanTools"}
# Aegean 2.3 catches errors by a name that numpy 2 has no more: without it, one hopeless fit ends the run
_SHIM = "import numpy; numpy.linalg.linalg = numpy.linalg; "
_BANE = "from AegeanTools.CLI.BANE import main; raise SystemExit(main())"
_AEGEAN = _SHIM + "from AegeanTools.CLI.aegean import main; raise SystemExit(main())"


def find_by_program(path: str | Path, name: str, options: FindOptions, workers: int | None = 1) -> dict[str, Any]:
    """Columns of a catalog (`radiff.challenge.submission`) of the sources that PyBDSF or Aegean finds.

    Parameters
    ----------
    name : str
        ``pybdsf`` or ``aegean``; both read the whole map into memory.
    workers : int, optional
        Processes; default: all cores.

    Raises
    ------
    ModuleNotFoundError
        Where the program is not installed; its name is the package's.
    InputError
        For maps that cannot be used, and where the program stops.
    """
    module = _MODULES[name]
    if importlib.util.find_spec(module) is None:
        raise ModuleNotFoundError(f"no module {module}", name=module)
    run = {"pybdsf": _pybdsf, "aegean": _aegean}[name]
    with MapReader(path) as reader, tempfile.TemporaryDirectory(prefix="radiff-") as folder:
        grid = SkyGrid.of(reader)
        copy = Path(folder) / "map.fits"
        _copy(reader, grid, copy)
        found = run(copy, options, workers or os.cpu_count() or 1, Path(path))
        with MapReader(copy) as plain:
            return _columns(found, SkyGrid.of(plain), grid)


def _pybdsf(copy: Path, options: FindOptions, workers: int, path: Path) -> Table | None:
    output = copy.with_name("srl.fits")
    settings = {
        "thresh_pix": options.seed_snr,
        "thresh_isl": options.grow_snr,
        "frequency": _FREQUENCY,
        "ncores": workers,
        "minpix_isl": max(options.min_pixels, 3),
    }
    script = Path(__file__).with_name("run_pybdsf.py")
    _run([sys.executable, str(script), str(copy), str(output), json.dumps(settings)], "PyBDSF", path, copy.parent)
    if not output.is_file():
        return None
    found = read_catalog(output)
    found["class"] = np.where(np.asarray(Table.read(output)["S_Code"]).astype(str) == "S", "", "extended")
    return found


def _aegean(copy: Path, options: FindOptions, workers: int, path: Path) -> Table | None:
    cores = ["--cores", str(workers)]
    _run([sys.executable, "-c", _BANE, str(copy), *cores], "BANE", path, copy.parent)
    clip = ["--seedclip", f"{options.seed_snr:g}", "--floodclip", f"{options.grow_snr:g}"]
    table = copy.with_name("sources.fits")
    _run(
        [sys.executable, "-c", _AEGEAN, "--autoload", *cores, *clip, "--table", str(table), str(copy)],
        "Aegean", path, copy.parent,
    )  # fmt: skip
    output = copy.with_name("sources_comp.fits")
    return read_catalog(output) if output.is_file() else None


def _run(command: Sequence[str], name: str, path: Path, folder: Path) -> None:
    """Run a program; its last line on stderr is the reason where it fails."""
    environment = os.environ | {"MPLBACKEND": "agg", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = lines[-1][:200] if lines else f"exit code {done.returncode}"
        raise InputError(f"{name} stopped on this map: {reason}", path)


def _copy(reader: MapReader, grid: SkyGrid, path: Path) -> None:
    """Write the map in Jy/beam as a plain FITS image on the plain grid, some rows at a time."""
    ny, nx = reader.shape
    free = shutil.disk_usage(path.parent).free
    if free < 6 * ny * nx:
        text = f"needs {ny * nx * 4 / 2**30:.1f} GB for a copy; free some space or set TMPDIR to another folder"
        raise InputError(text, path.parent)
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", nx), ("NAXIS2", ny)])
    header["BUNIT"] = "JY/BEAM"
    for axis, (name, value, size) in enumerate((("RA---SIN", _CENTER[0], nx), ("DEC--SIN", _CENTER[1], ny)), start=1):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"] = name, value
        header[f"CRPIX{axis}"] = size / 2 + 0.5
        header[f"CDELT{axis}"] = (-1 if axis == 1 else 1) * grid.pixel_scale / 3600.0
        header[f"CUNIT{axis}"] = "deg"
    header["EQUINOX"], header["RADESYS"] = 2000.0, "FK5"
    header["RESTFRQ"] = header["FREQ"] = float(reader.header.get("FREQ") or _FREQUENCY)
    Beam.from_covariance(grid.beam_shape, grid.pixel_scale).to_header(header)
    stream = fits.StreamingHDU(path, header)
    for y0, y1 in spans(ny, _ROWS):
        stream.write(reader.read(y0, y1, 0, nx))
    stream.close()


def _columns(found: Table | None, plain: SkyGrid, grid: SkyGrid) -> dict[str, Any]:
    """A program's catalog on the plain grid as columns on the map's sky, the brightest first."""
    if found is None or not len(found):
        return {"ra": np.zeros(0)}
    x, y = plain.to_pixel(found["ra"], found["dec"])
    shapes = in_pixels(plain.steps(x, y), covariance(found["maj"], found["min"], found["pa"]))
    shapes = np.where(np.isfinite(shapes), shapes, grid.beam_shape)
    ra, dec = grid.to_sky(x, y)
    rms = np.asarray(found["local_rms"], float)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.where(rms > 0, np.asarray(found["peak_flux"], float) / rms, np.nan)
    columns: dict[str, Any] = grid.sizes(x, y, shapes) | {
        "ra": ra, "dec": dec, "x": x, "y": y, "ra_peak": ra, "dec_peak": dec, "local_rms": rms, "snr": snr,
        "int_flux": np.asarray(found["int_flux"], float), "peak_flux": np.asarray(found["peak_flux"], float),
    }  # fmt: skip
    if "ra_peak" in found.colnames:
        columns["ra_peak"], columns["dec_peak"] = grid.to_sky(*plain.to_pixel(found["ra_peak"], found["dec_peak"]))
    wide = columns["maj_deconvolved"] > 0.75 * grid.beam.maj
    told = np.asarray(found["class"]) if "class" in found.colnames else np.full(len(found), "")
    columns["class"] = np.where(told != "", told, np.where(wide, "extended", "compact"))
    order = np.argsort(-columns["snr"], kind="stable")
    columns = {name: value[order] for name, value in columns.items()}
    return columns | {"id": np.arange(1, len(order) + 1), "fit": np.full(len(order), "gaussian")}
