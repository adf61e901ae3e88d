"""Masks to stamps, through whatever generates images. Knows no networks: what draws is passed in.

Each object is asked for alone, bright, on its own empty field; what comes is cut out without its background.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.observation import Observation
from radiff.data.spec import ImageGenerator, ImageSpec
from radiff.errors import InputError
from radiff.masks import COMPACT, EXTENDED, SPURIOUS, SourceObject
from radiff.masks.draw import draw_compact, draw_galaxy, draw_spurious
from radiff.populate.profiles import second_moments
from radiff.populate.stamps import Stamp
from radiff.sky import background_rms
from radiff.sky.beam import FWHM, FWHM2, FWHM_AREA

PEAKS = (300.0, 600.0)
"""Peaks asked for, in units of the noise: what noise is left in a stamp is under a third of a percent of its peak."""
DRAWN_BEAM = 3.0
"""Beam in pixels that the masks of `radiff.masks.draw` are drawn for."""
ROOM = 20
"""Pixels between an object's mask and the edge of its field."""
MASK_SNR = 3.0
"""A mask is an object's outline at this many rms."""
USUAL_SNR = {SPURIOUS: 6.0, COMPACT: 20.0, EXTENDED: 30.0}
"""Peak, in units of the noise, of the object of a mask that does not tell it."""
NARROWEST = 0.8
"""Beams; what comes out narrower is no image of anything, and gives no stamp."""

Mask = NDArray[np.uint8]
Image = NDArray[np.floating]


def spec_of(mask: Mask, seed: int, peak: float, beam: float, source: str = "") -> ImageSpec:
    """One image of a stamp: noise of rms 1 about 0, and the object of `mask` with a peak of so many rms.

    Parameters
    ----------
    mask : uint8 (ny, nx)
        Nonzero on one object, its class value; sides are multiples of 4.
    beam : float
        FWHM, pixels.
    source : str
        Where the mask comes from.
    """
    one = SourceObject.from_pixels("S1", int(mask.max()), mask)
    return ImageSpec(mask, seed, [one], Observation(rms=1.0), [peak], beam=beam, source=source)


def drawn_specs(number: int, class_value: int, seed: int, beam: float, size: int = 128) -> list[ImageSpec]:
    """Objects whose masks are drawn by rule: galaxies from a sixth to half of the field long.

    Number `n` follows from `seed` + n alone.
    """
    specs = []
    for own in range(seed, seed + number):
        random = np.random.default_rng((own, class_value))
        small = np.zeros((_round4(size * DRAWN_BEAM / beam),) * 2, np.uint8)
        middle = (small.shape[0] - 1) / 2
        if class_value == EXTENDED:
            length = math.exp(random.uniform(math.log(12.0), math.log(0.5 * small.shape[0])))
            draw_galaxy(small, middle, middle, random, length=length)
        else:
            {COMPACT: draw_compact, SPURIOUS: draw_spurious}[class_value](small, middle, middle, random)
        mask, peak = _scaled(small, beam / DRAWN_BEAM) > 0, _peak(random)
        mask = _grown(mask, USUAL_SNR[class_value], peak, beam)
        specs.append(spec_of(_field(mask, class_value), own, peak, beam, "drawn"))
    return specs


def object_specs(
    objects: Iterable[tuple[SourceObject, float | None, str]], seed: int, beam: float, largest: int = 256
) -> tuple[list[ImageSpec], int]:
    """The objects of given masks, each alone.

    Parameters
    ----------
    objects : iterable of (SourceObject, beam in pixels of its image or None, where it comes from)
        Masks of other beams are scaled to `beam`. Its ``peak_snr``, where known, says how faint it was when it was
        outlined: brighter, as it is to be drawn, its outline is wider.
    seed : int
        Of the first; the next has the next number.
    beam : float
        FWHM asked for, pixels.
    largest : int
        Objects that need a larger field (pixels) are left out.

    Returns
    -------
    (specifications, number left out)
    """
    specs: list[ImageSpec] = []
    left_out = 0
    for one, own, source in objects:
        number = seed + len(specs)
        peak = _peak(np.random.default_rng((number, 9)))
        mask = _scaled(one.stamp.astype(np.uint8), beam / own if own else 1.0) > 0
        mask = _grown(mask, float(one.info.get("peak_snr") or USUAL_SNR[one.class_value]), peak, beam)
        field = _field(mask, one.class_value) if mask.any() else None
        if field is None or max(field.shape) > largest:
            left_out += 1
            continue
        specs.append(spec_of(field, number, peak, beam, source))
    return specs, left_out


