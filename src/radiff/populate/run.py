"""A map, stamps and options to a truth package on disk: the steps in their order. Knows no networks.

    noise for pixels, where asked -> survey (noise, blanks, real sources) -> objects and their draws
        -> stamps at the map's beam -> places -> images, band by band -> truth table -> exports, pictures, manifest

Every step leaves its result in the package's work folder, where a run that was killed finds it again.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column, Table
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.masks import CLASSES, class_name
from radiff.parallel import Pool, open_pool
from radiff.populate.catalogs import catalog_sources
from radiff.populate.drawing import Drawn, draw_stamps
from radiff.populate.exports import export
from radiff.populate.maps import Background
from radiff.populate.measuring import Measures, make_truth, measure
from radiff.populate.options import PopulateOptions
from radiff.populate.package import Package, check_quiet, check_same, describe, digest, listed, open_package
from radiff.populate.pictures import draw_overviews
from radiff.populate.placing import REASONS, Placer, Places
from radiff.populate.replacing import NoiseOptions, replace_noise
from radiff.populate.sources import CatalogSources, Objects, draw_objects, planned
from radiff.populate.stamps import StampLibrary
from radiff.populate.survey import Survey, find_real, mark_real, survey_map
from radiff.populate.writing import IMAGES, WINDOW, create_images, write_images
from radiff.sky import Beam
from radiff.sky.address import map_file
from radiff.sky.grid import SkyGrid
from radiff.sky.windows import LARGE_MAP

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Populated:
    """What a run has made.

    Attributes
    ----------
    folder : Path
        The truth package.
    placed, not_placed : dict of class name to int
    reasons : dict of str to int
        Why objects were not placed.
    outside : int
        Rows of the catalog that lie off the map.
    seconds : dict of step to float
        Wall time; empty where the package was there already.
    """

    folder: Path
    placed: dict[str, int]
    not_placed: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    outside: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all objects that were asked for were placed."""
        return not self.reasons

    @classmethod
    def of(cls, folder: Path, manifest: dict[str, Any], seconds: dict[str, float]) -> "Populated":
        """What a manifest tells."""
        told = manifest["objects"]
        return cls(folder, told["placed"], told["not_placed"], told["reasons"], told["off_the_map"], seconds)


@dataclass(frozen=True)
class Inputs:
    """What is read: the map, and the files that objects come from."""

    background: Background
    library: StampLibrary | None
    catalog: CatalogSources | None
    settings: dict[str, Any]
    noise: NoiseOptions | None = None


def populate(
    background: PathLike,
    output: PathLike,
    options: PopulateOptions,
    *,
    stamps: PathLike | None = None,
    catalog: PathLike | None = None,
    hdu: int | str | None = None,
    beam: Beam | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    window: int = WINDOW,
    overwrite: bool = False,
    pictures: bool = True,
    command: str = "",
    noise: NoiseOptions | None = None,
) -> Populated:
    """Place objects on a map, and write the map with its complete truth.

    The same map, files and options give the same bytes in every image and table, whatever `workers`, `scheduler` and
    `window` are. Run again after it was killed, it goes on where it was; run again after it was complete, it does
    nothing.

    Parameters
    ----------
    background : path
        FITS map in Jy/beam (or mJy, uJy) with WCS and beam.
    output : path
        Folder of the truth package.
    options : PopulateOptions
    stamps : path, optional
        Library of `write_stamps`; needed for extended and spurious objects without a catalog.
    catalog : path, optional
        Sources to be placed where it says (``options.positions`` is ``catalog``).
    hdu : int or str, optional
        Of the map; default: the first image.
    beam : Beam, optional
        Of the map, in place of its header's.
    workers : int, optional
        Processes. Default: one for maps up to 4096 x 4096 pixels, else all cores.
    scheduler : str, optional
        Address of a running dask scheduler, or its file.
    window : int
        Pixels; the images are written in bands as large as a square of this side.
    overwrite : bool
        Replace what another run has left in `output`.
    pictures : bool
        Draw the overviews.
    command : str
        For the manifest.
    noise : NoiseOptions, optional
        Noise in place of the map's own pixels: the map gives grid, beam, header and, where `noise` tells none, the
        local rms. It is written first, as ``background.fits`` of the package.

    Returns
    -------
    Populated

    Raises
    ------
    InputError
        For whatever a user can mend: see docs/populating.md.
    """
    folder = Path(output)
    inputs = read_inputs(background, options, stamps, catalog, hdu, beam, noise)
    with open_package(folder, inputs.settings, overwrite) as package:
        if package.finished:
            return Populated.of(folder, package.manifest(), {})
        ny, nx = inputs.background.grid.shape
        if workers is None and ny * nx <= LARGE_MAP:
            workers = 1
        clock = _Clock()
        with ExitStack() as stack:
            with clock("starting workers"):
                pool = stack.enter_context(open_pool(workers, scheduler, package.state / "dask"))
            manifest = _make(package, inputs, options, pool, window, pictures, command, clock)
        package.finish(manifest)
        return Populated.of(folder, manifest, clock.seconds)


