"""Masks in, calibrated cutouts out: the pipeline. Knows no training.

For every mask: noise from its seed -> latents (denoiser, guided) -> scaled image (autoencoder) -> signal-to-noise
(inverse scaling) -> Jy/beam at the rms asked for, with WCS, beam and provenance.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from radiff.data.pack import peak_code
from radiff.data.scaling import make_scaling
from radiff.diffusion.objectives import DiffusionConfig
from radiff.diffusion.sampling import SAMPLERS, initial_noise, make_scheduler, sample
from radiff.errors import InputError
from radiff.generate.sky import Sky, measure_noise, peaks_image
from radiff.masks import check_mask, read_mask
from radiff.models.denoiser import condition_planes
from radiff.models.io import find_weights, load_autoencoder, load_denoiser, read_manifest
from radiff.sky import Cutout

SIZES = (64, 512)


@dataclass(frozen=True)
class Sampling:
    """How latents are sampled.

    Attributes
    ----------
    sampler : str
    num_steps : int
    guidance_scale : float
        1 follows the mask as trained; above 1 more strictly (classifier-free guidance); twice the time.
    """

    sampler: str
    num_steps: int
    guidance_scale: float


class Generator:
    """Makes radio images from masks with trained weights.

    Examples
    --------
    >>> generator = Generator.from_pretrained()
    >>> cutout = generator(mask, seed=1)              # one mask (ny, nx) to one `Cutout`
    >>> cutouts = generator.generate(masks, seeds=range(len(masks)), sky=Sky(rms=2e-4))
    """

    def __init__(self, folder: str | os.PathLike[str], device: str = "auto") -> None:
        self.folder = find_weights(folder)
        self.manifest = read_manifest(self.folder)
        self.device = _device(device)
        layout = {"memory_format": torch.channels_last}
        self.autoencoder = load_autoencoder(self.folder).to(self.device, **layout)  # type: ignore[call-overload]
        self.denoiser = None
        if (self.folder / "denoiser").is_dir():
            self.denoiser = load_denoiser(self.folder).to(self.device, **layout)  # type: ignore[call-overload]
        try:
            self.scaling = make_scaling(**self.manifest["scaling"])
            self.diffusion = DiffusionConfig(**self.manifest.get("diffusion", {}))
            defaults = {"sampler": SAMPLERS[self.diffusion.objective][0], "num_steps": 20, "guidance_scale": 1.0}
            self.defaults = Sampling(**(defaults | self.manifest.get("sampling", {})))
        except (KeyError, TypeError, ValueError) as error:
            text = f"its radiff.json is not of this version of radiff ({error}); copy the folder again or update radiff"
            raise InputError(text, self.folder) from error

    @classmethod
    def from_pretrained(cls, weights: str | os.PathLike[str] = "default", device: str = "auto") -> "Generator":
        """Load weights: a folder, ``default`` (in the package) or a hub id.

        Raises
        ------
        InputError
            Where the weights are missing, altered or of another format.
        """
        return cls(weights, device)

    def __call__(
        self,
        mask: ArrayLike | str | os.PathLike[str],
        seed: int = 0,
        rms: float | None = None,
        sky: Sky | None = None,
        peak_snr: float | Sequence[float] | None = None,
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
            Peak asked of the objects, in units of the rms: see `peaks_image`.
        options
            As in `iterate`.
        """
        pixels = read_mask(mask) if isinstance(mask, str | os.PathLike) else np.asarray(mask)
        sky = sky or Sky()
        if rms is not None:
            sky = replace(sky, rms=rms)
        peaks = None if peak_snr is None else [peaks_image(check_mask(pixels), peak_snr)]
        return self.generate([pixels], [seed], sky=sky, peaks=peaks, **options)[0]

    def generate(self, masks: Sequence[NDArray[Any]], seeds: Sequence[int], **options: Any) -> list[Cutout]:
        """All of `iterate` in a list."""
        return list(self.iterate(masks, seeds, **options))

    def iterate(
        self,
        masks: Sequence[NDArray[Any]],
        seeds: Sequence[int],
        sky: Sky | Sequence[Sky] | None = None,
        peaks: Sequence[NDArray[Any] | None] | None = None,
        sampler: str | None = None,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        batch_size: int = 8,
        unconditional: bool = False,
        on_step: Callable[[], None] | None = None,
    ) -> Iterator[Cutout]:
        """Generate one cutout a mask, batch by batch, in order.

        Parameters
        ----------
        masks : sequence of (ny, nx) integer arrays
            Class values; any sizes, sides a multiple of the compression factor (4) from 64 to 512 pixels.
        seeds : sequence of int
            One a mask: the same seed and mask give the same image at any batch size (to about 1e-4 of the rms on a
            CPU; byte for byte at equal batch shape).
        sky : Sky or sequence of Sky
            Rms, beam, WCS, header; one for all or one a mask.
        peaks : sequence of (ny, nx) arrays or None
            Peak asked of the object at each pixel, in units of the rms; 0 or None: as the network finds likely.
        sampler, num_steps, guidance_scale
            Default: those of the weights.
        unconditional : bool
            Drop the mask; its shape alone counts.

        Yields
        ------
        Cutout
            Jy/beam. Its ``rms`` is the noise measured outside the mask.

        Raises
        ------
        InputError
            At the call, before anything is made: where the weights have no denoiser, a mask has an unknown class or a
            size that does not fit, counts differ, or an option is not known.

        Warns
        -----
        UserWarning
            Where the weights' scaling has no inverse, so that fluxes mean nothing.
        """
        if self.denoiser is None:
            raise InputError("has no denoiser, only an autoencoder; run 'radiff train denoiser'", self.folder)
        sampling = self._sampling(sampler, num_steps, guidance_scale)
        checked = [self.check_mask(mask, index) for index, mask in enumerate(masks)]
        numbers = [int(seed) for seed in seeds]
        skies = [sky or Sky()] * len(checked) if sky is None or isinstance(sky, Sky) else list(sky)
        asked: list[NDArray[Any] | None] = list(peaks) if peaks is not None else [None] * len(checked)
        for name, given in (("seeds", numbers), ("skies", skies), ("peaks", asked)):
            if len(given) != len(checked):
                raise InputError(f"{len(given)} {name} for {len(checked)} masks; give one a mask")
        for k, (mask, peak) in enumerate(zip(checked, asked, strict=True)):
            if peak is not None and np.shape(peak) != mask.shape:
                raise InputError(f"the peaks of mask {k} have the shape {np.shape(peak)}, the mask has {mask.shape}")
        if not self.scaling.invertible:
            text = f"the scaling {self.scaling.name!r} of these weights has no inverse: the images have no flux scale"
            warnings.warn(text, stacklevel=2)
        return self._iterate(checked, numbers, skies, asked, sampling, batch_size, unconditional, on_step)

    def _iterate(
        self,
        masks: list[NDArray[np.uint8]],
        seeds: list[int],
        skies: list[Sky],
        peaks: list[NDArray[Any] | None],
        sampling: Sampling,
        batch_size: int,
        unconditional: bool,
        on_step: Callable[[], None] | None,
    ) -> Iterator[Cutout]:
        for chosen in _batches([m.shape for m in masks], batch_size):
            snr = self._sample([masks[k] for k in chosen], [seeds[k] for k in chosen], [peaks[k] for k in chosen],
                               sampling, unconditional, on_step)  # fmt: skip
            for image, k in zip(snr, chosen, strict=True):
                mask = np.zeros_like(masks[k]) if unconditional else masks[k]
                yield self._finish(image, mask, skies[k], seeds[k], sampling, unconditional)

    # -- steps -------------------------------------------------------------------------------------------------------

    def _sampling(self, sampler: str | None, num_steps: int | None, guidance_scale: float | None) -> Sampling:
        default = self.defaults
        chosen = Sampling(
            sampler or default.sampler,
            default.num_steps if num_steps is None else num_steps,
            default.guidance_scale if guidance_scale is None else guidance_scale,
        )
        known = SAMPLERS[self.diffusion.objective]
        if chosen.sampler not in known:
            raise InputError(f"{chosen.sampler!r} is no sampler of these weights; there are: {', '.join(known)}")
        most = self.diffusion.num_train_steps
        if not 1 <= chosen.num_steps <= most:
            raise InputError(f"num_steps is {chosen.num_steps}; it must be from 1 to {most}")
        if not 0 <= chosen.guidance_scale < np.inf:
            raise InputError(f"guidance_scale is {chosen.guidance_scale}; it must be 0 or more")
        return chosen

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

    @torch.inference_mode()
    def _sample(
        self,
        masks: list[NDArray[np.uint8]],
        seeds: list[int],
        peaks: list[NDArray[Any] | None],
        sampling: Sampling,
        unconditional: bool,
        on_step: Callable[[], None] | None,
    ) -> NDArray[np.float32]:
        """Signal-to-noise images (batch, ny, nx) of one size."""
        denoiser, factor = self.denoiser, self.autoencoder.config.factor
        assert denoiser is not None  # `iterate` looks
        codes = np.stack([np.zeros(m.shape) if p is None else peak_code(p) for m, p in zip(masks, peaks, strict=True)])
        mask_tensor = torch.from_numpy(np.stack(masks).astype(np.int64)).to(self.device)
        code_tensor = torch.from_numpy(codes.astype(np.float32)).to(self.device)
        full = condition_planes(mask_tensor, code_tensor, factor)
        empty = torch.zeros_like(full)
        planes = empty if unconditional else full
        scale = 1.0 if unconditional else sampling.guidance_scale

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            if scale == 1.0:
                return denoiser(x, t, planes)
            both = denoiser(torch.cat([x, x]), torch.cat([t, t]), torch.cat([planes, empty]))  # guidance in one batch
            with_mask, without = both.chunk(2)
            return without + scale * (with_mask - without)

        shape = (self.autoencoder.config.latent_channels, *full.shape[-2:])
        noise, generators = initial_noise(seeds, shape)
        scheduler = make_scheduler(self.diffusion, sampling.sampler)
        latents = sample(denoise, noise.to(self.device), scheduler, sampling.num_steps, generators, on_step)
        scaled = self.autoencoder.decode(latents)[:, 0].float().cpu().numpy()
        with np.errstate(over="ignore"):  # `_finish` looks
            return self.scaling.inverse(scaled, 0.0, 1.0) if self.scaling.invertible else scaled

    def _finish(
        self,
        snr: NDArray[np.float32],
        mask: NDArray[np.uint8],
        sky: Sky,
        seed: int,
        sampling: Sampling,
        unconditional: bool,
    ) -> Cutout:
        """Signal-to-noise to Jy/beam: the noise measured outside the objects becomes the rms asked for."""
        if not np.isfinite(snr).all():
            raise InputError(
                f"the image of seed {seed} is not finite after {sampling.num_steps} steps of {sampling.sampler!r}; "
                "take more steps, another sampler or weights that were trained longer"
            )
        level, noise, measured = measure_noise(snr, mask)
        image = (snr - level) / noise * sky.rms + sky.background
        provenance = {
            "generator": "radiff",
            "weights": self.folder.name,
            "weights_sha256": self._digest(),
            "seed": seed,
            "sampler": sampling.sampler,
            "num_steps": sampling.num_steps,
            "guidance_scale": sampling.guidance_scale,
            "unconditional": unconditional,
            "rms_asked": sky.rms,
            "noise_before": float(noise),
            "noise_measured": measured,
            "flux_scale": "Jy/beam" if self.scaling.invertible else "none: the scaling has no inverse",
        }
        header = sky.header.copy()
        wcs = sky.make_wcs((snr.shape[0], snr.shape[1]))
        return Cutout(image, wcs, sky.beam, "Jy/beam", sky.rms, sky.background, header, provenance)

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
        rebuilt = self.autoencoder.decode(self.autoencoder.encode(scaled))[0, 0].float().cpu().numpy()
        return self.scaling.inverse(rebuilt, background, rms)


def _device(name: str) -> torch.device:
    """The torch device called `name`: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and not re.fullmatch(r"cuda(:\d+)?", name):
        raise InputError(f"{name!r} is no device; there are: auto, cpu, cuda")
    if name != "cpu" and not torch.cuda.is_available():
        raise InputError("this machine shows no CUDA GPU to torch; use the device 'cpu'")
    return torch.device(name)


def _batches(shapes: list[tuple[int, int]], batch_size: int) -> Iterator[list[int]]:
    """Neighbouring indices of one shape, at most `batch_size` together."""
    batch: list[int] = []
    for index, shape in enumerate(shapes):
        if batch and (shapes[batch[0]] != shape or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
