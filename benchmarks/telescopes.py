"""The sky of telescopes whose noise is known from one map: is the power that is drawn the power that was measured?

    python benchmarks/telescopes.py [--maps FOLDER] [--number 32] [--only NAMES] [--json FILE] [--pictures FOLDER]
    python benchmarks/telescopes.py --only widths [--sources 200] [--guidance auto,1,1.5,2,3]

A telescope is a spectrum: measured on a map ($RADIFF_DATA/maps), on a field of the bank in the box stretched to another
beam, said by a beam, or by the dirty beam of an array (`telescope_list.py`). For each, images are generated from masks
drawn by rule. The power of their noise, more than 4 pixels from every object, in 8 rings of frequency stands over that
of pure noise fields of the spectrum asked for, of other seeds, cut and measured in the same way; intervals are 95 % of
a bootstrap over images. Judged are the bands that hold 99 % of the power. Where the weights refuse the beam, their
message is told, and another road is taken. `widths` is no telescope: it makes point sources of many beams and fits
their widths (`telescope_beams.py`).

--pictures draws, for each telescope, its spectrum, a field of it and a generated image; --real adds a piece of the map
itself, which is not for a repository. --smoke: two small images of two telescopes, a few sources.
"""

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from telescope_beams import BEAMS, SMOKE_BEAMS, measure_widths, show_widths
from telescope_list import Telescope, telescopes

from radiff import Generator, ImageSpec, NoiseSpectrum, Observation
from radiff.errors import InputError
from radiff.evaluate.joint.stacks import CLEAR, away
from radiff.files import atomic_path, make_folder, write_text
from radiff.masks.draw import demo_masks, demo_peaks
from radiff.parallel import track
from radiff.sky import Beam, NoiseField, noise_power_spectrum, read_cutout
from radiff.sky.spectrum_patch import noise_patch

SIDE, BANDS, LIMIT, MET = 128, 8, 8.0, 0.15
"""Pixels of an image; rings of frequency; rms at which noise is held before its power is taken; largest deviation."""
HELD = 0.99
"""Bands that hold so much of the power are judged."""
FIELDS = 4
"""Pure noise fields an image."""
SMOKE = ("beam 4 px", "beam 9 px")
"""Telescopes of --smoke: one that is drawn at once, one whose beam is refused."""
STRETCH = (-3.0, 8.0)
"""Rms from black to white in pictures."""
Images = list[NDArray[np.float64]]


# ---------------------------------------------------------------- power


def sky_of(spectrum: NoiseSpectrum) -> Observation:
    """Rms, beam and pixels of the telescope."""
    assert spectrum.beam is not None and spectrum.pixel_scale is not None
    return Observation(rms=spectrum.rms or 1e-4, beam=spectrum.beam, pixel_scale=spectrum.pixel_scale)


def judge(
    generator: Generator, telescope: Telescope, number: int, seed: int, sampling: dict[str, Any]
) -> tuple[dict[str, Any], Images]:
    """Figures of one telescope, and its images in units of the rms."""
    told: dict[str, Any] = {"name": telescope.name, "beam": pixels_of(telescope.spectrum), **telescope.about}
    if telescope.road is not None:
        told |= {"refused": refusal(generator, telescope.spectrum), "resolved": telescope.road.how}
    spectrum = telescope.drawn
    masks = masks_for(spectrum, number, seed)
    sky = sky_of(spectrum)
    peaks = [demo_peaks(mask, seed + k) for k, mask in enumerate(masks)]
    seeds = [seed + 1000 + k for k in range(number)]
    try:
        made = generator.generate(masks, seeds, observation=sky, peaks=peaks, noise=spectrum, **sampling)
    except InputError as error:
        return told | {"refused": str(error)}, []
    images = [np.asarray(one.image / sky.rms, float) for one in made]
    clear = list(away(np.stack(masks), CLEAR))
    if telescope.road is not None:
        images = [telescope.road.finish(image) for image in images]
        clear = [inner(telescope.road.finish(one), telescope.road.border) for one in clear]
    shape = (images[0].shape[0], images[0].shape[1])
    pure = [NoiseField(telescope.spectrum, shape, seed + 9000 + k).rows(0, shape[0]) for k in range(FIELDS * number)]
    told |= compared(powers(images, clear), powers(pure, clear * FIELDS), held_bands(telescope.spectrum))
    if telescope.source is not None:
        told["over_map"] = over_map(telescope, images, clear)
    told["near"] = near_objects(images, masks, pure) if telescope.road is None else None
    return told, images


