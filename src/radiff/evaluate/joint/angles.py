"""The noise power by direction, against the spectrum asked for: do its stripes come through? Knows no files.

The half plane of frequencies is cut into 8 angles and 7 rings. What is measured on an image is the power under a taper
with the objects cut out; what is asked is passed through the same window (exactly: the autocovariance times that of
the window), so that leakage and masks are on both sides. One image's cell scatters by 10 to 40 %, so images are put
together in groups; a group holds images of which much the same was asked in that cell, or else a generator that draws
the mean spectrum for all would pass.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from radiff.estimates import Estimate
from radiff.evaluate.joint.lines import Line, missing
from radiff.evaluate.joint.noise import BEYOND, ENOUGH
from radiff.evaluate.joint.stacks import Floats, Stack

ANGLES, RINGS, WIDTH = 8, 7, 1 / 16
"""Cells of the half plane; width of a ring, cycles a pixel."""
GROUPS = 5
"""Groups of images of each cell."""
ROUNDS = 200
FEWEST = 25
"""Images below which no groups are made: all are one."""


@dataclass(frozen=True, eq=False)
class CellPowers:
    """Sums of power in the cells, of n images.

    Attributes
    ----------
    measured, asked : (n, 56)
        Of the image under its window, and of the spectrum asked under the same one, rms^2; 0 where too few pixels are
        clear.
    key : (n, 56)
        By which images are put in groups: what was asked in the cell over the mean of its ring.
    """

    measured: Floats
    asked: Floats
    key: Floats


def cell_numbers(shape: tuple[int, int]) -> NDArray[np.int_]:
    """(ny, nx): the cell of each mode, in the order of `numpy.fft.fft2`: ring * 8 + angle; -1 outside of all.

    The nine lowest modes, which a taper mixes with the mean, are in none.
    """
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :]
    ring = (np.hypot(fy, fx) / WIDTH).astype(int)
    angle = (np.arctan2(fy, fx) / math.pi % 1 * ANGLES).astype(int) % ANGLES
    lowest = (np.abs(fy * shape[0]) < 1.5) & (np.abs(fx * shape[1]) < 1.5)
    return np.asarray(np.where((ring < RINGS) & ~lowest, ring * ANGLES + angle, -1))


def window_of(clear: NDArray[np.bool_]) -> Floats:
    """(ny, nx): a Hann taper, 0 on objects."""
    return np.asarray(np.outer(*(np.hanning(n + 1)[:n] for n in clear.shape)) * clear)


def windowed_power(image: NDArray[np.floating], window: Floats) -> Floats:
    """(ny, nx): power a mode of an image less its mean under the window; white noise of variance 1 gives 1."""
    weight = float((window**2).sum())
    level = float((image * window).sum() / window.sum())
    return np.asarray(np.abs(fft.fft2((image - level) * window)) ** 2 / weight)


def expected_power(power: Floats, window: Floats) -> Floats:
    """(ny, nx): what `windowed_power` gives on average of noise with a spectrum (n, n), rms^2 a mode.

    E |FFT(w f)|^2 is the transform of the noise's autocovariance times that of the window, over lags up to the image.
    """
    ny, nx = window.shape
    wide = (2 * ny, 2 * nx)
    of_window = fft.irfft2(np.abs(fft.rfft2(window, wide)) ** 2, wide)
    side = power.shape[0]
    lags = fft.ifft2(power).real
    reach_y, reach_x = min(side // 2, ny), min(side // 2, nx)
    covariance = np.zeros(wide)
    for ys in (slice(0, reach_y), slice(-reach_y, None)):
        for xs in (slice(0, reach_x), slice(-reach_x, None)):
            covariance[ys, xs] = lags[ys, xs]
    return np.asarray(fft.fft2(covariance * of_window).real[::2, ::2] / float((window**2).sum()))


def cell_sums(power: Floats, cells: NDArray[np.int_]) -> Floats:
    """(56,): power summed over the modes of each cell."""
    inside = cells >= 0
    return np.asarray(np.bincount(cells[inside], power[inside], RINGS * ANGLES), np.float64)


def cell_powers(
    stack: Stack, asked: Callable[[int, Floats], Floats], clear: NDArray[np.bool_], key: Floats | None = None
) -> CellPowers:
    """Measured and asked power of every image.

    Parameters
    ----------
    asked : callable
        (index, window (ny, nx)) to the power asked under that window (ny, nx).
    clear : bool (n, ny, nx)
        Pixels of the noise.
    key : (n, 56), optional
        Default: of what was asked.
    """
    cells = cell_numbers(stack.snr.shape[1:])  # type: ignore[arg-type]
    measured, wanted = np.zeros((2, len(stack), RINGS * ANGLES))
    for k in range(len(stack)):
        if np.count_nonzero(clear[k]) < ENOUGH:
            continue
        window = window_of(clear[k])
        measured[k] = cell_sums(windowed_power(np.clip(stack.filled[k], -BEYOND, BEYOND), window), cells)
        wanted[k] = cell_sums(asked(k, window), cells)
    return CellPowers(measured, wanted, contrast(wanted) if key is None else key)


def contrast(sums: Floats) -> Floats:
    """(n, 56): power of each cell over the mean of its ring; 1 where there is none."""
    mean = _ring_means(sums)
    return np.asarray(np.divide(sums, mean, out=np.ones_like(sums), where=mean > 0))


def field_key(own: Floats, groups: list[str]) -> Floats:
    """(n, 56): mean contrast of the *other* images of each one's field; 1 where it is alone.

    Where what was asked is known by one image's periodogram only, its own scatter must not choose its group: the group
    of the largest would be too large in it, and any true noise be too low.
    """
    table, names = contrast(own), np.asarray(groups)
    key = np.ones_like(table)
    for name in set(groups):
        members = np.flatnonzero(names == name)
        if len(members) > 1:
            key[members] = (table[members].sum(0) - table[members]) / (len(members) - 1)
    return key


def group_weights(key: Floats, groups: int = GROUPS) -> NDArray[np.int_]:
    """(n, 56): the group of each image in each cell, from the least asked to the most; all 0 where there are few."""
    if len(key) < FEWEST:
        return np.zeros(key.shape, int)
    rank = key.argsort(0, kind="stable").argsort(0, kind="stable")
    return rank * groups // len(key)


def angle_estimates(powers: CellPowers, groups: int = GROUPS, seed: int = 0) -> tuple[Estimate, Estimate]:
    """How far the power by direction is from what was asked.

    Returns
    -------
    deviation : Estimate
        Median over cells and groups of |ln(sum measured / sum asked)|, sums over the images of the group.
    slope : Estimate
        Of ln contrast measured over ln contrast asked, over the same: 1 where the stripes are as strong as asked, 0
        where they are not there.
    """
    used = powers.asked.any(1)
    measured, asked = powers.measured[used], powers.asked[used]
    count = int(used.sum())
    group = group_weights(powers.key[used], groups)
    groups = int(group.max(initial=0)) + 1
    members = (group[:, None, :] == np.arange(groups)[:, None]).astype(np.float64)  # (n, groups, 56)
    tables = [(members * v[:, None, :]).reshape(count, -1) for v in (measured, asked, _ring_means(measured),
                                                                      _ring_means(asked))]  # fmt: skip
    random = np.random.default_rng(seed)
    weights = np.concatenate([np.ones((1, count)), random.multinomial(count, np.full(count, 1 / count), size=ROUNDS)])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(weights @ table) for table in tables]
        deviation = np.nanmedian(np.abs(logs[0] - logs[1]), 1)
        made, wanted = logs[0] - logs[2], logs[1] - logs[3]  # against the ring, over the same images
    slope = np.nansum(made * wanted, 1) / np.maximum(np.nansum(wanted**2, 1), 1e-30)
    return _spread(deviation, count, 0.0), _spread(slope, count, -math.inf)


def _ring_means(sums: Floats) -> Floats:
    """(n, 56): for each cell the mean of its ring."""
    rings = sums.reshape(-1, RINGS, ANGLES)
    return np.asarray(np.broadcast_to(rings.mean(2, keepdims=True), rings.shape)).reshape(len(sums), -1)


def _spread(rounds: Floats, count: int, least: float) -> Estimate:
    """The first round, which is of all images, with 1.96 standard deviations of the others: resampling shifts them."""
    side = 1.96 * float(np.std(rounds[1:], ddof=1))
    value = float(rounds[0])
    return Estimate(value, max(value - side, least), value + side, (count,))


def angle_lines(real: Stack, made: Stack, spectra: Floats | None = None, fields: Stack | None = None) -> list[Line]:
    """Power by direction against what was asked.

    Parameters
    ----------
    spectra : (n, m, m), optional
        Power asked of each image; default: the real image's own, under the same window.
    fields : Stack, optional
        Pure fields drawn from `spectra`: what the figure is for noise that is exactly right.
    """
    clear = real.clear & made.clear
    if not (clear.sum((1, 2)) >= ENOUGH).any():
        return [missing("angles", "noise power by direction", "too few clear pixels")]
    if spectra is not None:
        given = spectra
        powers = cell_powers(made, lambda k, window: expected_power(given[k], window), clear)
    else:
        powers = cell_powers(
            made,
            lambda k, window: windowed_power(np.clip(real.filled[k], -BEYOND, BEYOND), window),
            clear,
        )
        powers = CellPowers(powers.measured, powers.asked, field_key(powers.asked, real.groups))
    baseline: tuple[float | None, float | None] = (None, None)
    if spectra is not None and fields is not None:
        drawn = cell_powers(fields, lambda k, window: expected_power(spectra[k], window), clear)
        baseline = tuple(one.value for one in angle_estimates(drawn))  # type: ignore[assignment]
    deviation, slope = angle_estimates(powers)
    source = "the spectra given" if spectra is not None else "each real image's own power"
    note = f"asked: {source}" + ("; real: pure fields of them" if baseline[0] is not None else "")
    return [
        Line("angles", "8 angles x 7 rings: median |ln(made / asked)|", deviation, baseline[0], (0.0, 0.15), note),
        Line("angles", "contrast of directions, made over asked: slope", slope, baseline[1], None, note),
    ]
