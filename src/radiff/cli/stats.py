"""``radiff stats``: parses and prints; the work is done by `radiff.data.stats`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from radiff.data.stats import Table


def register(app: typer.Typer) -> None:
    """Add the verb ``stats``."""
    app.command("stats")(stats)


def stats(
    collection: Annotated[Path, typer.Argument(help="Folder made by 'radiff cut', or any rg-dataset folder.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for tables and figures; default: print only.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this split: train or val.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Cutouts in the figure of samples.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of their choice.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes, where there is no index yet.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the tables, write nothing.")] = False,
) -> None:
    """Print and draw what is in a collection.

    Table 1: cutouts by telescope and survey, with the beam. Table 2: objects of each class. Figure 2: noise rms of
    each telescope. Figure 3: samples with their masks. With -o also as Markdown, CSV, JSON and PNG.

    \b
    Example:
      radiff stats collection -o collection/stats
    """
    from radiff.data.collection import Collection
    from radiff.data.stats import tables, write_stats

    opened = Collection.open(collection, workers)
    opened = opened.split(split) if split else opened
    for table in tables(opened):
        show(table)
    if output is None or dry_run:
        return
    for path in write_stats(opened, output, samples, seed):
        print(path)


def show(table: "Table") -> None:
    """Print a table, numbers to the right."""
    from rich.console import Console
    from rich.table import Table as RichTable

    from radiff.data.stats import text

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(width=160, highlight=False, markup=False)
    grid = RichTable()
    for index, name in enumerate(table.columns):
        numbers = any(isinstance(row[index], int | float) for row in table.rows)
        grid.add_column(name, justify="right" if numbers else "left")
    for row in table.rows:
        if row[0] == "Total":
            grid.add_section()
        grid.add_row(*map(text, row))
    console.print(table.title, soft_wrap=True)
    console.print(grid)
