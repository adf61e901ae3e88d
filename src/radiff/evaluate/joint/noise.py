"""The sky between the objects, made beside real: rms, power by frequency, moments, islands. Knows no networks."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.errors import InputError
from radiff.estimates import bootstrap_mean
from radiff.evaluate.joint.lines import Line, halved_median, missing, ratio_line
from radiff.evaluate.joint.stacks import Floats, Stack, away
from radiff.sky import background_rms, noise_power_spectrum

BANDS = 8
ENOUGH = 2000
"""Pixels of noise without which an image's power and moments do not count."""
BEYOND = 8.0
"""Rms at which noise pixels are clipped before powers and moments are taken."""
THRESHOLDS = (3.5, 4.0, 4.5, 5.0)
"""Heights of islands, in units of the rms."""
NEAR = 2
"""Pixels around an object in which no clipped rms is measured: those of `radiff.generate.measure_noise`."""
BESIDE = 3
"""Pixels around an object in which no island counts."""
BAND_TARGETS = (*((0.95, 1.05),) * 7, (0.8, 1.2))
MAD = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""


# ---------------------------------------------------------------- rms


def clipped_rms(stack: Stack) -> Floats:
    """(n,): noise rms outside the objects over the one asked, by the package's clipped estimator; NaN if it fails."""
    return np.array([own_level_and_rms(image, mask)[1] for image, mask in zip(stack.asked, stack.masks, strict=True)])


def own_level_and_rms(image: NDArray[np.floating], mask: NDArray[np.integer]) -> tuple[float, float]:
    """Level and clipped rms of an image (ny, nx) outside the objects, as `radiff.generate.measure_noise`.

    NaN, NaN where fewer than 500 pixels are left.
    """
    near = ~away(mask[None], NEAR)[0]
    if near.size - np.count_nonzero(near) < ENOUGH / 4:
        return math.nan, math.nan
    return background_rms(image, near)


def plain_rms(stack: Stack) -> Floats:
    """(n,): plain standard deviation of the noise pixels over the rms asked; NaN for too few."""
    values = [image[c] for image, c in zip(stack.asked, stack.clear, strict=True)]
    return np.array([float(v.std(dtype=np.float64)) if v.size >= ENOUGH else math.nan for v in values])


def rms_lines(real: Stack, made: Stack) -> list[Line]:
    """Noise rms as sampled over the one asked, clipped and plain."""
    clipped = clipped_rms(made)
    told = np.isfinite(made.sampled)
    before = np.where(told, made.sampled / clipped, 1.0)  # undoes what brought the noise to the rms asked
    note = f"as sampled, by the header of {told.sum()} images" if told.any() else "on the pixels of the files"
    own = [float(np.nanmedian(figure(real))) for figure in (clipped_rms, plain_rms)]
    spread = np.nanpercentile(clipped * before, (16, 84)) if np.isfinite(clipped).any() else (math.nan,) * 2
    text = f"{note}; 16-84 %: {spread[0]:.3f} to {spread[1]:.3f}"
    values = [halved_median(clipped * before), halved_median(plain_rms(made) * before)]
    return [
        Line("rms", "noise rms over asked, clipped, median", values[0], own[0], (0.98, 1.02), text),
        Line("rms", "noise rms over asked, plain, median", values[1], own[1], (own[1] - 0.02, own[1] + 0.02), note),
    ]


# ---------------------------------------------------------------- power and moments


def band_powers(stack: Stack) -> tuple[Floats, Floats]:
    """Noise power of each image in 8 rings from 0 to 0.5 cycles a pixel.

    Returns
    -------
    power : (n, 8)
        In units of the rms squared; 0 where too few pixels are clear.
    pixels : (n,)
        Clear pixels, 0 where too few: the weights of a mean over images.
    """
    pixels = stack.clear.sum((1, 2)).astype(float)
    pixels[pixels < ENOUGH] = 0.0
    power = np.zeros((len(stack), BANDS))
    for k in np.flatnonzero(pixels):
        noise = np.clip(stack.filled[k], -BEYOND, BEYOND)
        power[k] = noise_power_spectrum([noise], [~stack.clear[k]], BANDS)[1]
    return power, pixels


