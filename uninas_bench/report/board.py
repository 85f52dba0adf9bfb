"""A board on the terminal, in as many columns as it has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninas_bench.report.cells import board_columns, narrowed
from uninas_bench.report.sentences import foot_lines

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

_GAP = 2


def print_board(frame: pd.DataFrame, console: Console, hints: tuple[str, ...] = ()) -> None:
    """Print the table, its foot lines and ``hints``.

    On a terminal the columns that do not fit are dropped (`cells.DROPPED_FIRST`); a file or a pipe gets all
    of them, without colours.
    """
    from rich.text import Text

    table = board_table(frame, console.width if console.is_terminal else None)
    console.print(table, no_wrap=True, crop=False)
    for line in foot_lines(frame):
        console.print(Text(line, style="dim"), soft_wrap=True)
    for line in hints:
        console.print(Text(line), soft_wrap=True)


def board_table(frame: pd.DataFrame, width: int | None) -> Table:
    """The table of the columns that fit into ``width``; None leaves nothing out."""
    from rich.table import Table
    from rich.text import Text

    columns = board_columns(frame)
    if width is not None:
        columns = narrowed(columns, width, _GAP)
    # A width of its own, since rich would squeeze the table into the 80 columns that it takes a pipe for.
    needed = sum(column.width + _GAP for column in columns)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="", width=needed)
    for column in columns:
        header = f"{column.group}\n{column.title}" if any(c.group for c in columns) else column.title
        table.add_column(
            Text(header, style="bold"),
            justify="left" if column.left else "right",
            no_wrap=True,
            min_width=column.width,
        )
    for row, baseline in enumerate(frame["baseline"]):
        table.add_row(*(column.cells[row] for column in columns), style="dim" if baseline else "")
    return table
