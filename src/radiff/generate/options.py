"""How images are made: what all images of a call share. Knows no files."""

from dataclasses import dataclass, field

from radiff.errors import InputError
from radiff.generate.denoising import Guidance

FORMER = {"detail": "background_strength", "steer_peaks": "peak_projection", "exact": "rescale_peaks"}
"""Names of options in 0.1, which still work."""


@dataclass(frozen=True)
class GenerateOptions:
    """How images are made.

    Attributes
    ----------
    sampler : str
        One of `radiff.diffusion.sampling.SAMPLERS`.
    num_steps : int
    guidance : Guidance
    background_strength : float
        How much of a background image is kept, from 0 (the power spectrum of its noise; every seed draws new noise) to
        1 (its very pixels).
    peak_projection : bool
        Bring every step's estimate of the clean image to the peaks asked for (`radiff.generate.peak_projection`).
    rescale_peaks : bool
        Bring each object whose peak is asked to exactly that peak after sampling (`rescale_fluxes`).
    keep_noise : bool
        Copy the noise of a background image, in place of drawing new noise of its spectrum (with the sky prior).
    edge_snr : float, optional
        Isophote, in units of the rms, at which objects' edges are held (`radiff.generate.edges`); 0: they are not.
        None: as each mask says of itself.
    windows : bool
        Work on windows around the objects only (`radiff.generate.regions`); else on whole images.
    unconditional : bool
        Drop the masks; their shape alone counts.
    batch_size : int
        Images at a time. An image does not depend on it but for rounding.
    """

    sampler: str = "euler"
    num_steps: int = 16
    guidance: Guidance = field(default_factory=Guidance)
    background_strength: float = 0.7
    peak_projection: bool = True
    rescale_peaks: bool = False
    keep_noise: bool = False
    edge_snr: float | None = None
    windows: bool = True
    unconditional: bool = False
    batch_size: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= 1000:
            raise InputError(f"num_steps is {self.num_steps}; it must be from 1 to 1000")
        if not 0 <= self.background_strength <= 1:
            raise InputError(f"background_strength is {self.background_strength}; it must be from 0 to 1")
        if self.edge_snr is not None and not 0 <= self.edge_snr < 100:
            raise InputError(f"edge_snr is {self.edge_snr}; it must be from 0 (edges are not held) to 100 rms")
