"""Ways to generate, each a row, to the paper's Tables 3 and 4 on public images. Knows no generator and no weights.

A row is a name and an `ImageGenerator`: given specifications (masks, backgrounds, beams, seeds) it
gives images. Any model can be such a function.
"""

import hashlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.spec import ImageGenerator, ImageSpec
from radiff.errors import InputError
from radiff.estimates import Estimate
from radiff.evaluate.checks.samples import Samples
from radiff.evaluate.checks.specs import sample_specs
from radiff.evaluate.measure import SetTable
from radiff.evaluate.metrics.distances import (
    check_samples,
    fid_estimate,
    kid_estimate,
    prdc_estimates,
    spread_estimate,
    standardised,
)
from radiff.evaluate.metrics.pairs import measure_pairs, pair_metrics
from radiff.evaluate.metrics.segmentation import score_estimates
from radiff.evaluate.networks import Networks, describe_set
from radiff.evaluate.report.page import figure
from radiff.evaluate.sets import ImageSet, Picture, picture_of
from radiff.files import make_folder, read_json, write_json, write_text
from radiff.pages import markdown_row
from radiff.sky import background_rms

Figures = dict[str, Estimate]
PAPER: dict[str, tuple[tuple[str, ...], ...]] = {
    "table3": (("DCGAN", "101.31"), ("PG-GAN", "79.33"), ("DDPM (64 x 64)", "83.26"), ("RADiff", "33.69")),
    "table4": (
        ("real images", "-", "-", "68.67"),
        ("SPADE", "73.49", "26.84", "36.19"),
        ("INADE", "65.78", "27.53", "38.31"),
        ("RADiff, no-bg", "21.66", "30.87", "49.53"),
        ("RADiff (background: the image itself)", "13.17", "39.04", "60.96"),
    ),
}
"""The paper's figures: FID; and for Table 4 SSIM and Segmentation Score, %."""
COLUMNS: dict[str, dict[str, str]] = {
    "table3": {
        "fid": "FID", "kid": "KID", "precision": "precision %", "coverage": "coverage %", "spread": "spread, real = 1",
    },
    "table4": {
        "fid": "FID", "kid": "KID", "coverage": "coverage %", "spread": "spread, real = 1",
        "ssim_paper": "SSIM %, paper's scale",
        "ssim": "SSIM %, asinh",
        "score": "SegScore %, Eq. 10-11",
        "score_sources": "without background",
        "total": "accumulated %",
        "total_sources": "without background",
    },
}  # fmt: skip
NO_SHARES = ("fid", "kid", "spread")
"""Columns that are not in percent."""
FIGURES = 1
"""Counted up when what is measured changes, so that rows are measured again."""
PIECE = 32
"""Images that are drawn before they are written."""


@dataclass(frozen=True)
class TableRow:
    """One line of a table.

    Attributes
    ----------
    name : str
    draw : ImageGenerator
        Given orders, gives images (ny, nx) in Jy/beam about the level 0, in order.
    background : str
        Which background image the specifications have: ``none``, ``self``, ``self-masked``, ``other``.
    note : str
        What to know of it, shown below the table.
    key : str
        Changes when what the row draws would: images that were drawn under another key are drawn again.
    parameters : int
        Of all networks that draw; 0: not known.
    trained : float
        Minutes of training: of one processor core, or on the clock where the weights say no more; NaN: not known.
    """

    name: str
    draw: ImageGenerator
    background: str = "none"
    note: str = ""
    key: str = ""
    parameters: int = 0
    trained: float = math.nan


@dataclass(frozen=True)
class MeasuredRow:
    """A row that was measured: figures by column, images, seconds for drawing and for measuring."""

    name: str
    figures: Figures
    images: int
    drawing: float
    measuring: float
    note: str = ""
    parameters: int = 0
    trained: float = math.nan

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "figures": {name: value.to_json() for name, value in self.figures.items()}}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "MeasuredRow":
        """The row that `to_json` gave."""
        return cls(**values | {"figures": {k: Estimate.from_json(v) for k, v in values["figures"].items()}})


@dataclass(frozen=True)
class Comparison:
    """What all rows of a table are measured beside, and how.

    Attributes
    ----------
    samples : Samples
        Real cutouts that no row was trained on.
    networks : Networks
        Features; for Table 4 a segmenter too.
    train : ImageSet, optional
        Training images: the FID of real images against real ones.
    peaks : bool
        Ask for the real peak of each object too; the paper's model knows none.
    seed, workers : int
    """

    samples: Samples
    networks: Networks
    train: ImageSet | None = None
    seed: int = 0
    peaks: bool = False
    workers: int | None = None


# ---------------------------------------------------------------- images


def row_specs(samples: Samples, row: TableRow, seed: int, peaks: bool) -> list[ImageSpec]:
    """What a row is asked for: each cutout's mask, rms and beam, and the row's background; its peaks where `peaks`."""
    specs = sample_specs(samples, row.background, seed)
    return specs if peaks else [replace(spec, peaks=None) for spec in specs]


