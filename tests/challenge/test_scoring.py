"""Scores of submissions that are made from the truth: what was done to them is what comes out."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from challenge.sdc1_cases import cases
from challenge.simulated import write_package
from radiff import InputError
from radiff.challenge import scoring
from radiff.challenge.answers import read_answer
from radiff.challenge.report.page import match_table, outcome_table, render, text_lines, to_json, write_report
from radiff.challenge.submission import read_submission, submission_table, write_submission
from radiff.masks import Annotation, SourceObject, write_annotation
from radiff.sky.columns import SUBMISSION
from radiff.sky.sdc1 import sdc1_columns, write_sdc1
from radiff.sky.truth import read_truth, write_truth

ARCSEC = 1 / 3600


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_package(tmp_path_factory.mktemp("package") / "sky", (400, 500), 60, seed=2, spurious=0.2)


def perfect(package, spurious=False):
    """A submission that is the truth."""
    truth = read_truth(package)
    if not spurious:
        truth = truth[truth["class"] != "spurious"]
    return submission_table(
        {n: np.asarray(getattr(truth[n], "value", truth[n])) for n in SUBMISSION if n in truth.colnames}
    )


def figures(package, table, **options):
    return scoring.score(read_answer(package), [("s", table)], **options).entries[0].figures


def test_the_truth_itself(package):
    got = figures(package, perfect(package))
    count = len(perfect(package))
    assert got["completeness"]["value"] == got["reliability"]["value"] == got["f1"] == 1.0
    assert got["sdc1"]["value"] == pytest.approx(count) and got["sdc1"]["accuracy"] == pytest.approx(100.0)
    assert got["class_right"]["value"] == 1.0
    for name, value in (("int_flux", 1.0), ("maj", 1.0), ("peak_flux", 1.0), ("d_ra", 0.0), ("pa", 0.0)):
        assert got["errors"][name]["all"]["median"] == pytest.approx(value, abs=1e-9), name
        assert got["errors"][name]["all"]["scatter"] == pytest.approx(0.0, abs=1e-9), name
    assert {got["by_class"][kind][what]["value"] for kind in ("compact", "extended") for what in
            ("completeness", "reliability")} == {1.0}  # fmt: skip


def test_artefacts_are_false_and_may_be_called_spurious(package):
    table = perfect(package, spurious=True)
    bad = int((table["class"] == "spurious").sum())
    got = figures(package, table)
    assert got["detections"]["aside"] == bad and got["reliability"]["value"] == 1.0
    table["class"] = "compact"
    got = figures(package, table)
    assert got["detections"]["spurious"] == bad
    assert got["reliability"]["n"] == got["reliability"]["of"] - bad
    assert got["sdc1"]["n_false"] == bad


def test_errors_that_were_put_in(package):
    table = perfect(package)
    table["int_flux"] *= 1.2
    table["maj"] *= 0.9
    table["ra"] += 0.5 * ARCSEC / np.cos(np.radians(table["dec"]))
    table["dec"] -= 0.25 * ARCSEC
    table["pa"] = (table["pa"] + 170.0) % 180.0
    got = figures(package, table)["errors"]
    for name, value in (("int_flux", 1.2), ("maj", 0.9), ("d_ra", 0.5), ("d_dec", -0.25), ("pa", -10.0)):
        assert got[name]["bright"]["median"] == pytest.approx(value, rel=1e-6), name
    assert got["separation"]["all"]["median"] == pytest.approx(np.hypot(0.5, 0.25), rel=1e-6)


def test_what_is_missing_and_false(package):
    table = perfect(package)
    bright = table["snr"] > 20
    some, double = table[bright], table[bright][:5].copy()
    double["ra"] += 1.0 * ARCSEC
    false = table[:7].copy()
    false["dec"] += 40 * ARCSEC
    whole = Table(np.concatenate([some.as_array(), double.as_array(), false.as_array()]))
    whole["id"] = np.arange(1, len(whole) + 1)
    got = figures(package, whole)
    assert got["detections"]["matched"] == int(bright.sum())
    assert (got["detections"]["duplicate"], got["detections"]["false"]) == (5, 7)
    assert got["truth"] == {"found": int(bright.sum()), "blended": 0, "missed": int((~bright).sum())}
    curve = got["curves"]["completeness"]["snr"]["all"]
    edges = scoring.score(read_answer(package), [("s", whole)]).edges["snr"]
    for low, high, n, of in zip(edges[:-1], edges[1:], curve["n"], curve["of"], strict=True):
        assert n == (0 if high < 20 else of if low >= 20 else n)
    assert sum(curve["of"]) == len(table) and sum(curve["n"]) == int(bright.sum())


def test_training_area_and_real_sources(package, tmp_path):
    for name in ("map.fits", "truth.fits"):
        (tmp_path / name).write_bytes((package / name).read_bytes())
    (tmp_path / "challenge.json").write_text(json.dumps({"name": "x", "training": [0, 200, 0, 250]}))
    table = perfect(package)
    inside = (table["y"] < 199.5) & (table["x"] < 249.5)
    free = np.array([30.0, 370.0])  # of the truth's sources, and so a false detection
    answer = read_answer(tmp_path)
    extra = table[:1].copy()
    extra["ra"], extra["dec"] = (v[0] for v in answer.grid.to_sky(free[:1], free[1:]))
    whole = Table(np.concatenate([table.as_array(), extra.as_array()]))
    got = figures(tmp_path, whole)
    assert got["detections"]["training"] == int(inside.sum()) and got["completeness"]["of"] == int((~inside).sum())
    assert got["detections"]["false"] == 1
    assert answer.area != answer.area or answer.area > 0
    real = SourceObject("R1", 2, np.ones((5, 5), bool), 368, 28)
    meta = {"bkg": 0.0, "rms": 1e-4}
    write_annotation(tmp_path / "real_sources.json", Annotation([real], (400, 500), meta), "map.fits", stamps=True)
    got = figures(tmp_path, whole)
    assert (got["detections"]["false"], got["detections"]["real"], got["reliability"]["value"]) == (0, 1, 1.0)


def test_off_the_map(package):
    table = perfect(package)
    table["dec"][0] += 5.0
    got = figures(package, table)
    assert got["detections"]["outside"] == 1 and got["completeness"]["n"] == len(table) - 1


def test_a_radius(package):
    table = perfect(package)
    table["dec"] += 2.0 * ARCSEC
    assert figures(package, table)["completeness"]["value"] == 1.0
    assert figures(package, table, radius=1.5)["completeness"]["value"] == 0.0
    with pytest.raises(InputError, match="a radius of 0 arcsec; it must be above 0"):
        figures(package, table, radius=0.0)


def test_units_that_slipped(package):
    answer, table = read_answer(package), perfect(package)
    assert scoring.misplaced(answer, table) is None
    table["int_flux"] *= 1e3
    assert "its fluxes are 1e+03 times the true ones; they seem to be in mJy: give Jy" in scoring.misplaced(
        answer, table
    )
    table["int_flux"] *= 1e3
    assert "in uJy" in scoring.misplaced(answer, table)
    table["ra"] /= 15.0
    message = scoring.misplaced(answer, table)
    assert "rows lies on the map, which is about ra 150.1000, dec 32.2000 deg; the first is at 10.0" in message
    assert message.endswith("give ra and dec in deg, ICRS")


def test_the_sdc1_format_is_judged_as_it_is(package, tmp_path):
    truth = read_truth(package)
    truth = truth[truth["class"] != "spurious"]
    table = {name: np.asarray(getattr(truth[name], "value", truth[name])) for name in truth.colnames}
    path = write_sdc1(tmp_path / "s.txt", sdc1_columns(table, (6.0, 4.8)))
    got = figures(package, read_submission(path))
    assert got["sdc1"]["accuracy"] == pytest.approx(100.0) and got["class_right"]["value"] == 1.0
    assert got["by_class"]["compact"]["reliability"]["of"] == int((truth["class"] == "compact").sum())


def test_a_truth_in_sdc1s_columns(tmp_path):
    """The score is that of the same tables given to `sdc1_score`."""
    case = cases()["rough"]
    paths = [write_sdc1(tmp_path / f"{n}.txt", t) for n, t in (("t", case.truth), ("f", case.found))]
    with pytest.raises(InputError, match=r"which tells no beam; give --sdc1-frequency 560, 1400 or 9200"):
        read_answer(paths[0])
    answer = read_answer(paths[0], 1400)
    scores = scoring.score(answer, [("f", read_submission(paths[1]))], frequency=1400)
    assert scores.entries[0].sdc1.value == pytest.approx(case.score().value, abs=1e-9)
    assert list(scores.settings["classes"]) == ["1", "2", "3"]
    assert "submission against t" in render(scores)


@pytest.mark.filterwarnings("ignore::radiff.HeaderWarning")
def test_bad_truths(package, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: is a folder without truth\.fits or truth\.ecsv; give a challenge"):
        read_answer(tmp_path / "empty")
    with pytest.raises(InputError, match="no such file"):
        read_answer(tmp_path / "none.fits")
    (tmp_path / "t.csv").write_text("ra,dec,flux\n1,2,3\n")
    with pytest.raises(InputError, match=r"is neither a truth table nor a catalog of SDC1; it has ra, dec, flux"):
        read_answer(tmp_path / "t.csv", 560)
    with fits.open(package / "truth.fits") as hdus:
        del hdus[1].header["BMAJ"]
        hdus.writeto(tmp_path / "truth.fits")
    with pytest.raises(InputError, match=r"truth\.fits: has no BMAJ and BMIN \(deg\) in its header"):
        read_answer(tmp_path / "truth.fits")
    (tmp_path / "map.fits").write_bytes((package / "map.fits").read_bytes())
    assert read_answer(tmp_path / "truth.fits").beam == pytest.approx((6.0, 4.8))  # the map's
    only = read_truth(package)
    only["class"] = "spurious"
    write_truth(tmp_path / "s.fits", only)
    with pytest.raises(InputError, match="holds no sources; there is nothing to be found"):
        read_answer(tmp_path / "s.fits")
    (tmp_path / "challenge.json").write_text(json.dumps({"training": [0, 400, 0, 500]}))
    with pytest.raises(InputError, match="no source of the truth lies outside of the training area"):
        scoring.score(read_answer(tmp_path / "truth.fits"), [])


def test_the_report(package, tmp_path):
    table = perfect(package)
    poor = table[::2].copy()
    poor["int_flux"] *= 1.5
    bare = read_submission(write_submission(tmp_path / "bare.csv", table))
    for name in ("snr", "peak_flux", "local_rms", "maj", "min", "pa", "maj_deconvolved", "min_deconvolved"):
        bare[name] = np.nan
    scores = scoring.score(read_answer(package), [("good", table), ("poor", poor), ("bare", bare)])
    page = write_report(tmp_path / "out", scores)
    text = page.read_text()
    assert "http" not in text.replace("http://www.w3.org", "")  # opens from disk, without a network
    assert text.count("data:image/svg+xml;base64,") == 14 and text.count("data:image/png;base64,") == 1
    for part in ("3 submissions against sky", "good", "poor", "Completeness against signal-to-noise"):
        assert part in text
    told = json.loads((tmp_path / "out" / "score.json").read_text())
    assert told == to_json(scores) and told["submissions"][1]["name"] == "poor"
    assert sorted(p.name for p in (tmp_path / "out" / "sdc1").iterdir()) == [
        "bare.txt",
        "good.txt",
        "poor.txt",
        "truth.txt",
    ]
    matches = Table.read(tmp_path / "out" / "matches" / "poor.fits")
    assert (matches["status"] == "matched").all() and matches["separation"].unit == u.arcsec
    assert np.asarray(matches["flux_ratio"]) == pytest.approx(1.5)
    truth = Table.read(tmp_path / "out" / "truth.fits")
    assert set(truth["poor"]) == {"found", "missed", "artefact"} and set(truth["good"]) == {"found", "artefact"}
    found = truth["poor"] == "found"
    assert (truth["poor_id"][found] > 0).all() and (truth["poor_id"][~found] == -1).all()
    lines = list(text_lines(scores))
    assert lines[0].startswith(f"{len(table)} sources to be found (")
    assert len(lines) == 5


def test_tables_keep_every_row(package):
    table = perfect(package, spurious=True)
    scores = scoring.score(read_answer(package), [("s", table)])
    assert len(match_table(scores, scores.entries[0])) == len(table)
    assert len(outcome_table(scores)) == len(read_truth(package))


def test_a_submission_that_finds_nothing(package, tmp_path):
    table = perfect(package)[:2]
    for name in ("dec", "dec_peak"):
        table[name] += 30 * ARCSEC
    scores = scoring.score(read_answer(package), [("s", table)])
    got = scores.entries[0].figures
    assert got["completeness"]["value"] == 0.0 and got["sdc1"]["value"] == 0.0
    write_report(tmp_path, scores)
