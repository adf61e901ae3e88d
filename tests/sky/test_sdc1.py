"""Our sources in SDC1's columns: what stands for what is not known, and files that read back to the last bit."""

import numpy as np

from radiff.sky import read_catalog
from radiff.sky.catalog import SDC1_COLUMNS
from radiff.sky.sdc1 import sdc1_columns, write_sdc1

BEAM = (8.0, 2.0)  # a round beam of 4 arcsec of the same area: the smallest size is 2


def test_known_columns_are_taken():
    table = {
        "ra": [10.0], "dec": [-3.0], "int_flux": [0.1], "ra_peak": [10.1], "dec_peak": [-3.1], "maj_deconvolved": [9.0],
        "min_deconvolved": [4.0], "pa": [77.0], "core_fraction": [0.4], "class": ["extended"],
    }  # fmt: skip
    found = sdc1_columns(table, BEAM)
    assert tuple(found) == SDC1_COLUMNS
    assert [float(found[name][0]) for name in SDC1_COLUMNS] == [
        1.0, 10.1, -3.1, 10.0, -3.0, 0.1, 0.4, 9.0, 4.0, 77.0, 2.0, 1.0
    ]  # fmt: skip


def test_the_angle_goes_with_the_sizes():
    """SDC1's sizes are without the beam, and so is its angle where it is known."""
    table = {
        "ra": [1.0, 2.0], "dec": [1.0, 2.0], "int_flux": [1.0, 1.0], "maj_deconvolved": [9.0, 9.0],
        "min_deconvolved": [4.0, 4.0], "pa": [77.0, 77.0], "pa_deconvolved": [60.0, np.nan],
    }  # fmt: skip
    assert sdc1_columns(table, BEAM)["pa"].tolist() == [60.0, 77.0]


def test_what_is_not_known():
    table = {
        "ra": [10.0, 11.0, 12.0], "dec": [0.0, 1.0, 2.0], "int_flux": [1.0, 2.0, 4.0], "maj": [10.0, np.nan, np.nan],
        "min": [2.5, np.nan, np.nan], "class": ["", "compact", "compact"], "peak_flux": [np.nan, np.nan, 1.0],
    }  # fmt: skip
    found = sdc1_columns(table, BEAM)
    assert found["b_maj"].tolist() == [6.0, 2.0, 2.0]  # 10 and 8 arcsec in quadrature; then the smallest
    assert found["b_min"].tolist() == [2.0, 2.0, 2.0]
    assert found["core_frac"].tolist() == [0.0, 1.0, 0.25]
    assert found["class"].tolist() == [0.0, 2.0, 2.0]
    assert found["ra_core"].tolist() == [10.0, 11.0, 12.0]


def test_a_small_source_has_no_angle():
    table = {
        "ra": [1.0],
        "dec": [1.0],
        "int_flux": [1.0],
        "maj_deconvolved": [1.9],
        "min_deconvolved": [0.0],
        "pa": [50],
    }
    found = sdc1_columns(table, BEAM)
    assert (found["b_maj"][0], found["b_min"][0], found["pa"][0]) == (2.0, 2.0, 0.0)


def test_text_reads_back_exactly(tmp_path):
    rng = np.random.default_rng(0)
    table = {"ra": rng.uniform(0, 360, 50), "dec": rng.uniform(-90, 90, 50), "int_flux": rng.uniform(size=50) * 1e-7}
    found = sdc1_columns(table, BEAM)
    read = read_catalog(write_sdc1(tmp_path / "sdc1.txt", found))
    for ours, name in (("ra_cent", "ra"), ("dec_cent", "dec"), ("flux", "int_flux"), ("b_maj", "maj")):
        assert np.array_equal(np.asarray(read[name]), found[ours])
    assert len(read) == 50


def test_no_rows(tmp_path):
    found = sdc1_columns({"ra": [], "dec": [], "int_flux": []}, BEAM)
    assert all(not len(values) for values in found.values())
    assert write_sdc1(tmp_path / "none.txt", found).read_text().split() == list(SDC1_COLUMNS)
