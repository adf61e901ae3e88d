"""A map to islands of significant pixels. Knows no catalogs, no classes and no files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.masks.instances import BoolArray, structure
from radiff.sky import background_mesh


@dataclass(frozen=True, eq=False)
class Island:
    """Connected pixels above the growth threshold, at least one of them above the seed threshold.

    Attributes
    ----------
    y0, x0 : int
        Pixel (y, x) of the map under ``stamp[0, 0]``.
    stamp : bool (h, w)
    peak_snr : float
        Largest signal-to-noise ratio.
    peak_flux : float
        Largest pixel less the background, Jy/beam.
    negative_snr : float
        Depth (positive number, in rms) of the deepest negative pixel in its surroundings, blank pixels' rims left out.
    axes : (float, float)
        Major and minor full axis of the ellipse with the second moments of its pixels, pixels.
    """

    y0: int
    x0: int
    stamp: BoolArray
    peak_snr: float
    peak_flux: float
    negative_snr: float
    axes: tuple[float, float]

    @property
    def npix(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.stamp))


def label_islands(
    snr: NDArray[np.floating[Any]], seed_snr: float, grow_snr: float, min_pixels: int
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Label connected pixels (8 neighbours) above `grow_snr` that hold one above `seed_snr`.

    Returns
    -------
    (int32 (ny, nx), int (n,))
        All connected groups by label, and the labels of those that are islands, in the order of their first pixel.
    """
    labels, number = ndimage.label(snr > grow_snr, structure(8))
    seeds = np.unique(labels[snr > seed_snr])
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    return labels, seeds[(seeds > 0) & (sizes[seeds] >= min_pixels)]


def local_snr(
    image: NDArray[np.float32], box: int, seed_snr: float, grow_snr: float, iterations: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Signal-to-noise ratio against the local background and rms, measured away from the islands themselves.

    Parameters
    ----------
    image : float32 (ny, nx)
        Jy/beam, NaN = unusable.
    box : int
        Side of the cells of the noise mesh, pixels.
    iterations : int
        Measurements with the islands of the last one left out, after a first quick one on all pixels.

    Returns
    -------
    (snr, background) : float32 (ny, nx)
        snr is -inf where the image is unusable; background in Jy/beam.
    """
    background, rms = _coarse_mesh(image, box)
    exclude: BoolArray | None = None
    for step in range(iterations + 1):
        snr = _ratio(image, background, rms)
        if step == iterations:
            break
        labels, kept = label_islands(snr, seed_snr, grow_snr, 1)
        islands = np.zeros(int(labels.max()) + 1, dtype=bool)
        islands[kept] = True
        found = ndimage.binary_dilation(islands[labels], structure(8), iterations=2)
        if (found | ~np.isfinite(image)).mean() > 0.9 and step > 0:
            break
        exclude = found
        background, rms = background_mesh(image, box, exclude)
    return snr, background


def _ratio(
    image: NDArray[np.float32], background: NDArray[np.float32], rms: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Signal-to-noise ratio; -inf where the image is unusable."""
    snr = np.full(image.shape, -np.inf, dtype=np.float32)
    usable = np.isfinite(image) & (rms > 0)
    snr[usable] = (image[usable] - background[usable]) / rms[usable]
    return snr


def _coarse_mesh(image: NDArray[np.float32], box: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A quick first noise mesh from every second pixel, in cells twice as large."""
    if min(image.shape) < 2 * box:
        return background_mesh(image, box)
    ny, nx = image.shape
    coarse = background_mesh(image[::2, ::2], box)
    background, rms = (layer.repeat(2, axis=0).repeat(2, axis=1)[:ny, :nx] for layer in coarse)
    return background, rms


def ellipse_axes(stamp: BoolArray) -> tuple[float, float]:
    """Full major and minor axis (pixels) of the uniform ellipse with the second moments of `stamp`'s pixels."""
    y, x = np.nonzero(stamp)
    xx, yy = x.var() + 1 / 12, y.var() + 1 / 12  # a pixel has an extent of its own
    xy = ((x - x.mean()) * (y - y.mean())).mean()
    middle, spread = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    return 4.0 * float(np.sqrt(middle + spread)), 4.0 * float(np.sqrt(max(middle - spread, 1 / 12)))


def _negative(snr: NDArray[np.float32], rim: int) -> NDArray[np.float32]:
    """Depth of the negative pixels (0 on positive ones); 0 within `rim` pixels of blank ones, where noise rises."""
    blank = ~np.isfinite(snr)
    depth = np.where(blank, 0, np.maximum(-snr, 0))
    if blank.any():
        depth[ndimage.binary_dilation(blank, structure(8), iterations=rim)] = 0
    return depth


def find_islands(
    image: NDArray[np.float32], box: int, seed_snr: float, grow_snr: float, min_pixels: int, radius: int
) -> tuple[list[Island], NDArray[np.float32], NDArray[np.int32]]:
    """Islands of a map.

    Parameters
    ----------
    image : float32 (ny, nx)
        Jy/beam, NaN = unusable.
    box : int
        Side of the cells of the noise mesh, pixels.
    seed_snr, grow_snr : float
        Thresholds in units of the local rms.
    min_pixels : int
        Smaller islands are no islands.
    radius : int
        Half side of the surroundings in which negative pixels are looked for, pixels.

    Returns
    -------
    islands : list of Island
    snr : float32 (ny, nx)
    labels : int32 (ny, nx)
        n on the pixels of ``islands[n - 1]``.
    """
    snr, background = local_snr(image, box, seed_snr, grow_snr)
    labels, kept = label_islands(snr, seed_snr, grow_snr, min_pixels)
    renumber = np.zeros(int(labels.max()) + 1, dtype=np.int32)
    renumber[kept] = np.arange(1, len(kept) + 1)
    labels = renumber[labels]
    negative = _negative(snr, rim=max(1, radius // 5))
    islands = []
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        stamp = labels[rows, columns] == label
        values = np.where(stamp, snr[rows, columns], -np.inf)
        peak = np.unravel_index(int(np.argmax(values)), values.shape)
        py, px = int(peak[0]) + rows.start, int(peak[1]) + columns.start
        around = negative[max(py - radius, 0) : py + radius + 1, max(px - radius, 0) : px + radius + 1]
        islands.append(
            Island(
                rows.start,
                columns.start,
                stamp,
                float(snr[py, px]),
                float(image[py, px] - background[py, px]),
                float(np.max(around)),
                ellipse_axes(stamp),
            )
        )
    return islands, snr, labels
