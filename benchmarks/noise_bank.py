"""Make the bank of noise spectra that is in the box, from annotated FIRST and NVSS fields of the train split.

    radiff annotate first_mirabest first_frdeep --catalog first_catalog.csv -o annotated
    radiff annotate nvss_frdeep -o annotated
    python benchmarks/noise_bank.py VLA_FOLDER annotated -o noise-bank.fits

A field is too little to tell what of it is not Gaussian: that is said for a survey, by the constants below. They were
chosen on the train split: the wandering of the rms that windows without objects show, faint sources and
residuals so that islands above and holes below 3.5 to 5 rms, outside the masks of 900 train cutouts, are as many as in
the real ones, in cutouts without objects and in those with a source below 30, below 300 and above 300 rms.
"""

import argparse
import csv
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage

from radiff.masks import read_annotation
from radiff.masks.layout import image_stem
from radiff.parallel import run_parallel
from radiff.sky import Beam, FaintSources, NoiseSpectrum, Residuals, read_cutout
from radiff.sky.spectrum_files import write_noise_bank
from radiff.sky.spectrum_measure import spectrum_of_patches
from radiff.sky.spectrum_patch import noise_patch

SIDE = 128
SPIKE = 8.0
"""What lies beyond so many rms is left out with its surroundings; fainter residuals are part of a field's noise."""
AWAY, FEWEST = 12, 0.3
"""Pixels around objects, and what else cannot be used, that are left out besides: bowls and sidelobes hang on sources
and are drawn with them. Part of a field that must be left."""
NUMBERS = {"first_mirabest": 325, "first_frdeep": 40, "nvss_frdeep": 60}
"""Fields of each set, about as many as cutouts of it are in the collection."""
SURVEYS = {"first_mirabest": "FIRST", "first_frdeep": "FIRST", "nvss_frdeep": "NVSS"}
ABOUT = {
    "FIRST": {
        "pixel_scale": 1.8,
        "beam": Beam(5.4, 5.4),
        "frequency": 1.4e9,
        "rms_spread": 0.025,
        "faint": FaintSources(0.01, 2.0, 1.0, 3.3),
        "residuals": Residuals(0.16, 0.0135, 0.5, 16.0, 2.0, 1.0, 0.2, 1.0),
    },
    "NVSS": {
        "pixel_scale": 15.0,
        "beam": Beam(45.0, 45.0),
        "frequency": 1.4e9,
        "rms_spread": 0.088,
        "faint": FaintSources(0.013, 2.0, 1.5, 4.0),
        "residuals": Residuals(0.15, 0.0135, 0.5, 16.0, 2.0, 1.0, 1.0, 0.0),
    },
}
SCALES = {"FIRST": 16.0, "NVSS": 9.7}
"""Pixels over which the rms wanders."""


def measure(row: dict[str, str], data: Path, annotated: Path) -> NoiseSpectrum | None:
    """The spectrum of one field with what is said of its survey; None where too little is left of the field."""
    path = data / row["file"]
    stem = image_stem(path)
    annotation = read_annotation(annotated / row["set"] / "masks" / f"mask_{stem}.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers, and of residuals, which are dealt with here
        patch = noise_patch(read_cutout(path), annotation.mask)
        clear = ndimage.minimum_filter(patch.usable.astype(np.uint8), 2 * AWAY + 1).astype(bool)
        clear &= ndimage.maximum_filter(np.abs(patch.snr) > SPIKE, 7) == 0
        if clear.mean() < FEWEST:
            return None
        patch = replace(patch, usable=clear, snr=np.where(clear, patch.snr, 0.0), residuals=0)
        # hold=False: these fields have no diffuse emission, what is wide in them is noise of short baselines
        found = spectrum_of_patches([patch], SIDE, wander=False, hold=False)
    survey = SURVEYS[row["set"]]
    whole = found if found.side == SIDE else found.stretched(np.eye(2), side=SIDE)
    return replace(whole, **ABOUT[survey], rms_scale=SCALES[survey])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with manifest.csv and the fields")
    parser.add_argument("annotated", type=Path, help="what 'radiff annotate' made of them")
    parser.add_argument("-o", "--output", type=Path, default=Path("noise-bank.fits"))
    parser.add_argument("--seed", type=int, default=1, help="of the choice of fields")
    parser.add_argument("--most", type=int, help="at most so many fields of a set")
    options = parser.parse_args()
    with (options.data / "manifest.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["split"] == "train" and float(r["nanfrac"]) == 0.0]
    rows = [row for row in rows if float(row["zerofrac"]) < 0.1]
    random = np.random.default_rng(options.seed)
    chosen: list[dict[str, str]] = []
    for name, number in NUMBERS.items():
        of_set = [row for row in rows if row["set"] == name]
        count = min(number, options.most or number, len(of_set))
        chosen += [of_set[k] for k in random.permutation(len(of_set))[:count]]
    work = partial(measure, data=options.data, annotated=options.annotated)
    found = run_parallel(work, chosen, "measuring fields")
    kept = [(row, one) for row, one in zip(chosen, found, strict=True) if isinstance(one, NoiseSpectrum)]
    names, surveys = [image_stem(Path(row["file"])) for row, _ in kept], [SURVEYS[row["set"]] for row, _ in kept]
    write_noise_bank(options.output, [one for _, one in kept], names, surveys)
    print(f"{len(kept)} of {len(chosen)} fields in {options.output}, {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
