"""Figures of the checks to text and to a sheet for the eye. Measures nothing."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radiff.evaluate.checks.reconstruction import Image
from radiff.evaluate.checks.samples import Figures, Samples
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
    yield f"  noise rms, clipped, over asked        {_spread(figures['rms_ratio'])}"
    yield f"  noise rms, plain, over asked          {_spread(figures['deviation_ratio'])}"
    yield f"  noise rms, plain, real images         {_spread(figures['deviation_ratio_real'])}"
    yield f"  noise rms, plain, over real           {_spread(figures['deviation_of_real'])}"
    yield f"  noise by direction, correlation        {_spread(figures['directions']['own'])}"
    yield f"  the same with another cutout's         {_spread(figures['directions']['another'])}"
    if figures["spectrum"] is None:
        yield "  noise power spectrum: too few pixels away from the sources"
        return
    spectrum = figures["spectrum"]
    yield f"  noise power spectrum, generated over asked, {spectrum['images']} cutouts (95 % interval)"
    yield _row("cycles per pixel", [f"{f:.3f}" for f in spectrum["frequency"]])
    yield _row("asked, rms 1", [f"{p:.3g}" for p in spectrum["asked"]])
    yield _row("over strongest", [f"{p:.1g}" for p in spectrum["share"]])
    yield _row("ratio", [f"{r:.3f}" for r in spectrum["ratio"]])
    for key, title in (("low", "from"), ("high", "to")):
        yield _row(title, ["-" if r is None else f"{r:.3f}" for r in spectrum[key]])


def control_lines(figures: Figures) -> Iterator[str]:
    """`control` as text: every figure, those with a target with their verdict, and a summary."""
    marks = {(v["group"], v["what"]): v for v in figures["verdicts"]}
    for name, values in figures["groups"].items():
        yield from generation_lines(name, values)
        yield from _flux_lines(values["flux"])
        yield f"  {name}, against what was asked (background: {figures['background']})"
        yield from (_verdict(v) for (group, _), v in marks.items() if group == name)
    yield from _beam_lines(figures["beams"])
    yield from (_verdict(v) for (group, _), v in marks.items() if group == "beam")
    missed = [v for v in figures["verdicts"] if not v["met"]]
    yield f"summary: {len(marks) - len(missed)} of {len(marks)} figures are within their tolerance"
    yield from (f"  not met: {v['group']}: {v['what']}: {v['value']:.4g}" for v in missed)


def _flux_lines(flux: Figures) -> Iterator[str]:
    yield "  peak flux as sampled over asked"
    yield f"    all              {_spread(flux['raw'])}"
    for kind in ("classes", "peaks"):
        for name, values in flux[kind].items():
            if values["n"]:
                yield f"    {name + (' rms' if kind == 'peaks' else ''):16s} {_spread(values)}"


def _beam_lines(beams: Figures) -> Iterator[str]:
    yield f"width (FWHM) of compact sources above {beams['bright']:g} rms over the beam (median [16 %, 84 %])"
    for key, title in (
        ("point", "generated, masks of points"),
        ("exact", "the same, brought to the peaks asked for"),
        ("as_real", "generated, masks as real"),
        ("real", "real sources, mostly resolved a little"),
    ):
        yield f"  {title}" + (f" (area {beams['real']['growth']:.2f} of a point's)" if key == "as_real" else "")
        values = beams["real"]["beams"] if key == "real" else beams[key]
        yield from (f"    beam of {beam:>3s} pixels {_spread(one)}" for beam, one in values.items() if one["n"])


def _verdict(verdict: Figures) -> str:
    if verdict["target"]:
        wanted = f"{verdict['target']:.3g} within {100 * verdict['tolerance'] / verdict['target']:.3g} %"
    else:
        wanted = f"within {verdict['tolerance']:g}"
    return f"    {verdict['what']:48s} {verdict['value']:9.4g}   {wanted:16s} {'ok' if verdict['met'] else 'NOT MET'}"


def _row(title: str, cells: Sequence[str]) -> str:
    return f"    {title:16s} " + " ".join(f"{cell:>7s}" for cell in cells)


def _spread(values: dict[str, float]) -> str:
    if not values["n"]:
        return "-"
    return f"{values['median']:8.3f}   [{values['p16']:.3f}, {values['p84']:.3f}]   n = {values['n']}"


def _spectrum(spectrum: dict[str, list[float]], title: str) -> Iterator[str]:
    yield f"  {title}"
    yield "    cycles per pixel " + " ".join(f"{f:7.3f}" for f in spectrum["frequency"])
    yield "    real             " + " ".join(f"{p:7.3g}" for p in spectrum["real"])
    yield "    ratio            " + " ".join(f"{r:7.3f}" for r in spectrum["ratio"])


def draw_comparison(
    path: str | os.PathLike[str],
    samples: Samples,
    made: Sequence[Image],
    count: int = 24,
    backgrounds: Sequence[int | None] | None = None,
) -> Path:
    """Draw real cutouts, the same with their masks, and the generated ones of these masks, line below line.

    Parameters
    ----------
    path : path-like
        The PNG, written atomically.
    made : sequence of (ny, nx)
        Generated, Jy/beam, one a cutout.
    count : int
        Cutouts to show, evenly spread over those with objects.
    backgrounds : sequence of int or None, optional
        Of which cutout the background was taken; drawn where it is another one.
    """
    filled = [k for k, objects in enumerate(samples.objects) if objects] or list(range(len(samples)))
    chosen = [filled[k] for k in np.linspace(0, len(filled) - 1, min(count, len(filled))).round().astype(int)]
    real, lines = samples.snr, []
    for start in range(0, len(chosen), SHEET_COLUMNS):
        line: list[Any] = chosen[start : start + SHEET_COLUMNS]
        lines.append([Panel(real[k], "real", None, 1.0) for k in line])
        lines.append([Panel(real[k], "mask", samples.masks[k], 1.0) for k in line])
        sources = [k if backgrounds is None else backgrounds[k] for k in line]
        if any(source not in (None, k) for source, k in zip(sources, line, strict=True)):
            lines.append([Panel(None if s is None else real[s], "background", None, 1.0) for s in sources])
        lines.append([Panel(made[k], "generated", None, samples.rms[k]) for k in line])
    return draw_lines(path, lines)
