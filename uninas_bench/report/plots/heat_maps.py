"""Agreement between proxies, and proxies on tables, for papers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.report.cells import share, signed
from uninas_bench.report.plots import style
from uninas_bench.report.plots.agreement import agreement
from uninas_bench.report.plots.evidence import Evidence, TableEvidence
from uninas_bench.report.plots.scatter import ceiling
from uninas_bench.report.plots.style import Width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#7f3b08", "#e08214", "#fdd0a2", "#ffffff", "#9ecae1", "#3182bd", "#08306b")
"""Orange where ranks go the wrong way, blue where they agree, as in the figure of the leaderboard."""
_DARK = 0.62
_SHORT = 14
"""Proxies above which the cells of a single column have no room for numbers."""


def draw_agreement(table: TableEvidence, width: Width) -> Figure:
    """Proxies by proxies."""
    found = agreement(table)
    size = len(found.proxies)
    figure = style.sheet(width, style.INCHES[width] * 0.92)
    axes = figure.subplots()
    numbers = width == "double" or size <= _SHORT
    _cells(axes, found.tau, numbers=numbers, small=size > _SHORT)
    axes.set_xticks(range(size), list(found.proxies), rotation=90)
    axes.set_yticks(range(size), list(found.proxies))
    style.foot(figure, f"Kendall's tau-b between scores on {found.table}: n = {found.n:,}, seed {found.seed}")
    return figure


def draw_matrix(evidence: Evidence, width: Width) -> Figure:
    """Proxies by tables; of one table alone, one column."""
    tables = evidence.tables
    if evidence.across is not None:
        from uninas_bench.across import matrix

        values = matrix(evidence.across)[[table.name for table in tables]]
        proxies = [str(name) for name in values.index]
        rows = [[float(value) for value in row] for row in values.to_numpy()]
    else:
        proxies = [str(name) for name in tables[0].board["proxy"]]
        rows = [[float(value)] for value in tables[0].board["tau"]]
    figure = style.sheet(width, 0.17 * len(proxies) + 1.0)
    axes = figure.subplots()
    _cells(axes, rows, numbers=True, small=len(tables) > 4 and width == "single")
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(tables)), [_head(table) for table in tables])
    axes.set_yticks(range(len(proxies)), proxies)
    seed = tables[0].board.attrs["seed"]
    style.foot(
        figure, f"Kendall's tau-b, best mean place first; ceil.: noise ceiling; seed {seed}; dash: no tau"
    )
    return figure


def _head(table: TableEvidence) -> str:
    known = ceiling(table)
    top = "ceil. unknown" if known is None else f"ceil. {share(known[0])}"
    return f"{table.found.space.name}\n{table.found.task.name}\nn = {table.board.attrs['n']:,}\n{top}"


def _cells(axes: Axes, rows: Sequence[Sequence[float]], *, numbers: bool, small: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("tau", _COLOURS)
    axes.set_facecolor("#e4e4e4")  # A cell without a value is not painted.
    axes.imshow(
        np.ma.masked_invalid(np.asarray(rows)),
        cmap=colours,
        vmin=-1,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
    )
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            if math.isnan(value) or numbers:
                text = "-" if math.isnan(value) else signed(value, 2)
                axes.text(
                    x, y, text, ha="center", va="center", fontsize=4.6 if small else style.SMALL,
                    color="white" if abs(value) > _DARK else style.INK,
                )  # fmt: skip
    axes.tick_params(length=0, labelsize=style.SMALL, colors=style.INK, pad=2)
    for side in axes.spines.values():
        side.set_visible(False)
