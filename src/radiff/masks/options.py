"""What `radiff annotate` may be told about finding and classing islands. Finds nothing itself."""

import math
from dataclasses import dataclass, fields

from radiff.errors import InputError


@dataclass(frozen=True)
class AnnotateOptions:
    """How islands are found and classed.

    Attributes
    ----------
    seed_snr, grow_snr : float
        An island holds a pixel above `seed_snr` and all that connect to it above `grow_snr` (units of local rms).
    min_pixels : int
        Smaller islands are noise.
    box : int, optional
        Side of the cells of the noise mesh, pixels; default 64, or 12 beam widths where that is more.
    compact_fwhm : float
        A compact source's catalog component has a deconvolved major axis below this many beam widths.
    compact_beams : float
        A compact source covers fewer beam areas than this, or than a bright point source would.
    compact_axis : float
        Without a catalog: the longest major axis of a compact island, in units of a point source's of that peak.
    p_sidelobe : float
        Components with a larger chance to be spurious count as spurious. The limit is 0.3 of it on islands that look
        like sidelobes (see `negative_ratio`).
    faint_beams : float
        Islands without a component, or with spurious ones alone, are faint diffuse sources where they cover more beam
        areas than this and do not look like sidelobes.
    clear_snr : float
        An island with a higher peak that does not look like a sidelobe is a source, whatever the catalog lacks.
    attach_beams : float
        Spurious islands within this many beam widths of a very extended one (three times `compact_beams`) are extended:
        faint parts of it.
    match_beams : float
        A component belongs to the nearest island within this many beam widths.
    negative_ratio : float
        An island looks like a sidelobe where its peak is below this many times the deepest negative pixel within
        `negative_beams` beam widths, which is itself below -`seed_snr`.
    negative_beams : float
    spurious_by_shape : bool
        Without a catalog: mark such sidelobes as spurious. Default: they are left out of the mask.
    merge_beams : float
        Islands nearer to each other than this many beam widths are one extended object; 0: none are merged.
    default_beam : float
        Beam width in pixels where header or pixel scale do not tell it.
    """

    seed_snr: float = 5.0
    grow_snr: float = 3.0
    min_pixels: int = 5
    box: int | None = None
    compact_fwhm: float = 1.5
    compact_beams: float = 8.0
    compact_axis: float = 1.35
    p_sidelobe: float = 0.5
    faint_beams: float = 4.0
    clear_snr: float = 10.0
    attach_beams: float = 1.0
    match_beams: float = 1.0
    negative_ratio: float = 2.5
    negative_beams: float = 15.0
    spurious_by_shape: bool = False
    merge_beams: float = 0.0
    default_beam: float = 4.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"{one.name} is {value}; it must be a number of 0 or more")
        if self.seed_snr < self.grow_snr or self.grow_snr <= 0:
            raise InputError(
                f"seed_snr {self.seed_snr:g} and grow_snr {self.grow_snr:g}: needed is seed_snr >= grow_snr > 0"
            )
        if self.box is not None and self.box < 8:
            raise InputError(f"box is {self.box}; cells of the noise mesh have at least 8 pixels")

    def mesh_box(self, beam_width: float) -> int:
        """Side of the cells of the noise mesh, pixels, for a beam of `beam_width` pixels."""
        return self.box or max(64, math.ceil(12 * beam_width))
