"""The autoencoder's task: reconstruct (Eq. 2), keep the latents small (Eq. 3) and the noise's power spectrum true."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.data.scaling import make_scaling
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig, kl_divergence, spectral_loss
from radiff.models.io import Part, save_weights
from radiff.sky import quicklook
from radiff.training.config import AutoencoderSettings


class AutoencoderLoss(nn.Module):
    """(batch, generator) to the loss and its parts."""

    def __init__(self, autoencoder: Autoencoder, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.autoencoder, self.settings = autoencoder, settings

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        image, settings = batch.images, self.settings
        config = self.autoencoder.config
        shape = (len(image), config.latent_channels, *(n // config.factor for n in image.shape[-2:]))
        noise = torch.randn(shape, generator=generator).to(image.device)
        reconstruction, mean, log_variance = self.autoencoder(image, noise)
        weight = 1.0 + settings.brightness_weight * image.abs()
        rec = ((reconstruction - image).abs() * weight).mean()
        kl = kl_divergence(mean.float(), log_variance.float())
        loss = rec + settings.kl_weight * kl
        figures = {"reconstruction": rec, "kl": kl}
        if settings.spectral_weight > 0:
            spectrum = spectral_loss(image, reconstruction, (batch.masks == 0)[:, None].float())
            loss = loss + settings.spectral_weight * spectrum
            figures["spectrum"] = spectrum
        return loss, figures


class AutoencoderTask:
    """See `radiff.training.task.Task`."""

    name = "autoencoder"

    def __init__(self, settings: AutoencoderSettings, scaling: dict[str, Any], val_seed: int = 0) -> None:
        config = AutoencoderConfig(
            patch=settings.patch,
            channels=settings.channels,
            blocks=settings.blocks,
            convs=settings.convs,
            attention=settings.attention,
            latent_channels=settings.latent_channels,
            linear=settings.linear,
        )
        self.autoencoder = Autoencoder(config)
        self.module = AutoencoderLoss(self.autoencoder, settings)
        self.settings, self.scaling, self.val_seed = settings, scaling, val_seed
        self.scale_batches: list[Batch] = []

    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Mean loss and parts over `batches`."""
        generator = torch.Generator().manual_seed(self.val_seed)
        parts = [self.module(batch, generator) for batch in batches]
        figures = {f"val/{k}": float(torch.stack([p[1][k] for p in parts]).mean()) for k in parts[0][1]}
        return {"val/loss": float(torch.stack([p[0] for p in parts]).mean()), **figures}

    def draw_sheet(self, batches: list[Batch], path: Path) -> None:
        """Real, reconstructed and residual for six val cutouts."""
        image = batches[0].images[:6]
        rebuilt = self.autoencoder.decode(self.autoencoder.encode(image))
        real, made = snr_pictures(image, self.scaling), snr_pictures(rebuilt, self.scaling)
        panels = [*real, *made, *(b - a for a, b in zip(real, made, strict=True))]
        count = len(image)
        titles = ["real"] * count + ["reconstructed"] * count + ["residual"] * count
        quicklook(path, panels, titles, rms=1.0, ncols=count)

    @torch.no_grad()
    def measure_latents(self, batches: list[Batch]) -> None:
        """Set the latent scale: mean and standard deviation of every channel over `batches`, away from objects.

        The noise then has unit variance in every channel, which samplers follow best; objects stand far above it.
        """
        factor = self.autoencoder.config.factor
        means = torch.cat([self.autoencoder.moments(batch.images)[0].float() for batch in batches])
        near = F.max_pool2d(torch.cat([batch.masks for batch in batches])[:, None].float(), 3 * factor, factor, factor)
        clear = near[:, 0] == 0
        latents = means.transpose(0, 1)[:, clear if clear.sum() > 1000 else torch.ones_like(clear)]
        self.autoencoder.latent_mean.copy_(latents.mean(1))
        self.autoencoder.latent_std.copy_(latents.std(1))

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder, with the latent scale measured on `scale_batches`."""
        self.measure_latents(self.scale_batches)
        parts = {"autoencoder": Part(self.autoencoder, self.autoencoder.config_dict())}
        save_weights(folder, parts, {"scaling": self.scaling, "training": {"autoencoder": info}})


def snr_pictures(scaled: Tensor, scaling: dict[str, Any]) -> list[Any]:
    """Scaled images (batch, 1, ny, nx) for display: in units of the rms where the scaling can be inverted."""
    kind = make_scaling(**scaling)
    pictures = scaled[:, 0].float().cpu().numpy()
    return [kind.inverse(p, 0.0, 1.0) if kind.invertible else p for p in pictures]
