"""Noise to class masks: the mask model sampled, what it makes checked by rules, bad ones made again. Writes no files.

A field barely above zero on a few pixels is no object: such specks are taken off and counted before a mask is checked.

Item i of a series depends on (seed, i) and the options alone. On a CPU that is exact to the pixel: in bfloat16 a batch
does not change what comes of one mask, and in float32, where it may in the last digit, masks are made one by one.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radiff.diffusion.sampling import SAMPLERS, Steps, initial_noise, sample
from radiff.errors import InputError
from radiff.masks import class_name, mask_to_objects, objects_to_labels, objects_to_mask
from radiff.masks.compose import Classes, ComposedMask, Counts, check_range, draw_counts, item_seed, parse_classes
from radiff.masks.fields import fields_to_mask
from radiff.masks.rules import MaskRules
from radiff.models.io import find_weights, load_mask_model, read_manifest
from radiff.models.mask_model import ANY
from radiff.models.precision import choose_precision, find_device
from radiff.seeds import check_seed

COUNTS = ("real", "even", "any")
"""Where the numbers of objects come from: those of a training mask, drawn evenly, or left to the model."""
BATCH = 8
TRIES, REDRAW = 48, 8
"""Tries for an item before giving up, and after how many other numbers of objects are asked for."""


@dataclass
class _Job:
    """An item that is being made."""

    index: int
    asked: Counts | None
    attempt: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MaskOptions:
    """How masks are sampled.

    Attributes
    ----------
    sampler : str
        See `radiff.diffusion.sampling`.
    num_steps : int
    guidance : float
        1 as trained; above, the numbers of objects are followed more strongly, at twice the time.
    """

    sampler: str
    num_steps: int
    guidance: float = 1.0


class MaskMaker:
    """The mask model with its weights.

    Attributes
    ----------
    rules : MaskRules
        Limits measured on the training masks.
    table : int (n, 3)
        Spurious, compact and extended objects of every training mask that holds one.

    Examples
    --------
    >>> maker = MaskMaker.from_pretrained()                                              # doctest: +SKIP
    >>> for one in maker.iterate(10, classes=["compact"], per_image=(1, 6)):             # doctest: +SKIP
    ...     print(one.mask.shape, one.counts)
    """

    def __init__(self, folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> None:
        self.folder = find_weights(folder, "masks")
        self.manifest = read_manifest(self.folder)
        self.device = find_device(device)
        self.precision = choose_precision(precision, self.device)
        layout = {"memory_format": torch.channels_last}
        self.model = load_mask_model(self.folder).to(self.device, **layout)  # type: ignore[call-overload]
        try:
            about = self.manifest["masks"]
            self.rules = MaskRules.from_json(about["rules"])
            rows = np.array(about["counts"], dtype=np.int64).reshape(-1, 4)
            self.table: NDArray[np.int64] = np.repeat(rows[:, :3], rows[:, 3], axis=0)
            self.defaults = MaskOptions(**self.manifest["sampling"]["masks"])
        except (KeyError, TypeError, ValueError) as error:
            text = f"its radiff.json is not of this version of radiff ({error}); copy the folder again or update radiff"
            raise InputError(text, self.folder) from error

    @classmethod
    def from_pretrained(
        cls, weights: str | os.PathLike[str] = "default", device: str = "auto", precision: str = "auto"
    ) -> "MaskMaker":
        """Load weights: a folder, ``default`` (in the package) or a hub id.

        Raises
        ------
        InputError
            Where the weights are missing, altered, without a mask model or of another format.
        """
        return cls(weights, device, precision)

    @property
    def size(self) -> int:
        """Side of the masks, pixels."""
        return self.model.config.size

    def options(
        self, sampler: str | None = None, num_steps: int | None = None, guidance: float | None = None
    ) -> MaskOptions:
        """The weights' own options, but for what is given.

        Raises
        ------
        InputError
            Where the sampler is not known, or a number is not positive.
        """
        known = self.defaults
        chosen = MaskOptions(
            known.sampler if sampler is None else sampler,
            known.num_steps if num_steps is None else num_steps,
            known.guidance if guidance is None else guidance,
        )
        if chosen.sampler not in SAMPLERS:
            raise InputError(f"{chosen.sampler!r} is no sampler; there are: {', '.join(SAMPLERS)}")
        if chosen.num_steps < 1 or not chosen.guidance > 0:
            raise InputError(f"{chosen.num_steps} steps, guidance {chosen.guidance:g}; both must be positive")
        return chosen

    def iterate(
        self,
        number: int,
        *,
        classes: Classes | None = None,
        per_image: tuple[int, int] | None = None,
        seed: int = 0,
        counts: str = "real",
        indices: Iterable[int] | None = None,
        options: MaskOptions | None = None,
        batch_size: int = BATCH,
    ) -> Iterator[ComposedMask]:
        """Masks that keep `rules`, in order.

        Parameters
        ----------
        number : int
            Items 0 to number - 1.
        classes : sequence of str or int, optional
            Classes that may occur; default: all that the training masks hold.
        per_image : (int, int), optional
            Least and most objects of a mask.
        seed : int
        counts : str
            ``real``: the numbers of objects of a training mask (other classes left out) are asked for. ``even``:
            a number drawn evenly from `per_image`, each object of a class drawn evenly. ``any``: nothing is asked.
        indices : iterable of int, optional
            Make these items alone, in this order.
        options : MaskOptions, optional
            Default: that of the weights.
        batch_size : int
            Masks at a time.

        Raises
        ------
        InputError
            Where an argument is none, a class was not trained on, or the model makes no sound mask of what is asked.
        """
        held = tuple(value for value in (1, 2, 3) if self.table[:, value - 1].any())
        wanted = held if classes is None else parse_classes(classes)
        unknown = [class_name(value) for value in wanted if value not in held]
        if unknown:
            raise InputError(f"these weights were trained on no {' and no '.join(unknown)} objects", self.folder)
        span = None if per_image is None else check_range(per_image)
        if counts not in COUNTS:
            raise InputError(f"counts {counts!r}: there are {', '.join(COUNTS)}")
        chosen, seed = self.options() if options is None else options, check_seed(seed)
        todo = iter(range(number) if indices is None else indices)
        if self.device.type == "cpu" and self.precision == "fp32":
            batch_size = 1

        def ask(index: int, attempt: int) -> Counts | None:
            if counts == "any":
                return None
            random = np.random.default_rng((seed, index, attempt // REDRAW, 13))
            return draw_counts(random, wanted, span, self.table if counts == "real" else None)

        def make() -> Iterator[ComposedMask]:
            waiting: deque[_Job] = deque()
            order: deque[int] = deque()
            done: dict[int, ComposedMask] = {}
            while True:
                while len(waiting) < batch_size and (index := next(todo, None)) is not None:
                    waiting.append(_Job(index, ask(index, 0)))
                    order.append(index)
                if not waiting:
                    return
                batch = [waiting.popleft() for _ in range(min(batch_size, len(waiting)))]
                again = []
                for job, mask in zip(batch, self._sample(batch, wanted, seed, chosen), strict=True):
                    one = self._checked(job, mask, wanted, span, seed)
                    if one is not None:
                        done[job.index] = one
                        continue
                    if job.attempt >= TRIES:
                        raise InputError(self._gave_up(job))
                    if job.attempt % REDRAW == 0:
                        job.asked = ask(job.index, job.attempt)
                    again.append(job)
                waiting.extendleft(reversed(again))
                while order and order[0] in done:
                    yield done.pop(order.popleft())

        return make()

    def _checked(
        self, job: _Job, mask: NDArray[np.uint8], classes: tuple[int, ...], span: tuple[int, int] | None, seed: int
    ) -> ComposedMask | None:
        """The mask without specks, where it breaks no rule; else None, and the job counts it."""
        shape = (mask.shape[0], mask.shape[1])
        found = mask_to_objects(mask)
        objects = [one for one in found if not self.rules.is_speck(one, shape)]
        if len(objects) < len(found):
            mask = objects_to_mask(objects, shape)
        rule = self.rules.broken(mask, objects, classes, job.asked, span)
        if rule is None:
            specks = len(found) - len(objects)
            labels, own = objects_to_labels(objects, shape), item_seed(seed, job.index)
            return ComposedMask(job.index, own, mask, labels, objects, job.asked, dict(job.rejected), specks)
        job.rejected[rule] = job.rejected.get(rule, 0) + 1
        job.attempt += 1
        return None

    def _gave_up(self, job: _Job) -> str:
        told = ", ".join(f"{name}: {count}" for name, count in job.rejected.items())
        return (
            f"the mask model made no sound mask {job.index} in {TRIES} tries (rules broken: {told}); ask for numbers "
            "nearer to real ones (--per-image), or use --from-collection"
        )

    @torch.inference_mode()
    def _sample(self, jobs: list[_Job], classes: tuple[int, ...], seed: int, options: MaskOptions) -> NDArray[np.uint8]:
        """Class masks (len(jobs), size, size), unchecked."""
        free = tuple(ANY if value in classes else 0 for value in (1, 2, 3))
        rows = [free if job.asked is None else job.asked for job in jobs]
        numbers = torch.tensor(rows, dtype=torch.float32, device=self.device)
        seeds = [item_seed(seed, job.index, 1 + job.attempt) % 2**32 for job in jobs]
        noise, generators = initial_noise(seeds, self.model.config.shape)

        def denoise(x: Tensor, angle: Tensor) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                return self.model.velocity(x, angle, numbers, options.guidance)

        steps = Steps(options.num_steps, generators=generators)
        clean = sample(denoise, noise.to(self.device), options.sampler, steps)
        return fields_to_mask(self.model.unpack(clean).cpu().numpy())

    def describe(self, options: MaskOptions) -> dict[str, Any]:
        """What goes with each mask, so that it can be made again."""
        digest = self.manifest["files"].get("masks/model.safetensors", "")[:12]
        return {"made_by": "mask model", "weights": digest, "precision": self.precision, **vars(options)}