def draw_row(row: TableRow, specs: Sequence[ImageSpec], folder: Path) -> tuple[NDArray[np.float32], float]:
    """The images of a row, in units of the rms asked for, and the seconds that drawing them took.

    They are kept in `folder`, piece by piece: a run that was stopped goes on where it was.

    Raises
    ------
    InputError
        Where the images are not as many as the specifications, or not of the masks' size.
    """
    shapes = sorted({spec.shape for spec in specs})
    if len(shapes) != 1:
        raise InputError(f"the tables need cutouts of one size; here are {shapes}")
    data, state = (folder / f"{_stem(row.name)}.{kind}" for kind in ("npy", "json"))
    about = {"key": row.key, "background": row.background, "specs": _digest(specs)}
    done, seconds = 0, 0.0
    if state.is_file() and data.is_file() and (kept := read_json(state)).get("about") == about:
        done, seconds = int(kept["done"]), float(kept["seconds"])
    shape = (len(specs), *shapes[0])
    images = np.lib.format.open_memmap(data, "r+" if done else "w+", np.float32, shape)
    while done < len(specs):
        piece = specs[done : done + PIECE]
        start = time.perf_counter()
        drawn = list(row.draw(piece))
        seconds += time.perf_counter() - start
        if len(drawn) != len(piece) or any(np.shape(image) != shape[1:] for image in drawn):
            raise InputError(f"the model {row.name!r} gave {len(drawn)} images for {len(piece)} masks, or other sizes")
        images[done : done + len(piece)] = [image / spec.rms for image, spec in zip(drawn, piece, strict=True)]
        done += len(piece)
        images.flush()
        write_json(state, {"about": about, "done": done, "seconds": seconds})
    return images, seconds


def _stem(name: str) -> str:
    """A name as that of a file."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.")


def _digest(specs: Sequence[ImageSpec]) -> str:
    digest = hashlib.sha256()
    for spec in specs:
        digest.update(spec.digest().encode())
    return digest.hexdigest()[:16]


def made_picture(real: Picture, image: NDArray[np.float32]) -> Picture:
    """An image (ny, nx) of the mask of `real`, in units of its rms; level and noise are measured, as on real images."""
    taken = real.mask > 0
    level, rms = background_rms(image, taken if (~taken).any() else None)
    if not rms > 0:
        raise InputError(f"{real.name}: the image made from its mask has no noise")
    return replace(
        picture_of(real.name, (image - level) / rms, real.mask, real), objects=real.objects, rms=rms * real.rms
    )


# ---------------------------------------------------------------- figures


def real_row(real: SetTable, baseline: SetTable | None) -> MeasuredRow:
    """The first row of a table: the score of the real images, and the FID of training images against them."""
    figures: Figures = {}
    if baseline is not None and baseline.features is not None and real.features is not None:
        figures |= _distances(real, baseline)
    if real.confusions is not None:
        figures |= score_estimates(real.confusions)
    note = "FID: as many training images against them"
    return MeasuredRow("real images", figures, len(real), math.nan, math.nan, note)


def _distances(real: SetTable, made: SetTable) -> Figures:
    assert real.features is not None and made.features is not None
    pair = real.features, made.features
    check_samples(*pair)
    shares = prdc_estimates(*pair)
    found = {"fid": fid_estimate(*pair), "kid": kid_estimate(*standardised(*pair)), "spread": spread_estimate(*pair)}
    return found | {name: shares[name] for name in ("precision", "coverage")}


def measure_row(
    row: TableRow,
    images: NDArray[np.float32],
    real: ImageSet,
    table: SetTable,
    comparison: Comparison,
    drawing: float,
    paired: bool,
) -> MeasuredRow:
    """The figures of a row.

    Parameters
    ----------
    images : (n, ny, nx)
        Units of the rms, one a real image.
    real, table : ImageSet, SetTable
        The real images, and what was measured on them.
    paired : bool
        Also SSIM and Segmentation Score.
    """
    start = time.perf_counter()
    made = ImageSet(row.name, [made_picture(real.picture(k), image) for k, image in enumerate(images)])
    found, made, failures = describe_set(made, comparison.networks, comparison.workers, segment=paired)
    if failures:
        raise InputError(f"the model {row.name!r} gave {len(failures)} images that cannot be used: {failures[0]}")
    figures = _distances(table, found)
    if paired:
        pairs, _ = measure_pairs(real, made, [(k, k) for k in range(len(real))], comparison.workers)
        figures |= {m.key: m.value for m in pair_metrics(pairs) if m.key in COLUMNS["table4"] and m.value is not None}
        if found.confusions is not None:
            figures |= score_estimates(found.confusions)
    seconds = time.perf_counter() - start
    return MeasuredRow(row.name, figures, len(made), drawing, seconds, row.note, row.parameters, row.trained)


def reproduce(
    which: str,
    comparison: Comparison,
    rows: Sequence[TableRow],
    folder: str | os.PathLike[str],
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Measure every row on the same masks with the same networks; write ``<which>.json`` and ``<which>.md``, its path.

    Parameters
    ----------
    which : str
        ``table3`` (unconditional: FID) or ``table4`` (from masks: FID, SSIM, Segmentation Score).
    comparison : Comparison
    rows : sequence of TableRow
    tell : callable
        Called with what is done.

    Raises
    ------
    InputError
        Where the table is not known, a network is missing, or the images are too few for an FID.
    """
    if which not in PAPER:
        raise InputError(f"{which!r} is no table that can be reproduced; there are: {', '.join(PAPER)}")
    networks, train, seed, peaks = comparison.networks, comparison.train, comparison.seed, comparison.peaks
    if networks.features is None or (which == "table4" and networks.segmenter is None):
        raise InputError(f"{which} needs a feature network" + (" and a segmenter" if which == "table4" else ""))
    folder = make_folder(folder)
    make_folder(folder / "rows")
    real = comparison.samples
    tell(f"{len(real)} real images")
    paired = which == "table4"
    table, _, _ = describe_set(real, networks, comparison.workers, segment=paired)
    assert table.features is not None
    check_samples(table.features, table.features)  # before hours of drawing
    baseline = None
    if train is not None:
        baseline, _, _ = describe_set(train.drawn(len(real), seed), networks, comparison.workers, segment=False)
    lines = [real_row(table, baseline)]
    for row in rows:
        tell(f"{row.name} ...")
        specs = row_specs(comparison.samples, row, seed, peaks)
        images, seconds = draw_row(row, specs, folder / "rows")
        about = [FIGURES, which, row.name, row.background, row.key, _digest(specs), networks.names]
        kept = folder / "rows" / f"{_stem(row.name)}-{which}.json"
        if kept.is_file() and read_json(kept)["about"] == about:
            line = MeasuredRow.from_json(read_json(kept)["line"])
            line = replace(line, note=row.note, parameters=row.parameters, trained=row.trained, drawing=seconds)
        else:
            line = measure_row(row, images, real, table, comparison, seconds, paired)
            write_json(kept, {"about": about, "line": line.to_json()})
        lines.append(line)
        _write(folder, which, lines, networks, peaks)  # what is done stays when a later row fails
    return _write(folder, which, lines, networks, peaks)


