"""A preset or a YAML file, with overrides, to checked settings of any kind. Knows no setting by name."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from radiff.errors import InputError

PRESETS = ("smoke", "cpu", "gpu", "paper")

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(
    model: type[Settings], room: str | Sequence[str], name: str, overrides: list[str] | None = None
) -> Settings:
    """Settings of a preset or a YAML file, changed by ``section.key=value`` overrides.

    Parameters
    ----------
    model : type
        A pydantic model that forbids unknown keys.
    room : str or sequence of str
        Package whose folder ``presets`` holds the presets, e.g. ``radiff.training``; several, where each has sections
        of its own.
    name : str
        One of `PRESETS`, or a YAML file.

    Raises
    ------
    InputError
        Where the file or a key is not known, or a value is of the wrong kind; the message lists the valid keys.
    """
    if name in PRESETS:
        rooms = (room,) if isinstance(room, str) else room
        files = (resources.files(one) / "presets" / f"{name}.yaml" for one in rooms)
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    elif Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8", errors="replace")
    else:
        raise InputError(f"{name!r} is neither a preset ({', '.join(PRESETS)}) nor a YAML file")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise InputError(f"is not YAML: {error}", name) from error
    if not isinstance(values, dict):
        raise InputError(f"holds no settings; there are: {', '.join(model.model_fields)}", name)
    for override in overrides or []:
        _override(values, override, model)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(_explain(error, model), name) from error


def _override(values: dict[str, Any], override: str, model: type[BaseModel]) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        known = ", ".join(model.model_fields)
        raise InputError(f"--set {override!r} is not of the form key=value or section.key=value; there are: {known}")
    *path, last = key.split(".")
    for step in path:
        values = values.setdefault(step, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {override!r}: {step} is a value, not a section")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override!r}: {text!r} is no YAML value, e.g. 2000, true or [32, 64]") from error


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint of pydantic in one line, with the valid keys where a key is unknown."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{place}: {first['msg']} (here {first.get('input')!r})"
    section: Any = model
    for part in first["loc"][:-1]:
        section = section.model_fields[str(part)].annotation
    return f"{place} is no setting; valid here: {', '.join(section.model_fields)}"
