"""Labels that hold: the pixels of an image to the side of the isophote that its mask was drawn at. Knows no networks.

Masks of real images are islands above some significance: no pixel of an object is far below it, and few around it
are above. A generated image does not know this of every pixel. Here pixels on the wrong side are moved to the right
one, and the correction is spread by the noise's own autocovariance (kriging: solve K w = d on those pixels, add
C * w), so that the noise keeps its spectrum. Not for masks whose edges mean no isophote, and never for maps with a
truth, where the sources are what was put in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.linalg import cho_factor, cho_solve
from scipy.signal import fftconvolve

from radiff.masks import SourceObject

EDGE_SNR = 3.0
"""Isophote of masks that `radiff annotate` draws, in units of the rms."""
PASSES = 4
"""A correction moves neighbours too, some of them to the wrong side."""
REACH = 16
"""Pixels over which a correction is spread."""
MOST_AT_ONCE = 400
"""Pixels of one object that are corrected together: more are thinned, the next pass takes the rest."""
JITTER = 1e-2
"""Added to the diagonal of K: neighbouring pixels of smooth noise say nearly the same."""


@dataclass(frozen=True)
class EdgeStrength:
    """How closely edges are held.

    Attributes
    ----------
    inside, outside : float
        Share of the pixels on the wrong side that are moved: of objects' own, and of the ring around them.
    margin : float
        They are moved beyond the isophote by up to so many rms.
    """

    inside: float = 1.0
    outside: float = 0.99
    margin: float = 0.42


def hold_edges(
    snr: NDArray[np.float32],
    objects: Sequence[SourceObject],
    autocovariance: NDArray[np.float64],
    seed: int = 0,
    edge_snr: float = EDGE_SNR,
    strength: EdgeStrength | None = None,
) -> NDArray[np.float32]:
    """Move pixels of objects that lie below `edge_snr`, and of the ring around them above it, to their side.

    Parameters
    ----------
    snr : float32 (ny, nx)
        Image in units of its rms.
    objects : sequence of SourceObject
    autocovariance : float64 (n, n)
        Of the noise, lag 0 at [n / 2, n / 2] (`radiff.NoiseSpectrum.autocovariance`).
    seed : int
        Of the margins, and of which pixels are moved.
    edge_snr : float
        Isophote that the masks were drawn at.
    strength : EdgeStrength, optional

    Returns
    -------
    float32 (ny, nx)
        Nothing changes more than 17 pixels away from an object.
    """
    strength = strength or EdgeStrength()
    if not objects:
        return snr
    result = np.array(snr, np.float64)
    inside = np.zeros(snr.shape, bool)
    for one in objects:
        inside[one.slices] |= one.stamp
    random = np.random.default_rng((seed, 12))
    chance, margins = random.random(snr.shape), random.random(snr.shape) * strength.margin
    reach = min(REACH, autocovariance.shape[0] // 2 - 1)
    middle = autocovariance.shape[0] // 2
    near = autocovariance[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    fall = 1.0 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    near = near * fall[:, None] * fall[None, :]  # cut off by a triangle it stays a covariance
    held = np.zeros(snr.shape, bool)
    for _ in range(PASSES):
        moved = False
        for one in objects:
            moved |= _hold_one(result, one, (inside, held), near, edge_snr, (chance, margins), strength)
        if not moved:
            break
    return np.asarray(result, np.float32)


def _hold_one(
    result: NDArray[np.float64],
    one: SourceObject,
    marks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    covariance: NDArray[np.float64],
    edge_snr: float,
    drawn: tuple[NDArray[np.float64], NDArray[np.float64]],
    strength: EdgeStrength,
) -> bool:
    """Correct the edge of one object in place; False where it is right already.

    `marks` are the pixels of all objects, and those that were corrected before: these are held where they are, or the
    next pass would move them back.
    """
    reach = covariance.shape[0] // 2
    y0, y1, x0, x1 = one.bbox
    top, left = max(0, y0 - reach - 1), max(0, x0 - reach - 1)
    box = np.s_[top : min(result.shape[0], y1 + reach + 1), left : min(result.shape[1], x1 + reach + 1)]
    values, chance, margins = result[box], drawn[0][box], drawn[1][box]
    own = np.zeros(values.shape, bool)
    own[y0 - top : y1 - top, x0 - left : x1 - left] = one.stamp
    ring = ndimage.binary_dilation(own, np.ones((3, 3))) & ~marks[0][box]
    low = own & (values < edge_snr) & (chance < strength.inside)
    high = ring & (values > edge_snr) & (chance < strength.outside)
    if not (low | high).any():
        return False
    held = marks[1][box]
    y, x = np.nonzero(low | high | (held & (own | ring)))
    if len(y) > MOST_AT_ONCE:
        kept = np.linspace(0, len(y) - 1, MOST_AT_ONCE).astype(int)
        y, x = y[kept], x[kept]
    aim = np.where(low, edge_snr + margins, np.where(high, edge_snr - margins, values))[y, x]
    held |= low | high
    wanted = aim - values[y, x]
    weights = cho_solve(cho_factor(_lags(covariance, y, x) + JITTER * np.eye(len(y))), wanted)
    sparse = np.zeros(values.shape)
    sparse[y, x] = weights
    values += _spread(sparse, covariance)
    return True


def _lags(covariance: NDArray[np.float64], y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.float64]:
    """(n, n): covariance of each two of the pixels; 0 beyond its reach."""
    reach = covariance.shape[0] // 2
    dy, dx = y[:, None] - y[None, :], x[:, None] - x[None, :]
    far = (np.abs(dy) > reach) | (np.abs(dx) > reach)
    return np.where(far, 0.0, covariance[np.clip(dy + reach, 0, 2 * reach), np.clip(dx + reach, 0, 2 * reach)])


def _spread(sparse: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The covariance about every weight."""
    return np.asarray(fftconvolve(sparse, covariance, mode="same"))
