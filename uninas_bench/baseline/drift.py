"""How far a proxy's scores have moved, architecture by architecture, and what that looks like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.pairs import Floats, dense_ranks, kendall_tau_b

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_TURNED = -0.9
_SAME_LINE = 1e-9
"""What a straight line may leave unexplained of the variance: rounding alone."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Scores then and now.

    Attributes:
        total: architectures.
        equal: how many have the same score to the last bit, or failed then and now.
        beyond: encodings whose scores differ by more than the tolerance.
        largest: the largest difference, in units of the scores' spread; 0 where nothing is comparable.
        where: the architecture of it; empty without a difference.
        then: the score that it had.
        now: the score that it has.
        failing: encodings that have no score any more.
        fixed: encodings that had none.
        order: Kendall's tau-b between the scores then and now; NaN where one of them is constant.
        tolerance: that ``beyond`` was judged by.
        looks: what the change looks like in words; empty where it looks like nothing.
    """

    total: int
    equal: int
    beyond: tuple[str, ...]
    largest: float
    where: str
    then: float
    now: float
    failing: tuple[str, ...]
    fixed: tuple[str, ...]
    order: float
    tolerance: float
    looks: str


def drift(encodings: Sequence[str], then: ArrayLike, now: ArrayLike, tolerance: float) -> Drift:
    """Compare two columns of scores.

    The unit of a difference is the interquartile range of the recorded scores or, for those that lie farther
    from the median, that distance: a difference of 1 is as large as what tells usual architectures apart,
    whatever the proxy counts in. Where all scores are equal it is their amount, or 1.

    Args:
        encodings: n of them.
        then: (n,) recorded; NaN where the proxy failed.
        now: (n,).
        tolerance: in that unit.
    """
    left, right = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    had, has = np.isfinite(left), np.isfinite(right)
    both = had & has
    same = (left == right) | (~had & ~has)
    difference = np.zeros(len(left))
    if both.any():
        low, median, high = np.quantile(left[both], (0.25, 0.5, 0.75))
        unit = np.maximum(high - low, np.abs(left - median))
        # Half of the scores and more may be equal: then what the others differ by.
        spread = float(np.std(left[both])) or abs(float(median)) or 1.0
        unit = np.where(unit > 0, unit, spread)
        difference[both] = np.abs(right[both] - left[both]) / unit[both]
    worst = int(np.argmax(difference)) if len(difference) else 0
    moved = bool(difference.any())
    return Drift(
        total=len(left),
        equal=int(same.sum()),
        beyond=_named(encodings, difference > tolerance),
        largest=float(difference.max(initial=0.0)),
        where=encodings[worst] if moved else "",
        then=float(left[worst]) if moved else math.nan,
        now=float(right[worst]) if moved else math.nan,
        failing=_named(encodings, had & ~has),
        fixed=_named(encodings, ~had & has),
        order=kendall_tau_b(dense_ranks(left[both]), dense_ranks(right[both])),
        tolerance=tolerance,
        looks=_looks(left[both], right[both], difference[both], tolerance),
    )


def _looks(left: Floats, right: Floats, difference: Floats, tolerance: float) -> str:
    """In words, where the scores now follow from those then."""
    if len(left) < 3 or not (difference > tolerance).any() or not left.std() > 0:
        return ""
    if not right.std() > 0:
        return "all scores are equal now"
    if np.allclose(right, -left, rtol=1e-6, atol=0):
        return "the sign is flipped"
    slope, offset = np.polyfit(left, right, 1)
    if float((right - (slope * left + offset)).var() / right.var()) < _SAME_LINE:
        shift = "" if abs(offset) <= 1e-6 * float(np.abs(right).max()) else f", {offset:+.4g}"
        return f"the scores are {slope:.4g} times what they were{shift}"
    order = kendall_tau_b(dense_ranks(left), dense_ranks(right))
    if order <= _TURNED:
        return "the order is turned around"
    return "other values in the same order" if order >= 1 else ""


def _named(encodings: Sequence[str], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(encodings[int(place)] for place in np.flatnonzero(chosen))
