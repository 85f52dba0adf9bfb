"""What a table's data sheet says, computed from the table and its space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.architecture import Architecture
from uninas_bench.errors import UserError
from uninas_bench.ground_truth.noise import noise_ceiling
from uninas_bench.ground_truth.spread import seed_spread
from uninas_bench.ground_truth.table_space import table_space
from uninas_bench.intervals import rank_correlations
from uninas_bench.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from uninas_bench.ground_truth.noise import NoiseCeiling
    from uninas_bench.ground_truth.spread import SeedSpread
    from uninas_bench.ground_truth.table import GroundTruth
    from uninas_bench.host import Host

PERCENTILES = (5, 25, 50, 75, 95)
_WIDTHS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0)
_MOST_BINS = 24


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank correlation of n pairs, with 95% intervals as `intervals.rank_correlations` makes them."""

    tau: float
    tau_low: float
    tau_high: float
    rho: float
    rho_low: float
    rho_high: float
    n: int
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Architectures by mean accuracy.

    Attributes:
        edges: (bins + 1,) percent, equally far apart; the last bin includes its upper edge.
        counts: (bins,).
        below: how many lie under the first edge: a tail that would squeeze all others into a few bins.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    below: int


@dataclass(frozen=True, slots=True, eq=False)
class TableFacts:
    """All that a data sheet is made of.

    Attributes:
        table: whose it is.
        accuracies: percent, the mean over each architecture's trainings, by encoding.
        percentiles: of the accuracies, at `PERCENTILES`.
        histogram: of the accuracies.
        ceiling: None where there are no single seeds.
        spread: None where there are no single seeds.
        chance: architectures at chance level; None where the task is not known.
        costs: parameters and FLOPs by encoding, columns ``params`` and ``flops``; None without the space.
        convention: in which FLOPs are counted.
        ranks: of ``params`` and ``flops`` with the accuracies; empty without the space.
        lacking: why there are no costs; empty where there are.
    """

    table: GroundTruth
    accuracies: pd.Series[float]
    percentiles: tuple[float, ...]
    histogram: Histogram
    ceiling: NoiseCeiling | None
    spread: SeedSpread | None
    chance: int | None
    costs: pd.DataFrame | None
    convention: str
    ranks: dict[str, Rank]
    lacking: str


def table_facts(table: GroundTruth, host: Host) -> TableFacts:
    """The facts of a table; a space or a task that is not installed leaves out what needs it."""
    accuracies = table.accuracies()
    costs, convention, lacking = _costs(table, host)
    ranks = {}
    if costs is not None:
        ranks = {name: rank_of(costs[name], accuracies) for name in costs.columns}
    return TableFacts(
        table=table,
        accuracies=accuracies,
        percentiles=tuple(float(value) for value in np.percentile(accuracies, PERCENTILES)),
        histogram=histogram(np.asarray(accuracies, dtype=np.float64)),
        ceiling=noise_ceiling(table),
        spread=seed_spread(table),
        chance=_chance(table),
        costs=costs,
        convention=convention,
        ranks=ranks,
        lacking=lacking,
    )


def rank_of(score: pd.Series[float], accuracy: pd.Series[float]) -> Rank:
    """Kendall's tau-b and Spearman's rho of two columns in one order."""
    found = rank_correlations([score], accuracy)
    (tau_low,), (tau_high,) = found.tau_interval()
    (rho_low,), (rho_high,) = found.rho_interval()
    return Rank(
        float(found.tau[0]), float(tau_low), float(tau_high),
        float(found.rho[0]), float(rho_low), float(rho_high), int(found.n[0]), found.method,
    )  # fmt: skip


def histogram(accuracies: NDArray[np.float64]) -> Histogram:
    """Up to 24 bins of a round width from the best down to one 5-95% range below the 5th percentile."""
    low, high = np.percentile(accuracies, (5, 95))
    first, last = max(accuracies.min(), low - (high - low)), accuracies.max()
    width = next((w for w in _WIDTHS if (last - first) / w <= _MOST_BINS - 2), _WIDTHS[-1])
    start, stop = int(np.floor(first / width + 1e-9)), int(np.ceil(last / width - 1e-9))
    edges = np.round(np.arange(start, max(stop, start + 1) + 1, dtype=np.float64) * width, 10)
    inside = accuracies[accuracies >= edges[0]]
    # An accuracy that is an edge in decimals must not fall below it in binary.
    counts = np.histogram(np.minimum(inside + 1e-9, edges[-1]), edges)[0].astype(np.int64)
    return Histogram(edges, counts, len(accuracies) - len(inside))


def _chance(table: GroundTruth) -> int | None:
    try:
        return int(table.chance_level.sum())
    except UserError:
        return None


def _costs(table: GroundTruth, host: Host) -> tuple[pd.DataFrame | None, str, str]:
    import pandas as pd

    try:
        space, task = table_space(table.info, host), find_task(table.info.task)
        encodings = list(table.accuracies().index)
        found = [space.costs(Architecture(space.name, encoding), task) for encoding in encodings]
    except UserError as error:
        return None, "", str(error)
    columns = {"params": [each.params for each in found], "flops": [each.flops for each in found]}
    return pd.DataFrame(columns, index=encodings, dtype=float), found[0].convention, ""
