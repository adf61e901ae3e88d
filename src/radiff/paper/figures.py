"""Masks, backgrounds and what is generated of them to the paper's Figures 7 and 8. Knows no networks."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import AsinhNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.observation import Observation
from radiff.data.spec import ImageGenerator, ImageSpec
from radiff.errors import InputError
from radiff.evaluate.checks.generation import band_powers
from radiff.evaluate.checks.reconstruction import Image
from radiff.evaluate.checks.samples import Samples
from radiff.evaluate.checks.specs import background_sources, spec_of
from radiff.files import atomic_path
from radiff.masks import EXTENDED, mask_to_objects
from radiff.masks.draw import demo_masks, demo_peaks
from radiff.masks.review import LABELS, REVIEW_COLORS
from radiff.sky import remove_sources
from radiff.sky.beam import FWHM

COLUMNS = ("none", "self-masked", "self", "other")
TITLES = ("generated,\nno background", "generated,\nself-masked", "generated,\nself", "generated,\nother")
INCHES, HEAD, FOOT, GAP = 1.55, 0.5, 0.35, 0.04
"""Side of a panel, space for titles and for the legend, gap between panels."""
TICKS = (-3, 0, 3, 10, 30)
FEWEST_PIXELS = 40
"""Masks with less on them are shown last."""
STRONGEST = 0.97
"""Share of the backgrounds, by strength, beyond which they are odd."""
LOW, HIGH = -3.0, (10.0, 50.0)
"""Display range, in rms: bright sources are shown white, so that the backgrounds are seen."""
BACKGROUND_KINDS = ("stripes", "diffuse", "rings", "gradient", "noise")
"""Kinds of `simulated_background`."""
RMS, BEAM = 1.5e-4, 3.0
"""Jy/beam; FWHM in pixels."""
_DEVIATION = 1.0 / FWHM  # standard deviation of a Gaussian over its FWHM


def figure7(
    path: str | os.PathLike[str],
    samples: Samples,
    draw: ImageGenerator,
    rows: int = 5,
    seed: int = 0,
    real: str = "real image",
) -> Path:
    """Draw, for some masks, the real image and what is generated without and with backgrounds (Figure 7).

    Parameters
    ----------
    path : path-like
        The PNG, written atomically.
    samples : Samples
    draw : callable
        The generator. Every image has the real peaks asked for; the seed is the same along a row.
    rows : int
    seed : int
        Of the choice of masks and of the images.
    real : str
        Title of the images of `samples`.
    """
    chosen = varied(samples, rows, seed)
    others = background_sources(samples, "other", seed)
    images, specs = samples.snr, []
    for k in chosen:
        for mode in COLUMNS:
            source = others[k] if mode == "other" else k
            specs.append(_plain(spec_of(samples, k, seed + k, None if mode == "none" else source, mode)))
    made = [image / spec.rms for image, spec in zip(draw(specs), specs, strict=True)]
    page = _Page(len(chosen), len(COLUMNS) + 3)
    for row, k in enumerate(chosen):
        drawn = made[row * len(COLUMNS) : (row + 1) * len(COLUMNS)]
        source = others[k]
        assert source is not None  # `background_sources` gives one in this mode
        other = remove_sources(images[source], samples.masks[source], seed)
        page.mask(row, 0, samples.masks[k])
        shown = [page.image(row, 1 + n, one, images[k]) for n, one in enumerate([images[k], *drawn, other])]
        page.bar(row, shown[0])
    page.titles(["mask", real, *TITLES, "the other field,\nsources removed"])
    return page.save(path)


def figure8(
    path: str | os.PathLike[str],
    samples: Samples,
    draw: ImageGenerator,
    rows: int = 3,
    backgrounds: int = 5,
    seed: int = 0,
) -> Path:
    """Draw, for some masks, several backgrounds and below each what is generated on it (Figure 8).

    Parameters
    ----------
    path : path-like
        The PNG, written atomically.
    samples : Samples
    draw : callable
        The generator. The seed is the same along a row, so that nothing but the background changes.
    rows, backgrounds : int
    seed : int
    """
    chosen = varied(samples, rows, seed)
    fields = textured(samples, backgrounds, seed, without=chosen)
    real = samples.snr
    skies = [remove_sources(real[k], samples.masks[k], seed) for k in fields]
    specs = [_plain(spec_of(samples, k, seed + k, source, "other")) for k in chosen for source in fields]
    made = [image / spec.rms for image, spec in zip(draw(specs), specs, strict=True)]
    page = _Page(2 * len(chosen), 1 + len(fields))
    for number, k in enumerate(chosen):
        page.mask(2 * number, 0, samples.masks[k])
        images = made[number * len(fields) : (number + 1) * len(fields)]
        limits = np.concatenate([np.ravel(images), np.ravel(skies)])
        for column, (sky, image) in enumerate(zip(skies, images, strict=True), start=1):
            shown = [page.image(2 * number + below, column, one, limits) for below, one in enumerate((sky, image))]
            if column == len(fields):
                page.bar(2 * number, shown[0])
                page.bar(2 * number + 1, shown[1])
    page.titles(["mask", *(f"background {n + 1}\nand, below, generated" for n in range(len(fields)))])
    return page.save(path)


def _plain(spec: ImageSpec) -> ImageSpec:
    """The same of no survey, its edges free."""
    return replace(spec, observation=Observation(rms=spec.rms), isophote=0.0)


# ---------------------------------------------------------------- what is shown


def varied(samples: Samples, count: int, seed: int = 0) -> list[int]:
    """`count` cutouts whose masks differ in the classes they hold, those with most classes first, of all surveys.

    Those with little in them, or with an object at the edge, come last.

    Raises
    ------
    InputError
        Where no cutout has an object.
    """
    kinds: dict[tuple[int, ...], dict[str, list[int]]] = {}
    order = np.random.default_rng((seed, 7)).permutation(len(samples))
    for k in sorted(order, key=lambda k: _is_poor(samples.masks[k])):
        classes = tuple(sorted({one.class_value for one in samples.objects[k]}, reverse=True))
        if classes and np.isfinite(samples.images[k]).all():
            kinds.setdefault(classes, {}).setdefault(samples.surveys[k], []).append(int(k))
    if not kinds:
        raise InputError("no cutout has an object; choose another split or raise --limit")
    ordered = sorted(kinds, key=lambda classes: (-len(classes), [-c for c in classes]))
    # each list: the cutouts of one set of classes, survey by survey in turn; then list by list in turn
    queues = [[k for line in zip_longest(*kinds[one].values()) for k in line if k is not None] for one in ordered]
    return [k for line in zip_longest(*queues) for k in line if k is not None][:count]


def _is_poor(mask: NDArray[np.integer]) -> bool:
    edge = mask.copy()
    edge[1:-1, 1:-1] = 0
    return bool(np.count_nonzero(mask) < FEWEST_PIXELS or edge.any())


def textured(samples: Samples, count: int, seed: int = 0, without: Sequence[int] = ()) -> list[int]:
    """`count` cutouts as backgrounds, from plain noise to strong structure on large scales.

    Raises
    ------
    InputError
        Where there are too few cutouts with enough sky.
    """
    strengths = []
    for k in np.random.default_rng((seed, 8)).permutation(len(samples)):
        if int(k) not in without and np.isfinite(samples.images[k]).all():
            power = band_powers(samples.items[k].snr, samples.objects[k])
            if power is not None:
                strengths.append((float(power[0]), int(k)))
    if len(strengths) < count:
        raise InputError(f"{len(strengths)} cutouts for {count} backgrounds; raise --limit or take fewer --rows")
    strengths.sort()
    return [strengths[round(place)][1] for place in np.linspace(0, STRONGEST * (len(strengths) - 1), count)]


# ---------------------------------------------------------------- how it is drawn


class _Page:
    """A grid of square panels with a colour bar at the end of each row, a head line of titles and a legend."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.width = columns * (INCHES + GAP) + 0.75
        self.height = rows * (INCHES + GAP) + HEAD + FOOT
        self.figure = Figure(figsize=(self.width, self.height), dpi=120)
        FigureCanvasAgg(self.figure)

    def axes(self, row: int, column: int) -> Axes:
        """The place of a panel."""
        left, bottom = column * (INCHES + GAP) + GAP, self.height - HEAD - (row + 1) * (INCHES + GAP)
        place = (left / self.width, bottom / self.height, INCHES / self.width, INCHES / self.height)
        axis = self.figure.add_axes(place)
        axis.set_xticks([])
        axis.set_yticks([])
        return axis

    def mask(self, row: int, column: int, mask: NDArray[np.integer]) -> None:
        """Classes as colours on black."""
        colors = ListedColormap(["#000000", *(REVIEW_COLORS[value] for value in sorted(REVIEW_COLORS))])
        self.axes(row, column).imshow(mask, origin="lower", cmap=colors, vmin=0, vmax=3, interpolation="nearest")

    def image(self, row: int, column: int, image: Image, like: Image) -> AxesImage:
        """An image in units of its rms: asinh from -3 rms to the peak of `like` (at least 10 rms, at most 50)."""
        norm = AsinhNorm(1.0, LOW, float(np.clip(np.nanmax(like), *HIGH)))
        return self.axes(row, column).imshow(image, origin="lower", cmap="gray", norm=norm, interpolation="nearest")

    def bar(self, row: int, shown: AxesImage) -> None:
        """The colour bar of a row, in units of the rms."""
        left = self.columns * (INCHES + GAP) + 2 * GAP
        bottom = self.height - HEAD - (row + 1) * (INCHES + GAP) + 0.1
        axis = self.figure.add_axes(
            (left / self.width, bottom / self.height, 0.09 / self.width, (INCHES - 0.2) / self.height)
        )
        ticks = [t for t in TICKS if t <= shown.get_clim()[1]]
        bar = self.figure.colorbar(shown, cax=axis, ticks=ticks)
        bar.ax.set_yticklabels([str(t) for t in ticks], fontsize=6)
        bar.ax.minorticks_off()

    def titles(self, titles: Sequence[str]) -> None:
        """A title over each column."""
        for column, title in enumerate(titles):
            x = (column * (INCHES + GAP) + GAP + INCHES / 2) / self.width
            self.figure.text(x, 1 - (HEAD - 0.06) / self.height, title, ha="center", va="bottom", fontsize=8)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the PNG."""
        handles = [Line2D([], [], color=REVIEW_COLORS[v], marker="s", ls="", label=LABELS[v]) for v in LABELS]
        self.figure.legend(handles=handles, loc="lower left", ncols=len(handles), fontsize=8, frameon=False)
        note = "images in units of their noise rms, asinh stretch, one range a row"
        self.figure.text(1 - 0.1 / self.width, 0.12 / self.height, note, ha="right", va="bottom", fontsize=8)
        path = Path(path)
        with atomic_path(path) as temporary:
            self.figure.savefig(temporary, format="png")
        return path


# ---------------------------------------------------------------- samples without data


def simulated_background(kind: str, size: int = 128, seed: int = 0, beam: float = BEAM) -> NDArray[np.float64]:
    """A background without sources, in units of its noise.

    Parameters
    ----------
    kind : str
        ``noise``: correlated over the beam. With it: ``stripes``, as of a bad baseline; ``rings``, sidelobes of a
        bright source beyond an edge; ``diffuse``, wide emission; ``gradient``, noise and level that rise to one side.
    size : int
        Pixels a side.
    beam : float
        FWHM, pixels.

    Raises
    ------
    InputError
        Where the kind is not known.
    """
    random = np.random.default_rng((seed, 11))
    y, x = np.mgrid[:size, :size]
    noise = _field(random, size, beam)
    angle, phase = random.uniform(0, np.pi), random.uniform(0, 2 * np.pi)
    along = (x * math.cos(angle) + y * math.sin(angle)) / size
    if kind == "stripes":
        wave = np.sin(2 * np.pi * random.uniform(7, 11) * along + phase)
        return np.asarray(noise + 2.0 * wave * (1 + 0.5 * _field(random, size, 40.0)))
    if kind == "rings":
        away = random.uniform(0.6, 1.0) * size
        distance = np.hypot(x - size / 2 - away * math.cos(angle), y - size / 2 - away * math.sin(angle))
        wave = np.cos(2 * np.pi * distance / (random.uniform(2.2, 4.0) * beam) + phase)
        return np.asarray(noise + 2.0 * wave * np.sqrt(size / (2 * distance + 0.1 * size)))
    if kind == "diffuse":
        return np.asarray(noise + 2.5 * np.maximum(_field(random, size, 30.0) + 0.4 * _field(random, size, 12.0), -0.5))
    if kind == "gradient":
        return np.asarray(noise * (0.6 + 1.2 * (along - along.min())) + 4.0 * (along - along.mean()))
    if kind == "noise":
        return noise
    raise InputError(f"{kind!r} is no kind of background; there are: {', '.join(BACKGROUND_KINDS)}")


def _field(random: np.random.Generator, size: int, fwhm: float) -> NDArray[np.float64]:
    """Gaussian random field (size, size), mean 0, variance 1, correlated over `fwhm` pixels."""
    field = ndimage.gaussian_filter(random.normal(size=(size, size)), fwhm * _DEVIATION, mode="wrap")
    return np.asarray((field - field.mean()) / field.std())


def simulated_samples(number: int, size: int = 128, seed: int = 0) -> Samples:
    """`number` cutouts with sources on backgrounds of the kinds of `BACKGROUND_KINDS` in turn; survey ``simulated``.

    Compact sources are Gaussians of the beam, the others their masks smoothed by it, with the peaks of `demo_peaks`.
    """
    masks = demo_masks(number, size, seed)
    images = []
    for k, mask in enumerate(masks):
        sources = np.zeros(mask.shape)
        for item, peak in zip(mask_to_objects(mask), demo_peaks(mask, seed + k), strict=True):
            pixels = item.pixels((size, size)).astype(float)
            if item.class_value == EXTENDED:  # brighter inwards
                depth = ndimage.distance_transform_edt(pixels)
                light = ndimage.gaussian_filter(pixels * (depth / depth.max()) ** 1.5, BEAM * _DEVIATION)
            else:
                middle = np.zeros((size, size))
                y, x = (round(float(axis.mean())) for axis in item.coordinates())
                middle[y, x] = 1.0
                light = ndimage.gaussian_filter(middle, BEAM * _DEVIATION)
            sources += peak * light / light.max()
        sky = simulated_background(BACKGROUND_KINDS[k % len(BACKGROUND_KINDS)], size, seed + k)
        images.append((RMS * (sky + sources)).astype(np.float32))
    return Samples.of(images, masks, RMS, BEAM, surveys=["simulated"] * number)