def read_inputs(
    background: PathLike,
    options: PopulateOptions,
    stamps: PathLike | None = None,
    catalog: PathLike | None = None,
    hdu: int | str | None = None,
    beam: Beam | None = None,
    noise: NoiseOptions | None = None,
) -> Inputs:
    """Open and check what a run needs; parameters of `populate`. Reads no pixel."""
    source = Background(Path(background), hdu, beam)
    grid = source.grid
    if (catalog is None) == (options.positions == "catalog"):
        text = "needs a catalog: --catalog FILE" if catalog is None else "leave them out with a catalog"
        raise InputError(f"positions {options.positions!r}: {text}")
    fluxes = options.flux.rule == "catalog"
    if fluxes and catalog is None:
        raise InputError("the flux rule 'catalog' needs a catalog: --catalog FILE")
    sources = None if catalog is None else catalog_sources(catalog, grid, fluxes)
    library = None if stamps is None else StampLibrary.open(stamps)
    planned(options, grid.area, library, sources)
    settings = {
        "background": check_quiet(source) | {"hdu": hdu},
        "beam": [grid.beam.maj, grid.beam.min, grid.beam.pa],
        "options": options.as_dict(),
        "stamps": None if stamps is None else digest(Path(stamps)),
        "catalog": None if catalog is None else digest(Path(catalog)),
        "version": _version(),
    }
    if noise is not None:
        settings["noise"] = noise.settings()
    return Inputs(source, library, sources, json.loads(json.dumps(settings)), noise)


def _make(
    package: Package,
    inputs: Inputs,
    options: PopulateOptions,
    pool: Pool,
    window: int,
    pictures: bool,
    command: str,
    clock: "_Clock",
) -> dict[str, Any]:
    """All files of a package, in its work folder; its manifest."""
    given, library, state, files = inputs.background, inputs.library, package.state, package.files
    background, grid = given, given.grid
    if inputs.noise is not None:
        with clock("drawing noise"):
            path = replace_noise(given, inputs.noise, options.seed, files, state / "given", pool)
            background = Background(path)
    with clock("surveying"):
        survey = survey_map(background, pool, state)
    real = None
    if options.real == "clear" and not background.simulated:
        with clock("finding real sources"):
            real = find_real(background, pool, state)
    area = grid.area * survey.usable / (grid.shape[0] * grid.shape[1])
    with clock("stamps"):
        objects = draw_objects(options, grid, area, library, inputs.catalog)
        drawn = draw_stamps(objects, grid, library, pool, state / "stamps")
    with clock("placing"):
        places = _saved(state / "places.npy", lambda: _place(drawn, grid, options, survey, real))
    good = places["reason"] == 0
    names = _names(objects, inputs.catalog, good)
    _write_left_out(files / "not_placed.ecsv", objects, places, inputs.catalog)
    drawn, left, places = drawn.part(good), places[~good], places[good]
    with clock("writing"):
        provenance = {"populated": given.path.name, "objects": len(names), "seed": options.seed}
        starts = create_images(background, files, _history(options, names), provenance)
        write_images(background, drawn, places, files, state, pool, starts, window)
        check_same(given, {key: inputs.settings["background"][key] for key in given.fingerprint()})
    with clock("measuring"):
        measures = measure(drawn, places, names, pool)
        table = make_truth(grid, library, drawn, places, measures, _meta(background, survey, area, options))
    with clock("exports"):
        level = real.meta["bkg"] if real is not None else 0.0
        export(files, table, measures.objects, background, (level, survey.median_rms))
        if real is not None:
            (files / "real_sources.json").write_bytes((state / "mask_real.json").read_bytes())
    if pictures:
        with clock("pictures"):
            _draw(files, measures, drawn, grid)
    with clock("checksums"):
        paths = [*listed(files), map_file(given.path)]
        *digests, origin = pool(digest, paths, "checksums")
    more = {
        "map": {
            "file": given.path.name,
            "sha256": origin,
            "pixels": [grid.shape[1], grid.shape[0]],
            "pixel_scale_arcsec": grid.pixel_scale,
            "beam_arcsec_deg": [grid.beam.maj, grid.beam.min, grid.beam.pa],
            "beam_area_pixels": grid.beam_area,
            "usable_deg2": area,
            "median_rms_jy_beam": survey.median_rms,
            "real_sources": None if real is None else len(real.objects),
        },
        "objects": {
            "placed": _counts(drawn.objects),
            "not_placed": _counts(objects[~good]),
            "reasons": {r: n for i, r in enumerate(REASONS) if i and (n := int((left["reason"] == i).sum()))},
            "off_the_map": 0 if inputs.catalog is None else inputs.catalog.outside,
        },
    }
    return describe(package, digests, command, more)


