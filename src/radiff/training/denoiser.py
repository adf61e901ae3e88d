"""The denoiser's task: predict the noise in the latents (Eq. 7, 8), with each condition dropped on its own.

The noise is white, or (``prior: sky``) the latents of a noise map with the spectrum of the image's own sky.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.diffusion.sampling import SAMPLERS, Steps, initial_noise, sample
from radiff.models.autoencoder import Autoencoder
from radiff.models.conditions import Conditions, condition_planes, noise_augmented, shape_code
from radiff.models.denoiser import Denoiser, DenoiserConfig
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
        conditions = self.draw_conditions(batch, generator)
        clean = self.latents(batch.images)
        noise = self.draw_noise(batch, clean.shape, generator)
        angle = self.objective.draw_angles(count, generator).to(device)
        x, time = self.objective.model_input(self.objective.noised(clean, noise, angle), angle)
        output = self.denoiser(x, time, conditions).float()
        error = (output - self.objective.target(clean, noise, angle)).square().mean(1, keepdim=True)
        weight = self.weigh(batch.masks, conditions.planes)
        return (error * weight).mean() / weight.mean(), {"mse": error.mean()}

    @torch.no_grad()
    def latents(self, images: Tensor) -> Tensor:
        """Scaled images (batch, 1, ny, nx) to latents, float32."""
        if self.autoencoder.latent_mean.device != images.device:
            self.autoencoder.to(images.device)
        return self.autoencoder.encode(images).float()

    def draw_noise(self, batch: Batch, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """What clean latents are mixed with: white, or the latents of the batch's noise maps.

        Raises
        ------
        ValueError
            Where the prior is the sky and the batch has no noise.
        """
        if self.settings.prior == "white":
            return random_normal(shape, generator, batch.images.device)
        if batch.noise is None:
            raise ValueError("the sky prior needs a loader that draws noise")
        return self.latents(batch.noise)

    def weigh(self, masks: Tensor, planes: Tensor) -> Tensor:
        """Weight of the loss, (batch, 1, h, w): see `source_weight` and `peak_weight`.

        An image whose mask is dropped has weight 1 everywhere: a weight that the network cannot know of would draw it
        towards sources where none need be.
        """
        factor, settings = self.denoiser.config.factor, self.settings
        kept = planes.flatten(1).any(1)
        weight = source_weight(masks * kept[:, None, None], factor, settings.source_weight)
        codes = planes[:, -(factor**2) :]
        weight = weight + peak_weight(codes, settings.peak_weight)
        return weight + halo_weight(codes, settings.halo_weight) if settings.halo_weight else weight

    def draw_conditions(self, batch: Batch, generator: torch.Generator) -> Conditions:
        """The batch's conditions, each dropped on its own by chance.

        The background is the cutout with its sources removed, or for `self_share` of them the cutout itself; how much
        of it is shown is drawn evenly, with a seventh each at the ends.
        """
        count, device, settings = len(batch), batch.images.device, self.settings
        chance = torch.rand(6, count, generator=generator).to(device)
        factor = self.denoiser.config.factor
        peaks = drop_objects(batch.peaks, chance[5], settings.object_dropout)
        planes = condition_planes(
            batch.masks, peaks, factor, chance[0] >= settings.mask_dropout, chance[1] >= settings.peak_dropout
        )
        told = beam_told(batch.beams)
        beam = torch.where((chance[2] >= settings.beam_dropout).view(-1, *[1] * (told.ndim - 1)), told, 0.0)
        if not self.denoiser.config.context:
            return Conditions(planes, beam)
        itself = chance[4] < settings.self_share
        shown = torch.where(itself[:, None, None, None], batch.images, batch.skies)
        background = self.latents(shown)
        strength = (1.4 * torch.rand(count, generator=generator) - 0.2).clamp(0, 1).to(device)
        noise = random_normal(background.shape, generator, device)
        present = chance[3] >= settings.background_dropout
        return Conditions(planes, beam, background, noise_augmented(background, noise, strength), strength, present)


@torch.compiler.disable
def random_normal(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    """Normal numbers on `device` from a generator of the CPU; on a GPU drawn there, from a seed that it gives.

    Drawing a large batch's numbers on the CPU takes as long as a GPU needs for the whole step.
    """
    if device.type == "cpu":
        return torch.randn(shape, generator=generator)
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.randn(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


def beam_told(beams: Tensor) -> Tensor:
    """A batch's beams as `Conditions` take them: covariances (batch, 2, 2) to three numbers, 0 where not known."""
    if beams.ndim == 1:
        return beams
    known = beams[:, 0, 0] > 0
    shapes = torch.where(known[:, None, None], beams, torch.eye(2, device=beams.device))
    return torch.where(known[:, None], shape_code(shapes), 0.0)


def drop_objects(peaks: Tensor, chance: Tensor, share: float) -> Tensor:
    """`peaks` (batch, ny, nx) with those of about `share` of the objects set to 0.

    Which objects: by their own peak code and the image's `chance` (batch,), so every pixel of an object agrees.
    """
    drawn = torch.frac(peaks * 9973.0 + chance[:, None, None])
    return torch.where(drawn < share, 0.0, peaks)


