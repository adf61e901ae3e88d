"""``benchmarks/house.py`` counts what stands in the text, and what it counts holds of the package."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import house  # noqa: E402

TEXT = '''"""A module."""

import json

SIDE = 3
"""Why it is three,
in two lines."""


def wide(a, b, c, d, e, f, g, h, i):
    """Nine."""
    return json.loads(a)  # why this is read


class One:
    def narrow(self, a):  # fmt: skip
        return a
'''


def test_counts():
    found = house.count({"sky/one.py": TEXT, "masks/one.py": "def wide(a):\n    return a\n"})
    assert found["modules"] == "2"
    assert found["lines of code"] == str(2 + 2 + 3 + 2)
    assert (found["functions"], found["functions above 8 parameters"]) == ("3", "1")
    assert found["parameters of the widest function"] == "9"
    assert found["file stems used in two rooms or more"] == "1"
    assert found["names of public functions used twice"] == "1"
    assert found["calls that read files"] == "1 in 1 modules"
    assert house.comment_lines(TEXT) == 3


def test_the_package_keeps_its_house():
    found = house.count(house.of_tree(ROOT))
    assert found["modules above 400 lines"] == "0"
    assert int(found["modules"]) > 100
