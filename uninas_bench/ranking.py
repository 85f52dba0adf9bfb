"""Columns of scores against accuracies: the rows of a board."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from uninas_bench import correlation, pairs
from uninas_bench.architecture import Costs
from uninas_bench.holding import Holding
from uninas_bench.intervals import Failed, Method, RankCorrelations, rank_correlations
from uninas_bench.pairs import Floats
from uninas_bench.score_columns import BASELINES, ScoreColumn

COLUMNS = (
    "proxy", "version", "baseline", "tau", "tau_low", "tau_high", "rho", "rho_low", "rho_high", "pearson",
    "weighted_tau", "ndcg", "regret", "tau_given_params", "tau_given_flops", "tau_given_size",
    "tau_given_size_low", "tau_given_size_high", "n", "failed", "seconds", "passes", "p_next", "settings",
)  # fmt: skip


def ranked(
    columns: Sequence[ScoreColumn],
    accuracies: pd.Series[float],
    costs: Mapping[str, Costs],
    *,
    failed: Failed,
    method: Method,
    resamples: int,
    k: int,
    seed: int,
) -> tuple[pd.DataFrame, RankCorrelations]:
    """Correlate every column with the accuracies and sort.

    Args:
        columns: the proxies' scores.
        accuracies: percent, by encoding: the population and its order.
        costs: by encoding, for the partial correlations.
        failed: see `intervals.rank_correlations`, as ``method, resamples, seed``.
        method: of the intervals.
        resamples: of the bootstrap.
        k: the cut of nDCG and regret.
        seed: of the bootstrap.

    Returns:
        The frame of `leaderboard.build` without its attributes, best tau first, and the statistics behind it,
        in the order of ``columns``.
    """
    truth: Floats = np.asarray(accuracies, dtype=np.float64)
    scores: list[Floats] = [
        np.asarray(column.scores.reindex(accuracies.index), dtype=np.float64) for column in columns
    ]
    held = {
        name: pairs.dense_ranks([getattr(costs[encoding], name) for encoding in accuracies.index])
        for name in ("params", "flops")
    }
    whole = Holding(pairs.dense_ranks(truth), list(held.values()), intervals=method != "none")
    held_tau = {name: pairs.kendall_tau_b(pairs.dense_ranks(truth), z) for name, z in held.items()}
    found = rank_correlations(scores, truth, failed=failed, method=method, resamples=resamples, seed=seed)
    tau_low, tau_high = found.tau_interval()
    rho_low, rho_high = found.rho_interval()
    rows: list[dict[str, Any]] = []
    for i, (column, score) in enumerate(zip(columns, scores, strict=True)):
        kept = ~np.isnan(score) if failed == "exclude" else np.ones(len(score), dtype=bool)
        x, y = pairs.dense_ranks(score[kept]), pairs.dense_ranks(truth[kept])
        finite = np.isfinite(score)
        holding = whole if kept.all() else whole.among(kept)
        # The row sums of the sign matrices, which most of the statistics are made of.
        balances = [pairs.balance(x, column) for column in (y, *(z[kept] for z in held.values()))]
        given = {}
        for (name, z), with_size in zip(held.items(), balances[1:], strict=True):
            with_truth = held_tau[name] if kept.all() else pairs.kendall_tau_b(y, z[kept])
            given[name] = correlation.partial(
                float(found.tau[i]), pairs.kendall_tau_b(x, z[kept], with_size), with_truth
            )
        given_size = holding.tau(x, balances)
        rows.append(
            {
                "proxy": column.proxy,
                "version": column.version,
                "baseline": column.proxy in BASELINES,
                "tau": found.tau[i],
                "tau_low": tau_low[i],
                "tau_high": tau_high[i],
                "rho": found.rho[i],
                "rho_low": rho_low[i],
                "rho_high": rho_high[i],
                "pearson": pairs.linear_correlation(score[finite], truth[finite]),
                "weighted_tau": pairs.weighted_tau(x, y, balances[0]),
                "ndcg": correlation.ndcg(score[kept], truth[kept], k),
                "regret": _regret(score, truth, kept, k),
                "tau_given_params": given["params"],
                "tau_given_flops": given["flops"],
                "tau_given_size": given_size[0],
                "tau_given_size_low": given_size[1],
                "tau_given_size_high": given_size[2],
                "n": int(found.n[i]),
                "failed": column.failed,
                "seconds": column.seconds,
                "passes": column.passes,
                "settings": column.settings,
            }
        )
    frame = pd.DataFrame(rows)
    frame = frame.sort_values(["tau", "proxy"], ascending=[False, True], na_position="last")
    order = list(frame.index)
    frame["p_next"] = [*(found.p_value(a, b) for a, b in pairwise(order)), math.nan]
    return frame.reset_index(drop=True)[list(COLUMNS)], found


def _regret(score: Floats, truth: Floats, kept: NDArray[np.bool_], k: int) -> float:
    """Against the best of all architectures, also of those that the proxy failed on and that are left out."""
    if not kept.any():
        return math.nan
    lost = correlation.regret(score[kept], truth[kept], k)
    return lost + float(truth.max() - truth[kept].max())
