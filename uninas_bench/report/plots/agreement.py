"""How alike proxies rank: tau-b between the scores of every two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from uninas_bench.intervals import rank_correlations
from uninas_bench.report.plots.evidence import TableEvidence


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of m proxies.

    Attributes:
        proxies: neighbours rank alike, so that families of proxies stand together.
        tau: (m, m); NaN where a proxy gives all the same score.
        low: lower ends of asymptotic 95 % intervals; NaN on the diagonal.
        high: upper ends.
        n: architectures.
        seed: of scores.
    """

    table: str
    proxies: tuple[str, ...]
    tau: tuple[tuple[float, ...], ...]
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]
    n: int
    seed: int


def agreement(table: TableEvidence) -> Agreement:
    """Between all proxies of the board; what a proxy failed on ranks last, whatever the board does."""
    names = [str(name) for name in table.board["proxy"]]
    columns = {row.proxy: row.scores.reindex(table.found.accuracies.index) for row in table.found.rows}
    scores = [columns[name].to_numpy(dtype=np.float64) for name in names]
    size = len(names)
    tau, low, high = (np.full((size, size), math.nan) for _ in range(3))
    for i, column in enumerate(scores):
        last = np.where(np.isnan(column), -np.inf, column)
        if len(set(last)) < 2:
            continue
        found = rank_correlations(scores[: i + 1], last, method="asymptotic")
        ends = found.tau_interval()
        for j in range(i + 1):
            tau[i, j] = tau[j, i] = found.tau[j]
            if i != j:
                low[i, j] = low[j, i] = ends[0][j]
                high[i, j] = high[j, i] = ends[1][j]
    order = _order(tau)

    def ordered(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(float(value) for value in row) for row in matrix[np.ix_(order, order)])

    return Agreement(
        table.name, tuple(names[i] for i in order), ordered(tau), ordered(low), ordered(high),
        len(table.found.accuracies), int(table.board.attrs["seed"]),
    )  # fmt: skip


def _order(tau: np.ndarray) -> list[int]:
    """Leaves of the tree of average linkage on 1 - tau, neighbours being alike; constants last."""
    known = [i for i in range(len(tau)) if not math.isnan(tau[i, i])]
    rest = [i for i in range(len(tau)) if i not in known]
    if len(known) < 3:
        return known + rest
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = np.clip(1 - tau[np.ix_(known, known)], 0.0, 2.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    leaves = [known[i] for i in leaves_list(tree)]
    # Either end may come first: the one with the board's first proxy nearer to it.
    if leaves.index(known[0]) > len(leaves) / 2:
        leaves.reverse()
    return leaves + rest
