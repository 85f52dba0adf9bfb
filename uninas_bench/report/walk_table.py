"""The table of a walk's operations as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TITLE = "operations' share of the blocks' FLOPs in %: mean and range of the steps, first and second half"
HEADINGS = ("operation", "first", "5-95 %", "second", "5-95 %", "shift (sd)", "in networks")
_TINY = 0.0005
"""Percent that four digits behind the point would show as nothing."""


def share_lines(table: pd.DataFrame) -> list[str]:
    """One line per operation of `walk_statistics.share_table`, under a title and headings."""
    rows = [HEADINGS]
    for _, row in table.iterrows():
        rows.append((
            str(row["operation"]),
            _percent(row["first"]),
            f"{_percent(row['first_low'])} - {_percent(row['first_high'])}",
            _percent(row["second"]),
            f"{_percent(row['second_low'])} - {_percent(row['second_high'])}",
            f"{row['shift']:+.2f}",
            f"{row['present']:.1%}",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        TITLE,
        *(
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            )
            for row in rows
        ),
    ]


def _percent(share: float) -> str:
    percent = 100 * share
    if percent >= 1:
        return f"{percent:.1f}"
    return f"{percent:.3f}" if percent >= _TINY else "0" if percent == 0 else "<0.001"
