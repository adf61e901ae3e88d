"""The baselines as generators: masks in, calibrated cutouts out. Knows no training.

What they draw is brought to Jy/beam as `Generator` does it: the noise outside the mask becomes the rms asked for, or
that of the background. Neither guidance nor peak projection: they are shown as they are.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radiff.data.background import BackgroundImage
from radiff.data.spec import ImageSpec
from radiff.diffusion.sampling import Steps, initial_noise, seeded
from radiff.errors import InputError
from radiff.generate.networks import LAYOUT
from radiff.generate.options import GenerateOptions
from radiff.generate.pipeline import Generator
from radiff.masks import check_mask
from radiff.masks.instances import objects_to_labels
from radiff.models.io import find_weights
from radiff.paper.baselines import BASELINES, FORMER_PART, PART, Scene, baseline_config, load_baseline
from radiff.paper.baselines.ddpm import Ddpm
from radiff.sky import Cutout


def open_generator(weights: str | os.PathLike[str] = "default", device: str = "auto", **options: Any) -> Generator:
    """The generator of any weights, ours or a baseline's; `options` as of `Generator`."""
    folder = find_weights(weights)
    is_baseline = any((folder / part).is_dir() for part in (PART, FORMER_PART))
    return (BaselineGenerator if is_baseline else Generator)(folder, device, **options)


class BaselineGenerator(Generator):
    """As `radiff.generate.Generator`, with the weights of a baseline.

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
            raise InputError(f"the backend {self.backend!r} knows no baselines; use 'torch'")
        self.network: Any = load_baseline(self.folder).to(self.device, **LAYOUT)
        self.denoiser = self.network
        self.name = baseline_config(self.network)["kind"]
        self.title, self.conditional = BASELINES[self.name].title, BASELINES[self.name].conditional

    def _defaults(self, known: dict[str, Any]) -> GenerateOptions:
        chosen: dict[str, Any] = {"sampler": "euler", "num_steps": 1} | known
        return GenerateOptions(**chosen, background_strength=0.0, peak_projection=False)

    @property
    def prior(self) -> str:
        """White noise, all of them."""
        return "white"

    @property
    def knows_backgrounds(self) -> bool:
        """Whether a background image changes what is drawn."""
        return self.conditional

    def check_mask(self, mask: NDArray[Any], name: str = "the mask") -> NDArray[np.uint8]:
        """The mask as uint8; an `InputError` where its classes or its size do not fit these weights."""
        checked, size = check_mask(mask), self.network.config.size
        if checked.shape != (size, size):
            ny, nx = checked.shape
            raise InputError(f"{name} has {nx} x {ny} pixels; {self.title} draws {size} x {size}")
        return checked

    def iterate(
        self,
        specs: Iterable[ImageSpec],
        options: GenerateOptions | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> Iterator[Cutout]:
        """See `Generator.iterate`.

        Raises
        ------
        InputError
            Also where a model without masks is given some, or one with masks is asked to do without.

        Warns
        -----
        UserWarning
            Also where peaks are asked for: no baseline knows them.
        """
        specs, options = list(specs), options or self.options()
        if self.conditional == options.unconditional:
            text = "draws from masks: give some" if self.conditional else "knows no masks: use --unconditional NUMBER"
            raise InputError(f"{self.title} {text}", self.folder)
        if not options.rescale_peaks and any(spec.peaks is not None and any(spec.peaks) for spec in specs):
            warnings.warn(f"{self.title} knows no peaks; those asked for are not used", stacklevel=2)
        return super().iterate(specs, options, on_step)

    @torch.inference_mode()
    def draw(
        self, specs: list[ImageSpec], options: GenerateOptions, on_step: Callable[[], None] | None = None
    ) -> NDArray[np.float32]:
        """Signal-to-noise images (batch, ny, nx)."""
        seeds = [spec.seed for spec in specs]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            if isinstance(self.network, Ddpm):
                config = self.network.config
                noise, generators = initial_noise(seeds, (config.channels, config.inner, config.inner))
                noise = noise.to(self.device, memory_format=torch.channels_last)
                steps = Steps(options.num_steps, self.objective.last_angle, generators, on_step)
                scaled = self.network.sample(self.objective, noise, options.sampler, steps)
            else:
                scene, generators = self._scene(specs), [seeded(seed) for seed in seeds]
                scaled = self.network(self.network.noise(scene, generators).to(self.device), scene)
        images: NDArray[np.float32] = scaled[:, 0].float().cpu().numpy()
        with np.errstate(over="ignore"):  # `_finish` looks
            return self.scaling.inverse(images, 0.0, 1.0) if self.scaling.invertible else images

    def _scene(self, specs: list[ImageSpec]) -> Scene:
        """The network's conditions."""
        masks = np.stack([spec.mask for spec in specs]).astype(np.int64)
        labels = np.stack([objects_to_labels(spec.objects, spec.shape) for spec in specs]).astype(np.int64)
        scene = Scene(torch.from_numpy(masks).to(self.device), torch.from_numpy(labels).to(self.device))
        shown = [spec.background if isinstance(spec.background, BackgroundImage) else None for spec in specs]
        if any(one is not None for one in shown):
            flat = np.zeros(specs[0].shape, np.float32)
            pictures = [self.scaling.forward(flat if b is None else b.snr, 0.0, 1.0) for b in shown]
            scene.backgrounds = torch.from_numpy(np.stack(pictures))[:, None].to(self.device)
            scene.shown = torch.tensor([b is not None for b in shown], device=self.device)
        return scene

    def _digest(self) -> str:
        starts = tuple(f"{part}/model" for part in (PART, FORMER_PART))
        return next((v for k, v in self.manifest["files"].items() if k.startswith(starts)), "")[:16]
