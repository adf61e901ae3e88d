"""Annotated map files to the cutouts of a collection, on all cores and resumable. Lays no windows itself (`cut`)."""

import csv
import dataclasses
import functools
import io
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from radiff.data.collection import INDEX, Collection, Row, write_index, write_pair
from radiff.data.cut import CutOptions, CutPiece, CutReport, Lost, cut
from radiff.data.messages import collected_warnings, stop_if_full
from radiff.data.regions import in_box
from radiff.data.split import GivenSplits, assign_splits
from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json, write_text
from radiff.masks.instances import SourceObject
from radiff.masks.layout import annotation_path, image_of, image_stem, walk
from radiff.masks.rg import Annotation, read_annotation
from radiff.parallel import Failure, run_parallel
from radiff.sky.address import map_file
from radiff.sky.cutout import Cutout
from radiff.sky.fits import check_image
from radiff.sky.windows import LARGE_MAP, MapReader

RECORDS = ".cut"  # folder of one record a finished map, for --resume
_SUBFOLDERS = ("imgs", "images", "masks", "annotations")


@dataclass(frozen=True)
class MapJob:
    """One annotated map: its files, and what its cutouts are called."""

    image: Path
    annotation: Path
    sample: str
    source: str

    @property
    def name(self) -> str:
        return image_stem(self.image)


@dataclass
class MapResult:
    """What became of one map: rows of its cutouts, and what could not be kept."""

    source: str
    rows: list[Row]
    report: CutReport
    warnings: list[str] = field(default_factory=list)


@dataclass
class CutSummary:
    """What `make_collection` did: the collection, one result a map, and the maps that could not be used."""

    collection: Collection | None
    results: list[MapResult]
    failures: list[str]
    resumed: int = 0
    totals: CutReport = field(default_factory=CutReport)
    warnings: list[str] = field(default_factory=list)


def find_maps(inputs: Sequence[str | os.PathLike[str]]) -> tuple[list[MapJob], list[str]]:
    """Annotated maps of folders (searched to any depth), images or annotation files.

    Returns
    -------
    jobs : list of MapJob
    failures : list of str
        Annotations in a folder that cannot be used (broken, or without their image).

    Raises
    ------
    InputError
        Where an input does not exist, holds no annotation, or two maps would give cutouts of one name.
    """
    jobs: dict[tuple[str, str], MapJob] = {}
    failures: list[str] = []
    for path in map(Path, inputs):
        annotations = sorted(_annotations(path)) if path.is_dir() else _annotation_of(path)
        if not annotations:
            raise InputError("holds no annotated map; run 'radiff annotate' on the maps first", path)
        for annotation in annotations:
            try:
                image = _image_of(annotation)
            except InputError as error:
                if not path.is_dir():
                    raise
                failures.append(str(error))
                continue
            job = MapJob(image, annotation, _sample(annotation), _source(image))
            known = jobs.setdefault((job.sample, job.name), job)
            if known.annotation.resolve() != annotation.resolve():
                text = f"has the same name and folder name as {known.annotation}; rename one of them"
                raise InputError(text, annotation)
    return list(jobs.values()), failures


def _annotations(root: Path) -> Iterator[Path]:
    for folder, names in walk(root):
        in_masks = folder.name in ("masks", "annotations")
        for name in names:
            if name.lower().endswith(".json") and (name.startswith("mask_") or in_masks):
                yield folder / name


def _annotation_of(path: Path) -> list[Path]:
    """The annotation that a file is or has."""
    if not map_file(path).is_file():
        raise InputError("no such file or folder", path)
    if path.suffix.lower() == ".json":
        return [path]
    return [found for found in (annotation_path(path),) if found.is_file()]


def _image_of(annotation: Path) -> Path:
    """The image of an annotation: the one that it names, else the one that its own name stands for."""
    document = read_json(annotation)
    if not isinstance(document, dict) or "objs" not in document:
        raise InputError("is no annotation: there is no list 'objs'", annotation)
    named = document.get("img")
    image = image_of(annotation, named or annotation.stem.removeprefix("mask_") + ".fits")
    if image is None:
        raise InputError(f"its image {named!r} does not exist; mend 'img' in it or move the image back", annotation)
    return image


