"""Networks to folders of safetensors and JSON, and back, without running any code from them. Knows no FITS.

<weights>/radiff.json                    format, scaling, diffusion, figures, sha256 of every file; written last
<weights>/<part>/config.json             sizes of the network
<weights>/<part>/model*.safetensors      its weights (several shards and an index where large)
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import save_torch_state_dict, snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from radiff.errors import InputError
from radiff.files import make_folder, read_json, write_json
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from radiff.models.denoiser import Denoiser, DenoiserConfig
from radiff.models.mask_model import MaskModel, MaskModelConfig
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.models.segmenter import Segmenter, segmenter_from

Network = TypeVar("Network", bound=nn.Module)

FORMAT = 1
MANIFEST = "radiff.json"
SHARD = "15MB"
DEFAULT = "default"
DEFAULT_FOLDERS = {"features": "vla-features", "segmenter": "vla-segmenter", "masks": "vla-masks"}
"""Where the package's own weights of a part lie, if not in ``vla``."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass
class Part:
    """A network to be saved: the module and the JSON values that build it again."""

    module: nn.Module
    config: dict[str, Any]


def save_weights(
    folder: str | os.PathLike[str], parts: Mapping[str, Part], info: Mapping[str, Any], dtype: str = "float32"
) -> Path:
    """Write a weights folder; an old one of that name is replaced only when the new one is complete.

    Parameters
    ----------
    parts : mapping of name to Part
        Such as ``autoencoder`` and ``denoiser``; see `LOADERS`.
    info : mapping
        JSON values kept in radiff.json: scaling, diffusion, sampling defaults, validation figures.
    dtype : str
        ``float32``, ``bfloat16`` or ``float16``; buffers (the measured latent scale) stay float32.
    """
    folder = Path(folder)
    make_folder(folder.parent)
    temporary = folder.with_name(f".tmp-{os.getpid()}-{folder.name}")
    try:
        files: dict[str, str] = {}
        for name, part in parts.items():
            target = make_folder(temporary / name)
            write_json(target / "config.json", part.config)
            save_torch_state_dict(_state(part.module, dtype), target, max_shard_size=SHARD)
            for file in sorted(target.iterdir()):
                file.chmod(0o644)  # safetensors writes files that only their owner may read
                files[f"{name}/{file.name}"] = _sha256(file)
        write_json(temporary / MANIFEST, {"format": FORMAT, **info, "files": files})
        card = folder / "MODEL_CARD.md"
        if card.is_file():
            shutil.copy2(card, temporary / card.name)
        _swap(temporary, folder)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"the weights cannot be written ({error}); free some space or choose another -o", folder
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _state(module: nn.Module, dtype: str) -> dict[str, torch.Tensor]:
    buffers = dict(module.named_buffers())
    return {
        name: value.detach().cpu().to(torch.float32 if name in buffers else DTYPES[dtype]).contiguous()
        for name, value in module.state_dict().items()
    }


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`."""
    old = folder.with_name(f".old-{os.getpid()}-{folder.name}")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def find_weights(weights: str | os.PathLike[str] = DEFAULT, part: str = "denoiser") -> Path:
    """The folder of weights called `weights`: a folder, ``default`` (those in the package) or a hub id ``owner/name``.

    Parameters
    ----------
    part : str
        What is to be loaded from them; decides which of the package's folders ``default`` is.

    Raises
    ------
    InputError
        Where there is no such folder, or the hub does not give it.
    """
    if str(weights) == DEFAULT:
        return Path(__file__).parent.parent / "weights" / DEFAULT_FOLDERS.get(part, "vla")
    folder = Path(weights)
    if folder.is_dir():
        return folder
    text = str(weights)
    if text.count("/") != 1 or text.startswith((".", "/", "~")):
        raise InputError("no such weights folder; give a folder, 'default' or a hub id like owner/name", folder)
    try:
        return Path(snapshot_download(text, allow_patterns=["*.json", "*/*.json", "*/*.safetensors", "*.md"]))
    except Exception as error:  # the hub client raises many kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"is no folder here and the hub does not give it ({reason})", text) from error


def read_manifest(folder: str | os.PathLike[str], check: bool = True) -> dict[str, Any]:
    """The contents of radiff.json; with `check`, every file is compared with its sha256.

    Raises
    ------
    InputError
        Where it is no weights folder, or a file is missing or altered; the message names the file.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise InputError(f"is no weights folder ({MANIFEST} is missing); copy it again or train one", folder)
    manifest = read_json(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        found = manifest.get("format")
        raise InputError(f"weights format {found!r}, this radiff reads {FORMAT}; update radiff", folder / MANIFEST)
    for name, digest in manifest["files"].items() if check else ():
        file = folder / name
        if not file.is_file():
            raise InputError("this file of the weights is missing; copy the weights folder again", file)
        if _sha256(file) != digest:
            raise InputError("was altered (its sha256 is not that of radiff.json); copy the folder again", file)
    return manifest


def load_autoencoder(folder: str | os.PathLike[str]) -> Autoencoder:
    """The autoencoder of a weights folder, float32, in evaluation mode."""
    config = AutoencoderConfig(**with_tuples(read_json(Path(folder) / "autoencoder" / "config.json")))
    return load_parameters(Autoencoder(config), Path(folder) / "autoencoder")


def load_denoiser(folder: str | os.PathLike[str]) -> Denoiser:
    """The denoiser of a weights folder, float32, in evaluation mode.

    Raises
    ------
    InputError
        Where the folder has none (an autoencoder alone).
    """
    place = Path(folder) / "denoiser"
    if not place.is_dir():
        raise InputError("has no denoiser, only an autoencoder; run 'radiff train denoiser'", folder)
    return load_parameters(Denoiser(DenoiserConfig(**with_tuples(read_json(place / "config.json")))), place)


def load_features(folder: str | os.PathLike[str]) -> ResNet18:
    """The feature network of a weights folder, float32, in evaluation mode: (n, 1, ny, nx) scaled -> (n, d).

    Raises
    ------
    InputError
        Where the folder has none.
    """
    place = _place(folder, "features")
    return load_parameters(ResNet18(ResNetConfig(**with_tuples(read_json(place / "config.json")))), place)


def load_segmenter(folder: str | os.PathLike[str]) -> Segmenter:
    """The segmenter of a weights folder, float32, in evaluation mode: (n, 1, ny, nx) scaled -> logits (n, 4, ny, nx).

    Raises
    ------
    InputError
        Where the folder has none.
    """
    place = _place(folder, "segmenter")
    try:
        network = segmenter_from(read_json(place / "config.json"))
    except (ValueError, TypeError) as error:
        raise InputError(f"describes no segmenter ({error}); update radiff", place / "config.json") from error
    return load_parameters(network, place)


def load_mask_model(folder: str | os.PathLike[str]) -> MaskModel:
    """The mask model of a weights folder, float32, in evaluation mode.

    Raises
    ------
    InputError
        Where the folder has none.
    """
    place = _place(folder, "masks")
    return load_parameters(MaskModel(MaskModelConfig(**with_tuples(read_json(place / "config.json")))), place)


def _place(folder: str | os.PathLike[str], part: str) -> Path:
    place = Path(folder) / part
    if not place.is_dir():
        raise InputError(f"has no {part}; run 'radiff train {part}' and give its weights folder", folder)
    return place


LOADERS: dict[str, Callable[[Path], nn.Module]] = {
    "autoencoder": load_autoencoder,
    "denoiser": load_denoiser,
    "features": load_features,
    "segmenter": load_segmenter,
    "masks": load_mask_model,
}
"""Part of a weights folder to what loads it; `radiff.paper` adds its own when the command line meets one."""


def copy_weights(
    source: str | os.PathLike[str], target: str | os.PathLike[str], dtype: str, figures: Mapping[str, Any]
) -> Path:
    """Write the weights `source` to the folder `target` as `dtype`, with validation `figures` beside the manifest's.

    Raises
    ------
    InputError
        Where `source` is no complete weights folder or `target` cannot be written.
    """
    folder = find_weights(source)
    manifest = read_manifest(folder)
    parts = {
        name: Part(load(folder), read_json(folder / name / "config.json"))
        for name, load in LOADERS.items()
        if (folder / name).is_dir()
    }
    info = {k: v for k, v in manifest.items() if k not in ("format", "files")}
    validation = info.get("validation", {}) | dict(figures)
    return save_weights(target, parts, info | ({"validation": validation} if validation else {}), dtype)


def describe_weights(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What a weights folder holds, for people: the manifest with parameter counts, files checked."""
    folder = find_weights(folder)
    manifest = read_manifest(folder)
    networks = {}
    for name, load in LOADERS.items():
        if (folder / name).is_dir():
            network = load(folder)
            networks[name] = {
                "parameters": sum(p.numel() for p in network.parameters()),
                "config": read_json(folder / name / "config.json"),
            }
    return {"folder": str(folder), **manifest, "networks": networks}


def load_parameters(network: Network, place: Path) -> Network:
    """`network` with the weights of the folder `place`, float32, in evaluation mode.

    Raises
    ------
    InputError
        Where they are missing, cannot be read or are another network's.
    """
    state: dict[str, torch.Tensor] = {}
    shards = sorted(place.glob("*.safetensors"))
    if not shards:
        raise InputError("holds no model.safetensors; copy the weights folder again", place)
    for shard in shards:
        try:
            state |= load_file(shard)
        except SafetensorError as error:
            raise InputError(f"is no readable safetensors file ({error}); copy it again", shard) from error
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    except RuntimeError as error:
        raise InputError("the weights do not fit the network that config.json describes", place) from error
    return network.eval()


def with_tuples(config: dict[str, Any]) -> dict[str, Any]:
    """A network's sizes as its config takes them: JSON knows lists alone."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
