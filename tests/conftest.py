"""Fixtures that every test may use: the folder of real images, and small synthetic maps of known content."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from radiff.sky import Beam, Cutout

if TYPE_CHECKING:
    import torch

FWHM_PER_DEVIATION = 2.0 * np.sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True)
class Injected:
    """A Gaussian put into a synthetic map: position and FWHM in pixels, angle in deg east of north, peak in Jy/beam."""

    x: float
    y: float
    peak: float
    maj: float
    min: float
    pa: float = 0.0


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images (``maps/``, ``vla/``): $RADIFF_DATA, else ``../shared/data`` beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RADIFF_DATA", default))
    if not (folder / "vla" / "manifest.csv").is_file():
        pytest.skip("no real images here: set RADIFF_DATA to the folder that holds maps/ and vla/")
    return folder


def celestial_wcs(shape: tuple[int, int], scale: float = 1.8, projection: str = "SIN", frame: str = "RA") -> WCS:
    """A WCS centred on the image, `scale` in arcsec per pixel."""
    wcs = WCS(naxis=2)
    names = {"RA": ("RA---", "DEC--"), "G": ("GLON-", "GLAT-")}[frame]
    wcs.wcs.ctype = [name + projection for name in names]
    wcs.wcs.crval = [150.1, 32.2] if frame == "RA" else [344.0, 1.5]
    wcs.wcs.crpix = [shape[1] / 2 + 0.5, shape[0] / 2 + 0.5]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    wcs.wcs.set()
    return wcs


def add_gaussian(image: np.ndarray, source: Injected) -> None:
    """Add `source` to `image` (ny, nx) in place; an angle of 0 lies along y, east (90) along -x."""
    y, x = np.indices(image.shape)
    angle = np.radians(source.pa)
    along = -(x - source.x) * np.sin(angle) + (y - source.y) * np.cos(angle)
    across = (x - source.x) * np.cos(angle) + (y - source.y) * np.sin(angle)
    square = (along / source.maj) ** 2 + (across / source.min) ** 2
    image += (source.peak * np.exp(-0.5 * FWHM_PER_DEVIATION**2 * square)).astype(image.dtype)


@pytest.fixture
def make_map() -> Callable[..., Cutout]:
    """``make_map(shape, sources=[Injected(...)], rms=..., background=..., seed=...)`` -> `Cutout` in Jy/beam.

    White noise, 1.8 arcsec per pixel, a beam of 5.4 arcsec, TELESCOP = 'TEST'; the Cutout's own rms is left unset.
    """

    def make(
        shape: tuple[int, int] = (128, 128),
        sources: list[Injected] | tuple[Injected, ...] = (),
        rms: float = 1.5e-4,
        background: float = 0.0,
        seed: int = 0,
        projection: str = "SIN",
        frame: str = "RA",
    ) -> Cutout:
        image = np.random.default_rng(seed).normal(background, rms, shape).astype(np.float32)
        for source in sources:
            add_gaussian(image, source)
        header = fits.Header([("TELESCOP", "TEST"), ("SURVEY", "SYNTHETIC")])
        return Cutout(image, celestial_wcs(shape, 1.8, projection, frame), Beam(5.4, 5.4), header=header)

    return make


@pytest.fixture
def write_fits(tmp_path: Path) -> Callable[..., Path]:
    """``write_fits(name, array, {card: value})`` -> path of a FITS file with exactly those cards."""

    def write(name: str, array: np.ndarray | None, cards: dict[str, object] | None = None) -> Path:
        path = tmp_path / name
        hdu = fits.PrimaryHDU(array)
        for key, value in (cards or {}).items():
            hdu.header[key] = value
        hdu.writeto(path)
        return path

    return write


GOOD_CARDS: dict[str, object] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.1,
    "CRVAL2": 32.2,
    "CRPIX1": 10.0,
    "CRPIX2": 12.0,
    "CDELT1": -0.0005,
    "CDELT2": 0.0005,
    "BUNIT": "JY/BEAM",
    "BMAJ": 0.0015,
    "BMIN": 0.0012,
    "BPA": 30.0,
}


@pytest.fixture
def good_cards() -> dict[str, object]:
    """Cards of a complete header: TAN, 1.8 arcsec per pixel, beam 5.4 x 4.32 arcsec at 30 deg."""
    return dict(GOOD_CARDS)


def wake(network: "torch.nn.Module", deviation: float = 0.05) -> None:
    """Give random values to what training starts at zero, so that every path through a network is heard."""
    import torch

    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=deviation)


def tiny_weights(
    folder: Path,
    scaling: str = "snr-asinh",
    objective: str = "angle",
    context: int = 16,
    prior: str = "white",
    beam_numbers: int = 1,
) -> Path:
    """A weights folder of small random networks that samples in two steps; what they draw is noise of no meaning."""
    import torch

    from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
    from radiff.models.denoiser import Denoiser, DenoiserConfig
    from radiff.models.io import Part, save_weights

    torch.manual_seed(0)
    autoencoder = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    autoencoder.latent_std.fill_(0.1)  # faint, where the scaling is linear: Gaussian latents are Gaussian noise
    sizes = {"channels": (32, 32), "layers": 1, "attention": (False, True), "head_width": 16, "context": context}
    denoiser = Denoiser(DenoiserConfig(**sizes, beam_numbers=beam_numbers))
    wake(denoiser, 0.02)
    info = {
        "scaling": {"name": scaling},
        "diffusion": {"objective": objective},
        "prior": {"name": prior},
        "sampling": {"sampler": "ddim" if objective in ("eps", "v") else "euler", "num_steps": 2},
    }
    parts = {
        "autoencoder": Part(autoencoder, autoencoder.config_dict()),
        "denoiser": Part(denoiser, denoiser.config.to_dict()),
    }
    return save_weights(folder, parts, info)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of `tiny_weights`."""
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="session")
def sky_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of `tiny_weights` whose diffusion starts from the noise of the sky, and that know elliptical beams."""
    folder = tmp_path_factory.mktemp("sky-weights") / "tiny-sky"
    return tiny_weights(folder, prior="sky", beam_numbers=3)
