"""Small masks and maps of known content for the tests of masks."""

import json
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import ndimage

from radiff.masks import SourceObject

FWHM_TO_DEVIATION = 1.0 / np.sqrt(8.0 * np.log(2.0))


def beam_noise(shape: tuple[int, int], rms: float, fwhm: float, seed: int) -> np.ndarray:
    """Noise (ny, nx) as an interferometer leaves it: smoothed by the beam (FWHM in pixels), scaled to rms."""
    noise = np.random.default_rng(seed).normal(size=shape)
    noise = ndimage.gaussian_filter(noise, fwhm * FWHM_TO_DEVIATION, mode="wrap")
    return (noise * (rms / noise.std())).astype(np.float32)


def some_mask() -> np.ndarray:
    """Class mask (40, 50): one spurious, two compact, one extended object with a hole, one extended diagonal pair."""
    mask = np.zeros((40, 50), np.uint8)
    mask[2:5, 40:46] = 1
    mask[20:23, 5:8] = 2
    mask[38:40, 0:3] = 2
    mask[25:35, 20:40] = 3
    mask[28:31, 25:30] = 0
    mask[10, 10] = mask[11, 11] = 3
    return mask


def some_objects() -> list[SourceObject]:
    """Three objects on (40, 50), the extended one of two islands."""
    galaxy = np.zeros((40, 50), bool)
    galaxy[10:14, 10:20] = galaxy[16:20, 24:34] = True
    star = np.zeros((40, 50), bool)
    star[30:33, 6:9] = True
    ghost = np.zeros((40, 50), bool)
    ghost[0:2, 45:50] = True
    return [
        SourceObject.from_pixels("S1", 3, galaxy),
        SourceObject.from_pixels("S2", 2, star, {"note": "kept"}),
        SourceObject.from_pixels("S3", 1, ghost),
    ]


def legacy_sample(root: Path, image_folder: str = "imgs", mask_folder: str = "masks", names: bool = True) -> Path:
    """A sample as the rg-dataset's own tools write it, with old names and masks of fractions; returns the JSON."""
    for name in (image_folder, mask_folder):
        (root / name).mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).normal(0, 1e-4, (32, 36)).astype(np.float32)
    fits.PrimaryHDU(image).writeto(root / image_folder / "galaxy0001.fits")
    entries = []
    kinds = ("galaxy", "source", "sidelobe", "extended-multicomp") if names else ("extended", "compact", "spurious")
    for number, kind in enumerate(kinds, 1):
        mask = np.zeros((32, 36), np.float64)
        mask[8 * number - 6 : 8 * number - 2, 4:20] = 4 - number if number < 4 else 4
        mask[8 * number - 6, 4:20] = 0.37  # a polygon's edge
        file = f"mask_galaxy0001_obj{number}.fits"
        fits.PrimaryHDU(mask).writeto(root / mask_folder / file)
        entries.append(
            {
                "mask": file,
                "class": kind,
                "name": f"S{number}",
                "npix": 64,
                "Stot": 0.1 + 0.2,
                "border": 0,
                "extra": [1],
            }
        )
    document = {
        "img": f"../{image_folder}/galaxy0001.fits",
        "nx": 36,
        "ny": 32,
        "dx": -1.8,
        "dy": 1.8,
        "bmaj": 5.4,
        "bmin": 5.4,
        "bkg": 1e-05,
        "rms": 0.00015,
        "telescope": "VLA",
        "z_unknown": {"b": 1, "a": None},
        "objs": entries,
    }
    path = root / mask_folder / "mask_galaxy0001.json"
    path.write_text(json.dumps(document, indent=2, sort_keys=True), encoding="utf-8")
    return path
