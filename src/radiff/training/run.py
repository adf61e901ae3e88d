"""A collection, or annotated maps, and a preset to trained weights: packs, loaders, task, loop. Knows no losses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from radiff.data.collection import Collection
from radiff.data.crops import CropOptions
from radiff.data.field_loader import FieldLoader
from radiff.data.fields import AnnotatedMaps, build_fields
from radiff.data.loader import PackLoader
from radiff.data.mask_set import MaskSet, is_native, read_mask_set
from radiff.data.pack import Pack, build_pack
from radiff.data.scaling import Paper, SnrAsinh, make_scaling, scaling_config
from radiff.errors import InputError
from radiff.models.io import find_weights, load_autoencoder, load_denoiser, read_manifest
from radiff.models.precision import choose_precision, find_device
from radiff.training.autoencoder import AutoencoderTask
from radiff.training.config import DenoiserRun, LoopSettings, Preset
from radiff.training.denoiser import DenoiserTask
from radiff.training.features import FeatureTask
from radiff.training.loop import CHECKPOINT, Trainer, kept_precision
from radiff.training.mask_model import MaskLoader, MaskModelTask
from radiff.training.segmenter import SegmenterTask
from radiff.training.task import Loader, State, Task

SCALE_CUTOUTS = 1024
"""Cutouts that the latent scale is measured on."""
NORM_CUTOUTS = 64
"""Cutouts that a segmenter's normalisations are measured on."""
VAL_SEED = 54321
"""Of the crops of val fields: the same at every validation, whatever the seed of the run."""
SMALLEST_VIEW = 32
"""Pixels that a feature network needs along a side."""


@dataclass
class RunOptions:
    """Where and how a training runs.

    Attributes
    ----------
    run : Path
        The run's folder.
    pack : Path, optional
        Where the training packs lie (``train`` and ``val`` in it); default ``<run>/pack``.
    resume : bool
        Go on from the run's checkpoint; without one, start.
    max_minutes : float, optional
        Stop (with a checkpoint) after so long.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    workers : int, optional
        Processes that build the packs.
    """

    run: Path
    pack: Path | None = None
    resume: bool = True
    max_minutes: float | None = None
    device: str = "auto"
    workers: int | None = None
    on_log: Callable[[dict[str, float]], None] | None = field(default=None, repr=False)


