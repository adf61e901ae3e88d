"""The rivals' settings to their tasks. Knows no data and no loop."""

from collections.abc import Callable
from typing import Any

from radiff.paper.adversarial import AdversarialTask, DcganContest
from radiff.paper.baselines.dcgan import Dcgan, DcganConfig, DcganCritic
from radiff.paper.baselines.ddpm import Ddpm, DdpmConfig
from radiff.paper.baselines.inade import Inade, InadeConfig
from radiff.paper.baselines.pggan import Pggan, PgganConfig, PgganCritic
from radiff.paper.baselines.spade import MultiScaleCritic, Spade, SpadeConfig
from radiff.paper.growing import PgganContest, PgganTask
from radiff.paper.pixel_diffusion import DdpmTask
from radiff.paper.semantic import SemanticContest
from radiff.paper.settings import (
    DcganSettings,
    DdpmSettings,
    InadeSettings,
    PgganSettings,
    SemanticSettings,
    SpadeSettings,
)

RivalTask = AdversarialTask | DdpmTask


def make_rival(name: str, settings: Any, scaling: dict[str, Any]) -> RivalTask:
    """The task that trains the rival called `name`.

    Raises
    ------
    ValueError
        Where the settings do not go together.
    """
    return MAKERS[name](settings, scaling)


def _dcgan(settings: DcganSettings, scaling: dict[str, Any]) -> AdversarialTask:
    config = DcganConfig(settings.latent, settings.widths, settings.kernel, settings.reach)
    contest = DcganContest(Dcgan(config), DcganCritic(config))
    return AdversarialTask("dcgan", contest, settings, scaling, (settings.critic_rate, 1.0))


def _pggan(settings: PgganSettings, scaling: dict[str, Any]) -> AdversarialTask:
    if len(settings.stages) != len(settings.widths):
        raise ValueError(f"stages needs one length a level: {len(settings.widths)}, not {len(settings.stages)}")
    config = PgganConfig(settings.latent, settings.widths)
    contest = PgganContest(Pggan(config), PgganCritic(config))
    return PgganTask("pggan", contest, settings, scaling, (settings.critic_rate, 1.0))


def _ddpm(settings: DdpmSettings, scaling: dict[str, Any]) -> DdpmTask:
    sizes = ("inner", "widths", "layers", "attention", "head_width", "dropout", "reach")
    network = Ddpm(DdpmConfig(**{name: getattr(settings, name) for name in sizes}))
    return DdpmTask(settings, network, scaling)


def _spade(settings: SpadeSettings, scaling: dict[str, Any]) -> AdversarialTask:
    network = Spade(SpadeConfig(settings.width, settings.hidden, settings.latent, settings.reach))
    return _semantic("spade", network, settings, scaling)


def _inade(settings: InadeSettings, scaling: dict[str, Any]) -> AdversarialTask:
    network = Inade(InadeConfig(settings.width, settings.latent, settings.reach))
    return _semantic("inade", network, settings, scaling)


def _semantic(
    name: str, network: Spade | Inade, settings: SemanticSettings, scaling: dict[str, Any]
) -> AdversarialTask:
    critic = MultiScaleCritic(settings.critic_width, settings.critic_layers, settings.critic_scales)
    contest = SemanticContest(network, critic, name == "inade", settings.feature_weight, settings.kl_weight)
    return AdversarialTask(name, contest, settings, scaling, (settings.critic_rate, 1.0))


MAKERS: dict[str, Callable[[Any, dict[str, Any]], RivalTask]] = {
    "dcgan": _dcgan,
    "pggan": _pggan,
    "ddpm": _ddpm,
    "spade": _spade,
    "inade": _inade,
}