# ---------------------------------------------------------------- the table as text


def _write(folder: Path, which: str, lines: Sequence[MeasuredRow], networks: Networks, peaks: bool) -> Path:
    content = {"table": which, "networks": networks.names, "peaks": peaks, "lines": [one.to_json() for one in lines]}
    write_json(folder / f"{which}.json", content)
    write_text(folder / f"{which}.md", "\n".join(table_lines(which, lines, networks.names, peaks)) + "\n")
    return folder / f"{which}.md"


def table_lines(which: str, lines: Sequence[MeasuredRow], names: dict[str, str], peaks: bool = False) -> Iterator[str]:
    """A table as Markdown: our rows, and the paper's own below, marked as not comparable."""
    columns = {key: title for key, title in COLUMNS[which].items() if any(key in one.figures for one in lines)}
    yield markdown_row(["model", "images", *columns.values(), "parameters", "trained, min", "images/s", "s measuring"])
    yield markdown_row(["---"] * (len(columns) + 6))
    for one in lines:
        cells = [_scaled(one.figures.get(key), key) for key in columns]
        speed = one.images / one.drawing if one.drawing > 0 else math.nan
        size = f"{one.parameters / 1e6:.2f} M" if one.parameters else "-"
        costs = [size, _number(one.trained, 1), _number(speed, 2), _number(one.measuring, 0)]
        yield markdown_row([one.name, str(one.images), *cells, *costs])
    yield ""
    yield f"In brackets 95 % intervals. Networks: {', '.join(f'{k} {v}' for k, v in names.items())}."
    yield "The real peak of each object was asked for." if peaks else "No row is told how bright an object is."
    for one in lines:
        if one.note:
            yield f"{one.name[0].upper()}{one.name[1:]}: {one.note}."
    yield ""
    yield (
        "**The paper's figures, which these are not comparable with**: other images (private ones), another feature "
        "network, another segmenter."
    )
    yield ""
    head = ["paper's model", "FID"] + (["SSIM %", "SegScore %"] if which == "table4" else [])
    yield markdown_row(head)
    yield markdown_row(["---"] * len(head))
    for line in PAPER[which]:
        yield markdown_row(line)


def _scaled(estimate: Estimate | None, key: str) -> str:
    if estimate is None:
        return "-"
    factor = 1.0 if key in NO_SHARES else 100.0
    value, low, high = (factor * v for v in (estimate.value, estimate.low, estimate.high))
    return figure(Estimate(value, low, high, estimate.n))


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
