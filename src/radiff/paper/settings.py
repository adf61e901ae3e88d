"""What the training of a baseline may be told, beside the other trainings' settings. Knows no networks and no data."""

from pydantic import Field

from radiff.training.config import DEFAULTS, Preset, Run, Section
from radiff.training.reading import read_settings

ROOMS = ("radiff.training", "radiff.paper")
"""Whose presets make one: each has the sections of its own networks."""


class DcganSettings(Section):
    """Sizes of DCGAN."""

    latent: int = Field(100, gt=0, description="random numbers an image")
    widths: tuple[int, ...] = Field((1024, 512, 256, 128, 64), description="channels from 4 pixels a side to half")
    kernel: int = Field(5, gt=0)
    reach: float = Field(8.0, gt=0, description="largest scaled intensity")
    critic_rate: float = Field(1.0, gt=0, description="learning rate of the critic, in units of the generator's")


class PgganSettings(Section):
    """Sizes of PG-GAN and the course of its growth."""

    latent: int = Field(512, gt=0, description="random numbers an image")
    widths: tuple[int, ...] = Field((512, 512, 512, 512, 256, 128), description="channels from 4 pixels a side on")
    stages: tuple[float, ...] = Field((1, 2, 2, 2, 2, 2), description="lengths of the stages, one a level")
    critic_rate: float = Field(1.0, gt=0, description="learning rate of the critic, in units of the generator's")


class DdpmSettings(Section):
    """Sizes of DDPM."""

    inner: int = Field(64, gt=0, description="side of what is denoised, pixels")
    widths: tuple[int, ...] = (128, 256, 256, 256)
    layers: int = Field(2, gt=0)
    attention: tuple[bool, ...] = (False, False, True, False)
    head_width: int = Field(0, ge=0, description="channels of an attention head; 0 = one head")
    dropout: float = Field(0.1, ge=0, lt=1)
    reach: float = Field(8.0, gt=0, description="largest scaled intensity of what is drawn")
    sampler: str = Field("ddpm", description="default sampler of the weights")
    num_steps: int = Field(1000, gt=0, description="default steps of the weights")


class SemanticSettings(Section):
    """Sizes and losses of SPADE and INADE."""

    width: int = Field(64, gt=0, description="channels of the finest level")
    latent: int = Field(256, gt=0, description="numbers of a style (SPADE) or of an object's noise (INADE)")
    reach: float = Field(8.0, gt=0, description="largest scaled intensity")
    critic_width: int = Field(64, gt=0)
    critic_layers: int = Field(4, gt=1)
    critic_scales: int = Field(2, gt=0)
    critic_rate: float = Field(4.0, gt=0, description="learning rate of the critic, in units of the generator's")
    feature_weight: float = Field(10.0, ge=0)
    kl_weight: float = Field(0.05, ge=0)


class SpadeSettings(SemanticSettings):
    """Sizes and losses of SPADE."""

    hidden: int = Field(128, gt=0, description="channels between a mask and what it modulates")


class InadeSettings(SemanticSettings):
    """Sizes and losses of INADE."""

    latent: int = Field(64, gt=0, description="numbers of an object's noise")


class PaperPreset(Preset):
    """All settings of all trainings, the baselines' among them; one YAML file."""

    dcgan: Run[DcganSettings] = DEFAULTS
    pggan: Run[PgganSettings] = DEFAULTS
    ddpm: Run[DdpmSettings] = DEFAULTS
    spade: Run[SpadeSettings] = DEFAULTS
    inade: Run[InadeSettings] = DEFAULTS


def load_preset(name: str, overrides: list[str] | None = None) -> PaperPreset:
    """As `radiff.training.config.load_preset`, with the baselines' sections."""
    return read_settings(PaperPreset, ROOMS, name, overrides)
