"""The figure of all subsets of the probes: tau against their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from uninas_bench_plugins._micro_probes.subsets import PROXY, by_count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, DOT, ALL = "#1a1a1a", "#5c5c5c", "#56b4e9", "#0072b2"
SPREAD = 0.22
"""Half the width that the subsets of one size take, so that they do not hide each other."""
GAP = 0.028
"""Between two names at the right edge, as a share of the height."""


def draw_subsets(board: pd.DataFrame) -> Figure:
    """A dot per subset, the mean of each size as a line, other proxies and the noise ceiling as levels.

    Args:
        board: from `subset_board`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 5.0), layout="constrained")
    axes = figure.add_subplot()
    subsets, sizes = board[board["probes"] > 0], by_count(board)
    for size in map(int, sizes["probes"]):
        part = subsets[subsets["probes"] == size]
        places = size + SPREAD * np.linspace(-1, 1, len(part)) * (len(part) > 1)
        label = "a subset" if size == 1 else None
        axes.plot(places, part.sort_values("tau")["tau"], "o", color=DOT, markersize=4.5, label=label)
    axes.plot(sizes["probes"], sizes["mean"], color=ALL, marker="_", markersize=22, linewidth=1.2,
              label="mean of the subsets of a size")  # fmt: skip
    _singles(axes, subsets[subsets["probes"] == 1])
    _whole(axes, subsets[subsets["probes"] == sizes["probes"].max()])
    ceiling = board.attrs["noise_ceiling"]
    if ceiling is not None:
        axes.axhline(ceiling["corrected"], color=INK, linewidth=1, linestyle=(0, (6, 3)))
    _levels(axes, board[(board["probes"] == 0) & (board["proxy"] != PROXY)], ceiling)
    axes.set_xlim(0.5, sizes["probes"].max() + 0.5)
    axes.set_xticks(list(sizes["probes"]))
    axes.set_xlabel("probes in the sum")
    axes.set_ylabel("Kendall's tau-b with the accuracies")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    about = board.attrs
    axes.set_title(
        f"{about['space']} [{about['scale']}] on {about['task']}\n{about['n']} architectures of "
        f"{about['ground_truth']['name']}, seed {about['seed']}",
        fontsize=9, loc="left",
    )  # fmt: skip
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False, fontsize=9)
    return figure


def _singles(axes: Axes, singles: pd.DataFrame) -> None:
    """The names of the probes beside their own dots."""
    ordered = singles.sort_values("tau")
    places = 1 + SPREAD * np.linspace(-1, 1, len(ordered))
    for place, name, tau in zip(places, ordered["proxy"], ordered["tau"], strict=True):
        axes.annotate(name, (place, tau), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8,
                      color=INK)  # fmt: skip


def _whole(axes: Axes, whole: pd.DataFrame) -> None:
    """All probes together, with the interval."""
    count, tau = int(whole["probes"].iloc[0]), float(whole["tau"].iloc[0])
    low, high = float(whole["tau_low"].iloc[0]), float(whole["tau_high"].iloc[0])
    axes.errorbar(
        [count], [tau], [[tau - low], [high - tau]], fmt="D", color=ALL, markersize=6, capsize=4,
        linewidth=1.2, label=f"all {count}, with the 95% interval",
    )  # fmt: skip


def _levels(axes: Axes, others: pd.DataFrame, ceiling: dict[str, float] | None) -> None:
    """Levels named at the right edge, the names moved apart where they would touch."""
    known = others.dropna(subset=["tau"])
    levels = list(zip(known["tau"].astype(float), known["proxy"], strict=True))
    for tau, _ in levels:
        axes.axhline(tau, color=MUTED, linewidth=0.7, linestyle=":")
    if ceiling is not None:
        levels.append((float(ceiling["corrected"]), "noise ceiling"))
    low, high = axes.get_ylim()
    gap, last = GAP * (high - low), -np.inf
    for tau, name in sorted(levels):
        last = max(tau, last + gap)
        axes.annotate(
            name, (1, last), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8, color=MUTED, annotation_clip=False,
        )  # fmt: skip
