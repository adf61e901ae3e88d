"""Pieces of a page: the same plot gives the same bytes, and numbers have digits that mean something."""

import base64

import pytest

from radiff.pages import number, svg_address


def _line(axes, values):
    axes.plot(values)


def test_a_plot_is_an_svg_inside_of_the_page():
    address = svg_address(_line, [1, 3, 2])
    kind, content = address.split(";base64,")
    assert kind == "data:image/svg+xml"
    text = base64.b64decode(content)
    assert text.startswith(b"<?xml") and b"<svg" in text
    assert address == svg_address(_line, [1, 3, 2])
    assert address != svg_address(_line, [1, 3, 4])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0000"), (0.01234, "0.0123"), (1.2341, "1.234"), (56.71, "56.7"), (1234.4, "1234"), (1e-5, "1.00e-05"),
     (123456.0, "1.23e+05"), (-0.5, "-0.500")],
)  # fmt: skip
def test_digits(value, text):
    assert number(value) == text
