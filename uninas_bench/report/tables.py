"""Columns of text as tables: on the terminal, in Markdown, in LaTeX; and values as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from uninas_bench.report.cells import Column

GAP = 2
"""Spaces between columns on the terminal."""
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{",
        "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "·": r"\textperiodcentered{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    }
)  # fmt: skip


def terminal_table(columns: Sequence[Column], faint: Sequence[bool]) -> Table:
    """The columns as they are, with as much width as they need; rows that are ``faint`` are dimmed."""
    from rich.table import Table
    from rich.text import Text

    # A width of its own, since rich would squeeze the table into the 80 columns that it takes a pipe for.
    needed = sum(column.width + GAP for column in columns)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="", width=needed)
    grouped = any(column.group for column in columns)
    for column in columns:
        table.add_column(
            Text(f"{column.group}\n{column.title}" if grouped else column.title, style="bold"),
            justify="left" if column.left else "right",
            no_wrap=True,
            min_width=column.width,
        )
    for row, dim in enumerate(faint):
        table.add_row(*(column.cells[row] for column in columns), style="dim" if dim else "")
    return table


def markdown_table(columns: Sequence[Column], notes: Sequence[str]) -> str:
    """A table in GitHub's flavour, then the notes as a list."""
    rows = len(columns[0].cells)
    lines = [
        _markdown_row([_heading(column) for column in columns]),
        _markdown_row([":---" if column.left else "---:" for column in columns]),
        *(_markdown_row([column.cells[row] for column in columns]) for row in range(rows)),
        "",
        *(f"- {_markdown(line)}" for line in notes),
    ]
    return "\n".join(lines) + "\n"


def latex_table(
    columns: Sequence[Column], notes: Sequence[str], polish: Callable[[str], str] = lambda cell: cell
) -> str:
    """A table for the package booktabs; its caption is made of the notes.

    Args:
        columns: of text that is not LaTeX yet.
        notes: sentences without full stops.
        polish: is given every cell as LaTeX.
    """
    body = [
        " & ".join(polish(_latex(column.cells[row])) for column in columns) + r" \\"
        for row in range(len(columns[0].cells))
    ]
    caption = ". ".join(_latex(line) for line in notes) + "."
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in columns)}}}",
        r"\toprule",
        " & ".join(_latex(_heading(column)) for column in columns) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{caption}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def plain(value: Any) -> Any:
    """Types that JSON knows; NaN, which it does not know, is None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _heading(column: Column) -> str:
    return f"{column.group} {column.title}".strip()


def _markdown(text: str) -> str:
    for character in "\\|*_<>":
        text = text.replace(character, "\\" + character)
    return text


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(_markdown(cell) if set(cell) - set(':-') else cell for cell in cells)} |"


def _latex(text: str) -> str:
    return text.translate(_LATEX)
