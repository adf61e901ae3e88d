"""Cutouts to train and val, so that no patch of sky is in both. Knows positions and sizes, no pixels."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from radiff.data.collection import Row
from radiff.doors.tables import read_csv
from radiff.doors.text import read_text
from radiff.errors import InputError

IntArray = NDArray[np.int64]
TRAIN, VAL, UNUSED = "train", "val", "unused"


def assign_splits(
    rows: Sequence[Row], fraction: float = 0.8, seed: int = 0, radius_arcsec: float | None = None
) -> list[Row]:
    """Give every row a group (patch of sky) and a split, about `fraction` of the rows to train.

    Rows of one source map are one group, and so are rows whose footprints may share sky. Where one group is so large
    that no division is near `fraction` (a single survey map), its cutouts at one end become val, and those that share
    sky with them ``unused``.

    Parameters
    ----------
    rows : sequence of Row
    fraction : float
        Of the rows, for train; 0 to 1.
    seed : int
        Of the order in which groups go to val.
    radius_arcsec : float, optional
        Two centres nearer than this share sky. Default: the sum of the radii of the circles around both cutouts.

    Returns
    -------
    list of Row
        The rows in their order with `split` and `group` set.
    """
    if not 0 <= fraction <= 1:
        raise InputError(f"a train fraction of {fraction} is no fraction; give 0 to 1")
    if not rows:
        return []
    first, second = shared_sky(rows, radius_arcsec)
    groups = _groups(rows, first, second)
    target = round((1 - fraction) * len(rows))
    splits = _fill_val(groups, target, seed)
    missing = target - int((splits == VAL).sum())
    if missing > max(1, target // 2):
        largest = int(np.bincount(groups).argmax())
        groups = _divide(rows, np.flatnonzero(groups == largest), missing, splits, groups, (first, second))
    width = len(str(int(groups.max())))
    return [
        replace(row, split=str(split), group=f"{group:0{width}d}")
        for row, split, group in zip(rows, splits, groups, strict=True)
    ]


def shared_sky(rows: Sequence[Row], radius_arcsec: float | None = None) -> tuple[IntArray, IntArray]:
    """Pairs of rows that may share sky: two index arrays (pairs,).

    With positions: the centres are nearer than the sum of the radii of the circles around both cutouts (or than
    `radius_arcsec`). Without: the windows overlap in the same source map.
    """
    placed = np.array([math.isfinite(row.ra + row.dec + row.pixel_scale) for row in rows], dtype=bool)
    sky = _pairs_on_sky([rows[i] for i in np.flatnonzero(placed).tolist()], radius_arcsec)
    pixel = _pairs_in_maps([rows[i] for i in np.flatnonzero(~placed).tolist()])
    pairs = np.concatenate([np.flatnonzero(placed)[sky], np.flatnonzero(~placed)[pixel]], axis=1)
    return pairs[0], pairs[1]


def conflicts(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Pairs of a train and a val row that may share sky."""
    first, second = shared_sky(rows)
    pairs = ((rows[i], rows[j]) for i, j in zip(first, second, strict=True))
    return [pair for pair in pairs if {pair[0].split, pair[1].split} == {TRAIN, VAL}]


def _pairs_on_sky(rows: Sequence[Row], radius_arcsec: float | None) -> IntArray:
    """(2, pairs) from positions, one search for each two classes of size (a factor of two), to keep radii apart."""
    empty = np.zeros((2, 0), dtype=np.int64)
    if not rows:
        return empty
    ra, dec = np.radians([[row.ra for row in rows], [row.dec for row in rows]])
    vectors = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    radii = np.array([math.hypot(row.nx, row.ny) / 2 * row.pixel_scale for row in rows])
    if radius_arcsec is not None:
        radii = np.full(len(rows), radius_arcsec / 2)
    radii = np.radians(radii / 3600)
    level = np.floor(np.log2(np.maximum(radii, 1e-9))).astype(int)
    members = [np.flatnonzero(level == one) for one in np.unique(level)]
    found = [empty]
    for index, one in enumerate(members):
        for other in members[index:]:
            reach = 2 * math.sin(min(radii[one].max() + radii[other].max(), math.pi) / 2)
            near = cKDTree(vectors[one]).query_ball_tree(cKDTree(vectors[other]), reach)
            i = np.repeat(one, [len(hits) for hits in near])
            j = other[np.array([hit for hits in near for hit in hits], dtype=np.int64)]
            separation = 2 * np.arcsin(np.clip(np.linalg.norm(vectors[i] - vectors[j], axis=1) / 2, 0, 1))
            keep = (separation < radii[i] + radii[j]) & ((i < j) if one is other else (i != j))
            found.append(np.stack([i[keep], j[keep]]))
    return np.concatenate(found, axis=1)


def _pairs_in_maps(rows: Sequence[Row]) -> IntArray:
    """(2, pairs) of windows that overlap in one source map."""
    pairs: list[tuple[int, int]] = []
    by_source: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        for other in by_source.setdefault(row.source or row.image, []):
            b = rows[other]
            if row.x0 < b.x0 + b.nx and b.x0 < row.x0 + row.nx and row.y0 < b.y0 + b.ny and b.y0 < row.y0 + row.ny:
                pairs.append((other, index))
        by_source[row.source or row.image].append(index)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2).T