def _place(drawn: Drawn, grid: SkyGrid, options: PopulateOptions, survey: Survey, real: Any) -> Places:
    taken = np.fromfile(survey.taken, np.uint8).reshape(grid.shape)
    if real is not None:
        mark_real(taken, real.objects, grid.beam_fwhm[0])
    return Placer(grid, options, taken, survey.rms).place(drawn)


def _saved(path: Path, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array of an earlier run's file, else a new one, kept there."""
    if not path.exists():
        made = make()
        with atomic_path(path) as temporary:
            np.save(temporary, made)
    return np.asarray(np.load(path))


def _names(objects: Objects, catalog: CatalogSources | None, good: NDArray[np.bool_]) -> list[str]:
    """Names of the placed objects: the catalog's, where it has any and they differ; else S1, S2, ..."""
    if catalog is not None and "name" in catalog.table.colnames:
        names = [str(catalog.table["name"][row]) for row in objects["row"][good]]
        if len(set(names)) == len(names) and all(names):
            return names
    return [f"S{number}" for number in range(1, int(good.sum()) + 1)]


def _counts(objects: Objects) -> dict[str, int]:
    return {one.name: n for one in CLASSES[1:] if (n := int((objects["class"] == one.value).sum()))}


def _history(options: PopulateOptions, names: list[str]) -> list[str]:
    rule = options.flux.rule
    flux = f"peak = k * rms, k exponential ({options.flux.reading} {options.flux.parameter:g})" if rule == "k" else rule
    return [
        f"radiff {_version()} populate: {len(names)} synthetic objects were added to this map",
        f"radiff populate: seed {options.seed}, fluxes by {flux}, positions {options.positions}",
    ]


def _meta(background: Background, survey: Survey, area: float, options: PopulateOptions) -> dict[str, Any]:
    grid = background.grid
    return {
        "MAP": "map.fits",
        "MAPNX": grid.shape[1],
        "MAPNY": grid.shape[0],
        "PIXSCALE": grid.pixel_scale,
        "BMAJ": grid.beam.maj / 3600.0,
        "BMIN": grid.beam.min / 3600.0,
        "BPA": grid.beam.pa,
        "AREADEG2": area,
        "RMS": survey.median_rms,
        "SEED": options.seed,
        "VERSION": _version(),
    }


def _write_left_out(path: Path, objects: Objects, places: Places, catalog: CatalogSources | None) -> None:
    """The objects that were not placed, and why; no file where there are none."""
    bad = np.flatnonzero(places["reason"] > 0)
    path.unlink(missing_ok=True)
    if not len(bad):
        return
    table = Table()
    table["class"] = [class_name(int(value)) for value in objects["class"][bad]]
    table["reason"] = [REASONS[int(value)] for value in places["reason"][bad]]
    for name in ("seed", "stamp", "turn", "scale", "k"):
        table[name] = objects[name][bad]
    table["int_flux"] = Column(np.where(objects["flux"][bad] > 0, objects["flux"][bad], np.nan), unit=u.Jy)
    if catalog is not None:
        table["ra"], table["dec"] = (
            Column(np.asarray(catalog.table[name], float)[objects["row"][bad]], unit=u.deg) for name in ("ra", "dec")
        )
    with atomic_path(path) as temporary:
        table.write(temporary, format="ascii.ecsv")


def _draw(files: Path, measures: Measures, drawn: Drawn, grid: SkyGrid) -> None:
    boxes = np.array([one.bbox for one in measures.objects], np.int64).reshape(-1, 4)
    boxes[:, 1::2] -= 1
    classes = drawn.objects["class"].astype(np.int64)
    x, y = np.linalg.eigh(grid.beam_shape)[1][:, 1]
    beam = (*grid.beam_fwhm, float(np.degrees(np.arctan2(y, x))))
    draw_overviews(files / "map.fits", boxes, classes, beam, lambda name: files / f"overview_{name}.png")


def package_bytes(shape: tuple[int, int]) -> int:
    """Room that the images of a package take on the disk."""
    return sum(abs(bitpix) // 8 for bitpix in IMAGES.values()) * shape[0] * shape[1]


def _version() -> str:
    from radiff import __version__

    return __version__


class _Clock:
    """Wall time of the steps of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start
