"""The features' task: two views of a cutout agree (BYOL); measured by what a nearest neighbour tells of a cutout."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.data.loader import Batch
from radiff.masks import CLASSES
from radiff.models.byol import BYOL, momentum_at
from radiff.models.io import Part, save_weights
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.sky import quicklook
from radiff.training.autoencoder import snr_pictures
from radiff.training.config import FeatureSettings
from radiff.training.norms import measure_norms
from radiff.training.views import draw_windows, jitter, look


class FeatureLoss(nn.Module):
    """(batch, generator) to BYOL's loss on two views of every image.

    Parameters
    ----------
    byol : BYOL
    settings : FeatureSettings
    softness : float, optional
        Of the images' scaling, see `jitter`.
    steps : int
        Of the whole training, for the target's momentum.
    """

    steps_done: Tensor

    def __init__(self, byol: BYOL, settings: FeatureSettings, softness: float | None, steps: int) -> None:
        super().__init__()
        self.byol, self.settings, self.softness, self.steps = byol, settings, softness, steps
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if self.training:  # the target follows the step before
            self.byol.follow(momentum_at(self.settings.momentum, int(self.steps_done), self.steps))
            self.steps_done += 1
        byol, overlap = self.byol(*self.views(batch.images, generator))
        return byol + self.settings.overlap_weight * overlap, {"byol": byol, "overlap": overlap}

    def views(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Two views of each image, (batch, 1, crop, crop) each."""
        settings, n = self.settings, images.shape[-1]
        size = min(settings.crop or n, n)
        drawn = (len(images), generator, size / n, settings.least_area, settings.plain_share)
        first = draw_windows(*drawn)
        second = draw_windows(*drawn, first, settings.reach)
        seen = (look(images, windows, size) for windows in (first, second))
        own = settings.softness or None
        one, two = (jitter(x, generator, settings.gain, settings.noise, self.softness, own) for x in seen)
        return one, two


class FeatureTask:
    """See `radiff.training.task.Task`.

    Attributes
    ----------
    bank_batches : list of Batch
        Train cutouts whose features val cutouts are compared with, and the normalisations are measured on.
    autocast : callable
        The context that networks run in.
    """

    name = "features"

    def __init__(self, settings: FeatureSettings, scaling: dict[str, Any], steps: int) -> None:
        self.backbone = ResNet18(
            ResNetConfig(widths=settings.widths, standardised=settings.standardised, compressed=settings.compressed)
        )
        byol = BYOL(self.backbone, settings.hidden, settings.projection, settings.centred)
        self.module = FeatureLoss(byol, settings, scaling.get("softness"), steps)
        self.settings, self.scaling = settings, scaling
        self.softness = scaling.get("softness")
        self.bank_batches: list[Batch] = []
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.figures: dict[str, float] = {}

    @torch.no_grad()
    def embed(self, batches: list[Batch]) -> Tensor:
        """Features (n, widths[-1]) of whole cutouts, float32."""
        return torch.cat([self._run(batch.images).float() for batch in batches])

    def _run(self, images: Tensor) -> Tensor:
        if self.softness is not None and self.settings.softness:
            images = torch.asinh(self.softness / self.settings.softness * torch.sinh(images))
        with self.autocast():
            features: Tensor = self.backbone(images)
        return features

    def _measure(self) -> None:
        self.backbone.eval()
        measure_norms(self.backbone, self._run, (batch.images for batch in self.bank_batches))

    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """What the nearest train cutout tells of the classes in a val cutout, and how many directions are in use.

        ``val/loss`` is 1 - the mean agreement; BYOL's own loss is no measure, as it is smallest where all is one.
        """
        generator = torch.Generator().manual_seed(0)
        losses = [self.module(batch, generator)[1]["byol"] for batch in batches]
        self._measure()
        bank, features = self.embed(self.bank_batches), self.embed(batches)
        agreement = neighbour_agreement(bank, presence(self.bank_batches), features, presence(batches))
        names = [one.name for one in CLASSES[1:]]
        known = {f"val/neighbour_{k}": v for k, v in zip(names, agreement.tolist(), strict=True) if v == v}
        spread, rank = in_use(bank)
        mean = sum(known.values()) / len(known) if known else 0.5
        self.figures = {
            "val/loss": 1.0 - mean,
            "val/byol": float(torch.stack(losses).mean()),
            **known,
            "val/spread": spread,
            "val/rank": rank,
        }
        return self.figures

    def draw_sheet(self, batches: list[Batch], path: Path) -> None:
        """Six val cutouts above the train cutouts that are nearest to them."""
        bank, features = self.embed(self.bank_batches), self.embed(batches[:1])[:6]
        found = torch.cat([batch.images for batch in self.bank_batches])[nearest(bank, features)]
        panels = snr_pictures(batches[0].images[:6], self.scaling) + snr_pictures(found, self.scaling)
        titles = ["val"] * len(features) + ["nearest"] * len(features)
        quicklook(path, panels, titles, rms=1.0, ncols=len(features))

    def export(self, folder: Path, info: dict[str, Any]) -> None:
        """Write the weights folder: the backbone alone."""
        training = self.backbone.training
        self._measure()
        self.backbone.train(training)
        validation = {k.removeprefix("val/"): v for k, v in self.figures.items()}
        scaling = self.scaling
        if self.softness is not None and self.settings.softness:
            scaling = {**scaling, "softness": self.settings.softness}
        content = {"scaling": scaling, "training": {"features": info}, "validation": {"features": validation}}
        save_weights(folder, {"features": Part(self.backbone, self.backbone.config.to_dict())}, content)


def presence(batches: list[Batch]) -> Tensor:
    """(n, 3) bool: whether a cutout has spurious, compact, extended objects."""
    masks = torch.cat([batch.masks for batch in batches]).flatten(1)
    return torch.stack([(masks == one.value).any(1) for one in CLASSES[1:]], 1)


def nearest(bank: Tensor, features: Tensor) -> Tensor:
    """Index (n,) of the row of `bank` that points most nearly where each of `features` does, from the bank's mean."""
    mean = bank.mean(0)
    return (F.normalize(features - mean) @ F.normalize(bank - mean).T).argmax(1)


def neighbour_agreement(bank: Tensor, known: Tensor, features: Tensor, wanted: Tensor) -> Tensor:
    """(k,): how well the nearest of `bank` (m, d) tells the labels `wanted` (n, k) of `features` (n, d).

    The mean of the shares of right answers among those that have the label and among those that do not: 0.5 is
    guessing. NaN for a label that all or none have.
    """
    said = known[nearest(bank, features)]
    right = (said == wanted).float()
    with_it, without = wanted.float(), (~wanted).float()
    return 0.5 * ((right * with_it).sum(0) / with_it.sum(0) + (right * without).sum(0) / without.sum(0))


def in_use(features: Tensor) -> tuple[float, float]:
    """Spread and effective rank of features (n, d): both near 0 (1 for the rank) where the network has collapsed.

    The spread is the mean standard deviation of a dimension of the unit vectors times sqrt(d), 1 at most; the rank is
    exp(entropy) of the shares of the principal components in the variance.
    """
    unit = F.normalize(features)
    spread = unit.std(0).mean() * features.shape[1] ** 0.5
    share = torch.linalg.svdvals((unit - unit.mean(0)).double()).square()
    share = share / share.sum().clamp_min(1e-30)
    return float(spread), float(torch.exp(torch.special.entr(share).sum()))
