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
        member: (n,) the group of equal values that a row is in, groups ascending.
        sums: (groups, r) the weight of every group.
    """

    values: Ints
    weights: NDArray[np.float32]
    member: Ints
    sums: Floats

    def tied(self) -> Floats:
        """(r,): the sum of the squared weights of the groups, a row drawn twice being a group too."""
        result: Floats = np.einsum("gj,gj->j", self.sums, self.sums)
        return result

    def ranks(self) -> Floats:
        """(n, r): mid-ranks within each resample, less half the total: their mean is 0, ties or not."""
        ranks = np.cumsum(self.sums, axis=0)
        total = ranks[-1] / 2
        ranks -= self.sums / 2
        ranks -= total
        result: Floats = ranks[self.member]
        return result


def resample(values: Ints, weights: NDArray[np.float32]) -> Resampled:
    """A column and its groups of equal values in every resample."""
    order = np.argsort(values, kind="stable")
    last = np.flatnonzero(np.diff(values[order], append=values[order[-1:]] + 1))
    # Differences of a running sum: several times faster than `np.add.reduceat`, and exact for integers.
    running = np.cumsum(weights[order], axis=0, dtype=np.float64)
    sums = np.diff(running[last], axis=0, prepend=0)
    return Resampled(values, weights, np.unique(values, return_inverse=True)[1], sums)


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
    return _quotient(concordance, (total - x.tied()) * (total - y.tied()))


def resampled_rho(x: Resampled, y: Resampled) -> Floats:
    """(r,): Spearman's rho, the weighted Pearson correlation of the mid-ranks."""
    left, right = x.ranks(), y.ranks()
    weighted = left * x.weights
    spread = np.einsum("ij,ij->j", weighted, left) * np.einsum("ij,ij,ij->j", right, right, y.weights)
    return _quotient(np.einsum("ij,ij->j", weighted, right), spread)


def _quotient(numerator: Floats, squared: Floats) -> Floats:
    """``numerator / sqrt(squared)``; NaN where a resample left a column constant."""
    defined = squared > 0
    result: Floats = np.where(defined, numerator / np.sqrt(np.where(defined, squared, 1.0)), np.nan)
    return result
