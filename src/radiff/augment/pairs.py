"""A collection in, synthetic pairs of images and masks out, as a sample of a collection. Knows no networks' insides."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from radiff.augment.gate import GateOptions, Segment, judge
from radiff.augment.journal import Attempt, Journal
from radiff.augment.peaks import PeakTable, Spread
from radiff.augment.real import SOURCES, RealImages
from radiff.augment.sources import MaskSource, Need, random_of
from radiff.data.collection import Row, write_pair
from radiff.data.messages import collected_warnings
from radiff.errors import InputError
from radiff.files import make_folder, write_json
from radiff.generate import EDGE_SNR, BackgroundImage, Generator, ImageSpec
from radiff.masks import CLASSES, Annotation, SourceObject, write_yolo
from radiff.models.io import read_manifest
from radiff.parallel import progress_bar
from radiff.sky import Cutout

JOURNAL = "augment.jsonl"
SURPLUS = "surplus"


@dataclass(frozen=True)
class AugmentOptions:
    """What is made, and how.

    Attributes
    ----------
    number : int
        Pairs in the end.
    seed : int
        With the number of an attempt it gives everything that is drawn; the image's own seed is `seed` + its number.
    sample : str
        Folder of the pairs.
    peak_snr : ``"real"``, float or (low, high)
        See `radiff.augment.peaks.PeakTable.draw`.
    background : bool
        Show the generator the background of a real cutout; else it makes noise as it finds likely.
    background_strength : float, optional
        How much of it is kept, `radiff.generate.GenerateOptions`.
    num_steps : int, optional
    balance : bool
        Ask for the classes that the set has least of.
    most : float
        Give up after this many attempts a pair asked for.
    batch_size : int
        Images at a time; another one rounds differently.
    gate : GateOptions
    """

    number: int
    seed: int = 0
    sample: str = "synthetic"
    peak_snr: Spread = "real"
    background: bool = True
    background_strength: float | None = None
    num_steps: int | None = None
    balance: bool = False
    most: float = 3.0
    batch_size: int = 8
    gate: GateOptions = field(default_factory=GateOptions)

    def __post_init__(self) -> None:
        if not self.sample or self.sample in (".", "..") or set(self.sample) & set("/\\"):
            raise InputError(f"{self.sample!r} is no name of a sample; give a plain folder name")
        if self.number < 1 or self.batch_size < 1 or self.seed < 0 or self.most < 1:
            raise InputError("number and batch size are 1 or more, the seed 0 or more")

    @property
    def attempts(self) -> int:
        """Attempts at most, whole batches."""
        return -(-int(self.most * self.number) // self.batch_size) * self.batch_size


@dataclass
class AugmentReport:
    """What was made: rows of the index, attempts, and how many were dropped, by reason."""

    rows: list[Row]
    attempts: int
    dropped: Counter[str]
    wanted: int
    kept_before: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Objects of each class."""
        return {CLASSES[c].name: sum(row.counts[c - 1] for row in self.rows) for c in SOURCES}


def augment(
    real: RealImages,
    masks: MaskSource,
    generator: Generator,
    root: str | os.PathLike[str],
    options: AugmentOptions,
    segment: Segment | None = None,
    about: dict[str, Any] | None = None,
) -> AugmentReport:
    """Make pairs until there are `options.number` good ones; what an earlier run of the same settings made is kept.

    Every pair is a function of the options and its attempt's number alone: a run that was killed and goes on gives the
    same bytes as one that was not.

    Parameters
    ----------
    real : RealImages
        Where skies and peaks are from.
    masks : MaskSource
    generator : Generator
    root : path
        Gets ``<sample>/imgs``, ``<sample>/masks``, ``<sample>/yolo`` and the journal; no index (`finish_collection`).
    segment : callable, optional
        For the gate: a cutout to its class mask.
    about : dict, optional
        Further settings that the result depends on (the masks' source, ...), JSON values.

    Raises
    ------
    InputError
        Where an earlier run in `root` had other settings, or a file cannot be read or written.
    """
    folder = make_folder(Path(root) / options.sample)
    for name in ("imgs", "masks", "yolo"):
        (folder / name).mkdir(exist_ok=True)
    journal = Journal(folder / JOURNAL, settings_of(real, generator, options, segment, about), options.batch_size)
    journal.start()
    before = len(journal.rows)
    table = PeakTable.of(real) if options.peak_snr == "real" else PeakTable({}, {})
    work = _Work(real, masks, generator, Path(root), options, segment, table)
    with progress_bar() as progress:
        bar = progress.add_task("making pairs", total=options.number, completed=before)
        while not is_done(journal, options):
            journal.add(work.batch(journal))
            progress.update(bar, completed=len(journal.rows), description=f"making pairs ({_text(journal)})")
    return report_of(journal, options, before)


def is_done(journal: Journal, options: AugmentOptions) -> bool:
    """Whether there are enough pairs, or no more attempts."""
    return len(journal.rows) >= options.number or len(journal.attempts) >= options.attempts


