"""Generated cutouts and their masks to a picture for the eye. Knows no networks."""

import os
from collections.abc import Sequence
from pathlib import Path

from radiff.data.collection import Collection, Row
from radiff.masks.review import Panel, draw_lines

MOST_IMAGES, COLUMNS = 24, 6


def draw_quicklook(path: str | os.PathLike[str], root: str | os.PathLike[str], rows: Sequence[Row]) -> Path:
    """Draw the first `MOST_IMAGES` of the cutouts `rows` of the collection in `root`, and below each it with its mask.

    Parameters
    ----------
    path : path-like
        The PNG, written atomically.
    root : path-like
    rows : sequence of Row
        At least one.
    """
    collection = Collection(root, rows[:MOST_IMAGES])
    lines = []
    for start in range(0, len(collection), COLUMNS):
        chosen = range(start, min(start + COLUMNS, len(collection)))
        names = [Path(collection.rows[k].image).stem[:24] for k in chosen]
        plain = [Panel(c.image, n, None, c.rms) for c, n in zip(map(collection.image, chosen), names, strict=True)]
        masks = map(collection.mask, chosen)
        lines += [plain, [p._replace(title=f"{p.title} + mask", mask=m) for p, m in zip(plain, masks, strict=True)]]
    return draw_lines(path, lines)