def band_lines(real: Stack, made: Stack) -> list[Line]:
    """Power of the noise, made over real: mean over images weighted by their clear pixels; all, and by survey."""
    try:
        (own, pixels), (power, made_pixels) = band_powers(real), band_powers(made)
    except InputError as error:
        return [missing("bands", "noise power, made over real", error.message)]
    weights = np.minimum(pixels, made_pixels)
    lines = []
    for survey in ("", *_surveys(real)):
        chosen = real.index_of(survey) if survey else np.arange(len(real))
        for band in range(BANDS):
            a, b = (weights[chosen] * table[chosen, band] for table in (power, own))
            text = f"power{' ' + survey if survey else ''} band {band + 1}, to {(band + 1) / 16:.3f} cycles a pixel"
            line = ratio_line("bands", text, a, b, None if survey else BAND_TARGETS[band])
            mean = float(b.sum() / max(weights[chosen].sum(), 1.0))
            lines.append(Line("bands", text, line.value, mean, line.target, "real: its own power, rms^2"))
    return lines


def _surveys(stack: Stack) -> list[str]:
    """Surveys to be told apart: none where there is only one."""
    names = sorted(set(stack.surveys) - {""})
    return names if len(names) > 1 else []


def moments(stack: Stack) -> Floats:
    """(n, 2): skewness and excess kurtosis of the noise pixels, clipped at `BEYOND` rms; NaN for too few."""
    found = np.full((len(stack), 2), math.nan)
    for row, image, clear in zip(found, stack.filled, stack.clear, strict=True):
        values = np.clip(image[clear].astype(np.float64), -BEYOND, BEYOND)
        if values.size >= ENOUGH and (spread := float(values.std())) > 0:
            z = (values - values.mean()) / spread
            row[:] = (z**3).mean(), (z**4).mean() - 3.0
    return found


def moment_lines(real: Stack, made: Stack) -> list[Line]:
    """Skewness and kurtosis, made less real: mean over images of the difference of a pair."""
    own, found = moments(real), moments(made)
    lines = []
    for survey in ("", *_surveys(real)):
        chosen = real.index_of(survey) if survey else np.arange(len(real))
        for column, (name, limit) in enumerate((("skewness", 0.05), ("kurtosis", 0.1))):
            value = bootstrap_mean(found[chosen, column] - own[chosen, column])
            title = f"{name} of noise pixels{' ' + survey if survey else ''}, made less real"
            mean = float(np.nanmean(own[chosen, column])) if np.isfinite(own[chosen, column]).any() else math.nan
            target = None if survey else (-limit, limit)
            lines.append(Line("moments", title, value, mean, target, "real: its own, mean over images"))
    return lines


# ---------------------------------------------------------------- islands


def islands(stack: Stack, thresholds: Sequence[float] = THRESHOLDS) -> NDArray[np.int64]:
    """(n, 2, k): islands of the sky above each of k thresholds, and below minus it.

    An island is a set of pixels joined side by side beyond the threshold, more than `BESIDE` pixels from every object.
    The level is the median there, the rms the median absolute deviation over that of a unit Gaussian.
    """
    counts = np.zeros((len(stack), 2, len(thresholds)), np.int64)
    free = away(stack.masks, BESIDE) & np.isfinite(stack.snr)
    for row, image, usable in zip(counts, stack.filled, free, strict=True):
        values = image[usable]
        if values.size < ENOUGH / 4:
            continue
        level = float(np.median(values))
        rms = MAD * float(np.median(np.abs(values - level)))
        residual = np.where(usable, (image - level) / max(rms, 1e-30), 0.0)
        for side, field in enumerate((residual, -residual)):
            for column, height in enumerate(thresholds):
                beyond = field > height
                row[side, column] = ndimage.label(beyond)[1] if beyond.any() else 0
    return counts


def island_lines(real: Stack, made: Stack, survey: str = "FIRST") -> list[Line]:
    """Islands outside the masks, made over real; of one survey where there is more than one."""
    chosen = real.index_of(survey) if survey in _surveys(real) else np.arange(len(real))
    own, found = islands(real.chosen(chosen)), islands(made.chosen(chosen))
    lines = []
    for side, word in enumerate(("above +", "below -")):
        for column, height in enumerate(THRESHOLDS):
            a, b = found[:, side, column], own[:, side, column]
            note = f"{a.sum()} islands, real {b.sum()}, in {len(chosen)} images"
            lines.append(ratio_line("islands", f"islands {word}{height:g} rms, made over real", a, b, (0.8, 1.2), note))
    return lines
