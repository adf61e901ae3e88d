"""A map (and a catalog, if there is one) to a first annotation: islands, each with a class. Knows no networks.

Islands of significant pixels (`radiff.masks.islands`) are classed by the catalog components that fall on them, else by
their shape against that of a point source of the same peak. The result is raw: look at it on a contact sheet.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.masks.classes import COMPACT, EXTENDED, SPURIOUS
from radiff.masks.instances import BoolArray, SourceObject
from radiff.masks.islands import Island, find_islands
from radiff.masks.measure import beam_in_pixels, measure_objects
from radiff.masks.rg import Annotation
from radiff.sky import Cutout, HeaderWarning, sources_inside
from radiff.sky.cutout import shift_wcs


@dataclass(frozen=True)
class AnnotateOptions:
    """How islands are found and classed.

    Attributes
    ----------
    seed_snr, grow_snr : float
        An island holds a pixel above `seed_snr` and all that connect to it above `grow_snr` (units of local rms).
    min_pixels : int
        Smaller islands are noise.
    box : int, optional
        Side of the cells of the noise mesh, pixels; default 64, or 12 beam widths where that is more.
    compact_fwhm : float
        A compact source's catalog component has a deconvolved major axis below this many beam widths.
    compact_beams : float
        A compact source covers fewer beam areas than this, or than a bright point source would.
    compact_axis : float
        Without a catalog: the longest major axis of a compact island, in units of a point source's of that peak.
    p_sidelobe : float
        Components with a larger chance to be spurious count as spurious. The limit is 0.3 of it on islands that look
        like sidelobes (see `negative_ratio`).
    faint_beams : float
        Islands without a component, or with spurious ones alone, are faint diffuse sources where they cover more beam
        areas than this and do not look like sidelobes.
    clear_snr : float
        An island with a higher peak that does not look like a sidelobe is a source, whatever the catalog lacks.
    attach_beams : float
        Spurious islands within this many beam widths of a very extended one (three times `compact_beams`) are extended:
        faint parts of it.
    match_beams : float
        A component belongs to the nearest island within this many beam widths.
    negative_ratio : float
        An island looks like a sidelobe where its peak is below this many times the deepest negative pixel within
        `negative_beams` beam widths, which is itself below -`seed_snr`.
    negative_beams : float
    spurious_by_shape : bool
        Without a catalog: mark such sidelobes as spurious. Default: they are left out of the mask.
    merge_beams : float
        Islands nearer to each other than this many beam widths are one extended object; 0: none are merged.
    default_beam : float
        Beam width in pixels where header or pixel scale do not tell it.
    """

    seed_snr: float = 5.0
    grow_snr: float = 3.0
    min_pixels: int = 5
    box: int | None = None
    compact_fwhm: float = 1.5
    compact_beams: float = 8.0
    compact_axis: float = 1.35
    p_sidelobe: float = 0.5
    faint_beams: float = 4.0
    clear_snr: float = 10.0
    attach_beams: float = 1.0
    match_beams: float = 1.0
    negative_ratio: float = 2.5
    negative_beams: float = 15.0
    spurious_by_shape: bool = False
    merge_beams: float = 0.0
    default_beam: float = 4.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"{one.name} is {value}; it must be a number of 0 or more")
        if self.seed_snr < self.grow_snr or self.grow_snr <= 0:
            raise InputError(
                f"seed_snr {self.seed_snr:g} and grow_snr {self.grow_snr:g}: needed is seed_snr >= grow_snr > 0"
            )
        if self.box is not None and self.box < 8:
            raise InputError(f"box is {self.box}; cells of the noise mesh have at least 8 pixels")


@dataclass(frozen=True)
class _Component:
    """A catalog component on an island."""

    p_sidelobe: float = 0.0
    maj: float = 0.0  # deconvolved FWHM, units of the beam width


@dataclass(eq=False)
class _Field:
    """What classing needs to know of a map: islands, where they are, beam in pixels."""

    islands: list[Island]
    labels: NDArray[np.int32]
    beam_area: float
    beam_width: float
    components: list[list[_Component]] = field(default_factory=list)


def annotate(cutout: Cutout, catalog: Table | None = None, options: AnnotateOptions | None = None) -> Annotation:
    """Mark and class the sources of a map.

    Parameters
    ----------
    cutout : Cutout
        Image in Jy/beam, NaN = unusable.
    catalog : Table, optional
        Components as of `radiff.sky.read_catalog`; used: ra, dec (deg), maj (arcsec, deconvolved), p_sidelobe. The map
        is classed by shape, with a warning, where it has no WCS or the catalog does not cover it.
    options : AnnotateOptions, optional

    Returns
    -------
    Annotation
        Objects in the order of their first pixel with the fields of `measure_objects`, and peak_flux (Jy/beam, above
        the local background) and peak_snr (against the local rms). `meta` says how many sidelobes were left out.

    Notes
    -----
    With a catalog an island is spurious where no component falls on it, or all components have p_sidelobe above
    the limit and the island is small; compact with one component that is small, on a small island; else extended. What
    the catalog says gives way to the image in three places: `clear_snr`, `faint_beams`, `attach_beams`.
    """
    options = options or AnnotateOptions()
    sky = _find(cutout, options)
    known = catalog is not None and _match(sky, cutout, catalog, options)
    if known:
        classes = [_class_by_catalog(sky, number, options) for number in range(len(sky.islands))]
        _attach(sky, classes, options)
    else:
        classes = [_class_by_shape(sky, island, options) for island in sky.islands]
    left_out = 0
    if not known and not options.spurious_by_shape:
        left_out = classes.count(SPURIOUS)
        classes = [0 if value == SPURIOUS else value for value in classes]
    objects = _objects(sky.islands, classes)
    if options.merge_beams > 0:
        objects = merge_near(objects, cutout.shape, options.merge_beams * sky.beam_width)
    objects = [SourceObject(f"S{n}", o.class_value, o.stamp, o.y0, o.x0, o.info) for n, o in enumerate(objects, 1)]
    meta = {"classed_by": "catalog" if known else "shape"}
    return measure_objects(
        Annotation(objects, cutout.shape, meta | ({"left_out": left_out} if left_out else {})), cutout
    )


def _find(cutout: Cutout, options: AnnotateOptions) -> _Field:
    beam = beam_in_pixels(cutout)
    if beam is None:
        width = options.default_beam
        warnings.warn(
            f"beam or pixel scale unknown; a beam of {width:g} pixels is assumed for the classes",
            HeaderWarning,
            stacklevel=4,
        )
        beam = math.pi / (4 * math.log(2)) * width**2, width
    area, width = beam
    box = options.box or max(64, math.ceil(12 * width))
    radius = math.ceil(options.negative_beams * width)
    islands, _, labels = find_islands(cutout.image, box, options.seed_snr, options.grow_snr, options.min_pixels, radius)
    return _Field(islands, labels, area, width)


def _objects(islands: Sequence[Island], classes: Sequence[int]) -> list[SourceObject]:
    return [
        SourceObject(
            "",
            value,
            island.stamp,
            island.y0,
            island.x0,
            {"peak_flux": island.peak_flux, "peak_snr": island.peak_snr},
        )
        for island, value in zip(islands, classes, strict=True)
        if value
    ]


# ---------------------------------------------------------------- by catalog


def _match(sky: _Field, cutout: Cutout, catalog: Table, options: AnnotateOptions) -> bool:
    """Give each component to its nearest island; False where the catalog does not cover this map."""
    if cutout.wcs is None:
        warnings.warn(
            "the map has no WCS, so the catalog cannot be used; classed by shape", HeaderWarning, stacklevel=3
        )
        return False
    rows, x, y = _components_near(cutout, catalog, math.ceil(5 * sky.beam_width))
    scale = (cutout.pixel_scale or 1.0) * sky.beam_width  # arcsec per beam width
    names = rows.colnames
    p_sidelobe = np.nan_to_num(np.asarray(rows["p_sidelobe"], float)) if "p_sidelobe" in names else np.zeros(len(rows))
    maj = np.nan_to_num(np.asarray(rows["maj"], float)) / scale if "maj" in names else np.zeros(len(rows))
    sky.components = [[] for _ in sky.islands]
    reach = options.match_beams * sky.beam_width
    for px, py, p, size in zip(x.tolist(), y.tolist(), p_sidelobe.tolist(), maj.tolist(), strict=True):
        label = nearest_label(sky.labels, px, py, reach)
        if label:
            sky.components[label - 1].append(_Component(p, size))
    clear = [number for number, island in enumerate(sky.islands) if _is_clear(island, options)]
    matched = sum(bool(sky.components[n]) for n in clear)
    if (clear and len(rows) == 0) or (len(clear) >= 4 and matched < 0.5 * len(clear)):
        warnings.warn(
            f"the catalog covers {matched} of the {len(clear)} clear sources of this map; classed by shape",
            HeaderWarning,
            stacklevel=3,
        )
        return False
    return True


def _components_near(
    cutout: Cutout, catalog: Table, margin: int
) -> tuple[Table, NDArray[np.float64], NDArray[np.float64]]:
    """Rows of the catalog on the map or up to `margin` pixels off it, and their x and y.

    Those off the map are moved to its edge: the islands of sources cut by the edge are there.
    """
    ny, nx = cutout.shape
    rows = sources_inside(catalog, shift_wcs(cutout.wcs, -margin, -margin), (ny + 2 * margin, nx + 2 * margin))
    x = np.clip(np.asarray(rows["x"], float) - margin, 0, nx - 1)
    y = np.clip(np.asarray(rows["y"], float) - margin, 0, ny - 1)
    return rows, x, y


def nearest_label(labels: NDArray[np.int32], x: float, y: float, reach: float) -> int:
    """Label of the pixel nearest to (x, y) that has one, within `reach` pixels; 0 where there is none."""
    r = math.ceil(reach)
    px, py = round(x), round(y)
    top, left = max(py - r, 0), max(px - r, 0)
    near = labels[top : py + r + 1, left : px + r + 1]
    rows, columns = np.nonzero(near)
    if rows.size == 0:
        return 0
    distance = np.hypot(rows + top - y, columns + left - x)
    best = int(np.argmin(distance))
    return int(near[rows[best], columns[best]]) if distance[best] <= max(reach, 0.71) else 0


def _class_by_catalog(sky: _Field, number: int, options: AnnotateOptions) -> int:
    island, components = sky.islands[number], sky.components[number]
    small = island.npix < max(options.compact_beams, _point_beams(island, options)) * sky.beam_area
    limit = options.p_sidelobe * (0.3 if _is_sidelobe(island, options) else 1.0)
    real = [one for one in components if one.p_sidelobe <= limit]
    if not real and _is_clear(island, options):
        return _class_by_shape(sky, island, options)
    diffuse = island.npix > options.faint_beams * sky.beam_area and not _is_sidelobe(island, options)
    if not real and not diffuse and (small or not components):
        return SPURIOUS
    if len(real) == 1 and real[0].maj < options.compact_fwhm and small:
        return COMPACT
    return EXTENDED


def _attach(sky: _Field, classes: list[int], options: AnnotateOptions) -> None:
    """Class spurious islands beside a very extended one as extended, in place."""
    reach = options.attach_beams * sky.beam_width
    pad = math.ceil(reach)
    very = 3 * options.compact_beams * sky.beam_area
    for island in [island for island, value in zip(sky.islands, classes, strict=True) if value == EXTENDED]:
        if island.npix < very:
            continue
        grown = _grown(island.stamp, reach)
        near = _part(sky.labels, island.y0 - pad, island.x0 - pad, grown)
        for label in near:
            if classes[label - 1] == SPURIOUS:
                classes[label - 1] = EXTENDED


def _part(labels: NDArray[np.int32], y0: int, x0: int, stamp: BoolArray) -> list[int]:
    """Labels under `stamp` with its corner at (y0, x0), which may lie off the map."""
    top, left = max(-y0, 0), max(-x0, 0)
    part = labels[max(y0, 0) : y0 + stamp.shape[0], max(x0, 0) : x0 + stamp.shape[1]]
    under = part[stamp[top : top + part.shape[0], left : left + part.shape[1]]]
    return [int(label) for label in np.unique(under) if label]


# ---------------------------------------------------------------- by shape


def _contrast(island: Island, options: AnnotateOptions) -> float:
    """Peak over the threshold at the rim; noise of one rms lifts pixels over the rim that lie below the threshold."""
    return max(island.peak_snr / max(options.grow_snr - 1.0, 0.5 * options.grow_snr), 1.0)


def _point_beams(island: Island, options: AnnotateOptions) -> float:
    """Largest area, in beam areas, of the island of a point source of this peak.

    A Gaussian beam is above a threshold on ``ln(peak / threshold)`` beam areas.
    """
    return 1.5 * math.log(_contrast(island, options)) + 1.0


def _point_axis(island: Island, sky: _Field, options: AnnotateOptions) -> float:
    """Diameter, in pixels, of a point source of this peak above the growth threshold."""
    return sky.beam_width * math.sqrt(math.log2(_contrast(island, options)))


def _is_sidelobe(island: Island, options: AnnotateOptions) -> bool:
    """Whether the island's peak is hardly higher than negative pixels nearby are deep.

    Sidelobes are as deep as they are high; sources are only high.
    """
    return island.negative_snr > options.seed_snr and island.peak_snr < options.negative_ratio * island.negative_snr


def _is_clear(island: Island, options: AnnotateOptions) -> bool:
    """Whether the island is a source beyond doubt."""
    return island.peak_snr > options.clear_snr and not _is_sidelobe(island, options)


def _class_by_shape(sky: _Field, island: Island, options: AnnotateOptions) -> int:
    if _is_sidelobe(island, options) and island.npix < options.compact_beams * sky.beam_area:
        return SPURIOUS
    axis = options.compact_axis * _point_axis(island, sky, options) + 1.0
    if island.npix < _point_beams(island, options) * sky.beam_area and island.axes[0] < axis:
        return COMPACT
    return EXTENDED


# ---------------------------------------------------------------- merging


def _grown(stamp: BoolArray, radius: float) -> BoolArray:
    """All pixels within `radius` pixels of those of `stamp`; the array grows by as much on every side."""
    padded = np.pad(stamp, math.ceil(radius))
    return np.asarray(ndimage.distance_transform_edt(~padded) <= radius)


def merge_near(objects: Sequence[SourceObject], shape: tuple[int, int], distance: float) -> list[SourceObject]:
    """Merge objects nearer to each other than `distance` pixels into one extended object; spurious ones stay apart.

    Meant for the lobes of radio galaxies, which no connected pixels join.
    """
    labels = np.zeros(shape, dtype=np.int32)
    for number, one in enumerate(objects, start=1):
        if one.class_value != SPURIOUS:
            labels[one.slices][one.stamp] = number
    group = list(range(len(objects) + 1))

    def root(n: int) -> int:
        while group[n] != n:
            n = group[n]
        return n

    pad = math.ceil(distance)
    for number, one in enumerate(objects, start=1):
        if one.class_value == SPURIOUS:
            continue
        near = _grown(one.stamp, distance)
        for other in _part(labels, one.y0 - pad, one.x0 - pad, near):
            low, high = sorted((root(number), root(other)))
            group[high] = low
    members: dict[int, list[SourceObject]] = {}
    for number, one in enumerate(objects, start=1):
        members.setdefault(root(number), []).append(one)
    return [some[0] if len(some) == 1 else _joined(some, shape) for some in members.values()]


def _joined(objects: Sequence[SourceObject], shape: tuple[int, int]) -> SourceObject:
    pixels = np.zeros(shape, dtype=bool)
    for one in objects:
        pixels[one.slices] |= one.stamp
    brightest = max(objects, key=lambda one: one.info.get("peak_flux", 0.0))
    return SourceObject.from_pixels(brightest.name, EXTENDED, pixels, brightest.info)
