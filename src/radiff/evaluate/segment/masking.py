"""Images of any size to class masks by the segmenter, window by window. Knows no file formats of masks.

Windows overlap, and the class probabilities of a pixel are averaged over them. A map is worked on in bands of windows,
so that only a few rows of probabilities are in memory.
"""

import os
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from radiff.data.scaling import make_scaling
from radiff.errors import InputError
from radiff.masks import NUM_CLASSES, SourceObject, mask_to_objects
from radiff.masks.merging import join, linked
from radiff.models.io import find_weights, load_segmenter, read_manifest
from radiff.models.precision import choose_precision, find_device
from radiff.sky import Cutout, background_rms
from radiff.sky.cutout import window_of
from radiff.tiling import iter_windows, ramp

Mask = NDArray[np.uint8]
Image = NDArray[np.float32]

WINDOW, OVERLAP = 128, 32  # pixels
CONTEXT = 64  # pixels around a window that its noise is measured on too
STRIP = 2048  # rows that are searched for objects at a time


class Pixels(Protocol):
    """An image that is read by windows, such as a `MapReader`."""

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        ...

    def read(self, y0: int, y1: int, x0: int, x1: int) -> Image:
        """A window in Jy/beam; NaN off the image."""
        ...


class CutoutPixels:
    """A cutout in memory as `Pixels`."""

    def __init__(self, cutout: Cutout) -> None:
        self.image, self.shape = cutout.image, cutout.shape

    def read(self, y0: int, y1: int, x0: int, x1: int) -> Image:
        """See `Pixels.read`."""
        return window_of(self.image, y0, y1, x0, x1)