def make_stamps(specs: Sequence[ImageSpec], generate: ImageGenerator) -> Iterator[Stamp | None]:
    """Have the images generated, and cut a stamp from each image; None where no object came."""
    for spec, image in zip(specs, generate(specs), strict=True):
        if image.shape != spec.shape:
            raise InputError(f"an image of {image.shape} came for a mask of {spec.shape}")
        yield cut_stamp(image, spec)


def cut_stamp(image: Image, spec: ImageSpec) -> Stamp | None:
    """The object of an image without its background, with soft edges.

    What stands out of the noise (smoothed by half a beam) within a beam of the mask is kept; it fades out over a beam
    towards that rim, and where it sinks into the noise, so that no edge and no noise is left to be seen.

    Returns
    -------
    Stamp or None
        None where nothing within the mask is above 10 times the noise, or it is narrower than the beam.
    """
    mask, beam = spec.mask > 0, spec.beam_pixels
    level, rms = background_rms(image, ndimage.binary_dilation(mask, iterations=math.ceil(2 * beam)))
    source = np.asarray(image, float) - level
    if source[mask].max() < 10 * rms:
        return None
    smooth = ndimage.gaussian_filter(source, 0.5 * beam / FWHM)
    outside = ndimage.distance_transform_edt(~mask)
    window = _rise(1.0 - outside / beam) * _rise((smooth / rms - 1.0) / 3.0)
    values = np.maximum(source, 0.0) * window
    labels, _ = ndimage.label(values > 0, np.ones((3, 3)))
    kept = np.unique(labels[mask & (smooth > 5 * rms)])
    values[~np.isin(labels, kept[kept > 0])] = 0.0
    if not values.any():
        return None
    rows, columns = np.flatnonzero(values.any(1)), np.flatnonzero(values.any(0))
    box = np.pad(values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    area = FWHM_AREA * beam**2
    widths = np.linalg.eigvalsh(second_moments(box)) * FWHM2
    if widths[0] < (NARROWEST * beam) ** 2:
        return None
    minor, major = np.sqrt(np.maximum(widths - beam**2, 0.0))
    return Stamp(
        (box * (area / box.sum())).astype(np.float32),
        int(spec.mask.max()),
        spec.seed,
        beam,
        float(major),
        float(minor),
        float(box.max() / rms),
        int(mask.sum()),
        spec.source,
    )


def _rise(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 up to 0, 1 from 1 on, smooth in between."""
    part = np.clip(part, 0.0, 1.0)
    return np.asarray(part * part * (3.0 - 2.0 * part))


def _peak(random: np.random.Generator) -> float:
    return math.exp(random.uniform(math.log(PEAKS[0]), math.log(PEAKS[1])))


def _scaled(mask: Mask, factor: float) -> Mask:
    """`mask` (h, w) enlarged `factor` times."""
    if abs(factor - 1.0) < 0.02:
        return mask
    smooth = ndimage.zoom(np.pad(mask > 0, 2).astype(float), factor, order=1)
    return (smooth >= 0.5).astype(np.uint8) * mask.max()


def _grown(mask: NDArray[np.bool_], own: float, peak: float, beam: float) -> NDArray[np.bool_]:
    """The outline that an object of a peak of `own` rms has at one of `peak` rms, its rim falling off as the beam."""
    reach = [math.sqrt(max(math.log(snr / MASK_SNR), 0.0) / (4.0 * math.log(2.0))) * beam for snr in (own, peak)]
    more = reach[1] - reach[0]
    if more < 0.5:
        return mask
    return np.asarray(ndimage.distance_transform_edt(~np.pad(mask, math.ceil(more) + 1)) <= more)


def _field(pixels: NDArray[np.bool_], class_value: int) -> Mask:
    """The object in the middle of a field of its own, its sides multiples of 4 from 64 pixels."""
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    stamp = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(64, _round4(max(stamp.shape) + 2 * ROOM))
    side = 128 if side <= 128 else side  # fields of one size are generated together
    field = np.zeros((side, side), np.uint8)
    y0, x0 = (side - stamp.shape[0]) // 2, (side - stamp.shape[1]) // 2
    field[y0 : y0 + stamp.shape[0], x0 : x0 + stamp.shape[1]] = stamp * np.uint8(class_value)
    return field


def _round4(length: float) -> int:
    return 4 * math.ceil(length / 4)
