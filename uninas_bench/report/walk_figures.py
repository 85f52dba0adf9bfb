"""The two figures of a walk: where it went in parameters and FLOPs, and which operations its FLOPs are of.

As in the UniNAS paper (Fig. 1 and Fig. 4). Each is a value first, computed from the recorded steps, and then
a figure of that value; the figures use no pyplot, so nothing outside them is read or changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from uninas_bench.search.walk_statistics import RANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from uninas_bench.architecture import Costs
    from uninas_bench.bounds import Bounds
    from uninas_bench.search.walk_files import WalkRecord

Numbers = npt.NDArray[np.float64]

INK, MUTED, GRID = "#1a1a1a", "#5c5c5c", "#d9d9d9"
FIRST, SECOND, MARK = "#7a7a7a", "#0072b2", "#d55e00"
"""Of the halves of the walk, and of the networks with a name (Okabe and Ito)."""
FAMILIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "spatial convolution": ("#0072b2", ("conv3", "conv_depth3", "conv_depth5")),
    "1 x 1 convolution": ("#56b4e9", ("conv1", "conv_exp", "conv_red", "conv_chunk")),
    "matrix product": ("#cc79a7", ("matmul1", "matmul2")),
    "everything else": ("#b0b0b0", ()),
}
"""What the share over time is divided into: colour, and operations; the last one is the rest."""
NAMES = {"coatnet": "CoAtNet", "efficientnet": "EfficientNet", "resnet": "ResNet", "vit": "ViT"}
BINS = 60
WINDOWS = 250
"""Means along the walk in the panel of shares over time."""


@dataclass(frozen=True, slots=True, eq=False)
class CostMap:
    """Where a walk went.

    Attributes:
        density: (BINS, BINS) steps by parameters and FLOPs.
        params_edges: of the bins, as ``flops_edges``.
        bounds: that the walk kept to.
        named: networks to show beside it.
        convention: of the costs.
        steps: of the walk.
    """

    density: Numbers
    params_edges: Numbers
    flops_edges: Numbers
    bounds: Bounds
    named: Mapping[str, Costs]
    convention: str
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class OperationFlops:
    """What the FLOPs of a walk's networks are of.

    Attributes:
        operations: those that cost anything, the largest mean first.
        quantiles: (operations, 2 halves, 5) FLOPs at `RANGE`, the quartiles and the median, over the steps
            whose network has the operation; NaN where none has it.
        present: (operations, 2 halves) share of the steps whose network has it.
        steps: middle of each window along the walk.
        shares: (windows, families) mean share of the blocks' FLOPs.
        total: of the walk's steps.
    """

    operations: tuple[str, ...]
    quantiles: Numbers
    present: Numbers
    steps: Numbers
    shares: Numbers
    total: int


def cost_map(record: WalkRecord, bounds: Bounds, named: Mapping[str, Costs], convention: str) -> CostMap:
    """Count the steps of a walk by parameters and FLOPs."""
    limits = []
    for name, values in (("params", record.params), ("flops", record.flops)):
        seen = [values.min(), values.max(), *(getattr(costs, name) for costs in named.values())]
        low, high = getattr(bounds, f"{name}_min"), getattr(bounds, f"{name}_max")
        limits.append((low or min(seen), max(seen) if high is None else high))
    widened = [(low, high if high > low else low + 1) for low, high in limits]
    density, params_edges, flops_edges = np.histogram2d(record.params, record.flops, BINS, widened)
    return CostMap(density, params_edges, flops_edges, bounds, named, convention, len(record))


def operation_flops(record: WalkRecord, operations: tuple[str, ...]) -> OperationFlops:
    """Distributions of every operation's FLOPs in both halves of a walk, and shares along it."""
    means = record.flops_of.mean(axis=0)
    order = [int(place) for place in np.argsort(-means, kind="stable") if means[place] > 0]
    middle = len(record) // 2
    levels = (RANGE[0], 25, 50, 75, RANGE[1])
    quantiles = np.full((len(order), 2, len(levels)), np.nan)
    present = np.zeros((len(order), 2))
    for row, place in enumerate(order):
        flops = record.flops_of[:, place]
        for number, half in enumerate((flops[:middle], flops[middle:])):
            there = half[half > 0]
            present[row, number] = len(there) / max(len(half), 1)
            if len(there):
                quantiles[row, number] = np.percentile(there, levels)
    windows = np.array_split(np.arange(len(record)), min(WINDOWS, len(record)))
    families = _family_flops(record, operations)
    shares = np.array([families[window].sum(axis=0) / max(families[window].sum(), 1) for window in windows])
    middles = np.array([record.step[window].mean() for window in windows])
    names = tuple(operations[place] for place in order)
    return OperationFlops(names, quantiles, present, middles, shares, len(record))


