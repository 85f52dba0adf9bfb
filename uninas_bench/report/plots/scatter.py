"""A proxy's scores against accuracies: points, the axis that shows them, and what the correlation is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from uninas_bench.report.plots.evidence import TableEvidence

Scaling = Literal["linear", "log"]
_LOG_FROM = 1000.0
"""Scores that differ by this factor, and are all positive, stand on a logarithmic axis."""
_TAIL = 1.5
"""An axis ends before points that lie this many times the width of the middle 96 % beyond it."""
_NARROW = 0.06
"""Where the middle half of the points has less than this share of the axis, the middle 80 % decide."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What of a column of numbers is shown.

    Attributes:
        low: lower end.
        high: upper end, above ``low``.
        outside: how many points lie beyond an end, where they are drawn.
    """

    low: float
    high: float
    scaling: Scaling = "linear"
    outside: int = 0

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.low <= value <= self.high

    def place(self, value: float) -> float:
        """0 at the lower end, 1 at the upper; beyond an end, that end."""
        low, high = self.low, self.high
        if self.scaling == "log":
            value, low, high = math.log10(max(value, 1e-300)), math.log10(low), math.log10(high)
        return min(max((value - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Correlation:
    """Kendall's tau-b with all that must stand beside it.

    Attributes:
        n: architectures that were ranked, failed ones included where they rank last.
        failed: architectures without a score.
        ceiling: the corrected noise ceiling and its interval; None where it is unknown.
    """

    tau: float
    low: float
    high: float
    n: int
    failed: int
    seed: int
    ceiling: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Scores against accuracies.

    Attributes:
        table: name of the table of accuracies.
        encodings: of the architectures, in the order of the table.
        scores: NaN where the proxy failed.
        accuracies: percent.
        x: the axis of the scores.
        y: the axis of the accuracies.
    """

    table: str
    proxy: str
    encodings: tuple[str, ...]
    scores: tuple[float, ...]
    accuracies: tuple[float, ...]
    x: Axis
    y: Axis
    correlation: Correlation


def scatters(table: TableEvidence, proxies: Sequence[str] | None = None) -> list[Scatter]:
    """One for each proxy, in the order of the board.

    Raises:
        UserError: a name is not on the board.
    """
    from uninas_bench.errors import UnknownName

    on_board = [str(name) for name in table.board["proxy"]]
    for name in proxies or ():
        if name not in on_board:
            raise UnknownName("proxy", name, on_board, f"the board of {table.name}")
    columns = {row.proxy: row.scores for row in table.found.rows}
    accuracies = table.found.accuracies
    encodings = tuple(map(str, accuracies.index))
    truth = tuple(map(float, accuracies))
    y = axis(truth)
    found = []
    for row in table.board.itertuples(index=False):
        if proxies is not None and row.proxy not in proxies:
            continue
        scores = tuple(map(float, columns[str(row.proxy)].reindex(accuracies.index)))
        found.append(
            Scatter(
                table.name, str(row.proxy), encodings, scores, truth, axis(scores), y, correlation(table, row)
            )
        )
    return found


def correlation(table: TableEvidence, row: object) -> Correlation:
    """Of a row of the table's board, as `pandas.DataFrame.itertuples` gives it."""
    values = {name: getattr(row, name) for name in ("tau", "tau_low", "tau_high", "n", "failed")}
    return Correlation(
        float(values["tau"]), float(values["tau_low"]), float(values["tau_high"]), int(values["n"]),
        int(values["failed"]), int(table.board.attrs["seed"]), ceiling(table),
    )  # fmt: skip


def ceiling(table: TableEvidence) -> tuple[float, float, float] | None:
    """The corrected noise ceiling with its interval; None where it is unknown."""
    known = table.ceiling
    if known is None:
        return None
    return known["corrected"], known["corrected_low"], known["corrected_high"]


def axis(values: Sequence[float]) -> Axis:
    """The axis of a column: logarithmic where it spans decades, and ended before the outermost tails."""
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    if not len(array):
        return Axis(0.0, 1.0)
    least, most = float(array.min()), float(array.max())
    if least == most:
        room = abs(least) * 0.1 or 1.0
        return Axis(least - room, most + room)
    if least > 0 and most / least >= _LOG_FROM:
        room = (most / least) ** 0.04
        return Axis(least / room, most * room, "log")
    first, last = _ends(array, 0.02)
    quarter, three = (float(value) for value in np.quantile(array, (0.25, 0.75)))
    if 0 < three - quarter < _NARROW * (last - first):
        first, last = _ends(array, 0.1)
    outside = int(((array < first) | (array > last)).sum())
    room = 0.04 * (last - first)
    return Axis(first - room, last + room, outside=outside)


def _ends(array: np.ndarray, share: float) -> tuple[float, float]:
    """Of the shown part: the extremes, or, where one is far out, near the quantile of that share."""
    low, high = (float(value) for value in np.quantile(array, (share, 1 - share)))
    width = high - low
    least, most = float(array.min()), float(array.max())
    first = low - 0.3 * width if width > 0 and low - least > _TAIL * width else least
    last = high + 0.3 * width if width > 0 and most - high > _TAIL * width else most
    return first, last
