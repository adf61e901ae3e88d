"""Jy/beam to network units and back: named, invertible intensity scalings. Knows no files and no networks.

A scaling is stored by name and parameters in the weights' configuration, so generated images come back in Jy/beam.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from astropy.visualization import ZScaleInterval
from numpy.typing import ArrayLike, NDArray

from radiff.errors import InputError

Image = NDArray[np.float32]


class Scaling(Protocol):
    """What every scaling offers."""

    name: ClassVar[str]
    invertible: ClassVar[bool]

    def forward(self, image: ArrayLike, background: float, rms: float) -> Image:
        """Jy/beam (..., ny, nx) to network units; NaN becomes the background level."""
        ...

    def inverse(self, scaled: ArrayLike, background: float, rms: float) -> Image:
        """Network units to Jy/beam."""
        ...


@dataclass(frozen=True)
class SnrAsinh:
    """``asinh(snr / softness)`` with ``snr = (image - background) / rms``: linear in the noise, logarithmic above.

    Parameters
    ----------
    softness : float
        Signal-to-noise at which the scale bends from linear to logarithmic.
    """

    name: ClassVar[str] = "snr-asinh"
    invertible: ClassVar[bool] = True
    softness: float = 4.0

    def forward(self, image: ArrayLike, background: float, rms: float) -> Image:
        """See `Scaling.forward`.

        Raises
        ------
        InputError
            Where `rms` is not a positive number.
        """
        if not (np.isfinite(rms) and rms > 0):
            raise InputError(f"the noise rms is {rms}; a positive number (Jy/beam) is needed to scale an image")
        snr = (np.asarray(image, dtype=np.float64) - background) / rms
        return np.arcsinh(np.nan_to_num(snr, nan=0.0) / self.softness).astype(np.float32)

    def inverse(self, scaled: ArrayLike, background: float, rms: float) -> Image:
        """See `Scaling.inverse`."""
        snr = self.softness * np.sinh(np.asarray(scaled, dtype=np.float64))
        return (snr * rms + background).astype(np.float32)


@dataclass(frozen=True)
class Paper:
    """The paper's chain (section 3.1 and its authors' code): NaN to 0, z-scale, tanh, min-max to [0, 1].

    Every image is stretched by its own limits, so the flux scale is lost: there is no inverse.
    """

    name: ClassVar[str] = "paper"
    invertible: ClassVar[bool] = False
    contrast: float = 0.25

    def forward(self, image: ArrayLike, background: float, rms: float) -> Image:
        """See `Scaling.forward`; one image (ny, nx) at a time; `background` and `rms` are not used."""
        filled = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0)
        low, high = ZScaleInterval(contrast=self.contrast).get_limits(filled)
        squashed = np.tanh((filled - low) / max(high - low, 1e-30))
        span = squashed.max() - squashed.min()
        return ((squashed - squashed.min()) / max(span, 1e-30)).astype(np.float32)

    def inverse(self, scaled: ArrayLike, background: float, rms: float) -> Image:
        """Always raises: the chain cannot be inverted.

        Raises
        ------
        InputError
        """
        raise InputError(
            "the scaling 'paper' stretches each image by its own limits and cannot be inverted to Jy/beam; "
            "use weights trained with 'snr-asinh'"
        )


SCALINGS: dict[str, type[SnrAsinh] | type[Paper]] = {kind.name: kind for kind in (SnrAsinh, Paper)}


def make_scaling(name: str, **parameters: Any) -> SnrAsinh | Paper:
    """The scaling called `name`.

    Raises
    ------
    InputError
        Where the name or a parameter is not known; the message lists what is.
    """
    if name not in SCALINGS:
        raise InputError(f"{name!r} is no intensity scaling; there are: {', '.join(SCALINGS)}")
    try:
        return SCALINGS[name](**parameters)
    except TypeError as error:
        raise InputError(f"the scaling {name!r} was given parameters it has not: {error}") from error


def scaling_config(scaling: SnrAsinh | Paper) -> dict[str, Any]:
    """The scaling as JSON values: ``make_scaling(**scaling_config(s)) == s``."""
    return {"name": scaling.name, **asdict(scaling)}
