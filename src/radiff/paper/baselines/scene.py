"""What a baseline takes beside its noise: the conditions of a batch of images. Knows no networks and no files."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Scene:
    """A batch of images to be drawn; models without conditions look at its size alone.

    Attributes
    ----------
    masks : Tensor (batch, ny, nx), int64
        Class values.
    labels : Tensor (batch, ny, nx), int64
        Which object a pixel belongs to, from 1; 0 background.
    backgrounds : Tensor (batch, 1, ny, nx), float32, optional
        Scaled, sources removed.
    shown : Tensor (batch,), bool, optional
        Whether an image has a background; default: all, where `backgrounds` are given.
    """

    masks: Tensor
    labels: Tensor
    backgrounds: Tensor | None = None
    shown: Tensor | None = None

    def __len__(self) -> int:
        return len(self.masks)


def normal(shape: tuple[int, ...], generators: Sequence[torch.Generator]) -> Tensor:
    """Unit Gaussian numbers (len(generators), *shape) on the CPU, those of an image from its own generator."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])
