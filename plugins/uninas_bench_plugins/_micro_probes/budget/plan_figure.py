"""The figure of a plan: the fitted surface, the anchors, what the budget pays for, and the choice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench_plugins._micro_probes.budget.durations import duration_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from uninas_bench_plugins._micro_probes.budget.planning import BudgetPlan

INK, MUTED, BUDGET, CHOICE = "#1a1a1a", "#5c5c5c", "#d55e00", "#0072b2"
POINTS = 300
LEVELS = 12


def draw_plan(plan: BudgetPlan) -> Figure:
    """Data by epochs, both logarithmic; colour and lines are the surface, numbers what was measured."""
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    box, chosen = plan.response.box, plan.chosen
    data, epochs = np.meshgrid(
        np.geomspace(box.data_min, box.data_max, POINTS), np.geomspace(box.epochs_min, box.epochs_max, POINTS)
    )
    values = plan.response.fit.surface(data, epochs)
    filled = axes.contourf(data, epochs, values, LEVELS, cmap="Greys", alpha=0.55)
    axes.contour(data, epochs, values, LEVELS, colors=MUTED, linewidths=0.4, linestyles="solid")
    figure.colorbar(filled, ax=axes, label="fitted Kendall tau of the pilots", pad=0.02)
    seconds = plan.response.calibration.cost.seconds(data, epochs)
    if seconds.max() > chosen.budget:
        beyond = axes.contourf(
            data, epochs, seconds, [chosen.budget, seconds.max()], colors="none", hatches=["//"]
        )
        beyond.set(edgecolor=(*to_rgb(BUDGET), 0.25), linewidth=0)
        axes.contour(data, epochs, seconds, [chosen.budget], colors=BUDGET, linewidths=2)
    _anchors(axes, plan)
    axes.plot(
        chosen.optimum.data, chosen.optimum.epochs, marker="+", color=CHOICE, markersize=13,
        markeredgewidth=1.6, linestyle="none", label="maximum of the surface", zorder=5,
    )  # fmt: skip
    axes.plot(
        chosen.data, chosen.epochs, marker="*", color=CHOICE, markersize=17, markeredgecolor="white",
        linestyle="none", zorder=6, label=f"chosen: data {chosen.data:,}, epochs {chosen.epochs}",
    )  # fmt: skip
    axes.plot(
        [], [], color=BUDGET, linewidth=2, label=f"budget {duration_text(chosen.budget)}, hatched: above"
    )
    _axes(axes, plan)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def save_plan_figure(plan: BudgetPlan, path: Path, dpi: int = 150) -> None:
    """Write the figure; the same plan gives the same file.

    Raises:
        UserError: it cannot be written.
    """
    from uninas_bench.drawing import save

    save(draw_plan(plan), path, dpi)


def _anchors(axes: Axes, plan: BudgetPlan) -> None:
    """A dot per anchor with its mean response."""
    places: dict[tuple[int, int], list[float]] = {}
    for anchor in plan.response.anchors:
        responses = places.setdefault((anchor.data, anchor.epochs), [])
        if anchor.response is not None:
            responses.append(anchor.response)
    box = plan.response.box
    for (data, epochs), responses in places.items():
        axes.plot(
            data, epochs, marker="o", color=INK, markersize=5, linestyle="none", clip_on=False, zorder=4
        )
        left, top = data == box.data_max, epochs == box.epochs_max
        axes.annotate(
            f"{np.mean(responses):.2f}" if responses else "none",
            (data, epochs),
            xytext=(-6 if left else 6, -6 if top else 6),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top" if top else "bottom",
            fontsize=9,
            color=INK,
            zorder=7,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.7},
        )


def _axes(axes: Axes, plan: BudgetPlan) -> None:
    box = plan.response.box
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xlim(box.data_min / 1.05, box.data_max * 1.05)
    axes.set_ylim(box.epochs_min / 1.07, box.epochs_max * 1.07)
    for axis, values in (
        (axes.xaxis, (box.data_min, box.data_max)),
        (axes.yaxis, (box.epochs_min, box.epochs_max)),
    ):
        powers = range(int(np.ceil(np.log2(values[0]))), int(np.floor(np.log2(values[1]))) + 1)
        axis.set_ticks([2**power for power in powers], [f"{2**power:,}" for power in powers])
        axis.minorticks_off()
    axes.set_xlabel("data: training examples of each probe")
    axes.set_ylabel("epochs")
    axes.set_title(
        f"{plan.space} [{plan.scale}] on {plan.task}\n{len(plan.pilots)} pilots, ranked by {plan.reference}",
        fontsize=9,
        loc="left",
    )
