"""What Tables 5 to 8 need, step by step: rows as mixes of sets, trainings, and what each depends on. Makes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from radiff.paper.experiments.settings import ExperimentSettings

REAL, REDUCED, RENDERED, GENERATOR = "real", "reduced", "rendered", "generator"
ADDED = ("compact", "extended", "both")
"""Synthetic sets of Table 6, by the classes of their objects."""


@dataclass(frozen=True)
class TableRow:
    """One row of Table 6 or 8.

    Attributes
    ----------
    name : str
    mix : str
        Of `MIXES`: rows of one mix share their trainings.
    """

    name: str
    mix: str


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
TABLES: dict[str, tuple[TableRow, ...]] = {
    "table6": (
        TableRow("real (SC)", "sc"),
        TableRow("+ compact", "sc+compact"),
        TableRow("+ extended", "sc+extended"),
        TableRow("+ both", "sc+both"),
    ),
    "table8": (
        TableRow("SC_R", "sc_r"),
        TableRow("SC_R + SC_A", "sc_r+sc_a"),
        TableRow("SC", "sc"),
        TableRow("SC_S", "sc_s"),
    ),
}
COUNTED: dict[str, tuple[str, ...]] = {"table5": ADDED, "table7": (RENDERED,)}
"""Tables of object counts, and the sets that they count."""
NAMES = ("table5", "table6", "table7", "table8")


@dataclass(frozen=True)
class Step:
    """One thing to do; its result is kept.

    Attributes
    ----------
    name : str
        Also of its file, e.g. ``train sc_r light-unet 0``.
    kind : str
        ``pack``, ``generator``, ``set`` or ``train``.
    needs : tuple of str
        Names of steps that come before.
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


def make_plan(tables: Sequence[str], settings: ExperimentSettings) -> list[Step]:
    """All steps of these tables, each after those that it needs."""
    mixes = list(dict.fromkeys(row.mix for table in tables for row in TABLES.get(table, ())))
    sets = [part.partition(":")[0] for mix in mixes for part in MIXES[mix]]
    sets += [name for table in tables for name in COUNTED.get(table, ())]
    wanted = [name for name in (RENDERED, *ADDED) if name in sets]
    steps = [Step("pack", "pack")]
    if RENDERED in wanted and settings.generator_preset:
        steps.append(Step(GENERATOR, "generator", ("pack",)))
    for name in wanted:
        own = (GENERATOR,) if name == RENDERED and settings.generator_preset else ()
        steps.append(Step(f"set {name}", "set", ("pack", *own), (name,)))
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    for seed in seeds:  # all rows of a seed before the next: a table stands early
        for network in settings.networks:
            for mix in mixes:
                parts = [part.partition(":")[0] for part in MIXES[mix]]
                needs = ("pack", *(f"set {part}" for part in parts if part not in (REAL, REDUCED)))
                steps.append(Step(f"train {mix} {network} {seed}", "train", needs, (mix, network, str(seed))))
    return steps
