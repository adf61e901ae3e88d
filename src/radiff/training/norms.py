"""Running statistics of batch normalisations, measured anew. Knows no FITS and no losses.

Averaged weights (`radiff.training.loop`) need statistics of their own: those gathered in training belong to other ones.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn

Batch = TypeVar("Batch")


@torch.no_grad()
def measure_norms(network: nn.Module, run: Callable[[Batch], object], batches: Iterable[Batch]) -> None:
    """Set the running mean and variance of every batch normalisation of `network` to their means over `batches`.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode before and after.
    run : callable
        Puts a batch through the network.
    batches : iterable
        What `run` is given, one by one; nothing is changed where there are none.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    batches = list(batches)
    if not norms or not batches:
        return
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
        norm.train()
    for batch in batches:
        run(batch)
    for norm, old in zip(norms, momentum, strict=True):
        norm.momentum = old
        norm.eval()
