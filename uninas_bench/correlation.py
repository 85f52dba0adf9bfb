"""How well scores rank accuracies: the definitions, thin over scipy.

Every function takes ``score`` and ``accuracy``, both (n,). A NaN score is a failed architecture. For rank
statistics it ranks below every other, ties among the failed; leave rows out beforehand to exclude them.
Correlations are signed. They are NaN where a column is constant or has fewer than two values.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from uninas_bench.errors import UserError
from uninas_bench.intervals import RankCorrelations, rank_correlations
from uninas_bench.pairs import Floats, Ints, dense_ranks

__all__ = [
    "RankCorrelations",
    "kendall",
    "ndcg",
    "partial_tau",
    "pearson",
    "rank_correlations",
    "regret",
    "spearman",
    "weighted_tau",
]


def kendall(score: ArrayLike, accuracy: ArrayLike) -> float:
    """Kendall's tau-b (Kendall 1945): concordant minus discordant pairs, corrected for ties."""
    from scipy import stats

    x, y = _ranked(score, accuracy)
    return math.nan if _constant(x, y) else float(stats.kendalltau(x, y, variant="b").statistic)


def spearman(score: ArrayLike, accuracy: ArrayLike) -> float:
    """Spearman's rho: Pearson's correlation of the ranks, tied values sharing their mean rank."""
    from scipy import stats

    x, y = _ranked(score, accuracy)
    return math.nan if _constant(x, y) else float(stats.spearmanr(x, y).statistic)


def pearson(score: ArrayLike, accuracy: ArrayLike) -> float:
    """Pearson's r over the architectures with a finite score: a failure has no rank-free place in it."""
    from scipy import stats

    x, y = _columns(score, accuracy)
    finite = np.isfinite(x)
    x, y = x[finite], y[finite]
    return math.nan if _constant(x, y) else float(stats.pearsonr(x, y).statistic)


def weighted_tau(score: ArrayLike, accuracy: ArrayLike) -> float:
    """Weighted tau (Vigna 2015) as `scipy.stats.weightedtau` defaults: additive, hyperbolic.

    A pair weighs the sum of 1/(r + 1) over its two members, r being the place from the best on; the mean
    of ranking by score and ranking by accuracy. So disagreement among the best counts most.
    """
    from scipy import stats

    x, y = _ranked(score, accuracy)
    return math.nan if _constant(x, y) else float(stats.weightedtau(x, y).statistic)


def partial_tau(score: ArrayLike, accuracy: ArrayLike, given: ArrayLike) -> float:
    """Kendall's partial tau (Kendall 1942): what agreement remains when a third column is held.

    (t_sa - t_sg t_ag) / sqrt((1 - t_sg^2)(1 - t_ag^2)), each t a tau-b. It is a linear correction on the
    scale of tau: it is not the mean tau among architectures of equal ``given``, and zero does not mean
    conditional independence. NaN where ``given`` orders as score or accuracy does.
    """
    return partial(kendall(score, accuracy), kendall(score, given), kendall(accuracy, given))


def partial(score_accuracy: float, score_given: float, accuracy_given: float) -> float:
    """The formula of `partial_tau` on three correlations."""
    rest = (1 - score_given**2) * (1 - accuracy_given**2)
    # Below this the numerator is rounding error: two columns have the same order.
    if math.isnan(rest) or rest < 1e-12:
        return math.nan
    return (score_accuracy - score_given * accuracy_given) / math.sqrt(rest)


def ndcg(
    score: ArrayLike, accuracy: ArrayLike, k: int, ties: Literal["average", "first"] = "average"
) -> float:
    """Normalised discounted cumulative gain of the ``k`` best-scored (Jarvelin and Kekalainen 2002).

    The gain is 2^accuracy - 1 with the accuracy in percent, the discount log2(1 + place), the norm the
    ideal order's: as in the tables of VKDNW (CVPR 2025). Only architectures within a few tenths of a
    point of the best count. Gains are divided by the largest, so nothing overflows.

    Args:
        score: (n,).
        accuracy: (n,) in percent.
        k: the cut; n where it is larger.
        ties: ``average`` takes the mean over all orders of equal scores (McSherry and Najork 2008);
            ``first`` leaves them in the order given, as published tables sometimes do.

    Raises:
        UserError: ``k`` is below 1.
    """
    x, _ = _ranked(score, accuracy)
    percent = _columns(score, accuracy)[1]
    k = _cut(k, len(x))
    if not len(x):
        return math.nan
    top = percent.max()
    gain = np.exp2(percent - top) - np.exp2(-top)
    discount = np.zeros(len(x))
    discount[:k] = 1 / np.log2(np.arange(2, k + 2))
    order = np.argsort(-x, kind="stable")
    if ties == "average":
        group = np.unique(-x, return_inverse=True)[1]
        mean_gain = np.bincount(group, weights=gain) / np.bincount(group)
        gained = float(discount @ mean_gain[group[order]])
    else:
        gained = float(discount @ gain[order])
    ideal = float(discount @ np.sort(gain)[::-1])
    return gained / ideal if ideal > 0 else math.nan


def regret(score: ArrayLike, accuracy: ArrayLike, k: int) -> float:
    """Accuracy points lost by training only the proxy's ``k`` best: the best of all minus the best of those.

    Where equal scores straddle the cut, the expectation over which of them get in.

    Raises:
        UserError: ``k`` is below 1.
    """
    x, _ = _ranked(score, accuracy)
    y = _columns(score, accuracy)[1]
    k = _cut(k, len(x))
    if not len(x):
        return math.nan
    cut = np.sort(x)[-k]
    sure = y[x > cut]
    floor = float(sure.max()) if len(sure) else -math.inf
    places = k - len(sure)
    candidates = np.sort(y[x == cut])[::-1]
    # The chance that the i-th best candidate is the best of `places` drawn without replacement.
    expected, none_yet = 0.0, 1.0
    for index, value in enumerate(candidates[: len(candidates) - places + 1]):
        drawn = places / (len(candidates) - index)
        expected += none_yet * drawn * max(float(value), floor)
        none_yet *= 1 - drawn
    return float(y.max()) - expected


def _columns(score: ArrayLike, accuracy: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(score, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise UserError(f"scores {x.shape} and accuracies {y.shape}: expected two columns of one length")
    if np.isnan(y).any():
        raise UserError("an accuracy is NaN: leave out what was not measured")
    return x, y


def _ranked(score: ArrayLike, accuracy: ArrayLike) -> tuple[Ints, Ints]:
    x, y = _columns(score, accuracy)
    return dense_ranks(x), dense_ranks(y)


def _constant(x: Floats | Ints, y: Floats | Ints) -> bool:
    return len(x) < 2 or bool((x == x[0]).all() or (y == y[0]).all())


def _cut(k: int, n: int) -> int:
    if k < 1:
        raise UserError(f"k={k}: expected at least 1")
    return min(k, n)
