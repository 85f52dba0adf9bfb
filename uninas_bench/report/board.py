"""A board on the terminal, in as many columns as it has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninas_bench.report.cells import board_columns, narrowed
from uninas_bench.report.sentences import foot_lines
from uninas_bench.report.tables import GAP, terminal_table

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table


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
    columns = board_columns(frame)
    if width is not None:
        columns = narrowed(columns, width, GAP)
    return terminal_table(columns, list(frame["baseline"]))
