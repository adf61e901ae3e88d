"""What a training run may be told: settings with their bounds and defaults. Knows no networks' insides and no data."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from radiff.training.reading import read_settings

Network = TypeVar("Network", bound=BaseModel)


class Section(BaseModel):
    """A group of settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LoopSettings(Section):
    """Settings of the training loop, the same for every network."""

    steps: int = Field(1000, gt=0, description="optimiser steps in all")
    batch_size: int = Field(16, gt=0, description="cutouts a step and process")
    learning_rate: float = Field(1e-3, gt=0)
    minutes: float = Field(0.0, ge=0, description="if above 0, in place of steps: processor time (GPU: time) in all")
    warmup_steps: int = Field(100, ge=0, description="steps of linear rise of the learning rate")
    decay_fraction: float = Field(0.3, ge=0, le=1, description="last part of the run, with a linear fall to zero")
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float = Field(1.0, gt=0, description="gradient clipping")
    ema_decay: float = Field(0.999, ge=0, lt=1, description="largest decay of the running mean of the weights")
    empty_share: float = Field(1.0, ge=0, le=1, description="part of the cutouts without objects seen an epoch")
    precision: str = Field("auto", pattern="^(auto|fp32|bf16)$", description="auto: bf16 where it is faster")
    compile: bool = Field(False, description="torch.compile, for a GPU")
    resident: bool = Field(False, description="keep the training pack on the device")
    seed: int = Field(0, ge=0)
    log_every: int = Field(20, gt=0)
    validate_every: int = Field(500, gt=0)
    validation_batches: int = Field(8, gt=0)
    sheet_every: int = Field(1000, gt=0, description="steps between sample sheets")
    checkpoint_minutes: float = Field(5.0, ge=0)


class AutoencoderSettings(Section):
    """Network and losses of the autoencoder."""

    patch: int = Field(2, gt=0)
    channels: tuple[int, ...] = (64, 128)
    blocks: int = Field(1, gt=0)
    convs: int = Field(2, gt=0)
    attention: bool = False
    latent_channels: int = Field(16, gt=0)
    linear: bool = True
    kl_weight: float = Field(1e-4, ge=0)
    spectral_weight: float = Field(0.02, ge=0, description="weight of the noise power spectrum's error")
    brightness_weight: float = Field(1.0, ge=0, description="a pixel's error counts 1 + this times its scaled value")


class DenoiserSettings(Section):
    """Network, objective and condition dropout of the denoiser."""

    channels: tuple[int, ...] = (96, 160, 320)
    layers: int = Field(2, gt=0)
    attention: tuple[bool, ...] = (False, True, True)
    head_width: int = Field(64, gt=0)
    context: int = Field(128, ge=0, description="width of a background token; 0 = no background condition")
    prior: str = Field(
        "white", pattern="^(white|sky)$", description="sky: diffusion starts from noise with each image's own spectrum"
    )
    beam_numbers: int = Field(1, description="1: told the beam's width; 3: its axes and angle too")
    objective: str = Field("angle", pattern="^(angle|flow|v|eps)$")
    num_train_steps: int = Field(1000, gt=1)
    beta_schedule: str = "linear"
    beta_start: float = 1e-4
    beta_end: float = 0.02
    zero_terminal_snr: bool = False
    time_shift: float = 0.5
    mask_dropout: float = Field(0.1, ge=0, le=1, description="part of the cutouts trained without a mask")
    peak_dropout: float = Field(0.15, ge=0, le=1, description="part of the cutouts trained without peaks")
    object_dropout: float = Field(0.15, ge=0, le=1, description="part of the objects trained without a peak")
    background_dropout: float = Field(0.2, ge=0, le=1, description="part of the cutouts trained without a background")
    self_share: float = Field(
        0.15, ge=0, le=1, description="part whose background is the image itself, sources and all"
    )
    beam_dropout: float = Field(0.1, ge=0, le=1, description="part of the cutouts trained without a beam")
    source_weight: float = Field(4.0, gt=0, description="weight of the loss on and beside objects; noise has 1")
    peak_weight: float = Field(5.0, ge=0, description="weight of objects whose peak is asked, times their code squared")
    halo_weight: float = Field(
        0.0, ge=0, description="weight around objects above 100 rms, times the square of what their code is above 2"
    )
    sampler: str = Field("flow-euler", description="default sampler of the weights")
    num_steps: int = Field(8, gt=0, description="default steps of the weights")
    detail: float = Field(0.7, ge=0, le=1, description="how much of a background the weights keep by default")


class CropSettings(Section):
    """Which crops of whole fields a denoiser is trained on; see `radiff.data.crops.CropOptions`."""

    size: int = Field(128, ge=16, description="side of a crop, pixels")
    near: float = Field(0.8, ge=0, le=1, description="part of the crops near an object; the rest lie anywhere")
    shares: tuple[float, float, float] = Field(
        (0.2, 0.35, 0.45), description="of these, near a spurious, compact, extended object"
    )
    bright_snr: float = Field(100.0, gt=0, description="objects above so many rms are seen more often")
    bright_factor: float = Field(5.0, gt=0, description="so many times as often")
    zoomed: float = Field(0.2, ge=0, le=1, description="part with larger or smaller pixels")
    stretched: float = Field(0.35, ge=0, le=1, description="part stretched along a random direction")
    beams: tuple[float, float] = Field((2.0, 7.0), description="smallest and largest beam of both, pixels")
    axis_ratio: float = Field(0.45, gt=0, le=1, description="smallest ratio of a stretch's two factors")