def make_collection(
    jobs: Sequence[MapJob],
    root: str | os.PathLike[str],
    options: CutOptions,
    given: GivenSplits | None = None,
    val_fraction: float = 0.2,
    split_seed: int = 0,
    workers: int | None = None,
    resume: bool = False,
) -> CutSummary:
    """Cut every map, write its cutouts under `root`, then divide them into train and val and write the index.

    The files are the same for any number of workers. Where the run is stopped, ``resume=True`` goes on with the maps
    that are not done.

    Raises
    ------
    InputError
        Where `root` cannot be written or holds a collection already (on resume: one cut with other options), or a map
        is not in the given splits. A map that cannot be used is listed in `CutSummary.failures` instead, and the
        others are done.
    """
    root = Path(root)
    if given is not None:
        for job in jobs:
            given.find(job.source)
    _prepare(root, options, resume)
    cut_one = functools.partial(cut_map, root=root, options=options, resume=resume)
    outcome = run_parallel(cut_one, jobs, "cutting", workers)
    stop_if_full(outcome)
    failures = [result.message for result in outcome if isinstance(result, Failure)]
    done = [result for result in outcome if not isinstance(result, Failure)]
    summary = CutSummary(None, [result for result, _ in done], failures, sum(old for _, old in done))
    summary.totals = totals(result.report for result in summary.results)
    summary.warnings = [message for result in summary.results for message in result.warnings]
    rows = [row for result in summary.results for row in result.rows]
    if rows:
        rows = given.apply(rows) if given else assign_splits(rows, 1 - val_fraction, split_seed)
        write_index(root, rows)
        summary.collection = Collection(root, rows)
    return summary


def plan_collection(
    jobs: Sequence[MapJob], options: CutOptions, given: GivenSplits | None = None, workers: int | None = None
) -> list[CutReport | Failure]:
    """What `make_collection` would keep of every map; nothing is written."""
    if given is not None:
        for job in jobs:
            given.find(job.source)
    return run_parallel(functools.partial(_plan, options=options), jobs, "planning", workers)


def _plan(job: MapJob, options: CutOptions) -> CutReport:
    with collected_warnings(), _opened(job) as source:
        return cut(source, read_annotation(job.annotation, job.image), options.size, options.stride, options)[1]


def cut_map(job: MapJob, root: Path, options: CutOptions, resume: bool = False) -> tuple[MapResult, bool]:
    """Write the cutouts of one map; its record is written last.

    Returns
    -------
    result : MapResult
    resumed : bool
        True where an earlier run had done it.
    """
    record = root / RECORDS / job.sample / f"{job.name}.json"
    if resume and record.is_file():
        return _read_record(record), True
    with collected_warnings() as messages, _opened(job) as source:
        annotation = read_annotation(job.annotation, job.image)
        pieces, report = cut(source, annotation, options.size, options.stride, options)
        boxes = np.array([one.bbox for one in annotation.objects], dtype=np.int64).reshape(-1, 4)
        rows = []
        for piece in pieces:
            near = [annotation.objects[index] for index in in_box(boxes, piece.box)]
            rows.append(_write_piece(job, source, replace(annotation, objects=near), piece, root))
    result = MapResult(job.source, rows, report, messages)
    record.parent.mkdir(parents=True, exist_ok=True)
    write_json(record, _record(result), indent=None)
    return result, False


@contextmanager
def _opened(job: MapJob) -> Iterator[Cutout | MapReader]:
    """The map: as a whole where it is small, else as a reader of windows."""
    with MapReader.open(job.image) as reader:
        if math.prod(reader.shape) > LARGE_MAP:
            yield reader
            return
        source = reader.cutout(0, reader.shape[0], 0, reader.shape[1])
    check_image(source.image, job.image)
    yield source


def _write_piece(job: MapJob, source: Cutout | MapReader, annotation: Annotation, piece: CutPiece, root: Path) -> Row:
    cutout = source.window(*piece.box) if isinstance(source, Cutout) else source.cutout(*piece.box)
    cutout.provenance = cutout.provenance | {"map": job.source}
    name = f"{job.name}_x{piece.x0}_y{piece.y0}"
    parts = [(one, one.window(*piece.box)) for one in annotation.objects]
    objects = [peak_inside(one, part, cutout) for one, part in parts if part is not None]
    meta = {key: value for key, value in annotation.meta.items() if key != "left_out"}  # said of the whole map
    clipped = Annotation(objects, (piece.size, piece.size), meta)
    return write_pair(root, job.sample, name, cutout, clipped, source=job.source, x0=piece.x0, y0=piece.y0)


