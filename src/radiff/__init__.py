"""Synthetic radio sky: calibrated cutouts in Jy/beam from semantic masks, by latent diffusion.

The public names are loaded when they are first used: ``import radiff`` imports neither torch nor astropy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radiff.data.collection import Collection
    from radiff.errors import InputError
    from radiff.generate import Generator
    from radiff.masks import (
        CLASSES,
        AnnotateOptions,
        Annotation,
        annotate,
        read_annotation,
        read_mask,
        write_annotation,
        write_mask,
    )
    from radiff.sky import (
        Beam,
        Cutout,
        HeaderWarning,
        NoiseBank,
        NoiseSpectrum,
        background_rms,
        read_catalog,
        read_cutout,
        write_cutout,
    )

    __version__: str

# Public name -> the module that it is loaded from.
_HOMES = {
    "CLASSES": "radiff.masks",
    "AnnotateOptions": "radiff.masks",
    "Annotation": "radiff.masks",
    "Beam": "radiff.sky",
    "Collection": "radiff.data.collection",
    "Cutout": "radiff.sky",
    "Generator": "radiff.generate",
    "HeaderWarning": "radiff.sky",
    "ImageSpec": "radiff.generate",
    "InputError": "radiff.errors",
    "Backdrop": "radiff.generate",
    "BackgroundImage": "radiff.generate",
    "GenerateOptions": "radiff.generate",
    "Guidance": "radiff.generate",
    "NoiseBank": "radiff.sky",
    "NoiseSpectrum": "radiff.sky",
    "Observation": "radiff.generate",
    "Sky": "radiff.generate",
    "annotate": "radiff.masks",
    "background_rms": "radiff.sky",
    "bring_to_flux": "radiff.generate",
    "read_annotation": "radiff.masks",
    "read_catalog": "radiff.sky",
    "read_cutout": "radiff.sky",
    "read_mask": "radiff.masks",
    "remove_sources": "radiff.sky",
    "rescale_fluxes": "radiff.generate",
    "write_annotation": "radiff.masks",
    "write_cutout": "radiff.sky",
    "write_mask": "radiff.masks",
}

__all__ = [
    "CLASSES",
    "AnnotateOptions",
    "Annotation",
    "Backdrop",
    "BackgroundImage",
    "Beam",
    "Collection",
    "Cutout",
    "GenerateOptions",
    "Generator",
    "Guidance",
    "HeaderWarning",
    "ImageSpec",
    "InputError",
    "NoiseBank",
    "NoiseSpectrum",
    "Observation",
    "Sky",
    "__version__",
    "annotate",
    "background_rms",
    "bring_to_flux",
    "read_annotation",
    "read_catalog",
    "read_cutout",
    "read_mask",
    "remove_sources",
    "rescale_fluxes",
    "write_annotation",
    "write_cutout",
    "write_mask",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name == "__version__":
        value = import_module("importlib.metadata").version("radiff")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'radiff' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
