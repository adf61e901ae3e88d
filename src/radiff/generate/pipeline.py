"""Masks in, calibrated cutouts out: the pipeline. Knows no training.

For every mask: noise from its seed -> latents (denoiser, steered by its conditions) -> scaled image (autoencoder) ->
signal-to-noise (inverse scaling) -> Jy/beam at the rms asked for, with WCS, beam and provenance.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from radiff.data.background import BackgroundImage
from radiff.data.observation import Observation
from radiff.data.spec import COLUMNS, FORMER, ImageGenerator, ImageSpec, make_specs
from radiff.errors import InputError
from radiff.generate.denoising import Guidance
from radiff.generate.flux import rescale_fluxes
from radiff.generate.networks import Networks, noises
from radiff.generate.noise import measure_noise
from radiff.generate.options import GenerateOptions
from radiff.generate.prior import from_bank
from radiff.masks import check_mask, mask_to_objects, read_mask
from radiff.parallel import track
from radiff.sky import Beam, Cutout

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
    >>> cutouts = generator.generate(masks, seeds=range(len(masks)), observation=Observation(rms=2e-4))
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
        peak_snr: float | Sequence[float] | None = None,
        flux: float | Sequence[float] | None = None,
        **given: Any,
    ) -> Cutout:
        """One mask, (ny, nx) or a file of any format `radiff.read_mask` reads, to one cutout.

        Parameters
        ----------
        rms : float, optional
            Noise, Jy/beam; default that of `observation`.
        peak_snr : float or sequence of float, optional
            Peak asked of the objects, in units of the rms: one for all, or one an object in the order of
            `radiff.masks.mask_to_objects`.
        flux : float or sequence of float, optional
            Integrated flux that the objects are brought to, Jy, likewise.
        **given
            Attributes of `ImageSpec` and options of `GenerateOptions`: ``observation`` (beam, WCS, header, noise;
            ``Observation.like(cutout)`` takes those of a real image), ``background`` (``BackgroundImage.of(image,
            mask)``), ``noise``, ``num_steps``, ``guidance``, ...
        """
        pixels = check_mask(read_mask(mask) if isinstance(mask, str | os.PathLike) else np.asarray(mask))
        given = {FORMER.get(name, name): value for name, value in given.items()}
        if rms is not None:
            given["observation"] = replace(given.get("observation") or Observation(), rms=rms)
        columns: dict[str, Any] = {
            name: [given.pop(key)] for name, key in COLUMNS.items() if name != "noise" and key in given
        }
        columns["objects"] = columns.get("objects") or [mask_to_objects(pixels)]
        for name, value in (("peaks", peak_snr), ("fluxes", flux)):
            if value is not None:
                columns[name] = [one_each(value, len(columns["objects"][0]))]
        return self.generate([pixels], [seed], **columns, **given)[0]

    def generate(
        self,
        masks: Sequence[NDArray[Any]],
        seeds: Sequence[int],
        on_step: Callable[[], None] | None = None,
        **given: Any,
    ) -> list[Cutout]:
        """One cutout a mask.

        Parameters
        ----------
        masks : sequence of (ny, nx) integer arrays
            Class values; any sizes, sides a multiple of the compression factor (4) from 64 to 2048 pixels. Fields
            larger than 128 pixels are made by overlapping windows, blended at every step.
        seeds : sequence of int
            One a mask: the same seed and mask give the same image at any batch size (to a small part of the rms, see
            docs/conventions.md; byte for byte at equal batch shape).
        on_step : callable, optional
            Called after every step of a sampler.
        **given
            Columns with one value a mask, as of `make_specs` (``observation``, ``peaks``, ``fluxes``, ``backgrounds``,
            ``beams``, ``objects``, ``noise``, ``isophotes``), and fields of `GenerateOptions` (``num_steps``,
            ``sampler``, ``guidance``, ``rescale_peaks``, ``unconditional``, ``batch_size``, ...); default: those of
            the weights.

        Raises
        ------
        InputError
            As `iterate`; where counts differ, or an option is not known.
        """
        given = {FORMER.get(name, name): value for name, value in given.items()}
        columns = {name: given.pop(name) for name in COLUMNS if name in given}
        options = self.options(**given)
        return list(self.iterate(make_specs(masks, seeds, **columns), options, on_step))

    def iterate(
        self,
        specs: Iterable[ImageSpec],
        options: GenerateOptions | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> Iterator[Cutout]:
        """Generate one cutout a specification, batch by batch, in order.

        Parameters
        ----------
        options : GenerateOptions, optional
            As `Networks.options` gives them; default: those of the weights.

        Yields
        ------
        Cutout
            Jy/beam. Its ``rms`` is the noise measured outside the mask.

        Raises
        ------
        InputError
            At the call, before anything is made: where the weights have no denoiser, or one of `specs` is none that
            these weights can make (`check`). Later: where a background cannot be read.

        Warns
        -----
        UserWarning
            Where the weights' scaling has no inverse, so that fluxes mean nothing; where a background is given to
            weights that know none.
        """
        if self.denoiser is None:
            raise InputError("has no denoiser, only an autoencoder; run 'radiff train denoiser'", self.folder)
        if not self.scaling.invertible:
            text = f"the scaling {self.scaling.name!r} of these weights has no inverse: the images have no flux scale"
            warnings.warn(text, stacklevel=2)
        specs = list(specs)
        for number, spec in enumerate(specs):
            self.check(spec, f"mask {number}" if len(specs) > 1 else "the mask")
        if any(spec.background is not None for spec in specs) and not self.knows_backgrounds:
            warnings.warn("these weights know no background condition; the background is not used", stacklevel=2)
        return self._iterate(specs, options or self.options(), on_step)

    def images(self, options: GenerateOptions | None = None) -> ImageGenerator:
        """Specifications to images (ny, nx) in Jy/beam about the level 0, as checks, tables and stamps take them."""

        def generate(specs: Sequence[ImageSpec]) -> Iterator[NDArray[np.floating]]:
            for cutout in track(self.iterate(specs, options), "generating", len(specs)):
                yield cutout.image - cutout.background

        return generate

    def check(self, spec: ImageSpec, name: str = "the mask") -> None:
        """Refuse what these weights cannot make; `name` is the mask's in the message.

        Raises
        ------
        InputError
            Where the mask has an unknown class or a size that does not fit, counts differ, a noise spectrum is given
            to weights that start from white noise, or a beam is asked for that the weights do not know.
        """
        self.check_mask(spec.mask, name)
        for what, each in (("peaks", spec.peaks), ("fluxes", spec.fluxes)):
            if each is not None and len(each) != len(spec.objects):
                text = f"{len(each)} {what} for the {len(spec.objects)} objects of {name}; give one an object"
                raise InputError(text)
        check_beam(spec)
        if self.prior == "white" and spec.noise is not None:
            text = "start from white noise and know no noise spectrum; leave out --noise, or use the weights in the box"
            raise InputError(f"these weights {text}", self.folder)

    @property
    def knows_backgrounds(self) -> bool:
        """Whether a background image changes what is generated."""
        return self.prior == "sky" or bool(self.denoiser.config.context)

    def _iterate(
        self, specs: Iterable[ImageSpec], options: GenerateOptions, on_step: Callable[[], None] | None
    ) -> Iterator[Cutout]:
        for batch in batches(specs, options.batch_size):
            loaded = [spec.load() for spec in batch]
            for image, spec in zip(self.draw(loaded, options, on_step), loaded, strict=True):
                one = replace(spec, mask=np.zeros_like(spec.mask)) if options.unconditional else spec
                yield self._finish(image, one, options)

    def made_with(self, options: GenerateOptions) -> dict[str, Any]:
        """What images of these options say of themselves in their provenance, whatever they show.

        With `ImageSpec.digest`, which stands there as ``asked``, that is all an image depends on.
        """
        told = {name: value for name, value in asdict(options).items() if name != "batch_size"}
        return {
            "generator": "radiff",
            "weights_sha256": self._digest(),
            "prior": self.prior,
            **told,
            "fine_beams": options.guidance == Guidance(),
            "precision": self.precision,
            "backend": self.backend,
        }

    # -- steps -------------------------------------------------------------------------------------------------------

    def check_mask(self, mask: NDArray[Any], name: str = "the mask") -> NDArray[np.uint8]:
        """The mask as uint8; an `InputError` where its classes or its size do not fit these weights."""
        checked = check_mask(mask)
        factor = self.autoencoder.config.factor
        low, high = SIZES
        if any(n % factor or not low <= n <= high for n in checked.shape):
            ny, nx = checked.shape
            raise InputError(
                f"{name} has {nx} x {ny} pixels; sides must be multiples of {factor} from {low} to {high}: "
                "pad or cut it"
            )
        return checked

    def _finish(self, snr: NDArray[np.float32], spec: ImageSpec, options: GenerateOptions) -> Cutout:
        """Signal-to-noise to Jy/beam.

        Weights with the sky prior draw noise of rms 1; for white ones the noise measured outside the objects becomes
        the rms asked for, and with a background its level and noise those of the background on the same pixels.
        """
        sky, objects = spec.observation, spec.objects
        if not np.isfinite(snr).all():
            raise InputError(
                f"the image of seed {spec.seed} is not finite after {options.num_steps} steps of {options.sampler!r}; "
                "take more steps, another sampler or weights that were trained longer"
            )
        if self.prior == "sky":
            image, (_, noise, measured) = snr, measure_noise(snr, spec.mask)
        else:
            (level, noise), (wanted_level, wanted_noise), measured = noises(snr, spec)
            image = (snr - level) * (wanted_noise / noise) + wanted_level
        rescaled = options.rescale_peaks and spec.peaks is not None and not options.unconditional
        if rescaled and spec.peaks is not None:
            image = rescale_fluxes(image, objects, spec.peaks, "peak")
        image = image * sky.rms
        if spec.fluxes is not None and not options.unconditional:
            image = rescale_fluxes(image, objects, spec.fluxes, "integrated", sky.beam.area_pixels(sky.pixel_scale))
        image = image + sky.background
        shown = spec.background if isinstance(spec.background, BackgroundImage) else None
        provenance = {
            **self.made_with(options),
            "weights": self.folder.name,
            "seed": spec.seed,
            "asked": spec.digest(),
            "beam_pixels": round(spec.beam_pixels, 4),
            "background": "none" if shown is None else shown.mode,
            "background_image": "" if shown is None else shown.name,
            "noise": self._noise_name(spec),
            "peaks_rescaled": rescaled,
            "rms_asked": sky.rms,
            "noise_before": float(noise),
            "noise_measured": measured,
            "flux_scale": "Jy/beam" if self.scaling.invertible else "none: the scaling has no inverse",
        }
        return Cutout(
            image, sky.make_wcs(spec.shape), sky.beam, "Jy/beam", sky.rms, sky.background, sky.header.copy(), provenance
        )

    def _noise_name(self, spec: ImageSpec) -> str:
        """Where the noise of an image is from."""
        if self.prior != "sky":
            return "white"
        if isinstance(spec.background, BackgroundImage):
            return f"background {spec.background.name}".strip()
        return (spec.noise or from_bank(spec.seed, spec.survey)).origin

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


def check_beam(spec: ImageSpec) -> None:
    """Refuse a beam that the weights were not trained on.

    Raises
    ------
    InputError
        Where it is too narrow or too wide in pixels, or too long.
    """
    beam, shape = spec.beam_pixels, spec.beam_shape
    if beam == 0 or shape is None:
        return
    low, high = BEAMS
    if not 0.95 * low <= beam <= 1.05 * high:
        what = "smaller" if beam < low else "larger"
        raise InputError(
            f"a beam of {beam:.3g} pixels is asked for; the weights know beams of {low:g} to {high:g} pixels: "
            f"choose {what} pixels, or regrid the mask"
        )
    maj, minor = Beam.from_covariance(shape, 1.0).fwhm_pixels(1.0)
    if minor < 0.97 * LEAST_RATIO * maj:
        raise InputError(
            f"a beam of {maj:.3g} x {minor:.3g} pixels is asked for; the weights know axis ratios from "
            f"{LEAST_RATIO:g}: draw at a rounder beam, and convolve"
        )


def batches(specs: Iterable[ImageSpec], batch_size: int) -> Iterator[list[ImageSpec]]:
    """Neighbours of one shape, at most `batch_size` together."""
    batch: list[ImageSpec] = []
    for spec in specs:
        if batch and (batch[0].shape != spec.shape or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(spec)
    if batch:
        yield batch


def one_each(value: float | Sequence[float], count: int) -> list[float]:
    """One number for all of `count` objects, or one each."""
    values = np.asarray(value, dtype=float)
    return [float(values)] * count if values.ndim == 0 else list(map(float, values))