class MapSegmenter:
    """Finds the class of every pixel.

    Parameters
    ----------
    weights : path-like
        Weights folder with a segmenter, a hub id, or ``default`` (in the package).
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    precision : str
        ``auto``, ``fp32`` or ``bf16``; auto: bf16 where it is faster.
    batch_size : int
        Windows at a time.

    Examples
    --------
    >>> segmenter = MapSegmenter()                                           # doctest: +SKIP
    >>> mask = segmenter(read_cutout("image.fits"))                          # doctest: +SKIP
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] = "default",
        device: str = "auto",
        precision: str = "auto",
        batch_size: int = 8,
    ) -> None:
        self.folder = find_weights(weights, "segmenter")
        manifest = read_manifest(self.folder)
        self.scaling = make_scaling(**manifest["scaling"])
        self.device = find_device(device)
        self.precision = choose_precision(precision, self.device)
        self.batch_size = batch_size
        network = load_segmenter(self.folder)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, cutout: Cutout) -> Mask:
        """Class mask (ny, nx) of a cutout; scaled by its own rms where it is known, else by what is measured on it."""
        noise = None if cutout.rms is None else (cutout.background, cutout.rms)
        return self.mask(CutoutPixels(cutout), noise)

    @torch.inference_mode()
    def probabilities(self, scaled: NDArray[np.floating]) -> Image:
        """Class probabilities (n, 4, ny, nx) of scaled images (n, ny, nx) of any size."""
        images = torch.from_numpy(np.asarray(scaled, np.float32))[:, None].to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.network(images.to(memory_format=torch.channels_last))
        found: Image = logits.float().softmax(1).cpu().numpy()
        return found

    def mask(
        self,
        pixels: Pixels,
        noise: tuple[float, float] | None = None,
        on_rows: Callable[[int], None] | None = None,
        window: int = WINDOW,
        overlap: int = OVERLAP,
    ) -> Mask:
        """Class mask (ny, nx) of an image of any size; blank pixels are background.

        Parameters
        ----------
        noise : (float, float), optional
            Background and rms of the whole, Jy/beam. Default: measured about each window.
        on_rows : callable, optional
            Told how many more rows are done.
        window, overlap : int
            Pixels. An image up to 1.5 windows wide is one window.
        """
        ny, nx = pixels.shape
        if max(ny, nx) <= 1.5 * window:
            window, overlap = max(ny, nx), 0
        mask = np.zeros((ny, nx), np.uint8)
        top = 0  # the first row of `total`: all rows above it are done
        total = np.zeros((NUM_CLASSES, 0, nx), np.float32)
        for (y0, y1), boxes in groupby(iter_windows((ny, nx), window, overlap), key=lambda box: box[:2]):
            mask[top:y0] = total[:, : y0 - top].argmax(0)
            if on_rows is not None and y0 > top:
                on_rows(y0 - top)
            total = np.pad(total[:, y0 - top :], ((0, 0), (0, y1 - top - total.shape[1]), (0, 0)))
            top = y0
            self._add_band(total, pixels, (y0, y1), [box[2:] for box in boxes], noise, overlap)
        mask[top:] = total.argmax(0)
        if on_rows is not None:
            on_rows(ny - top)
        return mask

    def _add_band(
        self,
        total: Image,
        pixels: Pixels,
        rows: tuple[int, int],
        columns: Sequence[tuple[int, int]],
        noise: tuple[float, float] | None,
        overlap: int,
    ) -> None:
        """Add the weighted probabilities of the windows of one band to `total` (4, rows, nx)."""
        height, margin = rows[1] - rows[0], 0 if noise is not None else CONTEXT
        band = pixels.read(rows[0] - margin, rows[1] + margin, -margin, pixels.shape[1] + margin)
        valid = np.isfinite(band[margin : margin + height])
        jobs = [
            (x0, x1, scaled) for x0, x1 in columns if (scaled := self._scaled(band, x0, x1, margin, noise)) is not None
        ]
        for start in range(0, len(jobs), self.batch_size):
            batch = jobs[start : start + self.batch_size]
            found = self.probabilities(np.stack([scaled for _, _, scaled in batch]))
            for (x0, x1, _), one in zip(batch, found, strict=True):
                total[:, :, x0:x1] += one * np.outer(ramp(height, overlap), ramp(x1 - x0, overlap))
        total[0] += np.where(valid[:, margin : margin + total.shape[2]], 0.0, 1e3)  # blank: background

    def _scaled(self, band: Image, x0: int, x1: int, margin: int, noise: tuple[float, float] | None) -> Image | None:
        """The window of columns x0 to x1 of a band with margins, scaled; None where nothing can be seen on it."""
        wide = band[:, x0 : x1 + 2 * margin]
        inner = wide[margin : len(wide) - margin, margin : wide.shape[1] - margin]
        if not np.isfinite(inner).any():
            return None
        if noise is None:
            try:
                noise = background_rms(wide)
            except InputError:  # padding
                return None
        if not noise[1] > 0:
            return None
        return self.scaling.forward(inner, *noise)


def objects_of(mask: Mask, min_pixels: int = 1, strip: int = STRIP) -> list[SourceObject]:
    """Connected parts of one class each, as `mask_to_objects`, found strip by strip so that memory stays small.

    Parameters
    ----------
    min_pixels : int
        Smaller ones are left out.
    strip : int
        Rows searched at a time.
    """
    pieces: list[SourceObject] = []
    links: list[tuple[int, int]] = []
    above: list[int] = []  # pieces on the last row of the strip before
    for y0 in range(0, len(mask), strip):
        found = [
            SourceObject("", one.class_value, one.stamp, one.y0 + y0, one.x0)
            for one in mask_to_objects(mask[y0 : y0 + strip])
        ]
        numbers = range(len(pieces), len(pieces) + len(found))
        pieces += found
        first = [n for n in numbers if pieces[n].y0 == y0]
        links += [(a, b) for a in above for b in first if _touch(pieces[a], pieces[b])]
        above = [n for n in numbers if pieces[n].bbox[1] == y0 + strip]
    groups = [[pieces[n] for n in group] for group in linked(len(pieces), links)]
    whole = [group[0] if len(group) == 1 else join(group, group[0].class_value) for group in groups]
    whole = [one for one in whole if one.npix >= min_pixels]
    whole.sort(key=lambda one: (one.class_value, one.y0, one.x0 + int(np.argmax(one.stamp[0]))))
    return [SourceObject(f"S{n}", o.class_value, o.stamp, o.y0, o.x0) for n, o in enumerate(whole, 1)]


def _touch(upper: SourceObject, lower: SourceObject) -> bool:
    """Whether two objects of a class are neighbours across the border of their strips."""
    if upper.class_value != lower.class_value or upper.bbox[3] < lower.x0 or lower.bbox[3] < upper.x0:
        return False
    ends = np.flatnonzero(upper.stamp[-1]) + upper.x0
    starts = np.flatnonzero(lower.stamp[0]) + lower.x0
    return bool(np.isin(starts, np.concatenate([ends - 1, ends, ends + 1])).any())