class FeatureSettings(Section):
    """Network, views and momentum of the features (BYOL)."""

    widths: tuple[int, ...] = (64, 128, 256, 512)
    hidden: int = Field(4096, gt=0, description="width inside the projector and the predictor")
    projection: int = Field(256, gt=0)
    overlap_weight: float = Field(
        0.005, ge=0, description="weight of the correlations of projections and of features; the paper has none"
    )
    standardised: bool = Field(True, description="features of variance 1 over the training images; the paper has not")
    compressed: bool = Field(True, description="features are means of log(1 + x) of the last activations, not of x")
    softness: float = Field(1.0, ge=0, description="the network sees asinh(snr / this); 0 = the scaling of the pack")
    centred: bool = Field(True, description="normalise projections over the batch; the paper does not")
    momentum: float = Field(0.996, ge=0, lt=1, description="of the target network at the start; 1 at the end")
    crop: int = Field(0, ge=0, description="side of a view, pixels; 0 = that of a cutout")
    least_area: float = Field(0.4, gt=0, le=1, description="a view shows at least this part of a cutout")
    plain_share: float = Field(0.5, ge=0, le=1, description="part of the views cut out without a change of pixel size")
    reach: float = Field(2.0, ge=0, description="largest distance of two views along an axis, halves of a cutout")
    gain: float = Field(0.2, ge=0, description="standard deviation of the logarithm of a view's gain")
    noise: float = Field(0.5, ge=0, description="largest rms of the noise added to a view, in units of its own")
    neighbours: int = Field(1024, gt=0, description="train cutouts that val cutouts are compared with")


class SegmenterSettings(Section):
    """Network and loss of the segmenter."""

    name: str = Field("light-unet", description="light-unet, fc-densenet31, fc-densenet56, fc-densenet67 or -103")
    widths: tuple[int, ...] = Field((48, 96, 192), description="channels of the levels of light-unet")
    dropout: float = Field(0.2, ge=0, lt=1, description="of the fc-densenets")
    class_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    dice_weight: float = Field(0.0, ge=0, description="weight of the Dice loss beside the cross entropy")
    crop: int = Field(0, ge=0, description="side of a training window, pixels; 0 = the cutout")
    object_share: float = Field(0.8, ge=0, le=1, description="part of the windows that hold an object, if there is one")


class MaskModelSettings(Section):
    """Network and condition dropout of the mask model."""

    factor: int = Field(4, gt=0, description="side of a patch of the mask that is one pixel of the finest level")
    reach: float = Field(4.0, gt=0, description="pixels from an edge at which a class's field is full")
    gain: float = Field(0.5, gt=0, description="how far fields stand above the noise; larger = placed at higher noise")
    channels: tuple[int, ...] = (64, 128, 128)
    layers: int = Field(2, gt=0)
    attention: tuple[bool, ...] = (False, True, True)
    head_width: int = Field(32, gt=0)
    time_shift: float = 0.3
    count_dropout: float = Field(0.1, ge=0, le=1, description="part of the masks trained without any number of objects")
    class_dropout: float = Field(0.1, ge=0, le=1, description="part of the numbers dropped, each on its own")
    sampler: str = Field("adams", description="default sampler of the weights")
    num_steps: int = Field(12, gt=0, description="default steps of the weights")
    guidance: float = Field(1.0, gt=0, description="default guidance of the weights: how the numbers are followed")


class ScalingSettings(Section):
    """Intensity scaling by name and parameters."""

    name: str = "snr-asinh"
    parameters: dict[str, float] = {}


class Run(Section, Generic[Network]):
    """Settings of one training: of its network, whatever that is, and of the loop."""

    network: Network
    loop: LoopSettings = LoopSettings()

    @model_validator(mode="before")
    @classmethod
    def _with_network(cls, values: Any) -> Any:
        """A preset may say nothing of the network."""
        return {"network": {}, **values} if isinstance(values, dict) else values


class DenoiserRun(Run[DenoiserSettings]):
    """`radiff train denoiser`."""

    crops: CropSettings = CropSettings()


DEFAULTS: Any = Field({}, validate_default=True)


class Preset(Section):
    """All settings of all trainings; one YAML file."""

    scaling: ScalingSettings = ScalingSettings()
    autoencoder: Run[AutoencoderSettings] = DEFAULTS
    denoiser: DenoiserRun = DEFAULTS
    features: Run[FeatureSettings] = DEFAULTS
    segmenter: Run[SegmenterSettings] = DEFAULTS
    masks: Run[MaskModelSettings] = DEFAULTS


def load_preset(name: str, overrides: list[str] | None = None) -> Preset:
    """A preset by name (``smoke``, ``cpu``, ``gpu``, ``paper``) or YAML file, with ``key.key=value`` overrides.

    Raises
    ------
    InputError
        Where the file or a key is not known, or a value is of the wrong kind; the message lists the valid keys.
    """
    return read_settings(Preset, "radiff.training", name, overrides)
