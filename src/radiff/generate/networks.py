"""Jobs to signal-to-noise images: the networks of a weights folder, loaded and sampled. Knows no units and no files."""

import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radiff.data.pack import peak_code
from radiff.data.scaling import make_scaling
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, initial_noise, sample
from radiff.errors import InputError
from radiff.generate.backdrop import Backdrop
from radiff.generate.jobs import Job, Sampling, noises
from radiff.generate.peaks import PeakSteering
from radiff.generate.sky import peaks_image
from radiff.generate.steering import Fields, Guidance, Steering
from radiff.models.conditions import condition_planes, veiled
from radiff.models.io import find_weights, load_autoencoder, load_denoiser, read_manifest
from radiff.models.openvino import OpenVinoDenoiser
from radiff.models.precision import PRECISIONS, choose_precision
from radiff.models.tiles import tiled

BACKENDS = ("torch", "openvino")
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
    defaults : Sampling
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
        if precision not in PRECISIONS:
            raise InputError(f"{precision!r} is no precision; there are: {', '.join(PRECISIONS)}")
        self.precision, self.backend = choose_precision(precision, self.device), backend
        self._load()
        try:
            self.scaling = make_scaling(**self.manifest["scaling"])
            self.objective = Objective(DiffusionConfig(**self.manifest.get("diffusion", {})))
            self.defaults = self._sampling(self.manifest.get("sampling", {}))
        except (KeyError, TypeError, ValueError) as error:
            text = f"its radiff.json is not of this version of radiff ({error}); copy the folder again or update radiff"
            raise InputError(text, self.folder) from error

    def _load(self) -> None:
        """Load the networks; an `InputError` where the backend cannot run them."""
        if self.backend not in BACKENDS:
            raise InputError(f"{self.backend!r} is no backend; there are: {', '.join(BACKENDS)}")
        if self.backend == "openvino" and self.device.type != "cpu":
            raise InputError("the backend 'openvino' runs on the device 'cpu' only")
        dtype = torch.bfloat16 if self.precision == "bf16" and self.backend == "torch" else torch.float32
        self.autoencoder = load_autoencoder(self.folder).to(self.device, **LAYOUT)
        self.denoiser: Any = None
        if (self.folder / "denoiser").is_dir():
            self.denoiser = load_denoiser(self.folder).to(self.device, dtype, **LAYOUT)
            if self.backend == "openvino":
                self.denoiser = OpenVinoDenoiser(self.denoiser, self.precision)

    def _sampling(self, known: dict[str, Any]) -> Sampling:
        """What the weights say of sampling, and our own defaults for the rest."""
        chosen: dict[str, Any] = {"sampler": SAMPLERS[0], "num_steps": 16, "detail": 0.7} | known
        return Sampling(**(chosen | {"guidance": Guidance(**known.get("guidance", {}))}))

    def choose_sampling(
        self,
        sampler: str | None,
        num_steps: int | None,
        guidance: Guidance | None,
        detail: float | None,
        steer_peaks: bool | None,
        match_texture: bool | None,
    ) -> Sampling:
        """`sampler` ... `match_texture` as of `Sampling`, the weights' own where None.

        Raises
        ------
        InputError
            Where one is not known or out of range.
        """
        default = self.defaults
        chosen = Sampling(
            sampler or default.sampler,
            default.num_steps if num_steps is None else num_steps,
            guidance or default.guidance,
            default.detail if detail is None else detail,
            (default.steer_peaks if steer_peaks is None else steer_peaks) and self.scaling.invertible,
            default.match_texture if match_texture is None else match_texture,
        )
        if chosen.sampler not in SAMPLERS:
            raise InputError(f"{chosen.sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
        if not 1 <= chosen.num_steps <= 1000:
            raise InputError(f"num_steps is {chosen.num_steps}; it must be from 1 to 1000")
        if not 0 <= chosen.detail <= 1:
            raise InputError(f"detail is {chosen.detail}; it must be from 0 to 1")
        return chosen

    @torch.inference_mode()
    def draw(
        self,
        jobs: list[Job],
        sampling: Sampling,
        batch_size: int,
        unconditional: bool,
        on_step: Callable[[], None] | None,
    ) -> NDArray[np.float32]:
        """Signal-to-noise images (batch, ny, nx) of one size."""
        seeds = [job.seed for job in jobs]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            height, width = (n // self.autoencoder.config.factor for n in jobs[0].mask.shape)
            noise, generators = initial_noise(seeds, (self.autoencoder.config.latent_channels, height, width))
            fields = self._fields(jobs, sampling, unconditional, generators)
            peaks = None if unconditional or not sampling.steer_peaks else self._peaks(jobs)
            fine = sampling.guidance == Guidance()
            steering = Steering(self.denoiser, self.objective, fields, sampling.guidance, batch_size, peaks, fine)
            latents = sample(
                steering.velocity,
                noise.to(self.device, memory_format=torch.channels_last),
                sampling.sampler,
                sampling.num_steps,
                generators,
                on_step,
                self.objective.last_angle,
            )
            scaled = self.decode(latents)[:, 0].float().cpu().numpy()
        with np.errstate(over="ignore"):  # `_finish` looks
            return self.scaling.inverse(scaled, 0.0, 1.0) if self.scaling.invertible else scaled

    def _fields(
        self, jobs: list[Job], sampling: Sampling, unconditional: bool, generators: list[torch.Generator]
    ) -> Fields:
        """The conditions of a batch as tensors."""
        masks = torch.from_numpy(np.stack([job.mask for job in jobs]).astype(np.int64)).to(self.device)
        asked = [0.0 if j.peaks is None else j.peaks for j in jobs]
        images = [peaks_image(j.mask.shape, j.objects, peaks) for j, peaks in zip(jobs, asked, strict=True)]
        codes = np.stack([peak_code(image) for image in images])
        keep = torch.full((len(jobs),), not unconditional, device=self.device)
        peaks = torch.from_numpy(codes.astype(np.float32)).to(self.device)
        planes = condition_planes(masks, peaks, self.autoencoder.config.factor, keep)
        beam = torch.tensor([job.beam for job in jobs], dtype=torch.float32, device=self.device)
        present = torch.tensor([job.backdrop is not None for job in jobs], device=self.device)
        if not (present.any() and self.denoiser.config.context):
            return Fields(planes, beam, None, None, None, present)
        flat = np.zeros(jobs[0].mask.shape, np.float32)
        pictures = [j.backdrop.snr if isinstance(j.backdrop, Backdrop) else flat for j in jobs]
        scaled = np.stack([self.scaling.forward(picture, 0.0, 1.0) for picture in pictures])
        background = self.encode(torch.from_numpy(scaled)[:, None].to(self.device)).float()
        veil = torch.zeros(background.shape)
        for k, (job, random) in enumerate(zip(jobs, generators, strict=True)):
            if job.backdrop is not None:  # else an image's noise would depend on the others of its batch
                veil[k] = torch.randn(background.shape[1:], generator=random)
        veil = veil.to(self.device)
        detail = torch.full((len(jobs),), sampling.detail, device=self.device)
        return Fields(planes, beam, background, veiled(background, veil, detail), detail, present)

    def _peaks(self, jobs: list[Job]) -> PeakSteering | None:
        """What corrects the peaks at every step; None where none is asked."""
        if not any(job.peaks is not None and any(job.peaks) for job in jobs):
            return None
        asked = [job.peaks if job.peaks is not None else [0.0] * len(job.objects) for job in jobs]

        def aim(number: int, peaks: NDArray[np.float64], image: NDArray[np.float32] | None) -> NDArray[np.float64]:
            if image is not None:  # what `_finish` will do, turned round
                (level, noise), (wanted_level, wanted_noise), _ = noises(
                    self.scaling.inverse(image, 0.0, 1.0), jobs[number]
                )
                peaks = (peaks - wanted_level) * noise / wanted_noise + level
            return self.scaling.forward(peaks[None], 0.0, 1.0)[0].astype(np.float64)

        shape = (jobs[0].mask.shape[0], jobs[0].mask.shape[1])
        return PeakSteering(self.autoencoder, self.decode, shape, [j.objects for j in jobs], asked, aim)

    def encode(self, scaled: Tensor) -> Tensor:
        """Images (batch, 1, ny, nx) to latents, in tiles where large."""
        factor = self.autoencoder.config.factor
        return tiled(self.autoencoder.encode, scaled, 1 / factor, DECODED[0] * factor, DECODED[1] * factor)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to images (batch, 1, ny, nx), in tiles where large."""
        return tiled(self.autoencoder.decode, latents, self.autoencoder.config.factor, *DECODED)


def find_device(name: str) -> torch.device:
    """The torch device called `name`: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and not re.fullmatch(r"cuda(:\d+)?", name):
        raise InputError(f"{name!r} is no device; there are: auto, cpu, cuda")
    if name != "cpu" and not torch.cuda.is_available():
        raise InputError("this machine shows no CUDA GPU to torch; use the device 'cpu'")
    return torch.device(name)
