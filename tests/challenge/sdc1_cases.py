"""Pairs of made-up catalogs in SDC1's columns, each from a seed: what the score is compared with ska-sdc on."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiff.challenge.sdc1 import COLUMNS, PARTS, sdc1_score
from radiff.sky.sdc1 import write_sdc1

RECORDED = Path(__file__).with_name("sdc1_scores.json")
"""What ska-sdc 2.0.0 says of `cases`; benchmarks/sdc1.py --record writes it."""


@dataclass(frozen=True)
class Case:
    """A truth, a submission, and how they are scored; tables map `COLUMNS` to arrays."""

    truth: dict
    found: dict
    frequency: int = 1400
    centroids: bool = False
    training: bool = False

    def score(self):
        """Our score."""
        return sdc1_score(self.truth, self.found, self.frequency, None, self.centroids, self.training)


def truth(seed, count=400, side=0.8, faint=1e-7):
    """A field about SDC1's centre, right ascension 0: half of it lies at 359 and more degrees."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(-side / 2, side / 2, count) % 360.0, rng.uniform(-30.0 - side / 2, -30.0 + side / 2, count)
    kind = rng.choice([1, 2, 3], count, p=[0.2, 0.5, 0.3])
    major = np.exp(rng.uniform(np.log(0.05), np.log(4.0), count))
    core = np.where(rng.random(count) < 0.3, rng.uniform(0.0, 1.0, count), 0.0)
    shift = np.where(kind == 1, rng.normal(0, 0.3, count), 0.0) / 3600.0
    values = {
        "id": np.arange(1, count + 1), "ra_core": ra, "dec_core": dec, "ra_cent": (ra + shift) % 360.0,
        "dec_cent": dec + shift, "flux": faint * rng.pareto(1.1, count) + faint, "core_frac": core, "b_maj": major,
        "b_min": major * rng.uniform(0.3, 1.0, count), "pa": rng.uniform(0, 360, count), "size": kind,
        "class": rng.choice([1, 2, 3], count),
    }  # fmt: skip
    return {name: np.asarray(values[name], float) for name in COLUMNS}


def taken(table, rows):
    """Some rows of a table."""
    return {name: value[rows].copy() for name, value in table.items()}


def joined(*tables):
    """Tables one after the other, numbered anew."""
    whole = {name: np.concatenate([one[name] for one in tables]) for name in COLUMNS}
    return whole | {"id": np.arange(1, len(whole["id"]) + 1, dtype=float)}


def disturbed(table, seed, position=0.1, flux=0.1, size=0.2, pa=8.0, core=0.03, kinds=0.0, classes=0.0):
    """What a finder might tell of `table`: arcsec, shares, deg, and shares of rows with another size and class."""
    rng = np.random.default_rng(seed)
    count = len(table["id"])
    found = {name: value.copy() for name, value in table.items()}
    for place in ("core", "cent"):
        found[f"ra_{place}"] = (found[f"ra_{place}"] + rng.normal(0, position, count) / 3600.0) % 360.0
        found[f"dec_{place}"] += rng.normal(0, position, count) / 3600.0
    found["flux"] *= np.exp(rng.normal(0, flux, count))
    for axis in ("b_maj", "b_min"):
        found[axis] *= np.exp(rng.normal(0, size, count))
    found["pa"] = found["pa"] + rng.normal(0, pa, count)
    found["core_frac"] = np.abs(found["core_frac"] + rng.normal(0, core, count))
    for name, share in (("size", kinds), ("class", classes)):
        other = rng.random(count) < share
        found[name][other] = rng.choice([1, 2, 3], int(other.sum()))
    return found


def cases():
    """Name to `Case`."""
    wide = truth(1, 600, 2.0)
    some = np.random.default_rng(2).permutation(400)[:250]
    field_ = truth(3)
    noisy = disturbed(field_, 4)
    rough = disturbed(field_, 5, 0.6, 0.5, 0.8, 60.0, 0.2, 0.3, 0.4)
    false = truth(6, 90)
    crowd = truth(7, 900, 0.01)
    odd = disturbed(field_, 8)
    odd["flux"][:20] *= -1.0
    odd["b_maj"][30:40] = 0.0
    odd["b_min"][35:45] = -1.0
    odd["core_frac"][50:60] = -0.1
    zero = disturbed(field_, 9)
    zero["b_min"][:25], zero["b_maj"][20:30], zero["flux"][40:50] = 0.0, 0.0, 0.0
    kinds = disturbed(field_, 10)
    kinds["size"][:50] = 2.0 + np.arange(50) % 4
    twice = taken(noisy, np.r_[0:400, 0:200])  # the same numbers come twice
    nan = disturbed(field_, 11)
    nan["flux"][:10], nan["pa"][20:30] = np.nan, np.nan
    angles = disturbed(field_, 12, pa=90.0)
    angles["pa"] = angles["pa"] - 180.0
    return {
        "perfect": Case(wide, wide),
        "perfect_560": Case(wide, wide, 560),
        "perfect_9200": Case(wide, wide, 9200),
        "noisy": Case(field_, noisy),
        "noisy_560": Case(field_, noisy, 560),
        "noisy_9200": Case(field_, noisy, 9200),
        "noisy_centroids": Case(field_, noisy, centroids=True),
        "noisy_training": Case(wide, disturbed(wide, 13), 560, training=True),
        "rough": Case(field_, rough),
        "incomplete": Case(field_, taken(noisy, some)),
        "false": Case(field_, joined(noisy, false)),
        "mostly_false": Case(field_, joined(taken(rough, some[:40]), false)),
        "duplicates": Case(field_, joined(noisy, disturbed(field_, 14), taken(rough, some))),
        "same_numbers": Case(field_, twice),
        "crowded": Case(crowd, disturbed(crowd, 15, 0.3)),
        "crowded_blends": Case(crowd, taken(disturbed(crowd, 16, 0.3, 0.4), np.arange(0, 900, 3)), 560),
        "negative": Case(field_, odd),
        "zeros": Case(field_, zero),
        "unknown_sizes": Case(field_, kinds),
        "angles": Case(field_, angles),
        "nan": Case(field_, nan),
        "none": Case(field_, false),
    }


def ska_sdc_scores(python, pairs):
    """The scores of cases by the ska-sdc of another interpreter: name to its figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for name, case in pairs.items():
            told = {"frequency": case.frequency, "centroids": case.centroids, "training": case.training}
            (folder / f"{name}.json").write_text(json.dumps(told))
            write_sdc1(folder / f"{name}.truth.txt", case.truth)
            write_sdc1(folder / f"{name}.found.txt", case.found)
        script = Path(__file__).with_name("run_ska_sdc.py")
        done = subprocess.run([python, str(script), str(folder)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout[done.stdout.index("{") :])


def figures(score):
    """Our score as `ska_sdc_scores` tells it."""
    return {
        "value": score.value, "n_det": score.n_det, "n_match": score.n_match, "n_false": score.n_false,
        "n_bad": score.n_bad, "score_det": score.quality, "acc_pc": score.accuracy,
    } | {name: score.parts.get(name, 0.0) * score.n_match for name in PARTS}  # fmt: skip
