"""Islands to classes, by the catalog components on them or by their shape. Knows no files and draws no masks."""

import math
import warnings
from dataclasses import dataclass, field

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from radiff.masks.classes import COMPACT, EXTENDED, SPURIOUS
from radiff.masks.islands import Island, find_islands
from radiff.masks.measure import beam_in_pixels
from radiff.masks.merging import grown, part_labels
from radiff.masks.options import AnnotateOptions
from radiff.sky import Cutout, HeaderWarning, sources_inside
from radiff.sky.beam import FWHM_AREA
from radiff.sky.cutout import shift_wcs


@dataclass(frozen=True)
class Component:
    """A catalog component on an island."""

    p_sidelobe: float = 0.0
    maj: float = 0.0  # deconvolved FWHM, units of the beam width


@dataclass(eq=False)
class Field:
    """What classing needs to know of a map: islands, where they are, beam in pixels."""

    islands: list[Island]
    labels: NDArray[np.int32]
    beam_area: float
    beam_width: float
    components: list[list[Component]] = field(default_factory=list)


def beam_of(cutout: Cutout, options: AnnotateOptions) -> tuple[float, float]:
    """Beam area and width in pixels; with a warning those of `default_beam` where the header does not tell."""
    beam = beam_in_pixels(cutout)
    if beam is None:
        width = options.default_beam
        warnings.warn(
            f"beam or pixel scale unknown; a beam of {width:g} pixels is assumed for the classes",
            HeaderWarning,
            stacklevel=4,
        )
        beam = FWHM_AREA * width**2, width
    return beam


def find_field(cutout: Cutout, options: AnnotateOptions) -> Field:
    """Find the islands of a map."""
    area, width = beam_of(cutout, options)
    box = options.mesh_box(width)
    radius = math.ceil(options.negative_beams * width)
    islands, _, labels = find_islands(cutout.image, box, options.seed_snr, options.grow_snr, options.min_pixels, radius)
    return Field(islands, labels, area, width)


# ---------------------------------------------------------------- by catalog


def assign_components(sky: Field, cutout: Cutout, catalog: Table, options: AnnotateOptions) -> int:
    """Give each component to its nearest island; the answer is the number of components on the map."""
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
            sky.components[label - 1].append(Component(p, size))
    return len(rows)


def has_wcs(cutout: Cutout) -> bool:
    """Whether a catalog can be used at all; warns where not."""
    if cutout.wcs is None:
        warnings.warn(
            "the map has no WCS, so the catalog cannot be used; classed by shape", HeaderWarning, stacklevel=4
        )
    return cutout.wcs is not None


def is_covered(clear: int, matched: int, rows: int) -> bool:
    """Whether the catalog covers a map with `clear` sources beyond doubt, `matched` of them in it; warns where not."""
    if (clear and rows == 0) or (clear >= 4 and matched < 0.5 * clear):
        warnings.warn(
            f"the catalog covers {matched} of the {clear} clear sources of this map; classed by shape",
            HeaderWarning,
            stacklevel=4,
        )
        return False
    return True


def classes_by_catalog(sky: Field, options: AnnotateOptions) -> list[int]:
    """Class value of each island by the components on it (`assign_components`)."""
    classes = [_class_by_catalog(sky, number, options) for number in range(len(sky.islands))]
    _attach(sky, classes, options)
    return classes


def classes_by_shape(sky: Field, options: AnnotateOptions) -> list[int]:
    """Class value of each island by its shape; spurious ones are likely sidelobes."""
    return [_class_by_shape(sky, island, options) for island in sky.islands]


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


def _class_by_catalog(sky: Field, number: int, options: AnnotateOptions) -> int:
    island, components = sky.islands[number], sky.components[number]
    small = island.npix < max(options.compact_beams, _point_beams(island, options)) * sky.beam_area
    limit = options.p_sidelobe * (0.3 if _is_sidelobe(island, options) else 1.0)
    real = [one for one in components if one.p_sidelobe <= limit]
    if not real and is_clear(island, options):
        return _class_by_shape(sky, island, options)
    diffuse = island.npix > options.faint_beams * sky.beam_area and not _is_sidelobe(island, options)
    if not real and not diffuse and (small or not components):
        return SPURIOUS
    if len(real) == 1 and real[0].maj < options.compact_fwhm and small:
        return COMPACT
    return EXTENDED


def _attach(sky: Field, classes: list[int], options: AnnotateOptions) -> None:
    """Class spurious islands beside a very extended one as extended, in place."""
    reach = options.attach_beams * sky.beam_width
    pad = math.ceil(reach)
    very = 3 * options.compact_beams * sky.beam_area
    for island in [island for island, value in zip(sky.islands, classes, strict=True) if value == EXTENDED]:
        if island.npix < very:
            continue
        near = part_labels(sky.labels, island.y0 - pad, island.x0 - pad, grown(island.stamp, reach))
        for label in near:
            if classes[label - 1] == SPURIOUS:
                classes[label - 1] = EXTENDED


# ---------------------------------------------------------------- by shape


def _contrast(island: Island, options: AnnotateOptions) -> float:
    """Peak over the threshold at the rim; noise of one rms lifts pixels over the rim that lie below the threshold."""
    return max(island.peak_snr / max(options.grow_snr - 1.0, 0.5 * options.grow_snr), 1.0)


def _point_beams(island: Island, options: AnnotateOptions) -> float:
    """Largest area, in beam areas, of the island of a point source of this peak.

    A Gaussian beam is above a threshold on ``ln(peak / threshold)`` beam areas.
    """
    return 1.5 * math.log(_contrast(island, options)) + 1.0


def looks_compact(island: Island, beam_area: float, beam_width: float, options: AnnotateOptions) -> bool:
    """Whether an island is no larger and no longer than that of a point source of its peak.

    Parameters
    ----------
    beam_area : float
        Pixels.
    beam_width : float
        FWHM, pixels.
    """
    point = beam_width * math.sqrt(math.log2(_contrast(island, options)))  # diameter above the growth threshold
    longest = options.compact_axis * point + 1.0
    return island.npix < _point_beams(island, options) * beam_area and island.axes[0] < longest


def _is_sidelobe(island: Island, options: AnnotateOptions) -> bool:
    """Whether the island's peak is hardly higher than negative pixels nearby are deep.

    Sidelobes are as deep as they are high; sources are only high.
    """
    return island.negative_snr > options.seed_snr and island.peak_snr < options.negative_ratio * island.negative_snr


def is_clear(island: Island, options: AnnotateOptions) -> bool:
    """Whether the island is a source beyond doubt."""
    return island.peak_snr > options.clear_snr and not _is_sidelobe(island, options)


def _class_by_shape(sky: Field, island: Island, options: AnnotateOptions) -> int:
    if _is_sidelobe(island, options) and island.npix < options.compact_beams * sky.beam_area:
        return SPURIOUS
    if looks_compact(island, sky.beam_area, sky.beam_width, options):
        return COMPACT
    return EXTENDED
