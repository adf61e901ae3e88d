"""Noised latents, a time and conditions to a prediction: the U-Net of sections 4.2 and 4.3. Knows no schedule, no FITS.

Four conditions, each of which can be left out for any image of a batch:

- the mask and the peak asked of each object, concatenated to the latents at every step (`condition_planes`);
- the background image, which an encoder turns into a grid of tokens for cross-attention (`BackgroundEncoder`);
- the beam in pixels (its width, or its two axes and angle), added to the embedding of the time.

Background and beam are encoded once an image (`Denoiser.encode`), not once a step.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.models.blocks import ChannelNorm, ResBlock, start_at_zero
from radiff.models.conditions import PLANES, Conditions, beam_code, with_background

TOKEN_STRIDE = 2
"""Latent pixels along one side of a background token: a 128-pixel image at factor 4 has 16 x 16 tokens."""
MOST_PAIRS = 2**20
"""Pairs of pixels up to which attention is written out on a CPU; above, torch's own saves memory."""
USUAL_BEAM = 3.0
"""Beam FWHM in pixels that is the middle of the beam condition's scale."""


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of a denoiser.

    Attributes
    ----------
    latent_channels, factor : int
        Those of the autoencoder.
    channels : tuple of int
        Width of each level, from fine to coarse.
    layers : int
        Residual blocks a level, down and up.
    attention : tuple of bool
        Whether a level has self-attention and cross-attention to the background's tokens, once on the way down and
        once on the way up.
    head_width : int
        Channels of an attention head.
    context : int
        Width of a background token; 0 = the network knows no background.
    beam_numbers : int
        1: it is told the width of the beam; 3: its axes and angle too (`radiff.models.conditions.beam_code`).
    """

    latent_channels: int = 16
    factor: int = 4
    channels: tuple[int, ...] = (96, 192, 384)
    layers: int = 2
    attention: tuple[bool, ...] = (False, True, True)
    head_width: int = 64
    context: int = 128
    beam_numbers: int = 1

    def __post_init__(self) -> None:
        if self.beam_numbers not in (1, 3):
            raise ValueError(f"a beam of {self.beam_numbers} numbers; it is told by 1 or 3")
        if len(self.attention) != len(self.channels):
            raise ValueError(f"attention needs one entry a level: {len(self.channels)}, not {len(self.attention)}")
        if self.context and len(self.channels) < 2:
            raise ValueError("a background condition needs at least two levels")
        for width in (c for c, attends in zip(self.channels, self.attention, strict=True) if attends):
            if width % 4 or width % max(1, width // self.head_width):
                raise ValueError(f"{width} channels cannot attend in heads of {self.head_width}; use a multiple of it")
        if self.context % 4:
            raise ValueError(f"background tokens of width {self.context}; use a multiple of 4")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self)


def waves(values: Tensor, width: int, slowest: float) -> Tensor:
    """Sines and cosines of `values` (...,) at `width` / 2 frequencies with periods from 2 pi up to 2 pi `slowest`."""
    exponents = torch.arange(width // 2, device=values.device, dtype=torch.float32) / max(width // 2 - 1, 1)
    phases = values.float()[..., None] * torch.exp(-math.log(slowest) * exponents)
    return torch.cat([phases.sin(), phases.cos()], dim=-1)


def positions(height: int, width: int, stride: int, channels: int, device: torch.device) -> Tensor:
    """(height * width, channels): where each pixel of a grid lies; `stride` is its step in latent pixels.

    Grids of different steps agree where they overlap, so attention between them can look at the same place.
    """
    half = channels // 2
    y = waves((torch.arange(height, device=device) + 0.5) * stride, half, 100.0)
    x = waves((torch.arange(width, device=device) + 0.5) * stride, channels - half, 100.0)
    grid = torch.cat([y[:, None].expand(-1, width, -1), x[None].expand(height, -1, -1)], dim=-1)
    return grid.reshape(height * width, -1)


class Block(nn.Module):
    """Residual block steered by the embedding: (batch, c_in, h, w) -> (batch, c_out, h, w)."""

    def __init__(self, c_in: int, c_out: int, embedding: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(c_in)
        self.steer = nn.Linear(embedding, 2 * c_in)
        self.first = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.second = nn.Conv2d(c_out, c_out, 3, padding=1)
        start_at_zero(self.second)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.steer(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.first(F.silu(self.norm(x) * (1 + scale) + shift))
        return self.skip(x) + self.second(F.silu(h))


class Attention(nn.Module):
    """Attention of every pixel to all pixels and, where there is a background, to all its tokens (Eq. 6)."""

    def __init__(self, channels: int, stride: int, head_width: int, context: int) -> None:
        super().__init__()
        self.stride, self.heads = stride, max(1, channels // head_width)
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = _zero(nn.Linear(channels, channels))
        self.context = context
        if context:
            self.cross_norm = nn.LayerNorm(channels)
            self.query = nn.Linear(channels, channels)
            self.key_value = nn.Linear(context, 2 * channels)
            self.cross_out = _zero(nn.Linear(channels, channels))

    def keys_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What the background's tokens (batch, n, context) offer, once an image."""
        key, value = self.key_value(tokens).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def _split(self, x: Tensor) -> Tensor:
        batch, count, channels = x.shape
        return x.view(batch, count, self.heads, channels // self.heads).transpose(1, 2)

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor] | None) -> Tensor:
        batch, channels, height, width = x.shape
        flat = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        place = positions(height, width, self.stride, channels, x.device).to(flat.dtype)
        query, key, value = (self._split(p) for p in self.qkv(self.norm(flat) + place).chunk(3, dim=-1))
        flat = flat + self.out(_merged(attend(query, key, value)))
        if keys_values is not None:
            query = self._split(self.query(self.cross_norm(flat) + place))
            flat = flat + self.cross_out(_merged(attend(query, *keys_values)))
        return flat.view(batch, height, width, channels).permute(0, 3, 1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention, (batch, heads, n, width); on a CPU written out where small: much faster there."""
    if query.is_cuda or query.shape[-2] * key.shape[-2] > MOST_PAIRS:
        return F.scaled_dot_product_attention(query, key, value)
    weights = torch.softmax((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2), dim=-1)
    return weights.to(value.dtype) @ value


def _merged(x: Tensor) -> Tensor:
    batch, heads, count, width = x.shape
    return x.transpose(1, 2).reshape(batch, count, heads * width)


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class BackgroundEncoder(nn.Module):
    """Latents of a background image to a grid of tokens (section 4.3), one every `TOKEN_STRIDE` latent pixels.

    It sees the logarithm of the latents' local power, channel by channel: a latent channel is a spatial frequency, so
    this is the local power spectrum of the noise, stripes and all; and the latents in noise (`noise_augmented`).
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.channels[0]
        self.read = nn.Conv2d(2 * config.latent_channels, width, 3, padding=1)
        self.fine = ResBlock(width, width)
        self.down = nn.Conv2d(width, config.channels[1], 3, stride=TOKEN_STRIDE, padding=1)
        self.coarse = nn.Sequential(*(ResBlock(config.channels[1], config.channels[1]) for _ in range(2)))
        self.write = nn.Conv2d(config.channels[1], config.context, 1)
        self.nothing = nn.Parameter(torch.zeros(config.context))

    def forward(self, background: Tensor, noised: Tensor, present: Tensor) -> Tensor:
        """Two of (batch, latent_channels, h, w), (batch,) bool -> (batch, context, h / 2, w / 2)."""
        square = F.avg_pool2d(background.float().square(), 5, stride=1, padding=2, count_include_pad=False)
        power = torch.log(square + 1e-4)
        h = self.fine(self.read(torch.cat([noised, power.to(noised.dtype)], dim=1)))
        tokens = self.write(F.silu(self.coarse(self.down(h))))
        nothing = self.nothing[:, None, None].to(tokens.dtype)
        return torch.where(present[:, None, None, None], tokens, nothing)


@dataclass(frozen=True)
class Encoded:
    """Conditions as the U-Net uses them at every step, made once an image by `Denoiser.encode`.

    Attributes
    ----------
    planes : Tensor (batch, planes, h, w)
    embedding : Tensor (batch, width)
        What beam and background add to the embedding of the time.
    local : Tensor (batch, channels, h, w), optional
        What the background adds to the finest level, place by place.
    keys_values : tuple of (Tensor, Tensor)
        Of every attention layer, in the order of the network.
    """

    planes: Tensor
    embedding: Tensor
    local: Tensor | None
    keys_values: tuple[tuple[Tensor, Tensor] | None, ...]

    def __getitem__(self, chosen: slice) -> "Encoded":
        """Some images of the batch."""
        local = None if self.local is None else self.local[chosen]
        pairs = tuple(None if kv is None else (kv[0][chosen], kv[1][chosen]) for kv in self.keys_values)
        return Encoded(self.planes[chosen], self.embedding[chosen], local, pairs)


class Denoiser(nn.Module):
    """U-Net over latents: mask and peaks concatenated, background by cross-attention, beam and time by embedding."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        widths, width = config.channels, 4 * config.channels[0]
        self.time = nn.Sequential(nn.Linear(config.channels[0], width), nn.SiLU(), nn.Linear(width, width))
        self.beam = nn.Sequential(nn.Linear(32 + config.beam_numbers, width), nn.SiLU(), nn.Linear(width, width))
        self.conv_in = nn.Conv2d(config.latent_channels + PLANES * config.factor**2, widths[0], 3, padding=1)
        if config.context:
            self.background = BackgroundEncoder(config)
            self.summary = nn.Linear(config.context, width)
            self.detail = nn.Linear(32, width)
            self.local = nn.Conv2d(config.context, widths[0] * TOKEN_STRIDE**2, 1)
        last = len(widths) - 1
        down: list[nn.Module] = []
        for level, c in enumerate(widths):
            down += [self._stage(c, c, level, looks=k == config.layers - 1) for k in range(config.layers)]
            if level < last:
                down.append(nn.Conv2d(c, widths[level + 1], 3, stride=2, padding=1))
        self.down = nn.ModuleList(down)
        self.middle = self._stage(widths[-1], widths[-1], last, looks=True)
        up: list[nn.Module] = []
        for level in reversed(range(len(widths))):
            up += [self._stage(2 * widths[level], widths[level], level, looks=k == 0) for k in range(config.layers)]
            if level > 0:
                up.append(nn.Sequential(nn.Conv2d(widths[level], 4 * widths[level - 1], 1), nn.PixelShuffle(2)))
        self.up = nn.ModuleList(up)
        self.norm_out = ChannelNorm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], config.latent_channels, 3, padding=1)
        start_at_zero(self.conv_out)
        # normalisation by pixel hides how bright a pixel is; past it goes what must not be hidden
        self.straight = nn.Conv2d(widths[0], config.latent_channels, 1)
        start_at_zero(self.straight)

    def _stage(self, c_in: int, c_out: int, level: int, looks: bool) -> "Stage":
        config = self.config
        attention = None
        if looks and config.attention[level]:
            attention = Attention(c_out, 2**level, config.head_width, config.context)
        return Stage(Block(c_in, c_out, 4 * config.channels[0]), attention)

    @property
    def multiple(self) -> int:
        """Latent height and width are padded to multiples of this."""
        return int(2 ** (len(self.config.channels) - 1))

    @property
    def stages(self) -> list["Stage"]:
        """Every block of the network, in the order of its work."""
        return [m for m in [*self.down, self.middle, *self.up] if isinstance(m, Stage)]

    def _padded(self, x: Tensor) -> Tensor:
        pad = (0, -x.shape[-1] % self.multiple, 0, -x.shape[-2] % self.multiple)
        return F.pad(x, pad, mode="reflect") if any(pad) else x

    def encode(self, conditions: Conditions) -> Encoded:
        """Conditions to what `forward` takes; once an image, whatever the number of steps."""
        planes = self._padded(conditions.planes.to(self.conv_in.weight.dtype))
        code = beam_code(conditions.beam)
        beam, shape = code[:, 0], code[:, 1 : self.config.beam_numbers]
        asked = (beam > 0).float()
        scale = 4.0 * torch.log2(torch.where(beam > 0, beam, USUAL_BEAM) / USUAL_BEAM)
        features = torch.cat([waves(scale, 32, 10.0), torch.ones_like(asked)[:, None], shape], dim=1) * asked[:, None]
        embedding = self.beam(features)
        if not self.config.context:
            return Encoded(planes, embedding, None, (None,) * len(self.stages))
        present = with_background(conditions)
        background = planes.new_zeros((len(beam), self.config.latent_channels, *planes.shape[-2:]))
        noised, strength = background, torch.ones_like(beam)
        if conditions.background is not None:
            background = self._padded(conditions.background)
            noised = background if conditions.noised is None else self._padded(conditions.noised)
            strength = strength if conditions.strength is None else conditions.strength
        grid = self.background(background, noised, present)
        embedding = embedding + self.detail(waves(20.0 * strength, 32, 20.0) * present[:, None])
        local = F.pixel_shuffle(self.local(grid), TOKEN_STRIDE)
        embedding = embedding + self.summary(grid.mean((-2, -1)))
        tokens = grid.permute(0, 2, 3, 1).flatten(1, 2)
        place = positions(grid.shape[-2], grid.shape[-1], TOKEN_STRIDE, self.config.context, grid.device)
        tokens = tokens + place.to(tokens.dtype)
        pairs = tuple(None if s.attention is None else s.attention.keys_values(tokens) for s in self.stages)
        return Encoded(planes, embedding, local, pairs)

    def forward(self, latents: Tensor, time: Tensor, conditions: Conditions | Encoded) -> Tensor:
        """Prediction of the latents' shape (batch, c, h, w).

        Any height and width: latents are padded by reflection to a multiple of `multiple` and cut back.

        Parameters
        ----------
        latents : Tensor (batch, latent_channels, h, w)
        time : Tensor (batch,)
            From 0 (clean) to 1000 (noise).
        conditions : Conditions or Encoded
        """
        given = self.encode(conditions) if isinstance(conditions, Conditions) else conditions
        height, width = latents.shape[-2:]
        x = self._padded(latents)
        x = self.conv_in(torch.cat([x.to(given.planes.dtype), given.planes], dim=1))
        if given.local is not None:
            x = x + given.local
        embedding = F.silu(self.time(waves(time, self.config.channels[0], 10_000.0)) + given.embedding)
        pairs = iter(given.keys_values)
        skips: list[Tensor] = []
        for module in self.down:
            if isinstance(module, Stage):
                x = module(x, embedding, next(pairs))
                skips.append(x)
            else:
                x = module(x)
        x = self.middle(x, embedding, next(pairs))
        for module in self.up:
            if isinstance(module, Stage):
                x = module(torch.cat([x, skips.pop()], dim=1), embedding, next(pairs))
            else:
                x = module(x)
        return (self.conv_out(F.silu(self.norm_out(x))) + self.straight(x))[..., :height, :width]


class Stage(nn.Module):
    """A residual block and, at some levels, attention behind it."""

    def __init__(self, block: Block, attention: Attention | None) -> None:
        super().__init__()
        self.block, self.attention = block, attention

    def forward(self, x: Tensor, embedding: Tensor, keys_values: tuple[Tensor, Tensor] | None) -> Tensor:
        x = self.block(x, embedding)
        return x if self.attention is None else self.attention(x, keys_values)
