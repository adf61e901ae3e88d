"""Weights folders of the baselines to networks; importing this makes them known to `radiff.models.io`."""

import os
from pathlib import Path

from torch import nn

from radiff.errors import InputError
from radiff.files import read_json
from radiff.models.io import LOADERS, load_parameters
from radiff.paper.baselines import rival_from

PART = "rival"
"""Name of their part of a weights folder."""


def load_rival(folder: str | os.PathLike[str]) -> nn.Module:
    """The rival (`radiff.paper.baselines`) of a weights folder, float32, in evaluation mode.

    Raises
    ------
    InputError
        Where the folder has none.
    """
    place = Path(folder) / PART
    if not place.is_dir():
        raise InputError("has no rival model; run 'radiff train dcgan' (or another) and give its weights", folder)
    try:
        network = rival_from(read_json(place / "config.json"))
    except (ValueError, TypeError) as error:
        raise InputError(f"describes no rival model ({error}); update radiff", place / "config.json") from error
    return load_parameters(network, place)


LOADERS[PART] = load_rival
