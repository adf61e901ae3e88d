"""A collection and a preset to the trained weights of a baseline. Knows no losses."""

import torch

from radiff.data.collection import Collection
from radiff.data.scaling import make_scaling, scaling_config
from radiff.errors import InputError
from radiff.paper.pixel_diffusion import DdpmTask
from radiff.paper.settings import PaperPreset
from radiff.paper.tasks import make_rival
from radiff.training.run import RunOptions, fit, fixed_batches, make_accelerator, make_packs, settings_that_fit
from radiff.training.task import State

NORM_DRAWN = 256
"""Cutouts that a rival's normalisations are measured on."""


def train_rival(name: str, collection: Collection, preset: PaperPreset, options: RunOptions) -> State:
    """Train a rival (`radiff.paper.baselines`) on the collection's train split; weights land in ``<run>/weights``.

    Raises
    ------
    InputError
        As `radiff.training.run.train_autoencoder`; and where the cutouts are not of the size that the network draws.
    """
    scaling = make_scaling(preset.scaling.name, **preset.scaling.parameters)
    settings = getattr(preset, name)
    accelerator = make_accelerator(settings.loop, options)
    torch.manual_seed(settings.loop.seed)
    with settings_that_fit():
        task = make_rival(name, settings.network, scaling_config(scaling))
    packs = make_packs(collection, scaling, options, accelerator)
    ny, nx = packs[0].images.shape[1:]
    if (ny, nx) != (task.size, task.size):
        raise InputError(
            f"{name} is to draw {task.size} x {task.size} pixels (by {name}.network), the cutouts are {nx} x {ny}",
            collection.root,
        )
    size = 32
    task.norm_batches = fixed_batches(packs[0], size, NORM_DRAWN // size, accelerator)
    task.autocast = accelerator.autocast
    if isinstance(task, DdpmTask):
        task.prepare()
    return fit(task, packs, settings.loop, options, accelerator)
