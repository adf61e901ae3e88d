"""Figures and numbers to pieces of an HTML page that opens from disk, or of Markdown. Measures and writes nothing."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PLOT_STYLE: Any = {
    "font.size": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "radiff",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
"""Settings of matplotlib that all plots of a page share; with them the same plot gives the same bytes."""
PLOT_SIZE = (4.4, 3.0)
"""Inches."""


@dataclass(frozen=True)
class Plot:
    """A picture with its text: `address` is a data: URL; `section` the heading that it belongs to."""

    title: str
    caption: str
    address: str
    section: str = ""


def render(room: str, template: str, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """A page (or, if its template is no HTML, a text) of the template of that name in ``<room>/templates``.

    HTML templates may extend ``page.html`` and take pictures from ``plots.html``, both in ``radiff/templates``.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(room), PackageLoader("radiff")]), autoescape=template.endswith(".html"),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= filters
    return environment.get_template(template).render(**values)


def data_address(content: bytes, kind: str) -> str:
    """A picture as a data: URL; `kind` is its MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def svg_address(draw: Callable[[Axes, Any], None], values: Any, size: tuple[float, float] = PLOT_SIZE) -> str:
    """A plot, which `draw` draws of `values` on axes of its own, as SVG in a data: URL; `size` in inches."""
    with rc_context(PLOT_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot(), values)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return data_address(stream.getvalue(), "image/svg+xml")


def markdown_row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def number(value: float) -> str:
    """Three or four digits that mean something: 0.0123, 1.234, 56.7, 1234."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        digits = 4 if abs(value) < 0.1 else 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
        return f"{value:.{digits}f}"
    return f"{value:.2e}"
