"""Masks in, calibrated cutouts out: the pipeline. Knows no training.

For every mask: noise from its seed -> latents (denoiser, steered by its conditions) -> scaled image (autoencoder) ->
signal-to-noise (inverse scaling) -> Jy/beam at the rms asked for, with WCS, beam and provenance.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from radiff.errors import InputError
from radiff.generate.backdrop import Backdrop, BackdropFile
from radiff.generate.denoising import Guidance
from radiff.generate.flux import bring_to_flux
from radiff.generate.jobs import Job, Sampling, batches, make_jobs, noises, one_each, survey_of
from radiff.generate.networks import Networks
from radiff.generate.prior import from_bank
from radiff.generate.sky import Sky
from radiff.masks import SourceObject, check_mask, mask_to_objects, read_mask
from radiff.seeds import check_seed
from radiff.sky import Cutout, NoiseSpectrum
from radiff.sky.beam import Beam
from radiff.sky.noise_source import open_noise

SIZES = (64, 2048)
BEAMS = (2.0, 8.0)
"""Beam FWHM in pixels (geometric mean of the axes) that the shipped weights were trained on."""
LEAST_RATIO = 0.45
"""Smallest minor over major axis of a beam they were trained on."""


class Generator(Networks):
    """Makes radio images from masks with trained weights.

    Parameters
    ----------
    folder : path-like
        Weights; see `from_pretrained`.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    precision : str
        ``fp32``, ``bf16`` or ``auto``: by a table of processors (`radiff.models.precision`).
    backend : str
        ``auto``, ``torch``, or ``openvino`` (on a CPU; the extra ``fastcpu``).

    Examples
    --------
    >>> generator = Generator.from_pretrained()
    >>> cutout = generator(mask, seed=1)              # one mask (ny, nx) to one `Cutout`
    >>> cutouts = generator.generate(masks, seeds=range(len(masks)), sky=Sky(rms=2e-4))
    """

    @classmethod
    def from_pretrained(
        cls,
        weights: str | os.PathLike[str] = "default",
        device: str = "auto",
        precision: str = "auto",
        backend: str = "torch",
    ) -> "Generator":
        """Load weights: a folder, ``default`` (in the package) or a hub id.

        Raises
        ------
        InputError
            Where the weights are missing, altered or of another format.
        """
        return cls(weights, device, precision, backend)

    def __call__(
        self,
        mask: ArrayLike | str | os.PathLike[str],
        seed: int = 0,
        rms: float | None = None,
        sky: Sky | None = None,
        peak_snr: float | Sequence[float] | None = None,
        flux: float | Sequence[float] | None = None,
        backdrop: Backdrop | None = None,
        **options: Any,
    ) -> Cutout:
        """One mask, (ny, nx) or a file of any format `radiff.read_mask` reads, to one cutout.

        Parameters
        ----------
        rms : float, optional
            Noise, Jy/beam; default that of `sky`.
        sky : Sky, optional
            Beam, WCS, header, noise; ``Sky.like(cutout)`` takes those of a real image.
        peak_snr : float or sequence of float, optional
            Peak asked of the objects, in units of the rms: one for all, or one an object in the order of
            `radiff.masks.mask_to_objects`.
        flux : float or sequence of float, optional
            Integrated flux that the objects are brought to, Jy, likewise.
        backdrop : Backdrop, optional
            Background image: ``Backdrop.of(image, mask)``.
        options
            As in `iterate`.
        """
        pixels = read_mask(mask) if isinstance(mask, str | os.PathLike) else np.asarray(mask)
        sky = sky or Sky()
        if rms is not None:
            sky = replace(sky, rms=rms)
        objects = mask_to_objects(check_mask(pixels))
        asked = [None if v is None else one_each(v, len(objects)) for v in (peak_snr, flux)]
        return self.generate(
            [pixels],
            [seed],
            sky=sky,
            peaks=asked[:1],
            fluxes=asked[1:],
            backdrops=[backdrop],
            objects=[objects],
            **options,
        )[0]

    def generate(self, masks: Sequence[NDArray[Any]], seeds: Sequence[int], **options: Any) -> list[Cutout]:
        """All of `iterate` in a list."""
        return list(self.iterate(masks, seeds, **options))

    def iterate(
        self,
        masks: Sequence[NDArray[Any]],
        seeds: Sequence[int],
        sky: Sky | Sequence[Sky] | None = None,
        peaks: Sequence[Sequence[float] | None] | None = None,
        fluxes: Sequence[Sequence[float] | None] | None = None,
        backdrops: Sequence[Backdrop | BackdropFile | None] | None = None,
        beams: Sequence[float | None] | None = None,
        objects: Sequence[Sequence[SourceObject] | None] | None = None,
        noise: NoiseSpectrum | Sequence[NoiseSpectrum | None] | str | os.PathLike[str] | None = None,
        edges: Sequence[float | None] | None = None,
        exact: bool = False,
        batch_size: int = 8,
        unconditional: bool = False,
        on_step: Callable[[], None] | None = None,
        **sampling: Any,
    ) -> Iterator[Cutout]:
        """Generate one cutout a mask, batch by batch, in order.

        Parameters
        ----------
        masks : sequence of (ny, nx) integer arrays
            Class values; any sizes, sides a multiple of the compression factor (4) from 64 to 2048 pixels. Fields
            larger than 128 pixels are made by overlapping windows, blended at every step.
        seeds : sequence of int
            One a mask: the same seed and mask give the same image at any batch size (to a small part of the rms, see
            docs/conventions.md; byte for byte at equal batch shape).
        sky : Sky or sequence of Sky
            Rms, beam, WCS, header; one for all or one a mask.
        peaks : sequence of sequences of float or None
            Peak asked of each object of each mask, in units of the rms; 0 or None: as the network finds likely.
        fluxes : sequence of sequences of float or None
            Integrated flux that each object is brought to after sampling, Jy; 0 or None: left as it is.
        backdrops : sequence of Backdrop, BackdropFile or None
            Background image of each; None: noise as the network finds likely.
        beams : sequence of float or None
            Beam FWHM in pixels; default: that of the sky, 0: not asked.
        objects : sequence of sequences of SourceObject, optional
            Objects of each mask, where it has some that touch; default: its connected parts.
        noise : NoiseSpectrum, sequence of NoiseSpectrum or None, or str or path
            Spectrum of the noise, or a word or file that ``--noise`` takes, brought to each image's beam; None: its
            seed draws one from the bank in the box, of the survey that its header names where the bank has it. For
            weights with the sky prior.
        edges : sequence of float or None
            Isophote at which each mask was drawn, in units of the rms (3 for those of `radiff annotate`): the pixels
            of objects are held above it, those around them below. 0 or None: the mask's edges mean none.
        exact : bool
            Bring each object whose peak is asked to exactly that peak after sampling (`bring_to_flux`).
        unconditional : bool
            Drop the mask; its shape alone counts.
        **sampling
            Fields of `Sampling` (``num_steps``, ``sampler``, ``guidance``, ``steer_peaks``, ``keep_noise``, ...);
            default: those of the weights.

        Yields
        ------
        Cutout
            Jy/beam. Its ``rms`` is the noise measured outside the mask.

        Raises
        ------
        InputError
            At the call, before anything is made: where the weights have no denoiser, a mask has an unknown class or a
            size that does not fit, counts differ, an option is not known, a noise spectrum is given to weights that
            start from white noise, or a beam is asked for that the weights do not know. Later: where a background
            cannot be read.

        Warns
        -----
        UserWarning
            Where the weights' scaling has no inverse, so that fluxes mean nothing; where a background is given to
            weights that know none.
        """
        if self.denoiser is None:
            raise InputError("has no denoiser, only an autoencoder; run 'radiff train denoiser'", self.folder)
        chosen = self.choose_sampling(sampling)
        checked = [self.check_mask(mask, index) for index, mask in enumerate(masks)]
        if isinstance(noise, str | os.PathLike):  # what --noise takes
            source = open_noise(os.fspath(noise))
            noise = [source.draw(check_seed(seed)) for seed in seeds]
        jobs = make_jobs(checked, seeds, sky, peaks, fluxes, backdrops, beams, objects, noise, edges)
        self._check(jobs)
        return self._iterate(jobs, chosen, exact, batch_size, unconditional, on_step)

    @property
    def knows_backgrounds(self) -> bool:
        """Whether a background image changes what is generated."""
        return self.prior == "sky" or bool(self.denoiser.config.context)

    def _check(self, jobs: Sequence[Job]) -> None:
        """Refuse, or warn of, what these weights cannot do."""
        if not self.scaling.invertible:
            text = f"the scaling {self.scaling.name!r} of these weights has no inverse: the images have no flux scale"
            warnings.warn(text, stacklevel=3)
        for job in jobs:
            check_beam(job)
        if self.prior == "white" and any(job.noise is not None for job in jobs):
            text = "start from white noise and know no noise spectrum; leave out --noise, or use the weights in the box"
            raise InputError(f"these weights {text}", self.folder)
        if any(job.backdrop is not None for job in jobs) and not self.knows_backgrounds:
            warnings.warn("these weights know no background condition; the background is not used", stacklevel=3)

    def _iterate(
        self,
        jobs: list[Job],
        sampling: Sampling,
        exact: bool,
        batch_size: int,
        unconditional: bool,
        on_step: Callable[[], None] | None,
    ) -> Iterator[Cutout]:
        for chosen in batches([job.mask.shape for job in jobs], batch_size):
            batch = [jobs[k].load() for k in chosen]
            snr = self.draw(batch, sampling, batch_size, unconditional, on_step)
            for image, job in zip(snr, batch, strict=True):
                one = replace(job, mask=np.zeros_like(job.mask)) if unconditional else job
                yield self._finish(image, one, sampling, exact, unconditional)

    def made_with(self, exact: bool = False, unconditional: bool = False, **sampling: Any) -> dict[str, Any]:
        """What images of these options say of themselves in their provenance, whatever they show.

        With `radiff.generate.jobs.Job.digest`, which stands there as ``asked``, that is all an image depends on.
        """
        return self._made_with(self.choose_sampling(sampling), exact, unconditional)

    def _made_with(self, sampling: Sampling, exact: bool, bare: bool) -> dict[str, Any]:
        return {
            "generator": "radiff",
            "weights_sha256": self._digest(),
            "prior": self.prior,
            **asdict(sampling),
            "fine_beams": sampling.guidance == Guidance(),
            "unconditional": bare,
            "exact": exact,
            "precision": self.precision,
            "backend": self.backend,
        }

    # -- steps -------------------------------------------------------------------------------------------------------

    def check_mask(self, mask: NDArray[Any], index: int | None = None) -> NDArray[np.uint8]:
        """The mask as uint8; an `InputError` where its classes or its size do not fit these weights.

        `index` is the mask's number, for the message, where several were given.
        """
        checked = check_mask(mask)
        factor = self.autoencoder.config.factor
        low, high = SIZES
        if any(n % factor or not low <= n <= high for n in checked.shape):
            (ny, nx), which = checked.shape, "the mask" if index is None else f"mask {index}"
            raise InputError(
                f"{which} has {nx} x {ny} pixels; sides must be multiples of {factor} from {low} to {high}: "
                "pad or cut it"
            )
        return checked

    def _finish(self, snr: NDArray[np.float32], job: Job, sampling: Sampling, exact: bool, bare: bool) -> Cutout:
        """Signal-to-noise to Jy/beam.

        Weights with the sky prior draw noise of rms 1; for white ones the noise measured outside the objects becomes
        the rms asked for, and with a background its level and noise those of the background on the same pixels.
        """
        sky = job.sky
        if not np.isfinite(snr).all():
            raise InputError(
                f"the image of seed {job.seed} is not finite after {sampling.num_steps} steps of {sampling.sampler!r}; "
                "take more steps, another sampler or weights that were trained longer"
            )
        (level, noise), (wanted_level, wanted_noise), measured = noises(snr, job)
        image = snr if self.prior == "sky" else (snr - level) * (wanted_noise / noise) + wanted_level
        if exact and job.peaks is not None and not bare:
            image = bring_to_flux(image, job.objects, job.peaks, "peak")
        image = image * sky.rms
        if job.fluxes is not None and not bare:
            image = bring_to_flux(image, job.objects, job.fluxes, "integrated", sky.beam.area_pixels(sky.pixel_scale))
        image = image + sky.background
        provenance = {
            **self._made_with(sampling, exact, bare),
            "weights": self.folder.name,
            "seed": job.seed,
            "asked": job.digest(),
            "beam_pixels": round(job.beam, 4),
            "background": job.backdrop.mode if isinstance(job.backdrop, Backdrop) else "none",
            "background_image": job.backdrop.name if isinstance(job.backdrop, Backdrop) else "",
            "noise": self._noise_name(job),
            "peaks_exact": exact and job.peaks is not None and not bare,
            "rms_asked": sky.rms,
            "noise_before": float(noise),
            "noise_measured": measured,
            "flux_scale": "Jy/beam" if self.scaling.invertible else "none: the scaling has no inverse",
        }
        header = sky.header.copy()
        wcs = sky.make_wcs((snr.shape[0], snr.shape[1]))
        return Cutout(image, wcs, sky.beam, "Jy/beam", sky.rms, sky.background, header, provenance)

    def _noise_name(self, job: Job) -> str:
        """Where the noise of an image is from."""
        if self.prior != "sky":
            return "white"
        if isinstance(job.backdrop, Backdrop):
            return f"background {job.backdrop.name}".strip()
        return (job.noise or from_bank(job.seed, survey_of(job))).origin

    def _digest(self) -> str:
        """The first sha256 of the denoiser's weights, to know them again."""
        files = self.manifest["files"]
        return next((v for k, v in files.items() if k.startswith("denoiser/model")), "")[:16]

    @torch.inference_mode()
    def reconstruct(self, image: NDArray[Any], background: float, rms: float) -> NDArray[np.float32]:
        """One image (ny, nx), Jy/beam, through the autoencoder and back, Jy/beam.

        Raises
        ------
        InputError
            Where its sides are no multiples of the compression factor, or the scaling has no inverse.
        """
        factor = self.autoencoder.config.factor
        ny, nx = np.shape(image)
        if ny % factor or nx % factor:
            raise InputError(f"an image of {nx} x {ny} pixels; sides must be multiples of {factor}: cut it")
        scaled = torch.from_numpy(self.scaling.forward(image, background, rms))[None, None].to(self.device)
        rebuilt = self.decode(self.encode(scaled))[0, 0].float().cpu().numpy()
        return self.scaling.inverse(rebuilt, background, rms)


def check_beam(job: Job) -> None:
    """Refuse a beam that the weights were not trained on.

    Raises
    ------
    InputError
        Where it is too narrow or too wide in pixels, or too long.
    """
    if job.beam == 0 or job.shape is None:
        return
    low, high = BEAMS
    if not 0.95 * low <= job.beam <= 1.05 * high:
        what = "smaller" if job.beam < low else "larger"
        raise InputError(
            f"a beam of {job.beam:.3g} pixels is asked for; the weights know beams of {low:g} to {high:g} pixels: "
            f"choose {what} pixels, or regrid the mask"
        )
    maj, minor = Beam.from_covariance(job.shape, 1.0).fwhm_pixels(1.0)
    if minor < 0.97 * LEAST_RATIO * maj:
        raise InputError(
            f"a beam of {maj:.3g} x {minor:.3g} pixels is asked for; the weights know axis ratios from "
            f"{LEAST_RATIO:g}: draw at a rounder beam, and convolve"
        )
