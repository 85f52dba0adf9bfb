"""The texts of a board's numbers: one list of columns behind terminal, Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MISSING = "-"
_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of text.

    Attributes:
        key: its name, which `narrowed` knows it by.
        title: its header; ``group`` stands above it where there is room.
        cells: one text per row.
        left: set to the left; numbers stand to the right.
    """

    key: str
    group: str
    title: str
    cells: tuple[str, ...]
    left: bool = False

    @property
    def width(self) -> int:
        """Characters of the widest line."""
        return max(len(text) for text in (self.group, self.title, *self.cells))


def signed(value: float, digits: int = 3) -> str:
    """``+.123``, ``-.045``, ``+1.000``: a correlation without the zero that never changes."""
    return MISSING if math.isnan(value) else _bare(f"{value:+.{digits}f}")


def share(value: float, digits: int = 3) -> str:
    """``.123``, ``1.000``: a number between 0 and 1."""
    return MISSING if math.isnan(value) else _bare(f"{value:.{digits}f}")


def number(value: float, digits: int) -> str:
    """A plain decimal."""
    return MISSING if math.isnan(value) else f"{value:.{digits}f}"


def interval(low: float, high: float) -> str:
    """``[+.123, +.456]``."""
    return MISSING if math.isnan(low) else f"[{signed(low)}, {signed(high)}]"


def milliseconds(seconds: float) -> str:
    """Three significant digits or so: ``0.02``, ``1.3``, ``58``, ``1,204``."""
    value = seconds * 1000
    if math.isnan(value):
        return MISSING
    digits = 2 if value < 1 else 1 if value < 10 else 0
    return f"{value:,.{digits}f}"


def bar(value: float) -> str:
    """A correlation as a bar of up to eight characters; nothing for a negative one."""
    if math.isnan(value):
        return ""
    eighths = round(max(0.0, min(value, 1.0)) * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def places(frame: pd.DataFrame) -> list[str]:
    """The place of every row among those that are no baseline: ``1``, ``2``; a dot for a baseline."""
    place, texts = 0, []
    for baseline in frame["baseline"]:
        place += not baseline
        texts.append("·" if baseline else str(place))
    return texts


def board_columns(frame: pd.DataFrame) -> list[Column]:
    """Every column that a reader sees, for the frame of `uninas_bench.leaderboard.build`."""
    k = frame.attrs["k"]
    level = f"[{frame.attrs['intervals']['level']:.0%} interval]"

    def column(key: str, group: str, title: str, cells: Iterable[Any], left: bool = False) -> Column:
        return Column(key, group, title, tuple(str(cell) for cell in cells), left)

    columns = [
        column("place", "", "#", places(frame)),
        column("proxy", "", "proxy", frame["proxy"], left=True),
        column("bar", "", "", map(bar, frame["tau"]), left=True),
        column("tau", "Kendall", "tau-b", map(signed, frame["tau"])),
        column("interval", "", level, map(interval, frame["tau_low"], frame["tau_high"]), left=True),
        column("rho", "Spearman", "rho", map(signed, frame["rho"])),
        column("weighted", "weighted", "tau", map(signed, frame["weighted_tau"])),
        column("ndcg", "", f"nDCG@{k}", map(share, frame["ndcg"])),
        column("regret", f"regret@{k}", "points", (number(value, 2) for value in frame["regret"])),
        column("params", "given", "params", map(signed, frame["tau_given_params"])),
        column("flops", "given", "FLOPs", map(signed, frame["tau_given_flops"])),
        column("ms", "cost", "ms", map(milliseconds, frame["seconds"])),
        column("passes", "", "x forward", (number(value, 1) for value in frame["passes"])),
        column("failed", "", "failed", frame["failed"]),
    ]
    if frame.attrs["intervals"]["method"] == "none":
        columns = [column for column in columns if column.key != "interval"]
    return columns


DROPPED_FIRST = ("bar", "weighted", "flops", "ndcg", "rho", "passes", "params", "regret", "ms", "interval")
"""What goes, in this order, while a board is too wide; place, proxy, tau and failed always stay."""


def narrowed(
    columns: list[Column], width: int, gap: int = 2, dropped: Sequence[str] = DROPPED_FIRST
) -> list[Column]:
    """The columns that fit into ``width`` characters, ``gap`` between them; ``dropped`` go, in that order."""
    kept = list(columns)
    for key in dropped:
        if sum(column.width for column in kept) + gap * (len(kept) - 1) <= width:
            break
        kept = [column for column in kept if column.key != key]
    return kept


def _bare(text: str) -> str:
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    return sign + (digits[1:] if digits.startswith("0.") else digits)
