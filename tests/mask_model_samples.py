"""A small mask model with made-up weights, and one that draws a mask it is told, for tests."""

from pathlib import Path

import numpy as np
import torch

from conftest import wake
from radiff.generate.masks import MaskMaker
from radiff.masks.fields import mask_to_fields
from radiff.masks.rules import MaskRules
from radiff.training.config import MaskModelSettings
from radiff.training.mask_model import MaskModelTask

SMALL = MaskModelSettings(channels=(16, 16), layers=1, attention=(False, True), head_width=8, num_steps=4)
RULES = MaskRules((4, 4, 12), (200, 200, 400), (True, True, False))


def square_mask(compact: int = 1, size: int = 32) -> np.ndarray:
    """An extended square of 8 x 8 pixels in the middle and up to three compact ones of 3 x 3 in the corners."""
    mask = np.zeros((size, size), np.uint8)
    mask[12:20, 12:20] = 3
    for y, x in ((2, 2), (2, 26), (26, 2))[:compact]:
        mask[y : y + 3, x : x + 3] = 2
    return mask


def mask_weights(folder: Path, counts: tuple[tuple[int, int, int], ...] = ((0, 1, 1), (0, 2, 1))) -> Path:
    """A weights folder whose model makes no sense; each of `counts` is that of one training mask."""
    torch.manual_seed(0)
    task = MaskModelTask(SMALL, 32)
    wake(task.model)
    task.model.deviation.fill_(2.0)  # so that fields cross zero somewhere
    task.about = {"counts": [[*row, 1] for row in counts], "rules": RULES.to_json(), "masks": len(counts)}
    task.export(folder, {"step": 1})
    return folder


def told(maker: MaskMaker, masks) -> list[list[float]]:
    """Make the model of `maker` draw ``masks(numbers)`` for each row of numbers; gives what it is asked, in order."""
    asked: list[list[float]] = []

    def velocity(x, angle, numbers, guidance=1.0):
        rows = numbers.tolist()
        if float(angle[0]) > 1.5:
            asked.extend(rows)
        fields = np.stack([mask_to_fields(masks(row)) for row in rows])
        clean = maker.model.pack(torch.from_numpy(fields))
        cosine, sine = torch.cos(angle)[:, None, None, None], torch.sin(angle)[:, None, None, None]
        return (cosine * x - clean) / sine.clamp(min=1e-4)

    maker.model.velocity = velocity  # type: ignore[method-assign]
    return asked
