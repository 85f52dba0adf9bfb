"""Cost against tau as it stands on the page."""

from __future__ import annotations

import math
from itertools import pairwise

from uninas_bench.report.cells import Column, interval, number, share, signed
from uninas_bench.report.page.geometry import Places, frame, steps
from uninas_bench.report.page.model import Band, ExpenseView, TableView, Whisker
from uninas_bench.report.plots.expense import Expense, Priced
from uninas_bench.report.plots.placing import Box, labels

UNITS = {"passes": "bare forward passes per architecture", "seconds": "seconds per architecture"}
_WIDTH, _HEIGHT = 680, 400


def expense_view(found: Expense, name: str) -> ExpenseView:
    """The plot, and its numbers as a table."""
    value = "tau-b" if found.n else "mean of tau / ceiling"
    x, y = found.cost_axis, found.value_axis
    box = frame(x, y, f"{UNITS[found.unit]}, logarithmic", value, width=_WIDTH, height=_HEIGHT, about=(6, 7))
    places = Places(box, x, y)
    free = tuple(Band(round(places.y(level), 1), 0, 0, text) for level, text in _levels(found.free))
    ceiling = _ceiling(found, places)
    front = [(places.x(point.cost), places.y(point.value)) for point in found.front]
    if front:
        front.append((float(box.right), front[-1][1]))
    taken: list[Box] = [(x, y - 1, right, y + 1) for (x, y), (right, _) in pairwise(front)]
    taken += [(box.left, band.y - 14, box.left + 7.0 * len(band.text), band.y + 2) for band in free]
    taken += [(box.left, band.y - 1, box.right, band.y + 1) for band in free]
    if ceiling is not None:
        taken.append((box.right - 6.6 * len(ceiling.text), ceiling.y - 16, box.right, ceiling.y + 2))
    # The front chooses first where its labels stand.
    ordered = sorted(found.points, key=lambda point: not point.front)
    at = [(places.x(point.cost), places.y(point.value), point.proxy) for point in ordered]
    points = tuple(
        Whisker(
            round(px, 1),
            round(py, 1),
            *_ends(point, places),
            point.proxy,
            _about(point, found),
            point.front,
            label,
        )
        for point, (px, py, _), label in zip(
            ordered, at, labels(at, (box.left, box.top, box.right, box.bottom), taken), strict=True
        )
    )
    notes = ["The line is the Pareto front: no proxy on it is beaten in both."]
    if found.n:
        notes.append(f"n = {found.n:,}, seed {found.seed}; bars: 95 % intervals of tau")
    if found.unknown:
        notes.append(f"without cost or tau: {', '.join(found.unknown)}")
    return ExpenseView(
        found.title, box, points, steps(front), free, ceiling, tuple(notes), _numbers(found, name, value)
    )


def _levels(free: tuple[tuple[str, float], ...]) -> list[tuple[float, str]]:
    """Baselines of one value share their line."""
    names: dict[float, list[str]] = {}
    for name, value in free:
        names.setdefault(round(value, 3), []).append(name)
    return [(value, f"{', '.join(found)} (free)") for value, found in names.items()]


def _ceiling(found: Expense, places: Places) -> Band | None:
    if found.ceiling is None:
        return None
    middle, low, high = (places.y(value) for value in found.ceiling)
    text = f"noise ceiling {share(found.ceiling[0])}"
    return Band(round(middle, 1), round(high, 1), round(low - high, 1), text)


def _ends(point: Priced, places: Places) -> tuple[float, float]:
    low, high = (point.value if math.isnan(end) else end for end in (point.low, point.high))
    return round(places.y(low), 1), round(places.y(high), 1)


def _about(point: Priced, found: Expense) -> str:
    cost = f"{point.cost:,.1f} x forward" if found.unit == "passes" else f"{point.cost:.3g} s"
    ends = "" if math.isnan(point.low) else f" {interval(point.low, point.high)}"
    return f"{point.proxy}: {signed(point.value)}{ends} at {cost}"


def _numbers(found: Expense, name: str, value: str) -> TableView:
    points = found.points
    title = "x forward" if found.unit == "passes" else "seconds"
    columns = [
        Column("proxy", "", "proxy", tuple(point.proxy for point in points), left=True),
        Column("cost", "cost", title, tuple(number(point.cost, 2) for point in points)),
        Column("value", "", value, tuple(signed(point.value) for point in points)),
        Column("interval", "", "[95% interval]", tuple(interval(p.low, p.high) for p in points), left=True),
        Column("front", "Pareto", "front", tuple("yes" if p.front else "" for p in points), left=True),
    ]  # fmt: skip
    if not found.n:
        columns = [column for column in columns if column.key != "interval"]
    return TableView(name, f"Cost against {value}", tuple(columns), (False,) * len(points))
