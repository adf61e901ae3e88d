"""Noised fields of a mask, an angle and numbers of objects to clean fields: a small U-Net. Knows no schedule, no FITS.

The fields (`radiff.masks.fields`) of a class differ from their usual value, "far outside", only on and near objects.
So the network says how far they do, in units of their own standard deviation, and at high noise has nothing to say of
an empty sky (Karras et al. 2022, section 5; Lu and Song 2024, TrigFlow).
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.models.blocks import ChannelNorm, start_at_zero
from radiff.models.denoiser import Attention, Block, Stage, waves

CLASSES = 3
"""Spurious, compact, extended."""
ANY = -1
"""In place of a number of objects: any number."""
WAVES = 16


@dataclass(frozen=True)
class MaskModelConfig:
    """Sizes of a mask model.

    Attributes
    ----------
    size : int
        Side of the masks, pixels.
    factor : int
        Pixels along the side of a patch that is one pixel of the finest level.
    reach : float
        Of the fields, pixels.
    gain : float
        What a full field is above an empty one, over 2, in units of the noise at an angle of 90 degrees. Objects
        appear where the noise has the size of gain times the root of their area.
    channels, layers, attention, head_width
        As in `radiff.models.denoiser.DenoiserConfig`.
    """

    size: int = 128
    factor: int = 4
    reach: float = 4.0
    gain: float = 0.5
    channels: tuple[int, ...] = (64, 128, 128)
    layers: int = 2
    attention: tuple[bool, ...] = (False, True, True)
    head_width: int = 32

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.channels):
            raise ValueError(f"attention needs one entry a level: {len(self.channels)}, not {len(self.attention)}")
        multiple = self.factor * 2 ** (len(self.channels) - 1)
        if self.size % multiple:
            raise ValueError(f"masks of {self.size} pixels; the side must be a multiple of {multiple}")
        for width, attends in zip(self.channels, self.attention, strict=True):
            if attends and (width % 4 or width % max(1, width // self.head_width)):
                raise ValueError(f"{width} channels cannot attend in heads of {self.head_width}; use a multiple of it")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a mask as the network sees it."""
        side = self.size // self.factor
        return CLASSES * self.factor**2, side, side

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self)


