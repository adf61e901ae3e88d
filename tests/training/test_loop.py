"""The loop on a toy network: learning rate, steps that are not finite, running mean, limits, logs."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from radiff.data.loader import PackLoader
from radiff.data.pack import ARRAYS, Pack
from radiff.errors import InputError
from radiff.training.config import LoopSettings, Section
from radiff.training.loop import Trainer, kept_precision
from radiff.training.task import State, TrainedNetwork, learning_rate_at
from run_files import log


class ToyLoss(nn.Module):
    """Pull one number to 3; at the steps `bad` loss and gradient are not finite, at `infinite` the loss alone."""

    def __init__(self, bad=(), infinite=()):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1, 1, 1, 1))
        self.bad, self.infinite, self.calls = set(bad), set(infinite), 0

    def forward(self, batch, generator):
        loss = (self.value - 3.0).square().mean()
        self.calls += 1
        loss = loss * math.nan if self.calls - 1 in self.bad else loss
        return (loss + math.inf if self.calls - 1 in self.infinite else loss), {"batch": float(len(batch))}


class ToySettings(Section):
    """Of a toy."""

    width: int = 1


@dataclass
class Toy:
    """See `radiff.training.loop.Task`."""

    module: ToyLoss
    name: str = "toy"
    settings: ToySettings = field(default_factory=ToySettings)
    exported: list = field(default_factory=list)
    validated: list = field(default_factory=list)

    def validate(self, batches):
        self.validated.append(self.module.value.item())
        return {"val/loss": (self.module.value.item() - 3.0) ** 2}

    def draw_sheet(self, batches, path):
        path.write_bytes(b"")

    def export(self, folder, info):
        self.exported.append((info["step"], self.module.value.item()))
        self.info = info


@pytest.fixture
def trainer(tmp_path):
    """``trainer(bad=(), run="run", infinite=(), **settings)``"""
    arrays = {name: np.zeros((3, 8, 8) if name != "beams" else (3, 2, 2), dtype) for name, dtype in ARRAYS.items()}
    pack = Pack(tmp_path, **arrays, info={})

    def make(bad=(), run="run", infinite=(), **settings):
        AcceleratorState._reset_state()
        defaults = {"steps": 40, "warmup_steps": 0, "decay_fraction": 0.0, "learning_rate": 0.1, "log_every": 1}
        loop = LoopSettings(**(defaults | settings))
        loaders = PackLoader(pack, 2), PackLoader(pack, 2)
        return Trainer(Toy(ToyLoss(bad, infinite)), loaders, loop, tmp_path / run, Accelerator(cpu=True))

    return make


def test_learning_rate_rises_stays_and_falls_to_zero():
    settings = LoopSettings(steps=100, warmup_steps=10, decay_fraction=0.2, learning_rate=2.0)
    rates = [learning_rate_at(State(step), settings) for step in range(101)]
    assert rates[:10] == pytest.approx([0.2 * (k + 1) for k in range(10)])
    assert rates[10:80] == pytest.approx([2.0] * 70)
    assert rates[80:] == pytest.approx([2.0 * (100 - k) / 20 for k in range(80, 101)])


def test_learning_rate_without_rise_and_fall():
    settings = LoopSettings(steps=5, warmup_steps=0, decay_fraction=0.0, learning_rate=0.5)
    assert [learning_rate_at(State(step), settings) for step in range(5)] == [0.5] * 5


def test_it_learns(trainer):
    one = trainer(steps=200, log_every=100, validate_every=200)
    state = one.fit()
    assert state.step == 200
    assert one.task.module.value.item() == pytest.approx(3.0, abs=0.05)
    assert state.best < 0.05


@pytest.mark.parametrize("what", ["bad", "infinite"])
def test_a_step_that_is_not_finite_is_left_out_and_counted(trainer, what):
    one = trainer(**{what: [2]})
    values = []
    for _ in range(4):
        figures = one.step()
        values.append((one.task.module.value.item(), math.isfinite(figures["loss"])))
    assert [finite for _, finite in values] == [True, True, False, True]
    assert values[2][0] == values[1][0] != values[3][0]
    assert (one.state.step, one.state.left_out) == (4, 1)
    one.save()
    assert one.task.info["steps_left_out"] == 1
    other = trainer()
    assert other.resume() and other.state.left_out == 1


def test_steps_left_out_are_logged(trainer, tmp_path):
    trainer(bad=[1, 3], steps=5).fit()
    assert log(tmp_path / "run", "step", "left_out") == [(2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0)]


def test_steps_that_stay_bad_end_the_run_with_the_remedy(trainer):
    one = trainer(bad=range(5, 100), steps=100)
    with pytest.raises(InputError) as caught:
        one.fit()
    assert "loss or gradient were not finite for 3 steps up to step 7; start it again with a lower " in str(
        caught.value
    )
    assert "lower toy.loop.learning_rate" in str(caught.value)


def test_a_run_that_ended_so_goes_on_from_its_last_checkpoint(trainer):
    with pytest.raises(InputError, match="not finite for 3 steps up to step 7"):
        trainer(bad=range(5, 100), checkpoint_minutes=0.0).fit()
    other = trainer(learning_rate=0.05)
    with pytest.warns(UserWarning, match="another learning_rate"):
        assert other.resume()
    assert other.state.step == 7 and math.isfinite(other.task.module.value.item())
    assert other.fit().step == 40


def test_good_steps_between_bad_ones_go_on(trainer):
    state = trainer(bad=[k for k in range(60) if k % 3], steps=60).fit()
    assert (state.step, state.left_out) == (60, 40)


def test_validation_and_weights_use_the_running_mean(trainer):
    one = trainer(steps=20, validate_every=20, ema_decay=0.9, learning_rate=0.1)
    seen, mean = [], None
    step = one.step

    def watch():
        nonlocal mean
        figures = step()
        value = one.task.module.value.item()
        seen.append(value)
        decay = one.ema.get_decay(one.ema.optimization_step)
        mean = value if mean is None else decay * mean + (1 - decay) * value
        return figures

    one.step = watch
    one.fit()
    raw = one.task.module.value.item()
    assert raw == seen[-1]
    ((step_number, exported),) = one.task.exported
    assert step_number == 20
    assert exported == one.task.validated[-1] == pytest.approx(one.ema.shadow_params[0].item())
    assert min(seen) <= exported < raw


def test_max_minutes_stops_with_a_checkpoint(trainer):
    one = trainer(steps=1000)
    state = one.fit(max_minutes=0.0)
    assert state.step == 1
    assert one.checkpoint.is_file() and one.task.exported == [(1, pytest.approx(one.ema.shadow_params[0].item()))]
    other = trainer(steps=1000)
    assert other.resume()
    assert other.state.step == 1


def test_nothing_to_resume(trainer):
    assert trainer().resume() is False


def test_logs_go_to_a_file_and_to_the_caller(trainer, tmp_path):
    told = []
    trainer(steps=4, validate_every=2, log_every=2).fit(on_log=told.append)
    assert log(tmp_path / "run", "step", "loss", "rate", "gradient", "cutouts_per_second", "seconds", "batch")
    assert [k for (k,) in log(tmp_path / "run", "step")] == [2, 2, 4, 4]
    assert [line["step"] for line in told] == [2, 2, 4, 4]
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    assert [p.name for p in (tmp_path / "run" / "sheets").iterdir()] == ["0000004.png"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 8}, r"started with other settings: batch_size \(16 -> 8\); use another -o or the old settings"),
        ({"seed": 3, "steps": 50}, r"steps \(40 -> 50\), seed \(0 -> 3\)"),
        ({"seed": 3, "learning_rate": 0.2}, r"learning_rate \(0\.1 -> 0\.2\), seed"),
    ],
)
def test_changed_settings_are_refused(trainer, changes, message):
    trainer().fit(max_minutes=0.0)
    with pytest.raises(InputError, match=message):
        trainer(**changes).resume()


def test_what_does_not_change_the_path_may_change(trainer):
    trainer().fit(max_minutes=0.0)
    assert trainer(log_every=7, validate_every=3, checkpoint_minutes=0.0, resident=True).resume()


def test_a_lower_learning_rate_may_go_on_and_is_told(trainer):
    trainer().fit(max_minutes=0.0)
    with pytest.warns(UserWarning, match=r"goes on with another learning_rate \(0\.1 -> 0\.01\)"):
        assert trainer(learning_rate=0.01).resume()


def test_a_checkpoint_of_another_version_is_named(trainer):
    one = trainer()
    one.fit(max_minutes=0.0)
    content = torch.load(one.checkpoint, weights_only=True)
    content["optimizer"] = content.pop("optimizers")
    torch.save(content, one.checkpoint)
    message = r"checkpoint\.pt: is of another version of radiff \(it has no optimizers\); choose another -o"
    with pytest.raises(InputError, match=message):
        trainer().resume()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 broken"])
def test_a_broken_checkpoint_is_named(trainer, content):
    one = trainer()
    one.checkpoint.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint\.pt: is no readable checkpoint; remove it"):
        one.resume()
    assert kept_precision(one.checkpoint) is None


def test_the_precision_of_a_run_is_kept(trainer):
    one = trainer()
    assert kept_precision(one.checkpoint) is None
    one.save()
    assert kept_precision(one.checkpoint) == "fp32"


# ---------------------------------------------------------------- minutes, adversarial training, growth


class Clock:
    """A processor that spends `each` seconds a step, whatever the clock on the wall says."""

    def __init__(self, each):
        self.now, self.each = 0.0, each

    def __call__(self):
        self.now += self.each / 2.0  # asked before and after a step
        return self.now


def test_a_run_of_minutes_ends_by_processor_time_and_the_rate_falls_with_it(trainer):
    one = trainer(minutes=1.0, steps=3, decay_fraction=0.5, learning_rate=0.2)
    one._clock = Clock(12.0)
    rates = []
    state = one.fit(on_log=lambda figures: rates.append(figures.get("rate")))
    assert state.step == 10 and state.spent == pytest.approx(60.0)
    assert [r for r in rates if r is not None] == pytest.approx([0.2] * 6 + [0.16, 0.12, 0.08, 0.04])
    assert one.task.exported[-1][0] == 10


def test_what_was_spent_is_kept_when_a_run_goes_on(trainer):
    one = trainer(minutes=1.0)
    one._clock = Clock(24.0)
    one.fit(max_minutes=0.0)
    other = trainer(minutes=1.0)
    other._clock = Clock(24.0)
    assert other.resume()
    assert other.state.spent == pytest.approx(12.0)
    assert other.fit().step == 5


class ToyAdversarial(nn.Module):
    """Two numbers: one is pulled to the other, which is pulled away to 5."""

    def __init__(self):
        super().__init__()
        self.hunter, self.prey = (nn.Parameter(torch.full((1, 1, 1, 1), v)) for v in (0.0, 1.0))
        self.order = []

    def forward(self, batch, generator, which):
        self.order.append(which)
        if which == "hunter":
            return (self.hunter - self.prey.detach()).square().mean(), {"gap": self.prey - self.hunter}
        return (self.prey - 5.0).square().mean(), {}


class ToyGame(Toy):
    """See `radiff.training.task.Adversarial` and `Growing`."""

    def __init__(self):
        super().__init__(ToyAdversarial())
        self.followed = []

    @property
    def networks(self):
        return [TrainedNetwork("hunter", [self.module.hunter], 2.0), TrainedNetwork("prey", [self.module.prey])]

    def follow(self, progress):
        self.followed.append(progress)

    def validate(self, batches):
        return {"val/loss": self.module.prey.item()}

    def export(self, folder, info):
        self.exported.append((info["step"], self.module.hunter.item(), self.module.prey.item()))


@pytest.fixture
def game(trainer, tmp_path):
    """``game(run="run", **settings)``: a trainer of a `ToyGame`."""

    def make(run="run", **settings):
        other = trainer(run=run, **settings)
        return Trainer(
            ToyGame(), (other.train_loader, other.train_loader), other.settings, other.run, other.accelerator
        )

    return make


def test_networks_step_in_turn_each_at_its_own_rate(game):
    one = game(steps=4, validate_every=4)
    one.fit()
    assert one.task.module.order == ["hunter", "prey"] * 4
    assert [o.param_groups[0]["lr"] for o in one.optimizers] == pytest.approx([0.2, 0.1])
    assert one.task.followed == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_the_last_network_alone_is_averaged(game):
    one = game(steps=30, ema_decay=0.9, validate_every=100)
    one.fit()
    hunter, prey = (p.item() for p in (one.task.module.hunter, one.task.module.prey))
    assert len(one.ema.shadow_params) == 1
    assert one.task.exported[-1] == (30, hunter, pytest.approx(one.ema.shadow_params[0].item()))
    assert one.ema.shadow_params[0].item() != pytest.approx(prey)


def test_an_adversarial_training_resumes_both_optimisers(game):
    game(run="whole", steps=6).fit()
    parts = game(run="parts", steps=6)
    for _ in range(3):
        parts.step()
    parts.save()
    again = game(run="parts", steps=6)
    assert again.resume()
    again.fit()
    a, b = (torch.load(one / "checkpoint.pt", weights_only=True) for one in (again.run, again.run.parent / "whole"))
    assert a["module"] == b["module"] and a["ema"]["shadow"] == b["ema"]["shadow"]
    assert len(a["optimizers"]) == 2
    for one, other in zip(a["optimizers"], b["optimizers"], strict=True):
        assert one["state"] == other["state"]


def test_a_step_is_bad_where_one_network_s_is(game):
    one = game(steps=5)
    one.task.module.hunter.data.fill_(math.nan)
    one.step()
    assert one.bad_steps == 1 and one.task.module.prey.item() != 1.0
