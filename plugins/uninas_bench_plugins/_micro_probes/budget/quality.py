"""How well scores rank: Kendall's tau of some pilots with what they should be ranked by.

The note on TF-NAS calls the response "evaluation precision" and does not say what it is. The standardised sum
has mean 0 over the candidates whatever data and epochs are, so it cannot be its level: the response is the
quality of the ranking, which is a choice of ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uninas_bench as ub
from uninas_bench import UserError

if TYPE_CHECKING:
    import pandas as pd

    from uninas_bench_plugins._micro_probes.budget.bench import Bench, Measured


def against_accuracies(
    bench: Bench, measured: Sequence[Measured], accuracies: pd.Series[float]
) -> list[float | None]:
    """Tau of every measurement with the accuracies of its architectures; None where it is not defined.

    An architecture without a score ranks last.
    """
    return [_tau(bench.scores(entry), accuracies) for entry in measured]


def against_largest(bench: Bench, measured: Sequence[Measured]) -> list[float | None]:
    """Tau of every measurement with the scores at the most data and epochs, for want of accuracies.

    With several seeds a measurement is held against those of the other seeds, averaged: what a seed has in
    common would pass for quality. With a single one the largest measurement is its own yardstick, and None.

    Raises:
        UserError: there is no single largest measurement.
    """
    most = max(entry.data for entry in measured), max(entry.epochs for entry in measured)
    largest = {entry.seed: bench.scores(entry) for entry in measured if (entry.data, entry.epochs) == most}
    if not largest:
        raise UserError(f"nothing was measured at data {most[0]} and epochs {most[1]}")
    found: list[float | None] = []
    for entry in measured:
        others = [scores for seed, scores in largest.items() if seed != entry.seed]
        if not others and (entry.data, entry.epochs) == most:
            found.append(None)
            continue
        yardsticks = others or list(largest.values())
        reference = sum(yardsticks[1:], yardsticks[0]) / len(yardsticks)
        known = reference.dropna()
        found.append(_tau(bench.scores(entry).loc[known.index], known))
    return found


def _tau(scores: pd.Series[float], reference: pd.Series[float]) -> float | None:
    tau = ub.correlation.kendall(scores.to_numpy(), reference.loc[scores.index].to_numpy())
    return None if math.isnan(tau) else tau
