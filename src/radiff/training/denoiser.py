"""The denoiser's task: predict the noise in the latents (Eq. 7, 8), with each condition dropped on its own."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import initial_noise, make_scheduler, sample
from radiff.models.autoencoder import Autoencoder
from radiff.models.denoiser import Denoiser, DenoiserConfig, condition_planes
from radiff.models.io import Part, save_weights
from radiff.sky import quicklook
from radiff.training.autoencoder import snr_pictures
from radiff.training.config import DenoiserSettings


class DenoiserLoss(nn.Module):
    """(batch, generator) to the loss; the autoencoder is frozen and not a part of this module."""

    def __init__(self, denoiser: Denoiser, autoencoder: Autoencoder, objective: Objective, settings: DenoiserSettings):
        super().__init__()
        self.denoiser, self.objective, self.settings = denoiser, objective, settings
        self._frozen = (autoencoder.requires_grad_(False).eval(),)

    @property
    def autoencoder(self) -> Autoencoder:
        """The frozen autoencoder."""
        return self._frozen[0]

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        count, device = len(batch), batch.images.device
        with torch.no_grad():
            clean = self.autoencoder.to(device).encode(batch.images).float()
        noise = torch.randn(clean.shape, generator=generator).to(device)
        u = self.objective.draw_times(count, generator).to(device)
        keep = torch.rand(2, count, generator=generator).to(device)
        keep_mask, keep_peak = keep[0] >= self.settings.mask_dropout, keep[1] >= self.settings.peak_dropout
        planes = condition_planes(batch.masks, batch.peaks, self.denoiser.config.factor, keep_mask, keep_peak)
        noised, time, target = self.objective.noised(clean, noise, u)
        error = (self.denoiser(noised, time, planes).float() - target).square().mean(1, keepdim=True)
        weight = source_weight(batch.masks, self.denoiser.config.factor, self.settings.source_weight)
        return (error * weight).mean() / weight.mean(), {"mse": error.mean()}


def source_weight(masks: Tensor, factor: int, weight: float) -> Tensor:
    """(batch, 1, h, w): `weight` on latent pixels on or beside an object, 1 elsewhere.

    Most of a cutout is noise, which a denoiser learns at once; the weight lets the objects be heard. It depends on the
    condition alone, so the best prediction stays the same.
    """
    near = F.max_pool2d((masks > 0)[:, None].float(), factor)
    return 1.0 + (weight - 1.0) * F.max_pool2d(near, 3, stride=1, padding=1)


class DenoiserTask:
    """See `radiff.training.loop.Task`."""

    name = "denoiser"

    def __init__(
        self,
        settings: DenoiserSettings,
        autoencoder: Autoencoder,
        info: dict[str, Any],
        initial: Denoiser | None = None,
    ) -> None:
        self.settings, self.info, self.scaling = settings, info, info["scaling"]
        config = DenoiserConfig(
            latent_channels=autoencoder.config.latent_channels,
            factor=autoencoder.config.factor,
            channels=settings.channels,
            layers=settings.layers,
            attention=settings.attention,
            head_width=settings.head_width,
        )
        self.diffusion = DiffusionConfig(
            settings.objective,
            settings.num_train_steps,
            settings.beta_schedule,
            settings.beta_start,
            settings.beta_end,
            settings.zero_terminal_snr,
            settings.time_shift,
        )
        make_scheduler(self.diffusion, settings.sampler)  # refuses now, not at the first sheet
        self.denoiser = initial or Denoiser(config)
        if (self.denoiser.config.latent_channels, self.denoiser.config.factor) != (
            config.latent_channels,
            config.factor,
        ):
            raise ValueError("the denoiser to start from was trained on latents of another shape")
        self.module = DenoiserLoss(self.denoiser, autoencoder, Objective(self.diffusion), settings)

    @property
    def autoencoder(self) -> Autoencoder:
        """The frozen autoencoder."""
        return self.module.autoencoder

    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Loss over `batches`, always with the same noise and times."""
        generator = torch.Generator().manual_seed(0)
        losses = [self.module(batch, generator)[0] for batch in batches]
        return {"val/loss": float(torch.stack(losses).mean())}

    def draw_sheet(self, batches: list[Batch], path: Path) -> None:
        """Real val cutouts above what their masks give."""
        batch = batches[0]
        count = min(6, len(batch))
        masks, peaks = batch.masks[:count], batch.peaks[:count]
        planes = condition_planes(masks, peaks, self.denoiser.config.factor)
        shape = (self.denoiser.config.latent_channels, *planes.shape[-2:])
        noise, generators = initial_noise(range(count), shape)
        scheduler = make_scheduler(self.diffusion, self.settings.sampler)
        latents = sample(
            lambda x, t: self.denoiser(x, t, planes).float(),
            noise.to(planes.device),
            scheduler,
            self.settings.num_steps,
            generators,
        )
        made = snr_pictures(self.autoencoder.decode(latents), self.scaling)
        real = snr_pictures(batch.images[:count], self.scaling)
        contours = [*masks.cpu().numpy().astype("uint8")] * 2
        titles = ["real"] * count + ["generated"] * count
        quicklook(path, real + made, titles, masks=contours, rms=1.0, ncols=count)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder with both networks."""
        parts = {
            "autoencoder": Part(self.autoencoder, self.autoencoder.config_dict()),
            "denoiser": Part(self.denoiser, self.denoiser.config.to_dict()),
        }
        training = self.info.get("training", {}) | {"denoiser": info}
        sampling = {
            "sampler": self.settings.sampler,
            "num_steps": self.settings.num_steps,
            "guidance_scale": self.settings.guidance_scale,
        }
        content = {"scaling": self.scaling, "diffusion": self.diffusion.to_dict(), "sampling": sampling}
        save_weights(folder, parts, content | {"training": training})
