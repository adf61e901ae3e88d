"""Scaled images to latents and back: the KL-regularised autoencoder (section 4.1). Knows no FITS and no units."""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.models.blocks import ResBlock, SelfAttention, dct_patches

LOG_VARIANCE_START = -6.0
"""Log-variance of the latents where the encoder's output is zero: noise of 5 % of a unit latent, not 100 %."""


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of an autoencoder; `patch` * 2 ** (levels - 1) is the compression factor f.

    Attributes
    ----------
    patch : int
        Space-to-depth before the first convolution; 1 is the paper's network.
    channels : tuple of int
        Width of each level, from fine to coarse; every step between levels halves the resolution.
    blocks : int
        Residual blocks a level.
    convs : int
        Convolutions a residual block; 3 in the paper.
    attention : bool
        Self-attention after the blocks of each level but the last, and in the middle (section 4.1).
    latent_channels : int
        Channels c_z of the latents.
    linear : bool
        Give both halves a linear path beside the network: f x f patches against the lowest cosines, where training
        starts; the network learns what the linear path leaves. Map noise is mostly linear, so this saves most of
        the training time. Off in the paper's network.
    """

    patch: int = 2
    channels: tuple[int, ...] = (64, 128)
    blocks: int = 1
    convs: int = 2
    attention: bool = False
    latent_channels: int = 16
    linear: bool = True

    @property
    def factor(self) -> int:
        """Compression factor f: image pixels per latent pixel along one axis."""
        return self.patch * 2 ** (len(self.channels) - 1)


class Encoder(nn.Module):
    """(batch, 1, ny, nx) -> mean and log-variance, (batch, 2 * latent_channels, ny / f, nx / f)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.patch = config.patch
        widths = config.channels
        self.conv_in = nn.Conv2d(config.patch**2, widths[0], 3, padding=1)
        layers: list[nn.Module] = []
        for level, width in enumerate(widths):
            layers += [ResBlock(width, width, config.convs) for _ in range(config.blocks)]
            if level < len(widths) - 1:
                layers += [SelfAttention(width)] if config.attention else []
                layers += [nn.Conv2d(width, widths[level + 1], 3, stride=2, padding=1)]
        layers += _middle(widths[-1], config)
        self.layers = nn.Sequential(*layers)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)
        self.linear = None
        if config.linear:
            self.linear = nn.Conv2d(1, config.latent_channels, config.factor, stride=config.factor, bias=False)
            self.linear.weight.data.copy_(dct_patches(config.factor, config.latent_channels))
            _start_quietly(self.conv_out)

    def forward(self, image: Tensor) -> Tensor:
        moments = self.conv_out(F.silu(self.layers(self.conv_in(F.pixel_unshuffle(image, self.patch)))))
        if self.linear is None:
            return moments
        mean, log_variance = moments.chunk(2, dim=1)
        return torch.cat([mean + self.linear(image), log_variance], dim=1)


