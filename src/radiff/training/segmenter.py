"""The segmenter's task: the class of every pixel (cross entropy, weighted by class); measured by the IoU on val."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.masks import CLASSES
from radiff.models.io import Part, save_weights
from radiff.models.segmenter import (
    SEGMENTERS,
    LightUNetConfig,
    Segmenter,
    build_segmenter,
    confusions,
    iou,
    segmenter_config,
)
from radiff.sky import quicklook
from radiff.training.autoencoder import snr_pictures
from radiff.training.config import SegmenterSettings
from radiff.training.norms import measure_norms


class SegmenterLoss(nn.Module):
    """(batch, generator) to the loss; in evaluation mode the figures hold ``confusions`` (n, 4, 4) and ``found``."""

    weights: Tensor

    def __init__(self, network: Segmenter, settings: SegmenterSettings) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        self.register_buffer("weights", torch.tensor(settings.class_weights), persistent=False)

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        images, masks, settings = batch.images, batch.masks, self.settings
        if self.training:
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))  # of the dropout
            if settings.crop and settings.crop < min(images.shape[-2:]):
                images, masks = crop_at_objects(images, masks, settings.crop, settings.object_share, generator)
        logits = self.network(images).float()
        entropy = F.cross_entropy(logits, masks, self.weights)
        loss, figures = entropy, {"entropy": entropy}
        if settings.dice_weight > 0:
            figures["dice"] = dice_loss(logits, masks)
            loss = loss + settings.dice_weight * figures["dice"]
        if not self.training:
            found = logits.argmax(1)
            figures |= {"confusions": confusions(masks, found), "found": found}
        return loss, figures


def crop_at_objects(
    images: Tensor, masks: Tensor, size: int, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A window of `size` x `size` pixels of each image (batch, 1, ny, nx) and mask (batch, ny, nx).

    About `share` of the windows, where there are objects, hold a pixel of an object drawn at random.
    """
    count, ny, nx = masks.shape
    chance = torch.rand(5, count, generator=generator)
    y0, x0 = ((chance[k] * (n - size + 1)).long() for k, n in ((0, ny), (1, nx)))
    for k in range(count):
        pixels = masks[k].nonzero()
        if len(pixels) and chance[2, k] < share:
            y, x = pixels[int(chance[3, k] * len(pixels))].tolist()
            y0[k] = min(max(y - int(chance[4, k] * size), 0), ny - size)
            x0[k] = min(max(x - int(chance[4, k] * 7919.0 % 1.0 * size), 0), nx - size)
    corners = list(zip(y0.tolist(), x0.tolist(), strict=True))
    pick = [(slice(y, y + size), slice(x, x + size)) for y, x in corners]
    return (
        torch.stack([images[k, :, ys, xs] for k, (ys, xs) in enumerate(pick)]),
        torch.stack([masks[k, ys, xs] for k, (ys, xs) in enumerate(pick)]),
    )


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - mean over classes of 2 |found * true| / (|found| + |true|), over the batch, with probabilities for found.

    A class that no mask of the batch has does not count.
    """
    found = logits.softmax(1)
    true = F.one_hot(masks, logits.shape[1]).movedim(-1, 1)
    overlap = 2.0 * (found * true).sum((0, 2, 3))
    present = true.sum((0, 2, 3))
    score = overlap / (found.sum((0, 2, 3)) + present)
    return 1.0 - score[present > 0].mean()


class SegmenterTask:
    """See `radiff.training.task.Task`.

    Attributes
    ----------
    norm_batches : list of Batch
        Train cutouts that the normalisations are measured on.
    autocast : callable
        The context that networks run in.
    """

    name = "segmenter"
    keep_best = True

    def __init__(self, settings: SegmenterSettings, scaling: dict[str, Any]) -> None:
        if settings.name not in SEGMENTERS:
            raise ValueError(f"{settings.name!r} is no segmenter; there are: {', '.join(SEGMENTERS)}")
        config = SEGMENTERS[settings.name]
        if isinstance(config, LightUNetConfig):
            self.network = build_segmenter(replace(config, widths=settings.widths))
        else:
            self.network = build_segmenter(replace(config, dropout=settings.dropout))
        self.module = SegmenterLoss(self.network, settings)
        self.settings, self.scaling = settings, scaling
        self.norm_batches: list[Batch] = []
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.figures: dict[str, float] = {}

    def _run(self, images: Tensor) -> Tensor:
        with self.autocast():
            logits: Tensor = self.network(images)
        return logits

    def _measure(self) -> None:
        self.network.eval()
        measure_norms(self.network, self._run, (batch.images for batch in self.norm_batches))

    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """IoU of each class accumulated over the batches, their means, and the mean over images; ``val/loss`` is 1 -
        the mean of all classes.
        """
        self._measure()
        generator = torch.Generator()
        parts = [self.module(batch, generator) for batch in batches]
        tables = torch.cat([figures["confusions"] for _, figures in parts])
        total, single = iou(tables.sum(0)), iou(tables)
        entropy = torch.stack([figures["entropy"] for _, figures in parts]).mean()
        figures = {
            "val/loss": 1.0 - float(total.nanmean()),
            "val/entropy": float(entropy),
            **{f"val/iou_{one.name}": float(v) for one, v in zip(CLASSES, total, strict=True)},
            "val/iou": float(total.nanmean()),
            "val/iou_sources": float(total[1:].nanmean()),
            "val/image_iou": float(single.nanmean(1).nanmean()),
            "val/image_iou_sources": float(single[:, 1:].nanmean(1).nanmean()),
        }
        self.figures = {name: value for name, value in figures.items() if math.isfinite(value)}
        return self.figures

    def draw_sheet(self, batches: list[Batch], path: Path) -> None:
        """Six val cutouts with their masks, above the same with the masks found."""
        found = self.module(batches[0], torch.Generator())[1]["found"][:6].cpu().numpy().astype("uint8")
        count = len(found)
        pictures = snr_pictures(batches[0].images[:count], self.scaling)
        true = batches[0].masks[:count].cpu().numpy().astype("uint8")
        titles = ["mask"] * count + ["found"] * count
        quicklook(path, pictures * 2, titles, masks=[*true, *found], rms=1.0, ncols=count)

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder."""
        if not self.figures:  # else just measured
            self._measure()
        validation = {k.removeprefix("val/"): v for k, v in self.figures.items()}
        content = {"scaling": self.scaling, "training": {"segmenter": info}, "validation": {"segmenter": validation}}
        save_weights(folder, {"segmenter": Part(self.network, segmenter_config(self.network))}, content)