def masks_for(spectrum: NoiseSpectrum, number: int, seed: int) -> list[NDArray[np.uint8]]:
    """Masks drawn by rule, which is for beams of 3 pixels, scaled so that their objects fit this beam."""
    assert spectrum.shape is not None
    mean = math.sqrt(8 * math.log(2)) * float(np.linalg.det(spectrum.shape)) ** 0.25
    size = min(max(round(SIDE * 3.0 / mean), SIDE // 3), 2 * SIDE)
    places = ((np.arange(SIDE) + 0.5) * size / SIDE).astype(int)
    return [mask[np.ix_(places, places)] for mask in demo_masks(number, size, seed)]


def inner(clear: NDArray[np.bool_], border: int) -> NDArray[np.bool_]:
    """The same without a border."""
    kept = np.zeros_like(clear)
    kept[border : len(clear) - border, border : clear.shape[1] - border] = True
    return np.asarray(clear & kept)


def powers(images: Sequence[NDArray[Any]], clear: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """(n, bands): power of each image times its clear pixels, in units of the rms squared."""
    return np.array([
        noise_power_spectrum([np.clip(image, -LIMIT, LIMIT)], [~free], BANDS)[1] * free.sum()
        for image, free in zip(images, clear, strict=True)
    ])  # fmt: skip


def held_bands(spectrum: NoiseSpectrum) -> list[int]:
    """The first bands, which together hold 99 % of the power."""
    radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(spectrum.side)]))
    band = (radius * 2 * BANDS).astype(int).ravel()
    share = np.bincount(band, spectrum.power.ravel())[:BANDS].cumsum() / spectrum.power.sum()
    return list(range(min(BANDS, 1 + int((share < HELD).sum()))))


def compared(made: NDArray[np.float64], pure: NDArray[np.float64], held: list[int]) -> dict[str, Any]:
    """Ratio by band with a 95 % interval, and whether the bands that count are within `MET`."""
    asked = pure.reshape(FIELDS, *made.shape).mean(0)
    ratio = made.sum(0) / asked.sum(0)
    rounds = np.random.default_rng(0).integers(len(made), size=(500, len(made)))
    spread = np.percentile(made[rounds].sum(1) / asked[rounds].sum(1), (2.5, 97.5), axis=0)
    met = [bool(abs(ratio[band] - 1.0) <= MET) for band in held]
    return {
        "images": len(made), "ratio": ratio.tolist(), "interval": spread.T.tolist(), "held": held, "met": all(met),
    }  # fmt: skip


