"""One training loop for every network: steps, running mean, checkpoints, exact resume, logs. Knows no FITS, no losses.

Everything random in step k comes from generators seeded by (seed, k, process), so a resumed run takes the same path
as the uninterrupted one. A training may be adversarial: several networks, each with an optimiser of its own. The length
of a run is a number of steps, or minutes of processor time, which are the same on a busy machine. A run's folder:

<run>/checkpoint.pt     weights, optimiser, running mean, step; replaced whole every few minutes
<run>/weights/          the weights folder, from the running mean
<run>/log.jsonl         one line a log interval; <run>/tensorboard/ the same for tensorboard
<run>/sheets/           sample sheets
"""

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.training_utils import EMAModel
from rich.progress import Progress
from torch import Tensor, nn

from radiff.errors import InputError
from radiff.files import atomic_path, make_folder
from radiff.parallel import progress_bar
from radiff.training.config import LoopSettings
from radiff.training.logs import Logs
from radiff.training.task import Adversarial, Growing, Loader, State, Task, TrainedNetwork, learning_rate_at

CHECKPOINT = "checkpoint.pt"
MAX_BAD_STEPS = 3
"""So many steps in a row that are not finite end a run."""
FREE_SETTINGS = {
    "log_every",
    "validate_every",
    "validation_batches",
    "sheet_every",
    "checkpoint_minutes",
    "resident",
    "compile",
    "sampler",
    "num_steps",
    "detail",
}
"""Settings that may change when a run is resumed: they do not change its path."""


def kept_precision(checkpoint: Path) -> str | None:
    """The precision of the run that `checkpoint` is of, so that it goes on the same way; None where not known."""
    try:
        content = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
    except Exception:  # no file, or no checkpoint: `Trainer.resume` says what is wrong
        return None
    return content.get("precision") if isinstance(content, dict) else None