def train_autoencoder(collection: Collection, preset: Preset, options: RunOptions) -> State:
    """Train the autoencoder on the collection's train split; weights land in ``<run>/weights``.

    Raises
    ------
    InputError
        Where the collection has no splits or cutouts of several sizes, or the run cannot be resumed.
    """
    scaling = make_scaling(preset.scaling.name, **preset.scaling.parameters)
    settings = preset.autoencoder
    accelerator = make_accelerator(settings.loop, options)
    torch.manual_seed(settings.loop.seed)
    with settings_that_fit():
        task = AutoencoderTask(settings.network, scaling_config(scaling))
    packs = make_packs(collection, scaling, options, accelerator, task.autoencoder.config.factor)
    size = 32
    task.scale_batches = fixed_batches(packs[0], size, SCALE_CUTOUTS // size, accelerator)
    return fit(task, packs, settings.loop, options, accelerator)


def train_denoiser(
    data: Collection | AnnotatedMaps,
    preset: Preset,
    options: RunOptions,
    autoencoder: str | Path,
    init: str | Path | None = None,
) -> State:
    """Train the denoiser over the latents of the weights `autoencoder`; weights of both land in ``<run>/weights``.

    Parameters
    ----------
    data : Collection or AnnotatedMaps
        Cutouts, or whole fields of which it sees crops (``denoiser.crops`` of the preset).
    init : str or path, optional
        Weights whose denoiser is where training starts (fine-tuning).

    Raises
    ------
    InputError
        As `train_autoencoder`; and where the weights are missing or altered, or maps cannot be trained on whole.
    """
    folder = find_weights(autoencoder)
    info = read_manifest(folder)
    settings = preset.denoiser
    initial = None
    if init is not None:
        read_manifest(find_weights(init))
        initial = load_denoiser(find_weights(init)).train()
    accelerator = make_accelerator(settings.loop, options)
    torch.manual_seed(settings.loop.seed)
    network = load_autoencoder(folder).to(accelerator.device)
    with settings_that_fit():
        task = DenoiserTask(settings.network, network, info, initial)
    scaling = make_scaling(**info["scaling"])
    if isinstance(data, AnnotatedMaps):
        loaders = _field_loaders(data, scaling, settings, options, accelerator, network.config.factor)
        return _trained(task, loaders, settings.loop, options, accelerator)
    packs = make_packs(data, scaling, options, accelerator, network.config.factor)
    noise = scaling if settings.network.prior == "sky" and isinstance(scaling, SnrAsinh) else None
    return fit(task, packs, settings.loop, options, accelerator, noise)


def _field_loaders(
    maps: AnnotatedMaps,
    scaling: SnrAsinh | Paper,
    settings: DenoiserRun,
    options: RunOptions,
    accelerator: Accelerator,
    factor: int,
) -> tuple[Loader, Loader]:
    """Train and val loaders of crops of whole fields."""
    if not isinstance(scaling, SnrAsinh):
        raise InputError(
            f"the autoencoder was trained with the scaling {scaling.name!r}, which has no noise level; cut the maps "
            "with 'radiff cut' and train on the collection",
            maps.root,
        )
    crops, loop = CropOptions(**settings.crops.model_dump()), settings.loop
    if crops.size % factor:
        raise InputError(f"crops.size is {crops.size}; it must be a multiple of {factor}: set denoiser.crops.size")
    with accelerator.main_process_first():
        pack = build_fields(maps, (options.pack or options.run / "pack") / "fields", options.workers)
    device = accelerator.device
    train = FieldLoader(
        pack, "train", loop.batch_size, crops, scaling, loop.seed, device, loop.resident, accelerator.process_index
    )
    return train, FieldLoader(pack, "val", loop.batch_size, crops, scaling, VAL_SEED, device)


def train_features(collection: Collection, preset: Preset, options: RunOptions) -> State:
    """Train the feature network (BYOL) on the collection's train split; weights land in ``<run>/weights``.

    Raises
    ------
    InputError
        As `train_autoencoder`; and where the cutouts are not square.
    """
    scaling = make_scaling(preset.scaling.name, **preset.scaling.parameters)
    settings = preset.features
    accelerator = make_accelerator(settings.loop, options)
    torch.manual_seed(settings.loop.seed)
    with settings_that_fit():
        task = FeatureTask(settings.network, scaling_config(scaling), settings.loop.steps)
    packs = make_packs(collection, scaling, options, accelerator)
    ny, nx = packs[0].images.shape[1:]
    if ny != nx or min(settings.network.crop or ny, ny) < SMALLEST_VIEW:
        raise InputError(
            f"features are learnt from square views of {SMALLEST_VIEW} pixels or more; the cutouts are {nx} x {ny}, "
            f"features.network.crop is {settings.network.crop}",
            collection.root,
        )
    size = 32
    task.bank_batches = fixed_batches(packs[0], size, -(-settings.network.neighbours // size), accelerator)
    task.autocast = accelerator.autocast
    return fit(task, packs, settings.loop, options, accelerator)


def train_segmenter(collection: Collection, preset: Preset, options: RunOptions) -> State:
    """Train the segmenter on the collection's train split; ``<run>/weights`` has those of the best val figure.

    Raises
    ------
    InputError
        As `train_autoencoder`.
    """
    scaling = make_scaling(preset.scaling.name, **preset.scaling.parameters)
    settings = preset.segmenter
    accelerator = make_accelerator(settings.loop, options)
    torch.manual_seed(settings.loop.seed)
    with settings_that_fit():
        task = SegmenterTask(settings.network, scaling_config(scaling))
    packs = make_packs(collection, scaling, options, accelerator)
    size = 16
    task.norm_batches = fixed_batches(packs[0], size, NORM_CUTOUTS // size, accelerator)
    task.autocast = accelerator.autocast
    return fit(task, packs, settings.loop, options, accelerator)


def train_masks(collection: Collection, preset: Preset, options: RunOptions) -> State:
    """Train the mask model on the masks of the collection's train split; weights land in ``<run>/weights``.

    Cutouts that 'radiff resample' made are left out: they show masks of the others at another scale. So are empty
    masks. Images are not read.

    Raises
    ------
    InputError
        Where the collection has no splits, masks of several sizes or that are not square, or the run cannot be resumed.
    """
    settings = preset.masks
    accelerator = make_accelerator(settings.loop, options)
    torch.manual_seed(settings.loop.seed)
    folder = options.pack or options.run / "pack"
    with accelerator.main_process_first():
        native = collection.where(is_native)
        masks = read_mask_set(native if len(native) else collection, folder / "masks.npz", options.workers)
    train, val = (_some(masks.split(name), name, collection) for name in ("train", "val"))
    ny, nx = masks.labels.shape[1:]
    if ny != nx:
        raise InputError(f"masks are learnt from square cutouts, these are {nx} x {ny}", collection.root)
    with settings_that_fit():
        task = MaskModelTask(settings.network, ny)
    batch_size, seed, reach = settings.loop.batch_size, settings.loop.seed, settings.network.reach
    place = {"process": accelerator.process_index, "processes": accelerator.num_processes}
    loader = MaskLoader(train, batch_size, reach, seed, accelerator.device, **place)
    check = MaskLoader(val, min(batch_size, len(val)), reach, device=accelerator.device, augment=False)
    task.learn_masks(train, loader)
    return _trained(task, (loader, check), settings.loop, options, accelerator)


def _some(masks: MaskSet, name: str, collection: Collection) -> MaskSet:
    if not (masks.counts.sum(1) > 0).any():
        raise InputError(f"no mask in the split {name!r} holds an object", collection.root)
    return masks


@contextmanager
def settings_that_fit() -> Iterator[None]:
    """Networks and schedules say by ValueError that their settings do not go together; the user can mend that."""
    try:
        yield
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"the settings do not go together: {error}") from error


def make_accelerator(settings: LoopSettings, options: RunOptions) -> Accelerator:
    """The accelerator for the device, in the precision that `settings` ask for; ``auto`` stays what it was in a run.

    Raises
    ------
    InputError
        Where the device is not known, or ``cuda`` is asked for and there is none.
    """
    device = find_device(options.device)
    if device.index is not None:
        raise InputError(f"--device {device}: training takes the GPUs of CUDA_VISIBLE_DEVICES; use --device cuda")
    wanted = settings.precision
    if wanted == "auto" and options.resume:
        wanted = kept_precision(options.run / CHECKPOINT) or wanted
    precision = choose_precision(wanted, device)
    if device.type != "cpu":  # TF32 where float32 is left, and the fastest convolutions for sizes that never change
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    AcceleratorState._reset_state()  # a session may train both networks, each in a precision of its own
    return Accelerator(cpu=device.type == "cpu", mixed_precision={"fp32": "no", "bf16": "bf16"}[precision])


def make_packs(
    collection: Collection, scaling: Any, options: RunOptions, accelerator: Accelerator, factor: int = 1
) -> tuple[Pack, Pack]:
    """The packs of the splits train and val; an `InputError` where a side of a cutout is no multiple of `factor`."""
    folder = options.pack or options.run / "pack"
    parts = {name: collection.split(name) for name in ("train", "val")}
    for row in (row for part in parts.values() for row in part.rows):
        if row.ny % factor or row.nx % factor:
            raise InputError(
                f"is of {row.nx} x {row.ny} pixels; sides must be multiples of {factor}, cut again with another --size",
                collection.root / row.image,
            )
    with accelerator.main_process_first():
        train, val = (build_pack(part, folder / name, scaling, options.workers) for name, part in parts.items())
    return train, val


def fixed_batches(pack: Pack, size: int, count: int, accelerator: Accelerator) -> list[Any]:
    """The same batches at every call, in a shuffled order."""
    loader = PackLoader(pack, min(size, len(pack)), seed=12345, device=accelerator.device)
    return [loader.batch(k) for k in range(count)]


def fit(
    task: Task,
    packs: tuple[Pack, Pack],
    settings: LoopSettings,
    options: RunOptions,
    accelerator: Accelerator,
    noise: SnrAsinh | None = None,
) -> State:
    """Train `task` on packs, from the run's checkpoint if there is one; where it stands then."""
    train = PackLoader(
        packs[0],
        settings.batch_size,
        settings.seed,
        accelerator.device,
        resident=settings.resident,
        empty_share=settings.empty_share,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
        noise=noise,
    )
    val = PackLoader(packs[1], min(settings.batch_size, len(packs[1])), device=accelerator.device, noise=noise)
    return _trained(task, (train, val), settings, options, accelerator)


def _trained(
    task: Task, loaders: tuple[Loader, Loader], settings: LoopSettings, options: RunOptions, accelerator: Accelerator
) -> State:
    """Start the run, or go on with it."""
    trainer = Trainer(task, loaders, settings, options.run, accelerator)
    if options.resume:
        trainer.resume()
    elif trainer.checkpoint.exists():
        raise InputError("this run has a checkpoint already; go on with --resume or choose another -o", options.run)
    return trainer.fit(options.max_minutes, options.on_log)
