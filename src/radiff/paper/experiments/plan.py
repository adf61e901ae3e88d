"""What Tables 5 to 8 need: settings, the cutouts that are used, and the tasks, each with what it depends on.

Tables 6 and 8 train a segmenter on mixes of sets: SC, the real train cutouts; SC_R, those left when most with extended
objects are taken out; synthetic sets. Knows no networks and makes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from radiff.data.collection import Row
from radiff.training.config import LoopSettings, Section, SegmenterSettings
from radiff.training.reading import read_settings

REAL, REDUCED, RENDERED, GENERATOR = "real", "reduced", "rendered", "generator"
ADDED = ("compact", "extended", "both")
"""Synthetic sets of Table 6, by the classes of their objects."""
MIXES: dict[str, tuple[str, ...]] = {
    "sc": (REAL,),
    "sc+compact": (REAL, "compact"),
    "sc+extended": (REAL, "extended"),
    "sc+both": (REAL, "both"),
    "sc_r": (REDUCED,),
    "sc_r+sc_a": (REDUCED, "rendered:left"),
    "sc_s": (RENDERED,),
}
"""Parts of each mix: ``real`` (SC), ``reduced`` (SC_R), a synthetic set, or its images of masks left out of SC_R."""
TABLES: dict[str, dict[str, str]] = {
    "table6": {
        "real (SC)": "sc",
        "+ compact": "sc+compact",
        "+ extended": "sc+extended",
        "+ both": "sc+both",
    },
    "table8": {"SC_R": "sc_r", "SC_R + SC_A": "sc_r+sc_a", "SC": "sc", "SC_S": "sc_s"},
}
"""Rows of Tables 6 and 8 and the mix of each: rows of one mix share their trainings."""
COUNTED: dict[str, tuple[str, ...]] = {"table5": ADDED, "table7": (RENDERED,)}
"""Tables of object counts, and the sets that they count."""
NAMES = ("table5", "table6", "table7", "table8")


class ExperimentSettings(Section):
    """What the rows of Tables 5 to 8 are made with; the same for all rows."""

    networks: tuple[str, ...] = Field(("light-unet", "fc-densenet31"), description="segmenters, a row each")
    seeds: int = Field(2, gt=0, description="trainings of each row and network")
    first_seed: int = Field(0, ge=0)
    limit: int | None = Field(None, gt=7, description="use so many train cutouts (and val ones) at most")
    empty_share: float = Field(1.0, ge=0, le=1, description="part of the train cutouts without objects that is used")
    extended_left: float = Field(0.295, gt=0, lt=1, description="part of the extended objects that stays in SC_R")
    pairs: int = Field(1000, gt=0, description="synthetic pairs of each kind in Table 6")
    masks: str = Field("collection", pattern="^(collection|model)$", description="masks of Table 6's pairs")
    per_image: tuple[int, int] | None = Field(None, description="objects of a mask of Table 6; none: as in real ones")
    labels: str = Field("found", pattern="^(found|asked)$")
    gate: bool = True
    sampling_steps: int | None = Field(None, gt=0, description="of the generator; none: that of its weights")
    batch_size: int = Field(8, gt=0, description="images generated at a time")
    generator_preset: str | None = Field(
        None, description="train the denoiser of SC_A on SC_R with this preset; none: the weights given, which saw all"
    )
    segmenter: SegmenterSettings = SegmenterSettings()
    loop: LoopSettings = LoopSettings()


def load_settings(name: str, overrides: list[str] | None = None) -> ExperimentSettings:
    """Settings by preset name or YAML file, with ``key=value`` or ``section.key=value`` overrides.

    Raises
    ------
    InputError
        Where the file or a key is not known, or a value is of the wrong kind.
    """
    return read_settings(ExperimentSettings, "radiff.paper.experiments", name, overrides)


@dataclass(frozen=True)
class PipelineTask:
    """One thing to do; its result is kept.

    Attributes
    ----------
    name : str
        Also of its file, e.g. ``train sc_r light-unet 0``.
    kind : str
        ``pack``, ``generator``, ``set`` or ``train``.
    needs : tuple of str
        Names of tasks that come before.
    what : tuple of str
        Of a set its name; of a training the mix, the network and the seed.
    """

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    what: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """File stem of the result."""
        return self.name.replace(" ", "-").replace("+", "_and_").replace(":", "_")


def make_plan(tables: Sequence[str], settings: ExperimentSettings) -> list[PipelineTask]:
    """All tasks of these tables, each after those that it needs."""
    mixes = list(dict.fromkeys(mix for table in tables for mix in TABLES.get(table, {}).values()))
    sets = [part.partition(":")[0] for mix in mixes for part in MIXES[mix]]
    sets += [name for table in tables for name in COUNTED.get(table, ())]
    wanted = [name for name in (RENDERED, *ADDED) if name in sets]
    tasks = [PipelineTask("pack", "pack")]
    if RENDERED in wanted and settings.generator_preset:
        tasks.append(PipelineTask(GENERATOR, "generator", ("pack",)))
    for name in wanted:
        own = (GENERATOR,) if name == RENDERED and settings.generator_preset else ()
        tasks.append(PipelineTask(f"set {name}", "set", ("pack", *own), (name,)))
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    for seed in seeds:  # all rows of a seed before the next: a table stands early
        for network in settings.networks:
            for mix in mixes:
                parts = [part.partition(":")[0] for part in MIXES[mix]]
                needs = ("pack", *(f"set {part}" for part in parts if part not in (REAL, REDUCED)))
                tasks.append(PipelineTask(f"train {mix} {network} {seed}", "train", needs, (mix, network, str(seed))))
    return tasks


# ---------------------------------------------------------------- the cutouts that are used


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
