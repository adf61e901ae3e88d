"""What a generator is asked for to jobs, one an image, in batches of one size. Knows no networks.

A `Job` holds everything that its image depends on; `Sampling` what all images of a call share.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.errors import InputError
from radiff.generate.backdrop import Backdrop, BackdropFile
from radiff.generate.denoising import Guidance
from radiff.generate.sky import Sky, measure_noise
from radiff.masks import SourceObject, mask_to_objects
from radiff.seeds import check_seed
from radiff.sky import NoiseSpectrum
from radiff.sky.beam import round_covariance


@dataclass(frozen=True)
class Sampling:
    """How latents are sampled.

    Attributes
    ----------
    sampler : str
        One of `radiff.diffusion.sampling.SAMPLERS`.
    num_steps : int
    guidance : Guidance
    detail : float
        How much of a background image is kept, from 0 (the texture of its noise; every seed draws new noise) to 1
        (its very pixels).
    steer_peaks : bool
        Bring every step's estimate of the clean image to the peaks asked for (`radiff.generate.peak_projection`).
    keep_noise : bool
        Copy the noise of a background image, in place of drawing new noise of its spectrum (with the sky prior).
    edge_snr : float, optional
        Isophote, in units of the rms, at which objects' edges are held (`radiff.generate.edges`); 0: they are not.
        None: as each mask says of itself.
    windows : bool
        Work on windows around the objects only (`radiff.generate.regions`); else on whole images.
    """

    sampler: str
    num_steps: int
    guidance: Guidance
    detail: float
    steer_peaks: bool = True
    keep_noise: bool = False
    edge_snr: float | None = None
    windows: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= 1000:
            raise InputError(f"num_steps is {self.num_steps}; it must be from 1 to 1000")
        if not 0 <= self.detail <= 1:
            raise InputError(f"detail is {self.detail}; it must be from 0 to 1")
        if self.edge_snr is not None and not 0 <= self.edge_snr < 100:
            raise InputError(f"edge_snr is {self.edge_snr}; it must be from 0 (edges are not held) to 100 rms")


@dataclass(frozen=True)
class Job:
    """One image to be made: what `Generator.iterate` was given for it.

    Attributes
    ----------
    beam : float
        Geometric mean of the beam's two widths, pixels; 0: not asked.
    noise : NoiseSpectrum, optional
        None: the seed draws one from the bank.
    edge_snr : float
        Isophote that the mask was drawn at, in units of the rms; 0: its edges mean none.
    shape : float64 (2, 2), optional
        Covariance of the beam, pixels squared, axes (x, y); None: not asked.
    """

    mask: NDArray[np.uint8]
    seed: int
    sky: Sky
    peaks: Sequence[float] | None
    fluxes: Sequence[float] | None
    backdrop: Backdrop | BackdropFile | None
    beam: float
    objects: Sequence[SourceObject]
    noise: NoiseSpectrum | None = None
    edge_snr: float = 0.0
    shape: NDArray[np.float64] | None = None

    def digest(self) -> str:
        """Of all that is asked for, but for the pixels of the background, which go by their file's name."""
        shown = None if self.backdrop is None else (self.backdrop.mode, self.backdrop.name)
        asked = [None if values is None else [float(v) for v in values] for values in (self.peaks, self.fluxes)]
        boxes = [(one.class_value, one.y0, one.x0, one.stamp.tobytes()) for one in self.objects]
        beam = self.beam if self.shape is None else [round(v, 9) for v in self.shape.ravel().tolist()]
        noise = None if self.noise is None else self.noise.digest
        told = (asked, shown, beam, self.sky.rms, self.sky.background, boxes, noise, self.edge_snr)
        text = repr((self.seed, self.mask.shape, *told))
        return hashlib.sha256(text.encode() + self.mask.tobytes()).hexdigest()[:16]

    def load(self) -> "Job":
        """The same with its background read and brought to the mask's size."""
        if self.backdrop is None:
            return self
        shown = self.backdrop.load() if isinstance(self.backdrop, BackdropFile) else self.backdrop
        return replace(self, backdrop=shown.fitted((self.mask.shape[0], self.mask.shape[1])))


