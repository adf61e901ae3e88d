"""A map to its noise in units of its rms, sources left out: what a spectrum is measured on. Knows no spectra."""

import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from radiff.errors import InputError
from radiff.sky.arrays import plain_image
from radiff.sky.beam import Beam
from radiff.sky.cutout import Cutout
from radiff.sky.noise import background_mesh, background_rms
from radiff.sky.spectrum import SIDE
from radiff.sky.windows import LARGE_MAP, MapReader

RESIDUAL = 5.0
"""What lies beyond so many rms outside the mask is a residual of a bright source, not noise."""
SEED_SNR, GROW_SNR = 5.0, 3.0
"""Without a mask, sources are what holds a pixel above the first and connects to it above the second."""
CLEAR_BEAMS = 1.0
"""Pixels within so many beams of a source's are left out too: its faint wings."""
WINDOW = 1024
"""Side of the windows that stand for a large map."""

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass
class NoisePatch:
    """A map's noise in units of its rms, with what is left out.

    Attributes
    ----------
    snr : float64 (ny, nx)
        Level 0, rms 1; 0 where left out.
    usable : bool (ny, nx)
    rms : float
        Jy/beam.
    beam : Beam, optional
    pixel_scale : float, optional
        Arcsec.
    frequency : float, optional
        Hz.
    name : str
    residuals : int
        Usable pixels beyond 5 rms.
    """

    snr: Values
    usable: Mask
    rms: float
    beam: Beam | None = None
    pixel_scale: float | None = None
    frequency: float | None = None
    name: str = ""
    residuals: int = 0
    about: dict[str, Any] = field(default_factory=dict)


def noise_patches(source: Any, mask: Any = None, empty: bool = False, beam: Beam | None = None) -> list[NoisePatch]:
    """A map to its noise; of a file of more than `LARGE_MAP` pixels, windows that lie evenly over it stand for it.

    See `measure_noise_spectrum`; `beam` counts over that of the header.

    Raises
    ------
    InputError
        Where the map cannot be used.
    """
    if not isinstance(source, str | os.PathLike) or not _is_large(Path(source)):
        return [noise_patch(source, mask, empty, beam)]
    patches = []
    with MapReader(source) as reader:
        for y in _spread(reader.shape[0]):
            for x in _spread(reader.shape[1]):
                y1, x1 = min(y + WINDOW, reader.shape[0]), min(x + WINDOW, reader.shape[1])
                cutout = reader.cutout(y, y1, x, x1)
                if np.isfinite(cutout.image).mean() > 0.5:
                    part = None if mask is None else mask[y:y1, x:x1]
                    patches.append(replace(noise_patch(cutout, part, empty, beam), name=Path(source).name))
    if not patches:
        raise InputError("has no window with noise to measure; cut a part of it out first", source)
    return patches


def _is_large(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size < LARGE_MAP // 16:  # bytes: no compression is that good
        return False
    with MapReader(path) as reader:
        return reader.shape[0] * reader.shape[1] > LARGE_MAP


def _spread(length: int) -> list[int]:
    """First pixels of four windows along an axis."""
    return sorted({round(k * max(length - WINDOW, 0) / 3) for k in range(4)})


def noise_patch(source: Any, mask: Any = None, empty: bool = False, beam: Beam | None = None) -> NoisePatch:
    """A map (path, `Cutout` or array) to its noise; see `noise_patches`.

    Level and rms are taken off as they change over the map, on cells that are wider than the spectrum tells.
    """
    cutout, name = _opened(source)
    cutout = cutout if beam is None else replace(cutout, beam=beam)
    image = np.asarray(cutout.image, dtype=np.float64)
    if min(image.shape) < 64:
        size = f"{image.shape[1]} x {image.shape[0]} pixels"
        raise InputError(f"has {size}; at least 64 x 64 are needed to measure noise", name or "the map")
    width = _beam_pixels(cutout)
    taken = np.zeros(image.shape, bool)
    if mask is not None:
        given = np.asarray(mask)
        if given.shape != image.shape:
            raise InputError(f"the mask has the shape {given.shape}, the map {image.shape}")
        taken = _wider(given > 0, width)
    elif not empty:
        taken = _wider(find_bright(image), width)
    box = max(SIDE, math.ceil(24 * width))
    if min(image.shape) >= 2 * box:
        level, rms = background_mesh(image, box, taken)
    else:
        middle, noise = background_rms(image, taken if not taken.all() else None)
        level, rms = np.float64(middle), np.float64(noise)  # type: ignore[assignment]
    if not np.all(np.asarray(rms) > 0):
        raise InputError("has no noise: its rms is 0; give a map of the sky, not a mask", name or "the map")
    with np.errstate(invalid="ignore"):
        snr = (image - level) / rms
    usable = np.isfinite(snr) & ~taken & ~_padding(image)
    snr = np.where(usable, snr, 0.0)
    return NoisePatch(
        snr, usable, float(np.median(rms)), cutout.beam, cutout.pixel_scale, _frequency(cutout), name,
        int((np.abs(snr) > RESIDUAL).sum()),
    )  # fmt: skip


def find_bright(image: npt.NDArray[np.floating]) -> Mask:
    """Pixels of what holds one above 5 rms, down to 3 rms; the rms is that of the surroundings."""
    usable = np.isfinite(image)
    level, rms = (
        background_mesh(image, min(64, min(image.shape) // 2)) if min(image.shape) >= 128 else background_rms(image)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = np.where(usable, (image - level) / rms, 0.0)
    labels, _ = ndimage.label(snr > GROW_SNR, np.ones((3, 3)))
    bright = np.unique(labels[snr > SEED_SNR])
    return np.asarray(np.isin(labels, bright[bright > 0]))


def _wider(mask: Mask, beam: float) -> Mask:
    reach = math.ceil(CLEAR_BEAMS * beam)
    return np.asarray(ndimage.maximum_filter(mask.astype(np.uint8), 2 * reach + 1).astype(bool))


def _padding(image: Values) -> Mask:
    """Blocks of zeros."""
    zeros = image == 0
    if np.count_nonzero(zeros) < 25:
        return np.zeros(image.shape, bool)
    return np.asarray(ndimage.grey_opening(zeros.astype(np.uint8), (5, 5)).astype(bool))


def _opened(source: Any) -> tuple[Cutout, str]:
    if isinstance(source, Cutout):
        return source, str(source.header.get("OBJECT", "")).strip()
    if isinstance(source, str | os.PathLike):
        from radiff.sky.fits import read_cutout

        return read_cutout(source), Path(source).name
    image = plain_image(source, "map")
    if image.ndim != 2:
        raise InputError(f"a map has two axes (ny, nx); this array has the shape {image.shape}")
    return Cutout(image), ""


def _beam_pixels(cutout: Cutout) -> float:
    """Geometric mean width of the beam, pixels; 4 where it is not known."""
    if cutout.beam is None or not cutout.pixel_scale:
        return 4.0
    return cutout.beam.width_pixels(cutout.pixel_scale)


def _frequency(cutout: Cutout) -> float | None:
    """Hz, of FREQ, RESTFRQ, RESTFREQ, or a FREQ axis."""
    for key in ("FREQ", "RESTFRQ", "RESTFREQ"):
        value = cutout.header.get(key)
        if isinstance(value, int | float) and value > 0:
            return float(value)
    for axis in range(1, 6):
        if str(cutout.header.get(f"CTYPE{axis}", "")).upper().startswith("FREQ"):
            value = cutout.header.get(f"CRVAL{axis}")
            if isinstance(value, int | float) and value > 0:
                return float(value)
    return None
