"""The paper's rivals (`radiff.paper.baselines`) as generators: masks in, calibrated cutouts out. Knows no training.

What they draw is brought to Jy/beam as `Generator` does it: the noise outside the mask becomes the rms asked for, or
that of the background. Nothing is steered: they are shown as they are.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radiff.diffusion.sampling import initial_noise, sample
from radiff.errors import InputError
from radiff.generate.backdrop import Backdrop
from radiff.generate.jobs import Job, Sampling
from radiff.generate.networks import LAYOUT
from radiff.generate.pipeline import Generator
from radiff.generate.steering import Guidance
from radiff.masks import check_mask
from radiff.masks.instances import objects_to_labels
from radiff.models.io import find_weights
from radiff.paper.baselines import RIVALS, Scene, rival_config
from radiff.paper.baselines.ddpm import Ddpm
from radiff.paper.loading import load_rival
from radiff.sky import Cutout


def open_generator(
    weights: str | os.PathLike[str] = "default", device: str = "auto", precision: str = "auto", backend: str = "torch"
) -> Generator:
    """The generator of any weights: ours, or a rival's.

    Raises
    ------
    InputError
        As `Generator.from_pretrained`.
    """
    folder = find_weights(weights)
    kind = RivalGenerator if (folder / "rival").is_dir() else Generator
    return kind(folder, device, precision, backend)


class RivalGenerator(Generator):
    """As `radiff.generate.Generator`, with the weights of a rival.

    Attributes
    ----------
    network : Module
    name, title : str
        ``dcgan`` and ``DCGAN``.
    conditional : bool
        Whether it draws from masks.
    """

    def _load(self) -> None:
        if self.backend != "torch":
            raise InputError(f"the backend {self.backend!r} knows no rival models; use 'torch'")
        self.network: Any = load_rival(self.folder).to(self.device, **LAYOUT)
        self.denoiser = self.network
        self.name = rival_config(self.network)["kind"]
        self.title, self.conditional = RIVALS[self.name].title, RIVALS[self.name].conditional

    def _sampling(self, known: dict[str, Any]) -> Sampling:
        chosen: dict[str, Any] = {"sampler": "euler", "num_steps": 1} | known
        return Sampling(**chosen, guidance=Guidance(), detail=0.0, steer_peaks=False)

    @property
    def prior(self) -> str:
        """White noise, all of them."""
        return "white"

    @property
    def knows_backgrounds(self) -> bool:
        """Whether a background image changes what is drawn."""
        return self.conditional

    def check_mask(self, mask: NDArray[Any], index: int | None = None) -> NDArray[np.uint8]:
        """The mask as uint8; an `InputError` where its classes or its size do not fit these weights."""
        checked, size = check_mask(mask), self.network.config.size
        if checked.shape != (size, size):
            (ny, nx), which = checked.shape, "the mask" if index is None else f"mask {index}"
            raise InputError(f"{which} has {nx} x {ny} pixels; {self.title} draws {size} x {size}")
        return checked

    def iterate(self, masks: Sequence[NDArray[Any]], seeds: Sequence[int], **options: Any) -> Iterator[Cutout]:  # type: ignore[override]
        """See `Generator.iterate`.

        Raises
        ------
        InputError
            Also where a model without masks is given some, or one with masks is asked to do without.

        Warns
        -----
        UserWarning
            Also where peaks are asked for: no rival knows them.
        """
        if self.conditional == bool(options.get("unconditional")):
            text = "draws from masks: give some" if self.conditional else "knows no masks: use --unconditional NUMBER"
            raise InputError(f"{self.title} {text}", self.folder)
        if not options.get("exact") and any(peaks and any(peaks) for peaks in options.get("peaks") or ()):
            warnings.warn(f"{self.title} knows no peaks; those asked for are not used", stacklevel=2)
        return super().iterate(masks, seeds, **options)

    @torch.inference_mode()
    def draw(
        self,
        jobs: list[Job],
        sampling: Sampling,
        batch_size: int,
        unconditional: bool,
        on_step: Callable[[], None] | None,
    ) -> NDArray[np.float32]:
        """Signal-to-noise images (batch, ny, nx)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            scaled = self._diffuse(jobs, sampling, on_step) if isinstance(self.network, Ddpm) else self._play(jobs)
        images: NDArray[np.float32] = scaled[:, 0].float().cpu().numpy()
        with np.errstate(over="ignore"):  # `_finish` looks
            return self.scaling.inverse(images, 0.0, 1.0) if self.scaling.invertible else images

    def _play(self, jobs: list[Job]) -> Tensor:
        """By a generator of one call."""
        scene = self._scene(jobs)
        generators = [torch.Generator().manual_seed(job.seed) for job in jobs]
        images: Tensor = self.network(self.network.noise(scene, generators).to(self.device), scene)
        return images

    def _diffuse(self, jobs: list[Job], sampling: Sampling, on_step: Callable[[], None] | None) -> Tensor:
        config = self.network.config
        noise, generators = initial_noise([job.seed for job in jobs], (config.channels, config.inner, config.inner))

        def velocity(x: Tensor, angle: Tensor) -> Tensor:
            said = self.network(*self.objective.asked(x, angle)).float()
            return self.objective.velocity(x, said, angle, self.network.reach)

        last = self.objective.last_angle
        noise = noise.to(self.device, memory_format=torch.channels_last)
        pixels = sample(velocity, noise, sampling.sampler, sampling.num_steps, generators, on_step, last)
        grown: Tensor = self.network.grow(pixels)
        return grown

    def _scene(self, jobs: list[Job]) -> Scene:
        """What the network is told."""
        masks = np.stack([job.mask for job in jobs]).astype(np.int64)
        labels = np.stack([objects_to_labels(job.objects, job.mask.shape) for job in jobs]).astype(np.int64)
        scene = Scene(torch.from_numpy(masks).to(self.device), torch.from_numpy(labels).to(self.device))
        backdrops = [job.backdrop if isinstance(job.backdrop, Backdrop) else None for job in jobs]
        if any(backdrops):
            flat = np.zeros(jobs[0].mask.shape, np.float32)
            pictures = [self.scaling.forward(flat if b is None else b.snr, 0.0, 1.0) for b in backdrops]
            scene.skies = torch.from_numpy(np.stack(pictures))[:, None].to(self.device)
            scene.shown = torch.tensor([b is not None for b in backdrops], device=self.device)
        return scene

    def _digest(self) -> str:
        files = self.manifest["files"]
        return next((v for k, v in files.items() if k.startswith("rival/model")), "")[:16]
