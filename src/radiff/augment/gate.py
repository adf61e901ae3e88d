"""A generated image and what was asked of it to a verdict: good, or the reason why not. Knows no files.

The labels of real cutouts are islands of significant pixels (`radiff.masks.annotate`). The same search on a generated
image tells whether its mask says what an annotator would have drawn, and a segmenter tells whether the sources are
such as it knows from real images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radiff.masks import AnnotateOptions, SourceObject, mask_to_objects, objects_to_mask
from radiff.masks.classes import COMPACT, EXTENDED, SPURIOUS
from radiff.masks.classing import looks_compact
from radiff.masks.islands import find_islands
from radiff.sky import Cutout
from radiff.sky.beam import FWHM_AREA

PEAK, SHAPE, EXTRA, SEGMENTER = (
    "peak is not as asked",
    "an object is not where the mask says",
    "a source was not asked for",
    "the segmenter does not see an object",
)
REASONS = (PEAK, SHAPE, EXTRA, SEGMENTER)
LABELS = ("asked", "found")
FAINT = 8.0
"""Objects asked for below this peak (rms) may come out too faint to be found: no fault of the image."""
CLEAR = 5.5
"""Islands below this peak (rms) that nobody asked for are noise, as some are on real images."""
Segment = Callable[[Cutout], NDArray[np.uint8]]
Pixels = NDArray[np.bool_]


@dataclass(frozen=True)
class GateOptions:
    """When an image is dropped.

    Attributes
    ----------
    peak_tolerance : float
        Largest relative error of a peak that was asked for; 0: not looked at.
    least_iou : float
        Least intersection over union of each object and the islands found on it; 0: not looked at. Objects asked for
        near the threshold may be lost in the noise, as real ones are (`FAINT`).
    segmenter_iou : float
        The same with what a segmenter takes for a source of any class.
    extra : bool
        Drop images with a source that was not asked for and is not in the background shown (`CLEAR`): it would stand
        unlabelled.
    labels : str
        ``asked``: the mask of the pair is the one that was asked for. ``found``: its objects are the islands found on
        the image, as on real ones. Spurious ones stay so; whether a source is compact or extended is said by its island
        (`radiff.masks.classing.looks_compact`), by what was asked for where the edge or a gap cuts it, and it is
        extended where two sources run together.
    """

    peak_tolerance: float = 0.25
    least_iou: float = 0.3
    segmenter_iou: float = 0.3
    extra: bool = True
    labels: str = "found"


@dataclass(frozen=True)
class Verdict:
    """What came of an image.

    Attributes
    ----------
    reason : str
        Why it is dropped; empty where it is good.
    objects : list of SourceObject
        The labels of the pair.
    iou, segmenter_iou : list of float
        Of each object asked for; empty where not looked at.
    """

    reason: str
    objects: list[SourceObject]
    iou: list[float]
    segmenter_iou: list[float]


def judge(
    cutout: Cutout,
    asked: Sequence[SourceObject],
    peaks: Sequence[float] | None,
    options: GateOptions,
    segment: Segment | None = None,
    beam: float = 3.0,
    background: NDArray[np.floating] | None = None,
) -> Verdict:
    """Hold a generated cutout against what was asked.

    Parameters
    ----------
    cutout : Cutout
        Jy/beam, with the rms and level that it was asked to have.
    asked : sequence of SourceObject
    peaks : sequence of float, optional
        In units of the rms; 0: not asked.
    segment : callable, optional
        Cutout to class mask (ny, nx).
    beam : float
        FWHM, pixels.
    background : (ny, nx), optional
        The background that was shown, in units of its rms: what stands out of it may stand out of the image, such as
        sidelobes that are no objects of the mask.
    """
    islands = _islands(cutout, beam)
    owners = [_overlapping(one, islands) for one in asked]
    free = set(range(len(islands))) - set().union(*owners)
    found = [_union([islands[k] for k in ks], cutout.shape) for ks in owners]
    iou = [_iou(one.pixels(cutout.shape), pixels) for one, pixels in zip(asked, found, strict=True)]
    labels = list(asked) if options.labels == "asked" else _relabelled(asked, islands, owners, cutout.shape)
    seen: list[float] = []
    if segment is not None and options.segmenter_iou > 0 and asked:
        seen = _seen(segment(cutout) > 0, asked)
    reason = ""
    if options.peak_tolerance > 0 and peaks is not None and _peaks_off(cutout, asked, peaks, options.peak_tolerance):
        reason = PEAK
    elif _any_below(iou, options.least_iou, peaks):
        reason = SHAPE
    elif options.extra and any(_unasked(islands[k], background) for k in free):
        reason = EXTRA
    elif _any_below(seen, options.segmenter_iou, peaks):
        reason = SEGMENTER
    return Verdict(reason, labels, [round(v, 4) for v in iou], [round(v, 4) for v in seen])


def _any_below(values: Sequence[float], least: float, peaks: Sequence[float] | None) -> bool:
    """Whether one of `values` is too low, of an object that is not faint."""
    faint = [peaks is not None and 0 < peaks[k] < FAINT for k in range(len(values))]
    return any(value < least and not pardoned for value, pardoned in zip(values, faint, strict=True))


def _islands(cutout: Cutout, beam: float) -> list[SourceObject]:
    """Islands of a cutout by the rules of `annotate`, as objects of the class of their shape: compact or extended."""
    rules = AnnotateOptions()
    found, _, _ = find_islands(
        cutout.image, rules.mesh_box(beam), rules.seed_snr, rules.grow_snr, rules.min_pixels, radius=1
    )
    area = FWHM_AREA * beam**2
    classes = [COMPACT if looks_compact(one, area, beam, rules) else EXTENDED for one in found]
    return [
        SourceObject("", value, one.stamp, one.y0, one.x0, {"peak_flux": one.peak_flux, "peak_snr": one.peak_snr})
        for value, one in zip(classes, found, strict=True)
    ]


def _overlap(one: SourceObject, other: SourceObject) -> int:
    """Pixels that two objects share."""
    a, b = one.bbox, other.bbox
    y0, y1, x0, x1 = max(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), min(a[3], b[3])
    if y0 >= y1 or x0 >= x1:
        return 0
    mine = one.stamp[y0 - a[0] : y1 - a[0], x0 - a[2] : x1 - a[2]]
    return int((mine & other.stamp[y0 - b[0] : y1 - b[0], x0 - b[2] : x1 - b[2]]).sum())


def _overlapping(one: SourceObject, islands: Sequence[SourceObject]) -> set[int]:
    return {k for k, island in enumerate(islands) if _overlap(one, island)}


def _union(objects: Sequence[SourceObject], shape: tuple[int, int]) -> Pixels:
    return np.asarray(objects_to_mask([replace(one, class_value=1) for one in objects], shape) > 0)


def _iou(one: Pixels, other: Pixels) -> float:
    union = int((one | other).sum())
    return float((one & other).sum()) / union if union else 0.0


def _unasked(island: SourceObject, background: NDArray[np.floating] | None) -> bool:
    """Whether an island is clearly more than noise and than what the background shows there."""
    if island.info["peak_snr"] < CLEAR:
        return False
    shown = 0.0 if background is None else float(background[island.slices][island.stamp].max())
    return shown < AnnotateOptions().seed_snr


def _relabelled(
    asked: Sequence[SourceObject],
    islands: Sequence[SourceObject],
    owners: Sequence[set[int]],
    shape: tuple[int, int],
) -> list[SourceObject]:
    """Every island on an object, with the class of its shape or of the object that most of it lies on."""
    labels: list[SourceObject] = []
    for k, island in enumerate(islands):
        on = [(_overlap(one, island), n, one) for n, one in enumerate(asked) if k in owners[n]]
        if on:
            _, number, one = max(on, key=lambda pair: pair[:2])
            value = one.class_value
            if value != SPURIOUS and len(owners[number]) == 1 and not island.touches_edge(shape):
                value = island.class_value
            if sum(2 * pixels > each.npix and each.class_value != SPURIOUS for pixels, _, each in on) > 1:
                value = EXTENDED
            labels.append(replace(island, name=f"S{len(labels) + 1}", class_value=value))
    return labels


def _peaks_off(cutout: Cutout, asked: Sequence[SourceObject], peaks: Sequence[float], tolerance: float) -> bool:
    rms = float(cutout.rms or 1.0)
    for one, wanted in zip(asked, peaks, strict=True):
        if wanted > 0:
            got = (float(cutout.image[one.slices][one.stamp].max()) - cutout.background) / rms
            if abs(got / wanted - 1) > tolerance:
                return True
    return False


def _seen(sources: Pixels, asked: Sequence[SourceObject]) -> list[float]:
    """IoU of each object and the parts of `sources` (ny, nx) that touch it."""
    parts = mask_to_objects(sources.astype(np.uint8))
    shape = (sources.shape[0], sources.shape[1])
    return [_iou(one.pixels(shape), _union([parts[k] for k in _overlapping(one, parts)], shape)) for one in asked]
