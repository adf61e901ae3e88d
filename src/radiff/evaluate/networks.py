"""Scaled images through the networks of an evaluation, and tables of sets from that. Knows no metrics."""

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from radiff.data.collection import Row
from radiff.data.scaling import SnrAsinh, make_scaling
from radiff.errors import InputError
from radiff.evaluate.measure import SCALING, SetTable, measure_set, scale_set
from radiff.evaluate.metrics.segmentation import confusion, match_objects
from radiff.evaluate.sets import ImageSet
from radiff.files import atomic_path, make_folder
from radiff.parallel import Failure, track

if TYPE_CHECKING:
    from torch import nn

Scaled = NDArray[np.float32]
CHUNK = 512
"""Images that are in memory at a time."""


class Clock:
    """Seconds spent in each part of an evaluation; a part within another does not count to the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside to `name`."""
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            total = time.perf_counter() - start
            self.seconds[name] += total - self._inner.pop()
            self._inner[-1] += total


@dataclass
class Networks:
    """The two networks of an evaluation, each of which may be left out.

    Attributes
    ----------
    features : torch module, optional
        (n, 1, ny, nx) scaled to features (n, d).
    segmenter : torch module, optional
        The same to class logits (n, 4, ny, nx).
    device : str
    batch_size : int
    softness : dict
        Of the scaling asinh(snr / softness) that each was trained on, where it is not 2.
    names : dict
        Digest of the weights of each, for the report and for what is kept of the training set.
    clock : Clock
    """

    features: "nn.Module | None" = None
    segmenter: "nn.Module | None" = None
    device: str = "cpu"
    batch_size: int = 32
    softness: dict[str, float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    def describe(self, images: Sequence[Scaled]) -> NDArray[np.float32] | None:
        """Features (n, d) of images asinh(snr / 2) of any sizes; None without a network."""
        if self.features is None:
            return None
        with self.clock.part("features"):
            return np.stack(self._run(self.features, images, "features", "features"))

    def segment(self, images: Sequence[Scaled]) -> list[NDArray[np.uint8]] | None:
        """The class mask (ny, nx) that the segmenter finds on each image; None without a network."""
        if self.segmenter is None:
            return None
        with self.clock.part("segmentation"):
            return [m.astype(np.uint8) for m in self._run(self.segmenter, images, "segmenter", "segmenting")]

    def _run(self, module: "nn.Module", images: Sequence[Scaled], name: str, what: str) -> list[Any]:
        """The output for each image, in order, of classes the largest; images of one size go in batches."""
        import torch

        softness = self.softness.get(name, SCALING.softness)

        module = module.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            by_shape[image.shape].append(index)
        batches = [
            part[k : k + self.batch_size] for part in by_shape.values() for k in range(0, len(part), self.batch_size)
        ]
        found: list[Any] = [None] * len(images)
        with torch.inference_mode():
            for batch in track(batches, what):
                stack = torch.from_numpy(np.stack([images[k] for k in batch]))[:, None]
                if softness != SCALING.softness:
                    stack = torch.asinh(torch.sinh(stack) * (SCALING.softness / softness))
                output = module(stack.to(self.device, memory_format=torch.channels_last))
                values = (output.argmax(1) if name == "segmenter" else output.float()).cpu().numpy()
                for index, value in zip(batch, values, strict=True):
                    found[index] = value
        return found


def load_networks(
    features: str | None = "default", segmenter: str | None = "default", device: str = "auto"
) -> Networks:
    """The networks of weights folders.

    Parameters
    ----------
    features, segmenter : str, optional
        A folder, a hub id, or ``default`` (in the package); None or ``none`` leaves it out.

    Raises
    ------
    InputError
        Where there are no such weights, or the device is not there.
    """
    from radiff.models import io
    from radiff.models.precision import find_device

    found = Networks(device=str(find_device(device)))
    for name, weights, load in (("features", features, io.load_features), ("segmenter", segmenter, io.load_segmenter)):
        if weights not in (None, "none"):
            folder = io.find_weights(str(weights), name)
            found.names[name], found.softness[name] = weights_text(folder)
            setattr(found, name, load(folder))
    return found


def weights_text(folder: Path) -> tuple[str, float]:
    """Name and digest of weights, to know them again; and the softness of the scaling that they were trained on.

    Raises
    ------
    InputError
        Where they are incomplete, or were trained on images that are no function of the signal-to-noise.
    """
    from radiff.models.io import read_manifest

    manifest = read_manifest(folder)
    scaling = make_scaling(**manifest.get("scaling", {"name": "snr-asinh", "softness": SCALING.softness}))
    if not isinstance(scaling, SnrAsinh):
        text = f"were trained on images of the scaling {scaling.name!r}; an evaluation needs one by signal-to-noise"
        raise InputError(text, folder)
    files = manifest["files"]
    digest = next((value for key, value in sorted(files.items()) if key.endswith(".safetensors")), "")
    return f"{folder.name} ({digest[:12]})", scaling.softness


def describe_set(
    images: ImageSet, networks: Networks, workers: int | None = None, segment: bool = True
) -> tuple[SetTable, ImageSet, list[str]]:
    """Measure every image of a set and put it through the networks, `CHUNK` images at a time.

    Parameters
    ----------
    segment : bool
        Also by the segmenter.

    Returns
    -------
    (SetTable, ImageSet, list of str)
        The table, the images it is of (in its order), and what was wrong with the others.

    Raises
    ------
    InputError
        Where no image of the set can be used.
    """
    tables: list[SetTable] = []
    good: list[int] = []
    failures: list[str] = []
    for start in range(0, len(images), CHUNK):
        part = range(start, min(start + CHUNK, len(images)))
        with networks.clock.part("reading and measuring"):
            rows = measure_set(images.chosen(part), workers)
        failures += [row.message for row in rows if isinstance(row, Failure)]
        good += [index for index, row in zip(part, rows, strict=True) if isinstance(row, SetTable)]
        if measured := [row for row in rows if isinstance(row, SetTable)]:
            tables.append(_through_networks(SetTable.join(measured), networks, segment))
    if not tables:
        raise InputError(failures[0] if failures else f"{images.name}: holds no images")
    return SetTable.join(tables), images.chosen(good), failures


def _through_networks(table: SetTable, networks: Networks, segment: bool) -> SetTable:
    """The table with what the networks find; the images that they were given are left out of it."""
    scaled, masks = table.scaled or [], table.masks or []
    features = networks.describe(scaled)
    confusions = matches = None
    segmented = networks.segment(scaled) if segment else None
    if segmented is not None:
        with networks.clock.part("segmentation"):
            confusions = np.stack([confusion(*pair) for pair in zip(masks, segmented, strict=True)])
            matches = np.stack([match_objects(*pair) for pair in zip(masks, segmented, strict=True)])
    return replace(table, features=features, confusions=confusions, matches=matches, scaled=None, masks=None)


# ---------------------------------------------------------------- the training set


@dataclass(frozen=True, eq=False)
class TrainVectors:
    """What copies are looked for in: `features` (n, d) or None, and small images (n, 1024)."""

    features: NDArray[np.float32] | None
    small: NDArray[np.float32]


def describe_train(
    images: ImageSet, networks: Networks, workers: int | None = None, cache: Path | None = None
) -> TrainVectors:
    """Features and small images of a training set; kept in the folder `cache` for the next time.

    Raises
    ------
    InputError
        Where an image cannot be used.
    """
    path = None if cache is None else make_folder(cache) / f"train-{_fingerprint(images, networks)}.npz"
    if path is not None and path.is_file():
        with np.load(path) as kept:
            return TrainVectors(kept["features"] if networks.features is not None else None, kept["small"])
    features, small = [], []
    for start in range(0, len(images), CHUNK):
        with networks.clock.part("training set: reading"):
            parts = scale_set(images.chosen(range(start, min(start + CHUNK, len(images)))), workers)
        small += [s for _, s in parts]
        if (found := networks.describe([scaled for scaled, _ in parts])) is not None:
            features.append(found)
    vectors = TrainVectors(np.concatenate(features) if features else None, np.stack(small))
    if path is not None:
        kept_features = np.zeros(0, np.float32) if vectors.features is None else vectors.features
        with atomic_path(path) as temporary:
            np.savez(temporary, features=kept_features, small=vectors.small)
    return vectors


def _fingerprint(images: ImageSet, networks: Networks) -> str:
    """Changes with the files of a set and with the feature network."""
    files: list[Any] = []
    for item in images.items:
        if isinstance(item, Row):
            path = (images.root or Path()) / item.image
            status = path.stat() if path.is_file() else None
            files.append([item.image, item.rms, item.background, status and (status.st_size, status.st_mtime_ns)])
        else:
            files.append([item.name, hashlib.sha256(item.snr.tobytes()).hexdigest()])
    text = json.dumps([1, str(images.root), networks.names.get("features", ""), files])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
