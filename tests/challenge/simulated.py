"""Truth packages of Gaussians on correlated noise, made without any network: a map and its truth, to a folder."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from radiff.sky import Beam, MapReader
from radiff.sky.beam import covariance
from radiff.sky.grid import SkyGrid
from radiff.sky.truth import truth_table, write_truth

RMS, SCALE = 1e-4, 1.5
BEAM = Beam(6.0, 4.8, 30.0)


def header(shape, projection="SIN", center=(150.1, 32.2), beam=BEAM, frame="RA", turn=0.0):
    """Cards of a map with a beam of 4 x 3.2 pixels."""
    cards = fits.Header()
    names = {"RA": ("RA---", "DEC--"), "G": ("GLON-", "GLAT-")}[frame]
    cards["CTYPE1"], cards["CTYPE2"] = (name + projection for name in names)
    cards["CRVAL1"], cards["CRVAL2"] = center
    cards["CRPIX1"], cards["CRPIX2"] = shape[1] / 2 + 0.5, shape[0] / 2 + 0.5
    cards["CDELT1"], cards["CDELT2"] = -SCALE / 3600, SCALE / 3600
    if turn:
        cards["CROTA2"] = turn
    cards["BUNIT"] = "JY/BEAM"
    beam.to_header(cards)
    return cards


def noise(shape, grid, rng, rms=RMS):
    """Noise with the beam's correlation."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    b = grid.beam_shape
    transfer = np.exp(-2 * np.pi**2 * (b[0, 0] * fx**2 + 2 * b[0, 1] * fx * fy + b[1, 1] * fy**2))
    image = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * transfer, shape)
    return (image * rms / image.std()).astype(np.float32)


def add_gaussian(image, x, y, peak, shape):
    """A Gaussian of covariance `shape` (2, 2) in pixels; returns the box of it."""
    reach = int(np.ceil(6 * np.sqrt(np.linalg.eigvalsh(shape)[1]))) + 2
    x0, x1 = max(0, int(x) - reach), min(image.shape[1], int(x) + reach + 1)
    y0, y1 = max(0, int(y) - reach), min(image.shape[0], int(y) + reach + 1)
    gy, gx = np.mgrid[y0:y1, x0:x1]
    d = np.stack([gx - x, gy - y], -1)
    image[y0:y1, x0:x1] += (peak * np.exp(-0.5 * np.einsum("...i,ij,...j", d, np.linalg.inv(shape), d))).astype(
        image.dtype
    )


def places(shape, count, apart, rng, edge=30):
    """Positions (count, 2) as x, y at least `apart` pixels from each other."""
    kept = []
    for _ in range(200 * count):
        at = rng.uniform(edge, np.array(shape[::-1]) - edge)
        if all((at[0] - x) ** 2 + (at[1] - y) ** 2 > apart**2 for x, y in kept[-4000:]):
            kept.append(at)
            if len(kept) == count:
                break
    return np.array(kept).reshape(-1, 2)


def write_package(
    folder, shape=(400, 500), count=60, seed=0, spurious=0.1, extended=0.3, snr=(4.0, 200.0), apart=30.0, **cards
):
    """A truth package as of `radiff populate`, less its overviews; returns its folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    fits.PrimaryHDU(np.zeros(shape, np.float32), header(shape, **cards)).writeto(folder / "map.fits")
    with MapReader(folder / "map.fits") as reader:
        grid = SkyGrid.of(reader)
    background = noise(shape, grid, rng)
    sources = np.zeros(shape, np.float32)
    at = places(shape, count, apart, rng)
    x, y = at.T
    kind = rng.choice(["compact", "extended", "spurious"], len(at), p=[1 - spurious - extended, extended, spurious])
    ratio = np.exp(rng.uniform(*np.log(snr), len(at)))
    bare_major = np.where(kind == "extended", rng.uniform(6.0, 14.0, len(at)), 0.0)
    bare_minor = bare_major * rng.uniform(0.4, 1.0, len(at))
    pa = rng.uniform(0, 180, len(at))
    turn = np.linalg.inv(grid.steps(x, y))
    shapes = grid.beam_shape + turn @ covariance(bare_major, bare_minor, pa) @ np.swapaxes(turn, -1, -2)
    instances, classes = np.zeros(shape, np.int32), np.zeros(shape, np.uint8)
    for n in range(len(at)):
        one = np.zeros(shape, np.float32) if len(at) < 300 else None
        target = sources if one is None else one
        add_gaussian(target, x[n], y[n], RMS * ratio[n], shapes[n])
        if one is not None:
            sources += one
            instances[one > RMS] = n + 1
            classes[one > RMS] = {"spurious": 1, "compact": 2, "extended": 3}[kind[n]]
    (ra, dec), sizes = grid.to_sky(x, y), grid.sizes(x, y, shapes)
    flux = RMS * ratio * 2 * np.pi * np.sqrt(np.linalg.det(shapes)) / grid.beam_area
    columns = sizes | {
        "id": np.arange(1, len(at) + 1), "name": [f"S{n + 1}" for n in range(len(at))], "class": kind, "ra": ra,
        "dec": dec, "x": x, "y": y, "ra_peak": ra, "dec_peak": dec, "int_flux": flux, "peak_flux": RMS * ratio,
        "local_rms": np.full(len(at), RMS), "snr": ratio, "core_fraction": RMS * ratio / flux,
        "k": ratio, "seed": 7_000_001 + np.arange(len(at)), "stamp_seed": 8_000_001 + np.arange(len(at)),
    }  # fmt: skip
    top = header(shape, **cards)
    table = truth_table(columns, {"BMAJ": top["BMAJ"], "BMIN": top["BMIN"], "BPA": top["BPA"], "SEED": seed})
    write_truth(folder / "truth.fits", table)
    write_truth(folder / "truth.ecsv", table)
    top.add_history(f"radiff populate --seed 4242{seed} --secret")
    top["RADIFF"] = f'{{"seed": 4242{seed}, "command": "radiff populate"}}'
    fits.PrimaryHDU(background + sources, top).writeto(folder / "map.fits", overwrite=True)
    plain = header(shape, **cards)
    for name, image in (("sources", sources), ("instances", instances), ("classes", classes)):
        fits.PrimaryHDU(image, plain).writeto(folder / f"{name}.fits", overwrite=True)
    (folder / "manifest.json").write_text(f'{{"seed": 4242{seed}, "command": "radiff populate --seed 4242{seed}"}}\n')
    return folder
