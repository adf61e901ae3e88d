"""Figures of the checks to text and to a sheet for the eye. Measures nothing."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radiff.evaluate.reconstruction import Image
from radiff.evaluate.samples import Figures, Samples
from radiff.masks.review import Panel, draw_lines

SHEET_COLUMNS = 8


def reconstruction_lines(name: str, figures: Figures) -> Iterator[str]:
    """`check_reconstruction` of the cutouts called `name`, as text."""
    yield f"{name}: {figures['images']} cutouts (median [16 %, 84 %])"
    yield f"  error outside sources, in noise rms  {_spread(figures['noise_error'])}"
    yield f"  peak flux of sources above 10 rms    {_spread(figures['peak_ratio'])}"
    yield from _spectrum(figures["spectrum"], "noise power spectrum, reconstructed over real")


def generation_lines(name: str, figures: Figures) -> Iterator[str]:
    """`check_generation` of the cutouts called `name`, as text."""
    yield f"{name}: {figures['images']} cutouts (median [16 %, 84 %])"
    for kind, title in (("made", "generated"), ("real", "real")):
        values = figures[kind]
        yield f"  {title:9s} mean snr inside sources     {_spread(values['inside'])}"
        yield f"  {title:9s} mean snr outside            {_spread(values['outside'])}"
        for one, objects in values["classes"].items():
            if objects["mean_snr"]["n"]:
                drawn = f"   mean above 3: {100 * objects['drawn']:.0f} %"
                yield f"  {title:9s} mean snr of {one:9s}       {_spread(objects['mean_snr'])}{drawn}"
    yield f"  noise rms measured over asked         {_spread(figures['rms_ratio'])}"
    yield f"  the same by standard deviation        {_spread(figures['deviation_ratio'])}"
    yield f"  real images by standard deviation     {_spread(figures['deviation_ratio_real'])}"
    yield from _spectrum(figures["spectrum"], "noise power spectrum, generated over real")


def _spread(values: dict[str, float]) -> str:
    if not values["n"]:
        return "-"
    return f"{values['median']:8.3f}   [{values['p16']:.3f}, {values['p84']:.3f}]   n = {values['n']}"


def _spectrum(spectrum: dict[str, list[float]], title: str) -> Iterator[str]:
    yield f"  {title}"
    yield "    cycles per pixel " + " ".join(f"{f:7.3f}" for f in spectrum["frequency"])
    yield "    real             " + " ".join(f"{p:7.3g}" for p in spectrum["real"])
    yield "    ratio            " + " ".join(f"{r:7.3f}" for r in spectrum["ratio"])


def draw_comparison(path: str | os.PathLike[str], samples: Samples, made: Sequence[Image], count: int = 24) -> Path:
    """Draw real cutouts, the same with their masks, and the generated ones of these masks, line below line.

    Parameters
    ----------
    path : path-like
        The PNG, written atomically.
    made : sequence of (ny, nx)
        Generated, Jy/beam, one a cutout.
    count : int
        Cutouts to show, evenly spread over those with objects.
    """
    filled = [k for k, objects in enumerate(samples.objects) if objects] or list(range(len(samples)))
    chosen = [filled[k] for k in np.linspace(0, len(filled) - 1, min(count, len(filled))).round().astype(int)]
    real, lines = samples.snr, []
    for start in range(0, len(chosen), SHEET_COLUMNS):
        line: list[Any] = chosen[start : start + SHEET_COLUMNS]
        lines.append([Panel(real[k], "real", None, 1.0) for k in line])
        lines.append([Panel(real[k], "mask", samples.masks[k], 1.0) for k in line])
        lines.append([Panel(made[k], "generated", None, samples.rms[k]) for k in line])
    return draw_lines(path, lines)