def _family_flops(record: WalkRecord, operations: tuple[str, ...]) -> Numbers:
    members = [
        [place for place, name in enumerate(operations) if name in names] for _, names in FAMILIES.values()
    ]
    sums = np.stack([record.flops_of[:, places].sum(axis=1) for places in members], axis=1)
    sums[:, -1] = record.flops_of.sum(axis=1) - sums.sum(axis=1)
    return sums.astype(np.float64)


def draw_costs(costs: CostMap) -> Figure:
    """Parameters against FLOPs of all steps, with their distributions at the sides (Fig. 1)."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    grid = figure.add_gridspec(
        2, 3, width_ratios=(5, 1, 0.18), height_ratios=(1, 5), wspace=0.02, hspace=0.02
    )
    axes = figure.add_subplot(grid[1, 0])
    params, flops = costs.params_edges / 1e6, costs.flops_edges / 1e9
    seen = np.ma.masked_equal(costs.density.T, 0)
    image = axes.pcolormesh(
        params, flops, seen, cmap="viridis", norm=LogNorm(1, max(costs.density.max(), 2)), rasterized=True
    )
    _label_named(axes, costs)
    _bounds(axes, costs)
    axes.set_xlabel("parameters (millions)")
    axes.set_ylabel(f"FLOPs (billions, {costs.convention})")
    _plain(axes)
    above = figure.add_subplot(grid[0, 0], sharex=axes)
    above.stairs(costs.density.sum(axis=1) / costs.steps * 100, params, fill=True, color=SECOND, alpha=0.75)
    above.set_ylabel("% of steps\nper column", fontsize=8)
    beside = figure.add_subplot(grid[1, 1], sharey=axes)
    beside.stairs(
        costs.density.sum(axis=0) / costs.steps * 100, flops, fill=True, color=SECOND, alpha=0.75,
        orientation="horizontal",
    )  # fmt: skip
    beside.set_xlabel("% of steps\nper row", fontsize=8)
    above.tick_params(labelbottom=False, labelsize=8)
    beside.tick_params(labelleft=False, labelsize=8)
    _plain(above)
    _plain(beside)
    bar = figure.colorbar(image, cax=figure.add_subplot(grid[1, 2]))
    bar.set_label("steps per bin", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(
        f"{costs.steps:,} steps; bounds (dashed): {costs.bounds}".replace("flops", "FLOPs"),
        fontsize=9,
        color=MUTED,
    )
    return figure


def _bounds(axes: Axes, costs: CostMap) -> None:
    """Dashed lines where the bounds are, and some room outside."""
    found = costs.bounds
    style: Any = {"color": MUTED, "linewidth": 0.8, "linestyle": (0, (4, 3)), "zorder": 2}
    for bound in filter(None, (found.params_min, found.params_max)):
        axes.axvline(bound / 1e6, **style)
    for bound in filter(None, (found.flops_min, found.flops_max)):
        axes.axhline(bound / 1e9, **style)
    for edges, limit in ((costs.params_edges / 1e6, axes.set_xlim), (costs.flops_edges / 1e9, axes.set_ylim)):
        room = 0.04 * (edges[-1] - edges[0])
        limit(edges[0] - room, edges[-1] + room)


def _label_named(axes: Axes, costs: CostMap) -> None:
    """Networks with a name: a diamond each, its name to the right, or to the left where the axes end."""
    first, last = costs.params_edges[0], costs.params_edges[-1]
    for name, found in costs.named.items():
        x, y = found.params / 1e6, found.flops / 1e9
        left = found.params > first + 0.85 * (last - first)
        axes.plot(x, y, "D", color=MARK, markeredgecolor="white", markeredgewidth=0.8, markersize=7, zorder=3)
        axes.annotate(
            NAMES.get(name, name), (x, y), (-8 if left else 8, 0), textcoords="offset points", va="center",
            ha="right" if left else "left", fontsize=9, color=INK, zorder=4,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip


def draw_operations(flops: OperationFlops) -> Figure:
    """FLOPs per operation in both halves of the walk, and shares along it (Fig. 4)."""
    from matplotlib.figure import Figure

    count = len(flops.operations)
    figure = Figure(figsize=(7.2, 1.2 + 0.24 * count + 1.9), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(0.24 * count + 0.5, 1.9))
    _boxes(above, flops)
    _shares(below, flops)
    return figure


def _boxes(axes: Axes, flops: OperationFlops) -> None:
    """A box from quartile to quartile for each half, whiskers over `RANGE`, on a logarithmic axis."""
    from matplotlib.patches import Patch

    for half, colour in enumerate((FIRST, SECOND)):
        for row in range(len(flops.operations)):
            low, first, median, third, high = flops.quantiles[row, half] / 1e9
            if np.isnan(median):
                continue
            y = row + (-0.19, 0.19)[half]
            axes.plot((low, high), (y, y), color=colour, linewidth=1.0, zorder=2)
            axes.barh(y, third - first, 0.3, first, color=colour, zorder=3)
            axes.plot((median, median), (y - 0.15, y + 0.15), color="white", linewidth=1.4, zorder=4)
    axes.set_xscale("log")
    axes.set_xlim(np.nanmin(flops.quantiles) / 1.5e9, np.nanmax(flops.quantiles) * 1.5 / 1e9)
    axes.set_yticks(range(len(flops.operations)), flops.operations, fontsize=8)
    axes.set_ylim(len(flops.operations) - 0.4, -0.6)
    axes.set_xlabel("FLOPs of the operation in a network (billions)")
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    _plain(axes)
    for row, (first_share, second_share) in enumerate(flops.present):
        text = _percent(first_share, second_share)
        axes.annotate(
            text, (1, row), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=7, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    axes.annotate(
        "in networks", (1, -0.75), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        va="bottom", fontsize=7, color=MUTED, annotation_clip=False,
    )  # fmt: skip
    middle = flops.total // 2
    halves = [
        Patch(color=FIRST, label=f"steps 1 to {middle:,}"),
        Patch(color=SECOND, label=f"steps {middle + 1:,} to {flops.total:,}"),
    ]
    axes.legend(
        handles=halves, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=8
    )


def _percent(first: float, second: float) -> str:
    """Both halves' share of networks, once where they round to the same."""
    texts = list(dict.fromkeys(f"{100 * share:.4g}" for share in (round(first, 3), round(second, 3))))
    return " / ".join(texts) + " %"


def _shares(axes: Axes, flops: OperationFlops) -> None:
    """Areas of the families over the walk, with the border between its halves."""
    colours = [colour for colour, _ in FAMILIES.values()]
    stacked: Any = flops.shares.T * 100
    axes.stackplot(flops.steps / 1000, stacked, colors=colours, labels=list(FAMILIES), linewidth=0)
    axes.axvline(flops.total / 2000, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_xlim(flops.steps[0] / 1000, max(flops.steps[-1], flops.steps[0] + 1) / 1000)
    axes.set_ylim(0, 100)
    axes.set_xlabel("step (thousands)")
    axes.set_ylabel("% of FLOPs")
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(FAMILIES), frameon=False, fontsize=8,
        handlelength=1.0, columnspacing=1.2,
    )  # fmt: skip
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)
