"""What the loop trains, what it asks of it, and where a run stands. Knows no data and no networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import nn

from radiff.training.config import LoopSettings, Section


class Loader(Protocol):
    """What gives the batches of a `Task`, each a function of its number alone."""

    def batch(self, step: int) -> Any:
        """The batch of training step `step`."""
        ...


class Task(Protocol):
    """What the loop trains. `module(batch, generator)` gives a scalar loss and figures to log.

    A task whose attribute `keep_best` is True gets its weights folder written where ``val/loss`` is lowest.
    """

    @property
    def name(self) -> str:
        """For logs."""
        ...

    @property
    def module(self) -> nn.Module:
        """What is trained."""
        ...

    @property
    def settings(self) -> Section:
        """The network's settings, which a resumed run must share."""
        ...

    def validate(self, batches: list[Any]) -> dict[str, float]:
        """Figures on val, with the weights that `module` holds; ``val/loss`` among them."""
        ...

    def draw_sheet(self, batches: list[Any], path: Path) -> None:
        """Write a PNG that shows what the network does now."""
        ...

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder."""
        ...


@dataclass(frozen=True)
class TrainedNetwork:
    """One of the networks of an adversarial training: its parameters, which have an optimiser of their own.

    Attributes
    ----------
    name : str
        Given to the module where the loss is to be this network's.
    parameters : list of Parameter
    rate : float
        Learning rate, in units of the loop's.
    """

    name: str
    parameters: list[nn.Parameter]
    rate: float = 1.0


@runtime_checkable
class Adversarial(Protocol):
    """A `Task` of several networks, trained one after the other in every step; the last one is averaged and exported.

    Its module is called with the batch, the generator and the name of the network whose loss is wanted.
    """

    @property
    def networks(self) -> Sequence[TrainedNetwork]:
        """In the order of their steps."""
        ...


@runtime_checkable
class Growing(Protocol):
    """A `Task` that changes in the course of its run."""

    def follow(self, progress: float) -> None:
        """Told before every step, and before validation, how much of the run is done, 0 to 1."""
        ...


@dataclass
class State:
    """Where a run stands.

    Attributes
    ----------
    step : int
    seconds : float
        Time on the clock.
    spent : float
        Seconds of processor time in training steps (on a GPU: time on the clock).
    best : float
        Lowest ``val/loss``.
    left_out : int
        Steps whose loss or gradient was not finite.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = math.inf
    spent: float = 0.0
    left_out: int = 0

    def progress(self, settings: LoopSettings) -> float:
        """How much of the run is done, 0 to 1 (or a little more)."""
        return self.spent / (60.0 * settings.minutes) if settings.minutes else self.step / settings.steps


def learning_rate_at(state: State, settings: LoopSettings) -> float:
    """Linear rise, constant, linear fall to zero over the last `decay_fraction` of the run."""
    rise = min(1.0, (state.step + 1) / max(settings.warmup_steps, 1))
    left = (1.0 - state.progress(settings)) / max(settings.decay_fraction, 1e-9)
    return settings.learning_rate * min(rise, max(left, 0.0), 1.0)
