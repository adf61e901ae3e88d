"""Sources of an image to exactly the fluxes asked for, the noise around them untouched. Knows no networks, no files.

An object's pixels are changed by adding ``(k - 1) s``, where ``s >= 0`` is an estimate of the source that falls to
nothing at the edge of the object's pixels, and `k` is solved for in closed form.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.masks import EXTENDED, SourceObject, objects_to_labels
from radiff.sky.arrays import plain_image

KINDS = ("peak", "integrated")
EDGE = 2.0
"""Pixels over which the change rises from the edge of an object: wider would narrow sources that grow, and widen those
that shrink; a step would be seen around sources that shrink. Less in objects less wide."""
CLEAR_SIGMA = 1.0
"""What lies below so many noise rms in an object counts as noise, and is not scaled."""
MOST = 4.0
"""A source that would have to grow by more is drawn: growing it would grow its noise too."""
SMOOTH = 1.5
"""Gaussian sigma, pixels: what is drawn of extended emission is smoothed by it."""

Values = NDArray[np.float64]


def rescale_fluxes(
    image: NDArray[np.floating],
    objects: Sequence[SourceObject],
    wanted: Sequence[float | None],
    kind: str = "peak",
    beam_area: float = 1.0,
) -> NDArray[np.floating]:
    """Bring each object to exactly the flux asked of it.

    Parameters
    ----------
    image : (ny, nx)
        About the level 0; any unit, say Jy/beam.
    objects : sequence of SourceObject
        Where they overlap, the pixels are those of the larger class, then of the later object.
    wanted : sequence of float or None
        One an object. ``peak``: its brightest pixel, in the unit of the image. ``integrated``: the sum of its pixels
        over `beam_area`, in Jy for an image in Jy/beam. None, NaN or 0 leave the object as it is.
    kind : str
        ``peak`` or ``integrated``.
    beam_area : float
        Solid angle of the beam, pixels (`Beam.area_pixels`). Where it is more than 1, a compact source that is not
        there to be scaled is drawn with the beam's width.

    Returns
    -------
    (ny, nx), dtype of `image`
        Right to the rounding of its dtype. Pixels outside the objects asked are those of `image`, bit for bit. Objects
        that have no pixel of their own, or only blank ones, stay as they are.

    Raises
    ------
    InputError
        Where `kind` is not known, counts differ, or a flux is negative or infinite.
    """
    if kind not in KINDS:
        raise InputError(f"{kind!r} is no kind of flux; there are: {', '.join(KINDS)}")
    if not (math.isfinite(beam_area) and beam_area > 0):
        raise InputError(f"a beam of {beam_area} pixels; its area must be a positive number")
    asked = [0.0 if flux is None or math.isnan(flux) else float(flux) for flux in wanted]
    if len(asked) != len(objects):
        raise InputError(f"{len(asked)} fluxes for {len(objects)} objects; give one an object")
    for flux in asked:
        if not 0 <= flux < math.inf:
            raise InputError(f"a flux of {flux:g} is asked for; it must be a positive number (0 or NaN: as it is)")
    image = plain_image(image)
    result = np.array(image)
    shape = (result.shape[0], result.shape[1])
    owners = objects_to_labels(objects, shape)
    noise = _noise(result, owners > 0)
    for number, (item, flux) in enumerate(zip(objects, asked, strict=True), start=1):
        box = result[item.slices]
        own = item.stamp & (owners[item.slices] == number) & np.isfinite(box)
        if flux > 0 and own.any():
            taper = edge_taper(item, own, shape)
            box[own] = _changed(box.astype(np.float64), own, taper, item, flux, kind, beam_area, noise)
    return result


def fluxes(
    image: NDArray[np.floating], objects: Sequence[SourceObject], kind: str = "peak", beam_area: float = 1.0
) -> list[float]:
    """Flux of each object as `rescale_fluxes` counts it; NaN where an object has no pixel of its own."""
    owners = objects_to_labels(objects, (image.shape[0], image.shape[1]))
    found = []
    for number, item in enumerate(objects, start=1):
        box = image[item.slices]
        values = box[item.stamp & (owners[item.slices] == number) & np.isfinite(box)].astype(np.float64)
        if not values.size:
            found.append(math.nan)
        else:
            found.append(float(values.max() if kind == "peak" else values.sum() / beam_area))
    return found


def _changed(
    box: Values,
    own: NDArray[np.bool_],
    taper: Values,
    item: SourceObject,
    flux: float,
    kind: str,
    beam_area: float,
    noise: float,
) -> Values:
    """The object's own pixels (n,) at the flux asked for.

    Three shapes are tried: the source as it is; one that is drawn, where that would have to grow too much; all positive
    pixels, where the object is to become fainter than the noise on it.
    """
    values = box[own]
    shape = (taper * np.maximum(np.where(own, box, 0.0) - CLEAR_SIGMA * noise, 0.0))[own]
    factor = _factor(values, shape, flux, kind, beam_area)
    if not 0 <= factor <= MOST:
        shape = _drawn(box, own, taper, item, beam_area, noise)[own]
        factor = _factor(values, shape, flux, kind, beam_area)
        if not factor >= 1:
            shape = np.maximum(values, 0.0)
            factor = _factor(values, shape, flux, kind, beam_area)
    return np.asarray(values + (factor - 1.0) * shape)


def _factor(values: Values, shape: Values, flux: float, kind: str, beam_area: float) -> float:
    """`k` that brings ``values + (k - 1) shape`` to `flux`; NaN where no finite one does."""
    if not (shape > 0).any():
        return math.nan
    if kind == "integrated":
        return 1.0 + (flux * beam_area - float(values.sum())) / float(shape.sum())
    grows = shape > 0
    if (values[~grows] > flux).any():
        return math.nan
    # max over i of a_i + t b_i <= flux where t <= (flux - a_i) / b_i for all i; the least of them touches
    return 1.0 + float(((flux - values[grows]) / shape[grows]).min())


def edge_taper(item: SourceObject, own: NDArray[np.bool_], shape: tuple[int, int]) -> Values:
    """(h, w): 1 inside the object, falling to 0 over its outer pixels; not at the image's edge, where it goes on."""
    y0, y1, x0, x1 = item.bbox
    pads = [(int(y0 > 0), int(y1 < shape[0])), (int(x0 > 0), int(x1 < shape[1]))]
    padded = np.pad(own, pads)
    if padded.all():
        return np.ones(own.shape)
    depth = ndimage.distance_transform_edt(padded)
    depth = depth[pads[0][0] : depth.shape[0] - pads[0][1], pads[1][0] : depth.shape[1] - pads[1][1]]
    return np.asarray(np.sin(0.5 * np.pi * np.minimum(depth / min(EDGE, float(depth.max())), 1.0)) ** 2)