def peak_inside(whole: SourceObject, part: SourceObject, cutout: Cutout) -> SourceObject:
    """`part` of an object with the peak of the pixels that are in `cutout`, where an edge has cut the brightest off.

    The peak in its annotation, if it has one, is against the local background and rms of the whole object.
    """
    peak, snr = (float(whole.info.get(name) or 0.0) for name in ("peak_flux", "peak_snr"))
    if not (peak > 0 and snr > 0) or part.stamp.sum() == whole.stamp.sum():
        return part
    box = np.s_[part.y0 : part.y0 + part.stamp.shape[0], part.x0 : part.x0 + part.stamp.shape[1]]
    seen = cutout.image[box][part.stamp]
    brightest = float(np.max(seen, where=np.isfinite(seen), initial=-math.inf)) - cutout.background
    left = min(max(brightest, 0.0) / peak, 1.0)
    return replace(part, info={**part.info, "peak_flux": peak * left, "peak_snr": snr * left})


def _sample(annotation: Path) -> str:
    folder = annotation.resolve().parent
    return (folder.parent if folder.name in _SUBFOLDERS else folder).name or "maps"


def _source(image: Path) -> str:
    """Path of a map from the folder of its set on: what tells maps apart without naming this machine's folders."""
    parts = image.resolve().parts
    return "/".join(parts[-3:] if len(parts) > 2 and parts[-2] in _SUBFOLDERS else parts[-2:])


def _record(result: MapResult) -> dict[str, Any]:
    report = result.report
    return {
        "source": result.source,
        "rows": [{key: None if value != value else value for key, value in vars(row).items()} for row in result.rows],
        "report": {
            "kinds": dict(report.kinds),
            "skipped": dict(report.skipped),
            "extended": report.extended,
            "lost": [vars(lost) for lost in report.lost],
        },
    }


def _read_record(path: Path) -> MapResult:
    """The result of an earlier run."""
    record = read_json(path)
    rows = [_row(values) for values in record["rows"]]
    said = record["report"]
    lost = [Lost(**one) for one in said["lost"]]
    report = CutReport(Counter(said["kinds"]), Counter(said["skipped"]), said["extended"], lost)
    return MapResult(record["source"], rows, report)


def _row(values: dict[str, Any]) -> Row:
    known: dict[str, Any] = {key: math.nan if value is None else value for key, value in values.items()}
    return Row(**known)


def _prepare(root: Path, options: CutOptions, resume: bool) -> None:
    """Make the folder; refuse one that holds other cutouts."""
    path = root / RECORDS / "options.json"
    wanted = dataclasses.asdict(options)
    if (root / INDEX).exists() or path.exists():
        if not resume:
            raise InputError("holds a collection already; choose another -o, or --resume to go on with it", root)
        known = read_json(path) if path.exists() else {}
        other = [f"{key} {known.get(key)}" for key in wanted if known.get(key) != wanted[key]]
        if other:
            raise InputError(
                f"was cut with {', '.join(other)}; resume with the same options or choose another -o", root
            )
    make_folder(root / RECORDS)
    write_json(path, wanted)


def totals(reports: Iterable[CutReport]) -> CutReport:
    """The sum of the reports of many maps."""
    total = CutReport()
    for report in reports:
        total.kinds.update(report.kinds)
        total.skipped.update(report.skipped)
        total.extended += report.extended
        total.lost += report.lost
    return total


def write_lost(path: str | os.PathLike[str], results: Sequence[MapResult]) -> None:
    """Write what could not be kept as CSV: source, what, name, x, y (pixels of the source), reason."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["source", "what", "name", "x", "y", "reason"])
    for result in results:
        for one in result.report.lost:
            writer.writerow([result.source, one.what, one.name, one.x, one.y, one.reason])
    write_text(path, stream.getvalue())