class MaskModel(nn.Module):
    """U-Net over patches of fields, steered by the angle and by how many objects of each class are asked for."""

    deviation: Tensor

    def __init__(self, config: MaskModelConfig) -> None:
        super().__init__()
        self.config = config
        widths, width = config.channels, 4 * config.channels[0]
        planes = config.shape[0]
        self.register_buffer("deviation", torch.full((CLASSES,), 0.2))
        self.time = nn.Sequential(nn.Linear(widths[0], width), nn.SiLU(), nn.Linear(width, width))
        self.numbers = nn.Sequential(nn.Linear(CLASSES * (WAVES + 1), width), nn.SiLU(), nn.Linear(width, width))
        self.conv_in = nn.Conv2d(planes, widths[0], 3, padding=1)
        last = len(widths) - 1
        down: list[nn.Module] = []
        for level, c in enumerate(widths):
            down += [self._stage(c, c, level, k == config.layers - 1) for k in range(config.layers)]
            if level < last:
                down.append(nn.Conv2d(c, widths[level + 1], 3, stride=2, padding=1))
        self.down = nn.ModuleList(down)
        self.middle = self._stage(widths[-1], widths[-1], last, True)
        up: list[nn.Module] = []
        for level in reversed(range(len(widths))):
            up += [self._stage(2 * widths[level], widths[level], level, k == 0) for k in range(config.layers)]
            if level > 0:
                up.append(nn.Sequential(nn.Conv2d(widths[level], 4 * widths[level - 1], 1), nn.PixelShuffle(2)))
        self.up = nn.ModuleList(up)
        self.norm_out = ChannelNorm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], planes, 3, padding=1)
        start_at_zero(self.conv_out)

    def _stage(self, c_in: int, c_out: int, level: int, looks: bool) -> Stage:
        config = self.config
        attends = looks and config.attention[level]
        attention = Attention(c_out, 2**level, config.head_width, 0) if attends else None
        return Stage(Block(c_in, c_out, 4 * config.channels[0]), attention)

    # -- fields as the network sees them -----------------------------------------------------------------------------

    def pack(self, fields: Tensor) -> Tensor:
        """Fields (batch, 3, size, size), -1 to 1, to clean planes (batch, 3 * factor**2, h, w): 0 where nothing is."""
        return F.pixel_unshuffle(self.config.gain * (fields + 1.0), self.config.factor)

    def unpack(self, planes: Tensor) -> Tensor:
        """The inverse of `pack`."""
        return F.pixel_shuffle(planes.float(), self.config.factor) / self.config.gain - 1.0

    @torch.no_grad()
    def measure(self, fields: Tensor) -> None:
        """Set `deviation` to the rms of the clean planes of each class."""
        rms = (self.config.gain * (fields + 1.0)).square().mean((0, 2, 3)).sqrt()
        self.deviation.copy_(rms.clamp(min=0.01))

    def scales(self, angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Deviation (1, planes, 1, 1), and cosine and sine (batch, planes, 1, 1) of each plane's own angle.

        Its tangent is that of the angle over the deviation: the ratio of noise and signal.
        """
        deviation = self.deviation.repeat_interleave(self.config.factor**2)[None, :, None, None]
        cosine, sine = (f(angle.float())[:, None, None, None] for f in (torch.cos, torch.sin))
        total = torch.sqrt((deviation * cosine) ** 2 + sine**2)
        return deviation, deviation * cosine / total, sine / total

    # -- the network -------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, angle: Tensor, numbers: Tensor) -> Tensor:
        """What is learnt: cos(b) eps - sin(b) x_0 / deviation, at each plane's own angle b; shape of `x`.

        Parameters
        ----------
        x : Tensor (batch, planes, h, w)
            cos(angle) x_0 + sin(angle) eps.
        angle : Tensor (batch,)
            From 0 (clean) to pi / 2 (noise).
        numbers : Tensor (batch, 3)
            Spurious, compact and extended objects asked for; `ANY`: not said.
        """
        deviation, _, _ = self.scales(angle)
        cosine, sine = torch.cos(angle)[:, None, None, None], torch.sin(angle)[:, None, None, None]
        h = self.conv_in(x / torch.sqrt((deviation * cosine) ** 2 + sine**2))
        asked = (numbers >= 0).float()
        count = torch.log2(1.0 + numbers.float().clamp(min=0))
        features = torch.cat([waves(4.0 * count, WAVES, 10.0) * asked[..., None], asked[..., None]], -1)
        time = waves(angle * (2000.0 / torch.pi), self.config.channels[0], 10_000.0)
        embedding = F.silu(self.time(time) + self.numbers(features.flatten(1)))
        skips: list[Tensor] = []
        for module in self.down:
            if isinstance(module, Stage):
                h = module(h, embedding, None)
                skips.append(h)
            else:
                h = module(h)
        h = self.middle(h, embedding, None)
        for module in self.up:
            h = module(torch.cat([h, skips.pop()], 1), embedding, None) if isinstance(module, Stage) else module(h)
        output: Tensor = self.conv_out(F.silu(self.norm_out(h)))
        return output

    def target(self, clean: Tensor, noise: Tensor, angle: Tensor) -> Tensor:
        """What `forward` is to say."""
        deviation, cosine, sine = self.scales(angle)
        return cosine * noise - sine * clean / deviation

    def clean(self, x: Tensor, output: Tensor, angle: Tensor) -> Tensor:
        """The clean planes that the `output` for `x` at `angle` means."""
        deviation, cosine, sine = self.scales(angle)
        unit = x / torch.sqrt(
            (deviation * torch.cos(angle)[:, None, None, None]) ** 2 + torch.sin(angle)[:, None, None, None] ** 2
        )
        return deviation * (cosine * unit - sine * output.float())

    def velocity(self, x: Tensor, angle: Tensor, numbers: Tensor, guidance: float = 1.0) -> Tensor:
        """dx/d(angle), for the samplers; with `guidance` above 1 the numbers are followed more strongly."""
        output = self(x, angle, numbers).float()
        if guidance != 1.0:
            free = self(x, angle, torch.full_like(numbers, ANY)).float()
            output = free + guidance * (output - free)
        clean = self.clean(x, output, angle)
        cosine, sine = torch.cos(angle)[:, None, None, None], torch.sin(angle)[:, None, None, None]
        return (cosine * x - clean) / sine.clamp(min=1e-4)
