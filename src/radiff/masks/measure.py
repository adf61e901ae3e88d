"""Objects and their image to the numbers of an rg-dataset annotation. Knows no files and finds nothing.

Definitions follow the tools that made the rg-dataset, so that numbers compare: `Stot` is the plain sum of the pixels
(Jy/beam, not divided by the beam area), sizes are between pixel centres, the beam width is rounded up to whole pixels.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.masks.classes import class_name
from radiff.masks.instances import BoolArray, SourceObject, structure
from radiff.masks.rg import Annotation
from radiff.sky import Cutout, background_rms


def convex_hull(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Corners (n, 2) of the convex hull of points, counter-clockwise in (x, y), by Andrew's monotone chain."""
    points = sorted(set(zip(x.tolist(), y.tolist(), strict=True)))
    if len(points) < 3:
        return np.array(points, dtype=float)
    chains = []
    for ordered in (points, points[::-1]):
        chain: list[tuple[float, float]] = []
        for px, py in ordered:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (py - ay) - (by - ay) * (px - ax) > 0:
                    break
                chain.pop()
            chain.append((px, py))
        chains.append(chain[:-1])
    return np.array(chains[0] + chains[1], dtype=float)


def min_area_rectangle(stamp: BoolArray) -> tuple[float, float, float, float, float]:
    """Smallest rectangle, at any angle, around the pixel centres of `stamp` (h, w).

    Returns
    -------
    (x, y, w, h, angle)
        Centre, sides (pixels) and the angle in degrees, above 0 to 90, from the x axis towards y to the side `w`.
    """
    rows = np.flatnonzero(stamp.any(axis=1))
    first = stamp[rows].argmax(axis=1)
    last = stamp.shape[1] - 1 - stamp[rows, ::-1].argmax(axis=1)
    hull = convex_hull(np.concatenate([first, last]), np.concatenate([rows, rows]))
    if len(hull) == 1:
        return float(hull[0, 0]), float(hull[0, 1]), 0.0, 0.0, 90.0
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2))  # a side of it lies on an edge of the hull
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ hull.T
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=1) @ hull.T
    w, h = np.ptp(along, axis=1), np.ptp(across, axis=1)
    best = int(np.argmin(w * h))
    u = 0.5 * (along[best].min() + along[best].max())
    v = 0.5 * (across[best].min() + across[best].max())
    cos, sin = math.cos(angles[best]), math.sin(angles[best])
    x, y = u * cos - v * sin, u * sin + v * cos
    angle = math.degrees(angles[best])
    if angle < 1e-9:  # 0 degrees is written as 90 with the sides exchanged
        return x, y, float(h[best]), float(w[best]), 90.0
    return x, y, float(w[best]), float(h[best]), angle


def beam_in_pixels(cutout: Cutout) -> tuple[float, float] | None:
    """Beam area and beam width (geometric mean FWHM) in pixels; None where beam or pixel scale are unknown."""
    scale = cutout.pixel_scale
    if cutout.beam is None or scale is None:
        return None
    return cutout.beam.area_pixels(scale), cutout.beam.width_pixels(scale)


def total_of(one: SourceObject, image: NDArray[np.floating[Any]]) -> float:
    """Sum of the object's pixels in `image` (ny, nx), Jy/beam; NaN counts as 0."""
    return float(np.nansum(image[one.slices][one.stamp], dtype=np.float64))


def significance(total: float, npix: int, noise: tuple[float, float]) -> float | None:
    """Signal-to-noise of `npix` pixels of that sum (Jy/beam) on a background and rms; None where the rms is 0."""
    background, rms = noise
    return (total - background * npix) / (rms * math.sqrt(npix)) if rms > 0 else None