def _drawn(
    box: Values, own: NDArray[np.bool_], taper: Values, item: SourceObject, beam_area: float, noise: float
) -> Values:
    """(h, w), 1 at its brightest: extended emission without its noise, or the beam on the likeliest pixel."""
    if item.class_value == EXTENDED:
        smooth = taper * ndimage.gaussian_filter(np.maximum(np.where(own, box, 0.0), 0.0), SMOOTH)
        return np.asarray(smooth / smooth[own].max() if smooth[own].max() > noise else taper / taper.max())
    if beam_area <= 1.0:
        return np.asarray(taper / taper.max())
    bright = np.where(own, taper * box, -np.inf)
    likely = bright if bright.max() > 3.0 * noise else np.where(own, taper * _central(own), -np.inf)
    y, x = np.unravel_index(int(np.argmax(likely)), own.shape)
    rows, columns = np.indices(own.shape)
    beam = np.exp(-np.pi * ((rows - y) ** 2 + (columns - x) ** 2) / beam_area)  # the Gaussian of that area
    return np.asarray(np.sqrt(taper) * beam)  # it falls by itself


def _central(own: NDArray[np.bool_]) -> Values:
    """(h, w), above 0: falls with the distance from the middle of the pixels."""
    rows, columns = np.mgrid[: own.shape[0], : own.shape[1]]
    y, x = rows[own].mean(), columns[own].mean()
    return np.asarray(1.0 / (1.0 + (rows - y) ** 2 + (columns - x) ** 2))


def _noise(image: NDArray[np.floating], taken: NDArray[np.bool_]) -> float:
    """Noise rms outside the objects, by the median; of the negative pixels where little is outside."""
    values = image[~taken & np.isfinite(image)]
    if values.size < 100:
        values = image[np.isfinite(image) & (image < 0)]
    return float(1.4826 * np.median(np.abs(values))) if values.size else 0.0
