"""The paper's rivals (Tables 3 and 4): networks by name. Knows no training and no FITS."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from radiff.paper.baselines.dcgan import Dcgan, DcganConfig
from radiff.paper.baselines.ddpm import Ddpm, DdpmConfig
from radiff.paper.baselines.inade import Inade, InadeConfig
from radiff.paper.baselines.pggan import Pggan, PgganConfig
from radiff.paper.baselines.scene import Scene, normal
from radiff.paper.baselines.spade import Spade, SpadeConfig


@dataclass(frozen=True)
class Kind:
    """A rival: its name for people, its network, the sizes of it, and whether it draws from masks."""

    title: str
    network: type[nn.Module]
    config: type[Any]
    conditional: bool = False


RIVALS: dict[str, Kind] = {
    "dcgan": Kind("DCGAN", Dcgan, DcganConfig),
    "pggan": Kind("PG-GAN", Pggan, PgganConfig),
    "ddpm": Kind("DDPM (64 x 64)", Ddpm, DdpmConfig),
    "spade": Kind("SPADE", Spade, SpadeConfig, conditional=True),
    "inade": Kind("INADE", Inade, InadeConfig, conditional=True),
}


def rival_config(network: nn.Module) -> dict[str, Any]:
    """Kind and sizes of a network as JSON values, for `rival_from`."""
    (name,) = (name for name, kind in RIVALS.items() if isinstance(network, kind.network))
    config: Any = network.config
    return {"kind": name, **asdict(config)}


def rival_from(config: dict[str, Any]) -> nn.Module:
    """A new network from what `rival_config` gave.

    Raises
    ------
    ValueError
        For another kind.
    """
    kind = RIVALS.get(str(config.get("kind")))
    if kind is None:
        raise ValueError(f"{config.get('kind')!r} is no rival; there are: {', '.join(RIVALS)}")
    sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k != "kind"}
    return kind.network(kind.config(**sizes))


__all__ = ["RIVALS", "Kind", "Scene", "normal", "rival_config", "rival_from"]
