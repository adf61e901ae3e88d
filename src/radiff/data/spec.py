"""One image that is to be made: mask, objects, seed, observation, peaks, fluxes, background, beam. Knows no networks.

An `ImageSpec` holds all that its image depends on, but for how a network is asked.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.background import BackgroundFile, BackgroundImage
from radiff.data.observation import Observation
from radiff.errors import InputError
from radiff.masks import Annotation, SourceObject, check_mask, mask_to_objects
from radiff.seeds import check_seed
from radiff.sky import NoiseSpectrum
from radiff.sky.beam import round_covariance
from radiff.sky.noise_source import open_noise

Background = BackgroundImage | BackgroundFile
COLUMNS = {
    "observation": "observation",
    "objects": "objects",
    "peaks": "peaks",
    "fluxes": "fluxes",
    "backgrounds": "background",
    "beams": "beam",
    "noise": "noise",
    "isophotes": "isophote",
}
"""What `make_specs` may be given besides masks and seeds, and which attribute of `ImageSpec` it is."""
FORMER = {
    "sky": "observation",
    "backdrop": "background",
    "backdrops": "backgrounds",
    "edges": "isophotes",
}
"""Names of 0.1, which still work."""


@dataclass(frozen=True, eq=False)
class ImageSpec:
    """One image to be made.

    Attributes
    ----------
    mask : uint8 (ny, nx)
        Class values.
    seed : int
    objects : sequence of SourceObject
        Of the mask; default: its connected parts.
    observation : Observation
        Rms, beam, WCS, header.
    peaks : sequence of float, optional
        Peak asked of each object, in units of the rms; 0: not asked.
    fluxes : sequence of float, optional
        Integrated flux that each object is brought to, Jy; 0: left as it is.
    background : BackgroundImage or BackgroundFile, optional
        None: noise as the network finds likely.
    beam : float, optional
        Beam FWHM told to the network, pixels, 0: not told; default: that of the observation.
    noise : NoiseSpectrum, optional
        Of the sky it is to be; default: its seed draws one from the bank in the box, of the survey that its header
        names where the bank has it.
    isophote : float
        That the mask was drawn at, in units of the rms; 0: its edges mean none.
    name : str
        File stem of what is written.
    split, source : str
        Carried into the index.
    path, image : Path, optional
        Where the mask was read, and the mask's own image.
    """

    mask: NDArray[np.uint8]
    seed: int = 0
    objects: Sequence[SourceObject] = None  # type: ignore[assignment]  # never None once made
    observation: Observation = field(default_factory=Observation)
    peaks: Sequence[float] | None = None
    fluxes: Sequence[float] | None = None
    background: Background | None = None
    beam: float | None = None
    noise: NoiseSpectrum | None = None
    isophote: float = 0.0
    name: str = ""
    split: str = ""
    source: str = ""
    path: Path | None = None
    image: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", check_seed(self.seed))
        if self.objects is None:
            object.__setattr__(self, "objects", mask_to_objects(self.mask))

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.mask.shape[0], self.mask.shape[1]

    @property
    def rms(self) -> float:
        """Noise rms, Jy/beam."""
        return self.observation.rms

    @property
    def beam_pixels(self) -> float:
        """Geometric mean of the beam's two widths, pixels; 0: not told."""
        return self.observation.beam_pixels if self.beam is None else float(self.beam)

    @property
    def beam_shape(self) -> NDArray[np.float64] | None:
        """Covariance (2, 2) of the beam, pixels squared, axes (x, y); None: not told."""
        if self.beam is None:
            return self.observation.beam_shape
        return round_covariance(float(self.beam)) if self.beam > 0 else None

    @property
    def survey(self) -> str | None:
        """SURVEY of the header that the image is to have."""
        return str(self.observation.header.get("SURVEY", "")).strip() or None

    def annotation(self) -> Annotation:
        """To be written with the image; what was asked of an object stands in its ``asked_...``."""
        asked = [dict[str, Any]() for _ in self.objects]
        for key, values in (("asked_peak_snr", self.peaks), ("asked_flux_jy", self.fluxes)):
            for info, value in zip(asked, values or (), strict=False):
                if value:
                    info[key] = float(value)
        return Annotation([replace(one, info=i) for one, i in zip(self.objects, asked, strict=True)], self.shape)

    def digest(self) -> str:
        """Of all that is asked for, but for the pixels of the background, which go by their file's name."""
        shown = None if self.background is None else (self.background.mode, self.background.name)
        asked = [None if values is None else [float(v) for v in values] for values in (self.peaks, self.fluxes)]
        boxes = [(one.class_value, one.y0, one.x0, one.stamp.tobytes()) for one in self.objects]
        shape = self.beam_shape
        beam = self.beam_pixels if shape is None else [round(v, 9) for v in shape.ravel().tolist()]
        noise = None if self.noise is None else self.noise.digest
        sky = self.observation
        told = (asked, shown, beam, sky.rms, sky.background, boxes, noise, self.isophote)
        text = repr((self.seed, self.mask.shape, *told))
        return hashlib.sha256(text.encode() + self.mask.tobytes()).hexdigest()[:16]

    def load(self) -> "ImageSpec":
        """The same with its background read and brought to the mask's size."""
        if self.background is None:
            return self
        shown = self.background.load() if isinstance(self.background, BackgroundFile) else self.background
        return replace(self, background=shown.fitted(self.shape))


def make_specs(masks: Sequence[NDArray[Any]], seeds: Sequence[int], **columns: Any) -> list[ImageSpec]:
    """One specification a mask, from a sequence of each attribute that is not to be the default.

    Parameters
    ----------
    masks : sequence of (ny, nx) integer arrays
    seeds : sequence of int
    **columns
        `COLUMNS`: one value a mask, None the default; `observation` and `noise` may be one for all, and `noise` a word
        or file that ``--noise`` takes.

    Raises
    ------
    InputError
        Where a column has another length than the masks, or a mask has an unknown class.
    """
    count = len(masks)
    columns = {FORMER.get(name, name): values for name, values in columns.items() if values is not None}
    noise, observation = columns.get("noise"), columns.get("observation")
    if isinstance(noise, str | os.PathLike):
        source = open_noise(os.fspath(noise))
        columns["noise"] = [source.draw(check_seed(seed)) for seed in seeds]
    elif isinstance(noise, NoiseSpectrum):
        columns["noise"] = [noise] * count
    if isinstance(observation, Observation):
        columns["observation"] = [observation] * count
    for name, values in {"seeds": seeds, **columns}.items():
        if len(values) != count:
            plural = name if name.endswith("s") or name == "noise" else f"{name}s"
            raise InputError(f"{len(values)} {plural} for {count} masks; give one a mask")
    given = [{COLUMNS[name]: v[k] for name, v in columns.items() if v[k] is not None} for k in range(count)]
    return [ImageSpec(check_mask(m), s, **row) for m, s, row in zip(masks, seeds, given, strict=True)]


ImageGenerator = Callable[[Sequence[ImageSpec]], Iterable[NDArray[np.floating]]]
"""What generates: images (ny, nx) in Jy/beam about the level 0, one a specification, in order."""
