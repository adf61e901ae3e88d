"""A map (and a catalog, if there is one) to a first annotation: islands, each with a class. Knows no networks.

Islands of significant pixels (`radiff.masks.islands`) are classed by the catalog components that fall on them, else by
their shape against that of a point source of the same peak. The result is raw: look at it on a contact sheet.
"""

from collections.abc import Sequence

from astropy.table import Table

from radiff.masks.classes import SPURIOUS
from radiff.masks.classing import (
    Field,
    assign_components,
    classes_by_catalog,
    classes_by_shape,
    find_field,
    has_wcs,
    is_clear,
    is_covered,
)
from radiff.masks.instances import SourceObject
from radiff.masks.islands import Island
from radiff.masks.measure import measure_objects
from radiff.masks.merging import merge_near
from radiff.masks.options import AnnotateOptions
from radiff.masks.rg import Annotation
from radiff.sky import Cutout

__all__ = ["AnnotateOptions", "annotate", "island_objects"]


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
        the local background) and peak_snr (against the local rms). `meta` says how they were
        classed, the isophote (rms) of their edges, and how many sidelobes were left out.

    Notes
    -----
    With a catalog an island is spurious where no component falls on it, or all components have p_sidelobe above
    the limit and the island is small; compact with one component that is small, on a small island; else extended. What
    the catalog says gives way to the image in three places: `clear_snr`, `faint_beams`, `attach_beams`.
    """
    options = options or AnnotateOptions()
    sky = find_field(cutout, options)
    known = catalog is not None and _match(sky, cutout, catalog, options)
    classes = classes_by_catalog(sky, options) if known else classes_by_shape(sky, options)
    left_out = 0
    if not known and not options.spurious_by_shape:
        left_out = classes.count(SPURIOUS)
        classes = [0 if value == SPURIOUS else value for value in classes]
    objects = island_objects(sky.islands, classes)
    if options.merge_beams > 0:
        objects = merge_near(objects, cutout.shape, options.merge_beams * sky.beam_width)
    objects = [SourceObject(f"S{n}", o.class_value, o.stamp, o.y0, o.x0, o.info) for n, o in enumerate(objects, 1)]
    meta = {"classed_by": "catalog" if known else "shape", "edge_snr": options.grow_snr}
    return measure_objects(
        Annotation(objects, cutout.shape, meta | ({"left_out": left_out} if left_out else {})), cutout
    )


def _match(sky: Field, cutout: Cutout, catalog: Table, options: AnnotateOptions) -> bool:
    """Give each component to its nearest island; False where the catalog does not cover this map."""
    if not has_wcs(cutout):
        return False
    rows = assign_components(sky, cutout, catalog, options)
    clear = [number for number, island in enumerate(sky.islands) if is_clear(island, options)]
    return is_covered(len(clear), sum(bool(sky.components[n]) for n in clear), rows)


def island_objects(islands: Sequence[Island], classes: Sequence[int]) -> list[SourceObject]:
    """Objects of the islands that have a class, without names."""
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
