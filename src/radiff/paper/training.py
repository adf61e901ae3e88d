"""A collection and a preset to the trained weights of a baseline. Knows no losses' insides."""

from dataclasses import fields
from typing import Any

import torch

from radiff.data.collection import Collection
from radiff.data.scaling import make_scaling, scaling_config
from radiff.errors import InputError
from radiff.paper.baselines import BASELINES
from radiff.paper.baselines.dcgan import DcganCritic
from radiff.paper.baselines.pggan import PgganCritic
from radiff.paper.baselines.spade import MultiScaleCritic
from radiff.paper.losses import DcganLoss, PgganLoss, SemanticLoss
from radiff.paper.settings import PaperPreset
from radiff.paper.tasks import AdversarialTask, DdpmTask, PgganTask
from radiff.training.run import RunOptions, fit, fixed_batches, make_accelerator, make_packs, settings_that_fit
from radiff.training.task import State

NORM_CUTOUTS, NORM_BATCH = 256, 32
"""Cutouts that a baseline's normalisations are measured on, and how many at a time."""


def make_task(name: str, settings: Any, scaling: dict[str, Any]) -> AdversarialTask | DdpmTask:
    """The task that trains the baseline called `name`; `settings` as in `radiff.paper.settings`.

    Raises
    ------
    ValueError
        Where the settings do not go together.
    """
    kind = BASELINES[name]
    shared = {one.name: getattr(settings, one.name) for one in fields(kind.config) if hasattr(settings, one.name)}
    config = kind.config(**shared)
    network: Any = kind.network(config)
    if name == "ddpm":
        return DdpmTask(settings, network, scaling)
    if name == "dcgan":
        return AdversarialTask(name, DcganLoss(network, DcganCritic(config)), settings, scaling)
    if name == "pggan":
        if len(settings.stages) != len(settings.widths):
            raise ValueError(f"stages needs one length a level: {len(settings.widths)}, not {len(settings.stages)}")
        return PgganTask(name, PgganLoss(network, PgganCritic(config)), settings, scaling)
    critic = MultiScaleCritic(settings.critic_width, settings.critic_layers, settings.critic_scales)
    loss = SemanticLoss(network, critic, name == "inade", settings.feature_weight, settings.kl_weight)
    return AdversarialTask(name, loss, settings, scaling)


def train_baseline(name: str, collection: Collection, preset: PaperPreset, options: RunOptions) -> State:
    """Train a baseline on the collection's train split; weights land in ``<run>/weights``.

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
        task = make_task(name, settings.network, scaling_config(scaling))
    packs = make_packs(collection, scaling, options, accelerator)
    ny, nx = packs[0].images.shape[1:]
    if (ny, nx) != (task.size, task.size):
        raise InputError(
            f"{name} is to draw {task.size} x {task.size} pixels (by {name}.network), the cutouts are {nx} x {ny}",
            collection.root,
        )
    task.norm_batches = fixed_batches(packs[0], NORM_BATCH, NORM_CUTOUTS // NORM_BATCH, accelerator)
    task.autocast = accelerator.autocast
    if isinstance(task, DdpmTask):
        task.prepare()
    return fit(task, packs, settings.loop, options, accelerator)