def measure_object(
    one: SourceObject,
    total: float,
    shape: tuple[int, int],
    noise: tuple[float, float],
    beam: tuple[float, float] | None,
) -> dict[str, Any]:
    """The measured fields of an rg-dataset object.

    Parameters
    ----------
    one : SourceObject
    total : float
        Sum of its pixels, Jy/beam (`total_of`).
    shape : (int, int)
        (ny, nx) of the image.
    noise : (float, float)
        Background and rms of the image, Jy/beam.
    beam : (float, float), optional
        Area and width in pixels; the fields in beams are null without.
    """
    ny, nx = shape
    y0, y1, x0, x1 = one.bbox
    npix = one.npix
    x, y, w, h, angle = min_area_rectangle(one.stamp)
    sides = ((x1 - x0) / nx, (y1 - y0) / ny)
    width = None if beam is None else math.ceil(beam[1])
    return {
        "npix": npix,
        "nislands": int(ndimage.label(one.stamp, structure(8))[1]),
        "bbox_x": x + x0,
        "bbox_y": y + y0,
        "bbox_w": w,
        "bbox_h": h,
        "bbox_angle": angle,
        "Stot": total,
        "snr": significance(total, npix, noise),
        "nbeams": None if beam is None else npix / beam[0],
        "minsize_beam": None if width is None else min(w, h) / width,
        "maxsize_beam": None if width is None else max(w, h) / width,
        "minsize_img_fract": min(sides),
        "maxsize_img_fract": max(sides),
        "border": int(one.touches_edge((ny, nx))),
    }


def _pixel_steps(cutout: Cutout) -> tuple[float | None, float | None]:
    """Pixel steps dx, dy in arcsec; dx is negative where right ascension grows to the left."""
    if cutout.wcs is not None:
        matrix = cutout.wcs.pixel_scale_matrix  # deg per pixel
        scales = np.sqrt((matrix**2).sum(axis=0)) * 3600.0
        sign = -1.0 if np.linalg.det(matrix) < 0 else 1.0
        return sign * float(scales[0]), float(scales[1])
    scale = cutout.pixel_scale
    return (None, None) if scale is None else (-scale, scale)


def object_info(
    one: SourceObject,
    total: float,
    shape: tuple[int, int],
    noise: tuple[float, float],
    beam: tuple[float, float] | None,
) -> dict[str, Any]:
    """`info` of an object with its class, name and measured fields (parameters of `measure_object`)."""
    fixed = {"class": class_name(one.class_value), "name": one.name}
    info = {"sidelobe-near": 0, "sidelobe-mixed": 0, **one.info, **fixed}
    return {**info, **measure_object(one, total, shape, noise, beam)}


def image_meta(cutout: Cutout, shape: tuple[int, int], noise: tuple[float, float]) -> dict[str, Any]:
    """The top-level keys of an annotation of an image of `shape` (ny, nx), or of a map that `cutout` is a part of."""
    dx, dy = _pixel_steps(cutout)
    return {
        "nx": shape[1],
        "ny": shape[0],
        "dx": dx,
        "dy": dy,
        "bmaj": None if cutout.beam is None else cutout.beam.maj,
        "bmin": None if cutout.beam is None else cutout.beam.min,
        "bkg": noise[0],
        "rms": noise[1],
        "telescope": cutout.telescope or cutout.survey or "",
    }


def measure_objects(annotation: Annotation, cutout: Cutout) -> Annotation:
    """Fill in the numbers of an annotation from its image.

    Parameters
    ----------
    annotation : Annotation
    cutout : Cutout
        Of the same shape.

    Returns
    -------
    Annotation
        A new one: `meta` with nx, ny, dx, dy, bmaj, bmin (arcsec), bkg, rms (Jy/beam, measured outside the objects),
        telescope; each object's `info` with class, name, sidelobe-near, sidelobe-mixed (0 where unset), npix,
        nislands, bbox_x, bbox_y (centre, pixels), bbox_w, bbox_h, bbox_angle (deg), Stot (sum of Jy/beam), snr,
        nbeams, minsize_beam, maxsize_beam, minsize_img_fract, maxsize_img_fract, border. Other keys are kept.
    """
    exclude = annotation.mask > 0
    if not (np.isfinite(cutout.image) & ~exclude).any():
        exclude[:] = False
    noise = background_rms(cutout.image, exclude)
    beam = beam_in_pixels(cutout)
    meta = annotation.meta | image_meta(cutout, cutout.shape, noise)
    objects = [
        replace(one, info=object_info(one, total_of(one, cutout.image), cutout.shape, noise, beam))
        for one in annotation.objects
    ]
    return Annotation(objects, annotation.shape, meta, annotation.source)
