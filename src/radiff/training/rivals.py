"""The rivals' settings to their tasks. Knows no data and no loop."""

from typing import Any

from radiff.models.baselines.dcgan import Dcgan, DcganConfig, DcganCritic
from radiff.training.adversarial import AdversarialTask, DcganContest
from radiff.training.config import Section

RivalTask = AdversarialTask


def make_rival(name: str, settings: Section, scaling: dict[str, Any]) -> RivalTask:
    """The task that trains the rival called `name`.

    Raises
    ------
    ValueError
        Where the settings do not go together.
    """
    sizes = settings.model_dump()
    config = DcganConfig(**sizes)
    return AdversarialTask(name, DcganContest(Dcgan(config), DcganCritic(config)), settings, scaling)