class Decoder(nn.Module):
    """(batch, latent_channels, ny / f, nx / f) -> (batch, 1, ny, nx)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.patch = config.patch
        widths = config.channels
        self.conv_in = nn.Conv2d(config.latent_channels, widths[-1], 3, padding=1)
        layers = _middle(widths[-1], config)
        for level in reversed(range(len(widths))):
            layers += [ResBlock(widths[level], widths[level], config.convs) for _ in range(config.blocks)]
            if level > 0:
                layers += [SelfAttention(widths[level])] if config.attention else []
                layers += [nn.Conv2d(widths[level], 4 * widths[level - 1], 3, padding=1), nn.PixelShuffle(2)]
        self.layers = nn.Sequential(*layers)
        self.conv_out = nn.Conv2d(widths[0], config.patch**2, 3, padding=1)
        self.linear = None
        if config.linear:
            f = config.factor
            self.linear = nn.ConvTranspose2d(config.latent_channels, 1, f, stride=f, bias=False)
            self.linear.weight.data.copy_(dct_patches(f, config.latent_channels))
            _start_quietly(self.conv_out)

    def forward(self, latents: Tensor) -> Tensor:
        image = F.pixel_shuffle(self.conv_out(F.silu(self.layers(self.conv_in(latents)))), self.patch)
        return image if self.linear is None else image + self.linear(latents)


def _start_quietly(conv: nn.Conv2d) -> None:
    """Let a network that stands beside a linear path start with an output near zero."""
    nn.init.normal_(conv.weight, std=1e-3)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def _middle(width: int, config: AutoencoderConfig) -> list[nn.Module]:
    """The bottleneck: two residual blocks around self-attention (section 4.1); one block where attention is off."""
    if not config.attention:
        return [ResBlock(width, width, config.convs)]
    return [ResBlock(width, width, config.convs), SelfAttention(width), ResBlock(width, width, config.convs)]


class Autoencoder(nn.Module):
    """The autoencoder with its measured latent scale.

    In the latents that a denoiser sees, the noise of the training set has zero mean and unit variance in every channel:
    ``latents = (mean - latent_mean) / latent_std``. Both are buffers, saved with the weights, measured by
    `measure_latents`; before that they are 0 and 1.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.latent_channels))

    def moments(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the raw latents, each (batch, latent_channels, ny / f, nx / f)."""
        mean, log_variance = self.encoder(image).chunk(2, dim=1)
        return mean, (log_variance + LOG_VARIANCE_START).clamp(-20.0, 5.0)

    def encode(self, image: Tensor) -> Tensor:
        """Scaled images (batch, 1, ny, nx) to normalised latents (batch, latent_channels, ny / f, nx / f)."""
        mean, _ = self.moments(image)
        return (mean - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """Normalised latents to scaled images (batch, 1, ny, nx)."""
        return self.decoder(latents * self.latent_std[:, None, None] + self.latent_mean[:, None, None])

    def forward(self, image: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One training pass: reconstruction, mean and log-variance, with `noise` of the latents' shape."""
        mean, log_variance = self.moments(image)
        return self.decoder(mean + torch.exp(0.5 * log_variance) * noise), mean, log_variance

    def config_dict(self) -> dict:
        """The configuration as JSON values."""
        return asdict(self.config)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence to a unit Gaussian (Eq. 3), mean over latent elements, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()


def spectral_loss(image: Tensor, reconstruction: Tensor, weight: Tensor | None = None, bands: int = 16) -> Tensor:
    """How far the power spectrum of a reconstruction lies from that of the image, in log power; a scalar.

    Both are taken over the whole batch, tapered, in `bands` rings from 0 to 0.5 cycles per pixel.

    Parameters
    ----------
    image, reconstruction : Tensor (batch, 1, ny, nx)
    weight : Tensor (batch, 1, ny, nx), optional
        0 on source pixels, so that the spectrum is that of the noise.
    """
    ny, nx = image.shape[-2:]
    window = _taper(ny, image)[:, None] * _taper(nx, image)[None, :]
    if weight is not None:
        window = window * weight
    fy = torch.fft.fftfreq(ny, device=image.device)[:, None]
    fx = torch.fft.rfftfreq(nx, device=image.device)[None, :]
    ring = (torch.hypot(fy, fx) * 2 * bands).long().clamp(max=bands)
    logs = []
    for picture in (image, reconstruction):
        power = torch.fft.rfft2((picture * window).float()).abs().square().mean((0, 1))
        total = torch.zeros(bands + 1, device=image.device).index_add(0, ring.flatten(), power.flatten())
        logs.append(torch.log(total[:bands] + 1e-12))
    return (logs[0] - logs[1]).abs().mean()


def _taper(size: int, like: Tensor) -> Tensor:
    """Hann window without its zero ends."""
    positions = torch.arange(size, device=like.device, dtype=torch.float32)
    return torch.sin(math.pi * (positions + 0.5) / size).square()