def _groups(rows: Sequence[Row], first: IntArray, second: IntArray) -> IntArray:
    """Number of the patch of sky of every row: connected by a pair or by a common source map."""
    _, source = np.unique([row.source or row.image for row in rows], return_inverse=True)
    leader = np.zeros(int(source.max()) + 1, dtype=np.int64)
    leader[source[::-1]] = np.arange(len(rows))[::-1]
    i = np.concatenate([first, np.arange(len(rows))])
    j = np.concatenate([second, leader[source]])
    graph = coo_array((np.ones(len(i), dtype=bool), (i, j)), shape=(len(rows), len(rows)))
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _fill_val(groups: IntArray, target: int, seed: int) -> NDArray[np.str_]:
    """Give whole groups in random order to val as long as it does not pass `target` rows."""
    sizes = np.bincount(groups)
    in_val = np.zeros(len(sizes), dtype=bool)
    room = target
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= room:
            in_val[group] = True
            room -= int(sizes[group])
    return np.where(in_val[groups], VAL, TRAIN).astype("<U6")


def _divide(
    rows: Sequence[Row],
    members: IntArray,
    count: int,
    splits: NDArray[np.str_],
    groups: IntArray,
    pairs: tuple[IntArray, IntArray],
) -> IntArray:
    """Give `count` rows at one end of a large group to val and set their neighbours aside; changes `splits`."""
    part = [rows[i] for i in members]
    if all(math.isfinite(row.ra + row.dec) for row in part):
        ra, dec = np.radians([[row.ra for row in part], [row.dec for row in part]])
        places = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    elif len({row.source for row in part}) == 1:
        places = np.array([[row.x0, row.y0] for row in part], dtype=float)
    else:
        return groups  # nothing says which of these cutouts lie side by side
    centred = places - places.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    chosen = members[np.argsort(centred @ axis, kind="stable")[:count]]
    splits[chosen] = VAL
    groups = groups.copy()
    groups[chosen] = groups.max() + 1
    first, second = pairs
    for i, j in ((first, second), (second, first)):
        neighbours = j[np.isin(i, chosen)]
        splits[neighbours[splits[neighbours] == TRAIN]] = UNUSED
    return groups


@dataclass
class GivenSplits:
    """Splits given for source maps: by their path, as much of its end as is given.

    Attributes
    ----------
    entries : dict of str to (split, group)
        Path (posix) to split and group; the group may be empty.
    """

    entries: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, paths: Sequence[str | os.PathLike[str]]) -> "GivenSplits":
        """Read CSV files with the columns file, split and optionally group, or text files ``<split>.txt``.

        Raises
        ------
        InputError
            Where a file is missing or lacks a column, or one map is in two splits.
        """
        given = cls()
        for path in map(Path, paths):
            if not path.is_file():
                raise InputError("cannot be read as a CSV or text file of splits", path)
            for file, split, group in _parse_splits(path):
                key = PurePosixPath(file.replace("\\", "/")).as_posix()
                if given.entries.get(key, (split,))[0] != split:
                    raise InputError(f"{file} is in two splits, {given.entries[key][0]} and {split}", path)
                given.entries[key] = (split, group)
        return given

    def find(self, source: str) -> tuple[str, str]:
        """Split and group of a source map.

        Raises
        ------
        InputError
            Where no entry is the end of its path, nor its path the end of one entry.
        """
        parts = PurePosixPath(source).parts
        for start in range(len(parts)):
            found = self.entries.get("/".join(parts[start:]))
            if found:
                return found
        ends = self._by_name.get(parts[-1], []) if parts else []
        if len(ends) == 1:
            return self.entries[ends[0]]
        reason = f"is the name of {len(ends)} of its files" if ends else "is not in it"
        raise InputError(f"{source} {reason}: the given splits must name every map; add it or leave --splits out")

    @property
    def _by_name(self) -> dict[str, list[str]]:
        if not hasattr(self, "_names"):
            names: dict[str, list[str]] = {}
            for key in self.entries:
                names.setdefault(PurePosixPath(key).name, []).append(key)
            self._names = names
        return self._names

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with the split and the group of their source map; groups not given are the source's path."""
        found = {source: self.find(source) for source in dict.fromkeys(row.source for row in rows)}
        return [replace(row, split=found[row.source][0], group=found[row.source][1] or row.source) for row in rows]


def _parse_splits(path: Path) -> list[tuple[str, str, str]]:
    """(file, split, group) of every line."""
    if path.suffix.lower() != ".csv":
        lines = [line.strip() for line in read_text(path).splitlines()]
        return [(line, path.stem, "") for line in lines if line and not line.startswith("#")]
    names, rows = read_csv(path, comment="#")
    if "file" not in names or "split" not in names:
        raise InputError(f"needs the columns file and split (and may have group); found {', '.join(names)}", path)
    entries = []
    for number, row in rows:
        if not row["file"] or not row["split"]:
            raise InputError(f"line {number}: file or split is empty", path)
        entries.append((row["file"], row["split"], row.get("group", "")))
    return entries
