"""Spectra of the noise to stacks of pure fields without any source: what the figures are when the noise is right."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from radiff.errors import InputError
from radiff.evaluate.joint.noise import own_level_and_rms
from radiff.evaluate.joint.stacks import Floats, Stack
from radiff.parallel import track
from radiff.sky.noise_field import NoiseField
from radiff.sky.spectrum import NoiseSpectrum
from radiff.sky.spectrum_files import read_noise_spectrum


def measured_spectra(stack: Stack) -> list[NoiseSpectrum]:
    """The spectrum of each image's field: measured on all of the stack's images of it, their objects left out."""
    names = np.asarray(stack.groups)
    found: dict[str, NoiseSpectrum] = {}
    for name in track(sorted(set(stack.groups)), "measuring spectra"):
        members = np.flatnonzero(names == name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # residuals beside bright sources: they are clipped in the figures
            found[name] = NoiseSpectrum.measure(
                [stack.snr[k] for k in members], masks=[stack.masks[k] for k in members], wander=False
            )
    return [found[name] for name in stack.groups]


def read_spectra(source: str | os.PathLike[str], names: Sequence[str]) -> list[NoiseSpectrum]:
    """The spectrum asked of each image: ``<name>.fits`` in a folder, or a file ``.npz`` with ``names`` and ``power``.

    Raises
    ------
    InputError
        Where there is none for one of the names.
    """
    path = Path(source)
    if path.suffix == ".npz":
        with np.load(path) as kept:
            table = dict(zip(kept["names"].tolist(), kept["power"], strict=True))
        absent = [name for name in names if name not in table]
        if absent:
            raise InputError(f"has no spectrum for {absent[0]} (and {len(absent) - 1} more)", path)
        return [NoiseSpectrum(np.asarray(table[name], float)) for name in names]
    return [read_noise_spectrum(path / f"{name}.fits") for name in names]


def field_stack(real: Stack, spectra: Sequence[NoiseSpectrum], seed: int = 0) -> Stack:
    """Gaussian fields in the place of the images of `real`, each of its own spectrum, rms 1 asked; no sources."""
    shape = (real.snr.shape[1], real.snr.shape[2])
    fields = [NoiseField(one, shape, seed + k) for k, one in enumerate(spectra)]
    drawn = [one.rows(0, shape[0]) for one in track(fields, "drawing fields")]
    noise = [own_level_and_rms(image, mask) for image, mask in zip(drawn, real.masks, strict=True)]
    level, rms = np.array(noise).T
    snr = (np.stack(drawn) - level[:, None, None]) / rms[:, None, None]
    nothing = np.full(len(real), np.nan)
    return replace(real, name="noise fields", snr=snr.astype(np.float32), scale=rms, shift=level, sampled=nothing)


def powers_of(spectra: Sequence[NoiseSpectrum], side: int = 128) -> Floats:
    """(n, side, side): their powers on modes of one grid."""
    cache: dict[int, Floats] = {}
    for one in spectra:
        if id(one) not in cache:
            same = one if one.side == side else one.stretched(np.eye(2), side)
            cache[id(one)] = same.power
    return np.stack([cache[id(one)] for one in spectra])
