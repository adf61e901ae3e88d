"""Images to a PNG for the eye: asinh stretch, panels, contours of masks. Knows no FITS and no class names."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.sky.arrays import plain_image
from radiff.sky.noise import background_rms

Array = npt.NDArray[Any]
_LOW, _LEAST_HIGH = -3.0, 10.0  # display range in snr: from -3 to the peak, but at least to 10
CONTOUR_COLORS = {1: "#ff0000", 2: "#00ff00", 3: "#0000ff"}


def stretch(image: Array, rms: float | None = None, background: float | None = None) -> npt.NDArray[np.float32]:
    """An image for display: asinh of the signal-to-noise, 0 at -3 rms and 1 at the peak (or 10 rms, if that is more).

    Parameters
    ----------
    image : array (ny, nx)
        Any unit; NaN stays NaN.
    rms, background : float, optional
        In the unit of `image`; measured by `background_rms` where not given.

    Returns
    -------
    float32 array (ny, nx), 0 to 1 or NaN
    """
    image = np.asarray(plain_image(image, any_unit=True), dtype=np.float32)
    good = np.isfinite(image)
    if not good.any():
        return np.full(image.shape, np.nan, np.float32)
    if rms is None or background is None:
        level, width = background_rms(image)
        rms, background = (width if rms is None else rms), (level if background is None else background)
    snr = (image - background) / (rms if rms > 0 else 1.0)
    low, high = math.asinh(_LOW), math.asinh(max(float(snr[good].max()), _LEAST_HIGH))
    return np.clip((np.arcsinh(snr) - low) / (high - low), 0.0, 1.0).astype(np.float32)


def quicklook(
    path: str | os.PathLike[str],
    images: Sequence[Array | None],
    titles: Sequence[str] | None = None,
    masks: Sequence[Array | None] | None = None,
    rms: float | Sequence[float | None] | None = None,
    ncols: int | None = None,
    beam_pixels: tuple[float, ...] | None = None,
    contour_colors: dict[int, str] | None = None,
    dpi: int = 100,
    panel_inches: float = 2.4,
    labels: dict[int, str] | None = None,
    suptitle: str | None = None,
) -> Path:
    """Draw one panel an image into a PNG, the first row of the array at the bottom (north up).

    Parameters
    ----------
    path : path-like
        The PNG, written atomically.
    images : sequence of arrays (ny, nx) or None
        Any unit and size; NaN is drawn in blue-grey. None leaves a place empty.
    titles : sequence of str, optional
    masks : sequence of class masks (ny, nx) or None, optional
        Drawn as outlines of the classes.
    rms : float or one an image, optional
        Noise for `stretch`, in the unit of the images; measured where not given.
    ncols : int, optional
        Panels in a row; default near a square, at most 6.
    beam_pixels : (maj, min) or (maj, min, pa), optional
        FWHM in pixels and deg east of north, drawn in the lower left corner.
    contour_colors : dict, optional
        Class value -> colour; default red, green, blue for 1, 2, 3.
    dpi, panel_inches : int, float
    labels : dict, optional
        Class value -> name, for a legend below the panels.
    suptitle : str, optional

    Raises
    ------
    InputError
        Where there is no image, counts differ, or a mask has another size than its image.
    """
    if not len(images):
        raise InputError("no image to draw", path)
    for name, given in (("titles", titles), ("masks", masks)):
        if given is not None and len(given) != len(images):
            raise InputError(f"{len(given)} {name} for {len(images)} images", path)
    noise = list(rms) if isinstance(rms, Sequence) else [rms] * len(images)
    colors = contour_colors or CONTOUR_COLORS
    ncols = min(ncols or min(6, math.ceil(math.sqrt(len(images)))), len(images))
    nrows = math.ceil(len(images) / ncols)
    head, foot = (0.35 if suptitle else 0.0), (0.35 if labels else 0.0)
    size = (ncols * panel_inches, nrows * (panel_inches + 0.25) + head + foot)
    figure = Figure(figsize=size, dpi=dpi)
    FigureCanvasAgg(figure)
    axes = figure.subplots(nrows, ncols, squeeze=False).ravel()
    for index, axis in enumerate(axes):
        axis.set_axis_off()
        image = images[index] if index < len(images) else None
        if image is None:
            continue
        _panel(axis, image, noise[index], titles[index] if titles else None)
        if masks is not None and masks[index] is not None:
            _outlines(axis, np.asarray(masks[index]), np.shape(image), colors, path)
        if beam_pixels is not None:
            _beam(axis, beam_pixels, np.shape(image))
    if suptitle:
        figure.suptitle(suptitle, fontsize=10, y=1 - 0.1 / size[1], va="top")
    if labels:
        handles = [Line2D([], [], color=colors[value], label=labels[value]) for value in labels if value in colors]
        figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=8, frameon=False)
    figure.subplots_adjust(0.005, foot / size[1] + 0.002, 0.995, 1 - (head + 0.25) / size[1], 0.02, 0.25 / panel_inches)
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _panel(axis: Axes, image: Array, rms: float | None, title: str | None) -> None:
    from matplotlib import colormaps

    colors = colormaps["gray"].with_extremes(bad="#33415c")
    axis.imshow(stretch(image, rms), origin="lower", cmap=colors, vmin=0, vmax=1, interpolation="nearest")
    if title:
        axis.set_title(title, fontsize=7, pad=2)


def _outlines(axis: Axes, mask: Array, shape: tuple[int, ...], colors: dict[int, str], path: object) -> None:
    if mask.shape != shape:
        raise InputError(f"a mask of shape {mask.shape} for an image of shape {shape}", path)
    padded = np.pad(mask, 1)  # so that an outline closes at the image's edge
    x, y = np.arange(-1, shape[1] + 1), np.arange(-1, shape[0] + 1)
    for value, color in colors.items():
        inside = padded == value
        if inside.any():
            axis.contour(x, y, inside.astype(np.uint8), levels=[0.5], colors=[color], linewidths=0.8)
    axis.set_xlim(-0.5, shape[1] - 0.5)
    axis.set_ylim(-0.5, shape[0] - 0.5)


def _beam(axis: Axes, beam_pixels: tuple[float, ...], shape: tuple[int, ...]) -> None:
    maj, minor, angle = (*beam_pixels, 0.0)[:3]
    place = (maj / 2 + 0.03 * shape[1], maj / 2 + 0.03 * shape[0])
    # the major axis along +y at angle 0; east of north is counter-clockwise with north up and east to the left
    axis.add_patch(Ellipse(place, minor, maj, angle=angle, facecolor="none", edgecolor="#ffd166", linewidth=1.0))
