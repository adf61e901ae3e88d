"""Objects of the mask, made beside real: peaks, edges, holes beside bright ones, widths. Knows no networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.evaluate.checks.beams import APART, BRIGHT, fit_shape
from radiff.evaluate.checks.generation import own_pixels
from radiff.evaluate.joint.lines import Line, missing, quantile, ratio_line, share
from radiff.evaluate.joint.stacks import Floats, Stack
from radiff.masks import CLASSES, COMPACT, SPURIOUS, SourceObject
from radiff.sky.beam import Beam

OFFSETS = (-2, -1, 1, 2, 3)
"""Rings about an object's edge, pixels: -1 is the outermost inside, 1 the first outside."""
LOW, EDGE = 2.0, 3.0
"""Rms below which no object should be; rms at whose isophote the masks of real images end."""
HOLE, BESIDE_HOLE = -5.0, -4.0
"""Rms below which a pixel is a hole; and a dip beside a spurious object."""
LOUD = 100.0
"""Peak, rms, of a source bright enough to have holes."""
BEAMS_AROUND = 5.0
DEFAULT_BEAM = 3.0
"""FWHM, pixels, where the header tells none."""


# ---------------------------------------------------------------- peaks


@dataclass(frozen=True, eq=False)
class Peaks:
    """Of k objects: peak measured over asked, the image each is on, its class."""

    ratio: Floats
    image: NDArray[np.int64]
    kind: NDArray[np.int64]


def peaks(real: Stack, made: Stack) -> Peaks:
    """The largest of each object's own pixels, in units of the rms asked, over the peak asked.

    What was asked is what the made image's annotation says (``asked_peak_snr``), else the real image's own peak.
    """
    rows = []
    for k in range(len(made)):
        found = own_pixels(made.asked[k], made.objects[k])
        own = own_pixels(real.asked[k], made.objects[k])
        for item, values, true in zip(made.objects[k], found, own, strict=True):
            if not values.size:
                continue
            wanted = float(item.info.get("asked_peak_snr") or (true.max() if true.size else math.nan))
            if wanted > 0:
                rows.append((float(values.max()) / wanted, k, item.class_value))
    table = np.array(rows, float).reshape(-1, 3)
    return Peaks(table[:, 0], table[:, 1].astype(np.int64), table[:, 2].astype(np.int64))


def peak_lines(real: Stack, made: Stack) -> list[Line]:
    """Median and 16-84 % of peak over asked, all objects and by class."""
    found = peaks(real, made)
    if not len(found.ratio):
        return [missing("peaks", "peak over asked", "no object has a peak")]
    target = (0.98, 1.02)
    lines = [Line("peaks", "peak over asked, median", quantile(found.ratio, found.image), None, target)]
    for level in (16.0, 84.0):
        lines.append(Line("peaks", f"peak over asked, {level:g} %", quantile(found.ratio, found.image, level)))
    for kind in CLASSES[1:]:
        chosen = found.kind == kind.value
        value = quantile(found.ratio[chosen], found.image[chosen])
        lines.append(Line("peaks", f"peak over asked, {kind.name}, median", value))
    return lines


# ---------------------------------------------------------------- edges


def edge_counts(stack: Stack) -> NDArray[np.float64]:
    """What the pixels about the objects' edges say.

    Rings are counted in steps to any of eight neighbours from the edge of all objects together; the image's own edge is
    none. A pixel outside belongs to the class of the nearest object.

    Returns
    -------
    (n, 3, 5, 4)
        For each image, class (spurious, compact, extended) and ring of `OFFSETS`: pixels, their sum (rms), and how many
        of them are below 2 and below 3 rms.
    """
    counts = np.zeros((len(stack), 3, len(OFFSETS), 4))
    for row, image, mask in zip(counts, stack.snr, stack.masks, strict=True):
        inside = mask > 0
        if not inside.any() or inside.all():
            continue
        depth = ndimage.distance_transform_cdt(inside, "chessboard")
        away, nearest = ndimage.distance_transform_cdt(~inside, "chessboard", return_indices=True)
        kinds = mask[tuple(nearest)]
        place = np.where(inside, -depth, away)
        for column, offset in enumerate(OFFSETS):
            ring = (place == offset) & np.isfinite(image)
            values, classes = image[ring], kinds[ring].astype(int) - 1
            for part, weights in enumerate((None, values, values < LOW, values < EDGE)):
                row[:, column, part] = np.bincount(classes, weights, 3)
    return counts


