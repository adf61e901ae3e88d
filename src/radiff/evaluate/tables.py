"""The measures of many pictures to one table a set. Knows no pixels, no networks, no files."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radiff.evaluate.measure import SOURCE_COLUMNS, Measures

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SetTable:
    """What is known of a set of n images, column by column; see `Measures`.

    Attributes
    ----------
    name : str
    names, mask_keys : (n,) of str
    rms, deviation, skewness : (n,)
    spectrum : (n, 8)
    pixels, noise : (n, 130)
    objects : (n, 3)
    small : (n, 1024)
    sources : (m, 6)
        Of all images, `SOURCE_COLUMNS`.
    source_image : (m,)
        The image that each source is on.
    asked : (k, 4)
        Of all images, `ASKED_COLUMNS`.
    asked_image : (k,)
        The image that each of these objects is on.
    features : (n, d), optional
    confusions : (n, 4, 4), optional
    matches : (n, 3, 3), optional
    """

    name: str
    names: NDArray[np.str_]
    mask_keys: NDArray[np.str_]
    rms: Floats
    deviation: Floats
    skewness: Floats
    spectrum: Floats
    pixels: NDArray[np.int64]
    noise: NDArray[np.int64]
    objects: NDArray[np.int64]
    small: NDArray[np.float32]
    sources: Floats
    source_image: NDArray[np.int64]
    asked: Floats
    asked_image: NDArray[np.int64]
    features: NDArray[np.float32] | None = None
    confusions: NDArray[np.int64] | None = None
    matches: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, name: str, measures: Sequence[Measures], **more: Any) -> "SetTable":
        """The table of some pictures; `more`: features, confusions, matches."""
        columns = ("rms", "deviation", "skewness", "spectrum", "pixels", "noise", "objects", "small")
        stacked = {column: np.stack([getattr(m, column) for m in measures]) for column in columns}
        return cls(
            name,
            np.array([m.name for m in measures]),
            np.array([m.mask_key for m in measures]),
            **stacked,
            sources=np.concatenate([m.sources.reshape(-1, len(SOURCE_COLUMNS)) for m in measures]),
            source_image=np.repeat(np.arange(len(measures)), [len(m.sources) for m in measures]),
            asked=np.concatenate([m.asked for m in measures]),
            asked_image=np.repeat(np.arange(len(measures)), [len(m.asked) for m in measures]),
            **more,
        )

    @classmethod
    def join(cls, tables: Sequence["SetTable"]) -> "SetTable":
        """Tables of parts of one set, one after the other."""
        starts = np.cumsum([0, *(len(t) for t in tables)])
        columns: dict[str, Any] = {}
        for one in fields(cls):
            parts = [getattr(t, one.name) for t in tables]
            if one.name == "name":
                columns[one.name] = parts[0]
            elif one.name in ("source_image", "asked_image"):
                columns[one.name] = np.concatenate([p + start for p, start in zip(parts, starts[:-1], strict=True)])
            else:
                columns[one.name] = None if parts[0] is None else np.concatenate(parts)
        return cls(**columns)

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, indices: NDArray[np.integer[Any]] | Sequence[int], name: str | None = None) -> "SetTable":
        """The images of these different `indices`, in that order."""
        kept = np.asarray(indices, np.int64)
        place = np.full(len(self), -1)
        place[kept] = np.arange(len(kept))
        columns: dict[str, Any] = {}
        for values, image in (("sources", "source_image"), ("asked", "asked_image")):
            found = place[getattr(self, image)]
            columns |= {values: getattr(self, values)[found >= 0], image: found[found >= 0]}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in ("name", *columns) and value is not None:
                columns[one.name] = value[kept]
        return replace(self, name=name or self.name, **columns)

    def source(self, column: str) -> tuple[Floats, NDArray[np.int64]]:
        """Finite, positive values of a column of `SOURCE_COLUMNS`, and the image of each."""
        values = self.sources[:, SOURCE_COLUMNS.index(column)]
        good = np.isfinite(values) & (values > 0)
        return values[good], self.source_image[good]
