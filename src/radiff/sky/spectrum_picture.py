"""Noise spectra to pictures for the eye: power, correlation, profile and a field. Knows no estimator."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from radiff.files import atomic_path
from radiff.sky.spectrum import NoiseSpectrum

DECADES = 5.0
"""Of power that are shown below the strongest ring of modes."""
FIELD = 256
"""Side of the field that is drawn, pixels."""


def picture_spectrum(path: str | os.PathLike[str], spectrum: NoiseSpectrum, title: str = "", seed: int = 0) -> Path:
    """Four panels of a spectrum as a PNG: log power, autocovariance near lag 0, radial profile, a field of it."""
    figure = Figure(figsize=(11.0, 10.0), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    power, lags, profile, field = figure.subplots(2, 2).ravel()
    _power(power, spectrum, figure)
    _lags(lags, spectrum, figure)
    _profile(profile, spectrum)
    noise = spectrum.draw((FIELD, FIELD), seed, wander=True, faint=True)
    shown = field.imshow(noise, origin="lower", cmap="gray", vmin=-3.5, vmax=3.5, interpolation="nearest")
    field.set(title=f"a field of it, seed {seed}", xlabel="pixels")
    figure.colorbar(shown, ax=field, label="rms", shrink=0.8)
    figure.suptitle(title or spectrum.origin, fontsize=11)
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def picture_bank(path: str | os.PathLike[str], spectra: Sequence[NoiseSpectrum]) -> Path:
    """Log power of several spectra, side by side, as a PNG."""
    columns = min(4, len(spectra))
    rows = math.ceil(len(spectra) / columns)
    figure = Figure(figsize=(2.8 * columns, 2.9 * rows), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for number, axis in enumerate(axes):
        axis.set_axis_off()
        if number < len(spectra):
            axis.imshow(_log_power(spectra[number]), origin="lower", cmap="magma", vmin=-DECADES, vmax=0)
            axis.set_title(spectra[number].origin, fontsize=7)
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _log_power(spectrum: NoiseSpectrum) -> npt.NDArray[np.float64]:
    """Decades (n, n) below the strongest ring, mode 0 in the middle."""
    strongest = float(spectrum.radial()[1][1:].max())
    power = np.fft.fftshift(spectrum.power) / strongest
    return np.asarray(np.log10(np.maximum(power, 1e-12)))


def _power(axis: Axes, spectrum: NoiseSpectrum, figure: Figure) -> None:
    half = 0.5 / spectrum.side  # the picture's edges lie half a mode beyond the outer modes
    extent = (-0.5 - half, 0.5 - half, -0.5 - half, 0.5 - half)
    shown = axis.imshow(_log_power(spectrum), origin="lower", cmap="magma", vmin=-DECADES, vmax=0, extent=extent)
    if spectrum.floor is not None and spectrum.floor.any() and not spectrum.floor.all():
        at = (np.arange(spectrum.side) - spectrum.side // 2) / spectrum.side
        flagged = np.fft.fftshift(spectrum.floor).astype(float)
        axis.contour(at, at, flagged, levels=[0.5], colors=["#66d9ef"], linewidths=0.5)
    axis.set(title="power (blue: beyond it, leakage)", xlabel="cycles a pixel along x", ylabel="cycles a pixel along y")
    figure.colorbar(shown, ax=axis, label="decades below the strongest ring", shrink=0.8)


def _lags(axis: Axes, spectrum: NoiseSpectrum, figure: Figure) -> None:
    reach = min(spectrum.side // 2 - 1, 24)
    middle = spectrum.side // 2
    near = spectrum.autocovariance[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    edge = reach + 0.5
    shown = axis.imshow(near, origin="lower", cmap="RdBu_r", vmin=-1, vmax=1, extent=(-edge, edge, -edge, edge))
    axis.contour(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), near, levels=[0.5], colors=["k"])
    axis.set(title="autocovariance (line: one half)", xlabel="lag along x, pixels", ylabel="lag along y, pixels")
    figure.colorbar(shown, ax=axis, label="rms squared", shrink=0.8)


def _profile(axis: Axes, spectrum: NoiseSpectrum) -> None:
    frequency, power = spectrum.radial()
    axis.plot(frequency, power, color="#1f4e79", label="mean of a ring")
    if spectrum.error > 0:
        axis.fill_between(
            frequency, power * max(1 - spectrum.error, 1e-3), power * (1 + spectrum.error), alpha=0.25, color="#1f4e79",
            label=f"error of a mode, {100 * spectrum.error:.0f} %",
        )  # fmt: skip
    if spectrum.floor is not None and spectrum.floor.any():
        radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(spectrum.side)]))
        ring = np.minimum((radius * spectrum.side).astype(int), len(frequency))
        share = np.bincount(ring.ravel(), spectrum.floor.ravel()) / np.bincount(ring.ravel())
        beyond = np.flatnonzero(share[: len(frequency)] > 0.5)
        if len(beyond):
            axis.axvline(frequency[beyond[0]], color="#c0392b", ls=":", label="half of the modes may be leakage")
    strongest = power[1:].max()
    axis.set(
        title="radial profile", xlabel="cycles a pixel", ylabel="power a mode, rms squared", yscale="log",
        ylim=(strongest * 10.0 ** -(DECADES + 1), 3 * power.max()), xlim=(0, 0.5),
    )  # fmt: skip
    axis.legend(fontsize=8)
