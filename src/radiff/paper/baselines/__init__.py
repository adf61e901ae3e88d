"""The models that the paper compares itself with (Tables 3 and 4), by name, and their weights folders. Knows no FITS.

Importing this makes them known to `radiff.models.io`.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from radiff.errors import InputError
from radiff.files import read_json
from radiff.models.io import LOADERS, load_parameters, with_tuples
from radiff.paper.baselines.dcgan import Dcgan, DcganConfig
from radiff.paper.baselines.ddpm import Ddpm, DdpmConfig
from radiff.paper.baselines.inade import Inade, InadeConfig
from radiff.paper.baselines.pggan import Pggan, PgganConfig
from radiff.paper.baselines.scene import Scene, normal
from radiff.paper.baselines.spade import Spade, SpadeConfig

__all__ = ["BASELINES", "PART", "Kind", "Scene", "baseline_config", "load_baseline", "normal"]

PART, FORMER_PART = "baseline", "rival"
"""Their part of a weights folder, and its name in version 0.1.0."""


@dataclass(frozen=True)
class Kind:
    """A baseline: its name for people, its network, the sizes of it, and whether it draws from masks."""

    title: str
    network: type[nn.Module]
    config: type[Any]
    conditional: bool = False


BASELINES: dict[str, Kind] = {
    "dcgan": Kind("DCGAN", Dcgan, DcganConfig),
    "pggan": Kind("PG-GAN", Pggan, PgganConfig),
    "ddpm": Kind("DDPM (64 x 64)", Ddpm, DdpmConfig),
    "spade": Kind("SPADE", Spade, SpadeConfig, conditional=True),
    "inade": Kind("INADE", Inade, InadeConfig, conditional=True),
}


def baseline_config(network: nn.Module) -> dict[str, Any]:
    """Kind and sizes of a network as JSON values, for `baseline_from`."""
    (name,) = (name for name, kind in BASELINES.items() if isinstance(network, kind.network))
    config: Any = network.config
    return {"kind": name, **asdict(config)}


def baseline_from(config: dict[str, Any]) -> nn.Module:
    """A new network from what `baseline_config` gave.

    Raises
    ------
    ValueError
        For another kind.
    """
    kind = BASELINES.get(str(config.get("kind")))
    if kind is None:
        raise ValueError(f"{config.get('kind')!r} is no baseline; there are: {', '.join(BASELINES)}")
    return kind.network(kind.config(**with_tuples({k: v for k, v in config.items() if k != "kind"})))


def load_baseline(folder: str | os.PathLike[str]) -> nn.Module:
    """The baseline of a weights folder, float32, in evaluation mode.

    Raises
    ------
    InputError
        Where the folder has none.
    """
    place = next((one for part in (PART, FORMER_PART) if (one := Path(folder) / part).is_dir()), None)
    if place is None:
        raise InputError("has no baseline; run 'radiff train dcgan' (or another) and give its weights", folder)
    try:
        network = baseline_from(read_json(place / "config.json"))
    except (ValueError, TypeError) as error:
        raise InputError(f"describes no baseline ({error}); update radiff", place / "config.json") from error
    return load_parameters(network, place)


LOADERS[PART] = LOADERS[FORMER_PART] = load_baseline
