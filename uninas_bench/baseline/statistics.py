"""Whether a tau has changed, and whether two proxies have changed places: paired, and with many proxies.

Scores then and now are of the same architectures. One set of resampled architectures serves all of them, so
every difference keeps its covariance: a proxy whose scores hardly moved has a narrow one, however wide the
interval of its tau is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.intervals import RankCorrelations, rank_correlations

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ALPHA = 0.05
"""The chance that a check of proxies that all stayed as good as they were finds one that did not."""
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """The tau of one proxy, then and now.

    Attributes:
        p: two-sided, paired, that they are equal.
        significant: whether p is small enough among those of all proxies, by Holm's rule.
        low: lower end of the 95% interval of tau now.
        high: upper end.
    """

    then: float
    now: float
    p: float
    significant: bool
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Inversion:
    """Two proxies that were separable and now are so the other way round.

    Attributes:
        above: the proxy that was better then.
        below: the one that is better now.
        then: tau of ``above`` less that of ``below`` as recorded; positive.
        now: the same now; negative.
        p_then: two-sided, paired.
        p_now: two-sided, paired.
    """

    above: str
    below: str
    then: float
    now: float
    p_then: float
    p_now: float


def compare(
    then: Mapping[str, ArrayLike],
    now: Mapping[str, ArrayLike],
    accuracies: ArrayLike,
    *,
    seed: int = 0,
    alpha: float = ALPHA,
) -> tuple[dict[str, Change], list[Inversion]]:
    """Compare the taus of several proxies.

    The p of a change is that of the paired bootstrap over architectures (`RankCorrelations.p_value`; above
    1,000 architectures the influence function). Holm's rule (1979) keeps the chance of any false alarm among
    all proxies at ``alpha``. An inversion takes two proxies that differ in either direction at ``alpha``.

    Args:
        then: (n,) scores by proxy; NaN where it failed, which ranks last.
        now: the same proxies.
        accuracies: (n,).
        seed: of the bootstrap.
        alpha: the level.

    Returns:
        The change of every proxy, and the inversions.
    """
    names = list(then)
    # The least p that a bootstrap can give must be below the strictest of Holm's levels.
    resamples = max(_RESAMPLES, math.ceil(4 * len(names) / alpha))
    found = rank_correlations(
        [*then.values(), *(now[name] for name in names)], accuracies, resamples=resamples, seed=seed
    )
    m = len(names)
    p = [_p_of_change(found, place, place + m) for place in range(m)]
    significant = holm(p, alpha)
    low, high = found.tau_interval()
    changes = {
        name: Change(
            float(found.tau[i]), float(found.tau[i + m]), p[i], significant[i], low[i + m], high[i + m]
        )
        for i, name in enumerate(names)
    }
    return changes, _inversions(found, names, alpha)


def holm(p: Sequence[float], alpha: float) -> list[bool]:
    """Which of several hypotheses fall when the chance that a true one falls is to be ``alpha`` (Holm 1979).

    The least p is held against alpha / m, the next against alpha / (m - 1), until one stands. NaN stands.
    """
    rejected = [False] * len(p)
    tested = sorted((value, place) for place, value in enumerate(p) if not math.isnan(value))
    for step, (value, place) in enumerate(tested):
        if value > alpha / (len(tested) - step):
            break
        rejected[place] = True
    return rejected


def _p_of_change(found: RankCorrelations, then: int, now: int) -> float:
    if np.isnan(found.tau[[then, now]]).any():
        return math.nan
    return found.p_value(then, now)


def _inversions(found: RankCorrelations, names: Sequence[str], alpha: float) -> list[Inversion]:
    m = len(names)
    inversions = []
    for a, b in combinations(range(m), 2):
        then, now = found.tau[a] - found.tau[b], found.tau[a + m] - found.tau[b + m]
        if not then * now < 0:  # NaN, too
            continue
        p_then, p_now = found.p_value(a, b), found.p_value(a + m, b + m)
        if p_then < alpha and p_now < alpha:
            above, below = (a, b) if then > 0 else (b, a)
            inversions.append(
                Inversion(names[above], names[below], abs(float(then)), -abs(float(now)), p_then, p_now)
            )
    return sorted(inversions, key=lambda entry: entry.now - entry.then)
