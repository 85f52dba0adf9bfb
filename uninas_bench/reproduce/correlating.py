"""A correlation of scores with accuracies, with its interval over architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from uninas_bench import correlation
from uninas_bench.errors import UserError
from uninas_bench.intervals import rank_correlations
from uninas_bench.reproduce.outcome import Measured

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench.pairs import Floats

RESAMPLES = 1000
_TAILS = (0.025, 0.975)


def correlate(
    metric: str, scores: pd.Series[float], accuracies: pd.Series[float], *, seed: int = 0, **more: Any
) -> Measured:
    """``tau`` (b), ``rho``, ``pearson``, ``ndcg@K``, or ``best``, of scores by encoding.

    ``best`` is the accuracy of the architecture with the highest score, the mean where several share it.

    A failed architecture ranks below all others; Pearson's r leaves it out. Intervals are those of
    `intervals.rank_correlations`; Pearson's is a percentile bootstrap too, nDCG has none.

    Args:
        metric: its name.
        scores: by encoding; NaN where the proxy failed.
        accuracies: by encoding: the population.
        seed: of the bootstrap.
        more: fields of `Measured`.

    Raises:
        UserError: no such metric.
    """
    x = np.asarray(scores.reindex(accuracies.index), dtype=np.float64)
    y = np.asarray(accuracies, dtype=np.float64)
    failed = int(np.isnan(x).sum())
    notes = [note for note in (more.pop("note", ""), f"{failed} failed" if failed else "") if note]
    fields = {"n": len(y), "note": "; ".join(notes), **more}
    if metric in {"tau", "rho"}:
        found = rank_correlations([x], y, resamples=RESAMPLES, seed=seed)
        low, high = found.tau_interval() if metric == "tau" else found.rho_interval()
        value = found.tau[0] if metric == "tau" else found.rho[0]
        return Measured(float(value), float(low[0]), float(high[0]), **fields)
    if metric == "pearson":
        low_r, high_r = _pearson_interval(x, y, seed)
        return Measured(correlation.pearson(x, y), low_r, high_r, **fields)
    if metric == "best":
        best = np.flatnonzero(x == np.nanmax(x))
        names = ", ".join(str(accuracies.index[place]) for place in best[:3])
        fields["note"] = "; ".join(filter(None, (names, fields["note"])))
        return Measured(float(y[best].mean()), **fields)
    name, _, cut = metric.partition("@")
    if name == "ndcg" and cut.isdecimal():
        return Measured(correlation.ndcg(x, y, int(cut)), **fields)
    raise UserError(f'metric "{metric}": expected tau, rho, pearson, ndcg@K or best')


def _pearson_interval(x: Floats, y: Floats, seed: int) -> tuple[float, float]:
    kept = np.isfinite(x)
    x, y = x[kept], y[kept]
    if len(x) < 3:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(x), size=len(x))
        draws.append(correlation.pearson(x[chosen], y[chosen]))
    low, high = np.nanquantile(draws, _TAILS)
    return float(low), float(high)
