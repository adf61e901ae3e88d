"""Point sources of many beams, generated, and fitted: are they as wide, and turned, as the beam asked for?

Sources lie alone on noise that the beam says (`NoiseSpectrum.from_beam`), at any place within a pixel. The mask of each
is where a point source of its peak lies above 3 rms, as `radiff annotate` would draw it. Widths are those of the
Gaussian that `radiff.evaluate.checks.beams.fit_shape` fits. `truth` are the same sources as Gaussians put on noise
fields: what the fit itself does.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from radiff import Generator, NoiseSpectrum, Observation
from radiff.evaluate.checks.beams import APART, PEAKS, fit_shape
from radiff.generate import Guidance
from radiff.masks import COMPACT, AnnotateOptions, SourceObject, objects_to_mask
from radiff.masks.draw import ellipse
from radiff.parallel import track
from radiff.sky import Beam, NoiseField

ROUND = ((2.5, 2.5), (3.0, 3.0), (4.0, 4.0), (6.0, 6.0))
LONG = ((3.6, 2.5), (4.0, 2.2), (5.0, 2.5), (5.5, 4.0))
"""Major and minor FWHM, pixels."""
ANGLES = (0.0, 30.0, 75.0, 120.0)
"""Position angles of the long ones, deg."""
BEAMS = (*((*one, 0.0) for one in ROUND), *((*one, pa) for one in LONG for pa in ANGLES))
SMOKE_BEAMS = (BEAMS[1], BEAMS[5])
"""(major, minor, pa)."""
SIDE, MOST = 128, 12
"""Pixels of an image; sources in one at most."""
SCALE, RMS = 1.8, 1e-4
"""Arcsec a pixel, Jy/beam: they do not matter."""
WIDE, TURNED = 0.05, 5.0
"""What is met: relative deviation of the median widths, median deviation of the angle in deg."""
Fits = list[tuple[float, float, float]]


@dataclass(frozen=True, eq=False)
class Field:
    """An image to be made: objects, their peaks (rms) and places (x, y)."""

    objects: list[SourceObject]
    peaks: list[float]
    places: list[tuple[float, float]]


def measure_widths(
    generator: Generator,
    beams: Sequence[tuple[float, float, float]],
    scales: Sequence[str],
    sources: int,
    seed: int,
    sampling: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """Figures of each beam, for each guidance of the beam, and for true Gaussians.

    `sources` is their number a beam, spread over its angles.
    """
    for major, minor, pa in track(beams, "beams"):
        beam = Beam(major * SCALE, minor * SCALE, pa)
        noise = NoiseSpectrum.from_beam(beam, SCALE)
        count = sources if (major, minor) in ROUND else math.ceil(sources / len(ANGLES))
        fields = make_fields(beam, count, seed)
        about = {"beam": [major, minor, pa], "sources": count}
        truth = [gaussians(field, beam, noise, seed + k) for k, field in enumerate(fields)]
        yield about | {"guidance": "truth"} | figures(fitted(truth, fields, beam), beam)
        for scale in scales:
            made = generator.generate(
                [objects_to_mask(field.objects, (SIDE, SIDE)) for field in fields],
                [seed + k for k in range(len(fields))],
                observation=Observation(rms=RMS, beam=beam, pixel_scale=SCALE),
                peaks=[field.peaks for field in fields],
                objects=[field.objects for field in fields],
                noise=noise,
                guidance=guidance_of(scale),
                **sampling,
            )
            images = [np.asarray(one.image / RMS) for one in made]
            yield about | {"guidance": scale} | figures(fitted(images, fields, beam), beam)


def guidance_of(scale: str) -> Guidance | None:
    """``auto``: as the weights have it, small beams more strictly; a number: exactly that."""
    if scale == "auto":
        return None
    return Guidance(beam=float(scale) + 1e-9)  # not quite 1: else small beams are guided of themselves


def make_fields(beam: Beam, count: int, seed: int) -> list[Field]:
    """Point sources in images, 2.5 beams between them and a beam from the edges."""
    random = np.random.default_rng((seed, round(100 * beam.maj), round(100 * beam.min), round(beam.pa)))
    left = random.permutation(np.geomspace(*PEAKS, count)).tolist()
    mean = beam.width_pixels(SCALE)
    threshold = AnnotateOptions().grow_snr
    fields = []
    while left:
        field = Field([], [], [])
        for _ in range(400):
            if not left or len(field.peaks) == MOST:
                break
            reach = math.sqrt(math.log2(left[-1] / threshold))  # of its isophote, in units of half the FWHM
            margin = reach * beam.maj / SCALE / 2 + beam.maj / SCALE
            x, y = random.uniform(margin, SIDE - 1 - margin, 2)
            apart = margin + APART * mean
            if all(math.hypot(x - a, y - b) > apart + 0.5 * margin for a, b in field.places):
                axes = (reach * beam.maj / SCALE, reach * beam.min / SCALE)
                own = ellipse((SIDE, SIDE), x, y, *axes, math.radians(beam.pa + 90.0))
                field.objects.append(SourceObject.from_pixels(f"S{len(field.objects) + 1}", COMPACT, own))
                field.peaks.append(left.pop())
                field.places.append((x, y))
        fields.append(field)
    return fields


def gaussians(field: Field, beam: Beam, noise: NoiseSpectrum, seed: int) -> NDArray[np.float64]:
    """The sources of a field as they should be, on noise, in units of the rms."""
    image = np.asarray(NoiseField(noise, (SIDE, SIDE), seed + 500).rows(0, SIDE), float)
    inverse = np.linalg.inv(beam.covariance(SCALE))
    rows, columns = np.indices(image.shape)
    for peak, (x, y) in zip(field.peaks, field.places, strict=True):
        off = np.stack([columns - x, rows - y])
        image += peak * np.exp(-0.5 * np.einsum("iyx,ij,jyx->yx", off, inverse, off))
    return image


def fitted(images: Sequence[NDArray[Any]], fields: Sequence[Field], beam: Beam) -> Fits:
    """Major and minor FWHM in pixels, and angle, of every source that a Gaussian fits."""
    mean = beam.width_pixels(SCALE)
    found = []
    for image, field in zip(images, fields, strict=True):
        for item in field.objects:
            y, x = item.coordinates()
            brightest = int(image[y, x].argmax())
            shape = fit_shape(image, int(x[brightest]), int(y[brightest]), mean)
            if shape is not None:
                found.append(astuple(Beam.from_covariance(shape, 1.0)))
    return found


def figures(fits: Fits, beam: Beam) -> dict[str, Any]:
    """Medians over what was asked; for a round beam the mean width stands for both (a fit's longer axis is longer)."""
    values = np.array(fits, float).reshape(-1, 3)
    if not len(values):
        return {"fitted": 0, "met": False}
    major, minor = values[:, 0] * SCALE / beam.maj, values[:, 1] * SCALE / beam.min
    turn = np.abs((values[:, 2] - beam.pa + 90.0) % 180.0 - 90.0)
    long = beam.maj > 1.1 * beam.min
    told = {
        "fitted": len(values),
        "major": float(np.median(major)),
        "minor": float(np.median(minor)),
        "mean": float(np.median(np.sqrt(major * minor))),
        "turn": float(np.median(turn)) if long else None,
    }
    met = all(abs(told[name] - 1.0) <= WIDE for name in (("major", "minor") if long else ("mean",)))
    return told | {"met": met and (not long or told["turn"] <= TURNED)}


def show_widths(rows: Sequence[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(title="fitted FWHM of point sources over the beam asked for: medians")
    for name in ("beam, px", "pa", "guidance", "fitted", "major", "minor", "mean", "angle off", "met"):
        table.add_column(name, justify="left" if name == "guidance" else "right")
    for row in rows:
        major, minor, pa = row["beam"]
        if not row["fitted"]:
            table.add_row(f"{major:g} x {minor:g}", f"{pa:g}", row["guidance"], "0", "", "", "", "", "NO")
            continue
        widths = [f"{row[name]:.3f}" for name in ("major", "minor", "mean")]
        turn = "" if row["turn"] is None else f"{row['turn']:.1f}"
        count = f"{row['fitted']} of {row['sources']}"
        table.add_row(
            f"{major:g} x {minor:g}", f"{pa:g}", row["guidance"], count, *widths, turn, "yes" if row["met"] else "NO"
        )
    Console(width=130).print(table)
