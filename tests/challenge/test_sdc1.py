"""The SDC1 score: what ska-sdc 2.0.0 says of the same tables, and marks that can be worked out by hand."""

import json
import os

import numpy as np
import pytest

from challenge.sdc1_cases import RECORDED, Case, cases, disturbed, figures, ska_sdc_scores, taken, truth
from radiff import InputError
from radiff.challenge.sdc1 import COLUMNS, PARTS, sdc1_beam, sdc1_score

PAIRS = cases()


@pytest.mark.parametrize("name", PAIRS)
def test_recorded_scores_of_ska_sdc(name):
    recorded = json.loads(RECORDED.read_text())[name]
    ours = figures(PAIRS[name].score())
    assert set(ours) == set(recorded)
    for key, value in ours.items():
        assert value == pytest.approx(recorded[key], abs=1e-6), key


def test_ska_sdc_itself():
    python = os.environ.get("RADIFF_SKA_SDC")
    if not python:
        pytest.skip("set RADIFF_SKA_SDC to an interpreter that has ska-sdc 2.0.0")
    base = truth(101)
    pairs = PAIRS | {f"new_{n}": Case(base, disturbed(base, n, 0.05 * n, kinds=0.2), 560) for n in range(1, 6)}
    for name, theirs in ska_sdc_scores(python, pairs).items():
        for key, value in figures(pairs[name].score()).items():
            assert value == pytest.approx(theirs[key], abs=1e-6), (name, key)


def one(**changes):
    """One source as a table."""
    values = dict(zip(COLUMNS, (1, 10.0, -20.0, 10.0, -20.0, 1e-3, 0.5, 2.0, 1.0, 30.0, 2, 1), strict=True)) | changes
    return {name: np.array([value], float) for name, value in values.items()}


@pytest.mark.parametrize(
    ("changes", "part", "mark"),
    [
        ({}, "flux", 1.0),
        ({"flux": 1.1e-3}, "flux", 1.0),  # within the tolerance
        ({"flux": 1.2e-3}, "flux", 0.5),  # twice the tolerance
        ({"b_maj": 3.2}, "b_maj", 0.5),  # 60 %
        ({"b_min": 0.4}, "b_min", 0.5),
        ({"pa": 10.0}, "pa", 0.5),  # 20 deg
        ({"pa": 50.0}, "pa", 0.4),  # 20 deg too, but ska-sdc folds angles at 45 deg: 25
        ({"core_frac": 0.575}, "core_frac", 0.5),  # a tenth of 0.75
        ({"class": 2}, "class", 0.0),
    ],
)
def test_marks(changes, part, mark):
    score = sdc1_score(one(), one(**changes), None, beam=1.0)
    assert score.n_match == 1
    assert score.parts[part] == pytest.approx(mark)
    assert score.value == pytest.approx(1.0 - (1.0 - mark) / 7)
    assert all(score.parts[other] == pytest.approx(1.0) for other in PARTS if other != part)


def test_a_false_detection_costs_one():
    pair = {name: np.concatenate([values, values]) for name, values in one().items()}
    pair["id"][1], pair["dec_core"][1], pair["dec_cent"][1] = 2.0, -21.0, -21.0
    score = sdc1_score(one(), pair, None, beam=1.0)
    assert (score.n_det, score.n_match, score.n_false, score.value) == (2, 1, 1, 0.0)


def test_matches_are_rows_of_the_tables():
    table = truth(5, 50)
    order = np.random.default_rng(0).permutation(50)
    found = taken(table, order)
    score = sdc1_score(table, found, 9200)
    assert len(score.matches) == score.n_match > 40
    assert np.array_equal(score.matches[:, 0], order[score.matches[:, 1]])
    assert "matches" not in score.to_json()


def test_beams_and_words():
    assert sdc1_beam(560) == pytest.approx(0.625)
    with pytest.raises(InputError, match="SDC1 has no image at 1000 MHz; there are 560, 1400, 9200"):
        sdc1_score(one(), one(), 1000)
    with pytest.raises(InputError, match="needs the FWHM of a beam, or a frequency of the challenge"):
        sdc1_score(one(), one(), None)
    lacking = {name: values for name, values in one().items() if name != "pa"}
    with pytest.raises(InputError, match="the submission has no column pa; SDC1 needs id, ra_core"):
        sdc1_score(one(), lacking, 560)
    none = {name: values[:0] for name, values in one().items()}
    assert sdc1_score(one(), none, None, beam=1.0).value == 0.0
    assert sdc1_score(none, one(), None, beam=1.0).n_false == 1
