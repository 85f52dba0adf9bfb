"""Cost against tau, for papers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from uninas_bench.report.plots import style
from uninas_bench.report.plots.correlations import foot_text, limits
from uninas_bench.report.plots.evidence import TableEvidence
from uninas_bench.report.plots.expense import Expense, expense
from uninas_bench.report.plots.placing import labels
from uninas_bench.report.plots.style import Width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT: dict[Width, float] = {"single": 2.6, "double": 3.6}


def draw_expense(table: TableEvidence, width: Width) -> Figure:
    """Every proxy at its cost in bare forward passes; the baselines, which cost nothing, as lines."""
    found = expense(table)
    figure = style.sheet(width, _HEIGHT[width])
    axes = figure.subplots()
    style.plain(axes)
    x, y = found.cost_axis, found.value_axis
    limits(axes, x, y, (5, 6))
    if found.ceiling is not None:
        axes.axhspan(found.ceiling[1], found.ceiling[2], color=style.CEILING, alpha=0.18, linewidth=0)
        axes.axhline(found.ceiling[0], color=style.CEILING, linewidth=0.8)
        axes.annotate("noise ceiling", (1, found.ceiling[2]), xycoords=("axes fraction", "data"), ha="right",
                      va="bottom", fontsize=style.SMALL, color=style.CEILING)  # fmt: skip
    for value in sorted({round(value, 3) for _, value in found.free}):
        names = ", ".join(name for name, entry in found.free if round(entry, 3) == value)
        axes.axhline(value, color=style.MUTED, linewidth=0.8, linestyle="--")
        axes.annotate(f"{names} (free)", (0.01, value), xycoords=("axes fraction", "data"), va="bottom",
                      fontsize=style.SMALL, color=style.MUTED)  # fmt: skip
    for point in found.points:
        if not math.isnan(point.low):
            axes.plot([point.cost] * 2, [point.low, point.high], color=style.MUTED, linewidth=0.6, alpha=0.6)
    front = found.front
    if front:
        xs, ys = [*(p.cost for p in front), x.high], [*(p.value for p in front), front[-1].value]
        axes.step(xs, ys, where="post", color=style.FRONT, linewidth=1)
    for best, colour in ((False, style.DOT), (True, style.FRONT)):
        shown = [point for point in found.points if point.front == best]
        axes.plot([p.cost for p in shown], [p.value for p in shown], "o", color=colour, markersize=3)
    axes.set_xlabel("bare forward passes per architecture")
    axes.set_ylabel("Kendall's tau-b")
    style.foot(figure, foot_text(table))
    figure.draw_without_rendering()  # The layout decides where points stand, and they where labels may.
    _name(figure, axes, found)
    return figure


def _name(figure: Figure, axes: Axes, found: Expense) -> None:
    """Labels that touch nothing; a point without room has none."""
    scale = 72.0 / figure.dpi

    def places(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(float(x) * scale, -float(y) * scale) for x, y in axes.transData.transform(points)]

    ordered = sorted(found.points, key=lambda point: not point.front)
    if not ordered:
        return
    at = places([(point.cost, point.value) for point in ordered])
    (left, bottom), (right, top) = places(
        [(found.cost_axis.low, found.value_axis.low), (found.cost_axis.high, found.value_axis.high)]
    )
    front = places([*((point.cost, point.value) for point in found.front), (found.cost_axis.high, 0.0)])
    taken = [(x, y - 1, after, y + 1) for (x, y), (after, _) in pairwise(front)]
    for value in {round(value, 3) for _, value in found.free}:
        ((_, y),) = places([(found.cost_axis.low, value)])
        names = sum(len(name) + 2 for name, entry in found.free if round(entry, 3) == value) + 6
        taken += [(left, y - 1, right, y + 1), (left, y - 8, left + 3.4 * names, y)]
    if found.ceiling is not None:
        ((_, y),) = places([(found.cost_axis.low, found.ceiling[2])])
        taken.append((right - 50, y - 9, right, y))
    texts = [(x, y, point.proxy) for (x, y), point in zip(at, ordered, strict=True)]
    inside = (left, top, right, bottom)
    found_labels = labels(texts, inside, taken, letter=3.5, line=style.SMALL, reach=4.0)
    for (x, y), point, label in zip(at, ordered, found_labels, strict=True):
        if label is None:
            continue
        across = {"start": "left", "middle": "center", "end": "right"}[label.anchor]
        axes.annotate(
            point.proxy, (point.cost, point.value), xytext=(label.x - x, y - label.y),
            textcoords="offset points", ha=across, va="baseline", fontsize=style.SMALL,
            color=style.FRONT if point.front else style.INK,
        )  # fmt: skip
