"""Scores against accuracies, and taus against the noise ceiling, for papers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from uninas_bench.report.cells import interval, share, signed
from uninas_bench.report.plots import style
from uninas_bench.report.plots.evidence import TableEvidence
from uninas_bench.report.plots.scatter import Axis, Scatter, ceiling, correlation, scatters
from uninas_bench.report.plots.style import Width
from uninas_bench.report.plots.ticks import ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS: dict[Width, int] = {"single": 2, "double": 4}
_PANEL = 1.45
_ROW, _EDGE = 0.155, 0.75


def draw_scatters(table: TableEvidence, width: Width) -> Figure:
    """A panel for each proxy, in the order of the board."""
    found = scatters(table)
    across = min(_ACROSS[width], len(found))
    down = math.ceil(len(found) / across)
    figure = style.sheet(width, down * _PANEL + 0.35)
    panels = figure.subplots(down, across, squeeze=False)
    for place, axes in enumerate(panels.flat):
        if place >= len(found):
            axes.set_axis_off()
            continue
        _scatter(axes, found[place])
        if place % across == 0:
            axes.set_ylabel("accuracy (%)")
    style.foot(figure, foot_text(table))
    return figure


def draw_ceiling(table: TableEvidence, width: Width) -> Figure:
    """A row for each proxy: tau with its interval; the ceiling as a band."""
    rows = [
        (str(row.proxy), bool(row.baseline), correlation(table, row))
        for row in table.board.itertuples(index=False)
    ]
    figure = style.sheet(width, len(rows) * _ROW + _EDGE)
    axes = figure.subplots()
    known = ceiling(table)
    if known is not None:
        axes.axvspan(known[1], known[2], color=style.CEILING, alpha=0.18, linewidth=0)
        axes.axvline(known[0], color=style.CEILING, linewidth=0.9)
    axes.axvline(0, color=style.MUTED, linewidth=0.6)
    for y, (_, baseline, told) in enumerate(rows):
        if math.isnan(told.tau):
            continue
        colour = style.MUTED if baseline else style.DOT
        if not math.isnan(told.low):
            axes.plot([told.low, told.high], [y, y], color=colour, linewidth=1.2, solid_capstyle="butt")
        axes.plot([told.tau], [y], "o", color=colour, markersize=3)
    style.plain(axes)
    axes.grid(visible=False, axis="y")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    for label, (_, baseline, _) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontstyle("italic" if baseline else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    ends = [end for _, _, told in rows for end in (told.tau, told.low, told.high) if not math.isnan(end)]
    ends += known or ()
    shown = Axis(min([0.0, *ends]) - 0.04, max([0.1, *ends]) + 0.04)
    axes.set_xlim(shown.low, shown.high)
    axes.set_xticks(*zip(*ticks(shown, 6), strict=True))
    axes.set_xlabel("Kendall's tau-b")
    style.foot(figure, foot_text(table))
    return figure


def foot_text(table: TableEvidence) -> str:
    """What the numbers rest on, in one or two lines."""
    attrs = table.board.attrs
    known = ceiling(table)
    parts = [f"{table.name}: n = {attrs['n']:,}, seed {attrs['seed']}"]
    if known is not None:
        parts.append(f"noise ceiling {share(known[0])} [{share(known[1])}, {share(known[2])}]")
    if attrs["intervals"]["method"] != "none":
        parts.append("95% intervals")
    parts.append("failed rank last" if attrs["failed"] == "last" else "failed left out")
    return "; ".join(parts)


def limits(axes: Axes, x: Axis, y: Axis, about: tuple[int, int] = (3, 4)) -> None:
    """Ends and ticks as the page has them."""
    for one, set_limits, set_ticks, set_scale, count in (
        (x, axes.set_xlim, axes.set_xticks, axes.set_xscale, about[0]),
        (y, axes.set_ylim, axes.set_yticks, axes.set_yscale, about[1]),
    ):
        if one.scaling == "log":
            set_scale("log")
        found = ticks(one, count)
        set_ticks([value for value, _ in found], [text for _, text in found])
        set_ticks([], minor=True)
        set_limits(one.low, one.high)


def _scatter(axes: Axes, found: Scatter) -> None:
    told = found.correlation
    held = [(found.x.low, found.x.high), (found.y.low, found.y.high)]
    xs, ys, lost = [], [], []
    for score, accuracy in zip(found.scores, found.accuracies, strict=True):
        y = min(max(accuracy, held[1][0]), held[1][1])
        if math.isnan(score):
            lost.append(y)
        else:
            xs.append(min(max(score, held[0][0]), held[0][1]))
            ys.append(y)
    style.plain(axes)
    limits(axes, found.x, found.y)
    axes.plot(xs, ys, "o", markersize=1.6, color=style.DOT, alpha=0.5, markeredgewidth=0, clip_on=False)
    if lost:
        axes.plot([found.x.low] * len(lost), lost, "o", markersize=2.2, markerfacecolor="white",
                  markeredgecolor=style.LOST, markeredgewidth=0.6, clip_on=False)  # fmt: skip
    ends = "" if math.isnan(told.low) else f" {interval(told.low, told.high)}"
    axes.set_title(f"{found.proxy}\n{signed(told.tau)}{ends}", fontsize=style.SMALL, loc="left", pad=3)
