"""Exact tau-b and rho of every bootstrap resample at once, from multiplicities instead of repeated rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uninas_bench.pairs import Floats, Ints

_ROWS = 512
"""Rows of the sign matrix held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A column of n values under r resamples.

    Attributes:
        values: (n,) ranks.
        weights: (n, r) how often each row was drawn; integers.
        ranks: (n, r) mid-ranks within each resample, centred.
        tied: (r,) sum of the squared weights of the groups of equal values, a row drawn twice among them.
    """

    values: Ints
    weights: NDArray[np.float32]
    ranks: Floats
    tied: Floats


def resample(values: Ints, weights: NDArray[np.float32]) -> Resampled:
    """Ranks and ties of a column in every resample."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=values[order[:1]] - 1))
    groups = weights[order]
    if len(starts) < len(values):
        groups = np.add.reduceat(groups, starts, axis=0)
    sums = groups.astype(np.float64)
    ranks = np.cumsum(sums, axis=0) - sums / 2
    # The weighted mean of mid-ranks, ties or not, is half the total.
    ranks -= weights.sum(axis=0, dtype=np.float64) / 2
    member = np.unique(values, return_inverse=True)[1]
    return Resampled(values, weights, ranks[member], np.einsum("gj,gj->j", sums, sums))


def resampled_tau(x: Resampled, y: Resampled) -> Floats:
    """(r,): Kendall's tau-b, a row drawn twice tying with itself.

    With multiplicities w and S_ij = sign(x_i - x_j) sign(y_i - y_j), the concordant minus the discordant
    pairs are w' S w / 2, and the pairs untied in x are (N^2 - sum of squared tie-group weights) / 2: one
    matrix product serves all resamples. Its entries are integers of at most N, so float32 holds them.
    """
    weights = x.weights
    concordance = np.zeros(weights.shape[1])
    for start in range(0, len(x.values), _ROWS):
        rows = slice(start, start + _ROWS)
        signs = np.sign(x.values[rows, None] - x.values) * np.sign(y.values[rows, None] - y.values)
        partners = signs.astype(np.float32) @ weights
        concordance += np.einsum("ij,ij->j", weights[rows], partners, dtype=np.float64)
    total = weights.sum(axis=0, dtype=np.float64) ** 2
    return _quotient(concordance, (total - x.tied) * (total - y.tied))


def resampled_rho(x: Resampled, y: Resampled) -> Floats:
    """(r,): Spearman's rho, the weighted Pearson correlation of the mid-ranks."""
    left, right = x.ranks * x.weights, y.ranks * y.weights
    spread = np.einsum("ij,ij->j", left, x.ranks) * np.einsum("ij,ij->j", right, y.ranks)
    return _quotient(np.einsum("ij,ij->j", left, y.ranks), spread)


def _quotient(numerator: Floats, squared: Floats) -> Floats:
    """``numerator / sqrt(squared)``; NaN where a resample left a column constant."""
    defined = squared > 0
    result: Floats = np.where(defined, numerator / np.sqrt(np.where(defined, squared, 1.0)), np.nan)
    return result