def over_map(telescope: Telescope, images: Images, clear: Sequence[NDArray[np.bool_]]) -> list[float]:
    """Power of the images over that of windows of the map itself, sources left out."""
    assert telescope.source is not None and telescope.spectrum.rms is not None
    patch = noise_patch(telescope.source)
    snr = patch.snr * patch.rms / telescope.spectrum.rms
    windows, free = [], []
    for y in range(0, snr.shape[0] - SIDE + 1, SIDE // 2):
        for x in range(0, snr.shape[1] - SIDE + 1, SIDE // 2):
            part = np.s_[y : y + SIDE, x : x + SIDE]
            if patch.usable[part].mean() > 0.3:
                windows.append(snr[part])
                free.append(patch.usable[part])
    own = powers(windows, free).sum(0) / sum(one.sum() for one in free)
    made = powers(images, clear).sum(0) / sum(one.sum() for one in clear)
    return list(map(float, made / own))


def near_objects(images: Images, masks: Sequence[NDArray[Any]], pure: Sequence[NDArray[Any]]) -> float:
    """Rms 5 to 10 pixels from objects, where the network's hand is seen most, over that of pure fields there."""
    rings = away(np.stack(masks), 4) & ~away(np.stack(masks), 10)
    made = np.concatenate([np.clip(i, -LIMIT, LIMIT)[r] for i, r in zip(images, rings, strict=True)])
    plain = np.concatenate([i[r] for i, r in zip(pure, list(rings) * FIELDS, strict=True)])
    return float(made.std() / plain.std())


def pixels_of(spectrum: NoiseSpectrum) -> list[float]:
    """Major, minor FWHM in pixels and angle of the beam."""
    return [] if spectrum.shape is None else [round(v, 2) for v in astuple(Beam.from_covariance(spectrum.shape, 1.0))]


def refusal(generator: Generator, spectrum: NoiseSpectrum) -> str:
    """What the generator says of the beam; empty where it takes it."""
    try:
        generator.check(ImageSpec(np.zeros((SIDE, SIDE), np.uint8), observation=sky_of(spectrum), noise=spectrum))
    except InputError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------- pictures


def picture(path: Path, rows: Sequence[tuple[Telescope, Images]], real: bool) -> Path:
    """A row a telescope: (a piece of its map,) its spectrum, a field of it, a generated image; one stretch for all."""
    columns = 4 if real else 3
    figure = Figure(figsize=(2.7 * columns, 2.85 * len(rows)), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (telescope, images) in zip(axes, rows, strict=True):
        shape = (images[0].shape[0], images[0].shape[1])
        field = NoiseField(telescope.spectrum, shape, 7, wander=True, faint=True).rows(0, shape[0])
        skies: list[NDArray[Any] | None] = [field, images[0]]
        if real:
            skies.insert(0, own_piece(telescope))
        for axis, sky in zip(np.delete(line, int(real)), skies, strict=True):
            if sky is not None:
                axis.imshow(sky, origin="lower", cmap="gray", vmin=STRETCH[0], vmax=STRETCH[1], interpolation="nearest")
        power = np.fft.fftshift(telescope.spectrum.power)
        shown = np.log10(np.maximum(power / power.max(), 1e-5))
        line[int(real)].imshow(shown, origin="lower", cmap="magma", vmin=-5, vmax=0, extent=(-0.5, 0.5, -0.5, 0.5))
        line[int(real)].set_title("power: 5 decades", fontsize=8)
        line[-2].set_title("field of it", fontsize=8)
        line[-1].set_title("generated", fontsize=8)
        line[0].set_ylabel(telescope.name, fontsize=9)
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def own_piece(telescope: Telescope) -> NDArray[np.float64] | None:
    """The middle of the map, in units of the rms."""
    if telescope.source is None or telescope.spectrum.rms is None:
        return None
    image = read_cutout(telescope.source, check=False).image
    y, x = ((n - SIDE) // 2 for n in image.shape)
    piece = image[y : y + SIDE, x : x + SIDE]
    return np.asarray((piece - np.nanmedian(piece)) / telescope.spectrum.rms)


# ---------------------------------------------------------------- the whole


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the table of powers, and what was refused."""
    table = Table(title="power of generated noise over that of fields of the spectrum asked for, by band")
    for name in ("telescope", "beam, px", *(str(band + 1) for band in range(BANDS)), "met", "near"):
        table.add_column(name, justify="left" if name in ("telescope", "beam, px") else "right")
    for row in rows:
        if "ratio" not in row:
            table.add_row(row["name"], _beam(row), *[""] * BANDS, "refused", "")
            continue
        cells = [f"{v:.2f}" if k in row["held"] else f"({v:.2f})" for k, v in enumerate(row["ratio"])]
        near = "" if row["near"] is None else f"{row['near']:.3f}"
        table.add_row(row["name"], _beam(row), *cells, "yes" if row["met"] else "NO", near)
        if "over_map" in row:
            table.add_row("   over the map's", "", *(f"{v:.2f}" for v in row["over_map"]), "", "")
    Console(width=130).print(table)
    for row in rows:
        for key in ("refused", "resolved"):
            if key in row:
                print(f"{row['name']}: {key}: {row[key]}")


def _beam(row: dict[str, Any]) -> str:
    major, minor, pa = row["beam"]
    return f"{major:.2f}" if major < 1.01 * minor else f"{major:.2f} x {minor:.2f}, {pa:.0f}"


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("RADIFF_DATA", "../shared/data")) / "maps"
    parser.add_argument("--maps", type=Path, default=default, help="folder of real maps")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--number", type=int, default=32, help="images a telescope")
    parser.add_argument("--sources", type=int, default=200, help="point sources a beam")
    parser.add_argument("--guidance", default="auto", help="of the beam: numbers, auto (as the weights have it)")
    parser.add_argument("--sampler", help="default: that of the weights")
    parser.add_argument("--steps", type=int, help="default: that of the weights")
    parser.add_argument("--only", help="names of telescopes, or widths, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="folder for telescope_maps.png and telescope_others.png")
    parser.add_argument("--real", action="store_true", help="pictures with a piece of the map itself")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="a minute at most: does it run?")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = read_options(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.smoke:
        options.number, options.sources = 2, 4
    known = telescopes(options.maps)
    if not (options.maps / "lotss_p218.fits").is_file():
        print(f"no real maps in {options.maps}: set RADIFF_DATA or give --maps; the others go on")
    names = options.only.split(",") if options.only else [*(SMOKE if options.smoke else known), "widths"]
    strangers = [name for name in names if name not in known and name != "widths"]
    if strangers:
        raise SystemExit(f"telescopes: there is no {strangers[0]!r}; there are {', '.join(known)}, widths")
    generator = Generator.from_pretrained(options.weights)
    sampling = {"sampler": options.sampler, "num_steps": options.steps}
    found: dict[str, Any] = {"sampling": sampling, "precision": generator.precision, "telescopes": [], "widths": []}

    def keep() -> None:
        if options.json:
            write_text(options.json, json.dumps(found, indent=1) + "\n")

    drawn: list[tuple[Telescope, Images]] = []
    for name in track([one for one in names if one in known], "telescopes"):
        telescope = known[name]()
        told, images = judge(generator, telescope, options.number, options.seed, sampling)
        found["telescopes"].append(told)
        drawn += [(telescope, images)] if images else []
        keep()
    if found["telescopes"]:
        show(found["telescopes"])
    if options.pictures and drawn:
        folder = make_folder(options.pictures)
        for title, kind in (("maps", True), ("others", False)):
            rows = [one for one in drawn if (one[0].source is not None) == kind]
            if rows:
                print(picture(folder / f"telescope_{title}.png", rows, options.real and kind))
    if "widths" in names:
        beams = SMOKE_BEAMS if options.smoke else BEAMS
        scales = options.guidance.split(",")
        for told in measure_widths(generator, beams, scales, options.sources, options.seed, sampling):
            found["widths"].append(told)
            keep()
        show_widths(found["widths"])


if __name__ == "__main__":
    main()
