"""The train split to SC_R and the rest, section 5.2: most extended objects are left out. Knows no images."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from radiff.data.collection import Row


def choose_rows(rows: Sequence[Row], empty_share: float = 1.0, limit: int | None = None, seed: int = 0) -> list[int]:
    """Which of `rows` are used: all with objects, a part of those without; ascending.

    Parameters
    ----------
    empty_share : float
        Part of the cutouts without objects.
    limit : int, optional
        At most so many in all, drawn at random.
    """
    random = np.random.default_rng((seed, 21))
    filled = [k for k, row in enumerate(rows) if sum(row.counts)]
    empty = [k for k, row in enumerate(rows) if not sum(row.counts)]
    kept = filled + random.permutation(empty)[: round(empty_share * len(empty))].tolist()
    if limit is not None and len(kept) > limit:
        kept = random.permutation(kept)[:limit].tolist()
    return sorted(kept)


def left_out(rows: Sequence[Row], extended_left: float = 0.295, seed: int = 0) -> list[int]:
    """Which of `rows` are not in SC_R, ascending.

    As in the paper (Table 7: 70 % of the cutouts, but 30 % of the extended objects, 90 % of the compact and 99 % of the
    spurious ones stay), cutouts with extended objects and little else are left out, the same part of the extended
    objects in each survey. Of a patch of sky (`group`) all cutouts with extended objects are moved together: cutouts of
    one overlap, and what is left out is then nowhere in SC_R.

    Parameters
    ----------
    extended_left : float
        Part of the extended objects that stays.
    """
    out: list[int] = []
    for number, survey in enumerate(sorted({row.survey for row in rows})):
        random = np.random.default_rng((seed, 22, number))
        groups: dict[str, list[int]] = defaultdict(list)
        for k, row in enumerate(rows):
            if row.survey == survey and row.n_extended:
                groups[row.group or row.image].append(k)
        names = [sorted(groups)[k] for k in random.permutation(len(groups))]
        extended = {name: sum(rows[k].n_extended for k in groups[name]) for name in names}
        others = {name: sum(rows[k].n_compact + rows[k].n_spurious for k in groups[name]) for name in names}
        names.sort(key=lambda name: others[name] / extended[name])
        wanted, taken = (1 - extended_left) * sum(extended.values()), 0
        for name in names:
            if taken >= wanted:
                break
            out += groups[name]
            taken += extended[name]
    return sorted(out)