def survey_of(job: Job) -> str | None:
    """SURVEY of the header that an image is to have."""
    return str(job.sky.header.get("SURVEY", "")).strip() or None


def make_jobs(
    masks: Sequence[NDArray[np.uint8]],
    seeds: Sequence[int],
    sky: Sky | Sequence[Sky] | None = None,
    peaks: Sequence[Sequence[float] | None] | None = None,
    fluxes: Sequence[Sequence[float] | None] | None = None,
    backdrops: Sequence[Backdrop | BackdropFile | None] | None = None,
    beams: Sequence[float | None] | None = None,
    objects: Sequence[Sequence[SourceObject] | None] | None = None,
    noise: NoiseSpectrum | Sequence[NoiseSpectrum | None] | None = None,
    edges: Sequence[float | None] | None = None,
) -> list[Job]:
    """One job a mask; the columns as of `radiff.generate.Generator.iterate`.

    Raises
    ------
    InputError
        Where a column has another length than the masks, or an object's number of peaks or fluxes is not one.
    """
    count = len(masks)

    def column(values: Sequence[Any] | None) -> list[Any]:
        return [None] * count if values is None else list(values)

    columns: dict[str, list[Any]] = {
        "seeds": [check_seed(seed) for seed in seeds],
        "skies": [sky or Sky()] * count if sky is None or isinstance(sky, Sky) else list(sky),
        "peaks": column(peaks),
        "fluxes": column(fluxes),
        "backdrops": column(backdrops),
        "beams": column(beams),
        "objects": column(objects),
        "noise": [noise] * count if noise is None or isinstance(noise, NoiseSpectrum) else list(noise),
        "edges": column(edges),
    }
    for name, values in columns.items():
        if len(values) != count:
            raise InputError(f"{len(values)} {name} for {count} masks; give one a mask")
    jobs = []
    for k, mask in enumerate(masks):
        seed, one_sky, asked, brought, shown, width, given, spectrum, edge = (v[k] for v in columns.values())
        items = mask_to_objects(mask) if given is None else list(given)
        for what, each in (("peaks", asked), ("fluxes", brought)):
            if each is not None and len(each) != len(items):
                raise InputError(f"{len(each)} {what} for the {len(items)} objects of mask {k}; give one an object")
        beam = one_sky.beam_pixels if width is None else float(width)
        shape = one_sky.beam_shape if width is None else round_shape(float(width))
        jobs.append(Job(mask, seed, one_sky, asked, brought, shown, beam, items, spectrum, edge or 0.0, shape))
    return jobs


def batches(shapes: list[tuple[int, int]], batch_size: int) -> Iterator[list[int]]:
    """Neighbouring indices of one shape, at most `batch_size` together."""
    batch: list[int] = []
    for index, shape in enumerate(shapes):
        if batch and (shapes[batch[0]] != shape or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def noises(snr: NDArray[np.float32], job: Job) -> tuple[tuple[float, float], tuple[float, float], bool]:
    """Level and noise of an image outside its objects, those it is to have, and whether they were measured."""
    level, noise, measured = measure_noise(snr, job.mask)
    if not (isinstance(job.backdrop, Backdrop) and measured):
        return (level, noise), (0.0, 1.0), measured
    wanted_level, wanted_noise, _ = measure_noise(job.backdrop.snr, job.mask)
    return (level, noise), (wanted_level, wanted_noise), measured


def round_shape(width: float) -> NDArray[np.float64] | None:
    """Covariance (2, 2) of a circular beam of `width` pixels FWHM; None where that is 0: not asked."""
    return round_covariance(width) if width > 0 else None


def one_each(value: float | Sequence[float], count: int) -> list[float]:
    """One number for all of `count` objects, or one each."""
    values = np.asarray(value, dtype=float)
    return [float(values)] * count if values.ndim == 0 else list(map(float, values))
