"""The noise ceiling of a table: how well even a perfect proxy could agree with accuracies of so few seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from uninas_bench.ground_truth.table import MEAN, GroundTruth
from uninas_bench.pairs import dense_ranks, kendall_tau_b
from uninas_bench.resampling import resample, resampled_tau

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_SPLITS = 200
_MOST_SPLITS_OF_MANY = 50
_MANY = 2000
"""Above so many architectures fewer random splits are as exact."""
_RESAMPLES = 400
_RESAMPLED = 800
"""Of how many architectures the bootstrap sees all pairs; of a larger table it takes a random part."""
_RESAMPLED_SPLITS = 12
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class NoiseCeiling:
    """Reliability of a table as Kendall's tau-b.

    Attributes:
        split_half: the mean tau-b between the means of two random halves of each architecture's seeds.
        low: lower end of its 95% interval over architectures.
        high: upper end.
        corrected: an estimate of tau between the true accuracies (of infinitely many seeds) and the mean over
            all seeds, which is what no proxy can exceed but by luck. See `corrected_ceiling`.
        corrected_low: the correction applied to ``low``.
        corrected_high: the correction applied to ``high``.
        seeds: the median number of seeds of the architectures that count.
        architectures: how many have at least two seeds; the others say nothing about noise.
        splits: how many splits were averaged.
    """

    split_half: float
    low: float
    high: float
    corrected: float
    corrected_low: float
    corrected_high: float
    seeds: int
    architectures: int
    splits: int


def noise_ceiling(
    table: GroundTruth, encodings: Iterable[str] | None = None, rng: np.random.Generator | None = None
) -> NoiseCeiling | None:
    """The noise ceiling of a table, or of some of its architectures.

    Where every architecture has the same seeds and there are at most 200 ways to halve them, all are taken;
    else 200 random ones (50 above 2,000 architectures), and where seeds are missing each architecture's own
    seeds are halved. An odd number is halved as evenly as it can be. The interval is the bootstrap over
    architectures (duplicates count as ties); of more than 800 architectures it resamples a random 800 and
    narrows the deviations by the square root of the ratio, as the variance of a U-statistic falls with 1/n.

    Args:
        table: with single seeds.
        encodings: default all architectures.
        rng: of random splits and of the bootstrap; default a fixed one.

    Returns:
        None where fewer than three architectures have two seeds, as in a table of means, or where all
        accuracies are equal.
    """
    if table.seeds == (MEAN,):
        return None
    part = table if encodings is None else table.subset(encodings)
    matrix = part.seed_matrix().drop(columns=MEAN, errors="ignore").to_numpy()
    matrix = matrix[np.count_nonzero(~np.isnan(matrix), axis=1) >= 2]
    if len(matrix) < 3:
        return None
    generator = rng or np.random.default_rng(0)
    # Half means that are equal in decimals must tie, whatever order they were added in.
    halves = [(left.round(12), right.round(12)) for left, right in _halves(matrix, generator)]
    taus = [_tau(left, right) for left, right in halves]
    split_half = float(np.mean(taus))
    if math.isnan(split_half):
        return None
    low, high = _interval(halves, split_half, generator)
    seeds = int(np.median(np.count_nonzero(~np.isnan(matrix), axis=1)))
    corrected, corrected_low, corrected_high = (
        corrected_ceiling(tau, seeds) for tau in (split_half, low, high)
    )
    return NoiseCeiling(
        split_half, low, high, corrected, corrected_low, corrected_high, seeds, len(matrix), len(halves)
    )


def corrected_ceiling(split_half: float, seeds: int) -> float:
    r"""Tau between the truth and the mean of ``seeds`` trainings, from the tau between two halves of them.

    Assumes that, after some increasing transformation of the accuracies, truth and noise are jointly normal
    and that the noise of the trainings is independent with one variance. Then tau and Pearson's rho are
    linked by :math:`\rho = \sin(\pi \tau / 2)` (Greiner 1909; Kendall and Gibbons, "Rank Correlation
    Methods", ch. 10). With the signal-to-noise ratio q of one training, the mean of k trainings has
    reliability :math:`r_k = kq / (kq + 1)` (Spearman 1910, Brown 1910), halves of a and b trainings correlate
    as :math:`\sqrt{r_a r_b}`, and the truth with the mean of all as :math:`\sqrt{r_{a+b}}`. This is solved
    for q and read back as a tau. For equal halves it is the Spearman-Brown formula
    :math:`r_{2a} = 2 r_a / (1 + r_a)`.

    The accuracies of a NAS benchmark are skewed and their noise is not equal everywhere, so it is an
    estimate; a cluster at chance level raises it.

    Args:
        split_half: tau-b between half means.
        seeds: at least 2.

    Returns:
        In 0..1; 0 where ``split_half`` is not positive.
    """
    rho = math.sin(math.pi / 2 * min(max(split_half, 0.0), 1.0))
    if rho >= 1:
        return 1.0
    a, b = seeds // 2, seeds - seeds // 2
    square = rho * rho
    # ab (1 - rho^2) q^2 - (a + b) rho^2 q - rho^2 = 0
    root = math.sqrt((square * seeds) ** 2 + 4 * a * b * (1 - square) * square)
    ratio = (square * seeds + root) / (2 * a * b * (1 - square))
    return 2 / math.pi * math.asin(math.sqrt(seeds * ratio / (seeds * ratio + 1)))


def _halves(
    matrix: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Pairs of half means, each of shape (architectures,)."""
    seeds = matrix.shape[1]
    complete = not np.isnan(matrix).any()
    ways = math.comb(seeds, seeds // 2) // (1 if seeds % 2 else 2)
    if complete and ways <= _MOST_SPLITS:
        for chosen in itertools.islice(itertools.combinations(range(seeds), seeds // 2), ways):
            left = np.isin(np.arange(seeds), chosen)
            yield matrix[:, left].mean(axis=1), matrix[:, ~left].mean(axis=1)
        return
    present = ~np.isnan(matrix)
    size = present.sum(axis=1, keepdims=True) // 2
    filled = np.where(present, matrix, 0.0)
    for _ in range(_MOST_SPLITS if len(matrix) <= _MANY else _MOST_SPLITS_OF_MANY):
        # Each architecture's own order of its seeds; the missing ones come last.
        order = np.where(present, rng.random(matrix.shape), 2.0).argsort(axis=1).argsort(axis=1)
        left = order < size
        right = present & ~left
        yield (
            (filled * left).sum(axis=1) / left.sum(axis=1),
            (filled * right).sum(axis=1) / right.sum(axis=1),
        )


def _tau(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    # Not scipy's: importing scipy.stats would double the time of a board from stored scores.
    return kendall_tau_b(dense_ranks(left), dense_ranks(right))


def _interval(
    halves: list[tuple[NDArray[np.float64], NDArray[np.float64]]], center: float, rng: np.random.Generator
) -> tuple[float, float]:
    total = len(halves[0][0])
    size = min(total, _RESAMPLED)
    part = rng.permutation(total)[:size]
    step = max(1, len(halves) // _RESAMPLED_SPLITS)
    weights = rng.multinomial(size, np.full(size, 1 / size), size=_RESAMPLES).astype(np.float32)
    weights = np.ascontiguousarray(np.concatenate([np.ones((1, size), np.float32), weights]).T)
    taus = np.mean(
        [
            resampled_tau(*(resample(dense_ranks(half[part]), weights) for half in pair))
            for pair in halves[::step]
        ],
        axis=0,
    )
    deviations = (taus[1:] - taus[0]) * math.sqrt(size / total)
    tail = (1 - _LEVEL) / 2
    low, high = np.nanquantile(deviations, [tail, 1 - tail])
    return max(-1.0, center + float(low)), min(1.0, center + float(high))
