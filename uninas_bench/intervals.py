"""Intervals and paired tests for the rank correlations of several proxies with one ground truth.

Small n: a percentile bootstrap over architectures, exact tau-b and rho of every resample. Large n: the
infinitesimal jackknife, that is the empirical influence of every architecture on the statistic (for
Kendall's tau: Hoeffding 1948, section 7, as a U-statistic, with tau-b's denominator by the delta method).
Both are paired: one set of architectures stands behind all proxies, so differences keep their covariance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from uninas_bench import pairs
from uninas_bench.errors import UserError
from uninas_bench.pairs import Floats, Ints
from uninas_bench.resampling import resample, resampled_rho, resampled_tau

Failed = Literal["last", "exclude"]
Method = Literal["auto", "bootstrap", "asymptotic", "none"]
FEWEST_RESAMPLES = 10
BOOTSTRAP_UP_TO = 1000
"""``auto`` resamples up to this n: beyond it the sign matrices cost more than a second per proxy."""


@dataclass(frozen=True, slots=True)
class RankCorrelations:
    """Kendall tau-b and Spearman rho of m proxies, with what their intervals come from.

    Attributes:
        tau, rho: (m,); NaN where a proxy is constant.
        n: (m,) how many architectures each rests on.
        method: ``bootstrap``, ``asymptotic`` or ``none``.
        level: coverage of the intervals.
        tau_draws, rho_draws: (m, resamples) under ``bootstrap``: the resampled statistics, column by column
            from the same resamples. (m, architectures) under ``asymptotic``: every architecture's influence
            divided by n, so that a variance is a sum of squares. (m, 0) under ``none``.
    """

    tau: Floats
    rho: Floats
    n: Ints
    method: Literal["bootstrap", "asymptotic", "none"]
    level: float
    tau_draws: Floats
    rho_draws: Floats

    def tau_interval(self) -> tuple[Floats, Floats]:
        """Lower and upper ends for tau, each (m,)."""
        return self._interval(self.tau, self.tau_draws)

    def rho_interval(self) -> tuple[Floats, Floats]:
        """Lower and upper ends for rho, each (m,)."""
        return self._interval(self.rho, self.rho_draws)

    def p_value(self, first: int, second: int) -> float:
        """Two-sided p that proxies ``first`` and ``second`` have the same tau, from the paired draws.

        Bootstrap: twice the smaller share of resamples on either side of no difference, ties counting
        for both, with one added to count and total (Davison and Hinkley 1997, section 4.4). Asymptotic:
        the normal test of the difference. NaN without intervals, or where a tau is undefined.
        """
        difference = self.tau[first] - self.tau[second]
        draws = self.tau_draws[first] - self.tau_draws[second]
        if self.method == "none" or math.isnan(difference):
            return math.nan
        if self.method == "bootstrap":
            draws = draws[~np.isnan(draws)]
            smaller = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
            return min(1.0, 2 * (smaller + 1) / (len(draws) + 1))
        error = math.sqrt(float(draws @ draws))
        if error == 0:
            return 1.0 if difference == 0 else 0.0
        return math.erfc(abs(difference) / error / math.sqrt(2))

    def _interval(self, estimate: Floats, draws: Floats) -> tuple[Floats, Floats]:
        low, high = np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
        for row in np.flatnonzero(~np.isnan(estimate)):
            if self.method == "bootstrap":
                tails = ((1 - self.level) / 2, (1 + self.level) / 2)
                low[row], high[row] = np.nanquantile(draws[row], tails)
            elif self.method == "asymptotic":
                reach = NormalDist().inv_cdf((1 + self.level) / 2) * math.sqrt(float(draws[row] @ draws[row]))
                low[row], high[row] = max(estimate[row] - reach, -1.0), min(estimate[row] + reach, 1.0)
        return low, high


def rank_correlations(
    scores: Sequence[ArrayLike],
    accuracy: ArrayLike,
    *,
    failed: Failed = "last",
    method: Method = "auto",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> RankCorrelations:
    """Kendall tau-b and Spearman rho of every proxy's scores with the accuracies.

    Args:
        scores: m columns of n values; NaN where a proxy failed.
        accuracy: (n,) without NaN.
        failed: ``last``: failed architectures tie below all others; ``exclude``: a proxy is correlated
            over those that it could score.
        method: ``auto`` takes ``bootstrap`` up to `BOOTSTRAP_UP_TO` architectures, else ``asymptotic``.
        resamples: of the bootstrap.
        level: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        UserError: an accuracy is NaN, or there are fewer than 10 resamples.
    """
    truth = np.asarray(accuracy, dtype=np.float64)
    if np.isnan(truth).any():
        raise UserError("an accuracy is NaN: leave out what was not measured")
    if resamples < FEWEST_RESAMPLES:
        raise UserError(f"resamples={resamples}: expected at least {FEWEST_RESAMPLES}")
    n = len(truth)
    if method == "auto":
        method = "bootstrap" if n <= BOOTSTRAP_UP_TO else "asymptotic"
    y = pairs.dense_ranks(truth)
    columns = [np.asarray(score, dtype=np.float64) for score in scores]
    ranks = [pairs.dense_ranks(column) for column in columns]
    masks = [~np.isnan(column) if failed == "exclude" else np.ones(n, dtype=bool) for column in columns]

    width = {"bootstrap": resamples, "asymptotic": n, "none": 0}[method]
    tau, rho = np.empty(len(columns)), np.empty(len(columns))
    tau_draws, rho_draws = np.zeros((len(columns), width)), np.zeros((len(columns), width))
    if method == "bootstrap":
        draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / max(n, 1)), size=resamples)
        weights = np.ascontiguousarray(draws.T, dtype=np.float32)
        truths = resample(y, weights)
    for row, (x, mask) in enumerate(zip(ranks, masks, strict=True)):
        balances = pairs.balance(x[mask], y[mask])
        tau[row] = pairs.kendall_tau_b(x[mask], y[mask], balances)
        rho[row] = pairs.linear_correlation(pairs.mid_ranks(x[mask]), pairs.mid_ranks(y[mask]))
        if method == "bootstrap":
            kept = truths if mask.all() else resample(y, weights * mask[:, None])
            found = resample(x, kept.weights)
            tau_draws[row] = resampled_tau(found, kept)
            rho_draws[row] = resampled_rho(found, kept)
        elif method == "asymptotic" and not math.isnan(tau[row]):
            tau_draws[row, mask] = tau_influence(x[mask], y[mask], balances) / mask.sum()
            rho_draws[row, mask] = rho_influence(x[mask], y[mask]) / mask.sum()
    count = np.array([int(mask.sum()) for mask in masks], dtype=np.int64)
    return RankCorrelations(tau, rho, count, method, level, tau_draws, rho_draws)


def tau_influence(x: Ints, y: Ints, balances: Ints) -> Floats:
    """(n,): the empirical influence of each point on tau-b = C / sqrt(A B).

    C is the mean of the sign products over pairs, A and B the shares of pairs untied in x and in y. The
    projection of a mean over pairs is twice the point's own mean; the rest is the delta method.
    """
    others = len(x) - 1
    share = {
        "c": balances / others,
        "a": 1 - pairs.tied(x) / others,
        "b": 1 - pairs.tied(y) / others,
    }
    c, a, b = (float(share[name].mean()) for name in "cab")
    tau = c / math.sqrt(a * b)
    linear = (share["c"] - c) / math.sqrt(a * b) - tau / 2 * ((share["a"] - a) / a + (share["b"] - b) / b)
    result: Floats = 2 * linear
    return result


def rho_influence(x: Ints, y: Ints) -> Floats:
    """(n,): the empirical influence of each point on Spearman's rho = M_xy / sqrt(M_xx M_yy).

    M is the covariance of the mid-distribution functions F(x) and G(y). A point acts on it by its own
    product and by shifting F and G of all points above it.
    """
    n = len(x)
    f, g = pairs.mid_ranks(x) / n, pairs.mid_ranks(y) / n
    f, g = f - f.mean(), g - g.mean()

    def projection(u: Floats, v: Floats, by_u: Ints, by_v: Ints) -> Floats:
        whole = u * v + _above(by_u, v) / n + _above(by_v, u) / n
        result: Floats = whole - whole.mean()
        return result

    xy, xx, yy = float(f @ g) / n, float(f @ f) / n, float(g @ g) / n
    rho = xy / math.sqrt(xx * yy)
    linear = projection(f, g, x, y) / math.sqrt(xx * yy)
    spread = projection(f, f, x, x) / xx + projection(g, g, y, y) / yy
    result: Floats = linear - rho / 2 * spread
    return result


def _above(x: Ints, values: Floats) -> Floats:
    """For each point, the sum of ``values`` over all points above it in x, its ties counting half."""
    group = np.unique(x, return_inverse=True)[1]
    sums = np.bincount(group, weights=values)
    above = sums[::-1].cumsum()[::-1] - sums / 2
    result: Floats = above[group]
    return result