def report_of(journal: Journal, options: AugmentOptions, before: int = 0) -> AugmentReport:
    """What stands in a journal."""
    dropped = Counter(one.reason for one in journal.attempts if one.reason and one.reason != SURPLUS)
    tried = sum(one.reason != SURPLUS for one in journal.attempts)
    return AugmentReport(journal.rows, tried, dropped, options.number, before)


def settings_of(
    real: RealImages,
    generator: Generator,
    options: AugmentOptions,
    segment: Segment | None = None,
    about: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that the result depends on, as JSON values."""
    stamps = [(one.row.image, one.row.rms, one.row.counts, one.row.peak) for one in real.images]
    weights = "".join(v for k, v in sorted(generator.manifest["files"].items()) if k.endswith(".safetensors"))
    network = getattr(segment, "folder", None)
    values = {
        **asdict(options),
        "collection": _digest(stamps),
        "weights": hashlib.sha256(weights.encode()).hexdigest()[:16],
        "precision": generator.precision,
        "backend": generator.backend,
        "device": generator.device.type,
        "segmenter": None if network is None else _digest(sorted(read_manifest(network)["files"].items())),
        **(about or {}),
    }
    return dict(json.loads(json.dumps(values)))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


@dataclass
class _Work:
    """What is needed to make a batch."""

    real: RealImages
    masks: MaskSource
    generator: Generator
    root: Path
    options: AugmentOptions
    segment: Segment | None
    table: PeakTable

    def batch(self, journal: Journal) -> list[Attempt]:
        """The next attempts; their images are written."""
        options, first = self.options, len(journal.attempts)
        numbers = list(range(first, first + options.batch_size))
        plans = self.masks.draw(numbers, self._need(journal.rows))
        specs = [self._spec(plan, number) for plan, number in zip(plans, numbers, strict=True)]
        count, done = len(journal.rows), []
        for number, spec, cutout in zip(numbers, specs, self._generate(specs), strict=True):
            if count >= options.number:
                done.append(Attempt(number, spec.seed, SURPLUS))
                continue
            shown = spec.background.fitted(spec.shape).snr if isinstance(spec.background, BackgroundImage) else None
            beam = self.real.of(spec).beam or 3.0
            verdict = judge(cutout, spec.objects, spec.peaks or (), options.gate, self.segment, beam, shown)
            row = None
            if not verdict.reason:
                row = self._write(f"{options.sample}{count:06d}", cutout, spec, verdict.objects)
                count += 1
            done.append(Attempt(number, spec.seed, verdict.reason, row, verdict.iou, verdict.segmenter_iou))
        return done

    def _need(self, rows: Sequence[Row]) -> Need:
        """How much each class is wanted: as much as it lacks to the largest, where the set is to be balanced."""
        counts = self.real.counts()
        for row in rows:
            for value in SOURCES:
                counts[value] += row.counts[value - 1]
        lack = {value: float(max(counts.values()) - counts[value]) for value in SOURCES}
        if not self.options.balance or not sum(lack.values()):
            return dict.fromkeys(SOURCES, 1 / len(SOURCES))
        return {value: amount / sum(lack.values()) for value, amount in lack.items()}

    def _spec(self, plan: ImageSpec, number: int) -> ImageSpec:
        """All that an attempt's image depends on."""
        options, real = self.options, self.real.of(plan)
        random = random_of(options.seed, number, 3)
        peaks = self.table.draw(plan.objects, real.beam_area, random, options.peak_snr)
        with collected_warnings():  # of headers: told when the collection was made
            spec = self.real.complete(plan, options.seed + number, options.background)
        # labels that are found on the image follow its edges; those asked for need edges that follow them
        return replace(spec, peaks=peaks, isophote=EDGE_SNR if options.gate.labels == "asked" else 0.0)

    def _generate(self, specs: list[ImageSpec]) -> Iterator[Cutout]:
        options = self.options
        chosen = self.generator.options(
            background_strength=options.background_strength,
            num_steps=options.num_steps,
            batch_size=options.batch_size,
        )
        return self.generator.iterate(specs, chosen)

    def _write(self, name: str, cutout: Cutout, spec: ImageSpec, objects: list[SourceObject]) -> Row:
        row = self.real.of(spec).row
        cutout = replace(cutout, provenance={**cutout.provenance, "mask": spec.source, "sky": row.image})
        columns = {"split": "train", "group": row.group, "source": spec.source, "project": row.project}
        columns |= {"telescope": row.telescope, "survey": row.survey}
        written = write_pair(self.root, self.options.sample, name, cutout, Annotation(objects, spec.shape), **columns)
        write_yolo(self.root / self.options.sample / "yolo" / f"{name}.txt", objects, spec.shape)
        return written


def _text(journal: Journal) -> str:
    dropped = sum(bool(one.reason) and one.reason != SURPLUS for one in journal.attempts)
    return f"{dropped} dropped"


def write_summary(folder: Path, report: AugmentReport, settings: dict[str, Any]) -> Path:
    """Write ``augment.json``: settings, attempts, what was dropped and why, objects of each class."""
    content = {
        "wanted": report.wanted,
        "made": len(report.rows),
        "attempts": report.attempts,
        "dropped": dict(sorted(report.dropped.items())),
        "objects": report.counts,
        "settings": settings,
    }
    write_json(folder / "augment.json", content)
    return folder / "augment.json"
