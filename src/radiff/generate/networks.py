"""Image specifications to signal-to-noise images by the networks of a weights folder. Knows no units and no files."""

import os
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radiff.data.background import BackgroundImage
from radiff.data.pack import peak_code
from radiff.data.scaling import make_scaling
from radiff.data.spec import ImageSpec
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, Steps, initial_noise, null_response, sample
from radiff.errors import InputError
from radiff.generate.denoising import Guidance, make_denoiser, peak_projected
from radiff.generate.noise import measure_noise
from radiff.generate.options import FORMER, GenerateOptions
from radiff.generate.peak_projection import PeakProjection
from radiff.generate.regions import Region, whole
from radiff.generate.sky_drawing import draw_sky
from radiff.generate.windows import Window, peaks_image
from radiff.models.conditions import Conditions, condition_planes, noise_augmented, shape_code
from radiff.models.io import find_weights, load_autoencoder, load_denoiser, read_manifest
from radiff.models.openvino import OpenVinoDenoiser, choose_backend
from radiff.models.precision import choose_precision, find_device
from radiff.models.tiles import tiled

DECODED = (64, 12)
"""Latent pixels of a tile that is decoded at a time, and of the margin that it needs on each side."""
LAYOUT: Any = {"memory_format": torch.channels_last}


class Networks:
    """The networks of a weights folder, on a device.

    Attributes
    ----------
    folder : Path
    manifest : dict
        Its radiff.json.
    device : torch.device
    precision, backend : str
    autoencoder, denoiser : Module
        The denoiser is None where the folder has none.
    scaling : Scaling
    objective : Objective
    defaults : GenerateOptions
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        device: str = "auto",
        precision: str = "auto",
        backend: str = "torch",
    ) -> None:
        self.folder = find_weights(folder)
        self.manifest = read_manifest(self.folder)
        self.device = find_device(device)
        self.precision, self.backend = choose_precision(precision, self.device), backend
        self._load()
        try:
            self.scaling = make_scaling(**self.manifest["scaling"])
            self.objective = Objective(DiffusionConfig(**self.manifest.get("diffusion", {})))
            self.defaults = self._defaults(self.manifest.get("sampling", {}))
        except (KeyError, TypeError, ValueError) as error:
            text = f"its radiff.json is not of this version of radiff ({error}); copy the folder again or update radiff"
            raise InputError(text, self.folder) from error

    def _load(self) -> None:
        """Load the networks; an `InputError` where the backend cannot run them."""
        self.backend = choose_backend(self.backend, self.device)
        dtype = torch.bfloat16 if self.precision == "bf16" and self.backend == "torch" else torch.float32
        self.autoencoder = load_autoencoder(self.folder).to(self.device, **LAYOUT)
        self.denoiser: Any = None
        if (self.folder / "denoiser").is_dir():
            self.denoiser = load_denoiser(self.folder).to(self.device, dtype, **LAYOUT)
            if self.backend == "openvino":
                self.denoiser = OpenVinoDenoiser(self.denoiser, self.precision)

    @property
    def prior(self) -> str:
        """What diffusion starts from: ``sky``, noise of the sky's own spectrum, or ``white``."""
        return str(self.manifest.get("prior", {}).get("name", "white"))

    def _defaults(self, known: dict[str, Any]) -> GenerateOptions:
        """What the weights say of sampling, and our own defaults for the rest."""
        chosen = {FORMER.get(name, name): value for name, value in known.items()}
        return GenerateOptions(**(chosen | {"guidance": Guidance(**known.get("guidance", {}))}))

    def options(self, **given: Any) -> GenerateOptions:
        """The weights' own `GenerateOptions` with what is given in its place; None leaves a field as it is.

        Raises
        ------
        InputError
            Where a name or a sampler is not known, or a value is out of range.
        """
        names = [one.name for one in fields(GenerateOptions)]
        given = {FORMER.get(name, name): value for name, value in given.items() if value is not None}
        for name in given:
            if name not in names:
                raise InputError(f"{name!r} is no option of generating; there are: {', '.join(names)}")
        chosen = replace(self.defaults, **given)
        chosen = replace(chosen, peak_projection=chosen.peak_projection and self.scaling.invertible)
        if chosen.sampler not in SAMPLERS:
            raise InputError(f"{chosen.sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
        if self.prior == "sky" and chosen.sampler == "ddpm":
            raise InputError(
                "'ddpm' adds white noise at every step, and these weights know the noise of the sky; use another"
            )
        return chosen

    def draw(
        self, specs: list[ImageSpec], options: GenerateOptions, on_step: Callable[[], None] | None = None
    ) -> NDArray[np.float32]:
        """Signal-to-noise images (batch, ny, nx) of one size."""
        if self.prior == "sky":
            return draw_sky(self, specs, options, on_step)
        windows = [self.window_of(spec, whole(spec.shape, spec.objects), options) for spec in specs]
        return self.denoise(windows, options, on_step, specs)

    def window_of(self, spec: ImageSpec, region: Region, options: GenerateOptions) -> Window:
        """What the network is asked in a window of an image."""
        own = [spec.objects[k].window(region.y0, region.y1, region.x0, region.x1) for k in region.objects]
        peaks = [0.0 if spec.peaks is None else float(spec.peaks[k]) for k in region.objects]
        held = options.peak_projection and not options.unconditional
        kept = [(one, peak) for one, peak in zip(own, peaks, strict=True) if held and one is not None]
        codes = peaks_image(spec.shape, spec.objects, 0.0 if spec.peaks is None else spec.peaks)[region.slices]
        background = None
        if isinstance(spec.background, BackgroundImage) and (self.prior == "white" or spec.background.mode == "self"):
            background = spec.background.snr[region.slices]
        return Window(
            spec.seed,
            spec.mask[region.slices],
            peak_code(codes).astype(np.float32),
            spec.beam_shape,
            [one for one, _ in kept],
            [peak for _, peak in kept],
            background,
        )

    @torch.inference_mode()
    def denoise(
        self,
        windows: Sequence[Window],
        options: GenerateOptions,
        on_step: Callable[[], None] | None = None,
        specs: Sequence[ImageSpec] | None = None,
    ) -> NDArray[np.float32]:
        """Signal-to-noise images (batch, h, w) of windows of one size.

        Parameters
        ----------
        specs : sequence of ImageSpec, optional
            Where the noise will be brought to another level and rms afterwards (white weights), peaks allow for it.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            noise, generators = self._noise(windows)
            conditions, guidance = self._conditions(windows, options, generators), options.guidance
            fine = guidance == Guidance()
            denoise = make_denoiser(self.denoiser, self.objective, conditions, guidance, options.batch_size, fine)
            if any(any(one.peaks) for one in windows):
                denoise = peak_projected(denoise, self._projection(windows, specs))
            steps = Steps(options.num_steps, self.objective.last_angle, generators, on_step)
            noise = noise.to(self.device, memory_format=torch.channels_last)
            latents = sample(denoise, noise, options.sampler, steps)
            scaled = self.decode(latents)[:, 0].float().cpu().numpy()
        with np.errstate(over="ignore"):  # `_finish` looks
            return self.scaling.inverse(scaled, 0.0, 1.0) if self.scaling.invertible else scaled

    def nothing(self, start: NDArray[np.float32], options: GenerateOptions) -> NDArray[np.float32]:
        """What the sampler makes of noise (h, w), in units of its rms, where the network's velocity is 0."""
        left = null_response(options.sampler, options.num_steps, self.objective.last_angle)
        return np.asarray(self.scaling.inverse(left * self.scaling.forward(start, 0.0, 1.0), 0.0, 1.0), np.float32)

    def _noise(self, windows: Sequence[Window]) -> tuple[Tensor, list[torch.Generator]]:
        """What diffusion starts from: latents of each window's own noise, or white ones of its seed."""
        height, width = (n // self.autoencoder.config.factor for n in windows[0].mask.shape)
        shape = (self.autoencoder.config.latent_channels, height, width)
        noise, generators = initial_noise([one.seed for one in windows], shape)
        starts = [one.start for one in windows if one.start is not None]
        if not starts:
            return noise, generators
        scaled = np.stack([self.scaling.forward(start, 0.0, 1.0) for start in starts])
        return self.encode(torch.from_numpy(scaled)[:, None].to(self.device)).float(), generators

    def _conditions(
        self, windows: Sequence[Window], options: GenerateOptions, generators: list[torch.Generator]
    ) -> Conditions:
        """The conditions of a batch as tensors."""
        masks = torch.from_numpy(np.stack([one.mask for one in windows]).astype(np.int64)).to(self.device)
        keep = torch.full((len(windows),), not options.unconditional, device=self.device)
        codes = torch.from_numpy(np.stack([one.codes for one in windows])).to(self.device)
        planes = condition_planes(masks, codes, self.autoencoder.config.factor, keep)
        beam = torch.cat([self._beam(one.beam) for one in windows])
        present = torch.tensor([one.background is not None for one in windows], device=self.device)
        if not (present.any() and self.denoiser.config.context):
            return Conditions(planes, beam, has_background=present)
        flat = np.zeros(windows[0].mask.shape, np.float32)
        pictures = [flat if one.background is None else one.background for one in windows]
        scaled = np.stack([self.scaling.forward(picture, 0.0, 1.0) for picture in pictures])
        background = self.encode(torch.from_numpy(scaled)[:, None].to(self.device)).float()
        added = torch.zeros(background.shape)
        for k, (one, random) in enumerate(zip(windows, generators, strict=True)):
            if one.background is not None:  # else an image's noise would depend on the others of its batch
                added[k] = torch.randn(background.shape[1:], generator=random)
        strength = torch.full((len(windows),), options.background_strength, device=self.device)
        noised = noise_augmented(background, added.to(self.device), strength)
        return Conditions(planes, beam, background, noised, strength, present)

    def _beam(self, shape: NDArray[np.float64] | None) -> Tensor:
        """(1, 3), see `beam_code`; networks that know round beams only are told the mean width."""
        if shape is None:
            return torch.zeros(1, 3, device=self.device)
        code = shape_code(torch.from_numpy(np.asarray(shape, np.float64))[None]).float()
        if self.denoiser.config.beam_numbers == 1:
            code[:, 1:] = 0.0
        return code.to(self.device)

    def _projection(self, windows: Sequence[Window], specs: Sequence[ImageSpec] | None) -> PeakProjection:
        """What corrects the peaks at every step."""

        def aim(number: int, peaks: NDArray[np.float64], image: NDArray[np.float32] | None) -> NDArray[np.float64]:
            if image is not None and specs is not None:  # what `Generator._finish` will do, turned round
                (level, noise), (wanted_level, wanted_noise), _ = noises(
                    self.scaling.inverse(image, 0.0, 1.0), specs[number]
                )
                peaks = (peaks - wanted_level) * noise / wanted_noise + level
            return self.scaling.forward(peaks[None], 0.0, 1.0)[0].astype(np.float64)

        shape = (windows[0].mask.shape[0], windows[0].mask.shape[1])
        objects, peaks = [one.objects for one in windows], [one.peaks for one in windows]
        return PeakProjection(self.autoencoder, self.decode, shape, objects, peaks, aim)

    def encode(self, scaled: Tensor) -> Tensor:
        """Images (batch, 1, ny, nx) to latents, in tiles where large."""
        factor = self.autoencoder.config.factor
        return tiled(self.autoencoder.encode, scaled, 1 / factor, DECODED[0] * factor, DECODED[1] * factor)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images (batch, 1, ny, nx), in tiles where large."""
        return tiled(self.autoencoder.decode, latents, self.autoencoder.config.factor, *DECODED)


def noises(snr: NDArray[np.float32], spec: ImageSpec) -> tuple[tuple[float, float], tuple[float, float], bool]:
    """Level and noise of an image outside its objects, those it is to have, and whether they were measured."""
    level, noise, measured = measure_noise(snr, spec.mask)
    if not (isinstance(spec.background, BackgroundImage) and measured):
        return (level, noise), (0.0, 1.0), measured
    wanted_level, wanted_noise, _ = measure_noise(spec.background.snr, spec.mask)
    return (level, noise), (wanted_level, wanted_noise), measured
