"""Presets and overrides to the settings of the augmentation experiments. Knows no networks and no data."""

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from radiff.errors import InputError
from radiff.training.config import LoopSettings, Section, SegmenterSettings

PRESETS = ("smoke", "cpu", "gpu", "paper")


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
    if name in PRESETS:
        text = (resources.files("radiff.experiments") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8", errors="replace")
    else:
        raise InputError(f"{name!r} is neither a preset ({', '.join(PRESETS)}) nor a YAML file")
    try:
        values = yaml.safe_load(text) or {}
        for override in overrides or []:
            _override(values, override)
        return ExperimentSettings.model_validate(values)
    except yaml.YAMLError as error:
        raise InputError(f"is not YAML: {error}", name) from error
    except ValidationError as error:
        raise InputError(_explain(error), name) from error


def _override(values: Any, override: str) -> None:
    key, sign, text = override.partition("=")
    *path, last = key.split(".")
    for step in path:
        values = values.setdefault(step, {}) if isinstance(values, dict) else None
    if not sign or not key or not isinstance(values, dict):
        raise InputError(f"--set {override!r} is not of the form key=value, e.g. pairs=500 or loop.steps=2000")
    values[last] = yaml.safe_load(text)


def _explain(error: ValidationError) -> str:
    """The first complaint in one line, with the valid keys where a key is unknown."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{place}: {first['msg']} (here {first.get('input')!r})"
    section: Any = ExperimentSettings
    for part in first["loc"][:-1]:
        section = section.model_fields[str(part)].annotation
    return f"{place} is no setting; valid here: {', '.join(section.model_fields)}"