def edge_lines(real: Stack, made: Stack) -> list[Line]:
    """Shares of the ring inside below 2 and 3 rms, of the ring outside above 3 rms; mean profile; by class."""
    own, found = edge_counts(real), edge_counts(made)
    names = ["all", *(kind.name for kind in CLASSES[1:])]
    lines = []
    for number, name in enumerate(names):
        parts = [t.sum(1) if number == 0 else t[:, number - 1] for t in (found, own)]  # (n, 5, 4)
        for title, offset, figure in (
            ("outermost ring below 2 rms", -1, lambda t: share(t[:, 2], t[:, 0])),
            ("outermost ring below 3 rms", -1, lambda t: share(t[:, 3], t[:, 0])),
            ("first ring outside above 3 rms", 1, lambda t: share(t[:, 0] - t[:, 3], t[:, 0])),
        ):
            values = [figure(t[:, OFFSETS.index(offset)]) for t in parts]
            lines.append(Line("edges", f"edge, {name}: {title}", values[0], values[1].value))
        for column, offset in enumerate(OFFSETS):
            values = [share(t[:, column, 1], t[:, column, 0]) for t in parts]
            lines.append(Line("edges", f"profile, {name}: mean at {offset:+d} pixels, rms", values[0], values[1].value))
    return lines


# ---------------------------------------------------------------- holes


def loud_sources(stack: Stack) -> NDArray[np.int64]:
    """(n,): objects with a peak above 100 rms."""
    found = [own_pixels(image, items) for image, items in zip(stack.filled, stack.objects, strict=True)]
    return np.array([sum(v.size > 0 and v.max() > LOUD for v in each) for each in found], np.int64)