class Trainer:
    """Runs a `Task`; see the module's docstring.

    Parameters
    ----------
    task : Task
    loaders : (Loader, Loader)
        Train and val; made for this accelerator's device and process.
    settings : LoopSettings
    run : Path
    accelerator : Accelerator
    """

    def __init__(
        self,
        task: Task,
        loaders: tuple[Loader, Loader],
        settings: LoopSettings,
        run: Path,
        accelerator: Accelerator,
    ) -> None:
        self.task, self.settings, self.run, self.accelerator = task, settings, make_folder(run), accelerator
        self.train_loader = loaders[0]
        self.val_batches = [loaders[1].batch(k) for k in range(settings.validation_batches)]
        self.state = State()
        self.adversarial = isinstance(task, Adversarial)
        self.networks = [TrainedNetwork("", list(task.module.parameters()))]
        if isinstance(task, Adversarial):
            self.networks = list(task.networks)
        if self.adversarial and accelerator.num_processes > 1:
            raise InputError(f"{task.name} trains on one process; start it without torchrun", run)
        optimizers = [
            torch.optim.AdamW(
                network.parameters,
                settings.learning_rate * network.rate,
                betas=settings.betas,
                weight_decay=settings.weight_decay,
                fused=accelerator.device.type == "cuda",
            )
            for network in self.networks
        ]
        module: nn.Module = task.module.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.compile:
            module = cast(nn.Module, torch.compile(module))
        self.module, *self.optimizers = accelerator.prepare(module, *optimizers)
        self.parameters = self.networks[-1].parameters
        on_gpu = accelerator.device.type == "cuda"
        self.ema = EMAModel(self.parameters, decay=settings.ema_decay, use_ema_warmup=True, power=0.75, foreach=on_gpu)
        self.bad_steps = 0
        self._sinks: list[Any] = []

    # -- checkpoints -------------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        """The file a run resumes from."""
        return self.run / CHECKPOINT

    def save(self) -> None:
        """Write checkpoint and weights folder; on the first process only."""
        if not self.accelerator.is_main_process:
            return
        content = {
            "state": vars(self.state),
            "module": self.task.module.state_dict(),
            "optimizers": [one.state_dict() for one in self.optimizers],
            "ema": {"step": self.ema.optimization_step, "shadow": self.ema.shadow_params},
            "settings": self.settings.model_dump(mode="json"),
            "network": self.task.settings.model_dump(mode="json"),
            "data": self.about_data,
            "precision": {"no": "fp32"}.get(self.accelerator.mixed_precision, self.accelerator.mixed_precision),
        }
        with atomic_path(self.checkpoint) as temporary:
            torch.save(content, temporary)
        if not self._keeps_best or math.isinf(self.state.best):
            with self._averaged():
                self._export()

    @property
    def about_data(self) -> dict[str, Any]:
        """What the train loader says of how it chooses what it shows; a resumed run must share it."""
        return {"source": "cutouts", **getattr(self.train_loader, "about", {})}

    @property
    def _keeps_best(self) -> bool:
        """Whether the weights folder is that of the best validation, not that of the last step."""
        return bool(getattr(self.task, "keep_best", False))

    def _export(self) -> None:
        state = self.state
        about = {"step": state.step, "seconds": round(state.seconds), "processor_seconds": round(state.spent)}
        if state.left_out:
            about["steps_left_out"] = state.left_out
        training = self.task.module.training
        self.task.export(self.run / "weights", about)
        self.task.module.train(training)  # who measures normalisations leaves them in evaluation mode

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one.

        Raises
        ------
        InputError
            Where the checkpoint is of other settings or cannot be read.
        """
        if not self.checkpoint.is_file():
            return False
        try:
            content = torch.load(self.checkpoint, map_location=self.accelerator.device, weights_only=True)
        except Exception as error:  # torch raises many kinds
            raise InputError("is no readable checkpoint; remove it, or choose another -o", self.checkpoint) from error
        missing = {"settings", "network", "module", "optimizers", "ema", "state"} - set(content)
        if missing:
            text = f"is of another version of radiff (it has no {', no '.join(sorted(missing))}); choose another -o"
            raise InputError(text, self.checkpoint)
        _same_settings(content["settings"], self.settings.model_dump(mode="json"), self.checkpoint)
        _same_settings(content["network"], self.task.settings.model_dump(mode="json"), self.checkpoint)
        _same_settings(content.get("data", self.about_data), self.about_data, self.checkpoint)
        try:
            self.task.module.load_state_dict(content["module"])
        except RuntimeError as error:
            raise InputError(
                "the checkpoint is of another network; use the run's own preset or another -o", self.checkpoint
            ) from error
        for optimizer, kept in zip(self.optimizers, content["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.ema.optimization_step = content["ema"]["step"]
        self.ema.shadow_params = [p.to(self.accelerator.device) for p in content["ema"]["shadow"]]
        self.state = State(**content["state"])
        return True

    def _averaged(self) -> "_Averaged":
        return _Averaged(self.ema, self.parameters)

    # -- one step ----------------------------------------------------------------------------------------------------

    def step(self) -> dict[str, float]:
        """One optimiser step of every network; a loss or gradient that is not finite is skipped (and counted)."""
        began = self._clock()
        step, settings = self.state.step, self.settings
        self._follow()
        rate = learning_rate_at(self.state, settings)
        words = np.random.SeedSequence((settings.seed, step, self.accelerator.process_index)).generate_state(
            1, np.uint64
        )
        generator = torch.Generator().manual_seed(int(words[0] >> 2))
        torch.manual_seed(int(words[0] >> 2))  # for what networks draw themselves: dropout
        batch = self.train_loader.batch(step)
        figures: dict[str, Any] = {}
        finite = [
            self._step_of(network, optimizer, rate, batch, generator, figures)
            for network, optimizer in zip(self.networks, self.optimizers, strict=True)
        ]
        if all(finite):
            self.bad_steps = 0
        else:
            self._leave_out(step)
        figures = {k: float(v.detach() if isinstance(v, Tensor) else v) for k, v in figures.items()}
        if self.state.left_out:
            figures["left_out"] = float(self.state.left_out)
        self.state.step += 1
        self.state.spent += self._mean(self._clock() - began)
        return figures

    def _leave_out(self, step: int) -> None:
        """Count a step that was not finite.

        Raises
        ------
        InputError
            Where it is the third in a row; the last checkpoint stays as it is.
        """
        self.bad_steps += 1
        self.state.left_out += 1
        if self.bad_steps >= MAX_BAD_STEPS:
            raise InputError(
                f"loss or gradient were not finite for {MAX_BAD_STEPS} steps up to step {step}; start it again with a "
                f"lower {self.task.name}.loop.learning_rate, it goes on from its checkpoint if it has one",
                self.run,
            )

    def _step_of(
        self,
        network: TrainedNetwork,
        optimizer: Any,
        rate: float,
        batch: Any,
        generator: torch.Generator,
        figures: dict[str, Any],
    ) -> bool:
        """One network's step; whether its loss and its gradient were finite (else its weights stay as they are)."""
        for group in optimizer.param_groups:
            group["lr"] = rate * network.rate
        loss, more = self.module(batch, generator, *([network.name] if self.adversarial else []))
        optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        norm = float(self.accelerator.clip_grad_norm_(network.parameters, self.settings.clip_norm))
        figures |= {"loss": loss, "gradient": norm, "rate": rate, **more}
        if not math.isfinite(norm):  # the norm is over all processes, so they agree
            return False
        if self._any(not bool(torch.isfinite(loss.detach()))):
            return False
        optimizer.step()
        if network is self.networks[-1]:
            self.ema.step(self.parameters)
        return True

    def _clock(self) -> float:
        """Seconds: of the processor, over all threads, or on the clock for a GPU."""
        return time.process_time() if self.accelerator.device.type == "cpu" else time.perf_counter()

    def _mean(self, seconds: float) -> float:
        """Over the processes, so that they agree on the length of a run."""
        if not self.settings.minutes or self.accelerator.num_processes == 1:
            return seconds
        return float(self.accelerator.reduce(torch.tensor(seconds, device=self.accelerator.device), "mean"))

    def _follow(self) -> None:
        if isinstance(self.task, Growing):
            self.task.follow(min(self.state.progress(self.settings), 1.0))

    @property
    def over(self) -> bool:
        """Whether the last step is done."""
        return self.state.progress(self.settings) >= 1.0

    # -- the run -----------------------------------------------------------------------------------------------------

    def fit(self, max_minutes: float | None = None, on_log: Callable[[dict[str, float]], None] | None = None) -> State:
        """Train to the end, or until `max_minutes` on the clock are over; checkpoint at the end either way."""
        set_seed(self.settings.seed)
        start, base = time.perf_counter(), self.state.seconds
        saved = start
        first_step = self.state.step
        main = self.accelerator.is_main_process
        with Logs(self.run, main) as logs, progress_bar() as progress:
            total = round(60.0 * self.settings.minutes) or self.settings.steps
            bar = progress.add_task(self.task.name, total=total, completed=self._done)
            while not self.over:
                figures = self.step()
                now = time.perf_counter()
                self.state.seconds = base + now - start
                self._report(figures, logs, progress, bar, first_step, start, on_log)
                if self._due(self.settings.validate_every):
                    self._validate(logs, on_log)
                if main and now - saved > 60 * self.settings.checkpoint_minutes:
                    self.save()
                    saved = time.perf_counter()
                if max_minutes is not None and self._any(now - start > 60 * max_minutes):  # all at the same step
                    break
        self.save()
        self.accelerator.wait_for_everyone()
        return self.state

    def _any(self, said: bool) -> bool:
        """Whether any process says so."""
        if self.accelerator.num_processes == 1:
            return said
        flag = torch.tensor(float(said), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, "sum") > 0)

    @property
    def _done(self) -> int:
        return int(self.state.spent) if self.settings.minutes else self.state.step

    def _due(self, every: int) -> bool:
        return self.state.step % every == 0 or self.over

    def _report(
        self,
        figures: dict[str, float],
        logs: Logs,
        progress: Progress,
        bar: Any,
        first_step: int,
        start: float,
        on_log: Callable[[dict[str, float]], None] | None,
    ) -> None:
        text = f"{self.task.name}  loss {figures['loss']:.4f}"
        progress.update(bar, completed=self._done, description=text)
        if not self._due(self.settings.log_every):
            return
        done = (self.state.step - first_step) * self.settings.batch_size * self.accelerator.num_processes
        figures["cutouts_per_second"] = done / (time.perf_counter() - start)
        logs.write(self.state, figures)
        if on_log is not None:
            on_log({"step": self.state.step, **figures})

    def _validate(self, logs: Logs, on_log: Callable[[dict[str, float]], None] | None) -> None:
        """Validation and, at times, a sample sheet, with the running mean of the weights."""
        if not self.accelerator.is_main_process:
            return
        self.task.module.eval()
        self._follow()
        with self._averaged(), torch.no_grad():
            figures = self.task.validate(self.val_batches)
            if self._due(self.settings.sheet_every):
                sheet = make_folder(self.run / "sheets") / f"{self.state.step:07d}.png"
                self.task.draw_sheet(self.val_batches, sheet)
            if self._keeps_best and figures["val/loss"] < self.state.best:
                self._export()
        self.task.module.train()
        self.state.best = min(self.state.best, figures["val/loss"])
        logs.write(self.state, figures)
        if on_log is not None:
            on_log({"step": self.state.step, **figures})


class _Averaged:
    """Inside, the parameters hold their running mean."""

    def __init__(self, ema: EMAModel, parameters: list[nn.Parameter]) -> None:
        self.ema, self.parameters = ema, parameters

    def __enter__(self) -> None:
        self.ema.store(self.parameters)
        if self.ema.optimization_step > 0:
            self.ema.copy_to(self.parameters)

    def __exit__(self, *_: object) -> None:
        self.ema.restore(self.parameters)


def _same_settings(old: dict[str, Any], new: dict[str, Any], path: Path) -> None:
    """Refuse to go on where a setting that changes the path was changed; tell of another learning rate."""
    changed = [k for k in old if k not in FREE_SETTINGS and old[k] != new.get(k)]
    named = ", ".join(f"{k} ({old[k]} -> {new.get(k)})" for k in changed)
    if changed == ["learning_rate"]:  # the way out of a run that diverged
        warnings.warn(f"{path}: goes on with another {named}", stacklevel=3)
    elif changed:
        raise InputError(f"the run was started with other settings: {named}; use another -o or the old settings", path)
