"""Concordant pairs counted fast, in numpy alone: a board from stored scores cannot wait for `scipy.stats`.

`uninas_bench.correlation` holds the definitions, over scipy; the tests hold the two equal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def dense_ranks(values: ArrayLike) -> Ints:
    """Dense ranks from 1, ascending; equal values share one. NaN, a failure, gets 0: below all."""
    array = np.asarray(values, dtype=np.float64)
    ranks = np.zeros(array.shape, dtype=np.int64)
    known = ~np.isnan(array)
    ranks[known] = np.unique(array[known], return_inverse=True)[1] + 1
    return ranks


def dominated(x: Ints, y: Ints) -> Ints:
    """For each point, how many others are strictly smaller in both coordinates: O(n log n).

    Points get places by x. Blocks of 2, 4, ... consecutive places nest; from the widest to the narrowest,
    each kept in the order of y, every point in the upper half of its block counts the points of the lower
    half that precede it.
    """
    n = len(x)
    index = np.arange(n)
    place = np.empty(n, dtype=np.int64)
    # Within tied x by falling y, and within tied y by falling place: ties of either kind never count.
    place[np.lexsort((-y, x))] = index
    order = np.lexsort((-place, y))
    counts = np.zeros(n, dtype=np.int64)
    for bit in reversed(range(max(n - 1, 1).bit_length())):
        places = place[order]
        upper = (places >> bit) & 1
        first = (places >> (bit + 1)) << (bit + 1)
        lowers = np.concatenate(([0], np.cumsum(1 - upper)))
        before = lowers[:-1] - lowers[first]
        counts[order] += upper * before
        halved = np.empty(n, dtype=np.int64)
        halved[np.where(upper, index - before + (1 << bit), first + before)] = order
        order = halved
    return counts


def balance(x: Ints, y: Ints) -> Ints:
    """For each point, its concordant minus its discordant partners: the row sums of the sign matrix."""
    x, y = dense_ranks(x), dense_ranks(y)
    # Numbers that order by one column and, within its ties, by the other.
    x_then_y, y_then_x = x * (len(y) + 1) + y, y * (len(x) + 1) + x
    less_x, tied_x = _below_and_tied(x)
    less_y, tied_y = _below_and_tied(y)
    less_x_or_tied, both_tied = _below_and_tied(x_then_y)
    less_y_or_tied, _ = _below_and_tied(y_then_x)
    tied_less, less_tied = less_x_or_tied - less_x, less_y_or_tied - less_y
    both_less = dominated(x, y)
    less_more = less_x - both_less - less_tied
    more_less = less_y - both_less - tied_less
    more_tied = tied_y - both_tied - less_tied
    both_more = len(x) - 1 - less_x - tied_x - more_less - more_tied
    result: Ints = both_less + both_more - less_more - more_less
    return result


def tied(x: Ints) -> Ints:
    """For each point, how many others share its value."""
    return _below_and_tied(x)[1]


def _below_and_tied(x: Ints) -> tuple[Ints, Ints]:
    """For each point, how many others are smaller, and how many are equal."""
    order = np.argsort(x, kind="stable")
    ordered = x[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    sizes = np.diff(starts, append=len(x))
    below, ties = np.empty_like(x), np.empty_like(x)
    below[order], ties[order] = np.repeat(starts, sizes), np.repeat(sizes - 1, sizes)
    return below, ties


def kendall_tau_b(x: Ints, y: Ints, balances: Ints | None = None) -> float:
    """Kendall's tau-b of two columns of ranks; NaN where one of them is constant."""
    n = len(x)
    balances = balance(x, y) if balances is None else balances
    untied_x = n * (n - 1) - int(tied(x).sum())
    untied_y = n * (n - 1) - int(tied(y).sum())
    return ratio(float(balances.sum()), math.sqrt(float(untied_x) * float(untied_y)))


def weighted_tau(x: Ints, y: Ints, balances: Ints | None = None) -> float:
    """Weighted tau (Vigna 2015), additive hyperbolic weights, mean over ranking by x and by y.

    A pair weighs 1/(r_i + 1) + 1/(r_j + 1), r being the place from the best on; so every sum over
    pairs is a sum over points of its weight times its row sum.
    """
    balances = balance(x, y) if balances is None else balances
    others = len(x) - 1
    untied_x, untied_y = others - tied(x), others - tied(y)
    values = []
    for order in (np.lexsort((y, x)), np.lexsort((x, y))):
        weight = np.empty(len(x))
        weight[order[::-1]] = 1.0 / np.arange(1, len(x) + 1)
        spread = math.sqrt(float(weight @ untied_x) * float(weight @ untied_y))
        values.append(ratio(float(weight @ balances), spread))
    return (values[0] + values[1]) / 2


def mid_ranks(x: Ints) -> Floats:
    """Ranks from 1 in which tied points share their mean."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    result: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return result


def linear_correlation(x: Floats, y: Floats) -> float:
    """Pearson's correlation; NaN where a column is constant. Of `mid_ranks`: Spearman's."""
    if not len(x):
        return math.nan
    x = x - x.mean()
    y = y - y.mean()
    return ratio(float(x @ y), math.sqrt(float(x @ x) * float(y @ y)))


def ratio(numerator: float, denominator: float) -> float:
    """A quotient; NaN where the denominator is 0."""
    return numerator / denominator if denominator > 0 else math.nan
