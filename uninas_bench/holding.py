"""What is left of a rank correlation when other columns, such as parameters and FLOPs together, are held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from uninas_bench import pairs
from uninas_bench.intervals import tau_influence
from uninas_bench.pairs import Floats, Ints

_LEVEL = 0.95
_REST = 1e-9
"""Of a held column's variance: what has less left, given those before it, says nothing of its own."""
_STEP = 1e-6


class Holding:
    """Accuracies and the columns that are held, with how they agree; `tau` is then asked for every proxy.

    A held column that is constant, or that orders the architectures as those before it do, is left out: in
    NAS-Bench-201 FLOPs order the cells as parameters do.

    Args:
        truth: (n,) ranks of the accuracies.
        held: columns of ranks, each (n,).
        intervals: whether `tau` gives any.
    """

    def __init__(self, truth: Ints, held: Sequence[Ints], *, intervals: bool = True) -> None:
        self._truth = truth
        self._held = list(held)
        self._intervals = intervals
        columns, self._places = [truth], [0]
        for place, column in enumerate(held, 1):
            if _rest([*columns[1:], column]) > _REST:
                columns.append(column)
                self._places.append(place)
        self._columns = columns
        self._matrix = np.eye(len(columns))
        self._influence: dict[tuple[int, int], Floats] = {}
        for i, first in enumerate(columns):
            for j in range(i):
                tau, influence = self._pair(first, columns[j])
                self._matrix[i, j] = self._matrix[j, i] = tau
                self._influence[j + 1, i + 1] = influence

    def among(self, kept: NDArray[np.bool_]) -> Holding:
        """The same for some of the architectures."""
        return Holding(self._truth[kept], [column[kept] for column in self._held], intervals=self._intervals)

    def tau(self, scores: Ints, balances: Sequence[Ints] | None = None) -> tuple[float, float, float]:
        """Kendall's partial tau-b of scores and accuracies given all that is held, and its 95% interval.

        With R the tau-b of all pairs of columns and H those that are held, it is the correlation of what
        R[:2, :2] - R[:2, H] R[H, H]^-1 R[H, :2] leaves: for one held column the formula of Kendall (1942). As
        there, this is a linear correction on the scale of tau. The interval is asymptotic: every
        architecture's influence on each tau (`intervals.tau_influence`), by the delta method.

        Args:
            scores: (n,) ranks.
            balances: `pairs.balance` of them with the accuracies and with every held column, where known.

        Returns:
            Tau, lower and upper end; all NaN where scores or accuracies are constant, or follow from what is
            held; ends NaN where no intervals are wanted.
        """
        found = [
            self._pair(scores, column, None if balances is None else balances[place])
            for column, place in zip(self._columns, self._places, strict=True)
        ]
        size = len(self._columns) + 1
        matrix = np.eye(size)
        matrix[1:, 1:] = self._matrix
        matrix[0, 1:] = matrix[1:, 0] = [tau for tau, _ in found]
        value = _partial(matrix)
        if math.isnan(value) or not self._intervals:
            return value, math.nan, math.nan
        influence = {**self._influence, **{(0, k): draws for k, (_, draws) in enumerate(found, 1)}}
        total = np.zeros(len(scores))
        for (i, j), draws in influence.items():
            step = np.zeros((size, size))
            step[i, j] = step[j, i] = _STEP
            total += (_partial(matrix + step) - _partial(matrix - step)) / (2 * _STEP) * draws
        if np.isnan(total).any():
            return value, math.nan, math.nan
        reach = NormalDist().inv_cdf((1 + _LEVEL) / 2) * math.sqrt(float(total @ total)) / len(scores)
        return value, max(value - reach, -1.0), min(value + reach, 1.0)

    def _pair(self, x: Ints, y: Ints, balances: Ints | None = None) -> tuple[float, Floats]:
        balances = pairs.balance(x, y) if balances is None else balances
        tau = pairs.kendall_tau_b(x, y, balances)
        if math.isnan(tau) or not self._intervals:
            return tau, np.zeros(len(x))
        return tau, tau_influence(x, y, balances)


def _rest(columns: Sequence[Ints]) -> float:
    """The part of the last column that those before it leave; 0 for a constant one."""
    matrix = np.eye(len(columns))
    for i, first in enumerate(columns):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = pairs.kendall_tau_b(first, columns[j])
    if len(np.unique(columns[-1])) < 2:
        return 0.0
    before = matrix[:-1, :-1]
    return float(1 - matrix[-1, :-1] @ np.linalg.solve(before, matrix[:-1, -1])) if len(before) else 1.0


def _partial(matrix: Floats) -> float:
    """The correlation of the first two columns given all others, from the correlations of all."""
    if np.isnan(matrix).any():
        return math.nan
    cross, held = matrix[:2, 2:], matrix[2:, 2:]
    rest = matrix[:2, :2] - cross @ np.linalg.solve(held, cross.T) if len(held) else matrix[:2, :2]
    product = float(rest[0, 0] * rest[1, 1])
    # Below this the numerator is rounding error, as in `correlation.partial`.
    if product < 1e-12 or rest[0, 0] < 0:
        return math.nan
    return float(rest[0, 1]) / math.sqrt(product)
