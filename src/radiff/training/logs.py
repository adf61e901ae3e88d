"""Figures of a run to a JSON line and tensorboard scalars each. Knows no networks."""

import json
from pathlib import Path

from radiff.training.task import State


class Logs:
    """A JSON line and tensorboard scalars for every set of figures."""

    def __init__(self, run: Path, active: bool) -> None:
        self.run, self.active = run, active

    def __enter__(self) -> "Logs":
        if self.active:
            from torch.utils.tensorboard import SummaryWriter

            self.stream = (self.run / "log.jsonl").open("a", encoding="utf-8")
            self.board = SummaryWriter(str(self.run / "tensorboard"))
        return self

    def write(self, state: State, figures: dict[str, float]) -> None:
        if not self.active:
            return
        line = {"step": state.step, "seconds": round(state.seconds, 1), "spent": round(state.spent, 1)} | figures
        self.stream.write(json.dumps(line) + "\n")
        self.stream.flush()
        for name, value in figures.items():
            self.board.add_scalar(name, value, state.step)

    def __exit__(self, *_: object) -> None:
        if self.active:
            self.stream.close()
            self.board.close()