def dips(stack: Stack) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) each: spurious objects with a pixel below -4 rms within 5 beams, and spurious objects."""
    near, count = np.zeros((2, len(stack)), np.int64)
    for k, items in enumerate(stack.objects):
        spurious = [one for one in items if one.class_value == SPURIOUS]
        count[k] = len(spurious)
        low = np.argwhere(stack.filled[k] < BESIDE_HOLE)
        if not spurious or not len(low):
            continue
        reach = BEAMS_AROUND * _beam(stack, k)
        for one in spurious:
            pixels = np.stack(one.coordinates(), 1)
            distance = np.hypot(*(low[:, None] - pixels[None]).transpose(2, 0, 1))
            near[k] += bool((distance <= reach).any())
    return near, count


def hole_lines(real: Stack, made: Stack) -> list[Line]:
    """Pixels below -5 rms beside bright sources, and dips beside spurious objects, made over real."""
    loud = loud_sources(real)
    own, found = ((one.filled < HOLE).sum((1, 2)) * (loud > 0) for one in (real, made))
    sources = max(int(loud.sum()), 1)
    note = f"{found.sum() / sources:.2f} a source, real {own.sum() / sources:.2f}; {loud.sum()} sources above 100 rms"
    holes = ratio_line("holes", "pixels below -5 rms by sources above 100 rms, made over real", found, own, (0.8, 1.2),
                       note)  # fmt: skip
    (near, count), (true, _) = dips(made), dips(real)
    total = max(int(count.sum()), 1)
    note = f"{near.sum() / total:.1%}, real {true.sum() / total:.1%}, of {count.sum()} spurious objects"
    title = "spurious objects with a pixel below -4 rms within 5 beams, made over real"
    return [holes, ratio_line("holes", title, near, true, (0.8, 1.2), note)]


def _beam(stack: Stack, index: int) -> float:
    """Geometric mean FWHM, pixels."""
    major, minor, _ = stack.beams[index]
    return math.sqrt(major * minor) if major > 0 and minor > 0 else DEFAULT_BEAM


# ---------------------------------------------------------------- widths


def compact_shapes(stack: Stack) -> tuple[Floats, NDArray[np.int64], list[tuple[int, int]]]:
    """Widths of the bright compact objects that stand alone, by a Gaussian fit, over those of the beam.

    Returns
    -------
    shapes : (k, 3)
        Major and minor FWHM over the beam's, and position angle less the beam's (deg, -90 to 90; NaN where the beam is
        rounder than 1.1 to 1).
    image : (k,)
    which : list of (image, object)
    """
    rows, images, which = [], [], []
    for k, items in enumerate(stack.objects):
        beam = _beam(stack, k)
        for number in _alone(items, beam):
            item = items[number]
            y, x = item.coordinates()
            values = stack.filled[k][y, x]
            place = int(values.argmax())
            if values[place] < BRIGHT:
                continue
            try:
                fitted = fit_shape(stack.filled[k], int(x[place]), int(y[place]), beam)
            except np.linalg.LinAlgError:
                continue
            if fitted is not None:
                rows.append(_over_beam(Beam.from_covariance(fitted, 1.0), stack.beams[k], beam))
                images.append(k)
                which.append((k, number))
    return np.array(rows, float).reshape(-1, 3), np.array(images, np.int64), which


def _alone(items: Sequence[SourceObject], beam: float) -> list[int]:
    """Compact objects with no other one within `APART` beams."""
    compact = [n for n, one in enumerate(items) if one.class_value == COMPACT]
    pixels = [np.stack(one.coordinates(), 1) for one in items]
    found = []
    for n in compact:
        others = [p for m, p in enumerate(pixels) if m != n]
        rest = np.concatenate(others) if others else np.zeros((0, 2), int)
        distance = np.hypot(*(rest[:, None] - pixels[n][None]).transpose(2, 0, 1))
        if distance.min(initial=math.inf) > APART * beam:
            found.append(n)
    return found


def _over_beam(own: Beam, beam: Floats, mean: float) -> tuple[float, float, float]:
    major, minor, angle = beam if beam[0] > 0 else (mean, mean, math.nan)
    turn = (own.pa - angle + 90.0) % 180.0 - 90.0 if major / minor > 1.1 else math.nan
    return own.maj / major, own.min / minor, turn


def width_lines(real: Stack, made: Stack) -> list[Line]:
    """Median widths and angle of compact sources, made and real, over those of the beam."""
    found, image, _ = compact_shapes(made)
    own, _, _ = compact_shapes(real)
    if not len(found):
        return [missing("widths", "FWHM of compact sources over the beam", "no bright compact object stands alone")]
    lines = []
    for column, name in enumerate(("major FWHM over the beam's", "minor FWHM over the beam's", "|angle| off, deg")):
        values, true = (np.abs(t[:, column]) if column == 2 else t[:, column] for t in (found, own))
        if np.isfinite(values).any():
            real_median = float(np.nanmedian(true)) if np.isfinite(true).any() else math.nan
            note = f"real: {np.isfinite(true).sum()} sources"
            lines.append(Line("widths", f"compact: {name}, median", quantile(values, image), real_median, None, note))
    return lines


def check_pairs(real: Stack, made: Stack) -> None:
    """Refuse stacks that are not of the same images.

    Raises
    ------
    InputError
        Where their masks differ.
    """
    if real.masks.shape != made.masks.shape or (real.masks != made.masks).any():
        raise InputError(f"{made.name}: its masks are not those of {real.name}; pair them by name first")