def source_weight(masks: Tensor, factor: int, weight: float) -> Tensor:
    """(batch, 1, h, w): `weight` on latent pixels on or beside an object, 1 elsewhere.

    Most of a cutout is noise, which a denoiser learns at once; the weight lets the objects be heard. It depends on the
    condition alone, so the best prediction stays the same.
    """
    near = F.max_pool2d((masks > 0)[:, None].float(), factor)
    return 1.0 + (weight - 1.0) * F.max_pool2d(near, 3, stride=1, padding=1)


def peak_weight(codes: Tensor, weight: float) -> Tensor:
    """(batch, 1, h, w): `weight` times the square of the peak code that is asked on a latent pixel.

    Where the scaling is logarithmic the noise is squeezed: a source of 100 rms must be right to a small part of what
    noise is, or its flux is wrong. The code is log10(1 + peak / rms), so the weight is about that of the slope of the
    scaling; it too depends on the condition alone.

    Parameters
    ----------
    codes : Tensor (batch, factor**2, h, w)
        Peak codes as the denoiser is given them.
    """
    return weight * codes.float().amax(1, keepdim=True).square()


HALO = 25
"""Latent pixels a side of the surroundings of a bright object, where its holes and ripples lie."""


def halo_weight(codes: Tensor, weight: float) -> Tensor:
    """(batch, 1, h, w): `weight` within 12 latent pixels of an object above 100 rms, times (code - 2) squared.

    Bright sources leave holes and ripples beside them, rare and faint against everything else that is learnt.
    """
    brightest = F.max_pool2d(codes.float().amax(1, keepdim=True), HALO, stride=1, padding=HALO // 2)
    return weight * (brightest - 2.0).clamp(min=0.0).square()


class DenoiserTask:
    """See `radiff.training.task.Task`."""

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
            context=settings.context,
            beam_numbers=settings.beam_numbers,
        )
        if settings.prior == "sky" and self.scaling["name"] != "snr-asinh":
            raise ValueError(
                f"the sky prior needs the scaling snr-asinh, not {self.scaling['name']}: set prior to white"
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
        if settings.sampler not in SAMPLERS:
            raise ValueError(f"{settings.sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
        self.denoiser = Denoiser(config) if initial is None else with_beam_numbers(initial, settings.beam_numbers)
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
        planes = condition_planes(batch.masks[:count], batch.peaks[:count], self.denoiser.config.factor)
        beams = beam_told(batch.beams[:count])
        conditions = Conditions(planes, beams)
        if self.denoiser.config.context:
            background = self.autoencoder.encode(batch.skies[:count]).float()
            added, _ = initial_noise(range(1000, 1000 + count), background.shape[1:])
            strength = torch.full((count,), self.settings.detail, device=background.device)
            noised = noise_augmented(background, added.to(background.device), strength)
            conditions = Conditions(planes, beams, background, noised, strength)
        encoded = self.denoiser.encode(conditions)
        shape = (self.denoiser.config.latent_channels, *planes.shape[-2:])
        noise, generators = initial_noise(range(count), shape)
        if self.settings.prior == "sky" and batch.noise is not None:
            noise = self.module.latents(batch.noise[:count])
        objective = self.module.objective
        denoise = objective.denoiser(lambda x, time: self.denoiser(x, time, encoded))
        steps = Steps(self.settings.num_steps, objective.last_angle, generators)
        latents = sample(denoise, noise.to(planes.device), self.settings.sampler, steps)
        made = snr_pictures(self.autoencoder.decode(latents), self.scaling)
        real = snr_pictures(batch.images[:count], self.scaling)
        contours = [*batch.masks[:count].cpu().numpy().astype("uint8")] * 2
        titles = ["real"] * count + ["generated"] * count
        quicklook(path, real + made, titles, masks=contours, rms=1.0, ncols=count)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder with both networks."""
        parts = {
            "autoencoder": Part(self.autoencoder, self.autoencoder.config_dict()),
            "denoiser": Part(self.denoiser, self.denoiser.config.to_dict()),
        }
        training = self.info.get("training", {}) | {"denoiser": info}
        sampling = {name: getattr(self.settings, name) for name in ("sampler", "num_steps", "detail")}
        prior = {"name": self.settings.prior}
        content = {"scaling": self.scaling, "diffusion": self.diffusion.to_dict(), "prior": prior, "sampling": sampling}
        save_weights(folder, parts, content | {"training": training})


def with_beam_numbers(denoiser: Denoiser, numbers: int) -> Denoiser:
    """A denoiser that is told its beam by at least `numbers`: what is new has no say until it is trained."""
    if denoiser.config.beam_numbers >= numbers:
        return denoiser
    wider = Denoiser(replace(denoiser.config, beam_numbers=numbers))
    state = denoiser.state_dict()
    state["beam.0.weight"] = F.pad(state["beam.0.weight"], (0, numbers - denoiser.config.beam_numbers))
    wider.load_state_dict(state)
    return wider.train(denoiser.training)
