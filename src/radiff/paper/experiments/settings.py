"""Presets and overrides to the settings of the augmentation experiments. Knows no networks and no data."""

from pydantic import Field

from radiff.training.config import LoopSettings, Section, SegmenterSettings
from radiff.training.reading import PRESETS, read_settings

__all__ = ["PRESETS", "ExperimentSettings", "load_settings"]


class ExperimentSettings(Section):
    """What the rows of Tables 5 to 8 are made with; the same for all rows."""

    networks: tuple[str, ...] = Field(("light-unet", "fc-densenet31"), description="segmenters, a row each")
    seeds: int = Field(2, gt=0, description="trainings of each row and network")
    first_seed: int = Field(0, ge=0)
    limit: int | None = Field(None, gt=7, description="use so many train cutouts (and val ones) at most")
    empty_share: float = Field(1.0, ge=0, le=1, description="part of the train cutouts without objects that is used")
    extended_left: float = Field(0.295, gt=0, lt=1, description="part of the extended objects that stays in SC_R")
    pairs: int = Field(1000, gt=0, description="synthetic pairs of each kind in Table 6")
    masks: str = Field("collection", pattern="^(collection|model)$", description="masks of Table 6's pairs")
    per_image: tuple[int, int] | None = Field(None, description="objects of a mask of Table 6; none: as in real ones")
    labels: str = Field("found", pattern="^(found|asked)$")
    gate: bool = True
    sampling_steps: int | None = Field(None, gt=0, description="of the generator; none: that of its weights")
    batch_size: int = Field(8, gt=0, description="images generated at a time")
    generator_preset: str | None = Field(
        None, description="train the denoiser of SC_A on SC_R with this preset; none: the weights given, which saw all"
    )
    segmenter: SegmenterSettings = SegmenterSettings()
    loop: LoopSettings = LoopSettings()


def load_settings(name: str, overrides: list[str] | None = None) -> ExperimentSettings:
    """Settings by preset name or YAML file, with ``key=value`` or ``section.key=value`` overrides.

    Raises
    ------
    InputError
        Where the file or a key is not known, or a value is of the wrong kind.
    """
    return read_settings(ExperimentSettings, "radiff.paper.experiments", name, overrides)
