"""``radiff report compare``: parses and prints; the work is done by `radiff.evaluate.report.page`."""

from pathlib import Path
from typing import Annotated

import typer

from radiff.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the group ``report``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Put reports of 'radiff evaluate' together.")
    group.callback()(_group)
    group.command("compare")(compare)
    app.add_typer(group, name="report")


def _group() -> None:
    """Put reports of 'radiff evaluate' together."""


def compare(
    reports: Annotated[list[Path], typer.Argument(help="report.json files, or the folders that they are in.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the table (Markdown) here.")] = None,
) -> None:
    """Put the figures of several reports side by side, as Markdown.

    Figures of different networks, real images or numbers of images are hard to compare: the head of the table says
    where they differ.

    Example: radiff report compare no-bg/report.json self-masked/report.json -o compared.md
    """
    from radiff.evaluate.report.page import compare_reports, read_reports
    from radiff.files import write_text

    if len(reports) < 2:
        raise InputError("give at least two reports to compare")
    table = compare_reports(read_reports(reports))
    if output is None:
        print(table, end="")
    else:
        write_text(output, table)
        print(output)
