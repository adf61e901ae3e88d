"""A pairing of made and real images to the table of all figures, one figure after the other, kept as it goes."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from radiff.errors import InputError
from radiff.evaluate.joint import angles, classifier, networks, noise, sources
from radiff.evaluate.joint.fields import field_stack, powers_of
from radiff.evaluate.joint.lines import Line
from radiff.evaluate.joint.stacks import Stack
from radiff.evaluate.networks import Networks
from radiff.files import write_text
from radiff.sky.spectrum import NoiseSpectrum

VERSION = 1
"""Of what is kept: other numbers are computed again."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What all made sets are compared with, and what is computed of it only once.

    Attributes
    ----------
    real : Stack
    others : callable
        Gives as many real images of other fields (`Stack`) at random, as `radiff evaluate` draws them, or None where
        there are none.
    alike : callable
        The same, of every sample as many as there are in `real`: a classifier is not to know them by their survey.
    load_networks : callable
        Gives the networks.
    epochs : int
        Of the classifier.
    folder : Path, optional
        Where baselines that take minutes are kept.
    origin : str
        Where the real images and the others are from: baselines of another origin are not taken.
    kept : dict
        Results by name: features, confusions, baselines.
    """

    real: Stack
    others: Callable[[], Stack | None]
    alike: Callable[[], Stack | None]
    load_networks: Callable[[], Networks]
    epochs: int = classifier.EPOCHS
    folder: Path | None = None
    origin: str = ""
    kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def networks(self) -> Networks:
        """Loaded when first used."""
        return self.load_networks()

    @cached_property
    def other(self) -> Stack | None:
        """Real images of other fields, read when first used."""
        return self.others()

    def once(self, name: str, figure: Callable[[], Any]) -> Any:
        """`figure()`, computed the first time only."""
        if name not in self.kept:
            self.kept[name] = figure()
        return self.kept[name]


@dataclass(frozen=True, eq=False)
class Case:
    """One set of made images beside the real ones of their masks.

    Attributes
    ----------
    reference : Reference
    real, made : Stack
        Of one length; `real` may hold fewer images than the reference, or some twice.
    spectra : list of NoiseSpectrum, optional
        Asked of each image.
    fields : bool
        The made images are pure noise: figures of sources make no sense.
    """

    reference: Reference
    real: Stack
    made: Stack
    spectra: Sequence[NoiseSpectrum] | None = None
    fields: bool = False


def _mask(case: Case) -> list[Line]:
    ours = case.reference
    own = ours.once(f"confusions {case.real.names}", lambda: networks.confusions(case.real, ours.networks))
    found = own if case.made is case.real else networks.confusions(case.made, ours.networks)
    return networks.mask_lines(own, found)


def _angles(case: Case) -> list[Line]:
    if case.spectra is None:
        return angles.angle_lines(case.real, case.made)
    powers = powers_of(case.spectra, case.real.snr.shape[1])
    drawn = case.made if case.fields else field_stack(case.real, case.spectra, seed=10_000)
    return angles.angle_lines(case.real, case.made, powers, drawn)


def _features(case: Case) -> list[Line]:
    ours = case.reference
    own = ours.once(f"features {case.real.names}", lambda: ours.networks.describe(networks.scaled(case.real)))
    found = own if case.made is case.real else ours.networks.describe(networks.scaled(case.made))
    if own is None or found is None:
        raise InputError("distances need a feature network; give one, or leave this figure out")
    other = ours.once("other features", lambda: ours.other and ours.networks.describe(networks.scaled(ours.other)))
    return networks.feature_lines(own, found, other)


def _classifier(case: Case) -> list[Line]:
    ours = case.reference
    baselines = ours.once("baselines", lambda: _baselines(ours))
    return classifier.classifier_lines(case.real, case.made, baselines, ours.epochs, not case.fields)


def _baselines(ours: Reference) -> dict[str, float] | None:
    """The classifier's baselines: minutes of work, so they are kept in the reference's folder."""
    text = json.dumps([VERSION, ours.origin, ours.real.names, ours.epochs])
    path = ours.folder and ours.folder / f"baselines-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if path and path.is_file():
        return {name: float(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
    other = ours.alike()
    if other is None:
        return None
    found = classifier.baseline_aucs(ours.real, other, ours.epochs)
    if path:
        write_text(path, json.dumps(found) + "\n")
    return found


FIGURES: dict[str, Callable[[Case], list[Line]]] = {
    "rms": lambda case: noise.rms_lines(case.real, case.made),
    "bands": lambda case: noise.band_lines(case.real, case.made),
    "angles": _angles,
    "moments": lambda case: noise.moment_lines(case.real, case.made),
    "islands": lambda case: noise.island_lines(case.real, case.made),
    "peaks": lambda case: sources.peak_lines(case.real, case.made),
    "edges": lambda case: sources.edge_lines(case.real, case.made),
    "holes": lambda case: sources.hole_lines(case.real, case.made),
    "widths": lambda case: sources.width_lines(case.real, case.made),
    "mask": _mask,
    "features": _features,
    "classifier": _classifier,
}
"""Every figure by its name, in the order of the table."""
OF_SOURCES = ("peaks", "edges", "holes", "widths", "mask", "features")
"""Figures that say nothing of fields without sources."""


def chosen_figures(only: str | None) -> list[str]:
    """The figures named in ``a,b,c``; all without.

    Raises
    ------
    InputError
        Where a name is none.
    """
    names = [name.strip() for name in only.split(",")] if only else list(FIGURES)
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise InputError(f"--only {unknown[0]}: there is no such figure; there are {', '.join(FIGURES)}")
    return [name for name in FIGURES if name in names]


def figures_of(case: Case, names: Sequence[str], kept: "Kept | None" = None) -> Iterator[tuple[str, list[Line], float]]:
    """(name, lines, seconds) of each figure; what is kept is not computed again (its seconds are those of then)."""
    sources.check_pairs(case.real, case.made)
    for name in names:
        if case.fields and name in OF_SOURCES:
            continue
        found = kept.get(name) if kept else None
        if found is None:
            start = time.perf_counter()
            lines = FIGURES[name](case)
            found = lines, time.perf_counter() - start
            if kept:
                kept.put(name, *found)
        yield name, *found


class Kept:
    """Lines of a made set that are kept in a file, so that an interrupted run goes on where it was.

    Parameters
    ----------
    path : path-like
        A JSON file; made when the first figure is there.
    key : str
        Of what the lines are; what is kept of something else is left aside.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.parts: dict[str, Any] = {}
        if path.is_file():
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                self.parts = told["figures"] if told.get("key") == key else {}
            except (ValueError, KeyError, AttributeError):  # half a file, or another's: made anew
                self.parts = {}

    def get(self, name: str) -> tuple[list[Line], float] | None:
        """Lines and seconds of a figure, or None."""
        part = self.parts.get(name)
        return part and ([Line.from_json(one) for one in part["lines"]], float(part["seconds"]))

    def put(self, name: str, lines: Sequence[Line], seconds: float) -> None:
        """Keep the lines of a figure."""
        self.parts[name] = {"lines": [line.to_json() for line in lines], "seconds": round(seconds, 3)}
        write_text(self.path, json.dumps({"key": self.key, "figures": self.parts}, indent=1) + "\n")


def key_of(case: Case, settings: dict[str, Any]) -> str:
    """Changes with the pixels of both sets and with the settings."""
    digest = hashlib.sha256(json.dumps([VERSION, settings], sort_keys=True).encode())
    for stack in (case.real, case.made):
        digest.update(stack.snr.tobytes())
        digest.update(np.stack([stack.scale, stack.shift, stack.sampled]).tobytes())
    for one in case.spectra or ():
        digest.update(one.power.tobytes())
    return digest.hexdigest()[:16]
