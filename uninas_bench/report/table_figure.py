"""The figure of a data sheet: how accuracies spread, how noisy they are, and how they go with size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.report.cells import share, signed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from uninas_bench.ground_truth.facts import TableFacts

_INK, _MUTED, _GRID = "#1a1a1a", "#5c5c5c", "#d9d9d9"
_POINTS, _MARK = "#0072b2", "#d55e00"
"""Okabe and Ito: apart for colour-blind eyes, and in grey."""


def draw_facts(facts: TableFacts) -> Figure:
    """A histogram, the spread of seeds, and accuracy against parameters and FLOPs; four panels at most.

    Architectures under the first bin of the histogram are drawn as triangles at the edge of a panel.
    """
    from matplotlib.figure import Figure

    panels: list[Callable[[Axes, TableFacts], None]] = [_histogram]
    if facts.spread is not None:
        panels.append(_seeds)
    if facts.costs is not None:
        panels += [_parameters, _flops]
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.7 * columns, 0.4 + 2.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for draw, axes in zip(panels, grid.flat, strict=False):
        draw(axes, facts)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK, labelsize=8)
        axes.grid(color=_GRID, linewidth=0.6)
        axes.set_axisbelow(True)
    info = facts.table.info
    scale = f" [{info.scale.replace(',', ', ')}]" if info.scale else ""
    title = f"{info.name}: {info.space}{scale} on {info.task}, {len(facts.accuracies):,} architectures"
    figure.suptitle(title, fontsize=9, color=_INK)
    return figure


def _histogram(axes: Axes, facts: TableFacts) -> None:
    from matplotlib.ticker import MaxNLocator

    found = facts.histogram
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.stairs(found.counts, found.edges, fill=True, color=_POINTS, alpha=0.8)
    median = facts.percentiles[len(facts.percentiles) // 2]
    axes.axvline(median, color=_MARK, linewidth=1.2)
    low, high = facts.percentiles[0], facts.percentiles[-1]
    below = f", {found.below} below {found.edges[0]:g} %" if found.below else ""
    _titled(axes, f"median {median:.1f}, 5 to 95 %: {low:.1f} to {high:.1f}{below}")
    axes.set_xlim(found.edges[0], found.edges[-1])
    axes.set_xlabel("mean accuracy (%)", fontsize=8)
    axes.set_ylabel("architectures", fontsize=8)


def _seeds(axes: Axes, facts: TableFacts) -> None:
    assert facts.spread is not None
    spread = facts.spread
    _scatter(
        axes,
        facts,
        _floats(spread.each),
        _floats(facts.accuracies[spread.each.index]),
    )
    axes.axvline(spread.median, color=_MARK, linewidth=1.2)
    ceiling = f", ceiling tau {share(facts.ceiling.split_half)}" if facts.ceiling is not None else ""
    _titled(axes, f"between seeds: median {spread.median:.2f}{ceiling}")
    # A few noisy architectures, mostly bad ones, would press all others against the axis.
    axes.set_xlim(0, max(float(np.percentile(spread.each, 98)) * 1.1, 1e-3))
    axes.set_xlabel("standard deviation between seeds (points)", fontsize=8)


def _parameters(axes: Axes, facts: TableFacts) -> None:
    _cost(axes, facts, "params", "parameters")


def _flops(axes: Axes, facts: TableFacts) -> None:
    _cost(axes, facts, "flops", f"FLOPs ({facts.convention})")


def _cost(axes: Axes, facts: TableFacts, name: str, label: str) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    assert facts.costs is not None
    _scatter(axes, facts, _floats(facts.costs[name]), _floats(facts.accuracies))
    axes.set_xscale("log")
    wide = facts.costs[name].max() > 10 * facts.costs[name].min()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if wide else (1.0, 2.0, 3.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    rank = facts.ranks[name]
    _titled(axes, f"tau {signed(rank.tau)} [{signed(rank.tau_low)}, {signed(rank.tau_high)}]")
    axes.set_xlabel(label, fontsize=8)


def _scatter(axes: Axes, facts: TableFacts, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Points, with triangles at the lower edge for what lies under the histogram's first bin."""
    first, last = facts.histogram.edges[0], facts.histogram.edges[-1]
    under = y < first
    size = 9.0 if len(y) <= 1000 else 3.0
    axes.scatter(x[~under], y[~under], size, color=_POINTS, alpha=0.6, linewidths=0)
    edge = np.full(int(under.sum()), first)
    axes.scatter(x[under], edge, 14, marker="v", color=_MARK, linewidths=0, clip_on=False, zorder=3)
    axes.set_ylim(first, last + 0.03 * (last - first))
    axes.set_ylabel("mean accuracy (%)", fontsize=8)


def _floats(values: pd.Series[float]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _titled(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=8, color=_MUTED, loc="left")
