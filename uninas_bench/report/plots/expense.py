"""What proxies cost against how well they rank, and which of them no other beats in both."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from uninas_bench.report.plots.evidence import TableEvidence
from uninas_bench.report.plots.scatter import Axis, ceiling

Unit = Literal["passes", "seconds"]


@dataclass(frozen=True, slots=True)
class Priced:
    """A proxy at its cost.

    Attributes:
        cost: mean per architecture, in bare forward passes or seconds; above 0.
        value: tau, or the mean share of the ceiling.
        front: whether none is both cheaper and better.
    """

    proxy: str
    cost: float
    value: float
    low: float
    high: float
    front: bool


@dataclass(frozen=True, slots=True)
class Expense:
    """Cost against value.

    Attributes:
        points: cheapest first.
        free: proxies that cost nothing, by value: the baselines.
        unknown: those without a cost or a value.
        n: architectures; 0 across tables.
        ceiling: of the values, with its interval; None where unknown or, across tables, 1 by definition.
    """

    title: str
    unit: Unit
    points: tuple[Priced, ...]
    free: tuple[tuple[str, float], ...]
    unknown: tuple[str, ...]
    n: int
    seed: int
    ceiling: tuple[float, float, float] | None

    @property
    def front(self) -> tuple[Priced, ...]:
        """The Pareto front, cheapest first."""
        return tuple(point for point in self.points if point.front)

    @property
    def cost_axis(self) -> Axis:
        """Logarithmic, with room at both ends."""
        costs = [point.cost for point in self.points] or [1.0]
        low, high = min(costs), max(costs)
        room = max((high / low) ** 0.08, 1.25)
        return Axis(low / room, high * room, "log")

    @property
    def value_axis(self) -> Axis:
        """From 0 or below to above the ceiling."""
        values = [end for point in self.points for end in (point.low, point.high, point.value)]
        values += [value for _, value in self.free] + list(self.ceiling or ())
        known = [value for value in values if not math.isnan(value)] or [0.0]
        low, high = min(*known, 0.0), max(*known, 0.1)
        room = 0.05 * (high - low)
        return Axis(low - (room if low < 0 else 0.0), high + room)


def expense(table: TableEvidence, unit: Unit = "passes") -> Expense:
    """Of one table: cost against tau."""
    board = table.board.rename(columns={"tau": "value", "tau_low": "low", "tau_high": "high"})
    return _expense(
        table.name, board, unit, len(table.found.accuracies), int(board.attrs["seed"]), ceiling(table)
    )


def expense_across(frame: pd.DataFrame, unit: Unit = "passes") -> Expense:
    """Of the board across tables: mean cost against the mean share of the ceiling."""
    from uninas_bench.across import summary

    total = summary(frame).rename(columns={"mean_of_ceiling": "value"})
    total["low"] = total["high"] = math.nan
    return _expense("all tables", total, unit, 0, int(frame.attrs["seed"]), None)


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For each (cost, value): whether no other is as cheap and as good, and one of the two strictly."""
    return [
        not any(
            other_cost <= cost and other_value >= value and (other_cost < cost or other_value > value)
            for other_cost, other_value in points
        )
        for cost, value in points
    ]


def _expense(
    title: str,
    rows: pd.DataFrame,
    unit: Unit,
    n: int,
    seed: int,
    known: tuple[float, float, float] | None,
) -> Expense:
    known_rows: list[dict[Hashable, Any]] = rows.dropna(subset=["value"]).to_dict(orient="records")
    free = [(str(row["proxy"]), float(row["value"])) for row in known_rows if row["baseline"]]
    priced = [row for row in known_rows if not row["baseline"] and row[unit] > 0]
    best = pareto([(float(row[unit]), float(row["value"])) for row in priced])
    points = []
    for row, front in zip(priced, best, strict=True):
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        points.append(Priced(str(row["proxy"]), float(row[unit]), value, low, high, front))
    taken = {name for name, _ in free} | {point.proxy for point in points}
    return Expense(
        title, unit, tuple(sorted(points, key=lambda point: (point.cost, -point.value, point.proxy))),
        tuple(sorted(free, key=lambda entry: -entry[1])),
        tuple(str(name) for name in rows["proxy"] if name not in taken), n, seed, known,
    )  # fmt: skip
