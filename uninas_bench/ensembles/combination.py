"""Sums of ranks, of log-ranks and of standard scores over a population."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

SumKind = Literal["rank", "log-rank", "z"]


def combine(
    scores: pd.DataFrame,
    kind: SumKind,
    coefficients: Sequence[float] | None = None,
    *,
    failed: Literal["last", "exclude"] = "last",
) -> pd.Series[float]:
    """One score per architecture: the sum over the members of coefficient times what ``kind`` says.

    ``rank`` sums average ranks, the lowest score having 1 (Borda 1781). ``log-rank`` sums ln(rank / n), so
    that one low rank costs more than one high rank gains: the aggregation of AZ-NAS (CVPR 2024) and VKDNW
    (CVPR 2025). ``z`` sums (score - mean) / standard deviation: the shape of a distribution matters to it.

    A negative coefficient turns its member around: its lowest score has the highest rank. So a failure is
    the worst whatever the sign.

    Args:
        scores: (architectures, members); higher is better, NaN where a member failed.
        kind: of the sum.
        coefficients: one per column; default 1 each.
        failed: ``last``: a member ranks what it failed on below all others, ties among them, and under ``z``
            as low as its lowest. ``exclude``: an architecture that a member failed on has no score, and
            ranks and means are those of the others.

    Returns:
        On the index of ``scores``; NaN where no member (``exclude``: not every member) has a score. The sum
        does not depend on the order of members, to the last bit.
    """
    known = scores.notna()
    kept = known.all(axis=1) if failed == "exclude" else known.any(axis=1)
    weights = coefficients if coefficients is not None else [1.0] * scores.shape[1]
    # Under `last`, what all members failed on keeps its place at the foot of every ranking.
    ranked = scores[kept] if failed == "exclude" else scores
    terms = [
        abs(weight) * _TERMS[kind](np.copysign(1.0, weight) * ranked[name])
        for name, weight in zip(scores.columns, weights, strict=True)
    ]
    sums = [math.fsum(row) for row in zip(*terms, strict=True)]
    return pd.Series(sums, index=ranked.index, dtype="float64").where(kept).reindex(scores.index)


def _rank(column: pd.Series[float]) -> pd.Series[float]:
    return column.fillna(-np.inf).rank(method="average")


def _log_rank(column: pd.Series[float]) -> pd.Series[float]:
    return pd.Series(np.log(_rank(column) / len(column)), index=column.index)


def _z(column: pd.Series[float]) -> pd.Series[float]:
    spread = column.std(ddof=0)
    if not spread > 0:
        return pd.Series(0.0, index=column.index)
    standard = (column - column.mean()) / spread
    return standard.fillna(standard.min())


_TERMS: Mapping[SumKind, Callable[[pd.Series[float]], pd.Series[float]]] = {
    "rank": _rank,
    "log-rank": _log_rank,
    "z": _z,
}
