"""Maps and their annotations to noise spectra: one of all maps, or one a field for a bank. Knows no networks."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.masks.io import read_mask
from radiff.masks.layout import find_pairs, image_stem
from radiff.masks.rg import read_annotation
from radiff.parallel import Failure, run_parallel
from radiff.sky import Beam, Cutout, HeaderWarning, NoiseSpectrum, read_cutout
from radiff.sky.noise_source import SURVEYS
from radiff.sky.spectrum_files import with_survey
from radiff.sky.spectrum_measure import chance_residuals, noise_patch, spectrum_of_patches
from radiff.sky.spectrum_patch import NoisePatch, noise_patches

SAMPLE = 48
"""Fields of a survey, evenly chosen, on which the wandering of the rms is measured."""


@dataclass(frozen=True)
class NoiseMap:
    """A map and what tells its sources.

    Attributes
    ----------
    image : Path
    mask : Path, optional
        Annotation (JSON of an rg-dataset), or class mask of the map's size.
    """

    image: Path
    mask: Path | None = None


@dataclass(frozen=True)
class MeasureOptions:
    """How maps are measured; see `radiff.sky.spectrum_measure.measure_noise_spectrum`.

    Attributes
    ----------
    side : int
    empty, strict : bool
    beam : Beam, optional
        In place of the headers'.
    pixel_scale : float, optional
        Arcsec, in place of the headers'.
    """

    side: int = 128
    empty: bool = False
    strict: bool = False
    beam: Beam | None = None
    pixel_scale: float | None = None


@dataclass(frozen=True, eq=False)
class BankFields:
    """Spectra for `radiff.sky.spectrum_files.write_noise_bank`, and what was left out of it.

    Attributes
    ----------
    spectra, names, surveys : lists of one length
    residuals : list of str
        Maps left out, since residuals above 5 rms lie outside their masks.
    failures : list of Failure
        Maps that could not be measured.
    """

    spectra: list[NoiseSpectrum] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    surveys: list[str] = field(default_factory=list)
    residuals: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def find_maps(inputs: Sequence[Path], masks: Path | None = None, own: bool = True) -> list[NoiseMap]:
    """Maps among files and folders, each with its mask.

    Parameters
    ----------
    inputs : sequence of path
        Maps, annotations, split files, or folders searched to any depth.
    masks : path, optional
        A class mask or an annotation, for a single map; or a folder of annotations, found by the images they name.
    own : bool
        Where `masks` tells none, take the annotation beside a map (``imgs/x.fits``, ``masks/mask_x.json``).

    Raises
    ------
    InputError
        Where there is no map, or a single mask for several maps.
    """
    pairs = {image.resolve(): (image, mask) for root in inputs for image, mask in find_pairs(root)}
    if not pairs:
        raise InputError("holds no FITS images (*.fits, *.fits.gz, *.fits.fz)", inputs[0] if inputs else None)
    if masks is None:
        return [NoiseMap(image, mask if own else None) for image, mask in pairs.values()]
    if masks.is_file():
        if len(pairs) > 1:
            raise InputError(f"is one mask for {len(pairs)} maps; give a folder of annotations", masks)
        return [NoiseMap(image, masks) for image, _ in pairs.values()]
    told = [(image, mask) for image, mask in find_pairs(masks) if mask is not None]
    by_path = {image.resolve(): mask for image, mask in told}
    by_name = {image_stem(image): mask for image, mask in told}
    return [
        NoiseMap(image, by_path.get(place, by_name.get(image_stem(image), mask if own else None)))
        for place, (image, mask) in pairs.items()
    ]


def measure_maps(maps: Sequence[NoiseMap], options: MeasureOptions) -> NoiseSpectrum:
    """The noise spectrum of one or many maps, with the sources of their masks left out.

    Raises
    ------
    InputError
        Where a map cannot be used; see `measure_noise_spectrum`.
    """
    patches = [patch for one in maps for patch in _patches(one, options)]
    return spectrum_of_patches(patches, options.side, options.strict, hold=not options.empty)


def _patches(one: NoiseMap, options: MeasureOptions) -> list[NoisePatch]:
    return noise_patches(_source(one.image, options), _mask(one), options.empty, options.beam)


def _source(path: Path, options: MeasureOptions) -> Path | Cutout:
    """The map; where its pixel scale is told by the user, read at once."""
    if options.pixel_scale is None:
        return path
    cutout = read_cutout(path)
    header = cutout.header.copy()
    header["CDELT1"], header["CDELT2"] = -options.pixel_scale / 3600, options.pixel_scale / 3600
    return replace(cutout, wcs=None, header=header)


def _mask(one: NoiseMap) -> NDArray[np.uint8] | None:
    if one.mask is None:
        return None
    if one.mask.suffix.lower() == ".json":
        return read_annotation(one.mask, one.image).mask
    return read_mask(one.mask)


def measure_bank(
    maps: Sequence[NoiseMap], options: MeasureOptions, survey: str | None = None, workers: int | None = None
) -> BankFields:
    """One spectrum a field; how the rms wanders is that of each survey as a whole.

    Parameters
    ----------
    maps : sequence of NoiseMap
    options : MeasureOptions
        Fields too small for its side are failures.
    survey : str, optional
        Name for all; default: SURVEY of the header, or the folder of the maps.
    workers : int, optional
        Processes.
    """
    outcome = run_parallel(partial(_field, options=options, survey=survey), maps, "measuring noise", workers)
    bank = BankFields()
    kept: list[NoiseMap] = []
    for one, result in zip(maps, outcome, strict=True):
        if isinstance(result, Failure):
            bank.failures.append(result)
        elif isinstance(result, str):
            bank.residuals.append(result)
        else:
            kept.append(one)
            bank.spectra.append(result[0])
            bank.names.append(image_stem(one.image))
            bank.surveys.append(result[1])
    for name in sorted(set(bank.surveys)):
        numbers = [k for k, other in enumerate(bank.surveys) if other == name]
        some = np.unique(np.linspace(0, len(numbers) - 1, SAMPLE).astype(int))
        whole = _whole([kept[numbers[k]] for k in some], options)
        if whole is not None:
            for number in numbers:
                bank.spectra[number] = with_survey(bank.spectra[number], whole)
    return bank


def _field(one: NoiseMap, options: MeasureOptions, survey: str | None) -> tuple[NoiseSpectrum, str] | str:
    """Spectrum and survey of a field; its name alone where residuals lie outside its mask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened: Any = _source(one.image, options)
        cutout = read_cutout(opened) if isinstance(opened, Path) else opened
        patch = noise_patch(cutout, _mask(one), options.empty, options.beam)
        if patch.residuals > chance_residuals(patch):
            return one.image.name
        patch.name = one.image.name
        spectrum = spectrum_of_patches([patch], options.side, wander=False, hold=not options.empty)
    if spectrum.side != options.side:
        ny, nx = cutout.shape
        text = f"{nx} x {ny} pixels are too few for a spectrum of side {options.side}; give --side {spectrum.side}"
        raise InputError(text, one.image)
    return spectrum, survey or survey_name(cutout, one.image)


def survey_name(cutout: Cutout, path: Path) -> str:
    """SURVEY of the header, else the folder of a map; a folder such as ``first_mirabest`` is of ``first``."""
    folder = path.resolve().parent
    name = cutout.survey or (folder.parent if folder.name in ("imgs", "images") else folder).name
    return next((known for known in SURVEYS if name.lower().startswith(known)), name.lower())


def _whole(maps: Sequence[NoiseMap], options: MeasureOptions) -> NoiseSpectrum | None:
    """The spectrum of these fields together; None where they differ in beam or pixel scale."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        try:
            return measure_maps(maps, replace(options, strict=False))
        except InputError:
            return None
