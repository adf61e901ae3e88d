"""What is asked of an image to the sky without its sources: the noise that diffusion starts from. Knows no networks.

A sky has two layers on the same pixels. `start` is the Gaussian field of the noise spectrum that the network was
trained to start from. `picture` is what stands where the network has nothing to do: the same field with a wandering
rms, faint sources below the limit, what bright sources leave around them, and a background image's diffuse emission.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radiff.data.background import BackgroundImage
from radiff.masks import SourceObject
from radiff.masks.classes import SPURIOUS
from radiff.sky import NoiseBank, NoiseField, NoiseSpectrum, Residuals
from radiff.sky.beam import FWHM, mean_width
from radiff.sky.spectrum_measure import spectrum_of_patches
from radiff.sky.spectrum_patch import NoisePatch, find_bright

DIFFUSE_BEAMS = 10.0
"""What is wider than so many beams in a background image is emission of the sky, and is kept; the rest is noise."""
BRIGHT_SNR = 20.0
"""Sources with a peak above it leave something around them."""
RAY_SPREAD, RAY_WIDTH = 0.8, 4.0
"""Of what a bright source leaves by direction: spread of ln(rms), and Gaussian sigma in degrees."""
PATCH_SHARE = 0.6
"""How much of the patches' unevenness (as a power) is in what a bright source leaves, beside its rays."""
SPURIOUS_RMS, SPURIOUS_BEAMS = 0.6, 4.0
"""Rms of the residuals about a spurious object, in units of the map's, and the distance over which it falls, in beams:
it is one of them, and they come together."""
UV_EDGE = 3e-4
"""Part of the strongest mode below which a mode of the noise is taken to lie beyond the longest baselines."""
ISLAND = 3.0
"""Isophote of islands, in units of the rms."""
TURNED = (4.7, 5.2)
"""Peaks of islands outside the mask, in units of the rms, between which the chance to be turned rises from 0 to 1."""
TURN_REACH = 6.0
"""Pixels over which the turning falls off."""
LIMIT = 8.0
"""Noise of a background that is copied is held within so many rms: the network never saw more."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SkyLayers:
    """The sky of one image without its sources, in units of its rms.

    Attributes
    ----------
    start, picture : float32 (ny, nx)
    spectrum : NoiseSpectrum
        On the image's own pixels.
    """

    start: Floats
    picture: Floats
    spectrum: NoiseSpectrum


def noise_for(
    noise: NoiseSpectrum | None, shape: NDArray[np.float64] | None, seed: int, survey: str | None = None
) -> NoiseSpectrum:
    """The spectrum of an image: the one asked for, or one that its seed draws from the bank in the box, at its beam.

    Parameters
    ----------
    noise : NoiseSpectrum, optional
    shape : float (2, 2), optional
        Covariance of the image's beam, pixels squared, axes (x, y); None: the spectrum is used as it is.
    survey : str, optional
        Draw among the spectra of this survey, where the bank has some.
    """
    if noise is None:
        noise = from_bank(seed, survey)
    if shape is None or noise.shape is None:
        return noise
    return noise.with_shape(shape)


def from_bank(seed: int, survey: str | None = None) -> NoiseSpectrum:
    """The spectrum that a seed draws from the bank in the box: of a survey, where the bank has it, else of all."""
    bank = NoiseBank.open()
    return bank.draw(seed, survey if survey and survey.lower() in bank.surveys else None)


def make_layers(
    spectrum: NoiseSpectrum,
    shape: tuple[int, int],
    seed: int,
    objects: Sequence[SourceObject] = (),
    peaks: Sequence[float] | None = None,
) -> SkyLayers:
    """Both layers of a sky whose noise has `spectrum`.

    Parameters
    ----------
    shape : (ny, nx)
    objects : sequence of SourceObject
        Islands that a finder would see are turned into holes but on these: the mask says that there is no source.
    peaks : sequence of float, optional
        Peak of each of `objects`, in units of the rms; 0: not told.
    """
    start = NoiseField(spectrum, shape, seed).rows(0, shape[0])
    picture: NDArray[np.floating] = start
    if spectrum.rms_spread > 0 or (spectrum.faint is not None and spectrum.faint.per_beam > 0):
        picture = NoiseField(spectrum, shape, seed, wander=True, faint=True).rows(0, shape[0])
    residuals = spectrum.residuals
    if residuals is not None:
        left = make_residuals(spectrum, residuals, shape, seed, objects, peaks)
        picture = math.sqrt(1.0 - residuals.floor**2) * picture + left
        picture = picture - turned(picture, left, objects, seed, residuals.turned)
    return SkyLayers(start, np.asarray(picture, np.float32), spectrum)


def make_residuals(
    spectrum: NoiseSpectrum,
    residuals: Residuals,
    shape: tuple[int, int],
    seed: int,
    objects: Sequence[SourceObject],
    peaks: Sequence[float] | None,
) -> NDArray[np.float64]:
    """(ny, nx): what calibration and cleaning leave, see `radiff.sky.Residuals`."""
    own = spectrum.shape
    beam = 3.0 if own is None else mean_width(own)
    other = int(np.random.SeedSequence((seed, 14)).generate_state(1)[0])
    patchy = replace(spectrum, rms_spread=residuals.spread, rms_scale=residuals.patch * beam, faint=None)
    patches = NoiseField(patchy, shape, other).rms(0, shape[0])
    milder = patches**PATCH_SHARE * math.exp(PATCH_SHARE * (1 - PATCH_SHARE) * residuals.spread**2)  # mean square 1
    plain = replace(patchy, rms_spread=0.0)
    everywhere = residuals.floor * patches
    around = np.zeros(shape)
    for number, (one, peak) in enumerate(zip(objects, peaks or [0.0] * len(objects), strict=True)):
        if peak < BRIGHT_SNR and one.class_value != SPURIOUS:
            continue
        beams = ndimage.distance_transform_edt(~one.pixels(shape)) / beam
        if peak >= BRIGHT_SNR:
            near = residuals.around(peak, beams) * rays(shape, one, RAY_SPREAD, (seed, 15, number))
            around = np.maximum(around, near)
        else:
            near = SPURIOUS_RMS * np.exp(-0.25 * (beams / SPURIOUS_BEAMS) ** 2)
            everywhere = np.maximum(everywhere, near * milder)
    left = everywhere * NoiseField(plain, shape, other).rows(0, shape[0])
    if not around.any():
        return np.asarray(left, float)
    measured = plain.power / (plain.power + UV_EDGE * plain.power.max())  # no baseline reaches beyond the noise's own
    grain = replace(plain, power=plain.power**residuals.colour * measured)
    return np.asarray(left + around * milder * NoiseField(grain, shape, other + 1).rows(0, shape[0]), float)


def rays(shape: tuple[int, int], one: SourceObject, spread: float, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """(ny, nx), mean square 1: a lognormal factor of the direction from an object, the same to both sides.

    The sidelobes of an array of few arms are rays, and a dirty beam is symmetric about its middle.
    """
    y, x = one.coordinates()
    ys, xs = np.indices(shape)
    angle = np.arctan2(ys - y.mean(), xs - x.mean()) % math.pi
    count = 180
    white = np.random.default_rng(seed).standard_normal(count)
    smooth = ndimage.gaussian_filter1d(white, RAY_WIDTH, mode="wrap") * math.sqrt(2 * math.sqrt(math.pi) * RAY_WIDTH)
    places = angle / math.pi * count
    low = places.astype(int) % count
    share = places - np.floor(places)
    value = (1 - share) * smooth[low] + share * smooth[(low + 1) % count]
    return np.asarray(np.exp(spread * value - spread**2))


def turned(
    picture: NDArray[np.floating],
    left: NDArray[np.floating],
    objects: Sequence[SourceObject],
    seed: int,
    part: float = 1.0,
) -> NDArray[np.float64]:
    """(ny, nx): what is to be taken off, so that islands a finder would see become holes.

    What a bright source leaves is as often positive as negative; the positive islands that were seen stand in the mask,
    so those outside of it are the ones that were not. The chance to be turned rises over `TURNED`, in units of the rms.
    """
    free = np.array(picture, float)
    for one in objects:
        free[one.slices][one.stamp] = 0.0
    labels, count = ndimage.label(free > ISLAND, np.ones((3, 3)))
    low, high = TURNED
    tops = ndimage.maximum(free, labels, np.arange(1, count + 1)) if count else np.zeros(0)
    chosen = np.random.default_rng((seed, 13)).random(count) < part * (tops - low) / (high - low)
    if not chosen.any():
        return np.zeros(free.shape)
    distance = ndimage.distance_transform_edt(~np.isin(labels, np.flatnonzero(chosen) + 1))
    return np.asarray(2.0 * left * np.cos(0.5 * math.pi * np.clip(distance / TURN_REACH, 0.0, 1.0)) ** 2)


def split_background(background: BackgroundImage, beam: float) -> tuple[Floats, Floats]:
    """(diffuse emission, noise) of a background image, in units of its rms; both (ny, nx), the first smooth.

    Emission wider than `DIFFUSE_BEAMS` beams of `beam` pixels belongs to the sky, and would be lost in noise drawn
    anew.
    """
    sigma = DIFFUSE_BEAMS * beam / FWHM
    clear = np.ones(background.snr.shape) if background.mask is None else (background.mask == 0).astype(float)
    if clear.mean() < 0.05:
        clear = np.ones(background.snr.shape)
    held = np.clip(background.snr, -LIMIT, LIMIT)
    share = ndimage.gaussian_filter(clear, sigma, mode="nearest")
    diffuse = ndimage.gaussian_filter(held * clear, sigma, mode="nearest") / np.maximum(share, 1e-6)
    return np.asarray(diffuse, np.float32), np.asarray(background.snr - diffuse, np.float32)


def background_layers(background: BackgroundImage, seed: int, beam: float, keep_noise: bool) -> SkyLayers:
    """The sky of a background image: its diffuse emission, and below noise of its spectrum, drawn anew or copied.

    Parameters
    ----------
    beam : float
        Its width in pixels; 0 where it is not known (3 is taken).
    keep_noise : bool
        Keep the very noise of the background, in place of new noise like it.
    """
    if background.mask is None or not background.mask.any():  # nobody said where its sources are
        background = replace(background, mask=find_bright(background.snr).astype(np.uint8))
    diffuse, noise = split_background(background, beam or 3.0)
    usable = (
        np.ones(noise.shape, bool)
        if background.mask is None
        else ndimage.binary_erosion(background.mask == 0, iterations=3, border_value=1)
    )
    if usable.mean() < 0.1:
        usable = np.ones(noise.shape, bool)
    patch = NoisePatch(np.where(usable, np.clip(noise, -LIMIT, LIMIT), 0.0).astype(float), usable, 1.0)
    spectrum = spectrum_of_patches([patch], wander=False)
    if keep_noise:
        start = np.clip(noise, -LIMIT, LIMIT).astype(np.float32)
        return SkyLayers(start, np.asarray(noise + diffuse, np.float32), spectrum)
    scale = float(np.clip(noise, -LIMIT, LIMIT)[usable].std())
    layers = make_layers(spectrum, (noise.shape[0], noise.shape[1]), seed)
    return replace(layers, picture=np.asarray(scale * layers.picture + diffuse, np.float32))
