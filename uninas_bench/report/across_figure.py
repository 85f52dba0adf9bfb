"""The board across tables as a heat map: tau of every proxy on every table, with the noise ceilings on top.

The figure uses no pyplot, so nothing outside it is read or changed. Its colours run from orange (ranks the
wrong way round) over white to blue: a pair that the colour-blind tell apart, and every cell has its number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uninas_bench.report.cells import MISSING, share, signed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, NOTHING = "#1a1a1a", "#5c5c5c", "#ececec"
_COLOURS = ("#7f3b08", "#e08214", "#fdd0a2", "#ffffff", "#9ecae1", "#3182bd", "#08306b")
_CELL = (1.0, 0.27)
"""Inches of a cell."""
_DARK = 0.5
"""Below that luminance of its colour a cell's number is white."""
_GAP = 1.35
"""Rows from the top to the first proxy: the ceilings and some room."""
_LABELS = 1.5
_HEAD, _FOOT, _BAR = 0.95, 0.45, 1.0


def draw_across(frame: pd.DataFrame, *, given_size: bool = False) -> Figure:
    """Proxies by tables, best mean place first; with ``given_size`` a second panel given params and FLOPs.

    Args:
        frame: from `uninas_bench.across.build`.
        given_size: whether partial taus stand beside the taus.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    from uninas_bench.across import matrix

    tables = frame.attrs["tables"]
    panels = [("tau", "Kendall's tau-b")]
    if given_size:
        panels.append(("tau_given_size", "given parameters and FLOPs"))
    values = [matrix(frame, name) for name, _ in panels]
    rows, columns = len(values[0]), len(tables)
    # One table alone has room for its names all the same.
    panel = max(columns * _CELL[0], 2.2)
    width = _LABELS + len(panels) * (panel + 0.2) + _BAR
    inches = (rows + _GAP) * _CELL[1]
    height = _HEAD + _FOOT + inches
    figure = Figure(figsize=(width, height), facecolor="white")
    map_ = LinearSegmentedColormap.from_list("tau", _COLOURS)
    norm = Normalize(-1, 1)
    bottom, tall = _FOOT / height, inches / height
    for place, ((_, title), found) in enumerate(zip(panels, values, strict=True)):
        left = (_LABELS + place * (panel + 0.2)) / width
        axes = figure.add_axes((left, bottom, panel / width, tall))
        ceilings = place == 0
        _panel(axes, found, tables, map_, norm, ceilings=ceilings)
        _names(axes, frame, list(found.index), shown=place == 0)
        figure.text(
            left, 1 - 0.16 / height, title, ha="left", va="center", fontsize=9, weight="bold", color=INK
        )
    bar_left = (_LABELS + len(panels) * (panel + 0.2)) / width
    bar = figure.add_axes((bar_left, bottom + tall * 0.15, 0.13 / width, tall * 0.7))
    _scale(figure, bar, map_, norm)
    seed, last = frame.attrs["seed"], frame.attrs["failed"] == "last"
    policy = "failed architectures rank last" if last else "failed architectures left out"
    figure.text(
        0.12 / width, 0.2 / height, f"In brackets: mean place. Seed {seed}; {policy}; hatched: no tau.",
        fontsize=7, color=MUTED, ha="left", va="center",
    )  # fmt: skip
    return figure


def _panel(
    axes: Axes, found: pd.DataFrame, tables: Mapping[str, Any], map_: Any, norm: Any, *, ceilings: bool
) -> None:
    from matplotlib.patches import Rectangle

    for x, (name, facts) in enumerate(tables.items()):
        if ceilings:
            known = facts["noise_ceiling"]
            text = share(known["corrected"]) if known else MISSING
            axes.text(x + 0.5, 0.5, text, ha="center", va="center", fontsize=8, color=INK, weight="bold")
        for y, value in enumerate(found[name]):
            box: dict[str, Any] = {"edgecolor": "white", "linewidth": 1}
            if math.isnan(value):
                axes.add_patch(Rectangle((x, y + _GAP), 1, 1, facecolor=NOTHING, hatch="////", **box))
                continue
            fill = map_(norm(value))
            axes.add_patch(Rectangle((x, y + _GAP), 1, 1, facecolor=fill, **box))
            axes.text(
                x + 0.5, y + _GAP + 0.5, signed(value, 2), ha="center", va="center", fontsize=8,
                color="white" if _luminance(fill) < _DARK else INK,
            )  # fmt: skip
    axes.set_xlim(0, len(tables))
    axes.set_ylim(len(found) + _GAP, 0)
    axes.xaxis.tick_top()
    axes.set_xticks([x + 0.5 for x in range(len(tables))], [_head(facts) for facts in tables.values()])
    axes.tick_params(length=0, labelsize=7.5, colors=INK, pad=3)
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _names(axes: Axes, frame: pd.DataFrame, proxies: list[str], *, shown: bool) -> None:
    if not shown:
        return
    means = frame.drop_duplicates("proxy").set_index("proxy")
    labels = ["noise ceiling"]
    for proxy in proxies:
        mean = means["mean_place"][proxy]
        labels.append(proxy if math.isnan(mean) else f"{proxy} [{mean:.1f}]")
    ticks = [0.5, *(y + _GAP + 0.5 for y in range(len(proxies)))]
    axes.set_yticks(ticks, labels)
    axes.tick_params(axis="y", length=0, labelsize=8)
    for label, proxy in zip(axes.get_yticklabels()[1:], proxies, strict=True):
        if means["baseline"][proxy]:
            label.set_fontstyle("italic")
            label.set_color(MUTED)
    axes.get_yticklabels()[0].set_fontweight("bold")


def _luminance(colour: Sequence[float]) -> float:
    """Of a colour in 0..1, as eyes weigh it (Rec. 709)."""
    red, green, blue = colour[:3]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _head(facts: Mapping[str, Any]) -> str:
    return f"{facts['space']}\n{facts['task']}\nn = {facts['n']:,}"


def _scale(figure: Figure, axes: Axes, map_: Any, norm: Any) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(norm, map_), cax=axes)
    bar.set_ticks([-1, -0.5, 0, 0.5, 1])
    bar.ax.tick_params(labelsize=7.5, colors=INK, length=2)
    bar.outline.set_visible(False)
