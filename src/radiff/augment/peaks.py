"""Objects of a mask to the peaks that such objects have in a collection. Knows no images and no networks.

Size and peak belong together: a mask is drawn at a few rms, so a point source of peak p covers ln(p / limit) beam
areas. A peak drawn without a look at the size gives an image whose isophote is not that of its mask. So every object
takes the peak of a real object of its class, about as large and as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radiff.augment.real import RealImages
from radiff.errors import InputError
from radiff.masks import CLASSES, SourceObject

NEIGHBOURS = 8
"""Real objects of like size that a peak is drawn from."""
Spread = float | tuple[float, float] | str


@dataclass(frozen=True)
class PeakTable:
    """Sizes and peaks of the real objects of each class.

    Attributes
    ----------
    sizes : dict of class value to (n, 2)
        Logarithms of area and length in beams.
    peaks : dict of class value to (n,)
        In units of the rms.
    """

    sizes: dict[int, NDArray[np.float64]]
    peaks: dict[int, NDArray[np.float64]]

    @classmethod
    def of(cls, real: RealImages) -> "PeakTable":
        """Those of the objects of `real` that no edge cuts."""
        sizes: dict[int, list[tuple[float, float]]] = {}
        peaks: dict[int, list[float]] = {}
        for image in real.images:
            shape = (image.row.ny, image.row.nx)
            for one in image.objects:
                peak = float(one.info["peak_snr"])
                if peak > 0 and not one.touches_edge(shape):
                    sizes.setdefault(one.class_value, []).append(size_of(one, image.beam_area))
                    peaks.setdefault(one.class_value, []).append(peak)
        return cls({k: np.array(v) for k, v in sizes.items()}, {k: np.array(v) for k, v in peaks.items()})

    def draw(
        self, objects: Sequence[SourceObject], beam_area: float, random: np.random.Generator, spread: Spread = "real"
    ) -> tuple[float, ...]:
        """A peak for each object, in units of the rms.

        Parameters
        ----------
        beam_area : float
            Pixels.
        spread : ``"real"``, float or (low, high)
            ``real``: what the object itself was measured with (``peak_snr`` of its info, where it is there), else that
            of one of the `NEIGHBOURS` real objects of its class nearest in size; a number: that for all; a range: drawn
            evenly in its logarithm.

        Raises
        ------
        InputError
            Where the collection holds no object of a class.
        """
        if isinstance(spread, tuple):
            low, high = np.log(spread)
            return tuple(np.exp(random.uniform(low, high, len(objects))).tolist())
        if not isinstance(spread, str):
            return (float(spread),) * len(objects)
        return tuple(float(one.info.get("peak_snr") or self._like(one, beam_area, random)) for one in objects)

    def _like(self, one: SourceObject, beam_area: float, random: np.random.Generator) -> float:
        if one.class_value not in self.peaks:
            name = CLASSES[one.class_value].name
            raise InputError(f"the train split holds no {name} object to take a peak from; give --peak-snr")
        distance = np.hypot(*(self.sizes[one.class_value] - size_of(one, beam_area)).T)
        nearest = np.argsort(distance, kind="stable")[:NEIGHBOURS]
        return float(self.peaks[one.class_value][random.choice(nearest)])


def size_of(one: SourceObject, beam_area: float) -> tuple[float, float]:
    """Logarithms of an object's area in beam areas and of its box's diagonal in beam widths."""
    height, width = one.stamp.shape
    return float(np.log(one.npix / beam_area)), float(np.log(np.hypot(height, width) / np.sqrt(beam_area)))
